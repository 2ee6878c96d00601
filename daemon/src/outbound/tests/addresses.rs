use std::net::TcpListener as StdListener;

use super::*;

/// A listener that notices a connection although nobody accepts it.
fn trap(address: &str) -> StdListener {
    let listener = StdListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn untouched(listener: &StdListener) -> bool {
    matches!(listener.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// As [`parts`], with nothing allowed.
fn guarded(names: Arc<Names>) -> Client {
    let (resolver, policy) = (Resolver::new(names), AddressPolicy::public_only());
    Client::new(ClientParts { resolver, policy, ..parts(RootCertStore::empty()) }).unwrap()
}

#[tokio::test]
async fn a_name_at_a_guarded_address_is_not_connected_to() {
    let (v4, v6) = (trap("127.0.0.1:0"), trap("[::1]:0"));
    let client = guarded(Names::of([
        ("loopback.test", &["127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("six.test", &["::1"]),
        ("any.test", &["0.0.0.0"]),
        ("metadata.test", &["169.254.169.254"]),
        ("nat64.test", &["64:ff9b::7f00:1"]),
        // One of several is enough, wherever it stands.
        ("first.test", &["127.0.0.1", "192.0.2.1"]),
        ("last.test", &["2606:4700::1111", "1.1.1.1", "127.0.0.1"]),
        ("beyond.test", &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "::1"]),
    ]));
    for listener in [&v4, &v6] {
        let port = listener.local_addr().unwrap().port();
        for host in [
            "loopback.test",
            "LOOPBACK.test",
            "mapped.test",
            "six.test",
            "any.test",
            "metadata.test",
            "nat64.test",
            "first.test",
            "last.test",
            "beyond.test",
            "127.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::]",
            "0.0.0.0",
        ] {
            let error = get(&client, &format!("https://{host}:{port}/a?b=s3cret")).await;
            let error = error.expect_err(host);
            assert!(matches!(error.failure(), Failure::Refused(_)), "{host}: {error}");
            assert!(!error.is_transient() && !error.to_string().contains("s3cret"));
        }
    }
    assert!(untouched(&v4) && untouched(&v6), "somebody connected");
}

#[tokio::test]
async fn the_message_names_host_and_address() {
    let client = guarded(Names::of([("keys.test", &["10.0.0.1"])]));
    let error = get(&client, "https://keys.test/certs").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "fetch https://keys.test/certs: keys.test is at 10.0.0.1, a private address, and no \
         setting allows that"
    );
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server(&[HOST])), ok("here")).await;
    let names = Names::of([(HOST, &["127.0.0.2", "127.0.0.1"])]);
    let resolver = Resolver::new(names);
    let client = Client::new(ClientParts { resolver, ..parts(ca.roots()) }).unwrap();
    assert_eq!(get(&client, &server.url("/")).await.unwrap().body, "here");
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_may_be_later() {
    let resolver = Resolver::new(Names::of([(HOST, &["127.0.0.1"]), ("empty.test", &[])]));
    let client = Client::new(ClientParts { resolver, ..parts(RootCertStore::empty()) }).unwrap();
    let free = trap("127.0.0.1:0").local_addr().unwrap().port();
    let of = async |url: &str| get(&client, url).await.unwrap_err();

    let error = of(&format!("https://{HOST}:{free}/")).await;
    assert!(matches!(error.failure(), Failure::Connect { .. }) && error.is_transient(), "{error}");
    let error = of("https://unknown.test/").await;
    assert!(matches!(error.failure(), Failure::Lookup(_)) && error.is_transient(), "{error}");
    let error = of("https://empty.test/").await;
    assert!(matches!(error.failure(), Failure::NoAddress) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn plain_http_is_only_for_clients_that_may() {
    let server = Server::start(None, ok("plain")).await;
    let url = server.url("/").replace("https:", "http:");
    let client = Client::new(parts(RootCertStore::empty())).unwrap();
    let error = get(&client, &url).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::NotHttps) && !error.is_transient(), "{error}");
    assert!(server.requests().is_empty());

    let may = ClientParts { plain_http: true, ..parts(RootCertStore::empty()) };
    assert_eq!(get(&Client::new(may).unwrap(), &url).await.unwrap().body, "plain");
}

/// The address that the operator names is used, for the name alone, and the certificate is still that
/// of the host.
#[tokio::test]
async fn a_host_is_where_the_configuration_says() {
    const SNS: &str = "sns.us-east-1.amazonaws.com";
    let ca = Ca::new();
    let server = Server::start(Some(ca.server(&[SNS])), ok("confirmed")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.0.pem()).unwrap();

    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let resolve = BTreeMap::from([(SNS.to_owned(), address), ("other.test".to_owned(), address)]);
    let config = config::Outbound { resolve, ca: Some(file) };
    let client = Client::from_config(&config, trusted_roots(&config).unwrap()).unwrap();
    let response = get(&client, &format!("https://{SNS}/?Action=ConfirmSubscription")).await;
    assert_eq!(response.unwrap().body, "confirmed");
    assert!(server.requests()[0].contains(&format!("\r\nhost: {SNS}\r\n")));

    let error = get(&client, "https://other.test/").await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Certificate(_)), "{error}");
    let error = get(&client, &format!("https://127.0.0.1:{}/", server.port)).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Refused(_)), "{error}");
    let error = get(&client, "https://localhost/").await.unwrap_err();
    assert!(error.to_string().contains("`[outbound] resolve` can allow it"), "{error}");
}
