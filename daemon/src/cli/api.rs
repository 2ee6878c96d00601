//! A client of the running daemon's admin API, at the address and with the token of its
//! configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::admin::{self, Token};
use crate::config::Config;

/// For one call, from connecting to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of an answer.
const LARGEST_ANSWER: usize = 16 << 20;

/// Where the daemon is, and what it wants to be shown.
#[derive(Debug)]
pub(super) struct Api {
    address: SocketAddr,
    token: Token,
    /// For messages.
    config: PathBuf,
}

impl Api {
    /// The API of the daemon that runs with this configuration.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let mut address = config.admin.listen;
        let file = config.file.display();
        if address.port() == 0 {
            bail!(
                "[admin] listen of {file} has port 0, which is another one at each start: give it \
                 a port, so that commands find the daemon"
            );
        }
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let token = match admin::configured(config)? {
            Some(token) => token,
            None => {
                let path = admin::file(config);
                admin::made(&path)?.with_context(|| {
                    format!(
                        "there is no token at {}: a daemon makes it when it first runs; start one \
                         with `hookyard serve --config {file}`",
                        path.display()
                    )
                })?
            }
        };
        Ok(Self { address, token, config: config.file.clone() })
    }

    /// Calls the API. What it refuses is an error with its reason.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = Bytes::from(body.map(Value::to_string).unwrap_or_default());
        self.answered(method, path, "application/json", body).await
    }

    /// Puts bytes there. What the API refuses is an error with its reason.
    pub(super) async fn put(&self, path: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let body = Bytes::copy_from_slice(bytes);
        self.answered(Method::PUT, path, "application/octet-stream", body).await
    }

    async fn answered(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Value> {
        let exchange = self.exchange(method, path, kind, body);
        let (status, answer) =
            tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| {
                bail!("the daemon at {} did not answer within {PATIENCE:?}", self.address)
            })?;
        if status.is_success() {
            return serde_json::from_slice(&answer)
                .context("the daemon's answer is not JSON: is it another program?");
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "the daemon at {} does not take the token of {}: was it started with another \
                 configuration?",
                self.address,
                self.config.display()
            );
        }
        let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match problem.get("detail").and_then(Value::as_str) {
            Some(detail) => bail!("{detail}"),
            None => bail!("the daemon at {} answers {status}", self.address),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(self.address).await.with_context(|| {
            format!(
                "no daemon can be reached at {}, which is [admin] listen of {file}: is \
                 `hookyard serve --config {file}` running?",
                self.address,
                file = self.config.display()
            )
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, self.token.authorization()?)
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(body))?;
        let broken = || format!("the daemon at {} broke off", self.address);
        let response = sender.send_request(request).await.with_context(broken)?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let answer = answer.map_err(|error| anyhow::anyhow!(error)).with_context(broken)?;
        connection.abort();
        Ok((status, answer.to_bytes()))
    }
}
