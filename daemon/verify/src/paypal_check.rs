//! PayPal: an RSA signature over the transmission's id, its time, the webhook's id and a checksum of
//! the body, by a key in a certificate that PayPal serves.
//!
//! The checksum is CRC-32, which finds accidents and no intent: a body with a given checksum is made
//! in no time. So the body does not count as signed, and the transmission's id, which does, is a
//! one-time token. That holds too where [PayPal is asked](crate::paypal_postback) in place of the
//! certificate.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::certificate::Chain;
use crate::family::{Family, Seen, Takes};
use crate::header::{insert, single};
use crate::keyring::KeySource;
use crate::location::Location;
use crate::moment;
use crate::paypal_postback;
use crate::private_key::PrivateKey;
use crate::public_key::KeyKind;
use crate::question::Verdict;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Encoding, SignatureAlgorithm, TimestampFormat};
use crate::secret::{Secret, SecretError};
use crate::sender_url::SenderUrl;
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::SignError;
use crate::template::Piece;
use crate::template_key::decode_signature;

const ID: HeaderName = HeaderName::from_static("paypal-transmission-id");
const TIME: HeaderName = HeaderName::from_static("paypal-transmission-time");
const SIGNATURE: HeaderName = HeaderName::from_static("paypal-transmission-sig");
const CERTIFICATE: HeaderName = HeaderName::from_static("paypal-cert-url");
const ALGORITHM: HeaderName = HeaderName::from_static("paypal-auth-algo");

/// The one algorithm. PayPal's own library knows SHA1withRSA too, which nothing sends any more.
pub(crate) const SHA256_WITH_RSA: &str = "SHA256withRSA";
const RSA_SHA256: SignatureAlgorithm = SignatureAlgorithm::RsaSha256;

/// The setting that has the webhook's id, which is signed and not sent.
pub(crate) const WEBHOOK: &str = "webhook_id";

/// How old a transmission may be. PayPal tries for three days, and does not say whether the time is
/// that of the first try; its own library looks at no clock.
pub(crate) const OLDEST: Duration = Duration::from_secs(4 * 86_400);

/// How far PayPal's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(300);

/// Where whoever checks what is signed here finds the certificate.
const OWN_CERTIFICATE: &str = "https://api.paypal.com/v1/notifications/certs/CERT-hookyard";

/// PayPal's scheme; there is nothing to set up but the webhook's id.
#[derive(Debug)]
pub(crate) struct PaypalCheck;

/// What the headers say of an event, each in a form that PayPal's could have.
pub(crate) struct Transmission<'r> {
    pub(crate) id: &'r [u8],
    pub(crate) time: &'r [u8],
    /// In base64.
    pub(crate) signature: &'r [u8],
    /// The URL of the certificate.
    pub(crate) certificate: &'r str,
}

impl<'r> Transmission<'r> {
    fn read(headers: &'r HeaderMap, now: UnixTime) -> Result<Self, Reason> {
        let signature = single(headers, &SIGNATURE)?;
        if single(headers, &ALGORITHM)? != SHA256_WITH_RSA.as_bytes() {
            let expected = SHA256_WITH_RSA.to_owned();
            return Err(Reason::UnexpectedHeader { header: ALGORITHM, expected });
        }
        let id = single(headers, &ID)?;
        if !is_id(id) {
            let expected = "at most 100 letters, digits and hyphens".to_owned();
            return Err(Reason::UnexpectedHeader { header: ID, expected });
        }
        let time = single(headers, &TIME)?;
        let format = TimestampFormat::Rfc3339;
        moment::near(time, format, (OLDEST, AHEAD), now, || Reason::MalformedTimestamp {
            header: TIME,
            expected: moment::describe(format),
        })?;
        let certificate = std::str::from_utf8(single(headers, &CERTIFICATE)?).unwrap_or_default();
        match is_certificate(certificate) {
            true => Ok(Self { id, time, signature, certificate }),
            false => Err(Reason::ForeignKeyUrl),
        }
    }
}

impl Family for PaypalCheck {
    type Key = ();

    fn key(&self, _: &Secret) -> Result<(), SecretError> {
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::Nothing
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError> {
        let summary = "the webhook's id, without which anybody's webhook would do";
        let problem = "it is not letters and digits alone, as PayPal's dashboard shows it";
        let sound = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        settings.need(WEBHOOK, summary, sound, problem)?;
        paypal_postback::check_settings(settings)
    }

    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(SIGNATURE)
    }

    fn check(&self, _: &[()], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let Seen { request, now, keyring, settings } = seen;
        let transmission = Transmission::read(&request.headers, now)?;
        let signature = decode_signature(transmission.signature, Encoding::Base64, RSA_SHA256)
            .ok_or_else(|| {
                let expected = "a signature of RSA in padded base64".to_owned();
                Reason::MalformedSignature { header: SIGNATURE, expected }
            })?;
        if paypal_postback::is_set(settings) {
            let question = paypal_postback::question(&transmission, &request.body, settings)?;
            return match keyring.answer(&question) {
                Some(Verdict::Genuine) => Ok(None),
                Some(Verdict::Forged) => Err(Reason::Denied),
                None => Err(Reason::AnswerNeeded(question)),
            };
        }
        let Transmission { id, time, certificate: url, .. } = transmission;
        let source = KeySource::Certificates { url: url.to_owned() };
        let chain = keyring.document(&source).and_then(|pem| Chain::read(pem));
        // Whatever was served in place of a certificate may be another thing next time.
        let chain = chain.ok_or(Reason::KeyNeeded(source))?;
        chain.leads_to(keyring.roots(), now)?;
        if !chain.common_name().is_some_and(|name| is_paypal(&name)) {
            return Err(Reason::BadCertificate("it is not PayPal's"));
        }
        let key = chain.key(now)?;
        let webhook = settings.get(WEBHOOK).unwrap_or_default();
        let text = signed_text(id, time, webhook, &request.body);
        match key.verify(RSA_SHA256, &[text], &signature) {
            true => Ok(None),
            false => Err(Reason::ForeignSignature),
        }
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn covers_location(&self, location: &Location) -> bool {
        match location {
            Location::Header(name) => {
                [ID, TIME].iter().any(|signed| signed.as_str().eq_ignore_ascii_case(name))
            }
            _ => false,
        }
    }

    fn one_time_token(&self, request: &Request) -> Option<String> {
        let id = single(&request.headers, &ID).ok()?;
        std::str::from_utf8(id).ok().map(str::to_owned)
    }

    /// A timestamp may be ahead when the request is first taken, and as far behind at last.
    fn repeatable_for(&self) -> Option<Duration> {
        Some(OLDEST + AHEAD)
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        self.check_settings(settings)?;
        let key = PrivateKey::read(secret.bytes(), KeyKind::Rsa)?;
        let webhook = settings.get(WEBHOOK).unwrap_or_default();
        let time = moment::write(now, TimestampFormat::Rfc3339);
        // Without a source of randomness, what no other transmission of this moment has.
        let unlike = [&now.as_millis().to_be_bytes()[..], &request.body].concat();
        let id = HEXLOWER.encode(&Sha256::digest(unlike));
        let text = signed_text(id.as_bytes(), time.as_bytes(), webhook, &request.body);
        let signature = key.sign(RSA_SHA256, &[text]).ok_or(SignError::Unsignable)?;
        let headers = &mut request.headers;
        insert(headers, &ID, id.as_bytes())?;
        insert(headers, &TIME, time.as_bytes())?;
        insert(headers, &SIGNATURE, BASE64.encode(&signature).as_bytes())?;
        insert(headers, &CERTIFICATE, OWN_CERTIFICATE.as_bytes())?;
        insert(headers, &ALGORITHM, SHA256_WITH_RSA.as_bytes())?;
        Ok(request)
    }
}

/// `id|time|webhook_id|crc32`. No part but the last can have a bar in it.
fn signed_text(id: &[u8], time: &[u8], webhook: &str, body: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(body).to_string();
    [id, time, webhook.as_bytes(), checksum.as_bytes()].join(&b'|')
}

fn is_id(id: &[u8]) -> bool {
    id.len() <= 100 && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Whether PayPal serves its certificates there.
fn is_certificate(url: &str) -> bool {
    SenderUrl::read(url).is_some_and(|url| {
        let name = url.path.strip_prefix("/v1/notifications/certs/").unwrap_or_default();
        is_paypal(url.host) && !name.is_empty() && !name.contains('/') && url.query.is_none()
    })
}

/// A name under `paypal.com`, not `paypal.com` itself.
fn is_paypal(host: &str) -> bool {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    host.strip_suffix(".paypal.com").is_some_and(|front| front.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_paypals() {
        let path = "v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77";
        for host in [
            "api.paypal.com",
            "api.sandbox.paypal.com",
            "api-m.paypal.com",
            "api-m.sandbox.paypal.com",
        ] {
            assert!(is_certificate(&format!("https://{host}/{path}")), "{host}");
        }
        for wrong in [
            format!("http://api.paypal.com/{path}"),
            format!("https://paypal.com/{path}"),
            format!("https://.paypal.com/{path}"),
            format!("https://api.paypal.com:443/{path}"),
            format!("https://api.paypal.com@evil.example/{path}"),
            format!("https://api.paypal.com.evil.example/{path}"),
            format!("https://apipaypal.com/{path}"),
            format!("https://evil.example/api.paypal.com/{path}"),
            format!("https://api.paypal.com/{path}?x"),
            format!("https://api.paypal.com/{path}#x"),
            format!("https://api.paypal.com/{path}/x"),
            "https://api.paypal.com/v1/notifications/certs/".to_owned(),
            "https://api.paypal.com/v1/notifications/certs/../../x".to_owned(),
            "https://api.paypal.com/x".to_owned(),
            String::new(),
        ] {
            assert!(!is_certificate(&wrong), "{wrong}");
        }
    }

    #[test]
    fn the_signed_text_is_that_of_paypals_documents() {
        let body = br#"{"id":"WH-1"}"#;
        let text = signed_text(b"69cd13f0", b"2016-09-21T22:00:46Z", "9XL9", body);
        assert_eq!(text, b"69cd13f0|2016-09-21T22:00:46Z|9XL9|838965618");
        assert!(is_id(b"dfb3be50-fd74-11e4-8bf3-77339302725b") && !is_id(b"a|b"));
    }
}
