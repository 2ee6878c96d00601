//! Where events come in, and how they are checked.

use std::time::Duration;

use hookyard_verify::{Location, Profile, Scheme, SuccessBody};

use super::{RouteHandler, SecretRef};

/// `[[route]]`.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    /// 1-based, of the `[[route]]` line; for messages.
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) methods: Vec<http::Method>,
    pub(crate) host: Option<String>,
    pub(crate) verify: Verify,
    /// Any of them may match. Empty only where the scheme needs none, or the provider teaches it.
    pub(crate) keys: Vec<Key>,
    pub(crate) mode: Mode,
    pub(crate) handlers: Vec<RouteHandler>,
    /// Kinds that the route takes; empty for all.
    pub(crate) kinds: Vec<String>,
    /// Text with `{parameters}`.
    pub(crate) tenant: Option<String>,
    /// Where the kind is, when not where the profile says.
    pub(crate) kind: Option<Location>,
    /// Where the delivery id is, when not where the profile says.
    pub(crate) id: Option<Location>,
    /// How long a repeated id is recognised; without an id there is no dedupe.
    pub(crate) dedupe: Duration,
    pub(crate) store_ignored: bool,
    /// Bytes of a body.
    pub(crate) body: u64,
}

impl Route {
    /// The status that tells the route's sender that its event is durable.
    pub(crate) fn accepted_status(&self) -> http::StatusCode {
        let wanted = self.profile().map(|profile| profile.success_status);
        let wanted = wanted.and_then(|status| http::StatusCode::from_u16(status).ok());
        wanted.unwrap_or(http::StatusCode::ACCEPTED)
    }

    /// The status that tells the route's sender that its request did not prove where it is from.
    pub(crate) fn refusal_status(&self) -> http::StatusCode {
        let wanted = self.profile().map(|profile| profile.refusal_status);
        let wanted = wanted.and_then(|status| http::StatusCode::from_u16(status).ok());
        wanted.unwrap_or(http::StatusCode::UNAUTHORIZED)
    }

    /// What the route's sender wants to see when its event was taken.
    pub(crate) fn success_body(&self) -> SuccessBody {
        self.profile().map_or(SuccessBody::Any, |profile| profile.success_body)
    }

    /// The methods of handshakes that are not those of events too.
    pub(crate) fn handshake_methods(&self) -> Vec<http::Method> {
        self.verify.handshake_methods(&self.methods)
    }

    /// What is known about the route's sender, when it was named.
    pub(crate) fn profile(&self) -> Option<&'static Profile> {
        self.verify.profile()
    }

    /// Every reference to a secret, those of the provider's settings first.
    pub(crate) fn references(&self) -> impl Iterator<Item = &SecretRef> {
        let settings = self.verify.settings().iter().filter_map(|setting| match &setting.value {
            SettingValue::Secret(reference) => Some(reference),
            SettingValue::Text(_) => None,
        });
        let keys = self.keys.iter().filter_map(|key| match key {
            Key::At(reference) => Some(reference),
            Key::Public(_) => None,
        });
        settings.chain(keys)
    }
}

/// How a route checks what it receives.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each route, made once and never moved")]
pub(crate) enum Verify {
    Profile(&'static Profile, Vec<Setting>),
    /// `verify = { … }`.
    Scheme(Scheme),
    /// `verify = "none"`.
    None,
}

impl Verify {
    pub(crate) fn profile(&self) -> Option<&'static Profile> {
        match self {
            Self::Profile(profile, _) => Some(profile),
            Self::Scheme(_) | Self::None => None,
        }
    }

    /// What the provider was told besides its keys.
    pub(crate) fn settings(&self) -> &[Setting] {
        match self {
            Self::Profile(_, settings) => settings,
            Self::Scheme(_) | Self::None => &[],
        }
    }

    /// The methods of handshakes that are none of `methods`, which a route takes events with.
    pub(crate) fn handshake_methods(&self, methods: &[http::Method]) -> Vec<http::Method> {
        let mut others = Vec::new();
        for method in self.profile().into_iter().flat_map(Profile::handshake_methods) {
            if !methods.contains(&method) && !others.contains(&method) {
                others.push(method);
            }
        }
        others
    }
}

/// What a route's requests are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Whatever the scheme takes, a public key included.
    At(SecretRef),
    /// A public key, as it was written into the file.
    Public(String),
}

/// A setting of a provider, such as the topic that events have to be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: SettingValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingValue {
    Text(String),
    /// Of those that are confidential.
    Secret(SecretRef),
}

/// When the sender is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As soon as the event is durable.
    Queue,
    /// When its one handler has answered.
    Respond(Respond),
}

/// The settings of a `respond` route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Respond {
    pub(crate) deadline: Duration,
    /// `fallback = "queue"`: at the deadline the running attempt becomes the queue's.
    pub(crate) fallback_to_queue: bool,
    /// `false` gives up promises 2 and 3 for the route.
    pub(crate) store: bool,
}
