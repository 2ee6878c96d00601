use std::collections::BTreeMap;

use super::*;

#[test]
fn a_connection_has_what_its_table_says() {
    let (config, _) = good(
        r#"
[plugin.a]
connections = ["full", "plain"]
requests = 5
request_bytes = "1MiB"

[connection.plain]
base_url = "https://api.test"

[connection.full]
base_url = "http://10.0.0.1:8080/v1"
auth = { header = { name = "X-Key", value = { env = "KEY" }, prefix = "Token " } }
timeout = "2s"
retry = { max_attempts = 5, idempotent = true }
rate = "50 / min"
max_response = "2MiB"
redirects = 2
headers = { Accept = "text/csv" }
allow = ["10.0.0.0/8", "::1"]
allow_private = true
ca = "ca.pem"
client_cert = "c.pem"
client_key = "k.pem"
"#,
    );
    let plugin = &config.plugins["a"];
    assert_eq!(plugin.connections, ["full", "plain"].map(str::to_owned).into());
    assert_eq!((plugin.limits.requests, plugin.limits.request_bytes), (5, 1 << 20));
    let key = SecretRef::Env("KEY".into());
    assert_eq!(
        config.connections["full"],
        Connection {
            base_url: crate::outbound::BaseUrl::parse("http://10.0.0.1:8080/v1/").unwrap(),
            auth: Some(Auth::Header { name: "x-key".into(), prefix: "Token ".into(), value: key }),
            timeout: Duration::from_secs(2),
            max_attempts: 5,
            idempotent: true,
            rate: Some(Rate { requests: 50, per: Duration::from_secs(60) }),
            max_response: 2 << 20,
            redirects: 2,
            headers: [("accept".to_owned(), "text/csv".to_owned())].into(),
            allow: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            allow_private: true,
            ca: Some("ca.pem".into()),
            client: Some(Tls { cert: "c.pem".into(), key: "k.pem".into() }),
        }
    );
    assert_eq!(
        config.connections["plain"],
        Connection {
            base_url: crate::outbound::BaseUrl::parse("https://api.test/").unwrap(),
            auth: None,
            timeout: Duration::from_secs(10),
            max_attempts: 3,
            idempotent: false,
            rate: None,
            max_response: 1 << 20,
            redirects: 0,
            headers: BTreeMap::default(),
            allow: Vec::new(),
            allow_private: false,
            ca: None,
            client: None,
        }
    );
}

#[test]
fn every_kind_of_credential_is_read() {
    let secret = || SecretRef::Env("S".into());
    for (auth, wanted) in [
        ("bearer = { env = \"S\" }", Auth::Bearer(secret())),
        (
            "basic = { user = \"me\", password = { env = \"S\" } }",
            Auth::Basic { user: "me".into(), password: secret() },
        ),
        (
            "query = { name = \"key\", value = { env = \"S\" } }",
            Auth::Query { name: "key".into(), value: secret() },
        ),
        (
            "oauth2 = { token_url = \"https://login.test/token\", client_id = \"me\", client_secret \
             = { env = \"S\" }, scopes = \"read\", audience = \"all\", client_auth = \"body\" }",
            Auth::OAuth2(OAuth2 {
                token_url: crate::outbound::BaseUrl::exactly("https://login.test/token").unwrap(),
                client_id: "me".into(),
                client_secret: secret(),
                scopes: vec!["read".into()],
                audience: Some("all".into()),
                in_body: true,
            }),
        ),
    ] {
        let text = format!("[connection.a]\nbase_url = \"https://a.test\"\nauth = {{ {auth} }}\n");
        assert_eq!(good(&text).0.connections["a"].auth, Some(wanted));
    }
    for (text, requests, per) in [
        ("5/s", 5, 1),
        ("1/m", 1, 60),
        ("1000/h", 1000, 3600),
        ("9/day", 9, 86_400),
        ("3/10s", 3, 10),
    ] {
        let lines = format!("[connection.a]\nbase_url = \"https://a.test\"\nrate = \"{text}\"\n");
        let rate = good(&lines).0.connections["a"].rate;
        assert_eq!(rate, Some(Rate { requests, per: Duration::from_secs(per) }), "{text}");
    }
}

/// A time to which no clock of the system reaches cannot be counted with.
#[test]
fn a_rate_is_for_a_time_of_a_year_at_most() {
    let rate = |text: &str| {
        let lines = format!("[connection.a]\nbase_url = \"https://a.test\"\nrate = \"{text}\"\n");
        parse(Path::new("config.toml"), &lines).map(drop).map_err(|error| error.to_string())
    };
    rate("1/365days").expect("is a year");
    for long in ["1/366days", "1/500000000000years"] {
        let error = rate(long).expect_err(long);
        assert!(error.contains("the time of a rate is 365 days at most"), "{error}");
    }
}

#[test]
fn every_mistake_in_a_connection_is_shown_in_its_place() {
    shown(
        "connections",
        r#"[plugin.a]
connections = ["slak", "nowhere"]

[connection.slack]
base_url = "https://me:hunter2@slack.com/api/"
proxy = "http://proxy.test"

[connection.Big]
auth = "hunter2"

[connection.clear]
base_url = "http://api.test/"
auth = { bearer = { env = "S" } }

[connection.two]
base_url = "https://api.test/?key=hunter2"
auth = { bearer = { env = "S" }, basic = {} }

[connection.half]
base_url = "https://api.test/"
client_cert = "cert.pem"
auth = { basic = { user = "a:b" } }

[connection.values]
base_url = "https://api.test/"
rate = "fast"
allow = ["here"]
redirects = 99
headers = { x-api-key = "hunter2", host = "a", "a b" = "c", accept = "a\nb" }
auth = { header = { name = "content-length", value = "hunter2" } }

[connection.token]
base_url = "https://api.test/"
rate = "0/s"
auth = { oauth2 = { token_url = "login", client_id = "", client_secret = { env = "S" }, client_auth = "jwt" } }
"#,
    );
}
