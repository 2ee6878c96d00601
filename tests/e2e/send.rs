//! `hookyard send` for every sender whose key a person can hold, taken by a running daemon.

use std::fs;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use hookyard_tests::{Yard, hookyard};
use hookyard_verify::{Profile, Scheme, Secret, Settings, Takes, Verifier, profiles};

/// Secrets in the forms that senders hand them out in.
const SECRETS: &[&str] = &[
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "user:password",
    "open-sesame-open-sesame",
];

/// What senders are told besides.
fn setting(name: &str) -> &'static str {
    match name {
        "api_key" => "APIkey",
        "public_key" => "integration_public_key",
        "verification_token" => "verification_token_32_to_80_chars_long_x",
        _ => "something",
    }
}

/// Senders whose deliveries need something that only the person who tries them out can say: headers
/// that are signed, and bodies that are more than an object.
fn particulars(name: &str, now: u64) -> (Vec<&'static str>, Option<String>) {
    const FORM: &str = "application/x-www-form-urlencoded";
    match name {
        "dropbox-sign" => {
            (vec![], Some(format!(r#"{{"event":{{"event_type":"sent","event_time":"{now}"}}}}"#)))
        }
        "klaviyo" => (vec!["--header", "klaviyo-timestamp: 2026-01-01T00:00:00+00:00"], None),
        "lark" => (vec!["--header", "x-lark-request-nonce: 1"], None),
        "mandrill" => {
            (vec!["--content-type", FORM], Some("mandrill_events=%5B%7B%7D%5D".to_owned()))
        }
        "mercado-pago" => (vec!["--header", "x-request-id: 1"], None),
        "microsoft-graph" | "sharepoint" => (vec![], Some(r#"{"value":[{}]}"#.to_owned())),
        "twilio" => (vec!["--content-type", FORM], Some("Body=Ahoy".to_owned())),
        "wechat-pay" => (vec!["--header", "wechatpay-nonce: 1"], None),
        _ => (vec![], None),
    }
}

fn send(arguments: &[&str], secret: &str) -> Output {
    let mut command = Command::new(hookyard());
    command.arg("send").args(arguments).env("HOOKYARD_SECRET", secret);
    command.output().expect("run the binary")
}

/// What the route is given, and what is signed with.
fn keys(profile: &Profile, yard: &Yard, settings: &Settings) -> Option<(String, String)> {
    match profile.scheme.takes().expect("a scheme") {
        Takes::Nothing => None,
        Takes::PublicKey => {
            let file = yard.path(&format!("{}.key", profile.name));
            let file = file.to_str().expect("a path");
            let made = send(&[profile.name, "--new-key", file], "");
            assert!(made.status.success(), "{}: {made:?}", profile.name);
            let public = String::from_utf8(made.stdout).expect("text");
            let private = fs::read_to_string(file).expect("the private half");
            Some((public.trim_end().to_owned(), private.trim_end().to_owned()))
        }
        Takes::Secret => {
            let fits = |secret: &&&str| {
                Verifier::for_profile(profile, [Secret::from(**secret)], settings.clone()).is_ok()
            };
            let secret = SECRETS.iter().find(fits).unwrap_or_else(|| panic!("{}", profile.name));
            Some(((*secret).to_owned(), (*secret).to_owned()))
        }
    }
}

#[test]
fn what_is_sent_is_taken_and_what_is_sent_with_another_secret_is_not() {
    let yard = Yard::new();
    let mut config = yard.config().set("server", "public_url = \"https://hooks.example.com\"");
    let mut sent = Vec::new();
    for profile in profiles() {
        let name = profile.name;
        let mut settings = Settings::default();
        let mut told = Vec::new();
        let mut provider = format!("name = {name:?}");
        for one in profile.settings.iter().filter(|one| one.required) {
            let value = one.only.unwrap_or(setting(one.name));
            settings.insert(one.name, value);
            told.push(format!("{}={value}", one.name));
            let value = if one.secret {
                let file = yard.path(&format!("{name}.{}", one.name));
                fs::write(&file, value).expect("write a setting");
                format!("{{ file = {file:?} }}")
            } else {
                format!("{value:?}")
            };
            provider.push_str(&format!(", {} = {value}", one.name));
        }
        let Some((given, secret)) = keys(profile, &yard, &settings) else { continue };
        let file = yard.path(&format!("{name}.secret"));
        fs::write(&file, &given).expect("write a secret");
        config = config.raw_route(&format!(
            "name = {name:?}\npath = \"/in/{name}\"\nprovider = {{ {provider} }}\nsecret = {{ file = \
             {file:?} }}\nstore_ignored = true\nhandlers = [\"nobody/home\"]"
        ));
        sent.push((profile, told, secret));
    }
    yard.write_config(&config);
    let daemon = yard.restart();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut refused = Vec::new();
    for (profile, told, secret) in &sent {
        let url = format!("http://{}/in/{}", daemon.public, profile.name);
        let signed_url = format!("https://hooks.example.com/in/{}", profile.name);
        let mut arguments = vec![profile.name, "--url", &url, "--signed-url", &signed_url];
        for setting in told {
            arguments.extend(["--setting", setting]);
        }
        let (more, body) = particulars(profile.name, now);
        let file = yard.path(&format!("{}.body", profile.name));
        arguments.extend(more);
        if let Some(body) = body {
            fs::write(&file, body).expect("write a body");
            arguments.extend(["--data", file.to_str().expect("a path")]);
        }
        let right = send(&arguments, secret);
        if !right.status.success() {
            refused.push(format!("{}: {right:?}", profile.name));
        }
        if *profile.scheme != Scheme::None && profile.scheme.takes() == Ok(Takes::Secret) {
            let other: String = secret.chars().rev().collect();
            let wrong = send(&arguments, &other);
            assert!(!wrong.status.success(), "{}: {wrong:?}", profile.name);
        }
    }
    assert!(refused.is_empty(), "{} of {}:\n{}", refused.len(), sent.len(), refused.join("\n"));
    assert!(sent.len() > 140, "{}", sent.len());
    daemon.stop();
}
