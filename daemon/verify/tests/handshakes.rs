//! The requests with which senders try a URL out: the exact answer to each, and that nothing that
//! falls short of one is answered, or taken as an event.

#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

use bytes::Bytes;
use hookyard_verify::handshake::{Alphabet, Body, Condition, Hash, Proof, Value};
use hookyard_verify::{
    Handshake, HandshakeRule, Keyring, Location, Part, Piece, Profile, Reason, Received, Request,
    Scheme, Secret, Settings, SetupError, UnixTime, Verifier, profile, profiles, sign,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXI=";
const TOKEN: &str = "verify-token-1";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request under construction, so that it can be changed part by part.
#[derive(Clone)]
struct Draft {
    method: Method,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    form: Vec<(String, String)>,
    json: Option<serde_json::Value>,
    /// Takes the place of the body that the others make.
    body: Option<Vec<u8>>,
}

impl Draft {
    fn new(method: Method) -> Self {
        let (query, headers, form) = (Vec::new(), Vec::new(), Vec::new());
        Self { method, query, headers, form, json: None, body: None }
    }

    fn get(query: &[(&str, &str)]) -> Self {
        query.iter().fold(Self::new(Method::GET), |draft, (name, value)| {
            draft.with(&Location::Query((*name).to_owned().into()), value)
        })
    }

    fn post(body: serde_json::Value) -> Self {
        Self { json: Some(body), ..Self::new(Method::POST) }
    }

    fn header(self, name: &str, value: &str) -> Self {
        self.with(&Location::Header(name.to_owned().into()), value)
    }

    /// With `text` at a place, in addition to what is there.
    fn with(mut self, location: &Location, text: &str) -> Self {
        let pair = |name: &str| (name.to_owned(), text.to_owned());
        match location {
            Location::Header(name) => self.headers.push(pair(name)),
            Location::Query(name) => self.query.push(pair(name)),
            Location::Form(name) => self.form.push(pair(name)),
            Location::Json(pointer) => {
                let mut at = self.json.get_or_insert_with(|| json!({}));
                for key in pointer.split('/').skip(1) {
                    at = &mut at[key];
                }
                *at = text.into();
            }
            Location::Param(name) => panic!("no handshake is told by the parameter {name}"),
        }
        self
    }

    /// Without what is at a place.
    fn without(mut self, location: &Location) -> Self {
        match location {
            Location::Header(name) => self.headers.retain(|(found, _)| found != name),
            Location::Query(name) => self.query.retain(|(found, _)| found != name),
            Location::Form(name) => self.form.retain(|(found, _)| found != name),
            Location::Json(pointer) => {
                let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
                let json = self.json.as_mut().expect("a body");
                let parent = json.pointer_mut(parent).expect("a parent");
                parent.as_object_mut().expect("an object").remove(key);
            }
            Location::Param(_) => {}
        }
        self
    }

    /// With something else at a place.
    fn replaced(self, location: &Location, text: &str) -> Self {
        self.without(location).with(location, text)
    }

    /// With `text` at a place as well: in JSON, by a repeated member before the other.
    fn doubled(mut self, location: &Location, text: &str) -> Self {
        let Location::Json(pointer) = location else { return self.with(location, text) };
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let json = self.json.clone().expect("a body").to_string();
        let inside = match parent.rsplit_once('/') {
            Some((_, parent)) => format!("\"{parent}\":{{"),
            None => "{".to_owned(),
        };
        let member = format!("{inside}{}:{},", json!(key), json!(text));
        assert!(json.contains(&inside), "{json} has no {inside}");
        self.body = Some(json.replacen(&inside, &member, 1).into_bytes());
        self
    }

    fn request(&self) -> Request {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        let query = Some(query.finish()).filter(|query| !query.is_empty());
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let body = if let Some(body) = &self.body {
            body.clone()
        } else if !self.form.is_empty() {
            headers.insert("content-type", HeaderValue::from_static(FORM));
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(&self.form).finish().into_bytes()
        } else {
            self.json.as_ref().map(|json| json.to_string().into_bytes()).unwrap_or_default()
        };
        let end = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        Request {
            method: self.method.clone(),
            url: format!("https://hooks.example.com/in{end}"),
            path: "/in".to_owned(),
            query,
            params: Vec::new(),
            headers,
            body: body.into(),
        }
    }
}

/// A route, and what its sender would send.
struct Route {
    profile: &'static Profile,
    verifier: Verifier,
    settings: Settings,
}

impl Route {
    fn of(profile: &'static Profile) -> Self {
        Self::with(profile, &[SECRET]).unwrap_or_else(|error| panic!("{}: {error}", profile.name))
    }

    fn named(name: &str) -> Self {
        Self::of(profile(name).expect(name))
    }

    fn with(profile: &'static Profile, secrets: &[&str]) -> Result<Self, SetupError> {
        let mut settings = Settings::default();
        for setting in profile.settings {
            settings.insert(setting.name, setting.only.unwrap_or(TOKEN));
        }
        let secrets = match profile.scheme {
            Scheme::None => &[],
            _ => secrets,
        };
        let secrets = secrets.iter().map(|secret| Secret::from(*secret));
        let verifier = Verifier::for_profile(profile, secrets, settings.clone())?;
        Ok(Self { profile, verifier, settings })
    }

    /// As the sender signs it with `secret`; nothing where only the sender can.
    fn sign(&self, draft: &Draft, secret: &str) -> Option<Request> {
        let mut request = draft.request();
        request.headers.insert("twitch-eventsub-message-id", HeaderValue::from_static("m1"));
        let secret = Secret::from(secret);
        sign(self.profile.scheme, &secret, request, NOW, &self.settings).ok()
    }

    fn receive(&self, request: Request) -> Result<Received, Reason> {
        self.verifier.receive(request, NOW, &Keyring::new()).map_err(|refused| refused.reason)
    }

    fn answer(&self, request: Request) -> Handshake {
        match self.receive(request) {
            Ok(Received::Handshake(handshake)) => handshake,
            other => panic!("{}: {other:?}", self.profile.name),
        }
    }

    fn refusal(&self, request: Request) -> Reason {
        match self.receive(request) {
            Err(reason) => reason,
            other => panic!("{}: {other:?}", self.profile.name),
        }
    }
}

/// The places whose text the rule looks at, by what for.
fn places(rule: &'static HandshakeRule) -> Vec<&'static Location> {
    let mut places: Vec<&Location> = rule
        .when
        .iter()
        .filter_map(|condition| match condition {
            Condition::Has(at) | Condition::Is(at, _) | Condition::Shaped(at, _) => Some(at),
            Condition::Method(_) | Condition::Lacks(_) | Condition::EmptyBody => None,
        })
        .collect();
    if let Proof::Shows(at, _) | Proof::Teaches(at) = &rule.proof {
        places.push(at);
    }
    places.extend(echoes(rule));
    if let Some(confirm) = &rule.confirm {
        places.push(&confirm.at);
    }
    let mut unique: Vec<&Location> = Vec::new();
    for place in places {
        if !unique.contains(&place) {
            unique.push(place);
        }
    }
    unique
}

/// All parts of the rule's answer, inner ones too, each with whether a key goes into it.
fn parts(rule: &'static HandshakeRule) -> Vec<(&'static Value, bool)> {
    fn add(value: &'static Value, keyed: bool, parts: &mut Vec<(&'static Value, bool)>) {
        parts.push((value, keyed));
        match value {
            Value::Joined(inner) => inner.iter().for_each(|value| add(value, keyed, parts)),
            Value::Hash { how, of, .. } => {
                let keyed = keyed || *how != Hash::Sha256;
                of.iter().for_each(|value| add(value, keyed, parts));
            }
            Value::SettingOr(_, inner) => add(inner, keyed, parts),
            _ => {}
        }
    }
    let mut parts = Vec::new();
    match rule.body {
        Body::Empty => {}
        Body::Text(values) => values.iter().for_each(|value| add(value, false, &mut parts)),
        Body::Json(members) => {
            members.iter().for_each(|(_, value)| add(value, false, &mut parts));
        }
    }
    rule.headers.iter().for_each(|(_, value)| add(value, false, &mut parts));
    parts
}

fn echoes(rule: &'static HandshakeRule) -> Vec<&'static Location> {
    let echoed = |(value, _): (&'static Value, bool)| match value {
        Value::Echo(at) => Some(at),
        _ => None,
    };
    parts(rule).into_iter().filter_map(echoed).collect()
}

/// A request that is what the rule describes, not signed.
fn sample(rule: &'static HandshakeRule) -> Draft {
    let mut draft = Draft::new(rule.method());
    for place in places(rule) {
        let told = rule.when.iter().find_map(|condition| match condition {
            Condition::Is(at, text) if at == place => Some((*text).to_owned()),
            Condition::Shaped(at, shape) if at == place => {
                let digit = if shape.of == Alphabet::Digits { "7" } else { "c" };
                Some(digit.repeat(shape.at_least.max(8).min(shape.at_most)))
            }
            _ => None,
        });
        let shown = match &rule.proof {
            Proof::Shows(at, _) if at == place => Some(TOKEN.to_owned()),
            Proof::Teaches(at) if at == place => Some("taught-secret-0123456789".to_owned()),
            _ => None,
        };
        draft = draft.with(place, &told.or(shown).unwrap_or_else(|| "challenge-1".to_owned()));
    }
    draft
}

/// Whether a request without anything else in it can be signed as the sender does.
fn signs_in_headers(profile: &Profile) -> bool {
    let own_headers = match profile.scheme {
        Scheme::Template(hmac) => hmac.signed.pieces().contains(&Piece::Secret),
        _ => false,
    };
    let elsewhere = matches!(
        profile.scheme,
        Scheme::BodyHmac(_)
            | Scheme::BodySecret { .. }
            | Scheme::Braintree
            | Scheme::ExactOnline
            | Scheme::Mandrill
            | Scheme::UnisenderGo
            | Scheme::WeChat { .. }
    );
    !elsewhere && !own_headers
}

/// Every rule of every sender whose requests can be made here, with one that is right.
fn cases() -> Vec<(Route, &'static HandshakeRule, Draft, Request)> {
    let mut cases = Vec::new();
    for profile in profiles() {
        for rule in profile.handshakes {
            // Senders whose secrets have another form, or that only sign themselves, or confirm,
            // have tests of their own. So have those that sign in the body or the query.
            if !signs_in_headers(profile) || matches!(rule.proof, Proof::Sealed(..)) {
                continue;
            }
            let Ok(route) = Route::with(profile, &[SECRET]) else { continue };
            let draft = sample(rule);
            let request = match rule.proof {
                Proof::Signature => route.sign(&draft, SECRET),
                _ => Some(draft.request()),
            };
            let Some(request) = request.filter(|_| rule.confirm.is_none()) else { continue };
            cases.push((route, rule, draft, request));
        }
    }
    cases
}

#[test]
fn every_rule_is_tried() {
    let mut tried: Vec<&str> = cases().iter().map(|case| case.0.profile.name).collect();
    tried.dedup();
    for name in [
        "asana",
        "clio",
        "dropbox",
        "front",
        "instagram",
        "intercom",
        "linkedin",
        "mailchimp",
        "meta",
        "notion",
        "nylas",
        "okta",
        "oura",
        "ringcentral",
        "slack",
        "smartcar",
        "strava",
        "tebex",
        "trello",
        "twitch",
        "whatsapp",
        "woocommerce",
        "x-twitter",
        "zoom",
    ] {
        assert!(tried.contains(&name), "{name}");
    }
    for (route, rule, _, request) in cases() {
        let handshake = route.answer(request);
        assert_eq!(handshake.name, rule.name, "{}", route.profile.name);
        assert_eq!(handshake.teaches.is_some(), matches!(rule.proof, Proof::Teaches(_)));
    }
}

// What the senders ask and exactly what they are answered.

const TEXT: &[(&str, &str)] = &[("content-type", "text/plain"), NOSNIFF];
const JSON: &[(&str, &str)] = &[("content-type", "application/json"), NOSNIFF];
const NOSNIFF: (&str, &str) = ("x-content-type-options", "nosniff");

fn assert_answer(handshake: &Handshake, headers: &[(&str, &str)], body: &str) {
    let reply = &handshake.reply;
    let found: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    assert_eq!(reply.status, StatusCode::OK, "{}", handshake.name);
    assert_eq!(found, headers, "{}", handshake.name);
    assert_eq!(reply.body, Bytes::copy_from_slice(body.as_bytes()), "{}", handshake.name);
    assert!(handshake.confirm.is_none());
}

#[test]
fn a_text_is_sent_back() {
    for name in ["dropbox", "nylas"] {
        let route = Route::named(name);
        let challenge = "a<script>b & c+d/é";
        let draft = Draft::get(&[("challenge", challenge)]);
        assert_answer(&route.answer(draft.request()), TEXT, challenge);
    }
    for name in ["instagram", "meta", "whatsapp"] {
        let draft = Draft::get(&[
            ("hub.mode", "subscribe"),
            ("hub.challenge", "1158201444"),
            ("hub.verify_token", TOKEN),
        ]);
        assert_answer(&Route::named(name).answer(draft.request()), TEXT, "1158201444");
    }
    let slack = Route::named("slack");
    let draft = Draft::post(json!({
        "token": "Jhj5dZrVaK7ZwHHjRyZWjbDl",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        "type": "url_verification",
    }));
    let request = slack.sign(&draft, SECRET).expect("signed");
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    assert_answer(&slack.answer(request), TEXT, challenge);
    let twitch = Route::named("twitch");
    let draft = Draft::post(json!({
        "challenge": "pogchamp-kappa-360noscope-vohiyo",
        "subscription": { "status": "webhook_callback_verification_pending" },
    }));
    let request = twitch.sign(&draft, SECRET).expect("signed");
    assert_answer(&twitch.answer(request), TEXT, "pogchamp-kappa-360noscope-vohiyo");
    let front = Route::named("front");
    let draft = Draft::post(json!({ "type": "sync", "authorization": { "id": "cmp_abc" } }))
        .header("x-front-challenge", "c0ffee");
    let request = front.sign(&draft, SECRET).expect("signed");
    assert_answer(&front.answer(request), TEXT, "c0ffee");
}

#[test]
fn a_text_is_sent_back_in_json() {
    let strava = Draft::get(&[
        ("hub.mode", "subscribe"),
        ("hub.challenge", "15f7d1a91c1f40f8a748fd134752feb3"),
        ("hub.verify_token", TOKEN),
    ]);
    assert_answer(
        &Route::named("strava").answer(strava.request()),
        JSON,
        r#"{"hub.challenge":"15f7d1a91c1f40f8a748fd134752feb3"}"#,
    );
    let oura = Draft::get(&[("verification_token", TOKEN), ("challenge", "a\"b</script>")]);
    let expected = r#"{"challenge":"a\"b</script>"}"#;
    assert_answer(&Route::named("oura").answer(oura.request()), JSON, expected);
    let okta = Draft::get(&[]).header("x-okta-verification-challenge", "my challenge");
    let expected = r#"{"verification":"my challenge"}"#;
    let route = Route::named("okta");
    assert_answer(&route.answer(okta.request()), JSON, expected);
    // With the credential, which is not asked for, it has to be the right one.
    let with = |secret: &str| route.sign(&okta, secret).expect("a credential");
    assert_answer(&route.answer(with(SECRET)), JSON, expected);
    assert_eq!(route.refusal(with(OTHER)).label(), "wrong-credentials");
}

#[test]
fn a_hash_is_sent_back() {
    let x = Draft::get(&[("crc_token", "challenge_string"), ("nonce", "1")]);
    let route = Route::with(profile("x-twitter").expect("x"), &["x_consumer_secret", OTHER]);
    assert_answer(
        &route.expect("x").answer(x.request()),
        JSON,
        r#"{"response_token":"sha256=R1pHvuTfpG71hzRFDyY0MFU5kcuPZW+3M/ZFT6LPMg0="}"#,
    );
    let code = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    let linkedin = Draft::get(&[("challengeCode", code)]);
    let route = Route::with(profile("linkedin").expect("linkedin"), &["li_client_secret", OTHER]);
    let response = "3ceda89cb18cf5471b844e08c4b771bcab6f5bec8ab1b0837ca04ab05c909d8c";
    assert_answer(
        &route.expect("linkedin").answer(linkedin.request()),
        JSON,
        &format!(r#"{{"challengeCode":"{code}","challengeResponse":"{response}"}}"#),
    );
}

#[test]
fn nothing_is_sent_back_but_the_status() {
    for name in ["intercom", "trello"] {
        assert_answer(&Route::named(name).answer(Draft::new(Method::HEAD).request()), &[], "");
    }
    assert_answer(&Route::named("mailchimp").answer(Draft::get(&[]).request()), &[], "");
    let form = |name: &'static str, value| {
        Draft::new(Method::POST).with(&Location::Form(name.into()), value)
    };
    let ping = form("webhook_id", "5").request();
    assert_answer(&Route::named("woocommerce").answer(ping), &[], "");
    let slack = Route::named("slack");
    let check = form("ssl_check", "1")
        .with(&Location::Form("command".into()), "/deploy")
        .with(&Location::Form("token".into()), "x");
    assert_answer(&slack.answer(check.request()), &[], "");
    assert_answer(&slack.answer(slack.sign(&check, SECRET).expect("signed")), &[], "");
    let reason = slack.refusal(slack.sign(&check, OTHER).expect("signed"));
    assert_eq!(reason.label(), "mismatch");
}

#[test]
fn a_header_is_sent_back() {
    let token = "b0c4e1a2-3d5f-4c6e-8a9b-0123456789ab";
    let draft = Draft::new(Method::POST).header("validation-token", token);
    let route = Route::named("ringcentral");
    let expected = [("validation-token", token)];
    assert_answer(&route.answer(draft.request()), &expected, "");
    assert_answer(&route.answer(route.sign(&draft, SECRET).expect("a token")), &expected, "");
    let forged = route.sign(&draft, OTHER).expect("a token");
    assert_eq!(route.refusal(forged).label(), "wrong-credentials");
}

#[test]
fn the_secret_that_signed_is_the_one_that_answers() {
    let zoom = profile("zoom").expect("zoom");
    let route = Route::with(zoom, &["new_secret", "zoom_secret_token"]).expect("zoom");
    let draft = Draft::post(json!({
        "payload": { "plainToken": "qgg8vlvZRS6UYooatFL8Aw" },
        "event": "endpoint.url_validation",
    }));
    let answer = |secret: &str| {
        let handshake = route.answer(route.sign(&draft, secret).expect("signed"));
        String::from_utf8(handshake.reply.body.to_vec()).expect("text")
    };
    let old = "bd48235863f4a6323ccc4963c594908b7c97f88b4a6a95278f4f093690b12726";
    let old = json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": old });
    assert_eq!(answer("zoom_secret_token"), old.to_string());
    assert_ne!(answer("new_secret"), old.to_string());
}

// What falls short of a handshake.

/// What a sender would never send: something a handshake is told by is missing, there twice, too
/// long or not clean, or it comes by another method.
fn changes(rule: &'static HandshakeRule, draft: &Draft) -> Vec<(String, Draft)> {
    let mut changes = Vec::new();
    for place in places(rule) {
        let mut push = |what: &str, draft: Draft| changes.push((format!("{place} {what}"), draft));
        let own = sample(rule);
        push("missing", own.clone().without(place));
        push("empty", own.clone().replaced(place, ""));
        push("too long", own.clone().replaced(place, &"x".repeat(1025)));
        push("twice, another first", own.clone().doubled(place, "other"));
        if let Location::Json(_) = place {
            continue;
        }
        let again = own.clone().without(place).with(place, "other");
        let text = draft_text(draft, place);
        push("twice, another last", own.clone().with(place, "other"));
        push("twice, the same", own.clone().with(place, &text));
        push("another twice", again.with(place, "other"));
        if !matches!(place, Location::Header(_)) {
            push("with a line break", own.clone().replaced(place, &format!("{text}\r\nx: y")));
            push("with a null", own.replaced(place, &format!("{text}\0")));
        }
    }
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE] {
        if method != rule.method() {
            changes.push((format!("by {method}"), Draft { method, ..draft.clone() }));
        }
    }
    changes
}

fn draft_text(draft: &Draft, place: &Location) -> String {
    let (pairs, name) = match place {
        Location::Header(name) => (&draft.headers, name),
        Location::Query(name) => (&draft.query, name),
        Location::Form(name) => (&draft.form, name),
        other => panic!("{other} has pairs"),
    };
    pairs.iter().find(|(found, _)| found == name).expect("there").1.clone()
}

#[test]
fn what_nobody_signed_is_a_handshake_or_refused() {
    for (route, rule, draft, _) in cases() {
        let name = route.profile.name;
        let believed = *route.profile.scheme == Scheme::None;
        for (what, draft) in changes(rule, &draft) {
            match route.receive(draft.request()) {
                Ok(Received::Event(_)) => {
                    // By what could be a delivery of a sender of whom everything is believed.
                    assert!(believed && draft.method != rule.method(), "{name} {what}: an event");
                }
                Ok(Received::Handshake(handshake)) => {
                    assert!(may_differ(&route, rule, &what), "{name} {what}: {handshake:?}");
                }
                Err(reason) => assert!(Reason::LABELS.contains(&reason.label()), "{name} {what}"),
            }
        }
    }
}

/// Whether a change leaves a handshake what it is: where little is asked, little can be missing.
fn may_differ(route: &Route, rule: &HandshakeRule, what: &str) -> bool {
    match route.profile.name {
        // Slack's check is told by one field of the last of that name.
        "slack" => rule.name == "ssl_check" && what.contains("ssl_check missing"),
        _ => false,
    }
}

/// The same changes, by a sender that signs them: then what looks like a handshake is one or is
/// refused, and only what looks like none is an event.
#[test]
fn what_the_sender_signed_never_turns_from_a_handshake_into_an_event() {
    let mut refused = 0;
    for (route, rule, draft, _) in cases() {
        if rule.proof != Proof::Signature {
            continue;
        }
        let name = route.profile.name;
        for (what, draft) in changes(rule, &draft) {
            let request = route.sign(&draft, SECRET).expect("signed");
            let marks = rule.when.iter().filter_map(|condition| match condition {
                Condition::Has(at) => Some((at, None)),
                Condition::Is(at, text) => Some((at, Some(*text))),
                _ => None,
            });
            let looks = draft.method == rule.method()
                && marks.clone().all(|(at, text)| {
                    let found = at_last(&request, at);
                    found.is_some() && (text.is_none() || found.as_deref() == text)
                });
            match route.receive(request) {
                Ok(Received::Event(_)) => assert!(!looks, "{name} {what}: an event"),
                Ok(Received::Handshake(_)) => panic!("{name} {what}: answered"),
                Err(reason) => {
                    assert_eq!(reason.label(), "bad-handshake", "{name} {what}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 10, "{refused}");
}

/// What most readers would find there.
fn at_last(request: &Request, at: &Location) -> Option<String> {
    match at {
        Location::Json(pointer) => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
            let found = body.pointer(pointer)?;
            Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
        }
        other => panic!("{other}: a signed handshake is told by its body"),
    }
}

#[test]
fn forged_copies_are_refused() {
    for (route, rule, draft, genuine) in cases() {
        let name = route.profile.name;
        if *route.profile.scheme == Scheme::None {
            continue;
        }
        let forged = route.sign(&draft, OTHER).expect("signed");
        let reason = route.refusal(forged);
        assert!(["mismatch", "wrong-credentials"].contains(&reason.label()), "{name}: {reason}");
        let signed = route.sign(&draft, SECRET).expect("signed");
        match rule.proof {
            Proof::Signature => {
                // Without the signature it is none of the sender's; with a flipped bit neither.
                let reason = route.refusal(draft.request());
                assert_eq!(reason.label(), "missing-header", "{name}: {reason}");
                let mut body = genuine.body.to_vec();
                body.push(b' ');
                let changed = Request { body: body.into(), ..genuine };
                assert_eq!(route.refusal(changed).label(), "mismatch", "{name}");
            }
            Proof::MaybeSigned | Proof::Sealed(..) => drop(route.answer(signed)),
            Proof::Shows(..) | Proof::Nothing | Proof::Teaches(_) => {
                let reason = route.refusal(signed);
                assert_eq!(reason.label(), "bad-handshake", "{name}: {reason}");
            }
        }
    }
}

/// A header that claims to be a signature, empty or not, is enough for none of the handshakes that
/// come without one.
#[test]
fn an_empty_signature_is_a_signature() {
    for (route, rule, draft, _) in cases() {
        if rule.proof == Proof::Signature || *route.profile.scheme == Scheme::None {
            continue;
        }
        let signed = route.sign(&draft, SECRET).expect("signed");
        let plain = draft.request();
        let added = signed.headers.keys().filter(|name| !plain.headers.contains_key(*name));
        let added = added.filter(|name| !name.as_str().starts_with("twitch-"));
        let carriers: Vec<_> =
            added.filter(|name| !name.as_str().contains("timestamp")).cloned().collect();
        assert_eq!(carriers.len(), 1, "{}", route.profile.name);
        for value in ["", "x"] {
            let mut request = draft.request();
            request.headers.insert(&carriers[0], HeaderValue::from_static(value));
            let reason = route.refusal(request);
            assert_ne!(reason.label(), "bad-handshake", "{}: {reason}", route.profile.name);
        }
    }
}

#[test]
fn another_token_is_refused() {
    for (route, rule, draft, _) in cases() {
        let Proof::Shows(at, setting) = &rule.proof else { continue };
        let name = route.profile.name;
        let refused = |verifier: &Verifier, token: &str| {
            let request = draft.clone().replaced(at, token).request();
            let received = verifier.receive(request, NOW, &Keyring::new());
            received.expect_err(name).reason.label()
        };
        for wrong in ["", "x", "verify-token", "verify-token-12", "VERIFY-TOKEN-1", SECRET] {
            assert_eq!(refused(&route.verifier, wrong), "bad-handshake", "{name} {wrong}");
        }
        if route.profile.settings.iter().any(|known| known.name == *setting && known.required) {
            continue;
        }
        // Without the setting, every secret of the route is a token, and nothing else.
        let secrets = [SECRET, OTHER].map(Secret::from);
        let verifier = Verifier::for_profile(route.profile, secrets, Settings::default());
        let verifier = verifier.expect(name);
        for secret in [SECRET, OTHER] {
            let request = draft.clone().replaced(at, secret).request();
            let received = verifier.receive(request, NOW, &Keyring::new());
            assert!(matches!(received, Ok(Received::Handshake(_))), "{name}: {received:?}");
        }
        assert_eq!(refused(&verifier, TOKEN), "bad-handshake", "{name}");
    }
}

#[test]
fn the_status_of_a_refusal_is_the_sender_s() {
    for name in ["instagram", "meta", "whatsapp"] {
        assert_eq!(profile(name).expect(name).refusal_status, 403);
    }
    for profile in profiles() {
        assert!((400..500).contains(&profile.refusal_status), "{}", profile.name);
    }
}

/// What comes by the method of a handshake, signed or not, and is none.
#[test]
fn a_probe_that_asks_for_nothing_is_no_event() {
    for profile in profiles() {
        let Ok(route) = Route::with(profile, &[SECRET]) else { continue };
        for method in profile.handshake_methods() {
            let draft = Draft::new(method.clone()).header("x-other", "1");
            let bare = profile.handshakes.iter().any(|rule| {
                rule.method() == method && rule.when.len() == 1 && rule.proof == Proof::Nothing
            });
            for request in [Some(draft.request()), route.sign(&draft, SECRET)].into_iter().flatten()
            {
                match route.receive(request) {
                    Ok(Received::Handshake(_)) => assert!(bare, "{} {method}", profile.name),
                    Ok(Received::Event(_)) => panic!("{} {method}: an event", profile.name),
                    Err(reason) => {
                        let none = ["no-handshake", "bad-handshake"].contains(&reason.label());
                        assert!(none, "{} {method}: {reason}", profile.name);
                    }
                }
            }
        }
    }
}

#[test]
fn methods_are_named_once_and_post_is_not_among_them() {
    let methods =
        |name: &str| -> Vec<Method> { profile(name).expect(name).handshake_methods().collect() };
    assert_eq!(methods("meta"), [Method::GET]);
    assert_eq!(methods("intercom"), [Method::HEAD]);
    assert_eq!(methods("trello"), [Method::HEAD]);
    for name in ["asana", "github", "slack", "woocommerce", "zoom"] {
        assert!(methods(name).is_empty(), "{name}");
    }
}

#[test]
fn a_large_body_that_nobody_signed_is_not_searched() {
    let notion = Route::named("notion");
    let with = |padding: usize| {
        let token = "secret_x";
        Draft::post(json!({ "verification_token": token, "x": "x".repeat(padding) })).request()
    };
    assert!(notion.answer(with(10_000)).teaches.is_some());
    assert_eq!(notion.refusal(with(20_000)).label(), "missing-header");
    // One that the sender signed is told from an event however long it is.
    let slack = Route::named("slack");
    let draft = Draft::post(json!({
        "type": "url_verification", "challenge": "c", "x": "x".repeat(20_000),
    }));
    assert_answer(&slack.answer(slack.sign(&draft, SECRET).expect("signed")), TEXT, "c");
}

// Anyone can have X and LinkedIn challenges answered, with the key of events.

#[test]
fn nobody_can_have_an_event_signed() {
    let x = Route::named("x-twitter");
    let linkedin = Route::named("linkedin");
    let events = [r#"{"for_user_id":"1"}"#, "[]", "\"x\"", "{}"];
    for event in events {
        let request = Draft::get(&[("crc_token", event)]).request();
        assert_eq!(x.refusal(request).label(), "no-handshake", "{event}");
        for code in [event.to_owned(), format!("hmacsha256={event}"), "hmacsha256=1".to_owned()] {
            let request = Draft::get(&[("challengeCode", &code)]).request();
            assert_eq!(linkedin.refusal(request).label(), "no-handshake", "{code}");
        }
    }
    // What X's challenge can have signed is not taken as an event.
    for body in ["123", "true", "abc_DEF-1+/="] {
        let signature = x.answer(Draft::get(&[("crc_token", body)]).request()).reply.body;
        let signature: serde_json::Value = serde_json::from_slice(&signature).expect("JSON");
        let signature = signature["response_token"].as_str().expect("a signature");
        let mut draft = Draft::new(Method::POST).header("x-twitter-webhooks-signature", signature);
        draft.body = Some(body.into());
        // The reason is no mismatch: it is X's own signature.
        let refused = x.verifier.verify(draft.request(), NOW).expect_err("no event");
        assert_eq!(refused.reason.label(), "bad-handshake", "{body}");
        assert_eq!(x.refusal(draft.request()).label(), "bad-handshake", "{body}");
    }
}

// Senders that tell their secret.

#[test]
fn a_secret_is_taught_and_then_used() {
    let asana = profile("asana").expect("asana");
    let untaught = Route::with(asana, &[]).expect("no secret yet");
    let draft = Draft::post(json!({})).header("x-hook-secret", "b537207f20cbfa02");
    let handshake = untaught.answer(draft.request());
    assert_answer(&handshake, &[("x-hook-secret", "b537207f20cbfa02")], "");
    let shown = format!("{handshake:?}");
    assert!(!shown.contains("b537207f"), "{shown}");

    let event = Draft::post(json!({ "events": [] }));
    let event = untaught.sign(&event, "b537207f20cbfa02").expect("signed");
    assert_eq!(untaught.refusal(event.clone()).label(), "not-taught");
    let taught = untaught.verifier.with_secrets(handshake.teaches).expect("a secret");
    let received = taught.receive(event.clone(), NOW, &Keyring::new());
    assert!(matches!(received, Ok(Received::Event(_))), "{received:?}");

    // A genuine delivery with a secret added to it teaches nothing.
    let mut tampered = event;
    tampered.headers.insert("x-hook-secret", HeaderValue::from_static("mine"));
    let refused = taught.receive(tampered, NOW, &Keyring::new()).expect_err("a copy");
    assert_eq!(refused.reason.label(), "bad-handshake");

    let notion = Route::with(profile("notion").expect("notion"), &[]).expect("no secret yet");
    let handshake = notion.answer(Draft::post(json!({ "verification_token": "s_1" })).request());
    assert_answer(&handshake, &[], "");
    assert!(notion.verifier.with_secrets(handshake.teaches).is_ok());
}

#[test]
fn what_cannot_be_a_secret_is_not_taught() {
    let notion = Route::named("notion");
    let token = |token: serde_json::Value| {
        notion.refusal(Draft::post(json!({ "verification_token": token })).request()).label()
    };
    for wrong in [json!(""), json!(" "), json!("a\n"), json!(" x"), json!({}), json!(["x"])] {
        assert_eq!(token(wrong.clone()), "bad-handshake", "{wrong}");
    }
    assert_eq!(token(serde_json::Value::Null), "missing-header");
}

// Senders of whom nothing can be checked.

#[test]
fn a_route_that_checks_nothing_has_to_be_agreed_to() {
    let strava = profile("strava").expect("strava");
    let set_up = |unsigned: &str| {
        let settings = Settings::from([("verify_token", TOKEN), ("unsigned", unsigned)]);
        Verifier::for_profile(strava, [], settings)
    };
    for silent in ["", " "] {
        let error = set_up(silent).expect_err("not agreed to");
        assert!(matches!(error, SetupError::MissingSetting { name: "unsigned", .. }), "{error}");
        assert!(error.to_string().contains("say `true`"), "{error}");
    }
    for other in ["false", "TRUE", "yes"] {
        let error = set_up(other).expect_err("not agreed to");
        assert!(matches!(error, SetupError::InvalidSetting { name: "unsigned", .. }), "{error}");
    }
    let settings = Settings::from([("verify_token", TOKEN), ("unsigned", "true")]);
    let error = Verifier::for_profile(strava, [Secret::from("s")], settings);
    assert_eq!(error.expect_err("a secret"), SetupError::UnusedSecret);

    let event = Draft::post(json!({ "object_type": "activity", "aspect_type": "create" }));
    let verifier = set_up("true").expect("agreed to");
    match verifier.receive(event.request(), NOW, &Keyring::new()) {
        Ok(Received::Event(verified)) => {
            assert_eq!(verified.kind().as_deref(), Some("activity"));
            assert_eq!(verified.matched_secret(), None);
            let all_but_id = Part::ALL.iter().filter(|part| **part != Part::DeliveryId);
            assert!(verified.unauthenticated().iter().eq(all_but_id));
        }
        other => panic!("{other:?}"),
    }
    let mailchimp = profile("mailchimp").expect("mailchimp");
    let error = Verifier::for_profile(mailchimp, [], Settings::default());
    assert!(matches!(error, Err(SetupError::MissingSetting { name: "unsigned", .. })));
}

// Facts of single senders.

#[test]
fn slack_s_kinds() {
    let slack = Route::named("slack");
    let kind = |draft: Draft| match slack.receive(slack.sign(&draft, SECRET).expect("signed")) {
        Ok(Received::Event(verified)) => (verified.kind(), verified.delivery_id()),
        other => panic!("{other:?}"),
    };
    let some = |text: &str| Some(text.to_owned());
    let event = json!({ "type": "event_callback", "event": { "type": "app_mention" },
        "event_id": "Ev1" });
    assert_eq!(kind(Draft::post(event)), (some("app_mention"), some("Ev1")));
    let limited = json!({ "type": "app_rate_limited" });
    assert_eq!(kind(Draft::post(limited)), (some("app_rate_limited"), None));
    let form = |name: &'static str, value: &str| (Location::Form(name.into()), value.to_owned());
    let command =
        [form("command", "/deploy"), form("text", "&ssl_check=1"), form("trigger_id", "1")];
    let command = command.iter().fold(Draft::new(Method::POST), |d, (at, text)| d.with(at, text));
    assert_eq!(kind(command), (some("/deploy"), some("1")));
    let payload = r#"{"type":"block_actions","trigger_id":"2"}"#;
    let action = Draft::new(Method::POST).with(&Location::Form("payload".into()), payload);
    assert_eq!(kind(action), (None, None));
}

#[test]
fn twitch_s_type_header_decides_nothing() {
    let twitch = Route::named("twitch");
    let received = |body: serde_json::Value, message_type: &str| {
        let mut request = twitch.sign(&Draft::post(body), SECRET).expect("signed");
        let value = message_type.parse().expect("a value");
        request.headers.insert("twitch-eventsub-message-type", value);
        twitch.receive(request)
    };
    let event = json!({ "subscription": { "type": "stream.online" }, "event": {} });
    match received(event, "webhook_callback_verification") {
        Ok(Received::Event(event)) => assert_eq!(event.kind().as_deref(), Some("stream.online")),
        other => panic!("{other:?}"),
    }
    let challenge = json!({ "challenge": "c", "subscription": { "type": "stream.online" } });
    let received = received(challenge, "notification");
    assert!(matches!(received, Ok(Received::Handshake(_))), "{received:?}");
}

#[test]
fn twitch_s_secrets_have_ten_to_a_hundred_characters() {
    let twitch = profile("twitch").expect("twitch");
    let made = |length| Route::with(twitch, &["s".repeat(length).as_str()]).map(|_| ());
    for right in [10, 100] {
        assert_eq!(made(right), Ok(()));
    }
    for wrong in [9, 101] {
        let error = made(wrong).expect_err("a bad secret").to_string();
        assert!(error.contains("10 to 100 characters"), "{error}");
    }
}

#[test]
fn woocommerce_pings_with_a_number_in_a_form() {
    let woo = Route::named("woocommerce");
    let field = Location::Form("webhook_id".into());
    let post = || Draft::new(Method::POST);
    for wrong in ["", "x", "5 ", "-5", "5;", "123456789012345678901"] {
        let request = post().with(&field, wrong).request();
        assert_eq!(woo.refusal(request).label(), "missing-header", "{wrong}");
    }
    // The same bytes are no form unless they are said to be one.
    for media in ["application/json", "text/plain", ""] {
        let mut request = post().with(&field, "5").request();
        request.headers.insert("content-type", HeaderValue::from_str(media).expect(media));
        assert_eq!(woo.refusal(request).label(), "missing-header", "{media}");
    }
}

// The data itself.

#[test]
fn rules_are_sound() {
    for profile in profiles() {
        for rule in profile.handshakes {
            let name = format!("{} {}", profile.name, rule.name);
            let named = |condition: &&Condition| matches!(condition, Condition::Method(_));
            assert!(rule.when.iter().filter(named).count() <= 1, "{name} has one method");
            if rule.proof == Proof::Signature {
                let broad = |condition: &Condition| {
                    matches!(
                        condition,
                        Condition::Method(_)
                            | Condition::Has(_)
                            | Condition::Is(..)
                            | Condition::Lacks(Location::Json(_) | Location::Form(_))
                    )
                };
                assert!(rule.when.iter().all(broad), "{name}: what falls short is an event");
            }
            let asks = rule.when.iter().any(|condition| !named(&condition));
            let secret = matches!(rule.proof, Proof::Signature | Proof::Shows(..));
            let silent = rule.body == Body::Empty && rule.headers.is_empty();
            assert!(asks || secret || silent, "{name} answers everyone");
            assert!((200..300).contains(&rule.status), "{name}: {}", rule.status);
            for (header, _) in rule.headers {
                assert!(HeaderName::from_lowercase(header.as_bytes()).is_ok(), "{name}: {header}");
                assert_ne!(*header, "x-content-type-options", "{name} leaves that to the code");
            }
            let media = rule.headers.iter().find(|(header, _)| *header == "content-type");
            let media = media.map(|(_, value)| value);
            let right = match rule.body {
                // Discord wants to be told the type of nothing.
                Body::Empty => media.is_none() || profile.name == "discord",
                // What holds nothing of the request can be anything.
                Body::Text(parts) if parts.iter().all(|part| matches!(part, Value::Text(_))) => {
                    true
                }
                Body::Text(_) => media.is_none_or(|media| *media == Value::Text("text/plain")),
                Body::Json(_) => {
                    media.is_none_or(|media| *media == Value::Text("application/json"))
                }
            };
            assert!(right, "{name}: {media:?} is not what the body is");
            for (value, _) in parts(rule) {
                let inside = |of: &&[Value]| of.contains(&Value::Secret);
                let hashed = parts(rule).iter().any(|(value, _)| match value {
                    Value::Hash { of, .. } => inside(of),
                    _ => false,
                });
                assert!(*value != Value::Secret || hashed, "{name} shows the secret");
            }
            for (value, keyed) in parts(rule) {
                let Value::Echo(at) = value else { continue };
                let shaped = rule.when.iter().any(|condition| match condition {
                    Condition::Shaped(shaped, _) => shaped == at,
                    _ => false,
                });
                let signed = rule.proof == Proof::Signature;
                assert!(!keyed || signed || shaped, "{name} signs {at} for anyone");
            }
        }
        assert!(
            profile
                .handshakes
                .iter()
                .filter(|rule| matches!(rule.proof, Proof::Teaches(_)))
                .count()
                <= 1,
            "{}",
            profile.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever comes without a signature is no event, and nothing panics.
    #[test]
    fn nothing_unsigned_is_an_event(
        which in any::<Index>(),
        method in select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT]),
        query in "(hub\\.mode=subscribe|&|challenge=|crc_token=|%|[a-z+%\\x00-\\x7f]{0,6}){0,8}",
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "(\\{|\\}|\"type\":|\"url_verification\"|\"challenge\":|\"x\"|,|\"event\":|null){0,9}"
                .prop_map(String::into_bytes),
            "(ssl_check=1|webhook_id=|&|[0-9]{1,3}|=|%0a){0,6}".prop_map(String::into_bytes),
        ],
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 4),
        form in any::<bool>(),
    ) {
        let with: Vec<&Profile> =
            profiles().iter().filter(|profile| !profile.handshakes.is_empty()).collect();
        let profile = with[which.index(with.len())];
        let Ok(route) = Route::with(profile, &[SECRET]) else { return Ok(()) };
        let mut request = Draft::new(method).request();
        request.url = format!("https://hooks.example.com/in?{query}");
        request.query = Some(query);
        request.body = body.into();
        if form {
            request.headers.insert("content-type", HeaderValue::from_static(FORM));
        }
        let names = ["x-hook-secret", "validation-token", "x-front-challenge"];
        for (name, value) in names.into_iter().zip(values) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers.append(name, value);
            }
        }
        let post = request.method == Method::POST || request.method == Method::PUT;
        match route.receive(request) {
            Ok(Received::Event(_)) => {
                let probed = profile.handshake_methods().any(|method| method == Method::HEAD);
                prop_assert!(*profile.scheme == Scheme::None && (post || !probed));
            }
            Ok(Received::Handshake(handshake)) => {
                prop_assert!(handshake.reply.body.len() <= 4096);
                for (_, value) in &handshake.reply.headers {
                    prop_assert!(!value.as_bytes().iter().any(u8::is_ascii_control));
                }
            }
            Err(reason) => prop_assert!(Reason::LABELS.contains(&reason.label())),
        }
    }
}
