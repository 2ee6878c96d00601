//! Mandrill's own way: the URL, then the form's parameters in their order.
//!
//! As with Twilio, nothing stands between them; a handler should read the events from the form.

use http::HeaderName;

use crate::family::{Family, Seen, matching};
use crate::form::Form;
use crate::header::{insert, single};
use crate::mac::{Keyed, Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Algorithm, Encoding};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::signed_text::is_form;
use crate::template::Piece;

const SIGNATURE: HeaderName = HeaderName::from_static("x-mandrill-signature");

/// The setting with the URL as Mandrill knows it.
pub(crate) const REGISTERED_URL: &str = "registered_url";

/// The field that has all events.
const EVENTS: &str = "mandrill_events";

/// Mandrill's scheme; there is nothing to set up.
#[derive(Debug)]
pub(crate) struct MandrillCheck;

impl Family for MandrillCheck {
    type Key = Keyed;

    fn key(&self, secret: &Secret) -> Result<Keyed, SecretError> {
        Ok(Keyed::new(Algorithm::Sha1, secret.checked()?))
    }

    /// A list without events is what the URL is tried out with before there is a key: it is signed
    /// with a word that everyone knows, and has nothing in it that had to be protected.
    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(SIGNATURE) && &*request.body != EMPTY
    }

    fn check(&self, keys: &[Keyed], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let request = seen.request;
        let value = single(&request.headers, &SIGNATURE)?;
        let len = Algorithm::Sha1.output_len();
        let candidate = Tag::decode(value, Encoding::Base64, len).ok_or_else(|| {
            let expected = describe(Encoding::Base64, len);
            Reason::MalformedSignature { header: SIGNATURE, expected }
        })?;
        let parameters = parameters(request)?;
        let url = registered_url(seen.settings, request);
        let message = [url.as_bytes(), parameters.as_bytes()];
        matching(keys, |key| key.hash(&message).matches(&candidate)).map(Some)
    }

    fn covers(&self, piece: &Piece) -> bool {
        matches!(piece, Piece::Url | Piece::Body)
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        let parameters = parameters(&request)?;
        let url = registered_url(settings, &request);
        let message = [url.as_bytes(), parameters.as_bytes()];
        let signature = self.key(secret)?.hash(&message).encode(Encoding::Base64);
        insert(&mut request.headers, &SIGNATURE, signature.as_bytes())?;
        Ok(request)
    }
}

/// The URL that is signed: the public one, unless it was registered otherwise.
fn registered_url<'u>(settings: &'u Settings, request: &'u Request) -> &'u str {
    settings.get(REGISTERED_URL).unwrap_or(&request.url)
}

/// `mandrill_events=[]`, as it is sent.
const EMPTY: &[u8] = b"mandrill_events=%5B%5D";

/// Name and value of every parameter, in the order of the names. Each is there once, and the events
/// are among them.
fn parameters(request: &Request) -> Result<String, Reason> {
    let urlencoded = is_form(&request.headers)?;
    let form = Form::read(&request.headers, &request.body)?
        .filter(|_| urlencoded)
        .ok_or(Reason::MalformedBody { expected: "a urlencoded form" })?;
    let fields = form.sorted()?;
    match fields.iter().any(|(name, _)| *name == EVENTS) {
        true => Ok(fields.iter().flat_map(|(name, value)| [*name, *value]).collect()),
        false => Err(Reason::MissingValue { at: format!("form:{EVENTS}") }),
    }
}
