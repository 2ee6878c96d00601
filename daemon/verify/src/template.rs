//! The text that a sender signs, as a template such as `{timestamp}.{body}`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::location::{Location, LocationError};
use crate::names::{nearest, suggestion};

/// One piece of what is signed, in the order of signing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Literal text.
    Text(Cow<'static, str>),
    /// The timestamp, byte for byte as it was received.
    Timestamp,
    /// The raw body.
    Body,
    /// The method, in capitals.
    Method,
    /// The path as received, without the query.
    Path,
    /// The full public URL, with the query.
    Url,
    /// The value of the scheme's id header.
    Id,
    /// The value of a header, byte for byte as received.
    Header(Cow<'static, str>),
    /// The full public URL, in which percent-encoded punctuation is decoded: of
    /// ``: / ? @ ! $ ' ( ) * , ;`` and no other. Two URLs may look the same then, so this does not
    /// count as protecting the URL.
    DecodedUrl,
    /// The raw body; of a form, the decoded value of this field, which has to be its only one.
    BodyOrField(Cow<'static, str>),
    /// The path as received and, where there is one, `?` and the query.
    PathAndQuery,
    /// The headers whose names this header lists, in its order, as `name:value;name:value`. The list
    /// has to have this header and that of the timestamp.
    ListedHeaders(Cow<'static, str>),
    /// The key, where the scheme is not an HMAC.
    Secret,
    /// SHA-256 of the raw body, in lower-case hexadecimal.
    BodySha256,
    /// The text at this place, which has to be there once and not be empty. Of a header, this is
    /// [`Header`](Self::Header).
    At(Location),
    /// An entry of the signature header that is not the timestamp, such as a nonce.
    Entry(Cow<'static, str>),
    /// A setting of the sender. Only the table of senders has these.
    Setting(Cow<'static, str>),
    /// What is at the first of these places that has something, between two texts; nothing when
    /// none has. What is there may not contain the text that ends it. Only the table of senders has
    /// these.
    Optional {
        /// The text before it.
        before: Cow<'static, str>,
        /// Where it may be.
        at: Cow<'static, [Location]>,
        /// Whether ASCII capitals in it are signed in lower case.
        lower: bool,
        /// The text after it, which is not empty.
        after: Cow<'static, str>,
    },
}

/// The placeholders as they are written.
pub(crate) const PLACEHOLDERS: &[&str] = &[
    "timestamp",
    "body",
    "method",
    "path",
    "url",
    "id",
    "header:NAME",
    "decoded-url",
    "body-or-field:NAME",
    "path-and-query",
    "listed-headers:NAME",
    "secret",
    "body-sha256",
    "entry:NAME",
    "json:/POINTER",
    "form:FIELD",
    "query:NAME",
];

/// What is signed: literal text and placeholders.
///
/// In text, the placeholders are `{timestamp}`, `{body}`, `{method}`, `{path}`, `{url}`, `{id}`,
/// `{header:NAME}`, `{decoded-url}`, `{body-or-field:NAME}`, `{path-and-query}`,
/// `{listed-headers:NAME}`, `{secret}`, `{body-sha256}`, `{entry:NAME}`, `{json:/POINTER}`,
/// `{form:FIELD}` and `{query:NAME}`; `{{` and `}}` stand for braces.
///
/// ```
/// use hookyard_verify::Template;
///
/// let template: Template = "{timestamp}.{body}".parse()?;
/// assert_eq!(template.to_string(), "{timestamp}.{body}");
///
/// let error = "{timestmap}.{body}".parse::<Template>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown placeholder `{timestmap}` at byte 0; did you mean `{timestamp}`?"
/// );
/// # Ok::<(), hookyard_verify::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Cow<'static, [Piece]>,
}

impl Template {
    /// A template for a table of constants.
    pub const fn of(pieces: &'static [Piece]) -> Self {
        Self { pieces: Cow::Borrowed(pieces) }
    }

    /// `{body}` alone, which is what most senders sign.
    pub const fn body() -> Self {
        Self::of(&[Piece::Body])
    }

    /// The pieces in the order in which they are signed.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

/// Why a text is not a template. Offsets are in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    #[error("the template is empty: nothing would be signed")]
    Empty,
    #[error(
        "the template `{0}` has no placeholder: every request would carry the same signature; \
         most senders sign `{{body}}`"
    )]
    NothingSigned(String),
    #[error("unknown placeholder `{{{name}}}` at byte {at}{}", did_you_mean(*.nearest))]
    UnknownPlaceholder { name: String, at: usize, nearest: Option<&'static str> },
    #[error("`{{header:{name}}}` at byte {at} does not name a header")]
    InvalidHeader { name: String, at: usize },
    #[error("the placeholder at byte {at} names no place: {problem}")]
    InvalidPlace { problem: LocationError, at: usize },
    #[error("the `{{` at byte {at} is never closed; write `{{{{` for a brace")]
    Unclosed { at: usize },
    #[error("the `}}` at byte {at} closes nothing; write `}}}}` for a brace")]
    Unopened { at: usize },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => suggestion(Some(&format!("{{{name}}}"))),
        None => format!("; known: {{{}}}", PLACEHOLDERS.join("}, {")),
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..)
            && let Some(first) = rest.chars().next()
        {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(first);
                at += 2;
            } else if first == '}' {
                return Err(TemplateError::Unopened { at });
            } else if let Some(inner) = rest.strip_prefix('{') {
                let (name, _) = inner.split_once('}').ok_or(TemplateError::Unclosed { at })?;
                if !literal.is_empty() {
                    pieces.push(Piece::Text(Cow::Owned(std::mem::take(&mut literal))));
                }
                pieces.push(placeholder(name, at)?);
                at += name.len() + 2;
            } else {
                literal.push(first);
                at += first.len_utf8();
            }
        }
        if pieces.is_empty() {
            return Err(if literal.is_empty() {
                TemplateError::Empty
            } else {
                TemplateError::NothingSigned(text.to_owned())
            });
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(Cow::Owned(literal)));
        }
        Ok(Self { pieces: Cow::Owned(pieces) })
    }
}

/// What stands before the name of a form's field.
const FIELD: &str = "body-or-field:";

fn placeholder(name: &str, at: usize) -> Result<Piece, TemplateError> {
    Ok(match name {
        "timestamp" => Piece::Timestamp,
        "body" => Piece::Body,
        "method" => Piece::Method,
        "path" => Piece::Path,
        "url" => Piece::Url,
        "id" => Piece::Id,
        "decoded-url" => Piece::DecodedUrl,
        "path-and-query" => Piece::PathAndQuery,
        "secret" => Piece::Secret,
        "body-sha256" => Piece::BodySha256,
        _ if name.len() > FIELD.len() && name.starts_with(FIELD) => {
            Piece::BodyOrField(Cow::Owned(name.replacen(FIELD, "", 1)))
        }
        _ => match name.split_once(':') {
            Some((word @ ("header" | "listed-headers"), header)) => {
                let Ok(valid) = http::HeaderName::from_bytes(header.as_bytes()) else {
                    let name = header.to_owned();
                    return Err(TemplateError::InvalidHeader { name, at });
                };
                let valid = Cow::Owned(valid.as_str().to_owned());
                if word == "header" { Piece::Header(valid) } else { Piece::ListedHeaders(valid) }
            }
            Some(("entry", entry)) if !entry.is_empty() => {
                Piece::Entry(Cow::Owned(entry.to_owned()))
            }
            Some(("json" | "form" | "query", _)) => {
                let wrong = |problem| TemplateError::InvalidPlace { problem, at };
                Piece::At(name.parse().map_err(wrong)?)
            }
            _ => {
                return Err(TemplateError::UnknownPlaceholder {
                    name: name.to_owned(),
                    at,
                    nearest: nearest(name, PLACEHOLDERS),
                });
            }
        },
    })
}

/// The text form, which parses to the same template, unless it has pieces that only the table of
/// senders has.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => {
                    f.write_str(&text.replace('{', "{{").replace('}', "}}"))?;
                }
                Piece::Timestamp => f.write_str("{timestamp}")?,
                Piece::Body => f.write_str("{body}")?,
                Piece::Method => f.write_str("{method}")?,
                Piece::Path => f.write_str("{path}")?,
                Piece::Url => f.write_str("{url}")?,
                Piece::Id => f.write_str("{id}")?,
                Piece::DecodedUrl => f.write_str("{decoded-url}")?,
                Piece::BodyOrField(field) => write!(f, "{{body-or-field:{field}}}")?,
                Piece::PathAndQuery => f.write_str("{path-and-query}")?,
                Piece::ListedHeaders(name) => write!(f, "{{listed-headers:{name}}}")?,
                Piece::Secret => f.write_str("{secret}")?,
                Piece::Header(name) => write!(f, "{{header:{name}}}")?,
                Piece::BodySha256 => f.write_str("{body-sha256}")?,
                Piece::At(location) => write!(f, "{{{location}}}")?,
                Piece::Entry(name) => write!(f, "{{entry:{name}}}")?,
                Piece::Setting(name) => write!(f, "{{setting:{name}}}")?,
                Piece::Optional { before, at, after, .. } => {
                    let places: Vec<String> = at.iter().map(Location::to_string).collect();
                    write!(f, "[{before}{{{}}}{after}]", places.join(" or "))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Template>().expect_err(text).to_string()
    }

    #[test]
    fn every_placeholder_survives_printing_and_parsing() {
        let text = "v0:{timestamp}:{id}.{method} {path}{url}{header:x-nonce}{{é}}{body}\
                    {decoded-url}{body-or-field:payload}{secret}{path-and-query}\
                    {listed-headers:x-list}{body-sha256}{entry:t}{json:/a/b}{form:f}{query:q}";
        let template: Template = text.parse().expect("a valid template");
        assert_eq!(template.to_string(), text);
        assert_eq!(template.pieces().len(), 22);
    }

    #[test]
    fn errors_name_the_place_and_the_nearest_placeholder() {
        assert_eq!(error(""), "the template is empty: nothing would be signed");
        assert!(error("abc").contains("`abc` has no placeholder"), "{}", error("abc"));
        assert_eq!(
            error("a.{Body}"),
            "unknown placeholder `{Body}` at byte 2; did you mean `{body}`?"
        );
        assert_eq!(
            error("{qqq}"),
            "unknown placeholder `{qqq}` at byte 0; known: {timestamp}, {body}, {method}, {path}, \
             {url}, {id}, {header:NAME}, {decoded-url}, {body-or-field:NAME}, \
             {path-and-query}, {listed-headers:NAME}, {secret}, {body-sha256}, {entry:NAME}, \
             {json:/POINTER}, {form:FIELD}, {query:NAME}"
        );
        assert_eq!(error("{header:}"), "`{header:}` at byte 0 does not name a header");
        assert_eq!(error("{header: x}{body}"), "`{header: x}` at byte 0 does not name a header");
        assert!(error("{json:id}").contains("byte 0 names no place: the pointer in `json:id`"));
        assert!(error("{entry:}{setting:x}").contains("unknown placeholder `{entry:}`"));
        assert!(error("{setting:x}").contains("unknown placeholder `{setting:x}`"));
        assert_eq!(error("a{body"), "the `{` at byte 1 is never closed; write `{{` for a brace");
        assert_eq!(error("{body}é}"), "the `}` at byte 8 closes nothing; write `}}` for a brace");
    }
}
