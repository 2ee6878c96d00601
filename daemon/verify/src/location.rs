//! Where in a request the kind or the delivery id is.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use thiserror::Error;

use crate::form::Form;
use crate::json;
use crate::names::suggestion;
use crate::request::Request;
use crate::signed_text::is_form;

/// The longest text that counts, in bytes.
const LONGEST: usize = 1024;

/// A place in a request that holds a short text. A text that is empty, longer than 1024 bytes or
/// has control characters counts as absent: it is going to be a name in logs and listings.
///
/// In text: `header:NAME`, `json:/pointer` (RFC 6901), `form:FIELD`, `query:NAME`, `{param}`.
///
/// ```
/// use hookyard_verify::Location;
///
/// assert_eq!("json:/data/id".parse(), Ok(Location::Json("/data/id".into())));
/// assert_eq!("{tenant}".parse(), Ok(Location::Param("tenant".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A header. A value that is repeated or is not visible ASCII counts as absent.
    Header(Cow<'static, str>),
    /// A string, number or boolean in a JSON body, by its pointer.
    Json(Cow<'static, str>),
    /// The field of that name in a body that is said to be a form, urlencoded or in parts. One that
    /// is there twice, or is a file, counts as absent.
    Form(Cow<'static, str>),
    /// The first parameter of that name in the URL's query, decoded.
    Query(Cow<'static, str>),
    /// A parameter of the route's path.
    Param(Cow<'static, str>),
}

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LocationError {
    #[error(
        "`{found}` says no place{}; write `header:NAME`, `json:/pointer`, `form:FIELD`, `query:NAME` or \
         `{{param}}`",
        suggestion(.nearest.as_deref())
    )]
    Unknown { found: String, nearest: Option<String> },
    #[error("`header:{0}` does not name a header")]
    InvalidHeader(String),
    #[error("the pointer in `json:{0}` must start with `/`, such as `json:/data/id`")]
    PointerWithoutSlash(String),
    #[error("the pointer in `json:{0}` has a `~` that is neither `~0` nor `~1`")]
    PointerEscape(String),
    #[error("`{0}` names nothing after its colon or inside its braces")]
    Nameless(String),
}

impl Location {
    /// The text at this place, when there is one that is fit for use.
    pub fn find(&self, request: &Request) -> Option<String> {
        let found = match self {
            Self::Header(name) => {
                let mut lines = request.headers.get_all(name.as_ref()).iter();
                match (lines.next(), lines.next()) {
                    (Some(value), None) => value.to_str().ok()?.trim().to_owned(),
                    _ => return None,
                }
            }
            Self::Json(pointer) => json::text_at(&request.body, pointer)?,
            // As a signed value is read, so that an id cannot be another text than was signed.
            Self::Form(field) => {
                let form = Form::read(&request.headers, &request.body).ok()??;
                form.text(field).ok()??.to_owned()
            }
            Self::Query(name) => form_urlencoded::parse(request.query.as_deref()?.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())?,
            Self::Param(name) => request.param(name)?.to_owned(),
        };
        is_usable(&found).then_some(found)
    }

    /// All that is at this place. Unlike a kind or an id, what decides something must not be there
    /// twice; and a field of a form counts only where the body is said to be one.
    pub(crate) fn occurrences(&self, request: &Request) -> Found {
        let parameters = |text: &[u8], name: &str| {
            let named = form_urlencoded::parse(text).filter(|(key, _)| key == name);
            Found::of(named.map(|(_, value)| Some(value.into_owned())))
        };
        match self {
            Self::Header(name) => {
                let lines = request.headers.get_all(name.as_ref()).iter();
                Found::of(lines.map(|value| Some(value.to_str().ok()?.trim().to_owned())))
            }
            Self::Json(pointer) => json::found_at(&request.body, pointer),
            Self::Form(field) if is_form(&request.headers) == Ok(true) => {
                parameters(&request.body, field)
            }
            Self::Form(_) => Found::default(),
            Self::Query(name) => {
                parameters(request.query.as_deref().unwrap_or_default().as_bytes(), name)
            }
            Self::Param(name) => {
                let named = request.params.iter().filter(|(key, _)| key == name);
                Found::of(named.map(|(_, value)| Some(value.clone())))
            }
        }
    }

    /// The text at this place, when it is there once and fit for use.
    pub(crate) fn only(&self, request: &Request) -> Option<String> {
        let found = self.occurrences(request);
        found.last.filter(|text| found.count == 1 && is_usable(text))
    }
}

/// Whether a text can be a name, an id, or part of an answer.
fn is_usable(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control)
}

/// What is at a place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many times there is something.
    pub(crate) count: usize,
    /// The last of them, when it is a text.
    pub(crate) last: Option<String>,
}

impl Found {
    fn of(texts: impl Iterator<Item = Option<String>>) -> Self {
        texts.fold(Self::default(), |found, last| Self { count: found.count + 1, last })
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            return named(text, name, Self::Param);
        }
        let unknown = || LocationError::Unknown {
            found: text.to_owned(),
            nearest: text.split_once(':').and_then(|(word, rest)| {
                crate::names::nearest(word, &["header", "json", "form", "query"])
                    .map(|word| format!("{word}:{rest}"))
            }),
        };
        let (word, rest) = text.split_once(':').ok_or_else(unknown)?;
        match word {
            "header" if rest.is_empty() => Err(LocationError::Nameless(text.to_owned())),
            "header" => match HeaderName::from_bytes(rest.as_bytes()) {
                Ok(name) => Ok(Self::Header(Cow::Owned(name.as_str().to_owned()))),
                Err(_) => Err(LocationError::InvalidHeader(rest.to_owned())),
            },
            "json" if rest.is_empty() => Err(LocationError::Nameless(text.to_owned())),
            "json" if !rest.starts_with('/') => {
                Err(LocationError::PointerWithoutSlash(rest.to_owned()))
            }
            "json" if !json::escapes_are_valid(rest) => {
                Err(LocationError::PointerEscape(rest.to_owned()))
            }
            "json" => Ok(Self::Json(Cow::Owned(rest.to_owned()))),
            "form" => named(text, rest, Self::Form),
            "query" => named(text, rest, Self::Query),
            _ => Err(unknown()),
        }
    }
}

fn named(
    text: &str,
    name: &str,
    make: fn(Cow<'static, str>) -> Location,
) -> Result<Location, LocationError> {
    if name.is_empty() {
        return Err(LocationError::Nameless(text.to_owned()));
    }
    Ok(make(Cow::Owned(name.to_owned())))
}

/// The text form, which parses to the same location.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Form(field) => write!(f, "form:{field}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Param(name) => write!(f, "{{{name}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_survive_printing_and_parsing() {
        for text in
            ["header:x-github-event", "json:/a~1b/0", "form:MessageSid", "query:id", "{tenant}"]
        {
            assert_eq!(text.parse::<Location>().expect(text).to_string(), text);
        }
        assert_eq!("header:X-Id".parse(), Ok(Location::Header("x-id".into())));
    }

    #[test]
    fn only_short_clean_texts_count() {
        let find = |body: String| {
            let request = Request {
                method: http::Method::POST,
                url: String::new(),
                path: String::new(),
                query: None,
                params: Vec::new(),
                headers: http::HeaderMap::new(),
                body: body.into(),
            };
            Location::Json("/id".into()).find(&request)
        };
        let longest = "x".repeat(LONGEST);
        assert_eq!(find(format!(r#"{{"id":"{longest}"}}"#)), Some(longest.clone()));
        assert_eq!(find(format!(r#"{{"id":"{longest}x"}}"#)), None);
        assert_eq!(find(r#"{"id":"a\nb"}"#.to_owned()), None);
        assert_eq!(find(r#"{"id":""}"#.to_owned()), None);
    }

    #[test]
    fn a_field_is_read_as_a_signed_one_is() {
        let find = |media: &'static str, body: &'static str| {
            let media = http::HeaderValue::from_static(media);
            let request = Request {
                method: http::Method::POST,
                url: String::new(),
                path: String::new(),
                query: None,
                params: Vec::new(),
                headers: http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, media)]),
                body: body.into(),
            };
            let field = Location::Form("token".into());
            let signed = crate::values::one(&request, &field).ok().flatten();
            let found = field.find(&request);
            assert_eq!(found, signed, "{body}");
            found
        };
        let urlencoded = "application/x-www-form-urlencoded";
        assert_eq!(find(urlencoded, "a=b&token=1").as_deref(), Some("1"));
        assert_eq!(find(urlencoded, "token=1&token=2"), None);
        assert_eq!(find("application/json", "token=1"), None);
        let parts = "--b\r\nX: &token=2&\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n1\r\n--b--";
        assert_eq!(find("multipart/form-data; boundary=b", parts).as_deref(), Some("1"));
    }

    #[test]
    fn repeated_headers_are_absent() {
        let mut headers = http::HeaderMap::new();
        headers.append("x-id", http::HeaderValue::from_static(" 1 "));
        let mut request = Request {
            method: http::Method::POST,
            url: String::new(),
            path: String::new(),
            query: None,
            params: Vec::new(),
            headers,
            body: bytes::Bytes::new(),
        };
        let location = Location::Header("x-id".into());
        assert_eq!(location.find(&request).as_deref(), Some("1"));
        request.headers.append("x-id", http::HeaderValue::from_static("2"));
        assert_eq!(location.find(&request), None);
    }

    #[test]
    fn errors_say_what_to_write() {
        let error = |text: &str| text.parse::<Location>().expect_err(text).to_string();
        assert_eq!(
            error("haeder:x-id"),
            "`haeder:x-id` says no place; did you mean `header:x-id`?; write `header:NAME`, \
             `json:/pointer`, `form:FIELD`, `query:NAME` or `{param}`"
        );
        assert_eq!(error("header:a b"), "`header:a b` does not name a header");
        assert!(error("json:id").contains("must start with `/`"));
        assert!(error("json:/a~2").contains("`~0` nor `~1`"));
        for nameless in ["header:", "json:", "form:", "query:", "{}"] {
            assert!(error(nameless).contains("names nothing"), "{nameless}");
        }
        assert!(error("id").contains("says no place"));
    }
}
