//! The loader as a whole: what it takes, what it says to every kind of mistake.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use hookyard_verify::SuccessBody;

use super::*;
use crate::schedule::Missed;

mod connections;
mod snippets;

const ROUTE: &str = "[[route]]\npath = \"/hooks/github\"\nprovider = \"github\"\nsecret = { env \
     = \"S\" }\nhandlers = \"a/b\"\n";

fn of(text: &str) -> Result<(Config, Vec<Diagnostic>), ConfigError> {
    parse(Path::new("config.toml"), text)
}

fn good(text: &str) -> (Config, Vec<String>) {
    let (config, warnings) = of(text).unwrap_or_else(|error| panic!("{error}"));
    (config, warnings.iter().map(|warning| warning.message().to_owned()).collect())
}

fn shown(name: &str, text: &str) {
    let error = match of(text) {
        Ok(_) => panic!("{name} was taken"),
        Err(error) => error.to_string(),
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, format!("{text}\n----\n{error}")));
}

/// A route with `lines` added to it.
fn with(lines: &str) -> String {
    format!("{ROUTE}{lines}\n")
}

/// A route at `/path` with its own `lines`.
fn route(path: &str, lines: &str) -> String {
    format!("[[route]]\npath = \"/{path}\"\nhandlers = \"a/b\"\nid = \"json:/id\"\n{lines}\n")
}

/// A schedule `name` with its own `lines`, for a handler unless they say one.
fn schedule(name: &str, lines: &str) -> String {
    let handlers = if lines.contains("handlers") { "" } else { "handlers = \"a/b\"\n" };
    format!("[[schedule]]\nname = \"{name}\"\n{handlers}{lines}\n")
}

/// A route without `key`, with `lines` instead.
fn without(key: &str, lines: &str) -> String {
    let kept: Vec<&str> = ROUTE.lines().filter(|line| !line.starts_with(key)).collect();
    format!("{}\n{lines}\n", kept.join("\n"))
}

#[test]
fn every_mistake_is_shown_in_its_place() {
    let bare = "[[route]]\npath = \"/a\"\nhandlers = \"a/b\"\n";
    let cases: &[(&str, String)] = &[
        ("syntax", "[server]\nlisten = \"127.0.0.1:8080\n\n[admin\n".into()),
        ("syntax_beside_a_secret", "[[route]]\nsecret = hunter2\n".into()),
        ("duplicate_key", "[server]\nlisten = \"[::]:1\"\nlisten = \"[::]:2\"\n".into()),
        ("stored_token", "[admin]\ntoken = { stored = \"admin\" }\n".into()),
        (
            "stored_keys",
            "[secrets]\nformer_keys = [{ stored = \"old\" }, \"hunter2\", { env = \"S\" }]\n".into(),
        ),
        (
            "stored_names",
            route(
                "of/{tenant}",
                "provider = \"github\"\nsecret = [\n  { stored = \"of.{tenant}\" },\n  \
                 { stored = \"of/{tenant}\" },\n  { stored = \"of.{team}\" },\n]",
            ),
        ),
        (
            "plugin_secrets",
            "[plugin.a]\nsecrets = { \"A b\" = { env = \"S\" }, c = \"hunter2\" }\n[plugin.b]\n\
             secrets = \"hunter2\"\n[plugin.c.secrets]\nof = { file = \"of/{tenant}\" }\n"
                .into(),
        ),
        ("unknown_table", "[sever]\nlisten = \"127.0.0.1:8080\"\n".into()),
        ("unknown_key", "[server.limits]\nconections = 5\n".into()),
        ("key_of_another_table", "[server]\nplugins_dir = \"plugins\"\n".into()),
        ("key_of_no_table", with("when = 'payload.private == false'")),
        ("secret_in_an_unknown_key", "[admin]\napi_token = \"hunter2\"\n".into()),
        ("admin_token", "[admin]\ntoken = \"hunter2\"\n".into()),
        (
            "admin_token_with_parameters",
            "[admin]\ntoken = { file = \"/run/secrets/{tenant}\" }\n".into(),
        ),
        (
            "wrong_types",
            "[server]\nlisten = 8080\ntls = true\ndrain = 30\n[store]\nwal_max = \
             [1]\n[runtime]\nconcurrency = \"many\"\n"
                .into(),
        ),
        (
            "out_of_bounds",
            "[server]\ndrain = \"2days\"\n[server.limits]\nbody = \
             \"1GiB\"\nin_flight = 0\nheaders = -1\n[runtime]\nconcurrency = \
             99999999999999999999\n"
                .into(),
        ),
        ("bad_units", "[server]\ndrain = \"30 seks\"\n[store]\nmin_free = \"256 megs\"\n".into()),
        (
            "addresses",
            "[server]\nlisten = \":8080\"\npublic_url = \
             \"hooks.example.com\"\ntrusted_proxies = [\"10.0.0.0/33\"]\n"
                .into(),
        ),
        (
            "url_with_a_password",
            "[server]\npublic_url = \"https://me:hunter2@example.com\"\n".into(),
        ),
        (
            "same_listener",
            "[server]\nlisten = \"127.0.0.1:80\"\n[admin]\nlisten = \
             \"127.0.0.1:80\"\n"
                .into(),
        ),
        ("half_of_tls", "[server.tls]\ncert = \"cert.pem\"\n".into()),
        ("store_sizes", "[store]\nmax_size = \"32MiB\"\npath = \"data/\"\n".into()),
        ("cache_in_plugins", "[runtime]\ncache_dir = \"plugins/cache\"\n".into()),
        (
            "plugin_tables",
            "[plugin]\ntimeout = \"1s\"\n[plugin.Big]\nsettings = { a = nan, b = \
             [1, 99999999999999999999] }\n"
                .into(),
        ),
        (
            "outbound",
            "[outbound]\nca = \"\"\nresolve = { \"10.0.0.1\" = \"10.0.0.2:443\", \"a.test\" = \
             \"b.test:443\", \"b.test\" = 443, \"https://c.test\" = \"[::1]\", \"d.test.\" = \
             \"[::1]:0\", \"e.test\" = \"[::1]:1\", \"E.test\" = \"[::1]:1\" }\n"
                .into(),
        ),
        ("outbound_key", "[outbound]\nresolv = {}\n".into()),
        ("one_bracket", "[route]\npath = \"/a\"\n".into()),
        ("schedule_one_bracket", "[schedule]\ncron = \"* * * * *\"\n".into()),
        ("empty_schedule", "[[schedule]]\n".into()),
        (
            "schedules",
            [
                schedule("a b", "cron = \"30 2 * * *\"\ntimezone = \"europe/berlin\""),
                schedule("twice", "cron = \"0 25 * * *\"\ntimezone = \"Mars\"\nhandlers = []"),
                schedule("twice", "cron = 5\noverlap = \"skipp\"\nmissed = \"none\"\nmissed_max = 5"),
                schedule("bounds", "cron = \"* * * * *\"\nmissed_max = 5\njitter = \"2days\""),
                schedule("both", "cron = \"* * * * *\"\nmissed = \"all\"\nmissed_max = 1001"),
                schedule("handlers", "cron = \"* * * * *\"\nhandlers = [\"a\", \"a/b\", \"a/b\", {}]"),
                schedule("data", "cron = \"* * * * *\"\ndata = { a = [nan] }\nkinds = \"push\""),
            ]
            .concat(),
        ),
        (
            "cron",
            [
                schedule("item", "cron = '0 5,24 * * *'"),
                schedule("names", "cron = \"0 0 * JUNE MON\""),
                schedule("fields", "cron = \"* * * *\""),
                schedule("never", "cron = \"0 0 30 2 *\""),
                schedule("step", "cron = \"*/90 * * * *\""),
                schedule("escaped", "cron = \"0\\t0 * * 9\""),
                schedule("long", "cron = \"\"\"0 0 * * 9\"\"\""),
                schedule("nothing", "cron = \"\""),
            ]
            .concat(),
        ),
        ("empty_route", "[[route]]\n".into()),
        ("unknown_provider", without("provider", "provider = \"githb\"")),
        ("provider_and_verify", with("verify = \"none\"")),
        (
            "provider_without_its_settings",
            [
                route("sns", "provider = \"aws-sns\""),
                route("plaid", "provider = { name = \"plaid\", environment = \"\" }"),
                route("mailchimp", "provider = \"mailchimp\""),
            ]
            .concat(),
        ),
        (
            "provider_with_wrong_settings",
            [
                route("sns", "provider = { name = \"aws-sns\", topic_arm = \"hunter2\" }"),
                route("github", "provider = { name = \"github\", secret = \"hunter2\" }"),
                route(
                    "plaid",
                    "provider = { name = \"plaid\", client_id = 5, secret = \"hunter2\" }",
                ),
                route("mailchimp", "provider = { name = \"mailchimp\", unsigned = false }"),
            ]
            .concat(),
        ),
        (
            "provider_of_the_wrong_kind",
            [
                route("number", "provider = 5"),
                route("nameless", "provider = { topic_arn = \"hunter2\" }"),
                route("slip", "provider = { name = \"aws-sms\", topic_arn = \"hunter2\" }"),
            ]
            .concat(),
        ),
        (
            "keys_that_the_provider_does_not_take",
            [
                route("github", "provider = \"github\"\npublic_key = \"a2V5\""),
                route(
                    "sns",
                    "public_key = \"a2V5\"\nsecret = { env = \"S\" }\nprovider = { name = \
                     \"aws-sns\", topic_arn = \"arn:aws:sns:us-east-1:123456789012:orders\" }",
                ),
                route(
                    "mailchimp",
                    "secret = { env = \"S\" }\nprovider = { name = \"mailchimp\", unsigned = true }",
                ),
                route("discord", "provider = \"discord\""),
            ]
            .concat(),
        ),
        (
            "public_keys",
            route(
                "discord",
                "provider = \"discord\"\npublic_key = [5, \"\", \"whsk_hunter2\", \
                 \"\"\"-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\", \"a2V5\", \" a2V5 \", { file = \
                 \"{nobody}\" }]",
            ),
        ),
        ("verify_is_a_provider", without("provider", "verify = \"github\"")),
        ("verify_without_a_scheme", without("provider", "verify = { hmca = \"sha256\" }")),
        (
            "hmac_mistakes",
            without(
                "provider",
                "verify = { hmac = \"sha-256\", encoding = \
             \"hexx\", signed = \"{timestmp}.{body}\", tolerance = \"5m\" }",
            ),
        ),
        (
            "hmac_unsigned_timestamp",
            without(
                "provider",
                "verify = { hmac = \"sha256\", header = \
             \"x-sig\", timestamp_header = \"x-time\" }",
            ),
        ),
        (
            "hmac_impossible",
            without(
                "provider",
                "verify = { hmac = \"sha256\", header = \
             \"x-sig\", version = \"v1\", between = \"=\" }",
            ),
        ),
        ("bearer_false", without("provider", "verify = { bearer = false }")),
        ("secret_as_text", without("secret", "secret = \"hunter2\"")),
        (
            "secrets_in_a_list",
            without(
                "secret",
                "secret = [{ env = \"S\" }, \"hunter2\", { env = \
             \"S\" }, { env = \"a b\" }]",
            ),
        ),
        ("secret_of_two_places", without("secret", "secret = { env = \"S\", file = \"s\" }")),
        ("no_secret", without("secret", "")),
        ("secret_for_nothing", without("provider", "verify = \"none\"")),
        (
            "handlers",
            without(
                "handlers",
                "handlers = [\"record\", \"a/b\", { handler = \"a/b\" \
             }, { kinds = [\"push\"] }, 5]",
            ),
        ),
        (
            "handler_kinds",
            without(
                "handlers",
                "kinds = [\"push\"]\nhandlers = { handler = \
             \"a/b\", kinds = [\"psh\"] }",
            ),
        ),
        ("retry", with("retry = { max_attempts = 0, first = \"2h\", max = \"1h\" }")),
        ("queue_with_respond_keys", with("deadline = \"2s\"\nfallback = \"queue\"\nstore = false")),
        (
            "respond_contradictions",
            without(
                "handlers",
                "mode = \"respond\"\nfallback = \
             \"queue\"\nstore = false\ndedupe = \"1d\"\nstore_ignored = true\nhandlers = \
             [\"a/b\", \"a/c\"]",
            ),
        ),
        ("mode", with("mode = \"respnd\"\ndeadline = \"2s\"")),
        ("methods", with("method = \"POST\"\nmethods = [\"PUT\"]")),
        ("method_in_lower_case", with("method = \"post\"\nhost = \"https://example.com\"")),
        (
            "paths",
            format!(
                "{}{}{}",
                bare.replace("/a\"", "a\""),
                bare.replace("/a\"", "/a/{*rest}\""),
                bare.replace("/a\"", "/a b\"")
            ),
        ),
        (
            "unknown_parameters",
            without(
                "path",
                "path = \"/{tenant}\"\ntenant = \
             \"{tennant}\"\nkind = \"{kind}\"\nid = \"heder:x-id\"",
            ),
        ),
        (
            "dedupe_without_id",
            format!(
                "{bare}verify = {{ bearer = true }}\nsecret = {{ env = \
             \"S\" }}\ndedupe = \"1d\"\n"
            ),
        ),
        (
            "same_name",
            format!("{ROUTE}{}", with("name = \"hooks-github\"\nhost = \"example.com\"")),
        ),
        (
            "same_path_without_names",
            format!("{ROUTE}{}{}", with("methods = [\"PUT\", \"POST\"]"), with("method = \"PUT\"")),
        ),
        (
            "same_path_by_two_parameters",
            format!(
                "{}{}",
                without("path", "path = \"/{tenant}\""),
                without("path", "path = \"/{user}\"")
            ),
        ),
        (
            "same_name_from_two_paths",
            format!(
                "{ROUTE}{}{}",
                without("path", "path = \"/hooks-github\""),
                with("host = \"example.com\"")
            ),
        ),
        (
            "same_path_as_a_handshake",
            format!(
                "{}{}",
                ROUTE.replace("github", "meta"),
                without("provider", "method = \"GET\"\nprovider = \"github\"")
                    .replace("/hooks/github", "/hooks/meta"),
            ),
        ),
        (
            "same_path",
            format!(
                "{ROUTE}methods = [\"PUT\", \"POST\"]\n{}",
                with(
                    "name = \"other\"\nmethods = \
             [\"POST\", \"PUT\"]\ndeadline = 1"
                )
            ),
        ),
    ];
    for (name, text) in cases {
        shown(name, text);
    }
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        "[[route]]\nsecret = hunter2\n",
        "[[route]]\nsecret = \"hunter2\nx = 1",
        "[[route]]\nsecret = [\"hunter2\"]\n",
        "[[route]]\nsecret = { value = \"hunter2\" }\n",
        "[[route]]\nsecret = { env = \"hunter2!\" }\n",
        "[[route]]\nsecrets = \"hunter2\"\n",
        "[[route]]\nverify = \"hunter2\"\n",
        "[[route]]\nverify = { token = \"hunter2 \" }\n",
        "[[route]]\nverify = { basic = \"me:hunter2\" }\n",
        "[[route]]\nverify = { hmac = \"sha256\", header = \"x\", secrte = \"hunter2\" }\n",
        "[admin]\ntoken = \"hunter2\"\n",
        "[server]\npublic_url = \"https://me:hunter2 @example.com\"\n",
        "[server]\npublic_url = \"https://example.com?token=hunter2\"\n",
    ] {
        let error = of(text).expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_snippet_of_the_senders_documentation_is_taken() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
    let senders = std::fs::read_to_string(file).expect("readable");
    let blocks = senders.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut routes = 0;
    for snippet in blocks.filter(|block| block.contains("[[route]]")) {
        routes += good(snippet).0.routes.len();
    }
    assert_eq!(routes, hookyard_verify::profiles().len());
}

#[test]
fn an_empty_file_gives_every_default() {
    let (config, warnings) = good("");
    assert!(warnings.is_empty() && config.routes.is_empty() && config.plugins.is_empty());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert_eq!(
        config.server.limits,
        Limits {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            body: 1 << 20,
            headers: 32 << 10,
            connections: 10_000,
            connections_per_client: 256,
            in_flight: 1024,
        }
    );
    assert_eq!(config.store.path, Path::new("data/hookyard.db"));
    assert_eq!((config.store.wal_max, config.store.max_size), (64 << 20, None));
    assert_eq!(config.store.min_free, 256 << 20);
    assert_eq!(config.outbound, Outbound::default());
    assert_eq!(config.runtime.plugins_dir, Path::new("plugins"));
    assert_eq!(config.runtime.cache_dir, Path::new("data/plugin-cache"));
    assert_eq!(config.runtime.concurrency, 64);
    assert_eq!(config.runtime.compile_timeout, Duration::from_secs(60));
    assert_eq!(config.runtime.compile_memory, 4 << 30);
    assert_eq!(
        config.runtime.defaults,
        PluginLimits {
            timeout: Duration::from_secs(10),
            cpu: Duration::from_secs(1),
            memory: 64 << 20,
            concurrency: 32,
            log_bytes: 64 << 10,
            reply_bytes: 1 << 20,
            log_rate: 64 << 10,
            kv_key_bytes: 512,
            kv_value_bytes: 64 << 10,
            kv_attempt_bytes: 256 << 10,
            kv_bytes: 16 << 20,
            requests: 20,
            request_bytes: 4 << 20,
            queue_message_bytes: 64 << 10,
            queue_attempt_bytes: 256 << 10,
            breaker: Some(Breaker {
                failures: 10,
                pause: Duration::from_secs(30),
                max_pause: Duration::from_secs(600),
            }),
        }
    );
}

#[test]
fn a_breaker_is_a_switch_or_a_table_and_plugins_have_the_one_of_the_runtime() {
    let breaker = |text: &str| {
        let (config, _) = parse(Path::new("config.toml"), text).expect(text);
        config.plugin_limits("a").breaker
    };
    let usual = Breaker::BUILT_IN;
    let seconds = Duration::from_secs;
    assert_eq!(breaker(""), Some(usual));
    assert_eq!(breaker("[runtime]\nbreaker = false"), None);
    assert_eq!(breaker("[runtime]\nbreaker = false\n[plugin.a]\nbreaker = true"), Some(usual));
    assert_eq!(breaker("[plugin.a]\nbreaker = false"), None);
    let runtime = "[runtime]\nbreaker = { failures = 3 }\n[plugin.a]\nbreaker = { pause = \"1h\" }";
    let expected = Breaker { failures: 3, pause: seconds(3600), max_pause: seconds(3600) };
    assert_eq!(breaker(runtime), Some(expected));
    for (wrong, says) in [
        ("0", "must be a boolean or a table"),
        ("{ failures = 0 }", "`failures` must be"),
        ("{ failure = 1 }", "`failures`"),
        ("{ pause = \"5s\", max_pause = \"1s\" }", "`max_pause` must not be less"),
    ] {
        let text = format!("[plugin.a]\nbreaker = {wrong}");
        let error = parse(Path::new("config.toml"), &text).expect_err(wrong).to_string();
        assert!(error.contains(says), "{wrong}: {error}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let (config, _) = parse(
        Path::new("/etc/hookyard/config.toml"),
        "[store]\npath = \"s/db\"\n[runtime]\nplugins_dir = \"/opt/plugins\"\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.store.path, Path::new("/etc/hookyard/s/db"));
    assert_eq!(config.runtime.cache_dir, Path::new("/etc/hookyard/s/plugin-cache"));
    assert_eq!(config.runtime.plugins_dir, Path::new("/opt/plugins"));
}

#[test]
fn hosts_have_addresses_instead_of_being_looked_up() {
    let (config, _) = good(
        "[outbound]\nca = \"ca.pem\"\n[outbound.resolve]\n\"SNS.us-east-1.amazonaws.com\" = \
         \"127.0.0.1:8443\"\nlocalhost = \"[::1]:443\"\n",
    );
    let resolve: Vec<_> =
        config.outbound.resolve.iter().map(|(host, at)| format!("{host} {at}")).collect();
    assert_eq!(resolve, ["localhost [::1]:443", "sns.us-east-1.amazonaws.com 127.0.0.1:8443"]);
    assert_eq!(config.outbound.ca.as_deref(), Some(Path::new("ca.pem")));
}

#[test]
fn providers_have_settings_and_keys_of_both_kinds() {
    let (config, _) = good(&format!(
        "{}{}{}",
        route("sns", "provider = { name = \"aws-sns\", topic_arn = \"arn:aws:sns:a:1:t\" }"),
        route(
            "meta/{app}",
            "provider = { name = \"meta\", verify_token = { file = \"{app}\" } }\nsecret = { env \
             = \"S\" }",
        ),
        route(
            "discord",
            "provider = \"discord\"\npublic_key = [\"\"\"\n a2V5 \n\"\"\", { file = \"key\" \
             }]\nsecret = { env = \"S\" }",
        ),
    ));
    let [sns, meta, discord] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    assert_eq!((sns.profile().map(|p| p.name), sns.keys.len()), (Some("aws-sns"), 0));
    let topic = SettingValue::Text("arn:aws:sns:a:1:t".to_owned());
    assert_eq!(sns.verify.settings(), [Setting { name: "topic_arn", value: topic }]);
    assert_eq!(
        (meta.methods.as_slice(), meta.handshake_methods().as_slice()),
        (&[http::Method::POST][..], &[http::Method::GET][..],)
    );
    let references: Vec<String> = meta.references().map(|r| format!("{r:?}")).collect();
    assert_eq!(references, ["file {app}", "environment variable S"]);
    assert!(matches!(
        discord.keys.as_slice(),
        [Key::At(SecretRef::Env(_)), Key::Public(key), Key::At(SecretRef::File(_))] if key == "a2V5"
    ));
    assert_eq!(
        (discord.refusal_status().as_u16(), discord.success_body()),
        (401, SuccessBody::Any)
    );
    assert_eq!(meta.refusal_status(), 403);
}

#[test]
fn the_admin_token_is_a_reference() {
    assert_eq!(good("").0.admin.token, None);
    let (config, warnings) = good("[admin]\ntoken = { env = \"ADMIN_TOKEN\" }\n");
    assert_eq!(config.admin.token, Some(SecretRef::Env("ADMIN_TOKEN".to_owned())));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn plugins_take_what_they_do_not_say_from_the_runtime() {
    let (config, _) = good(
        "[runtime]\ntimeout = \"5s\"\nplugin_concurrency = 4\n[plugin.a]\nmemory = 2097152\n\
         settings = { when = 2026-01-02, list = [1, 2.5, true], deep = { x = \"y\" } }\n",
    );
    let plugin = &config.plugins["a"];
    assert_eq!(plugin.limits.timeout, Duration::from_secs(5));
    assert_eq!((plugin.limits.concurrency, plugin.limits.memory), (4, 2 << 20));
    assert_eq!(
        serde_json::to_value(&plugin.settings).expect("JSON"),
        serde_json::json!({ "when": "2026-01-02", "list": [1, 2.5, true], "deep": { "x": "y" } })
    );
}

#[test]
fn a_route_with_everything_is_read() {
    let (config, warnings) = good(
        r#"
[[route]]
path = "/events/{tenant}/{kind}"
methods = ["POST", "PUT"]
host = "Hooks.Example.com"
verify = { hmac = "sha512", header = "X-Signature", encoding = "base64", prefix = "sha512=", signed = "{timestamp}.{body}", timestamp_header = "x-timestamp", tolerance = "1m" }
secret = [{ file = "/run/secrets/{tenant}" }, { credential = "old" }]
tenant = "{tenant}"
kind = "{kind}"
id = "json:/id"
handlers = ["orders/record", { handler = "audit/write", kinds = "order.refunded", retry = { max_attempts = 20 } }]
retry = { first = "3s" }
body = "2MiB"
store_ignored = true
"#,
    );
    assert!(warnings.is_empty(), "{warnings:?}");
    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), route.line), ("events-tenant-kind", 2));
    assert_eq!(route.methods, [http::Method::POST, http::Method::PUT]);
    assert_eq!(route.host.as_deref(), Some("hooks.example.com"));
    let has_params: Vec<bool> = route.references().map(SecretRef::has_params).collect();
    assert_eq!(has_params, [true, false]);
    assert_eq!((route.mode.clone(), route.body, route.store_ignored), (Mode::Queue, 2 << 20, true));
    assert_eq!(route.dedupe, Duration::from_secs(7 * 86_400));
    let Verify::Scheme(hookyard_verify::Scheme::Template(hmac)) = &route.verify else {
        panic!("{:?}", route.verify)
    };
    assert_eq!((hmac.header.as_ref(), hmac.prefix.as_ref()), ("x-signature", "sha512="));
    let retries: Vec<_> = route
        .handlers
        .iter()
        .map(|handler| (handler.name.to_string(), handler.retry.max_attempts, handler.retry.first))
        .collect();
    let first = Duration::from_secs(3);
    assert_eq!(
        retries,
        [("orders/record".to_owned(), 12, first), ("audit/write".to_owned(), 20, first)]
    );
    assert_eq!(route.handlers[1].kinds, ["order.refunded"]);
}

#[test]
fn every_way_to_verify_is_read() {
    for verify in [
        "{ token = \"x-webhook-token\" }",
        "{ bearer = true }",
        "{ basic = \"me\" }",
        "{ hmac = \"sha1\", header = \"x-sig\" }",
        "{ hmac = \"sha256\", header = \"x-sig\", secret_encoding = \"base64\", secret_prefix = \
             \"whsec_\" }",
        "{ hmac = \"sha256\", header = \"x-sig\", version = \"v1\", timestamp_entry = \"t\", \
             signed = \"{timestamp}.{body}\" }",
        "{ hmac = \"sha256\", header = \"x-sig\", signed = \"{id}.{body}\", id_header = \
             \"x-id\", timestamp_header = \"x-t\", timestamp_format = \"milliseconds\" }",
        "{ key_pair = \"ed25519\", header = \"x-sig\" }",
        "{ key_pair = \"rsa-sha256\", header = \"x-sig\", encoding = \"hex\", version = \"v1\", \
             timestamp_entry = \"t\", signed = \"{timestamp}.{body}\" }",
    ] {
        // The one with a timestamp that is not signed is among the mistakes.
        let verify = verify.replace("{id}.{body}", "{id}.{timestamp}.{body}");
        let text = without("provider", &format!("verify = {verify}\nid = \"json:/id\""));
        let (config, warnings) = good(&text);
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(matches!(config.routes[0].verify, Verify::Scheme(_)), "{verify}");
    }
}

#[test]
fn a_written_key_pair_takes_a_public_key_and_no_words_about_secrets() {
    let route = |lines: &str| {
        let text =
            format!("[[route]]\npath = \"/a\"\nhandlers = \"a/b\"\nid = \"json:/id\"\n{lines}");
        of(&text)
    };
    let verify = "verify = { key_pair = \"ed25519\", header = \"x-sig\" }\n";
    assert!(route(&format!("{verify}public_key = \"a2V5\"")).is_ok());
    for (lines, part) in [
        (verify.to_owned(), "the route has no `public_key`"),
        ("verify = { key_pair = \"ed25518\", header = \"x-sig\" }".to_owned(), "ed25519"),
        ("verify = { key_pair = \"ed25519\" }".to_owned(), "which `header` carries the signature"),
        (verify.replace(" }", ", secret_encoding = \"hex\" }"), "secret_encoding"),
    ] {
        let error = route(&lines).expect_err(part).to_string();
        assert!(error.contains(part), "{lines}: {error}");
    }
}

#[test]
fn what_should_be_known_is_warned_about() {
    let warnings = |text: String| good(&text).1;
    let open = "[[route]]\npath = \"/a\"\nhandlers = \"a/b\"\nverify = \"none\"\n";
    assert_eq!(
        warnings(open.to_owned()),
        [
            "route `a`: no delivery id, so duplicates are not recognised",
            "route `a` takes anything from anyone"
        ]
    );
    assert_eq!(
        warnings(format!("{open}mode = \"respond\"\nstore = false\n")),
        ["route `a` takes anything from anyone", "route `a`: `store = false` keeps nothing"]
    );
    let signed =
        |verify: &str, id: &str| without("provider", &format!("verify = {verify}\nid = \"{id}\""));
    let hmac = "{ hmac = \"sha256\", header = \"x-sig\" }";
    assert_eq!(
        warnings(signed(hmac, "header:x-id")),
        ["route `hooks-github`: the signature does not cover the id"]
    );
    assert!(warnings(signed(hmac, "form:id")).is_empty());
    let url = "{ hmac = \"sha256\", header = \"x-sig\", signed = \"{url}{body}\" }";
    assert_eq!(
        warnings(signed(url, "json:/id")),
        ["route `hooks-github`: the sender signs the URL, and `public_url` is not set"]
    );
    let server = "[server]\npublic_url = \"https://example.com/\"\n";
    assert!(warnings(format!("{server}{}", signed(url, "json:/id"))).is_empty());
    assert!(warnings(ROUTE.to_owned()).is_empty());
}

#[test]
fn the_same_path_is_two_routes_by_host_or_method() {
    let (config, _) = good(&format!(
        "{ROUTE}{}{}",
        with("name = \"b\"\nhost = \"b.example.com\""),
        with("name = \"c\"\nmethod = \"PUT\"")
    ));
    assert_eq!(config.routes.len(), 3);
}

#[test]
fn files_that_cannot_be_read_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    let error = load(&file).expect_err("missing").to_string();
    assert!(error.contains(&format!("hookyard init {}", folder.path().display())), "{error}");
    std::fs::write(&file, b"[server]\nlisten = \"\xff\"\n").expect("written");
    let error = load(&file).expect_err("no UTF-8");
    assert_eq!((error.diagnostics()[0].line(), error.diagnostics()[0].column()), (2, 11));
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn the_repository_configuration_loads_without_a_warning() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.toml");
    let (config, warnings) = load(&file).unwrap_or_else(|error| panic!("{error}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let names: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["github", "echo"]);
    assert_eq!(config.plugins["github-push"].settings["branch"], "main");

    // The commented route at its end, which is the last word of the file.
    let text = std::fs::read_to_string(&file).expect("readable");
    let (before, tenants) = text.split_once("# [[route]]\n").expect("a commented route");
    let tenants = tenants.replace("\n# ", "\n").replacen("# ", "", 1);
    let (config, _) = good(&format!("{before}[[route]]\n{tenants}"));
    assert_eq!(config.routes[2].tenant.as_deref(), Some("{tenant}"));
}

/// A key of a wrong type is an error, so every listed key is read.
#[test]
fn every_listed_key_is_read() {
    for (keys, heading) in keys::ALL {
        // `data` of a schedule can be anything.
        for key in keys.names.iter().filter(|key| **key != "data") {
            let wrong = "1979-05-27";
            // What must be there so that the key is looked at.
            let text = match *heading {
                "handlers" => without("handlers", &format!("handlers = {{ {key} = {wrong} }}")),
                "retry" => with(&format!("retry = {{ {key} = {wrong} }}")),
                "secret" => without("secret", &format!("secret = {{ {key} = {wrong} }}")),
                "verify" => {
                    let scheme = keys.names[0];
                    let needs = match *key {
                        _ if *key == scheme => "",
                        "between" | "joint" | "timestamp_entry" => "version = \"v1\", ",
                        "timestamp_format" | "tolerance" => "timestamp_header = \"x-t\", ",
                        "secret_prefix" => "secret_encoding = \"base64\", ",
                        _ => "",
                    };
                    let scheme = if *key == scheme {
                        String::new()
                    } else {
                        format!("{scheme} = \"sha256\", ")
                    };
                    without("provider", &format!("verify = {{ {scheme}{needs}{key} = {wrong} }}"))
                }
                "[[route]]" => without(&format!("{key} "), &format!("{key} = {wrong}")),
                "auth" => {
                    let api = "[connection.a]\nbase_url = \"https://a.test\"\nauth =";
                    match keys.table.trim_matches('`') {
                        "auth" => format!("{api} {{ {key} = {wrong} }}\n"),
                        way => format!("{api} {{ {way} = {{ {key} = {wrong} }} }}\n"),
                    }
                }
                "[connection.NAME] retry" => {
                    let api = "[connection.a]\nbase_url = \"https://a.test\"\n";
                    format!("{api}retry = {{ {key} = {wrong} }}\n")
                }
                "kv" | "breaker" => {
                    format!("[plugin.a]\n{heading} = {{ {key} = {wrong} }}\n")
                }
                "[plugin.NAME]" => format!("[plugin.a]\n{key} = {wrong}\n"),
                table => format!("{table}\n{key} = {wrong}\n"),
            };
            // `limits` and the like are keys of [server].
            let error = of(&text).expect_err(&text);
            let at = text.find(wrong).expect("the value");
            let place = (diagnostic::line_of(&text, at), at - text[..at].rfind('\n').unwrap_or(0));
            let found = error.diagnostics().iter().any(|problem| {
                let column = place.1 + usize::from(place.0 == 1);
                let by_key = problem.message().starts_with("a route has `");
                (problem.line() == place.0 && problem.column() == column) || by_key
            });
            assert!(found, "{heading} {key}: {error}");
        }
    }
}

/// The documentation has a row for each key, in the section of its table, and every provider.
#[test]
fn every_key_is_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let docs = std::fs::read_to_string(folder.join("configuration.md")).expect("readable");
    let senders = std::fs::read_to_string(folder.join("providers.md")).expect("readable");
    for profile in hookyard_verify::profiles() {
        assert!(senders.contains(&format!("`{}`", profile.name)), "{} is missing", profile.name);
    }
    for (keys, heading) in keys::ALL {
        let section = docs
            .split("\n## ")
            .find(|section| section.starts_with(&format!("`{heading}`")))
            .unwrap_or_else(|| panic!("no section `{heading}`"));
        for key in keys.names {
            assert!(
                section.contains(&format!("\n| `{key}` |")),
                "{heading} does not tell of {key}"
            );
        }
    }
}

#[test]
fn a_schedule_is_read_with_what_it_says_and_what_it_does_not() {
    let text = [
        schedule("plain", "cron = \"30 2 * * *\""),
        schedule(
            "full",
            "cron = \"0 30 2 * * MON-FRI\"\ntimezone = \"America/New_York\"\njitter = \"5m\"\n\
             handlers = [\"a/b\", \"c/d\"]\noverlap = \"queue\"\nmissed = \"all\"\nmissed_max = 7\n\
             data = { at = 2026-01-01, list = [1, \"b\"] }\nretry = { max_attempts = 2 }",
        ),
    ];
    let (config, warnings) = good(&text.concat());
    assert!(warnings.is_empty(), "{warnings:?}");
    let [plain, full] = config.schedules.as_slice() else { panic!("{:?}", config.schedules) };
    assert_eq!((plain.timing.to_string().as_str(), plain.line), ("30 2 * * * UTC", 1));
    assert_eq!((plain.jitter, plain.overlap), (Duration::ZERO, Overlap::Skip));
    assert_eq!((plain.missed, &plain.data), (Missed::One, &None));
    assert_eq!(plain.handlers[0].retry, Retry::default());
    assert_eq!(full.timing.to_string(), "0 30 2 * * MON-FRI America/New_York");
    assert_eq!((full.jitter, full.overlap), (Duration::from_secs(300), Overlap::Queue));
    assert_eq!(full.missed, Missed::All { max: 7 });
    let data = serde_json::json!({ "at": "2026-01-01", "list": [1, "b"] });
    assert_eq!(full.data.as_ref(), Some(&data));
    assert_eq!(config.plugins_used(), ["a", "c"]);
    let source = hookyard_types::Source::Schedule("full".to_owned());
    assert_eq!(config.retry(&source, &full.handlers[1].name).max_attempts, 2);
    let no_route = hookyard_types::Source::Route("full".to_owned());
    assert_eq!(config.retry(&no_route, &full.handlers[1].name), Retry::default());
}

fn a_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\"[a-z0-9{}/:._ -]{0,12}\"",
        Just("\"/{tenant}\"".to_owned()),
        Just("\"header:x-id\"".to_owned()),
        Just("\"99999999999999999999999999TiB\"".to_owned()),
        Just("\"1e400GB\"".to_owned()),
        Just("\"9999999999999999999 years\"".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f32>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")),
        any::<bool>().prop_map(|value| value.to_string()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("'é😀\u{301}'".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(all_keys());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|map| {
                let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", pairs.join(", "))
            }),
        ]
    })
}

fn all_keys() -> Vec<&'static str> {
    keys::ALL.iter().flat_map(|(keys, _)| keys.names.iter().copied()).collect()
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = of(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_shape_panics(
        tables in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "[server]", "[server.limits]", "[server.tls]", "[admin]", "[store]",
                    "[runtime]", "[outbound]", "[secrets]", "[plugin.a]", "[plugin.b]", "[[route]]", "[[route]]", "[route]",
                    "[[schedule]]", "[[schedule]]",
                ]),
                prop::collection::btree_map(prop::sample::select(all_keys()), a_value(), 0..8),
            ),
            0..5,
        )
    ) {
        let mut text = String::new();
        for (header, keys) in tables {
            text.push_str(header);
            for (key, value) in keys {
                text.push_str(&format!("\n{key} = {value}"));
            }
            text.push('\n');
        }
        let _ = of(&text).map_err(|error| error.to_string());
    }

    /// Any cut or changed byte of a real file is read or refused with a place.
    #[test]
    fn no_damage_panics(at in 0usize..3000, byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = include_bytes!("../cli/init.toml").to_vec();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = of(&text).map_err(|error| error.to_string());
        }
    }
}
