//! Reading those values of a JSON body that decide whether it is believed. Where readers of JSON could
//! disagree, nothing is taken.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::index;

/// The most items of one body.
const MOST_ITEMS: usize = 1000;

/// Why a body does not have what was looked for in a form that can only be read in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is not JSON, or there is something after it.
    NotJson,
    /// This member is there twice, and a value is under it.
    Twice(String),
    /// This member is something else than a string, an integer or a boolean.
    NotText(String),
    /// There are more than 1000 items.
    TooMany,
}

/// The texts of `names` in each object at `at`, in the order of `names`; null counts as absent.
///
/// `at` is a pointer in which `*` stands for every element of an array, the names are pointers from
/// there without their first slash. An element that has no object where the pointer leads has no
/// values, and is not left out. Of the members on the way each has to be there once: readers
/// disagree about which of two counts. Other members are passed over.
pub(crate) fn items(
    body: &[u8],
    at: &str,
    names: &[&str],
) -> Result<Vec<Vec<Option<String>>>, Flaw> {
    let way = at.strip_prefix('/').map(steps).unwrap_or_default();
    let names: Vec<Vec<String>> = names.iter().map(|name| steps(name)).collect();
    let mut found = Found { names: &names, items: Vec::new(), flaw: None };
    // What is passed over is not looked at for this.
    let body = std::str::from_utf8(body).map_err(|_| Flaw::NotJson)?;
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let read = ToItems { way: &way, found: &mut found }.deserialize(&mut deserializer);
    let read = read.and_then(|()| deserializer.end());
    match (found.flaw, read) {
        (Some(flaw), _) => Err(flaw),
        (None, Err(_)) => Err(Flaw::NotJson),
        (None, Ok(())) => Ok(found.items),
    }
}

/// The members that a pointer names, in their order.
fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// What [`items`] collects.
struct Found<'n> {
    names: &'n [Vec<String>],
    items: Vec<Vec<Option<String>>>,
    /// What ended the reading; an error of serde is only a text.
    flaw: Option<Flaw>,
}

impl Found<'_> {
    /// Another item, without values yet.
    fn add<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.items.len() == MOST_ITEMS {
            return Err(self.fail(Flaw::TooMany));
        }
        self.items.push(vec![None; self.names.len()]);
        Ok(())
    }

    fn fail<E: serde::de::Error>(&mut self, flaw: Flaw) -> E {
        self.flaw = Some(flaw);
        E::custom("readers could disagree about it")
    }
}

/// On the way to the items; at one when nothing of the way is left.
struct ToItems<'a, 'n> {
    way: &'a [String],
    found: &'a mut Found<'n>,
}

impl<'de> DeserializeSeed<'de> for ToItems<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.way.is_empty() {
            return deserializer.deserialize_any(self);
        }
        self.found.add()?;
        let wanted = self.found.names.iter().map(Vec::as_slice).enumerate().collect();
        InItem { wanted, member: String::new(), found: self.found }.deserialize(deserializer)
    }
}

impl<'de> Visitor<'de> for ToItems<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let Some((_, way)) =
                self.way.split_first().filter(|(step, _)| **step == key && key != "*")
            else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut seen, true) {
                return Err(self.found.fail(Flaw::Twice(key.into_owned())));
            }
            map.next_value_seed(ToItems { way, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        match self.way.split_first() {
            Some((step, way)) if step == "*" => {
                let mut before = self.found.items.len();
                while seq.next_element_seed(ToItems { way, found: &mut *self.found })?.is_some() {
                    // An element that leads to no item is one without values: it may not go
                    // unnoticed beside others.
                    if self.found.items.len() == before {
                        self.found.add()?;
                    }
                    before = self.found.items.len();
                }
            }
            _ => while seq.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// In the last of the items.
struct InItem<'a, 'n> {
    /// The names that may lead here, each with its place and what is left of it.
    wanted: Vec<(usize, &'n [String])>,
    /// The member that this is.
    member: String,
    found: &'a mut Found<'n>,
}

impl InItem<'_, '_> {
    fn is_value(&self) -> bool {
        self.wanted.iter().any(|(_, rest)| rest.is_empty())
    }

    fn text(self, text: impl FnOnce() -> String) {
        if let Some((place, _)) = self.wanted.iter().find(|(_, rest)| rest.is_empty())
            && let Some(value) =
                self.found.items.last_mut().and_then(|values| values.get_mut(*place))
        {
            *value = Some(text());
        }
    }

    fn not_text<E: serde::de::Error>(self) -> E {
        self.found.fail(Flaw::NotText(self.member))
    }
}

impl<'de> DeserializeSeed<'de> for InItem<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for InItem<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.is_value() {
            return Err(self.not_text());
        }
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let under = self.wanted.iter().filter_map(|(place, rest)| match rest.split_first() {
                Some((step, rest)) if *step == key => Some((*place, rest)),
                _ => None,
            });
            let wanted: Vec<_> = under.collect();
            if wanted.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if seen.iter().any(|seen| *seen == key) {
                return Err(self.found.fail(Flaw::Twice(key.into_owned())));
            }
            let member = key.into_owned();
            seen.push(member.clone());
            map.next_value_seed(InItem { wanted, member, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.is_value() {
            return Err(self.not_text());
        }
        for position in 0usize.. {
            let under = self.wanted.iter().filter_map(|(place, rest)| match rest.split_first() {
                Some((step, rest)) if index(step) == Some(position) => Some((*place, rest)),
                _ => None,
            });
            let wanted: Vec<_> = under.collect();
            let more = if wanted.is_empty() {
                seq.next_element::<IgnoredAny>()?.is_some()
            } else {
                let member = position.to_string();
                let item = InItem { wanted, member, found: &mut *self.found };
                seq.next_element_seed(item)?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.text(|| value.to_owned());
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.text(|| value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.text(|| value.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.text(|| value.to_string());
        Ok(())
    }

    /// A fraction, an exponent, or more digits than are kept: none of them is read back as it was
    /// written.
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        if self.is_value() { Err(self.not_text()) } else { Ok(()) }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_their_values_in_the_order_of_the_names() {
        let body = br#"{"x":[{"i":{"a":1,"b":{"c":"t","d":true},"e":null}},{"i":{"a":"2"}}, 3]}"#;
        let read = |at, names: &[&str]| items(body, at, names);
        let text = |text: &str| Some(text.to_owned());
        let all = read("/x/*/i", &["b/c", "a", "b/d", "e"]);
        let first = vec![text("t"), text("1"), text("true"), None];
        assert_eq!(all, Ok(vec![first, vec![None, text("2"), None, None], vec![None; 4]]));
        assert_eq!(read("/x/i", &["a"]), Ok(vec![]));
        assert_eq!(items(b"{\"*\":{\"a\":1}}", "/*", &["a"]), Ok(vec![]));
        assert_eq!(read("/y/*", &["a"]), Ok(vec![]));
        assert_eq!(read("", &["y"]), Ok(vec![vec![None]]));
        assert_eq!(items(b"{\"a~/b\":-1}", "", &["a~0~1b"]), Ok(vec![vec![text("-1")]]));
        assert_eq!(items(b"{\"a\":[7,{\"b\":8}]}", "", &["a/1/b", "a/0", "a/2", "a/00"]), {
            Ok(vec![vec![text("8"), text("7"), None, None]])
        });
        assert_eq!(items(b"[{\"a\":0},[],\"s\"]", "/*", &["a"]), {
            Ok(vec![vec![text("0")], vec![None], vec![None]])
        });
    }

    #[test]
    fn what_readers_disagree_about_is_a_flaw() {
        let flaw = |body: &str| items(body.as_bytes(), "/v/*/i", &["a/b"]).expect_err(body);
        let twice = |member: &str| Flaw::Twice(member.to_owned());
        let one = r#"{"i":{"a":{"b":"1"}}}"#;
        assert!(items(format!("{{\"v\":[{one}]}}").as_bytes(), "/v/*/i", &["a/b"]).is_ok());
        assert_eq!(flaw(&format!("{{\"v\":[{one}],\"v\":[{one}]}}")), twice("v"));
        assert_eq!(flaw(&format!("{{\"v\":[{one}],\"\\u0076\":[]}}")), twice("v"));
        assert_eq!(flaw(r#"{"v":[{"i":{},"i":{}}]}"#), twice("i"));
        assert_eq!(flaw(r#"{"v":[{"i":{"a":{"b":1},"a":2}}]}"#), twice("a"));
        assert_eq!(flaw(r#"{"v":[{"i":{"a":{"b":1,"b":1}}}]}"#), twice("b"));
        let not_text = Flaw::NotText("b".to_owned());
        for value in ["1.5", "1e3", "[1]", "{}", "18446744073709551616"] {
            let body = format!(r#"{{"v":[{{"i":{{"a":{{"b":{value}}}}}}}]}}"#);
            assert_eq!(flaw(&body), not_text, "{value}");
        }
        assert_eq!(flaw(&format!("{{\"v\":[{one}]}} x")), Flaw::NotJson);
        assert_eq!(flaw(&format!("{{\"v\":[{one}]")), Flaw::NotJson);
        assert_eq!(items(b"{\"a\":1,\"b\":\"\xff\"}", "", &["a"]), Err(Flaw::NotJson));
        let many = vec![one; MOST_ITEMS + 1].join(",");
        assert_eq!(flaw(&format!("{{\"v\":[{many}]}}")), Flaw::TooMany);
        let enough = vec![one; MOST_ITEMS].join(",");
        let read = items(format!("{{\"v\":[{enough}]}}").as_bytes(), "/v/*/i", &["a/b"]);
        assert_eq!(read.map(|items| items.len()), Ok(MOST_ITEMS));
    }

    #[test]
    fn members_that_are_not_looked_for_may_be_there_twice() {
        let body = br#"{"x":1,"x":2,"v":{"y":1,"y":[{}],"a":"1"}}"#;
        assert_eq!(items(body, "/v", &["a"]), Ok(vec![vec![Some("1".to_owned())]]));
    }
}
