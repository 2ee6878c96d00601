//! Sets of public keys in JSON (RFC 7517), as they are fetched: a set, or the one key that Plaid
//! answers with.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::json_object;
use crate::jwt_scheme::TokenAlgorithm;
use crate::public_key::PublicKey;

/// The longest document that is read, in bytes. Google's have four keys and 2 KiB.
const LONGEST: usize = 256 * 1024;

/// How many keys of a set are looked at.
const MOST_KEYS: usize = 100;

/// The keys of the document that are called `key_id` and may check signatures by `algorithm`. Keys of
/// other kinds, and those that cannot be read, are passed over: sets have keys for several uses, and
/// new kinds come.
pub(crate) fn keys(document: &[u8], key_id: &str, algorithm: TokenAlgorithm) -> Vec<PublicKey> {
    if document.len() > LONGEST {
        return Vec::new();
    }
    let Some(document) = json_object::read(document) else { return Vec::new() };
    let keys = match (document.get("keys"), document.get("key")) {
        (Some(Value::Array(keys)), None) => keys.as_slice(),
        (None, Some(key)) => std::slice::from_ref(key),
        _ => return Vec::new(),
    };
    keys.iter()
        .take(MOST_KEYS)
        .filter_map(Value::as_object)
        .filter(|key| text(key, "kid") == Some(key_id) && is_for(key, algorithm))
        .filter_map(|key| read(key, algorithm))
        .collect()
}

/// Whether a key may check signatures by `algorithm`, as far as it says, and has not been withdrawn.
fn is_for(key: &Map<String, Value>, algorithm: TokenAlgorithm) -> bool {
    let is = |member: &str, expected: &str| {
        key.get(member).is_none_or(|found| found.as_str() == Some(expected))
    };
    let verifies = key.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    });
    // Plaid's; null as long as the key is good.
    let expired = key.get("expired_at").is_some_and(|moment| !moment.is_null());
    is("use", "sig") && is("alg", algorithm.as_str()) && verifies && !expired
}

fn read(key: &Map<String, Value>, algorithm: TokenAlgorithm) -> Option<PublicKey> {
    let number = |member| BASE64URL_NOPAD.decode(text(key, member)?.as_bytes()).ok();
    let kind = (algorithm, text(key, "kty")?, text(key, "crv"));
    match kind {
        (TokenAlgorithm::Rs256, "RSA", _) => PublicKey::rsa(&number("n")?, &number("e")?).ok(),
        (TokenAlgorithm::Es256, "EC", Some("P-256")) => {
            PublicKey::p256(&number("x")?, &number("y")?).ok()
        }
        (TokenAlgorithm::EdDsa, "OKP", Some("Ed25519")) => PublicKey::ed25519(&number("x")?).ok(),
        _ => None,
    }
}

fn text<'k>(key: &'k Map<String, Value>, member: &str) -> Option<&'k str> {
    key.get(member)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.2, with `more` members.
    fn okp(more: &str) -> String {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}"{more}}}"#)
    }

    fn count(document: &str) -> usize {
        keys(document.as_bytes(), "a", TokenAlgorithm::EdDsa).len()
    }

    fn of(keys: &[String]) -> String {
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    #[test]
    fn the_key_of_that_name_is_found_among_others() {
        let other = r#"{"kty":"OKP","crv":"Ed25519","kid":"b","x":"AAAA"}"#.to_owned();
        let strange = r#"{"kty":"XYZ","kid":"a","z":[1]}"#.to_owned();
        assert_eq!(count(&of(&[other, strange, "7".to_owned(), okp("")])), 1);
        assert_eq!(count(&format!(r#"{{"key":{},"request_id":"r"}}"#, okp(""))), 1);
        let many = vec![okp(r#","use":"enc""#); MOST_KEYS];
        assert_eq!(count(&of(&[many, vec![okp("")]].concat())), 0);
    }

    #[test]
    fn a_key_is_for_what_it_says() {
        for fit in [
            r#","use":"sig""#,
            r#","alg":"EdDSA""#,
            r#","key_ops":["sign","verify"]"#,
            r#","expired_at":null"#,
        ] {
            assert_eq!(count(&of(&[okp(fit)])), 1, "{fit}");
        }
        for unfit in [
            r#","use":"enc""#,
            r#","use":null"#,
            r#","alg":"RS256""#,
            r#","key_ops":["sign"]"#,
            r#","key_ops":"verify""#,
            r#","expired_at":1700000000"#,
        ] {
            assert_eq!(count(&of(&[okp(unfit)])), 0, "{unfit}");
        }
        for algorithm in [TokenAlgorithm::Hs256, TokenAlgorithm::Rs256, TokenAlgorithm::Es256] {
            assert_eq!(keys(of(&[okp("")]).as_bytes(), "a", algorithm), []);
        }
        // A shared secret in a public set is none.
        let oct = r#"{"kty":"oct","kid":"a","k":"AAAA"}"#.to_owned();
        assert_eq!(keys(of(&[oct]).as_bytes(), "a", TokenAlgorithm::Hs256), []);
    }

    #[test]
    fn what_is_no_set_has_no_keys() {
        for document in [
            String::new(),
            "[]".to_owned(),
            r#"{"keys":{}}"#.to_owned(),
            format!(r#"{{"keys":[{0}],"key":{0}}}"#, okp("")),
            format!(r#"{{"keys":[],"keys":[{}]}}"#, okp("")),
            of(&[okp(r#","kid":"a""#)]),
            of(&[okp("").replace("URo", "URo=")]),
            format!("{}{}", of(&[okp("")]), " ".repeat(LONGEST)),
        ] {
            assert_eq!(count(&document), 0, "{document:.80}");
        }
    }
}
