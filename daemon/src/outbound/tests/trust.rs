use super::*;

async fn refused(client: &Client, server: &Server) -> String {
    let error = get(client, &server.url("/")).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Certificate(_)), "{error}");
    assert!(!error.is_transient());
    assert!(server.requests().is_empty(), "it was told the request");
    error.to_string()
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host() {
    let ca = Ca::new();
    let client = Client::new(parts(ca.roots())).unwrap();
    for names in [&["other.test"][..], &["*.keys.test"], &["keys.test.evil.test"], &["127.0.0.1"]] {
        let server = Server::start(Some(ca.server(names)), ok("trust me")).await;
        let message = refused(&client, &server).await;
        assert!(message.contains("not valid for name"), "{message}");
    }
}

#[tokio::test]
async fn an_address_needs_a_certificate_of_its_own() {
    let ca = Ca::new();
    let client = Client::new(parts(ca.roots())).unwrap();
    let server = Server::start(Some(ca.server(&["127.0.0.1"])), ok("at home")).await;
    let url = format!("https://127.0.0.1:{}/", server.port);
    assert_eq!(get(&client, &url).await.unwrap().body, "at home");
}

#[tokio::test]
async fn a_certificate_must_be_of_a_trusted_authority_and_of_today() {
    let ca = Ca::new();
    let client = Client::new(parts(ca.roots())).unwrap();
    let stranger = Server::start(Some(Ca::new().server(&[HOST])), ok("trust me")).await;
    refused(&client, &stranger).await;

    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = Server::start(Some(ca.signed(params)), ok("trust me")).await;
    let message = refused(&client, &expired).await;
    assert!(message.contains("expired"), "{message}");

    // The platform's roots do not hold this authority, and no roots hold none.
    for roots in [roots::platform(), RootCertStore::empty()] {
        let server = Server::start(Some(ca.server(&[HOST])), ok("trust me")).await;
        refused(&Client::new(parts(roots)).unwrap(), &server).await;
    }
}

#[tokio::test]
async fn what_speaks_no_tls_may_do_so_later() {
    let server = Server::start(None, ok("plain")).await;
    let client = Client::new(parts(RootCertStore::empty())).unwrap();
    // It waits for the end of a request that it cannot read.
    let limits = FetchLimits { connect: SOON, ..FetchLimits::default() };
    let client = Client { limits, ..client };
    let error = get(&client, &server.url("/")).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::ConnectTimeout { .. }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{HOST}:{}/", listener.local_addr().unwrap().port());
    let hang_up = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await
    });
    let error = get(&client, &url).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Handshake(_)) && error.is_transient(), "{error}");
    hang_up.await.unwrap().unwrap();
}
