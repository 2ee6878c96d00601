//! Taking a compact token apart, and putting one together.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::json_object;
use crate::jwt_scheme::TokenAlgorithm;
use crate::reason::Reason;

/// The longest token that a header may carry, in bytes. Those of known senders have a few hundred,
/// and a proxy in front cuts headers at 8 or 16 KiB.
pub(super) const LONGEST_IN_HEADER: usize = 16 * 1024;

/// The longest header of a token, encoded, in bytes.
const LONGEST_HEADER: usize = 4 * 1024;

/// The longest name of a key, in bytes.
const LONGEST_KEY_ID: usize = 256;

/// A token whose header is as it should be. Nothing in it has been proven.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// The header as it was received, encoded.
    pub(super) header: &'t str,
    /// The claims as they were received, encoded; empty where they are detached.
    pub(super) payload: &'t str,
    pub(super) signature: Vec<u8>,
    /// Which key it says it is signed with.
    pub(super) key_id: Option<String>,
}

impl<'t> Token<'t> {
    /// Takes `text` apart. Each part has one spelling: base64url without padding or loose bits.
    pub(super) fn read(text: &'t [u8], algorithm: TokenAlgorithm) -> Result<Self, Reason> {
        let text = std::str::from_utf8(text).map_err(|_| Reason::MalformedToken(COMPACT))?;
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reason::MalformedToken(COMPACT));
        };
        if header.len() > LONGEST_HEADER {
            return Err(Reason::MalformedToken("its header is longer than any sender's"));
        }
        let members = object(header).ok_or(Reason::MalformedToken(
            "its header is not base64url of a JSON object without repeated members",
        ))?;
        if members.get("alg").and_then(Value::as_str) != Some(algorithm.as_str()) {
            return Err(Reason::MalformedToken("it names another algorithm than this sender's"));
        }
        // Extensions that have to be understood (RFC 7515, section 4.1.11). None is.
        if members.contains_key("crit") {
            return Err(Reason::MalformedToken("it asks for an extension"));
        }
        let key_id = match members.get("kid") {
            None => None,
            Some(Value::String(id)) if is_key_id(id) => Some(id.clone()),
            Some(_) => return Err(Reason::MalformedToken("the name of its key is not a name")),
        };
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .ok()
            .filter(|signature| !signature.is_empty())
            .ok_or(Reason::MalformedToken("its signature is not base64url without padding"))?;
        Ok(Self { header, payload, signature, key_id })
    }

    /// What the token says. To be asked for when the signature has held.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Reason> {
        object(self.payload).ok_or(Reason::MalformedToken(
            "its claims are not base64url of a JSON object without repeated members",
        ))
    }
}

const COMPACT: &str = "it does not have three parts with dots between them";

fn object(part: &str) -> Option<Map<String, Value>> {
    json_object::read(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?)
}

fn is_key_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_KEY_ID && !text.contains(char::is_control)
}

/// A token's header, encoded.
pub(super) fn header(algorithm: TokenAlgorithm, key_id: Option<&str>) -> String {
    let mut members = Map::new();
    members.insert("alg".to_owned(), algorithm.as_str().into());
    if let Some(id) = key_id {
        members.insert("kid".to_owned(), id.into());
    }
    members.insert("typ".to_owned(), "JWT".into());
    encode(Value::Object(members).to_string().as_bytes())
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<String>, Reason> {
        Token::read(text.as_bytes(), TokenAlgorithm::Rs256).map(|token| token.key_id)
    }

    fn with_header(json: &str) -> Result<Option<String>, Reason> {
        read(&format!("{}.e30.AA", encode(json.as_bytes())))
    }

    #[test]
    fn a_token_has_three_parts_and_one_spelling() {
        let right = header(TokenAlgorithm::Rs256, Some("k"));
        assert_eq!(read(&format!("{right}.e30.AA")), Ok(Some("k".to_owned())));
        for wrong in [
            String::new(),
            right.clone(),
            format!("{right}.e30"),
            format!("{right}.e30.AA.AA.AA"),
            format!("{right}.e30."),
            // Loose bits, padding, and the other alphabet.
            format!("{right}.e30.AB"),
            format!("{right}.e30.AA=="),
            format!("{right}.e30.+/8"),
            format!("{right}=.e30.AA"),
            format!(" {right}.e30.AA"),
            format!("{right}.e30.AA "),
            format!("{right}.e30.\u{e9}"),
        ] {
            assert!(matches!(read(&wrong), Err(Reason::MalformedToken(_))), "{wrong}");
        }
    }

    #[test]
    fn no_token_chooses_its_algorithm() {
        for alg in ["none", "None", "HS256", "ES256", "rs256", "RS512", "RS256 ", ""] {
            let refused = with_header(&format!(r#"{{"alg":"{alg}"}}"#));
            assert!(refused.is_err(), "{alg}");
        }
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"none","alg":"RS256"}"#,
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"["RS256"]"#,
        ] {
            assert!(with_header(header).is_err(), "{header}");
        }
        assert_eq!(with_header(r#"{"alg":"RS256"}"#), Ok(None));
    }

    #[test]
    fn the_name_of_a_key_is_short_and_clean() {
        for kid in ["\"\"", "1", "null", "\"a\\nb\""] {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert!(with_header(&header).is_err(), "{kid}");
        }
        let kid = |len| with_header(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(len)));
        assert!(kid(LONGEST_KEY_ID).is_ok());
        assert!(kid(LONGEST_KEY_ID + 1).is_err());
        assert!(with_header(&format!("{{\"alg\":\"RS256\"{}}}", " ".repeat(4096))).is_err());
    }

    #[test]
    fn claims_are_an_object_without_repeated_members() {
        let claims = |json: &str| {
            let text =
                format!("{}.{}.AA", header(TokenAlgorithm::Rs256, None), encode(json.as_bytes()));
            Token::read(text.as_bytes(), TokenAlgorithm::Rs256).expect("a token").claims()
        };
        assert_eq!(claims(r#"{"iss":"a"}"#).map(|claims| claims.len()), Ok(1));
        for wrong in ["", "[]", "null", r#"{"iss":"a","iss":"b"}"#, r#"{"iss":"a"} {}"#] {
            assert!(claims(wrong).is_err(), "{wrong}");
        }
    }
}
