//! WeChat's own way: a hash of the sorted secret, timestamp and nonce, in the query.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use crate::family::{Family, Seen, matching};
use crate::location::Location;
use crate::mac::{Tag, describe};
use crate::moment;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Encoding, TimestampFormat};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::template::Piece;
use crate::values::{needed, one};

const SIGNATURE: &str = "signature";
const TIMESTAMP: &str = "timestamp";
const NONCE: &str = "nonce";

/// The bytes of a SHA-1.
const LEN: usize = 20;

/// WeChat's scheme.
#[derive(Debug)]
pub(crate) struct WeChatCheck {
    pub(crate) tolerance: Duration,
}

fn query(name: &'static str) -> Location {
    Location::Query(name.into())
}

/// The order of the three is that of their bytes. Nothing stands between them; that the timestamp is
/// near leaves no room for cutting the text in another way.
fn hash(secret: &[u8], timestamp: &str, nonce: &str) -> Tag {
    let mut parts = [secret, timestamp.as_bytes(), nonce.as_bytes()];
    parts.sort_unstable();
    let hash = parts.iter().fold(Sha1::new(), |hash, part| hash.chain_update(part));
    Tag::from_slice(&hash.finalize())
}

impl Family for WeChatCheck {
    type Key = Zeroizing<Vec<u8>>;

    fn key(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        Ok(Zeroizing::new(secret.checked()?.to_vec()))
    }

    fn is_carried(&self, request: &Request) -> bool {
        !matches!(one(request, &query(SIGNATURE)), Ok(None))
    }

    fn check(&self, keys: &[Zeroizing<Vec<u8>>], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let value = |name| needed(seen.request, &query(name));
        let malformed =
            |name, expected| Reason::MalformedValue { at: query(name).to_string(), expected };
        let (signature, timestamp, nonce) = (value(SIGNATURE)?, value(TIMESTAMP)?, value(NONCE)?);
        let candidate = Tag::decode(signature.as_bytes(), Encoding::Hex, LEN)
            .ok_or_else(|| malformed(SIGNATURE, describe(Encoding::Hex, LEN)))?;
        let format = TimestampFormat::Seconds;
        let tolerance = (self.tolerance, self.tolerance);
        moment::near(timestamp.as_bytes(), format, tolerance, seen.now, || {
            malformed(TIMESTAMP, moment::describe(format).to_owned())
        })?;
        matching(keys, |key| hash(key, &timestamp, &nonce).matches(&candidate)).map(Some)
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn covers_location(&self, location: &Location) -> bool {
        matches!(location, Location::Query(name) if name == TIMESTAMP || name == NONCE)
    }

    /// The signature stands for all that it covers, and has one spelling.
    fn one_time_token(&self, request: &Request) -> Option<String> {
        one(request, &query(SIGNATURE)).ok()?
    }

    /// A timestamp may be ahead when the request is first taken, and as far behind at last.
    fn repeatable_for(&self) -> Option<Duration> {
        Some(self.tolerance.saturating_mul(2))
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let timestamp = moment::write(now, TimestampFormat::Seconds);
        // Nothing here is random; another body gets another nonce.
        let nonce = HEXLOWER.encode(&Sha1::digest(&request.body));
        let nonce = nonce.get(..16).unwrap_or_default();
        let signature = hash(&key, &timestamp, nonce).encode(Encoding::Hex);
        let ours = [(SIGNATURE, signature.as_str()), (TIMESTAMP, &timestamp), (NONCE, nonce)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        let old = request.query.take().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(old.as_bytes()) {
            if ours.iter().all(|(own, _)| *own != name) {
                query.append_pair(&name, &value);
            }
        }
        let query = query.extend_pairs(ours).finish();
        let base = request.url.split_once('?').map_or(request.url.as_str(), |(base, _)| base);
        request.url = format!("{base}?{query}");
        request.query = Some(query);
        Ok(request)
    }
}
