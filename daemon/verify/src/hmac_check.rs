//! The family of keyed hashes over a template: made ready once, then checked per request.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use subtle::Choice;

use crate::header::single;
use crate::mac::{Keyed, Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{HmacScheme, Layout, TimestampFormat, TimestampPlace};
use crate::setup::{SetupError, header_name};
use crate::template::Piece;

/// An [`HmacScheme`] that makes sense, with its header names read.
#[derive(Debug)]
pub(crate) struct HmacCheck {
    pub(crate) scheme: HmacScheme,
    pub(crate) header: HeaderName,
    pub(crate) timestamp_header: Option<HeaderName>,
    id_header: Option<HeaderName>,
    /// The names of the template's `{header:NAME}` pieces, in their order.
    template_headers: Vec<HeaderName>,
}

impl HmacCheck {
    pub(crate) fn new(scheme: HmacScheme) -> Result<Self, SetupError> {
        let signs = |piece: &Piece| scheme.signed.pieces().contains(piece);
        if scheme.signed.pieces().iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err(SetupError::NothingSigned);
        }
        match (&scheme.timestamp, signs(&Piece::Timestamp)) {
            (None, true) => return Err(SetupError::TimestampWithoutPlace),
            (Some(_), false) => return Err(SetupError::UnsignedTimestamp),
            _ => {}
        }
        match (&scheme.id_header, signs(&Piece::Id)) {
            (None, true) => return Err(SetupError::IdWithoutHeader),
            (Some(_), false) => return Err(SetupError::UnsignedId),
            _ => {}
        }
        if let Layout::Entries { version, between, joint } = &scheme.layout {
            let ascii = between.is_ascii() && joint.is_ascii() && between != joint;
            // Between entries nothing may stand that is part of an entry.
            let splits = between.is_ascii_alphanumeric()
                || "+/=-_".contains(*between)
                || scheme.prefix.contains(*between);
            if !ascii || splits || !names_an_entry(version, *between, *joint) {
                return Err(SetupError::InvalidEntries);
            }
        }
        let mut timestamp_header = None;
        if let Some(rule) = &scheme.timestamp {
            if rule.tolerance.is_zero() {
                return Err(SetupError::NoTolerance);
            }
            match (&rule.at, &scheme.layout) {
                (TimestampPlace::Header(name), _) => timestamp_header = Some(header_name(name)?),
                (TimestampPlace::Entry(_), Layout::Single) => {
                    return Err(SetupError::EntryWithoutList);
                }
                (TimestampPlace::Entry(name), Layout::Entries { version, between, joint }) => {
                    if name == version || !names_an_entry(name, *between, *joint) {
                        return Err(SetupError::InvalidEntries);
                    }
                }
            }
        }
        let template_headers = scheme
            .signed
            .pieces()
            .iter()
            .filter_map(|piece| match piece {
                Piece::Header(name) => Some(header_name(name)),
                _ => None,
            })
            .collect::<Result<Vec<_>, _>>()?;
        let header = header_name(&scheme.header)?;
        if template_headers.contains(&header) {
            return Err(SetupError::SignedSignature);
        }
        Ok(Self {
            id_header: scheme.id_header.as_deref().map(header_name).transpose()?,
            header,
            timestamp_header,
            template_headers,
            scheme,
        })
    }

    /// Whether the signature covers the header `name` as a whole.
    pub(crate) fn covers_header(&self, name: &str) -> bool {
        self.template_headers
            .iter()
            .chain(&self.id_header)
            .chain(&self.timestamp_header)
            .any(|covered| covered.as_str().eq_ignore_ascii_case(name))
    }

    pub(crate) fn covers(&self, piece: &Piece) -> bool {
        self.scheme.signed.pieces().contains(piece)
    }

    /// The place of the key that one of the request's signatures matches.
    pub(crate) fn check(
        &self,
        keys: &[Keyed],
        request: &Request,
        now: UnixTime,
    ) -> Result<usize, Reason> {
        let headers = &request.headers;
        let value = single(headers, &self.header)?;
        let timestamp = self.timestamp(headers, value, now)?;
        let candidates = self.candidates(value)?;
        let message = self.message(request, timestamp)?;
        // Every key is tried with every candidate, so that the time taken says nothing about which
        // of them came close.
        let mut matched = None;
        for (index, key) in keys.iter().enumerate() {
            let genuine = key.hash(&message);
            let any = candidates
                .iter()
                .fold(Choice::from(0), |any, candidate| any | genuine.matches(candidate));
            if bool::from(any) && matched.is_none() {
                matched = Some(index);
            }
        }
        matched.ok_or(Reason::Mismatch { secrets: keys.len() })
    }

    /// The signed bytes, as the pieces they consist of.
    pub(crate) fn message<'r>(
        &'r self,
        request: &'r Request,
        timestamp: Option<&'r [u8]>,
    ) -> Result<Vec<&'r [u8]>, Reason> {
        let mut template_headers = self.template_headers.iter();
        let pieces = self.scheme.signed.pieces().iter();
        pieces
            .map(|piece| {
                Ok(match piece {
                    Piece::Text(text) => text.as_bytes(),
                    // `new` made sure that a signed timestamp, id or header has its place.
                    Piece::Timestamp => timestamp.unwrap_or_default(),
                    Piece::Body => &request.body,
                    Piece::Method => request.method.as_str().as_bytes(),
                    Piece::Path => request.path.as_bytes(),
                    Piece::Url => request.url.as_bytes(),
                    Piece::Id => match &self.id_header {
                        Some(name) => single(&request.headers, name)?,
                        None => b"",
                    },
                    Piece::Header(_) => match template_headers.next() {
                        Some(name) => single(&request.headers, name)?,
                        None => b"",
                    },
                })
            })
            .collect()
    }

    /// The entries of the signature header as (name, value), malformed ones left out.
    fn entries<'v>(&self, value: &'v [u8]) -> impl Iterator<Item = (&'v [u8], &'v [u8])> {
        let (between, joint) = match self.scheme.layout {
            Layout::Entries { between, joint, .. } => (between, joint),
            Layout::Single => ('\0', '\0'),
        };
        value.split(move |byte| char::from(*byte) == between).map(<[u8]>::trim_ascii).filter_map(
            move |entry| {
                let at = entry.iter().position(|byte| char::from(*byte) == joint)?;
                Some((entry.get(..at)?, entry.get(at + 1..)?))
            },
        )
    }

    /// The signatures that the header offers, in the version and shape that this scheme takes.
    fn candidates(&self, value: &[u8]) -> Result<Vec<Tag>, Reason> {
        let len = self.scheme.algorithm.output_len();
        let prefix = self.scheme.prefix.as_bytes();
        let decode =
            |text: &[u8]| Tag::decode(text.strip_prefix(prefix)?, self.scheme.encoding, len);
        let Layout::Entries { version, .. } = &self.scheme.layout else {
            return decode(value).map(|tag| vec![tag]).ok_or_else(|| self.malformed(""));
        };
        let mut of_version = self
            .entries(value)
            .filter(|(name, _)| *name == version.as_bytes())
            .map(|(_, value)| value)
            .peekable();
        if of_version.peek().is_none() {
            return Err(Reason::NoKnownVersion {
                header: self.header.clone(),
                version: version.clone().into_owned(),
            });
        }
        let candidates: Vec<Tag> = of_version.filter_map(decode).collect();
        if candidates.is_empty() {
            return Err(self.malformed(&format!("a list with an entry `{version}` of ")));
        }
        Ok(candidates)
    }

    fn malformed(&self, shape: &str) -> Reason {
        let encoded = describe(self.scheme.encoding, self.scheme.algorithm.output_len());
        let expected = match self.scheme.prefix.as_ref() {
            "" => format!("{shape}{encoded}"),
            prefix => format!("{shape}`{prefix}` and {encoded}"),
        };
        Reason::MalformedSignature { header: self.header.clone(), expected }
    }

    /// The timestamp's text, after making sure that it is near enough to now.
    fn timestamp<'r>(
        &self,
        headers: &'r HeaderMap,
        signature_header: &'r [u8],
        now: UnixTime,
    ) -> Result<Option<&'r [u8]>, Reason> {
        let Some(rule) = &self.scheme.timestamp else { return Ok(None) };
        let (header, text) = match (&rule.at, &self.timestamp_header) {
            (TimestampPlace::Header(_), Some(name)) => (name, single(headers, name)?),
            (TimestampPlace::Header(_), None) => return Ok(None),
            (TimestampPlace::Entry(entry), _) => {
                let mut found =
                    self.entries(signature_header).filter(|(name, _)| *name == entry.as_bytes());
                match (found.next(), found.next()) {
                    (Some((_, text)), None) => (&self.header, text),
                    // Two of them: readers disagree about which one counts.
                    _ => {
                        let header = self.header.clone();
                        let expected = "there exactly once";
                        return Err(Reason::MalformedTimestamp { header, expected });
                    }
                }
            }
        };
        let millis = millis(text, rule.format).ok_or_else(|| Reason::MalformedTimestamp {
            header: header.clone(),
            expected: match rule.format {
                TimestampFormat::Seconds => "a number of seconds in plain digits",
                TimestampFormat::Millis => "a number of milliseconds in plain digits",
            },
        })?;
        // A clock of whole seconds stands still for up to a second: compare in its own unit, so
        // that the limit is included whichever milliseconds now has.
        let now = match rule.format {
            TimestampFormat::Seconds => UnixTime::from_secs(now.as_secs()),
            TimestampFormat::Millis => now,
        };
        let age = now.as_millis().saturating_sub(millis);
        let distance = Duration::from_millis(age.unsigned_abs());
        let tolerance = rule.tolerance;
        if distance <= tolerance {
            Ok(Some(text))
        } else if age > 0 {
            Err(Reason::TimestampTooOld { age: distance, tolerance })
        } else {
            Err(Reason::TimestampInFuture { ahead: distance, tolerance })
        }
    }
}

fn names_an_entry(name: &str, between: char, joint: char) -> bool {
    !name.is_empty() && name.trim() == name && !name.contains([between, joint])
}

/// Strict: digits only, no sign, space, fraction or leading zero, and not longer than a moment that
/// can be told.
fn millis(text: &[u8], format: TimestampFormat) -> Option<i64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    if !digits || text.first() == Some(&b'0') {
        return None;
    }
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    match format {
        TimestampFormat::Seconds => number.checked_mul(1000),
        TimestampFormat::Millis => Some(number),
    }
}
