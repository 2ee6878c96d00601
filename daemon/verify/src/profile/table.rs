//! The words that the table of senders is written in. All of it is constant.

use std::borrow::Cow;
use std::mem::{ManuallyDrop, replace};
use std::time::Duration;

use http::Method;

use crate::handshake::{Condition, HandshakeRule, Proof};
use crate::jwt_scheme::{Claim, JwtScheme, TokenAlgorithm, TokenForm, TokenKeys, TokenPlace};
use crate::location::Location;
use crate::scheme::{
    Algorithm, Construction, DEFAULT_TOLERANCE, Encoding, KeyForm, Layout, Scheme,
    SignatureAlgorithm, TemplateScheme, TimestampFormat, TimestampPlace, TimestampRule, Version,
};
use crate::template::{Piece, Template};

/// How long a sender retries when it does not say: three days, which is longer than most that do.
pub(super) const UNTOLD: Duration = days(3);

// Written out, because a constant that comes from a call cannot stand in a borrowed list.
pub(super) const DOT: Piece = Piece::Text(Cow::Borrowed("."));
pub(super) const NEW_LINE: Piece = Piece::Text(Cow::Borrowed("\n"));
pub(super) const COLON: Piece = Piece::Text(Cow::Borrowed(":"));

pub(super) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

pub(super) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

pub(super) const fn in_header(name: &'static str) -> Location {
    Location::Header(Cow::Borrowed(name))
}

pub(super) const fn in_form(field: &'static str) -> Location {
    Location::Form(Cow::Borrowed(field))
}

pub(super) const fn in_json(pointer: &'static str) -> Location {
    Location::Json(Cow::Borrowed(pointer))
}

pub(super) const fn in_query(name: &'static str) -> Location {
    Location::Query(Cow::Borrowed(name))
}

/// A `HEAD` with which a sender makes sure that somebody is there.
pub(super) const HEAD_PROBE: HandshakeRule = HandshakeRule {
    name: "probe",
    when: &[Condition::Method(Method::HEAD)],
    proof: Proof::Nothing,
    ..HandshakeRule::DEFAULTS
};

/// One lower-case hexadecimal signature of the body in `header`, by HMAC-SHA256.
pub(super) const fn sha256(header: &'static str) -> TemplateScheme {
    TemplateScheme::with(Construction::Hmac(Algorithm::Sha256), Cow::Borrowed(header))
}

pub(super) const fn sha1(header: &'static str) -> TemplateScheme {
    TemplateScheme::with(Construction::Hmac(Algorithm::Sha1), Cow::Borrowed(header))
}

pub(super) const fn sha512(header: &'static str) -> TemplateScheme {
    TemplateScheme::with(Construction::Hmac(Algorithm::Sha512), Cow::Borrowed(header))
}

/// One signature of the body by a key pair in `header`, in base64.
pub(super) const fn key_pair(
    algorithm: SignatureAlgorithm,
    header: &'static str,
) -> TemplateScheme {
    TemplateScheme::with(Construction::KeyPair(algorithm), Cow::Borrowed(header))
}

/// A token that is the whole value of `header`.
pub(super) const fn jwt(
    header: &'static str,
    algorithm: TokenAlgorithm,
    keys: TokenKeys,
) -> JwtScheme {
    JwtScheme::with(TokenPlace::Header(Cow::Borrowed(header)), algorithm, keys)
}

/// The secret itself in `header`.
pub(super) const fn token(header: &'static str) -> Scheme {
    Scheme::Token { header: Cow::Borrowed(header) }
}

/// Each changes one field and says nothing that the field does not.
impl TemplateScheme {
    pub(super) const fn scheme(self) -> Scheme {
        Scheme::Template(self)
    }

    pub(super) const fn encoded(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    pub(super) const fn base64(self) -> Self {
        self.encoded(Encoding::Base64)
    }

    pub(super) const fn prefixed(mut self, prefix: &'static str) -> Self {
        put(&mut self.prefix, Cow::Borrowed(prefix));
        self
    }

    pub(super) const fn prefix_optional(mut self) -> Self {
        self.prefix_optional = true;
        self
    }

    pub(super) const fn signs(mut self, pieces: &'static [Piece]) -> Self {
        put(&mut self.signed, Template::of(pieces));
        self
    }

    /// `,` between entries and `=` in them.
    pub(super) const fn entries(self, version: &'static str) -> Self {
        self.listed(',', '=', version)
    }

    pub(super) const fn listed(
        mut self,
        between: char,
        joint: char,
        version: &'static str,
    ) -> Self {
        let version = Cow::Borrowed(version);
        put(&mut self.layout, Layout::Entries { between, joint, version });
        self
    }

    pub(super) const fn laid_out(mut self, layout: Layout) -> Self {
        put(&mut self.layout, layout);
        self
    }

    pub(super) const fn timed(
        mut self,
        at: TimestampPlace,
        format: TimestampFormat,
        seconds: u64,
    ) -> Self {
        let tolerance = Duration::from_secs(seconds);
        put(&mut self.timestamp, Some(TimestampRule { at, format, tolerance }));
        self
    }

    /// A timestamp in the entry `name` that may be `seconds` away.
    pub(super) const fn entry_time(
        self,
        name: &'static str,
        format: TimestampFormat,
        seconds: u64,
    ) -> Self {
        self.timed(TimestampPlace::Entry(Cow::Borrowed(name)), format, seconds)
    }

    /// A timestamp in the header `name` that may be `seconds` away.
    pub(super) const fn header_time(
        self,
        name: &'static str,
        format: TimestampFormat,
        seconds: u64,
    ) -> Self {
        self.timed(TimestampPlace::Header(Cow::Borrowed(name)), format, seconds)
    }

    pub(super) const fn id(mut self, header: &'static str) -> Self {
        put(&mut self.id_header, Some(Cow::Borrowed(header)));
        self
    }

    pub(super) const fn key(mut self, key: KeyForm) -> Self {
        put(&mut self.key, key);
        self
    }

    /// A plain hash in which the key stands where the template says.
    pub(super) const fn digest(mut self) -> Self {
        if let Construction::Hmac(algorithm) = self.construction {
            self.construction = Construction::Digest(algorithm);
        }
        self
    }

    /// Further versions in the same list.
    pub(super) const fn versions(mut self, versions: &'static [Version]) -> Self {
        put(&mut self.versions, Cow::Borrowed(versions));
        self
    }

    /// The header that names the key.
    pub(super) const fn key_id(mut self, header: &'static str) -> Self {
        put(&mut self.key_id_header, Some(Cow::Borrowed(header)));
        self
    }

    pub(super) const fn also(mut self, headers: &'static [Cow<'static, str>]) -> Self {
        put(&mut self.also, Cow::Borrowed(headers));
        self
    }

    /// A signed text that is used once.
    pub(super) const fn one_time(mut self, at: Location) -> Self {
        put(&mut self.one_time, Some(at));
        self
    }

    pub(super) const fn fixed(
        mut self,
        headers: &'static [(Cow<'static, str>, Cow<'static, str>)],
    ) -> Self {
        put(&mut self.fixed, Cow::Borrowed(headers));
        self
    }
}

/// As above, for tokens.
impl JwtScheme {
    pub(super) const fn scheme(self) -> Scheme {
        Scheme::Jwt(self)
    }

    pub(super) const fn saying(mut self, claims: &'static [Claim]) -> Self {
        put(&mut self.claims, Cow::Borrowed(claims));
        self
    }

    pub(super) const fn leeway(mut self, seconds: u64) -> Self {
        self.leeway = Duration::from_secs(seconds);
        self
    }

    /// Without claims, of milliseconds in the header `timestamp` and the body.
    pub(super) const fn detached(mut self, timestamp: &'static str, key_id: &'static str) -> Self {
        let at = TimestampPlace::Header(Cow::Borrowed(timestamp));
        let tolerance = DEFAULT_TOLERANCE;
        let timestamp = TimestampRule { at, format: TimestampFormat::Millis, tolerance };
        let key_id = Cow::Borrowed(key_id);
        put(&mut self.form, TokenForm::Detached { timestamp, key_id });
        self
    }
}

/// Assignment, which constant code cannot do where the old value would have to be dropped. The old
/// values here are borrowed constants, with nothing to drop.
const fn put<T>(place: &mut T, value: T) {
    let _ = ManuallyDrop::new(replace(place, value));
}
