//! Bodies that are forms, for senders that put the signature into a field.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::multipart;
use crate::reason::Reason;
use crate::signed_text::is_form;

/// The most fields of a form.
pub(crate) const MOST_FIELDS: usize = 1000;

/// A form that has been read.
pub(crate) struct Form<'r> {
    fields: Vec<Field<'r>>,
    /// What stands between its parts, unless it is urlencoded.
    boundary: Option<Vec<u8>>,
}

/// A field of a form.
pub(crate) struct Field<'r> {
    pub(crate) name: Cow<'r, str>,
    pub(crate) value: Cow<'r, [u8]>,
    /// Whether it is a value as it stands: neither a file nor in an encoding of its own.
    pub(crate) plain: bool,
    /// The part's headers with the empty line after them, unless it is to be written anew.
    pub(crate) head: Option<&'r [u8]>,
}

impl<'r> Form<'r> {
    /// The form that the body is; nothing when it is said to be something else. A body that is said
    /// to be two things is refused.
    pub(crate) fn read(headers: &'r HeaderMap, body: &'r [u8]) -> Result<Option<Self>, Reason> {
        let urlencoded = is_form(headers)?;
        let Some(media) = headers.get(CONTENT_TYPE) else { return Ok(None) };
        if urlencoded {
            let fields: Vec<Field<'r>> = form_urlencoded::parse(body)
                .take(MOST_FIELDS + 1)
                .map(|(name, value)| Field {
                    name,
                    value: bytes_of(value),
                    plain: true,
                    head: None,
                })
                .collect();
            let form = Self { fields, boundary: None };
            return if form.fields.len() > MOST_FIELDS {
                Err(Reason::MalformedBody { expected: "a form of at most 1000 fields" })
            } else {
                Ok(Some(form))
            };
        }
        let expected = "a form in parts that can only be read in one way";
        match multipart::boundary(media.as_bytes()) {
            Ok(None) => Ok(None),
            Err(multipart::Malformed) => Err(Reason::MalformedBody { expected }),
            Ok(Some(boundary)) => match multipart::read(&boundary, body) {
                Ok(fields) => Ok(Some(Self { fields, boundary: Some(boundary) })),
                Err(multipart::Malformed) => Err(Reason::MalformedBody { expected }),
            },
        }
    }

    /// The value of the field `name`, when it is there; twice it may not be.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Reason> {
        let mut found = self.fields.iter().filter(|field| field.name == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(field), Some(_)) => Err(Reason::DuplicateValue { at: field.at() }),
            (Some(field), None) => field.text().map(Some),
        }
    }

    /// Name and value of every field, in the order of the names, each of which is there once.
    pub(crate) fn sorted(&self) -> Result<Vec<(&str, &str)>, Reason> {
        let mut fields = self.fields.iter().collect::<Vec<_>>();
        fields.sort_by(|one, other| one.name.cmp(&other.name));
        let twice = |pair: &&[&Field<'_>]| matches!(pair, [one, other] if one.name == other.name);
        if let Some([field, ..]) = fields.windows(2).find(twice) {
            return Err(Reason::DuplicateValue { at: field.at() });
        }
        fields.iter().map(|field| Ok((&*field.name, field.text()?))).collect()
    }

    /// The names of its fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }

    /// Puts a field in the place of those that have this name, or at the end.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        let place = self.fields.iter().position(|field| field.name == name);
        self.fields.retain(|field| field.name != name);
        let field = Field {
            name: Cow::Owned(name.to_owned()),
            value: Cow::Owned(value.into_bytes()),
            plain: true,
            head: None,
        };
        self.fields.insert(place.unwrap_or(self.fields.len()).min(self.fields.len()), field);
    }

    /// The body that it is.
    pub(crate) fn write(&self) -> Bytes {
        match &self.boundary {
            Some(boundary) => multipart::write(boundary, &self.fields).into(),
            None => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for field in &self.fields {
                    form.append_pair(&field.name, &String::from_utf8_lossy(&field.value));
                }
                form.finish().into()
            }
        }
    }
}

impl Field<'_> {
    fn text(&self) -> Result<&str, Reason> {
        match std::str::from_utf8(&self.value) {
            Ok(text) if self.plain => Ok(text),
            _ => Err(Reason::MalformedValue { at: self.at(), expected: "text".to_owned() }),
        }
    }

    /// Where it is, for an error.
    fn at(&self) -> String {
        format!("form:{}", self.name)
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(media: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))])
    }

    const URLENCODED: &str = "Application/X-WWW-Form-Urlencoded; charset=utf-8";

    #[test]
    fn a_field_that_is_asked_for_is_there_once() {
        let headers = headers(URLENCODED);
        let form = |body| Form::read(&headers, body).expect("readable").expect("a form");
        let body = form(b"a=1+%32&b=x&b=y&%63=&d=%ff");
        assert_eq!(body.text("a"), Ok(Some("1 2")));
        assert_eq!(body.text("b"), Err(Reason::DuplicateValue { at: "form:b".to_owned() }));
        assert_eq!(body.text("c"), Ok(Some("")));
        assert_eq!(body.text("d"), Ok(Some("\u{fffd}")));
        assert_eq!(body.text("e"), Ok(None));
    }

    #[test]
    fn fields_are_sorted_and_each_is_there_once() {
        let headers = headers(URLENCODED);
        let form = |body| Form::read(&headers, body).expect("readable").expect("a form");
        assert_eq!(form(b"b=1&a=2&c=").sorted(), Ok(vec![("a", "2"), ("b", "1"), ("c", "")]));
        let twice = form(b"b=1&a=2&b=1");
        assert_eq!(twice.sorted(), Err(Reason::DuplicateValue { at: "form:b".to_owned() }));
    }

    #[test]
    fn fields_are_bounded_and_the_media_type_is_one() {
        let form = |body: &str| Form::read(&headers(URLENCODED), body.as_bytes()).map(|_| ());
        assert_eq!(form(&"a&".repeat(MOST_FIELDS)), Ok(()));
        assert!(form(&"a&".repeat(MOST_FIELDS + 1)).is_err());
        let mut twice = headers(URLENCODED);
        twice.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let refused = Form::read(&twice, b"a=1").map(|_| ());
        assert_eq!(refused, Err(Reason::DuplicateHeader(CONTENT_TYPE)));
        let json = headers("application/json");
        assert!(Form::read(&json, b"a=1").expect("readable").is_none());
        assert!(Form::read(&HeaderMap::new(), b"a=1").expect("readable").is_none());
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_was_there() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --b\r\nX: y\r\nContent-Disposition: form-data; name=\"f\"; filename=\"g\"\r\n\r\n2\r\n--b--\r\n";
        for (media, body) in
            [(URLENCODED, &b"a=1&f=2&a=3"[..]), ("multipart/form-data; boundary=b", body)]
        {
            let headers = headers(media);
            let mut form = Form::read(&headers, body).expect("readable").expect("a form");
            form.set("a", "x & \u{e9}".to_owned());
            form.set("z", "last".to_owned());
            let written = form.write();
            let again = Form::read(&headers, &written).expect("readable").expect("a form");
            assert_eq!(again.names().collect::<Vec<_>>(), ["a", "f", "z"], "{written:?}");
            assert_eq!(again.text("a"), Ok(Some("x & \u{e9}")));
            assert_eq!(again.text("f").is_ok(), media == URLENCODED, "a file stays one");
        }
    }
}
