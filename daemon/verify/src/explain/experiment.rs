//! Experiments on a request that was refused: the same, but for one thing that often goes wrong.

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use http::Method;

use super::{Case, json_text, lookalikes};
use crate::keyring::Keyring;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::template::Piece;
use crate::verifier::{Verifier, families};

/// Most of the experiments cost a hash of the body; a body above this many bytes gets fewer.
const LARGE: usize = 1 << 20;

/// A case and the keys that are at hand for it.
pub(super) struct Experiment<'e> {
    pub(super) case: &'e Case<'e>,
    pub(super) keyring: &'e Keyring,
}

impl Experiment<'_> {
    /// What went wrong, as far as can be told.
    pub(super) fn hints(&self, reason: &Reason) -> Vec<String> {
        match reason {
            Reason::MissingHeader(_)
            | Reason::MissingValue { .. }
            | Reason::BadHandshake(_)
            | Reason::NoHandshake => self.absent(),
            Reason::TimestampTooOld { age, .. } => {
                let then = self.case.now.as_millis().saturating_sub(millis(age));
                self.clock(then, "old")
            }
            Reason::TokenExpired { ago, .. } => {
                let then = self.case.now.as_millis().saturating_sub(millis(ago));
                self.clock(then, "old")
            }
            Reason::WrongClaim { claim } => vec![format!(
                "the token's signature is right: its `{claim}` is for another receiver or of another \
                 time, or a setting of this sender is not what the sender has"
            )],
            Reason::ForeignKeyUrl => vec![
                "somebody else signed, or the sender serves its certificates from a new place: \
                 what is there is not looked at"
                    .to_owned(),
            ],
            Reason::BadCertificate(_) => vec![
                "the request was captured long ago, this clock is wrong, or the certificate is not \
                 the sender's"
                    .to_owned(),
            ],
            Reason::MalformedToken(_) | Reason::MalformedEnvelope(_) => self.others(),
            Reason::TimestampInFuture { ahead, .. } => {
                let then = self.case.now.as_millis().saturating_add(millis(ahead));
                self.clock(then, "early")
            }
            Reason::DuplicateHeader(_) => vec![
                "something on the way adds the header again, or joins two requests: look at the \
                 proxies in front"
                    .to_owned(),
            ],
            Reason::EmptyHeader(_) => vec![
                "the sender has no secret set for this webhook: set one there and here".to_owned(),
            ],
            Reason::KeyNeeded(_) => vec![
                "the key could not be had, or is not among those that the sender publishes: look \
                 at what the daemon could fetch"
                    .to_owned(),
            ],
            Reason::AnswerNeeded(_) => vec![
                "nothing was asked here; a daemon asks, with the credentials of the route, and \
                 takes the request when the answer is `SUCCESS`"
                    .to_owned(),
            ],
            Reason::Mismatch { .. }
            | Reason::ForeignSignature
            | Reason::WrongCredentials { .. }
            | Reason::UnknownKey { .. } => self.mismatch(),
            // Whatever it is, the reason says more than what is usual with another one.
            _ => self.changes(),
        }
    }

    /// A signature that is not there.
    fn absent(&self) -> Vec<String> {
        let mut hints = Vec::new();
        let others = lookalikes(self.case.request, self.case.profile);
        if !others.is_empty() && others.len() <= 6 {
            let names: Vec<String> = others.iter().map(|p| format!("`{}`", p.name)).collect();
            hints.push(format!(
                "the headers or the body are those of {}: is this the right provider?",
                names.join(" or ")
            ));
        }
        hints.push(format!(
            "a proxy in front drops the header, or the sender has no secret set; {} sends {}",
            self.case.profile.title, self.case.profile.scheme
        ));
        hints
    }

    /// A timestamp that is too far away.
    fn clock(&self, then: i64, how: &str) -> Vec<String> {
        let then = UnixTime::from_millis(then);
        match self.passes(self.case.request, self.case.secrets, then) {
            true => vec![format!(
                "the signature is right and only {how}: the request was captured or kept back and \
                 sent at another time, or one of the clocks is wrong (this one: see `timedatectl`)"
            )],
            false => {
                let mut hints =
                    vec!["the signature would not hold at its own time either".to_owned()];
                let case = Case { now: then, ..*self.case };
                hints.extend(Experiment { case: &case, keyring: self.keyring }.mismatch());
                hints
            }
        }
    }

    /// A signature that is there and wrong.
    fn mismatch(&self) -> Vec<String> {
        let mut hints = self.changes();
        if hints.is_empty() {
            hints.push(
                "no usual change of the body, the secret or the URL makes it right: most likely \
                 this is the secret of another endpoint, environment or account"
                    .to_owned(),
            );
        }
        hints
    }

    /// What would make the request pass?
    fn changes(&self) -> Vec<String> {
        let (case, now) = (self.case, self.case.now);
        let mut hints = Vec::new();
        for (what, body) in bodies(&case.request.body) {
            let request = Request { body, ..case.request.clone() };
            if self.passes(&request, case.secrets, now) {
                hints.push(format!(
                    "the body was changed on its way: the signature holds {what}. Capture or pass \
                     on the raw bytes, before anything parses them"
                ));
            }
        }
        for (what, secrets) in self.secrets() {
            if self.passes(case.request, &secrets, now) {
                hints.push(format!("the signature holds with the secret {what}"));
            }
        }
        if case.profile.scheme.signs_url() {
            for (what, url) in self.urls() {
                let request = with_url(case.request, url);
                if self.passes(&request, case.secrets, now) {
                    hints.push(format!(
                        "the sender signed another URL, {what}: {}. Set `public_url` in [server] \
                         to the address that the sender calls",
                        request.url
                    ));
                }
            }
        }
        if self.signs(&Piece::Method) {
            for method in [Method::POST, Method::GET, Method::PUT] {
                let request = Request { method: method.clone(), ..case.request.clone() };
                if method != case.request.method && self.passes(&request, case.secrets, now) {
                    hints.push(format!("the sender signed the method {method}"));
                }
            }
        }
        hints.extend(self.others());
        hints
    }

    /// The usual ways of copying a secret wrongly.
    fn secrets(&self) -> Vec<(&'static str, Vec<Secret>)> {
        type Change = fn(&[u8]) -> Option<Vec<u8>>;
        const CHANGES: [(&str, Change); 8] = [
            ("without the quotes around it", |secret| {
                let inner = secret.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
                Some(inner.to_vec())
            }),
            ("without what stands before its last `_`", |secret| {
                let at = secret.iter().rposition(|byte| *byte == b'_')?;
                secret.get(at + 1..).map(<[u8]>::to_vec)
            }),
            ("with `whsec_` in front", |secret| Some([b"whsec_", secret].concat())),
            ("decoded from base64", |secret| BASE64.decode(secret).ok()),
            ("written in base64", |secret| Some(BASE64.encode(secret).into_bytes())),
            ("decoded from hexadecimal", |secret| HEXLOWER_PERMISSIVE.decode(secret).ok()),
            ("in lower case", |secret| Some(secret.to_ascii_lowercase())),
            ("and a line break after it", |secret| Some([secret, b"\n"].concat())),
        ];
        let changed = CHANGES.iter().map(|(what, change)| {
            let secrets = self.case.secrets.iter();
            (*what, secrets.filter_map(|s| change(s.bytes()).map(Secret::new)).collect::<Vec<_>>())
        });
        changed.filter(|(_, secrets)| !secrets.is_empty()).collect()
    }

    /// The URL as the sender may know it.
    fn urls(&self) -> Vec<(&'static str, String)> {
        let request = self.case.request;
        let url = request.url.as_str();
        let Some((scheme, rest)) = url.split_once("://") else { return Vec::new() };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let other = if scheme == "https" { "http" } else { "https" };
        let bare = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let mut urls = vec![
            ("with the other scheme", format!("{other}://{rest}")),
            ("without the port", format!("{scheme}://{bare}{path}")),
            ("without the port and with the other scheme", format!("{other}://{bare}{path}")),
            ("with port 443", format!("{scheme}://{bare}:443{path}")),
        ];
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        for name in ["x-forwarded-host", "x-original-host", "host"] {
            if let Some(named) = header(name) {
                urls.push((
                    "with the host that the request names",
                    format!("https://{named}{path}"),
                ));
                urls.push((
                    "with the host that the request names",
                    format!("http://{named}{path}"),
                ));
            }
        }
        let (before, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let slashed = match before.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{before}/"),
        };
        let query_text = query.map(|query| format!("?{query}")).unwrap_or_default();
        urls.push((
            "with or without the last slash",
            format!("{scheme}://{host}{slashed}{query_text}"),
        ));
        if query.is_some() {
            urls.push(("without the query", format!("{scheme}://{host}{before}")));
        }
        urls
    }

    /// Senders as which the request passes with the same secret.
    fn others(&self) -> Vec<String> {
        let case = self.case;
        if case.request.body.len() > LARGE {
            return Vec::new();
        }
        let others = lookalikes(case.request, case.profile).into_iter().filter(|profile| {
            let settings = case.settings.clone();
            Verifier::for_profile(profile, case.secrets.iter().cloned(), settings)
                .is_ok_and(|verifier| verifier.verify(case.request.clone(), case.now).is_ok())
        });
        others
            .map(|profile| format!("as `provider = \"{}\"` the signature holds", profile.name))
            .collect()
    }

    fn signs(&self, piece: &Piece) -> bool {
        let scheme: &Scheme = self.case.profile.scheme;
        families(scheme.clone()).is_ok_and(|all| all.iter().any(|family| family.covers(piece)))
    }

    fn passes(&self, request: &Request, secrets: &[Secret], now: UnixTime) -> bool {
        let case = self.case;
        Verifier::for_profile(case.profile, secrets.iter().cloned(), case.settings.clone())
            .is_ok_and(|verifier| verifier.receive(request.clone(), now, self.keyring).is_ok())
    }
}

fn millis(distance: &std::time::Duration) -> i64 {
    i64::try_from(distance.as_millis()).unwrap_or(i64::MAX)
}

fn with_url(request: &Request, url: String) -> Request {
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = after.find(['/', '?']).and_then(|at| after.get(at..)).unwrap_or("/");
    let (path, query) = path.split_once('?').map_or((path, None), |(path, q)| (path, Some(q)));
    let (path, query) = (path.to_owned(), query.map(str::to_owned));
    Request { url, path, query, ..request.clone() }
}

/// The body as it may have been before something on its way wrote it anew.
fn bodies(body: &[u8]) -> Vec<(&'static str, Bytes)> {
    let mut bodies: Vec<(&'static str, Vec<u8>)> = vec![
        ("with a line feed at the end", [body, b"\n"].concat()),
        ("with a line break (CR LF) at the end", [body, b"\r\n"].concat()),
        ("without the white space at its ends", body.trim_ascii().to_vec()),
        (
            "without the byte order mark",
            body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).to_vec(),
        ),
        ("when it is empty", Vec::new()),
    ];
    if let Ok(text) = std::str::from_utf8(body) {
        bodies.push(("with CR LF where it has LF", text.replace('\n', "\r\n").into_bytes()));
        bodies.push(("with LF where it has CR LF", text.replace("\r\n", "\n").into_bytes()));
        bodies.push(("with `+` where it has `%20`", text.replace("%20", "+").into_bytes()));
        bodies.push(("with `%20` where it has `+`", text.replace('+', "%20").into_bytes()));
    }
    if body.len() <= LARGE {
        bodies.extend(respelled(body).into_iter().map(|(what, text)| (what, text.into_bytes())));
    }
    // Of several that come to the same, the first says it.
    let mut seen = vec![body.to_vec()];
    bodies.retain(|(_, changed)| {
        let new = !seen.contains(changed);
        if new {
            seen.push(changed.clone());
        }
        new
    });
    bodies.into_iter().map(|(what, changed)| (what, changed.into())).collect()
}

/// A JSON body in other spellings of the same value.
fn respelled(body: &[u8]) -> Vec<(&'static str, String)> {
    let (Some(compact), Some(spaced)) = (json_text::compact(body), json_text::spaced(body)) else {
        return Vec::new();
    };
    let slashed = compact.replace('/', "\\/");
    // The plainest first: what has nothing to escape is the same in several of them.
    let mut texts = vec![
        ("of compact JSON", compact.clone()),
        ("of JSON with a space after each comma and colon", spaced.clone()),
        ("of compact JSON with escaped slashes", slashed.clone()),
        ("of compact JSON with characters escaped as \\u", json_text::ascii(&compact)),
        ("of spaced JSON with characters escaped as \\u", json_text::ascii(&spaced)),
        ("of compact JSON with slashes and characters escaped", json_text::ascii(&slashed)),
    ];
    for (what, indent) in [
        ("of JSON indented by two", &b"  "[..]),
        ("of JSON indented by four", b"    "),
        ("of JSON indented by tabs", b"\t"),
    ] {
        texts.extend(json_text::indented(body, indent).map(|text| (what, text)));
    }
    texts
}
