//! Capability `secret`, and keeping what it gives out of all that people are told of an attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use memchr::memmem::Finder;
use zeroize::Zeroizing;

use crate::bindings::secret;
use crate::state::State;

/// The fewest bytes of a secret: less could be any other text of a log.
const SHORTEST: usize = 8;
/// The fewest bytes of one line of a secret that has several, to be kept out by itself.
const SHORTEST_LINE: usize = 16;
/// What stands where a secret stood: no longer than the shortest, so that no text grows.
const REDACTED: &str = "[secret]";
/// How many cuts of a message are looked at for the beginning of a secret.
const MOST_CUTS: usize = 4;
/// How much of a secret is looked for before a cut, in bytes.
const LONGEST_CUT: usize = 512;

/// A secret that a plugin may read. Its memory is wiped when it goes; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// Why a secret cannot be given to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitSecret {
    #[error("it is not text in UTF-8")]
    NotText,
    #[error(
        "it has fewer than {SHORTEST} bytes, so that it could not be told from other text and kept \
         out of logs"
    )]
    Short,
}

impl SecretText {
    /// Takes text that is long enough to be found again in what a plugin says.
    ///
    /// # Errors
    /// It is not.
    pub fn new(value: &[u8]) -> Result<Self, UnfitSecret> {
        let text = std::str::from_utf8(value).map_err(|_| UnfitSecret::NotText)?;
        if text.trim().len() < SHORTEST {
            return Err(UnfitSecret::Short);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// What a plugin may read, and every form of it that must not be told.
#[derive(Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, SecretText>,
    forms: Vec<Finder<'static>>,
}

impl Secrets {
    pub(crate) fn new(values: BTreeMap<String, SecretText>) -> Self {
        let mut forms: Vec<Vec<u8>> = values.values().flat_map(|value| forms(&value.0)).collect();
        forms.sort();
        forms.dedup();
        let forms = forms.iter().map(|form| Finder::new(form).into_owned()).collect();
        Self { values, forms }
    }

    /// The text without any secret: whole, a line of one that has several, as it is in URLs, JSON,
    /// hexadecimal or base64 (of something longer too), also where several overlap. Never longer
    /// than before.
    pub(crate) fn redact(&self, text: String) -> String {
        let mut found = Vec::new();
        for form in &self.forms {
            self::find(form, text.as_bytes(), &mut found);
            begun(form.needle(), &text, &mut found);
        }
        if found.is_empty() {
            return text;
        }
        found.sort_by_key(|range| (range.start, range.end));
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for Range { start, end: until } in found {
            if let Some(between) = text.get(end..start).filter(|_| start > end || end == 0) {
                clean.push_str(between);
                clean.push_str(REDACTED);
            }
            end = end.max(until);
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        clean
    }

    /// As [`Secrets::redact`], of a beginning of something that need not be text. A character that has
    /// only begun stays as it is.
    pub(crate) fn redact_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.forms.is_empty() {
            return bytes;
        }
        let begun = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        let rest = bytes.split_off(bytes.len() - begun);
        let mut clean = self.redact(String::from_utf8_lossy(&bytes).into_owned()).into_bytes();
        clean.extend(rest);
        clean
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl secret::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.secrets.values.get(&name).map(|value| value.0.as_str().to_owned()))
    }
}

/// Every place of `form`, those that overlap as one.
fn find(form: &Finder<'_>, text: &[u8], found: &mut Vec<Range<usize>>) {
    let first = found.len();
    let mut from = 0;
    while let Some(rest) = text.get(from..)
        && let Some(at) = form.find(rest)
    {
        let start = from + at;
        let end = start + form.needle().len();
        match found.get_mut(first..).and_then(<[_]>::last_mut) {
            Some(last) if start <= last.end => last.end = end,
            _ => found.push(start..end),
        }
        from = start + 1;
    }
}

/// The beginning of `form` before a `…`, where a message was cut.
fn begun(form: &[u8], text: &str, found: &mut Vec<Range<usize>>) {
    for (cut, _) in text.rmatch_indices('…').take(MOST_CUTS) {
        let before = text.as_bytes().get(..cut).unwrap_or_default();
        let most = form.len().min(before.len()).min(LONGEST_CUT);
        let longest = (SHORTEST..=most)
            .rev()
            .find(|length| form.get(..*length).is_some_and(|begun| before.ends_with(begun)));
        if let Some(length) = longest {
            found.push(cut - length..cut);
        }
    }
}

/// How a secret can stand in a text.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let lines = secret.lines().map(str::trim);
    let lines = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
    let pieces: Vec<&str> = [secret, secret.trim()].into_iter().chain(lines).collect();
    let mut forms = Vec::new();
    for piece in pieces {
        forms.push(piece.as_bytes().to_vec());
        for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
            let plain = percent(piece, digits);
            forms.push(plain.replace("%20", "+").into_bytes());
            forms.push(plain.into_bytes());
        }
        let debug = format!("{piece:?}");
        forms.extend(debug.get(1..debug.len() - 1).map(|inner| inner.as_bytes().to_vec()));
        if let Ok(json) = serde_json::to_string(piece) {
            forms.extend(json.get(1..json.len() - 1).map(|inner| inner.as_bytes().to_vec()));
        }
        forms.push(HEXLOWER.encode(piece.as_bytes()).into_bytes());
        forms.push(HEXUPPER.encode(piece.as_bytes()).into_bytes());
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            forms.extend((0..3).filter_map(|before| inside(piece, encoding, before)));
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn percent(text: &str, digits: &[u8; 16]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
            continue;
        }
        encoded.push('%');
        for half in [byte >> 4, byte & 15] {
            encoded.extend(digits.get(usize::from(half)).copied().map(char::from));
        }
    }
    encoded
}

/// What is the same of the base64 of everything that has `text` after so many bytes more than a
/// multiple of three.
fn inside(text: &str, encoding: &Encoding, before: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let whole = bytes.len() * 8 / 6;
    let encoded = encoding.encode(&bytes);
    Some(encoded.get((before * 8).div_ceil(6)..whole)?.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let values = values.iter().enumerate().map(|(number, value)| {
            (number.to_string(), SecretText::new(value.as_bytes()).expect("fits"))
        });
        Secrets::new(values.collect())
    }

    #[test]
    fn a_secret_is_taken_out_in_every_form() {
        const SECRET: &str = "s3cr3t/+\"tökén\" %";
        let kept = secrets(&[SECRET]);
        let json = serde_json::to_string(SECRET).expect("is text");
        let mut told = vec![
            SECRET.to_owned(),
            format!("token={SECRET}, and again {SECRET}."),
            format!("{:?}", ["a", SECRET]),
            format!("{{\"token\":{json}}}"),
            "https://api.test/?t=s3cr3t%2F%2B%22t%C3%B6k%C3%A9n%22%20%25&u=1".to_owned(),
            "https://api.test/?t=s3cr3t%2f%2b%22t%c3%b6k%c3%a9n%22+%25&u=1".to_owned(),
            HEXLOWER.encode(SECRET.as_bytes()),
            HEXUPPER.encode(format!("Bearer {SECRET}").as_bytes()),
        ];
        for user in ["", "a", "ab", "abc", "abcd"] {
            told.push(format!("Basic {}", BASE64.encode(format!("{user}:{SECRET}").as_bytes())));
            let url = data_encoding::BASE64URL.encode(format!("{SECRET}{user}").as_bytes());
            told.push(url);
        }
        for text in told {
            let clean = kept.redact(text.clone());
            assert!(clean.contains(REDACTED), "{text} became {clean}");
            assert!(clean.len() <= text.len());
            for part in ["s3cr3t", "tökén", "t%C3", "73336372", "czNjcj", "MzY3IzdC"] {
                assert!(!clean.contains(part), "{text} became {clean}");
            }
        }
        let harmless = "s3cr3t alone is another word";
        assert_eq!(kept.redact(harmless.to_owned()), harmless);
        assert_eq!(secrets(&[]).redact(SECRET.to_owned()), SECRET);
    }

    #[test]
    fn what_overlaps_goes_as_a_whole() {
        let kept = secrets(&["abcdefghij", "ghijklmnop", "cdefghijkl", "xyxyxyxy"]);
        assert_eq!(kept.redact("-abcdefghijklmnop-".into()), "-[secret]-");
        assert_eq!(kept.redact("-cdefghijkl-".into()), "-[secret]-");
        assert_eq!(kept.redact("xyxyxyxyxyx".into()), "[secret]x");
        assert_eq!(kept.redact("abcdefghijabcdefghij".into()), "[secret]");
        assert_eq!(kept.redact("abcdefghij and ghijklmnop".into()), "[secret] and [secret]");
    }

    #[test]
    fn a_secret_of_several_lines_is_taken_out_line_by_line() {
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIJ+DYvh6SEqVTm50DFtM\n-----END PRIVATE KEY-----\n";
        let kept = secrets(&[key]);
        assert_eq!(kept.redact(key.into()), "[secret]");
        assert_eq!(kept.redact("at BCIEIJ+DYvh6SEqVTm50DFtM, at".into()), "at [secret], at");
        let header = "-----BEGIN PRIVATE KEY-----";
        assert_eq!(kept.redact(header.into()), header, "everybody's first line is no secret");
    }

    #[test]
    fn the_beginning_of_a_secret_that_was_cut_is_taken_out() {
        let kept = secrets(&["sk_live_0123456789"]);
        assert_eq!(kept.redact("key `sk_live_0123…` is long".into()), "key `[secret]…` is long");
        assert_eq!(kept.redact("sk_live…".into()), "sk_live…", "so little is told");
    }

    #[test]
    fn what_cannot_be_found_again_is_not_given() {
        assert_eq!(SecretText::new(b"1234567"), Err(UnfitSecret::Short));
        assert_eq!(SecretText::new(b"   1234567   "), Err(UnfitSecret::Short));
        assert_eq!(SecretText::new(b"\xff\xfe1234567"), Err(UnfitSecret::NotText));
        let fits = SecretText::new(b"12345678").expect("fits");
        assert_eq!(format!("{fits:?}"), "SecretText(…)");
    }
}
