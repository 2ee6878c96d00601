use super::*;
use crate::secret::Places;

fn refused(error: CallError) -> String {
    match error {
        CallError::Refused(message) => message,
        other => panic!("{other:?} is another error"),
    }
}

#[tokio::test]
async fn guarded_addresses_are_refused_after_the_look_up() {
    let names = || {
        Names::of([
            ("inside.test", &["10.1.2.3"]),
            ("mixed.test", &["93.184.215.14", "127.0.0.1"]),
            ("mapped.test", &["::ffff:127.0.0.1"]),
            ("nat64.test", &["64:ff9b::a9fe:a9fe"]),
            ("metadata.test", &["169.254.169.254"]),
        ])
    };
    for (url, why) in [
        ("https://inside.test", "inside.test is at 10.1.2.3, a private address"),
        ("https://mixed.test", "mixed.test is at 127.0.0.1, a loopback address"),
        ("https://mapped.test", "mapped.test is at 127.0.0.1, a loopback address"),
        ("https://nat64.test", "nat64.test is at 64:ff9b::a9fe:a9fe, a cloud metadata address"),
        ("https://metadata.test", "metadata.test is at 169.254.169.254, a cloud metadata address"),
        ("https://127.0.0.1", "127.0.0.1 is a loopback address"),
        ("https://[::1]", "::1 is a loopback address"),
        ("https://[::ffff:10.0.0.1]", "::ffff:10.0.0.1 is a private address"),
        ("https://[fd00::1]", "fd00::1 is a unique local address"),
        ("https://0.0.0.0", "0.0.0.0 is an unspecified address"),
        ("https://224.0.0.1", "224.0.0.1 is a multicast address"),
        ("https://[2002:7f00:1::]", "2002:7f00:1:: is a 6to4 address"),
    ] {
        let api = Place::new().connection_with(names(), &format!("base_url = \"{url}\"")).unwrap();
        let called = made(&api, call("GET", "a")).await;
        assert_eq!(called.status, None);
        let message = refused(failed(called));
        assert!(message.starts_with(why), "{message}");
        assert!(
            message.ends_with("`allow` or `allow_private` in the connection's table can allow it"),
            "{message}"
        );
    }
    // What is private may be allowed as a whole, what is of one machine alone by its name only.
    let private = "allow_private = true\nbase_url = ";
    for url in [
        "https://metadata.test",
        "https://169.254.1.1",
        "https://[fd00:ec2::23]",
        "https://0.0.0.0",
    ] {
        let api = Place::new().connection_with(names(), &format!("{private}\"{url}\"")).unwrap();
        refused(failed(made(&api, call("GET", "a")).await));
    }
    let lines = "base_url = \"https://inside.test\"\nallow = [\"192.168.0.0/16\"]";
    let api = Place::new().connection_with(names(), lines).unwrap();
    refused(failed(made(&api, call("GET", "a")).await));
    // Spellings that a resolver takes for 127.0.0.1 are no hosts.
    for url in ["https://127.1", "https://0x7f000001", "https://2130706433", "https://0177.0.0.1"] {
        let error = Place::new().connection_with(names(), &format!("base_url = \"{url}\""));
        assert!(error.expect_err(url).contains("`base_url`"));
    }
}

#[tokio::test]
async fn a_network_can_be_allowed() {
    let server = Server::start([ok("in")]).await;
    let port = server.port;
    for allow in ["allow = [\"127.0.0.0/8\"]", "allow = [\"127.0.0.1\"]", "allow_private = true"] {
        let names = Names::of([("inside.test", &["127.0.0.1"])]);
        let lines = format!("base_url = \"http://inside.test:{port}\"\n{allow}");
        let api = Place::new().connection_with(names, &lines).unwrap();
        assert_eq!(text(&answered(made(&api, call("GET", "a")).await)), "in");
    }
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_they_may() {
    let to = |status: u16, location: &str| say(status, &format!("location: {location}\r\n"), "");
    let server = Server::start([to(302, "/v2/b")]).await;
    let api = Place::new().connection(&server, BEARER);
    let answer = answered(made(&api, call("GET", "a")).await);
    assert_eq!((answer.status, server.seen().len()), (302, 1));
    assert_eq!(answer.headers, [("location".to_owned(), b"/v2/b".to_vec())]);

    // The same origin gets the credential; 307 keeps method and body, 303 makes a GET.
    let server = Server::start([to(307, "/v2/b?c=1#d"), to(303, "e"), ok("there")]).await;
    let api = Place::new().connection(&server, &format!("{BEARER}redirects = 2"));
    let mut post = call("POST", "a");
    post.body = "body".into();
    assert_eq!(text(&answered(made(&api, post).await)), "there");
    let seen = server.seen();
    assert!(seen[1].starts_with("POST /v2/b?c=1 HTTP/1.1\r\n") && seen[1].ends_with("body"));
    assert!(seen[2].starts_with("GET /v2/e HTTP/1.1\r\n") && seen[2].ends_with("\r\n\r\n"));
    assert!(seen.iter().all(|request| request.contains(SECRET)));

    // Around and around.
    let server = Server::start([to(302, "/v1/a")]).await;
    let api = Place::new().connection(&server, "redirects = 3");
    assert_eq!(answered(made(&api, call("GET", "a")).await).status, 302);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn another_origin_gets_nothing_that_proves_anything() {
    let other = Server::start([Step::Echo]).await;
    let location = format!("location: {}/x\r\n", other.url());
    for auth in [
        BEARER,
        "auth = { query = { name = \"key\", value = { file = \"secret\" } } }\n",
        "auth = { header = { name = \"x-key\", value = { file = \"secret\" } } }\n",
    ] {
        let server = Server::start([say(307, &location, "")]).await;
        let lines = format!("{auth}redirects = 1\nheaders = {{ x-account = \"7\" }}");
        let api = Place::new().connection(&server, &lines);
        let request = with_header(call("POST", "a"), "cookie", "session=1");
        let answer = text(&answered(made(&api, with_header(request, "accept", "x/y")).await));
        assert!(answer.contains("accept: x/y"), "{answer}");
        for name in ["authorization", "cookie", "x-account", "x-key", "idempotency-key", "?key="] {
            assert!(!answer.contains(name), "{answer}");
        }
        let seen = other.seen();
        assert!(!seen.last().unwrap().contains(SECRET));
        assert!(server.seen()[0].contains(SECRET));
    }
}

#[tokio::test]
async fn every_hop_is_guarded() {
    for (location, why) in [
        ("http://127.0.0.2:1/x", "127.0.0.2 is a loopback address"),
        ("http://[::ffff:127.0.0.2]/x", "is a loopback address"),
        ("//169.254.169.254/latest/meta-data", "is a cloud metadata address"),
        ("http://inside.test/", "inside.test is at 10.1.2.3, a private address"),
        ("http://[64:ff9b::7f00:1]/", "is a loopback address"),
    ] {
        let server = Server::start([say(302, &format!("location: {location}\r\n"), "")]).await;
        let names = Names::of([("inside.test", &["10.1.2.3"])]);
        // Of this machine just the one address.
        let lines =
            format!("base_url = \"{}\"\nallow = [\"127.0.0.1\"]\nredirects = 5", server.url());
        let api = Place::new().connection_with(names, &lines).unwrap();
        let called = made(&api, call("GET", "a")).await;
        assert_eq!((called.tries, called.status), (1, Some(302)));
        let message = refused(failed(called));
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn an_error_does_not_repeat_what_came_back_of_the_credential() {
    const HOST: &str = "s3cret-t0ken-of-ours.test";
    assert!(HOST.starts_with(SECRET));
    let server = Server::start([say(302, &format!("location: http://{HOST}/\r\n"), "")]).await;
    let names = Names::of([(HOST, &["10.1.2.3"])]);
    let lines = format!(
        "base_url = \"{}\"\nallow = [\"127.0.0.1\"]\nredirects = 1\n{BEARER}",
        server.url()
    );
    let api = Place::new().connection_with(names, &lines).unwrap();
    let message = refused(failed(made(&api, call("GET", "a")).await));
    assert!(message.starts_with("[redacted].test is at 10.1.2.3"), "{message}");
}

#[tokio::test]
async fn a_credential_does_not_leave_the_allowed_networks_in_the_clear() {
    let names = || Names::of([("api.test", &["93.184.215.14"])]);
    let lines = "base_url = \"http://api.test\"\nallow = [\"10.0.0.0/8\"]\nallow_private = true\n";
    let api = Place::new().connection_with(names(), &format!("{lines}{BEARER}")).unwrap();
    let message = refused(failed(made(&api, within(call("GET", "a"), SOON)).await));
    let why = "api.test is at 93.184.215.14, a public address, to which a credential would go in \
               the clear; if that is meant, `allow` or `allow_private` in the connection's table can \
               allow it";
    assert_eq!(message, why);

    // Nor to where tokens come from.
    let server = Server::start([ok("")]).await;
    let auth = "auth = { oauth2 = { token_url = \"http://api.test/\", client_id = \"a\", \
                client_secret = { file = \"secret\" } } }";
    let lines = format!("base_url = \"{}\"\nallow = [\"127.0.0.1\"]\n{auth}", server.url());
    let api = Place::new().connection_with(names(), &lines).unwrap();
    let CallError::Credential(message) = failed(made(&api, call("GET", "a")).await) else {
        panic!("another error")
    };
    assert!(message.contains("a credential would go in the clear"), "{message}");
}

/// What a name server answers the second time, when it is asked between check and connection.
#[derive(Debug)]
struct Rebinding(AtomicUsize);

impl crate::outbound::Resolve for Rebinding {
    fn resolve<'a>(&'a self, _: &'a str) -> crate::outbound::Lookup<'a> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let address = if asked == 0 { "127.0.0.1" } else { "127.0.0.2" };
        Box::pin(std::future::ready(Ok(vec![address.parse().unwrap()])))
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let server = Server::start([ok("first"), Step::Cut(Vec::new())]).await;
    let place = Place::new();
    let file = place.0.path().join("config.toml");
    let lines = format!(
        "[connection.api]\nbase_url = \"http://rebind.test:{}\"\nallow = [\"127.0.0.1\"]\n",
        server.port
    );
    let (config, _) = config::parse(&file, &lines).unwrap();
    let names = Arc::new(Rebinding(AtomicUsize::new(0)));
    let lookup = Resolver::new(Arc::clone(&names) as Arc<dyn crate::outbound::Resolve>);
    let (api, roots) = (&config.connections["api"], RootCertStore::empty());
    let base = place.0.path();
    let api = Connection::build_with(
        lookup,
        "api",
        api,
        &config.outbound,
        &roots,
        &Places::without_store(base),
    )
    .unwrap();
    assert_eq!(text(&answered(made(&api, call("GET", "a")).await)), "first");
    assert_eq!(names.0.load(Ordering::Relaxed), 1);
    // The kept connection breaks, and the next one is looked up and checked again.
    let error = failed(made(&api, call("GET", "a")).await);
    assert_eq!(&refused(error)[..48], "rebind.test is at 127.0.0.2, a loopback address;");
}
