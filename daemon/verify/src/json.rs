//! Finding one value in a JSON body without building the rest of it: bodies are up to megabytes,
//! and the kind and the id are a few bytes of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::location::Found;

/// The string, number or boolean at `pointer`. Nothing when the body is not JSON, when the pointer
/// leads nowhere, or when it leads to null, an array or an object. Of repeated keys the last counts,
/// as it does for most JSON readers.
pub(crate) fn text_at(body: &[u8], pointer: &str) -> Option<String> {
    found_at(body, pointer).last
}

/// How often there is something at `pointer`, which repeated keys make more than once, and the last
/// of it when it is a text. An array or an object is something, null is nothing.
pub(crate) fn found_at(body: &[u8], pointer: &str) -> Found {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let found = Seek { rest: pointer }.deserialize(&mut deserializer);
    match (found, deserializer.end()) {
        (Ok(found), Ok(())) => found,
        _ => Found::default(),
    }
}

/// Whether a text is one JSON value and nothing else. None of it is kept.
pub(crate) fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Whether a text is one JSON object and nothing else.
pub(crate) fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{") && is_json(text)
}

/// Whether every `~` in a pointer is part of `~0` or `~1`.
pub(crate) fn escapes_are_valid(pointer: &str) -> bool {
    pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

struct Seek<'p> {
    /// What is left of the pointer: empty, or starting with `/`.
    rest: &'p str,
}

impl<'p> Seek<'p> {
    /// The next step and what is left after it.
    fn step(&self) -> Option<(String, Seek<'p>)> {
        let rest = self.rest.strip_prefix('/')?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (token, rest) = rest.split_at_checked(end)?;
        Some((token.replace("~1", "/").replace("~0", "~"), Seek { rest }))
    }

    fn leaf(&self, text: impl FnOnce() -> String) -> Found {
        match self.rest.is_empty() {
            true => Found { count: 1, last: Some(text()) },
            false => Found::default(),
        }
    }

    /// An array or an object, of which there is no text.
    fn container(&self) -> Found {
        Found { count: usize::from(self.rest.is_empty()), last: None }
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let step = self.step();
        let mut found = self.container();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &step {
                Some((token, next)) if *token == key => {
                    let next = map.next_value_seed(Seek { rest: next.rest })?;
                    found = Found { count: found.count + next.count, last: next.last };
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let step = self.step();
        let wanted = step.as_ref().and_then(|(token, next)| Some((index(token)?, next)));
        let mut found = self.container();
        for position in 0usize.. {
            match &wanted {
                Some((at, next)) if *at == position => {
                    match seq.next_element_seed(Seek { rest: next.rest })? {
                        Some(value) => found = value,
                        None => break,
                    }
                }
                _ => {
                    if seq.next_element::<IgnoredAny>()?.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.leaf(|| value.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.leaf(|| value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.leaf(|| value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.leaf(|| value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.leaf(|| value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Found::default())
    }
}

/// An array index as RFC 6901 writes it: no sign, no leading zero.
pub(crate) fn index(token: &str) -> Option<usize> {
    let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (token == "0" || !token.starts_with('0'))).then(|| token.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_pointer_names() {
        let body = br#"{"a":{"b":[1,{"c/d":"x"},-2.5]},"~":true,"n":null,"a2":"\u00e9","":"e"}"#;
        let at = |pointer| text_at(body, pointer);
        assert_eq!(at("/a/b/0").as_deref(), Some("1"));
        assert_eq!(at("/a/b/1/c~1d").as_deref(), Some("x"));
        assert_eq!(at("/a/b/2").as_deref(), Some("-2.5"));
        assert_eq!(at("/~0").as_deref(), Some("true"));
        assert_eq!(at("/a2").as_deref(), Some("é"));
        assert_eq!(at("/").as_deref(), Some("e"));
        for nothing in ["/n", "/a", "/a/b", "/a/b/3", "/a/b/00", "/a/b/-1", "/a2/x", "/zz"] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_repeated_key_counts_where_it_stands_last() {
        assert_eq!(text_at(br#"{"id":"1","id":"2"}"#, "/id").as_deref(), Some("2"));
        assert_eq!(text_at(br#"{"id":"1","id":null}"#, "/id"), None);
    }

    #[test]
    fn what_is_there_is_counted() {
        let count = |body: &str, pointer| found_at(body.as_bytes(), pointer).count;
        assert_eq!(count(r#"{"a":{"b":1}}"#, "/a/b"), 1);
        assert_eq!(count(r#"{"a":{"b":1,"b":2}}"#, "/a/b"), 2);
        assert_eq!(count(r#"{"a":{"b":1},"a":{"b":2}}"#, "/a/b"), 2);
        assert_eq!(count(r#"{"a":[1],"a":{}}"#, "/a"), 2);
        assert_eq!(count(r#"{"a":[[1]]}"#, "/a/0"), 1);
        assert_eq!(count(r#"{"a":null}"#, "/a"), 0);
        assert_eq!(count(r#"{"a":1} x"#, "/a"), 0);
        assert_eq!(found_at(br#"{"a":"x","a":[]}"#, "/a"), Found { count: 2, last: None });
    }

    #[test]
    fn broken_json_has_nothing_in_it() {
        for body in [&b"{\"id\":\"1\""[..], b"{\"id\":\"1\"} x", b"", b"\xff"] {
            assert_eq!(text_at(body, "/id"), None);
        }
        let deep = format!("{}\"id\":1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(text_at(deep.as_bytes(), "/id"), None);
    }
}
