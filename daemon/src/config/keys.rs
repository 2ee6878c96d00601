//! The keys of every table: what the reader takes, what errors suggest, what
//! docs/configuration.md must describe (a test compares them).

/// The keys that one table may have.
#[derive(Debug)]
pub(super) struct Keys {
    /// The table as messages name it.
    pub(super) table: &'static str,
    pub(super) names: &'static [&'static str],
    /// The table as it is written, for messages.
    pub(super) example: &'static str,
    /// Values of unknown keys are kept out of messages.
    pub(super) secret: bool,
}

impl Keys {
    const fn new(
        table: &'static str,
        names: &'static [&'static str],
        example: &'static str,
    ) -> Self {
        Self { table, names, example, secret: false }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// Every key, in quotes.
    pub(super) fn list(&self) -> String {
        let quoted: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    }
}

pub(super) const ROOT: Keys = Keys::new(
    "the file",
    &[
        "server",
        "admin",
        "store",
        "secrets",
        "runtime",
        "outbound",
        "plugin",
        "connection",
        "queue",
        "route",
        "schedule",
    ],
    "",
);

pub(super) const SERVER: Keys = Keys::new(
    "[server]",
    &["listen", "public_url", "trusted_proxies", "drain", "tls", "limits"],
    "{ listen = \"127.0.0.1:8080\" }",
);

pub(super) const TLS: Keys =
    Keys::new("[server.tls]", &["cert", "key"], "{ cert = \"cert.pem\", key = \"key.pem\" }");

pub(super) const LIMITS: Keys = Keys::new(
    "[server.limits]",
    &[
        "header_timeout",
        "body_timeout",
        "handshake_timeout",
        "body",
        "headers",
        "connections",
        "connections_per_client",
        "in_flight",
    ],
    "{ body = \"1MiB\" }",
);

pub(super) const ADMIN: Keys =
    Keys::new("[admin]", &["listen", "token"], "{ listen = \"127.0.0.1:8081\" }");

pub(super) const STORE: Keys = Keys::new(
    "[store]",
    &["path", "wal_max", "max_size", "min_free"],
    "{ path = \"data/hookyard.db\" }",
);

pub(super) const SECRETS: Keys = Keys {
    secret: true,
    ..Keys::new(
        "[secrets]",
        &["key", "former_keys"],
        "{ key = { file = \"/etc/hookyard/secrets.key\" } }",
    )
};

pub(super) const RUNTIME: Keys = Keys::new(
    "[runtime]",
    &[
        "plugins_dir",
        "cache_dir",
        "concurrency",
        "compile_timeout",
        "compile_memory",
        "timeout",
        "cpu",
        "memory",
        "plugin_concurrency",
        "log_bytes",
        "log_rate",
        "reply_bytes",
        "kv_key_bytes",
        "kv_value_bytes",
        "kv_attempt_bytes",
        "kv_bytes",
        "requests",
        "request_bytes",
        "queue_message_bytes",
        "queue_attempt_bytes",
        "breaker",
    ],
    "{ plugins_dir = \"plugins\" }",
);

pub(super) const OUTBOUND: Keys =
    Keys::new("[outbound]", &["resolve", "ca"], "{ ca = \"ca.pem\" }");

pub(super) const PLUGIN: Keys = Keys::new(
    "[plugin.NAME]",
    &[
        "timeout",
        "cpu",
        "memory",
        "concurrency",
        "log_bytes",
        "log_rate",
        "reply_bytes",
        "secrets",
        "kv",
        "kv_key_bytes",
        "kv_value_bytes",
        "kv_attempt_bytes",
        "kv_bytes",
        "connections",
        "requests",
        "request_bytes",
        "topics",
        "queue_message_bytes",
        "queue_attempt_bytes",
        "breaker",
        "settings",
    ],
    "{ timeout = \"10s\" }",
);

pub(super) const KV: Keys = Keys::new("`kv`", &["shared"], "{ shared = [\"customers\"] }");

pub(super) const CONNECTION: Keys = Keys::new(
    "[connection.NAME]",
    &[
        "base_url",
        "auth",
        "timeout",
        "retry",
        "rate",
        "max_response",
        "redirects",
        "headers",
        "allow",
        "allow_private",
        "ca",
        "client_cert",
        "client_key",
    ],
    "{ base_url = \"https://api.example.com/\" }",
);

pub(super) const CONNECTION_RETRY: Keys =
    Keys::new("`retry` of a connection", &["max_attempts", "idempotent"], "{ max_attempts = 3 }");

pub(super) const AUTH: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`auth`",
        &["bearer", "basic", "header", "query", "oauth2"],
        "{ bearer = { env = \"API_TOKEN\" } }",
    )
};

pub(super) const AUTH_BASIC: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`basic`",
        &["user", "password"],
        "{ user = \"me\", password = { env = \"API_PASSWORD\" } }",
    )
};

pub(super) const AUTH_HEADER: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`header`",
        &["name", "value", "prefix"],
        "{ name = \"x-api-key\", value = { env = \"API_KEY\" } }",
    )
};

pub(super) const AUTH_QUERY: Keys = Keys {
    secret: true,
    ..Keys::new("`query`", &["name", "value"], "{ name = \"key\", value = { env = \"API_KEY\" } }")
};

pub(super) const OAUTH2: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`oauth2`",
        &["token_url", "client_id", "client_secret", "scopes", "audience", "client_auth"],
        "{ token_url = \"https://login.example.com/token\", client_id = \"hookyard\", \
         client_secret = { env = \"CLIENT_SECRET\" } }",
    )
};

pub(super) const QUEUE: Keys = Keys::new(
    "[queue.TOPIC]",
    &["handlers", "concurrency", "retry", "max_pending"],
    "{ handlers = \"mailer/work\" }",
);

pub(super) const CONSUMER: Keys = Keys::new(
    "`handlers`",
    &["handler", "retry"],
    "{ handler = \"mailer/work\", retry = { max_attempts = 3 } }",
);

pub(super) const BREAKER: Keys = Keys::new(
    "`breaker`",
    &["failures", "pause", "max_pause"],
    "{ failures = 10, pause = \"30s\" }",
);

pub(super) const ROUTE: Keys = Keys::new(
    "[[route]]",
    &[
        "name",
        "path",
        "method",
        "methods",
        "host",
        "provider",
        "verify",
        "secret",
        "public_key",
        "mode",
        "deadline",
        "fallback",
        "store",
        "handlers",
        "kinds",
        "tenant",
        "kind",
        "id",
        "dedupe",
        "store_ignored",
        "body",
        "retry",
    ],
    "{ path = \"/hooks/github\" }",
);

pub(super) const SCHEDULE: Keys = Keys::new(
    "[[schedule]]",
    &[
        "name",
        "cron",
        "timezone",
        "jitter",
        "handlers",
        "overlap",
        "missed",
        "missed_max",
        "data",
        "retry",
    ],
    "{ name = \"nightly\", cron = \"30 2 * * *\" }",
);

pub(super) const HANDLER: Keys = Keys::new(
    "`handlers`",
    &["handler", "kinds", "retry"],
    "{ handler = \"github-push/record\", kinds = [\"push\"] }",
);

pub(super) const RETRY: Keys = Keys::new(
    "`retry`",
    &["max_attempts", "first", "max"],
    "{ max_attempts = 8, first = \"2s\", max = \"1h\" }",
);

pub(super) const SECRET: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`secret`",
        &["env", "file", "credential", "stored"],
        "{ env = \"WEBHOOK_SECRET\" }",
    )
};

/// `verify = { hmac = … }`.
pub(super) const HMAC: Keys = Keys {
    secret: true,
    ..Keys::new(
        "`verify` with `hmac`",
        &[
            "hmac",
            "header",
            "encoding",
            "prefix",
            "signed",
            "version",
            "between",
            "joint",
            "timestamp_header",
            "timestamp_entry",
            "timestamp_format",
            "tolerance",
            "id_header",
            "secret_encoding",
            "secret_prefix",
        ],
        "{ hmac = \"sha256\", header = \"x-signature\" }",
    )
};

/// `verify = { key_pair = … }`.
pub(super) const KEY_PAIR: Keys = Keys::new(
    "`verify` with `key_pair`",
    &[
        "key_pair",
        "header",
        "encoding",
        "prefix",
        "signed",
        "version",
        "between",
        "joint",
        "timestamp_header",
        "timestamp_entry",
        "timestamp_format",
        "tolerance",
        "id_header",
    ],
    "{ key_pair = \"ed25519\", header = \"x-signature\" }",
);

/// `verify = { token = … }`.
pub(super) const TOKEN: Keys = Keys {
    secret: true,
    ..Keys::new("`verify` with `token`", &["token"], "{ token = \"x-webhook-token\" }")
};

/// `verify = { bearer = true }`.
pub(super) const BEARER: Keys =
    Keys { secret: true, ..Keys::new("`verify` with `bearer`", &["bearer"], "{ bearer = true }") };

/// `verify = { basic = … }`.
pub(super) const BASIC: Keys =
    Keys { secret: true, ..Keys::new("`verify` with `basic`", &["basic"], "{ basic = \"user\" }") };

/// Every table with the heading of its section in docs/configuration.md.
pub(super) const ALL: &[(&Keys, &str)] = &[
    (&SERVER, "[server]"),
    (&TLS, "[server.tls]"),
    (&LIMITS, "[server.limits]"),
    (&STORE, "[store]"),
    (&SECRETS, "[secrets]"),
    (&RUNTIME, "[runtime]"),
    (&OUTBOUND, "[outbound]"),
    (&PLUGIN, "[plugin.NAME]"),
    (&KV, "kv"),
    (&CONNECTION, "[connection.NAME]"),
    (&CONNECTION_RETRY, "[connection.NAME] retry"),
    (&AUTH, "auth"),
    (&AUTH_BASIC, "auth"),
    (&AUTH_HEADER, "auth"),
    (&AUTH_QUERY, "auth"),
    (&OAUTH2, "auth"),
    (&QUEUE, "[queue.TOPIC]"),
    (&BREAKER, "breaker"),
    (&ROUTE, "[[route]]"),
    (&SCHEDULE, "[[schedule]]"),
    (&HANDLER, "handlers"),
    (&RETRY, "retry"),
    (&SECRET, "secret"),
    (&HMAC, "verify"),
    (&KEY_PAIR, "verify"),
    (&TOKEN, "verify"),
    (&BEARER, "verify"),
    (&BASIC, "verify"),
    // Last, because a `token` that is out of place is likelier one of `verify`.
    (&ADMIN, "[admin]"),
];

/// The table in which a key of this name is known, when there is one such.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(keys, _)| keys.contains(name)).map(|(keys, _)| keys.table)
}

/// Whether the value of a key of this name is likely a secret, so that it is not shown.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "token", "passw", "credential", "bearer", "api_key", "api-key", "apikey", "auth"]
        .iter()
        .any(|word| name.contains(word))
}
