//! A base URL, and what a stranger's relative path may make of it: something below it, or nothing.

use std::fmt::{self, Write};

use super::target::{BadUrl, Target};

/// The longest path and query that are joined to a base, in bytes.
const LONGEST: usize = 8 << 10;
/// How often a server, and the proxies before it, are taken to decode a path.
const DECODINGS: usize = 4;

/// A URL that ends with `/`, below which requests are made. Parsed once, from the configuration.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    target: Target,
    /// Scheme, host and port.
    origin: String,
    /// From `/` to `/`.
    path: String,
}

/// Why a path is not joined to its base, as a fragment that completes "the path …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    #[error("is a URL that is not below the connection's `base_url`")]
    Elsewhere,
    #[error("has an empty segment: `//` could be read as the beginning of a host")]
    Empty,
    #[error("has a segment `.` or `..`, plain or encoded, which could leave the `base_url`")]
    Dots,
    #[error(
        "has a character in more bytes than it needs, which some servers read as `.`, `/` or another"
    )]
    Overlong,
    #[error("has a backslash, plain or encoded, which some servers read as `/`")]
    Backslash,
    #[error("has a fragment: what follows `#` is never sent")]
    Fragment,
    #[error("has a `%` that two hexadecimal digits do not follow")]
    Percent,
    #[error("has a line break or another control character, plain or encoded")]
    Control,
    #[error("has a character that a URL cannot have: write it %-encoded")]
    Character,
    #[error("and its query are more than {LONGEST} bytes")]
    Long,
}

impl BaseUrl {
    /// Parses an absolute URL without user, query and fragment. A path that does not end with `/` is
    /// taken to.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the URL is not part of that.
    pub(crate) fn parse(url: &str) -> Result<Self, BadBase> {
        if url.contains(['?', '#']) {
            return Err(BadBase::Query);
        }
        let mut target = Target::parse(url)?;
        let mut path = target.path().to_owned();
        let rest = path.strip_prefix('/').unwrap_or(&path);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if !rest.is_empty() {
            rest.split('/').try_for_each(segment).map_err(BadBase::Path)?;
        }
        if !path.ends_with('/') {
            path.push('/');
            target = target.at(&path)?;
        }
        let origin = target.origin();
        Ok(Self { target, origin, path })
    }

    /// The URL itself, for what is asked at just this place.
    pub(crate) fn exactly(url: &str) -> Result<Self, BadBase> {
        let base = Self::parse(url)?;
        let target = Target::parse(url)?;
        let path = target.path().to_owned();
        Ok(Self { target, path, ..base })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.target.https
    }

    /// Scheme, host and port; equal for two URLs of one origin.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    /// The URL itself.
    pub(crate) fn itself(&self) -> Target {
        self.target.clone()
    }

    /// What `path` means below the base, with `query` added to the one that the path has.
    ///
    /// # Errors
    ///
    /// Whatever could be something else than a place below the base, to this program or to a server
    /// that decodes more often than it should.
    pub(crate) fn join(&self, path: &str, query: &[(String, String)]) -> Result<Target, BadPath> {
        // A link in an answer is a whole URL. What is beyond the base is judged as if it were relative.
        let path = if has_scheme(path) { self.below(path)? } else { path };
        if path.len() > LONGEST {
            return Err(BadPath::Long);
        }
        if path.contains('#') {
            return Err(BadPath::Fragment);
        }
        let (path, own_query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let relative = path.strip_prefix('/').unwrap_or(path);
        let mut joined = self.path.clone();
        if !relative.is_empty() {
            let whole = relative.strip_suffix('/').unwrap_or(relative);
            whole.split('/').try_for_each(segment)?;
            joined.push_str(relative);
        }
        let mut begun = '?';
        if let Some(own) = own_query.filter(|own| !own.is_empty()) {
            plain_query(own)?;
            joined.push('?');
            joined.push_str(own);
            begun = '&';
        }
        for (name, value) in query {
            joined.push(begun);
            begun = '&';
            joined.extend(form_urlencoded::byte_serialize(name.as_bytes()));
            joined.push('=');
            joined.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        }
        if joined.len() > self.path.len() + LONGEST {
            return Err(BadPath::Long);
        }
        self.target.at(&joined).map_err(|_| BadPath::Character)
    }

    /// The part of a whole URL that is beyond the base.
    fn below<'u>(&self, url: &'u str) -> Result<&'u str, BadPath> {
        let (scheme, rest) = url.split_once("://").ok_or(BadPath::Elsewhere)?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(BadPath::Elsewhere)?;
        // Only the authority is parsed by itself, so that nothing of the path can have a part in it.
        let parsed = Target::parse(&format!("{scheme}://{authority}/"));
        let target = parsed.map_err(|_| BadPath::Elsewhere)?;
        if target.origin() != self.origin {
            return Err(BadPath::Elsewhere);
        }
        match path.strip_prefix(self.path.as_str()) {
            // A second slash would be taken off like the first of a relative path.
            Some(below) if !below.starts_with('/') => Ok(below),
            Some(_) => Err(BadPath::Empty),
            None => Err(BadPath::Elsewhere),
        }
    }
}

/// Why a text is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBase {
    #[error("a base URL has no query and no fragment")]
    Query,
    #[error(transparent)]
    Url(#[from] BadUrl),
    #[error("the path {0}")]
    Path(BadPath),
}

/// `scheme:`, as RFC 3986 has it; a relative path whose first segment looks like that is none.
fn has_scheme(path: &str) -> bool {
    let (scheme, _) = path.split_once("://").unwrap_or_default();
    !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Checks one segment, as it is and as whoever decodes it sees it.
fn segment(segment: &str) -> Result<(), BadPath> {
    if segment.is_empty() {
        return Err(BadPath::Empty);
    }
    characters(segment, b"-._~!$&'()*+,;=:@%")?;
    let mut seen = segment.as_bytes().to_vec();
    for _ in 0..=DECODINGS {
        if seen.iter().any(u8::is_ascii_control) {
            return Err(BadPath::Control);
        }
        if seen.contains(&b'\\') {
            return Err(BadPath::Backslash);
        }
        if is_overlong(&seen) {
            return Err(BadPath::Overlong);
        }
        // An encoded slash is a part of a name to most APIs, and a separator to some servers.
        for part in seen.split(|byte| *byte == b'/') {
            // What follows `;` are parameters to some, and spaces at the end are nothing to others.
            let name = part.split(|byte| *byte == b';').next().unwrap_or_default();
            let name = name.trim_ascii_end();
            if matches!(name, b"." | b"..") {
                return Err(BadPath::Dots);
            }
            if part.is_empty() {
                return Err(BadPath::Empty);
            }
        }
        let decoded = decode(&seen);
        if decoded == seen {
            return Ok(());
        }
        seen = decoded;
    }
    // It still changes: nobody means that.
    Err(BadPath::Percent)
}

/// Whether there is a character in more bytes than UTF-8 gives it.
fn is_overlong(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0xc0 | 0xc1))
        || text.windows(2).any(|pair| matches!(pair, [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f]))
}

fn plain_query(query: &str) -> Result<(), BadPath> {
    characters(query, b"-._~!$&'()*+,;=:@/?%[]")
}

fn characters(text: &str, allowed: &[u8]) -> Result<(), BadPath> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => {
                let digits = bytes.get(at + 1..at + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(BadPath::Percent);
                }
            }
            b'\\' => return Err(BadPath::Backslash),
            byte if byte.is_ascii_control() => return Err(BadPath::Control),
            byte if byte.is_ascii_alphanumeric() || allowed.contains(byte) => {}
            _ => return Err(BadPath::Character),
        }
    }
    Ok(())
}

/// Decodes once; what is no escape stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%'
            && let [high, low, more @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = more;
        } else {
            decoded.push(*first);
        }
    }
    decoded
}

/// The target for a record: the names of the query's parameters and none of their values.
pub(crate) fn without_values(target: &Target) -> String {
    let mut shown = target.to_string();
    let mut begun = '?';
    for parameter in target.query().unwrap_or_default().split('&') {
        let (name, value) = match parameter.split_once('=') {
            Some((name, _)) => (name, "=…"),
            // It may be a value without a name.
            None if !parameter.is_empty() => ("", "…"),
            None => continue,
        };
        // Writing to a text cannot fail.
        let _ = write!(shown, "{begun}{name}{value}");
        begun = '&';
    }
    shown
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
