//! Braintree's own way: a form with a payload, and a list of signatures, one for each key.

use data_encoding::{Specification, SpecificationError};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use sha1::{Digest, Sha1};
use subtle::Choice;

use crate::family::{Family, Seen, matching};
use crate::form::Form;
use crate::handshake::{Alphabet, Shape};
use crate::mac::{Keyed, Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Algorithm, Encoding};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::signed_text::is_form;
use crate::template::Piece;

const SIGNATURE: &str = "bt_signature";
const PAYLOAD: &str = "bt_payload";

/// The setting with the public half of the API keys, which names a signature.
pub(crate) const PUBLIC_KEY: &str = "public_key";

/// What the sender asks to have signed when it tries a URL out, and anyone else can as well.
pub(crate) const CHALLENGE: Shape = Shape { of: Alphabet::LowerHex, at_least: 20, at_most: 32 };

/// The bytes of a SHA-1.
const LEN: usize = 20;

/// Braintree's scheme; what has to be set up is a setting.
#[derive(Debug)]
pub(crate) struct BraintreeCheck;

impl BraintreeCheck {
    /// The payload and the signatures list. The form has these two fields and no other, which nobody
    /// would have signed.
    fn fields(request: &Request) -> Result<(String, String), Reason> {
        let expected = "a urlencoded form of `bt_signature` and `bt_payload` alone";
        let urlencoded = is_form(&request.headers)?;
        let form = Form::read(&request.headers, &request.body)?
            .filter(|_| urlencoded)
            .filter(|form| form.names().all(|name| name == SIGNATURE || name == PAYLOAD))
            .ok_or(Reason::MalformedBody { expected })?;
        let field = |name: &str| {
            let text = form.text(name)?.filter(|text| !text.is_empty());
            let text = text.ok_or_else(|| Reason::MissingValue { at: format!("form:{name}") })?;
            Ok(text.to_owned())
        };
        let (payload, signatures) = (field(PAYLOAD)?, field(SIGNATURE)?);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\n".contains(&byte);
        if !payload.bytes().all(fits) || CHALLENGE.fits(payload.trim_end_matches('\n')) {
            let expected = "base64 in lines, and no challenge".to_owned();
            return Err(Reason::MalformedValue { at: format!("form:{PAYLOAD}"), expected });
        }
        Ok((payload, signatures))
    }
}

impl Family for BraintreeCheck {
    type Key = Keyed;

    /// The HMAC's key is the SHA-1 of the private key's text.
    fn key(&self, secret: &Secret) -> Result<Keyed, SecretError> {
        Ok(Keyed::new(Algorithm::Sha1, &Sha1::digest(secret.checked()?)))
    }

    fn is_carried(&self, request: &Request) -> bool {
        let form = Form::read(&request.headers, &request.body).ok().flatten();
        form.is_some_and(|form| form.names().any(|name| name == SIGNATURE))
    }

    fn check(&self, keys: &[Keyed], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let (payload, signatures) = Self::fields(seen.request)?;
        let missing = || Reason::MissingValue { at: PUBLIC_KEY.to_owned() };
        let name = seen.settings.get(PUBLIC_KEY).ok_or_else(missing)?;
        let ours = signatures.split('&').filter_map(|pair| {
            let (public, signature) = pair.split_once('|')?;
            (public == name).then(|| Tag::decode(signature.as_bytes(), Encoding::Hex, LEN))?
        });
        let candidates: Vec<Tag> = ours.collect();
        if candidates.is_empty() {
            let expected = format!("the public key, `|` and {}", describe(Encoding::Hex, LEN));
            return Err(Reason::MalformedValue { at: format!("form:{SIGNATURE}"), expected });
        }
        let right = |key: &Keyed| {
            // The last line break is lost on some ways here, and Braintree's own libraries take
            // the payload in both forms.
            let genuine = [key.hash(&[&payload]), key.hash(&[payload.as_str(), "\n"])];
            candidates
                .iter()
                .flat_map(|candidate| genuine.iter().map(|genuine| genuine.matches(candidate)))
                .fold(Choice::from(0), |any, same| any | same)
        };
        matching(keys, right).map(Some)
    }

    /// By what it says, not byte for byte.
    fn covers(&self, piece: &Piece) -> bool {
        *piece == Piece::Body
    }

    /// A body that is not a form yet becomes the payload.
    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let missing = || Reason::MissingValue { at: PUBLIC_KEY.to_owned() };
        let name = settings.get(PUBLIC_KEY).ok_or_else(missing)?;
        let form = Form::read(&request.headers, &request.body)?;
        let given = match &form {
            Some(form) => form.text(PAYLOAD)?.map(str::to_owned),
            None => None,
        };
        let payload = match given {
            Some(payload) => payload,
            None if request.body.is_empty() => {
                return Err(Reason::MissingValue { at: format!("form:{PAYLOAD}") }.into());
            }
            None => lines().map_err(|_| missing())?.encode(&request.body),
        };
        let signature = key.hash(&[&payload]).encode(Encoding::Hex);
        let signature = format!("{name}|{signature}");
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([(SIGNATURE, &signature), (PAYLOAD, &payload)])
            .finish();
        request.body = body.into();
        let media = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, media);
        Ok(request)
    }
}

/// Base64 in lines of 60 characters.
fn lines() -> Result<data_encoding::Encoding, SpecificationError> {
    let mut form: Specification = data_encoding::BASE64.specification();
    form.wrap.width = 60;
    form.wrap.separator.push('\n');
    form.encoding()
}
