//! Values in the body or the URL that decide something: read so that only one reading is possible,
//! and written when a request is signed.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::form::Form;
use crate::header::single;
use crate::json_items::{self, Flaw};
use crate::location::Location;
use crate::reason::Reason;
use crate::request::Request;
use crate::setup::header_name;

/// What a JSON body has to be.
const JSON: Reason = Reason::MalformedBody { expected: "JSON" };

/// Where in a body the values are that a scheme looks at. They have names, which in JSON are pointers
/// without their first slash.
///
/// In the pointers here `*` stands for every element of an array; an empty pointer is the whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyValues {
    /// The JSON object at this pointer, or each of them.
    Json(Cow<'static, str>),
    /// The same in the text of a form's field.
    JsonInForm {
        /// The field's name.
        field: Cow<'static, str>,
        /// The pointer in its text.
        at: Cow<'static, str>,
    },
    /// The fields of a form; of anything else, the JSON object at this pointer.
    JsonOrForm(Cow<'static, str>),
}

/// The values of one object, in the order of the names that were asked for.
pub(crate) type Values = Vec<Option<String>>;

impl BodyValues {
    /// The values called `names`, of every object that there is, of which there is at least one.
    pub(crate) fn read(&self, request: &Request, names: &[&str]) -> Result<Vec<Values>, Reason> {
        let form = match self {
            Self::Json(_) => None,
            Self::JsonInForm { .. } | Self::JsonOrForm(_) => {
                Form::read(&request.headers, &request.body)?
            }
        };
        let (body, at) = match (self, &form) {
            (Self::JsonInForm { field, at }, Some(form)) => {
                let text = form.text(field)?;
                let missing = || Reason::MissingValue { at: format!("form:{field}") };
                (text.ok_or_else(missing)?.as_bytes(), at)
            }
            (Self::JsonInForm { .. }, None) => {
                return Err(Reason::MalformedBody { expected: "a form" });
            }
            (Self::JsonOrForm(_), Some(form)) => {
                let values = names.iter().map(|name| Ok(form.text(name)?.map(str::to_owned)));
                return Ok(vec![values.collect::<Result<_, Reason>>()?]);
            }
            (Self::Json(at) | Self::JsonOrForm(at), _) => (&request.body[..], at),
        };
        let items = json_items::items(body, at, names).map_err(reason)?;
        match items.is_empty() {
            true => Err(Reason::MissingValue { at: format!("json:{at}") }),
            false => Ok(items),
        }
    }

    /// Whether there may be several objects.
    pub(crate) fn may_be_several(&self) -> bool {
        let (Self::Json(at) | Self::JsonOrForm(at) | Self::JsonInForm { at, .. }) = self;
        at.split('/').any(|step| step == "*")
    }

    /// Whether one of the values is there, right or wrong.
    pub(crate) fn has_any(&self, request: &Request, names: &[&str]) -> bool {
        match self.read(request, names) {
            Ok(items) => items.iter().flatten().any(Option::is_some),
            Err(Reason::MissingValue { .. } | Reason::MalformedBody { .. }) => false,
            Err(_) => true,
        }
    }

    /// Where a value is, for an error.
    pub(crate) fn place(&self, name: &str) -> String {
        match self {
            Self::Json(at) | Self::JsonOrForm(at) | Self::JsonInForm { at, .. } => {
                format!("json:{at}/{name}")
            }
        }
    }

    /// Whether `location` is the value `name` of one of the objects.
    pub(crate) fn has(&self, name: &str, location: &Location) -> bool {
        let (Self::Json(at) | Self::JsonOrForm(at) | Self::JsonInForm { at, .. }) = self;
        match (self, location) {
            (Self::Json(_) | Self::JsonOrForm(_), Location::Json(pointer)) => {
                let own = format!("{at}/{name}");
                let same = |(own, step): (&str, &str)| own == step || own == "*";
                own.split('/').count() == pointer.split('/').count()
                    && own.split('/').zip(pointer.split('/')).all(same)
            }
            (Self::JsonOrForm(_), Location::Form(field)) => field == name,
            _ => false,
        }
    }

    /// The request with its objects changed by `change`, which gets a reader and a writer for the
    /// values of each. An object that is not there is made where the pointer has no `*`.
    pub(crate) fn rewrite(
        &self,
        request: &mut Request,
        change: impl Fn(&mut dyn Slots) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let source = request.clone();
        let mut form = match self {
            Self::Json(_) => None,
            Self::JsonInForm { .. } | Self::JsonOrForm(_) => {
                Form::read(&source.headers, &source.body)?
            }
        };
        request.body = match (self, &mut form) {
            (Self::JsonOrForm(_), Some(form)) => {
                change(form)?;
                form.write()
            }
            (Self::JsonInForm { field, at }, Some(form)) => {
                let text = form.text(field)?.unwrap_or("{}").as_bytes();
                let text = rewritten(text, at, &change)?;
                form.set(field, text);
                form.write()
            }
            // What the sender would have wrapped.
            (Self::JsonInForm { field, at }, None) => {
                let text = rewritten(&source.body, at, &change)?;
                let media = HeaderValue::from_static("multipart/form-data; boundary=hookyard-form");
                request.headers.insert(CONTENT_TYPE, media);
                let mut form = Form::read(&request.headers, b"--hookyard-form--")?;
                form.as_mut().map_or_else(Bytes::new, |form| {
                    form.set(field, text);
                    form.write()
                })
            }
            (Self::Json(at) | Self::JsonOrForm(at), _) => {
                rewritten(&source.body, at, &change)?.into()
            }
        };
        Ok(())
    }
}

/// The text at a place, when it is there; twice it may not be. What is empty is there.
pub(crate) fn one(request: &Request, location: &Location) -> Result<Option<String>, Reason> {
    match location {
        Location::Header(name) => {
            let unnamed = |_| Reason::MissingValue { at: location.to_string() };
            let name = header_name(name).map_err(unnamed)?;
            if !request.headers.contains_key(&name) {
                return Ok(None);
            }
            let malformed = |_| Reason::MalformedValue {
                at: location.to_string(),
                expected: "text".to_owned(),
            };
            let text = std::str::from_utf8(single(&request.headers, &name)?).map_err(malformed)?;
            Ok(Some(text.to_owned()))
        }
        Location::Json(pointer) => {
            let name = pointer.strip_prefix('/').unwrap_or(pointer);
            let items = json_items::items(&request.body, "", &[name]).map_err(reason)?;
            Ok(items.into_iter().flatten().next().flatten())
        }
        Location::Form(field) => match Form::read(&request.headers, &request.body)? {
            Some(form) => Ok(form.text(field)?.map(str::to_owned)),
            None => Ok(None),
        },
        Location::Query(name) => in_query(request, name),
        Location::Param(name) => Ok(request.param(name).map(str::to_owned)),
    }
}

/// The decoded value of a parameter of the URL; twice it may not be.
fn in_query(request: &Request, name: &str) -> Result<Option<String>, Reason> {
    let query = request.query.as_deref().unwrap_or_default();
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(Reason::DuplicateValue { at: format!("query:{name}") }),
        (found, _) => Ok(found.map(|(_, value)| value.into_owned())),
    }
}

/// What is at a place that has to have something.
pub(crate) fn needed(request: &Request, location: &Location) -> Result<String, Reason> {
    let found = one(request, location)?.filter(|text| !text.is_empty());
    found.ok_or_else(|| Reason::MissingValue { at: location.to_string() })
}

pub(crate) fn reason(flaw: Flaw) -> Reason {
    match flaw {
        Flaw::NotJson => JSON,
        Flaw::TooMany => Reason::MalformedBody { expected: "a list of at most 1000 items" },
        Flaw::Twice(member) => Reason::DuplicateValue { at: member },
        Flaw::NotText(member) => Reason::MalformedValue {
            at: member,
            expected: "a string, an integer or a boolean".to_owned(),
        },
    }
}

/// The values of one object while a request is signed.
pub(crate) trait Slots {
    fn value(&self, name: &str) -> Option<String>;
    fn set(&mut self, name: &str, value: String);
}

impl Slots for Form<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.text(name).ok().flatten().map(str::to_owned)
    }

    fn set(&mut self, name: &str, value: String) {
        Form::set(self, name, value);
    }
}

impl Slots for Value {
    fn value(&self, name: &str) -> Option<String> {
        match self.pointer(&format!("/{name}"))? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(bool) => Some(bool.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn set(&mut self, name: &str, value: String) {
        let mut place = self;
        for step in name.split('/') {
            place = member(place, step);
        }
        *place = Value::String(value);
    }
}

/// A member of an object, which is made when it is not there.
fn member<'v>(value: &'v mut Value, step: &str) -> &'v mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    // Just made sure of.
    value.as_object_mut().expect("an object").entry(step.to_owned()).or_insert(Value::Null)
}

fn rewritten(
    body: &[u8],
    at: &str,
    change: &impl Fn(&mut dyn Slots) -> Result<(), Reason>,
) -> Result<String, Reason> {
    let mut value: Value = serde_json::from_slice(body).map_err(|_| JSON)?;
    let mut objects = vec![&mut value];
    for step in at.split('/').skip(1) {
        objects = match step {
            "*" => objects.into_iter().filter_map(Value::as_array_mut).flatten().collect(),
            _ => objects.into_iter().map(|object| member(object, step)).collect(),
        };
    }
    if objects.is_empty() {
        return Err(Reason::MissingValue { at: format!("json:{at}") });
    }
    objects.into_iter().try_for_each(|object| change(object))?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    fn request(media: &'static str, body: &'static str) -> Request {
        Request {
            method: Method::POST,
            url: "https://hooks.example.com/in?a=1&b=&a%20b=x&b=".to_owned(),
            path: "/in".to_owned(),
            query: Some("a=1&b=&a%20b=x&b=".to_owned()),
            params: vec![("tenant".to_owned(), "acme".to_owned())],
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn one_value_is_found_once() {
        let json = request("application/json", r#"{"a":{"b":7,"c":1,"c":2}}"#);
        let at = |request: &Request, place: &str| {
            one(request, &place.parse().expect(place)).map_err(|reason| reason.label())
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(at(&json, "json:/a/b"), some("7"));
        assert_eq!(at(&json, "json:/a/c"), Err("duplicate-value"));
        assert_eq!(at(&json, "json:/a"), Err("malformed-value"));
        assert_eq!(at(&json, "json:/b"), Ok(None));
        assert_eq!(at(&json, "query:a"), some("1"));
        assert_eq!(at(&json, "query:a b"), some("x"));
        assert_eq!(at(&json, "query:b"), Err("duplicate-value"));
        assert_eq!(at(&json, "query:c"), Ok(None));
        assert_eq!(at(&json, "form:a"), Ok(None));
        assert_eq!(at(&json, "{tenant}"), some("acme"));
        assert_eq!(at(&json, "header:content-type"), some("application/json"));
        assert_eq!(at(&json, "header:x-other"), Ok(None));
        assert_eq!(at(&request(FORM, "a=1&b=2&b=2"), "form:a"), some("1"));
        assert_eq!(at(&request(FORM, "a=1&b=2&b=2"), "form:b"), Err("duplicate-value"));
        assert_eq!(at(&request(FORM, "a=1"), "json:/a"), Err("malformed-body"));
    }

    #[test]
    fn a_value_s_locations_are_known() {
        let each = BodyValues::Json("/v/*/i".into());
        let has = |values: &BodyValues, name: &str, place: &str| {
            values.has(name, &place.parse().expect(place))
        };
        assert!(has(&each, "a/b", "json:/v/0/i/a/b"));
        assert!(!has(&each, "a/b", "json:/v/0/i/a"));
        assert!(!has(&each, "a/b", "json:/v/0/j/a/b"));
        assert!(!has(&each, "a", "form:a"));
        let either = BodyValues::JsonOrForm("/s".into());
        assert!(has(&either, "a", "json:/s/a") && has(&either, "a", "form:a"));
        assert!(!has(&either, "a", "query:a"));
        let wrapped = BodyValues::JsonInForm { field: "json".into(), at: "".into() };
        assert!(!has(&wrapped, "a", "json:/a") && !has(&wrapped, "a", "form:a"));
    }

    #[test]
    fn what_is_written_is_read() {
        for (values, media, body) in [
            (BodyValues::Json("".into()), "application/json", "{\"x\":1}"),
            (BodyValues::Json("/v/*".into()), "application/json", "{\"v\":[{},{\"a\":0}]}"),
            (BodyValues::JsonOrForm("/s".into()), "application/json", "{}"),
            (BodyValues::JsonOrForm("/s".into()), FORM, "x=1&a=2"),
            (
                BodyValues::JsonInForm { field: "j".into(), at: "/e".into() },
                "application/json",
                "{}",
            ),
            (BodyValues::JsonInForm { field: "j".into(), at: "/e".into() }, FORM, "y=1"),
        ] {
            let mut request = request(media, body);
            let change = |slots: &mut dyn Slots| {
                slots.set("a", "1 & 2".to_owned());
                assert_eq!(slots.value("a").as_deref(), Some("1 & 2"));
                Ok(())
            };
            values.rewrite(&mut request, change).expect("writable");
            let read = values.read(&request, &["a"]).expect("readable");
            assert!(read.iter().all(|item| *item == [Some("1 & 2".to_owned())]), "{request:?}");
        }
        let none = BodyValues::Json("/v/*".into());
        let mut request = request("application/json", "{\"v\":[]}");
        assert!(none.rewrite(&mut request, |_| Ok(())).is_err());
        assert!(none.read(&request, &["a"]).is_err());
    }
}
