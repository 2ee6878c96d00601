use super::*;

fn token(name: &str, life: u32) -> Step {
    let body = format!(r#"{{"access_token":"{name}","token_type":"bearer","expires_in":{life}}}"#);
    say(200, "content-type: application/json\r\n", body)
}

pub(super) fn oauth(tokens: &Server, more: &str) -> String {
    format!(
        "auth = {{ oauth2 = {{ token_url = \"{}/token\", client_id = \"a b\", client_secret = {{ file \
         = \"secret\" }}{more} }} }}",
        tokens.url()
    )
}

fn bearers(server: &Server) -> Vec<String> {
    server.seen().iter().map(|request| header(request, "authorization").join(", ")).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all() {
    let slow = Step::After(Duration::from_millis(100), Box::new(token("first-token", 3600)));
    let tokens = Server::start([slow]).await;
    let server = Server::start([Step::Echo]).await;
    let more = ", scopes = [\"read\", \"write\"], audience = \"https://api.test/\"";
    let api = Arc::new(Place::new().connection(&server, &oauth(&tokens, more)));
    let calls = (0..20).map(|_| {
        let api = Arc::clone(&api);
        tokio::spawn(async move { made(&api, call("GET", "a")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let answer = text(&answered(call.await.unwrap()));
        // The server sent the token back.
        assert!(answer.contains("authorization: Bearer [redacted]"), "{answer}");
    }
    assert_eq!(bearers(&server), vec!["Bearer first-token"; 20]);
    let asked = tokens.seen();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("POST /token HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(
        asked[0].ends_with(
            "\r\n\r\ngrant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fapi.test%2F"
        ),
        "{}",
        asked[0]
    );
    // base64 of a+b:s3cret-t0ken-of-ours
    assert_eq!(header(&asked[0], "authorization"), ["Basic YStiOnMzY3JldC10MGtlbi1vZi1vdXJz"]);
}

#[tokio::test]
async fn a_token_is_fetched_again_when_it_is_refused_or_about_to_expire() {
    let tokens = Server::start([token("first-token", 3600), token("second-token", 3600)]).await;
    let server = Server::start([ok(""), say(401, "", ""), ok("in")]).await;
    let api = Place::new().connection(&server, &oauth(&tokens, ", client_auth = \"body\""));
    assert_eq!(made(&api, call("POST", "a")).await.status, Some(200));
    let called = made(&api, call("POST", "a")).await;
    assert_eq!((called.tries, called.status), (2, Some(200)));
    let used = ["Bearer first-token", "Bearer first-token", "Bearer second-token"];
    assert_eq!(bearers(&server), used);
    let asked = tokens.seen();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].ends_with(&format!("client_id=a+b&client_secret={SECRET}")), "{}", asked[1]);
    assert_eq!(header(&asked[1], "authorization"), [""; 0]);

    // Refused for good: the plugin is told, after one more token.
    let tokens = Server::start([token("t", 3600)]).await;
    let server = Server::start([say(401, "", "")]).await;
    let api = Place::new().connection(&server, &oauth(&tokens, ""));
    assert_eq!(answered(made(&api, call("GET", "a")).await).status, 401);
    assert_eq!((server.seen().len(), tokens.seen().len()), (2, 2));

    // A life of one second has its last tenth from 0.9 s on.
    let tokens = Server::start([token("t1", 1), token("t2", 3600)]).await;
    let server = Server::start([ok("")]).await;
    let api = Place::new().connection(&server, &oauth(&tokens, ""));
    made(&api, call("GET", "a")).await;
    made(&api, call("GET", "a")).await;
    tokio::time::sleep(Duration::from_millis(950)).await;
    made(&api, call("GET", "a")).await;
    assert_eq!(bearers(&server), ["Bearer t1", "Bearer t1", "Bearer t2"]);
}

/// The one before its end is good enough while there is no next one.
#[tokio::test]
async fn a_server_of_tokens_that_hangs_holds_nobody_up_who_has_one() {
    let tokens = Server::start([token("t1", 2), Step::Stall]).await;
    let server = Server::start([ok("")]).await;
    let lines = format!("{}\ntimeout = \"400ms\"", oauth(&tokens, ""));
    let api = Place::new().connection(&server, &lines);
    made(&api, call("GET", "a")).await;
    tokio::time::sleep(Duration::from_millis(1820)).await;
    assert_eq!(made(&api, call("GET", "a")).await.status, Some(200));
    assert_eq!(bearers(&server), ["Bearer t1", "Bearer t1"]);
    assert_eq!(tokens.seen().len(), 2);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_said_without_its_secret() {
    let refusal = |body: &str| say(400, "", body);
    for (step, why) in [
        (refusal(r#"{"error":"invalid_client"}"#), "it answered 400 Bad Request (invalid_client)"),
        // Whatever it says is not shown.
        (refusal(&format!(r#"{{"error":"{SECRET}"}}"#)), "it answered 400 Bad Request"),
        (say(302, "location: /x\r\n", ""), "it answered 302 Found"),
        (say(200, "", SECRET), "its answer is not JSON with an `access_token`"),
        (say(200, "", r#"{"access_token":"a\nb"}"#), "its token cannot be a header's value"),
        (
            say(200, "", r#"{"access_token":"a","token_type":"mac"}"#),
            "its token is not of the type `Bearer`",
        ),
        (
            Step::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), vec![b'x'; 4096]),
            "its answer is more than 65536 bytes",
        ),
        (Step::Cut(Vec::new()), "the connection broke"),
    ] {
        let tokens = Server::start([step]).await;
        let server = Server::start([ok("")]).await;
        let api = Place::new().connection(&server, &oauth(&tokens, ""));
        let called = made(&api, call("GET", "a")).await;
        assert_eq!(called.tries, 0);
        let CallError::Credential(message) = failed(called) else { panic!("another error") };
        let begin = format!("no token from {}/token: ", tokens.url());
        assert!(message.starts_with(&begin) && message.contains(why), "{message}");
        assert_eq!(server.opened(), 0);
    }
    // The token's server is guarded as well.
    let lines = "base_url = \"https://api.test/\"\nauth = { oauth2 = { token_url = \
                 \"https://127.0.0.1/\", client_id = \"a\", client_secret = { file = \"secret\" } } }";
    let api = Place::new().connection_with(Names::of([]), lines).unwrap();
    let CallError::Credential(message) = failed(made(&api, call("GET", "a")).await) else {
        panic!("another error")
    };
    assert!(message.contains("127.0.0.1 is a loopback address"), "{message}");
}

/// A server with a certificate for `api.test` on this machine, and a connection's lines for it.
async fn tls_server(place: &Place, ca: &Ca, acceptor: TlsAcceptor) -> (Server, String) {
    place.put("ca.pem", &ca.pem());
    let server = Server::with_tls(Some(acceptor), [Step::Echo]).await;
    let url = format!("https://api.test:{}", server.port);
    (
        server,
        format!("base_url = \"{url}\"\nallow = [\"127.0.0.1\"]\nretry = {{ max_attempts = 1 }}\n"),
    )
}

fn here() -> Arc<Names> {
    Names::of([("api.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])])
}

#[tokio::test]
async fn a_server_must_prove_who_it_is() {
    let (place, ca) = (Place::new(), Ca::new());
    let (server, lines) = tls_server(&place, &ca, ca.server(&["api.test"])).await;
    let trusting = format!("{lines}ca = \"ca.pem\"\n{BEARER}");
    let api = place.connection_with(here(), &trusting).unwrap();
    assert_eq!(made(&api, call("GET", "a")).await.status, Some(200));
    made(&api, call("GET", "a")).await;
    assert_eq!(server.opened(), 1);
    for wrong in [lines, trusting.replace("api.test", "other.test")] {
        let api = place.connection_with(here(), &wrong).unwrap();
        let CallError::Network(message) = failed(made(&api, call("GET", "a")).await) else {
            panic!("another error")
        };
        assert!(message.starts_with("the server's certificate is refused: "), "{message}");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_proves_who_it_is() {
    let (place, ca) = (Place::new(), Ca::new());
    let (server, lines) = tls_server(&place, &ca, ca.server_for_known(&["api.test"])).await;
    let (cert, key) = ca.client();
    place.put("client.pem", &cert);
    place.put("client.key", &key);
    let lines = format!("{lines}ca = \"ca.pem\"\n");
    let api = place.connection_with(here(), &lines).unwrap();
    assert!(matches!(failed(made(&api, call("GET", "a")).await), CallError::Network(_)));
    let proving = format!("{lines}client_cert = \"client.pem\"\nclient_key = \"client.key\"\n");
    let api = place.connection_with(here(), &proving).unwrap();
    assert_eq!(made(&api, call("GET", "a")).await.status, Some(200));
    assert_eq!(server.seen().len(), 1);
}
