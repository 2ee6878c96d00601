//! Every recorded request of every sender, through a running daemon whose clock stands where it
//! stood for the sender: each with a route of its own, which has no more than the provider and what
//! it has to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use hookyard_tests::{Client, Clock, Config, Daemon, Reply, Request, StandIn, Yard};
use hookyard_verify::{
    Profile, Secret, Setting, Settings, SetupError, SuccessBody, Takes, Verifier, profiles,
};
use serde_json::Value;

/// The hosts that keys are fetched from.
const HOSTS: &[&str] = &[
    "sns.us-east-1.amazonaws.com",
    "sns.eu-west-1.amazonaws.com",
    "api.paypal.com",
    "api.sandbox.paypal.com",
    "www.googleapis.com",
    "api.ebay.com",
    "production.plaid.com",
    "keys.neon.example",
];

/// Settings that a vector has under another name.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("audience", "expected_aud"),
    ("email", "expected_email"),
    ("public_key", "bt_public_key"),
    ("verification_token", "secret"),
    ("verify_token", "secret"),
    ("registered_url", "url"),
];

/// Settings that vectors do not have, because they only say where a key is fetched.
const FIXED: &[(&str, &str)] = &[
    ("jwks_url", "https://keys.neon.example/jwks"),
    ("client_id", "client"),
    ("client_secret", "hunter2"),
    ("environment", "production"),
    ("secret", "hunter2"),
];

/// Senders that sign a token in place of the body.
const ONE_TIME: &[&str] = &["favro", "mailgun", "mercado-pago", "messagebird", "wechat"];

/// A vector and the route that it is for.
struct Case {
    profile: &'static Profile,
    vector: Value,
}

impl Case {
    fn id(&self) -> &str {
        self.text("id")
    }

    fn text(&self, key: &str) -> &str {
        self.vector[key].as_str().unwrap_or_default()
    }

    fn valid(&self) -> bool {
        self.vector["valid"] == true
    }

    fn handshake(&self) -> bool {
        self.vector["kind"] == "handshake"
    }

    /// Scheme and authority of the URL that the sender called.
    fn origin(&self) -> String {
        let url = self.text("url");
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
        // Nobody calls a URL with the user name in it: it becomes a header.
        let (scheme, authority) = (&url[..start], &url[start..end]);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}{host}")
    }

    /// The host that the route takes: it tells vectors of one path apart.
    fn host(&self) -> String {
        format!("{}.example.com", self.id())
    }

    fn secrets(&self) -> Vec<String> {
        let takes = self.profile.scheme.takes().expect("a scheme");
        let mut secrets = Vec::new();
        if takes != Takes::Nothing {
            for key in ["secret", "secondary_secret", "public_key"] {
                secrets.extend(self.vector[key].as_str().map(str::to_owned));
            }
            for (name, key) in self.vector["public_keys"].as_object().into_iter().flatten() {
                secrets.push(format!("{name}:{}", key.as_str().expect("a key")));
            }
        }
        // Some handshakes need none, and the route does.
        if secrets.is_empty() && takes != Takes::Nothing && !self.profile.teaches_secret() {
            secrets.push("bm9ib2R5IGtub3dzIHRoaXMgc2VjcmV0".to_owned());
        }
        secrets
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let of = |name: &'static str| {
            let other = OTHER_NAMES.iter().find(|(ours, _)| *ours == name);
            let key = other.map_or(name, |(_, key)| *key);
            let fixed = FIXED.iter().find(|(ours, _)| *ours == name);
            let value = self.vector[key].as_str().or(fixed.map(|(_, value)| *value))?;
            Some((name, value.to_owned()))
        };
        let own = |setting: &&Setting| setting.only_with.is_none();
        let settings = self.profile.settings.iter().filter(own);
        settings
            .filter_map(|setting| match setting.only {
                Some(only) => Some((setting.name, only.to_owned())),
                None => of(setting.name),
            })
            .collect()
    }

    /// Why no route can be set up, when its secret cannot be one of this sender.
    fn unusable(&self) -> Option<SetupError> {
        let mut settings = Settings::default();
        for (name, value) in self.settings() {
            settings.insert(name, value);
        }
        let secrets = self.secrets();
        let secrets = secrets.iter().map(|secret| Secret::from(secret.as_str()));
        Verifier::for_profile(self.profile, secrets, settings).err()
    }

    fn route(&self, config: Config, folder: &Path) -> Config {
        let url: http::Uri = self.text("url").parse().expect("a URL");
        let place = |name: String, value: &str| {
            let file = folder.join(format!("{}-{name}", self.id()));
            fs::write(&file, value).expect("write a secret");
            format!("{{ file = {file:?} }}")
        };
        let mut provider = format!("name = {:?}", self.profile.name);
        for (name, value) in self.settings() {
            let secret = self.profile.settings.iter().any(|s| s.name == name && s.secret);
            let value = match (secret, value.as_str()) {
                (true, value) => place(name.to_owned(), value),
                (false, "true") => "true".to_owned(),
                (false, value) => format!("{value:?}"),
            };
            provider.push_str(&format!(", {name} = {value}"));
        }
        let mut lines = vec![
            format!("name = {:?}", self.id()),
            format!("host = {:?}", self.host()),
            format!("path = {:?}", url.path()),
            format!("provider = {{ {provider} }}"),
            "store_ignored = true".to_owned(),
            format!("methods = {:?}", self.methods()),
            "handlers = [\"nobody/home\"]".to_owned(),
        ];
        let secrets = self.secrets();
        let named = secrets.iter().enumerate();
        let secrets: Vec<String> = named.map(|(i, value)| place(i.to_string(), value)).collect();
        if !secrets.is_empty() {
            lines.push(format!("secret = [{}]", secrets.join(", ")));
        }
        config.raw_route(&lines.join("\n"))
    }

    /// What events come with: a few senders use another method as well.
    fn methods(&self) -> Vec<&str> {
        let mut methods = vec!["POST"];
        let own = self.text("method");
        if own != "POST" && !self.handshake() && self.valid() {
            methods.push(own);
        }
        methods
    }

    fn request(&self) -> Request {
        let url: http::Uri = self.text("url").parse().expect("a URL");
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(self.text("method"), path).header("host", &self.host());
        for (name, value) in self.vector["headers"].as_object().expect("headers") {
            let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for line in lines {
                request = request.header(name, line.as_str().expect("text"));
            }
        }
        let body = match self.vector["body_utf8"].as_str() {
            Some(body) => body.as_bytes().to_vec(),
            None => BASE64.decode(self.text("body_base64").as_bytes()).expect("base64"),
        };
        request.body(body)
    }

    /// What the daemon has to make of it.
    fn assert_answer(&self, reply: &Reply) {
        let (id, note) = (self.id(), self.text("note"));
        let seen = format!("{id}: {note}: {reply:?} {}", reply.text());
        if !self.valid() {
            assert!((400..500).contains(&reply.status), "{seen}");
            let silent = self.profile.success_body == SuccessBody::Empty;
            assert!(!silent || reply.body.is_empty(), "{seen}");
            return;
        }
        if !self.handshake() {
            assert_eq!(reply.status, self.profile.success_status, "{seen}");
            match self.profile.success_body {
                SuccessBody::Any => {}
                SuccessBody::Empty => assert!(reply.body.is_empty(), "{seen}"),
                SuccessBody::Text(text) => assert_eq!(reply.text(), text, "{seen}"),
            }
            return;
        }
        let expected = &self.vector["expect"];
        assert_eq!(u64::from(reply.status), expected["status"].as_u64().expect(id), "{seen}");
        if let Some(media) = expected["content_type"].as_str() {
            assert_eq!(reply.header("content-type"), Some(media), "{seen}");
        }
        for (name, value) in expected["headers"].as_object().into_iter().flatten() {
            assert_eq!(reply.header(&name.to_lowercase()), value.as_str(), "{seen}");
        }
        if let Some(body) = expected["body"].as_str() {
            assert_eq!(reply.text(), body, "{seen}");
        }
        if !expected["body_json"].is_null() {
            assert_eq!(reply.json(), expected["body_json"], "{seen}");
        }
    }
}

/// The vectors that have one verdict which nobody disputes.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/verify/tests/vectors");
    let mut cases = Vec::new();
    for profile in profiles() {
        let file = folder.join(format!("{}.json", profile.name));
        let text = fs::read_to_string(&file).expect(profile.name);
        let vectors: Vec<Value> = serde_json::from_str(&text).expect(profile.name);
        let decided = vectors.into_iter().filter(|vector| vector["ambiguous"] != true);
        cases.extend(decided.map(|vector| Case { profile, vector }));
    }
    cases
}

/// Whether the sender's keys are fetched: then each vector has a world of its own.
fn fetches(case: &Case) -> bool {
    const ALSO: &[&str] = &["ebay", "plaid"];
    case.profile.scheme.takes() == Ok(Takes::Nothing) && !case.profile.settings.is_empty()
        || ALSO.contains(&case.profile.name)
}

struct World {
    yard: Yard,
    clock: Clock,
    daemon: Daemon,
}

/// A daemon with a route for each case. `prepare` adds to the configuration.
fn start(cases: &[&Case], prepare: impl FnOnce(&Yard, Config) -> Config) -> World {
    let yard = Yard::new();
    let folder = yard.path("secrets");
    fs::create_dir(&folder).expect("create a folder");
    let origin = cases.first().map(|case| case.origin()).unwrap_or_default();
    let mut config = yard.config().set("server", &format!("public_url = {origin:?}"));
    for case in cases {
        config = case.route(config, &folder);
    }
    yard.write_config(&prepare(&yard, config));
    let clock = Clock::at(1_750_000_000);
    let daemon = Daemon::start(&yard.config_file(), |command| clock.apply(command));
    World { yard, clock, daemon }
}

impl World {
    /// Sends one vector at its own time and checks the answer.
    fn send(&self, case: &Case) {
        self.clock.set(case.vector["now_unix"].as_i64().expect("a clock"));
        if case.handshake() && case.profile.teaches_secret() {
            let token = fs::read_to_string(self.yard.path("data/admin-token")).expect("a token");
            let path = format!("/v1/routes/{}/arm", case.id());
            let arm = Request::new("POST", &path)
                .header("authorization", &format!("Bearer {}", token.trim()))
                .header("content-type", "application/json")
                .body("{}");
            let armed = Client::connect(self.daemon.admin).send(&arm);
            assert_eq!(armed.status, 200, "{}", armed.text());
        }
        case.assert_answer(&self.daemon.send(&case.request()));
    }

    /// What was let in is stored, each once, and nothing else is.
    fn assert_stored(&self, cases: &[&Case]) {
        let expected: BTreeSet<&str> = cases
            .iter()
            .filter(|case| case.valid() && !case.handshake())
            .map(|case| case.id())
            .collect();
        let events = self.yard.events();
        let stored: BTreeSet<&str> = events.iter().filter_map(|e| e["route"].as_str()).collect();
        assert_eq!(stored, expected);
        assert_eq!(events.len(), expected.len());
    }
}

#[test]
fn every_recorded_request_of_every_sender_gets_its_answer() {
    let all = cases();
    let mut refused_at_set_up = 0;
    let usable: Vec<&Case> = all
        .iter()
        .filter(|case| !fetches(case))
        .filter(|case| match case.unusable() {
            None => true,
            Some(error) => {
                assert!(!case.valid(), "{}: {error}", case.id());
                refused_at_set_up += 1;
                false
            }
        })
        .collect();
    assert!(usable.len() > 500 && refused_at_set_up < 20, "{} {refused_at_set_up}", usable.len());
    // The public URL, which some sign, is one for all routes of a daemon. So is what a one-time token
    // was used with: recorded requests that show one with several bodies need a daemon each.
    let mut worlds: BTreeMap<(String, usize), Vec<&Case>> = BTreeMap::new();
    let mut with_token: BTreeMap<&str, usize> = BTreeMap::new();
    for case in usable {
        let nth = with_token.entry(case.profile.name).or_default();
        let world = if ONE_TIME.contains(&case.profile.name) && case.valid() { *nth } else { 0 };
        *nth += usize::from(case.valid());
        worlds.entry((case.origin(), world)).or_default().push(case);
    }
    for cases in worlds.values() {
        let world = start(cases, |_, config| config);
        for case in cases {
            world.send(case);
        }
        world.assert_stored(cases);
        world.daemon.stop();
    }
}

#[test]
fn senders_whose_keys_are_fetched_are_asked_for_them() {
    let all = cases();
    let fetching: Vec<&Case> = all.iter().filter(|case| fetches(case)).collect();
    for case in &fetching {
        let world = start(&[case], |yard, config| {
            let stand_in = StandIn::start(yard, HOSTS);
            serve(&stand_in, &case.vector);
            stand_in.in_place(config)
        });
        world.send(case);
        world.assert_stored(&[case]);
        world.daemon.stop();
    }
    assert!(fetching.len() > 35, "{}", fetching.len());
}

/// Everything that the sender of a vector would have given out at that time.
fn serve(stand_in: &StandIn, vector: &Value) {
    for (url, document) in vector["served_certs"].as_object().into_iter().flatten() {
        let url: http::Uri = url.parse().expect("a URL");
        stand_in.serve(url.path(), document.as_str().expect("PEM"));
    }
    if let Some(authorities) = vector["ca_pem"].as_str() {
        stand_in.trust(authorities);
    }
    if vector["jwks"].is_object() {
        let keys = vector["jwks"].to_string();
        for path in ["/oauth2/v3/certs", "/jwks"] {
            stand_in.serve(path, &*keys);
        }
        let key = serde_json::json!({ "key": vector["jwks"]["keys"][0], "request_id": "1" });
        stand_in.serve("/webhook_verification_key/get", key.to_string());
    }
    let token =
        r#"{"access_token":"token","expires_in":7200,"token_type":"Application Access Token"}"#;
    stand_in.serve("/identity/v1/oauth2/token", token);
    for (id, key) in vector["public_keys"].as_object().into_iter().flatten() {
        let answer = serde_json::json!({ "key": key, "algorithm": "ECDSA", "digest": "SHA1" });
        let path = format!("/commerce/notification/v1/public_key/{id}");
        stand_in.serve(&path, answer.to_string());
    }
    // The confirmation of a subscription.
    stand_in.serve("/", "<ConfirmSubscriptionResponse/>");
}
