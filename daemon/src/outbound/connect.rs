//! A connection to one of the checked addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::Failure;
use super::resolve::Checked;

/// Connects to the first address that takes the connection, each with the time `within`.
pub(super) async fn tcp(
    addresses: &Checked,
    within: Duration,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = Failure::NoAddress;
    for address in addresses.addresses() {
        last = match timeout(within, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(source)) => Failure::Connect { address, source },
            Err(_) => Failure::ConnectTimeout { address, within },
        };
    }
    Err(last)
}

/// Shakes hands with the server, which must prove that it is `name`.
pub(super) async fn tls(
    connector: &TlsConnector,
    name: ServerName<'static>,
    tcp: TcpStream,
    address: SocketAddr,
    within: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    match timeout(within, connector.connect(name, tcp)).await {
        Ok(shaken) => shaken.map_err(handshake_failure),
        Err(_) => Err(Failure::ConnectTimeout { address, within }),
    }
}

/// A certificate that is not trusted stays so; a handshake that breaks off can succeed next time.
fn handshake_failure(error: io::Error) -> Failure {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match refused {
        Some(error @ rustls::Error::InvalidCertificate(_)) => Failure::Certificate(error.clone()),
        _ => Failure::Handshake(error),
    }
}
