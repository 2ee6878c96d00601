//! How signatures sit in their header: reading the entries, lists and versions that senders write.

use http::HeaderName;
use smallvec::{SmallVec, smallvec};

use crate::reason::Reason;
use crate::scheme::{Construction, Layout, TemplateScheme, TimestampPlace};
use crate::setup::SetupError;
use crate::template::Piece;
use crate::template_key::{Candidate, describe};

/// The most lists of [`Layout::Groups`] that are read. Each costs a hash of the body.
const MOST_GROUPS: usize = 4;

/// The most signatures of key pairs that are read in one header. Each costs a hash of the body.
const MOST_SIGNATURES: usize = 8;

/// The part of a scheme that says how its header is written.
#[derive(Clone, Copy)]
pub(crate) struct Carrier<'s> {
    scheme: &'s TemplateScheme,
    /// The name of the entry with the timestamp.
    entry: Option<&'s str>,
    /// Whether the first item is the timestamp.
    first: bool,
    /// The name of an entry that is signed besides.
    nonce: Option<&'s str>,
}

/// What one signature header, or one list in it, offers.
pub(crate) struct Offer<'v> {
    pub(crate) marks: Marks<'v>,
    list: &'v [u8],
}

/// What a list says besides its signatures, and what is signed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks<'v> {
    pub(crate) timestamp: Option<&'v [u8]>,
    pub(crate) nonce: Option<&'v [u8]>,
}

/// What was signed of a list and the signatures that may match.
pub(crate) type Candidates<'v> = (Marks<'v>, SmallVec<[Candidate; 1]>);

/// What a header offers: one thing, save in lists of lists.
pub(crate) type Offers<'v> = SmallVec<[Result<Offer<'v>, Reason>; 1]>;

impl<'s> Carrier<'s> {
    pub(crate) fn of(scheme: &'s TemplateScheme) -> Self {
        let (entry, first) = match scheme.timestamp.as_ref().map(|rule| &rule.at) {
            Some(TimestampPlace::Entry(name)) => (Some(name.as_ref()), false),
            Some(TimestampPlace::First) => (None, true),
            Some(TimestampPlace::Header(_) | TimestampPlace::Body(_)) | None => (None, false),
        };
        let nonce = scheme.signed.pieces().iter().find_map(|piece| match piece {
            Piece::Entry(name) => Some(name.as_ref()),
            _ => None,
        });
        Self { scheme, entry, first, nonce }
    }

    /// The header's value with one signature of the way at `way`.
    pub(crate) fn write(
        &self,
        way: usize,
        signature: &str,
        timestamp: Option<&str>,
        nonce: Option<&str>,
    ) -> String {
        match &self.scheme.layout {
            Layout::Single => signature.to_owned(),
            Layout::Entries { between, joint, .. } | Layout::Groups { between, joint, .. } => {
                let version = self.versions().nth(way).unwrap_or_default();
                let marks = [(self.entry, timestamp), (self.nonce, nonce)];
                let marks = marks.into_iter().filter_map(|(name, text)| Some((name?, text?)));
                marks.fold(String::new(), |list, (name, text)| {
                    format!("{list}{name}{joint}{text}{between}")
                }) + &format!("{version}{joint}{signature}")
            }
            Layout::Positional { between } => {
                format!("{}{between}{signature}", timestamp.unwrap_or_default())
            }
            Layout::Beside { label, between } => {
                format!("{label}{}{between}{signature}", timestamp.unwrap_or_default())
            }
        }
    }

    /// The names of the versions, in the order of the scheme's ways; none without a list.
    fn versions(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        let own = match &self.scheme.layout {
            Layout::Entries { version, .. } | Layout::Groups { version, .. } => {
                Some(version.as_ref())
            }
            Layout::Single | Layout::Positional { .. } | Layout::Beside { .. } => None,
        };
        own.into_iter().chain(self.scheme.versions.iter().map(|version| version.name.as_ref()))
    }

    /// Whether the separators and names can be told from what stands between them.
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        let prefix = &self.scheme.prefix;
        let splits = |mark: char| {
            !mark.is_ascii()
                || mark.is_ascii_alphanumeric()
                || "+/=-_".contains(mark)
                || prefix.contains(mark)
        };
        let invalid = match &self.scheme.layout {
            Layout::Single => !self.scheme.versions.is_empty(),
            Layout::Entries { between, joint, .. } => {
                splits(*between) || !self.names(*between, *joint)
            }
            Layout::Groups { apart, between, joint, .. } => {
                splits(*apart)
                    || splits(*between)
                    || apart == between
                    || apart == joint
                    || self.versions().any(|version| version.contains(*apart))
                    || !self.names(*between, *joint)
            }
            Layout::Positional { between } => splits(*between) || !self.scheme.versions.is_empty(),
            Layout::Beside { label, between } => {
                splits(*between) || label.contains(*between) || !self.scheme.versions.is_empty()
            }
        };
        // One is read; a second name would stand for it unseen.
        let another = self.scheme.signed.pieces().iter().any(|piece| match piece {
            Piece::Entry(name) => self.nonce != Some(name.as_ref()),
            _ => false,
        });
        if invalid || another {
            return Err(SetupError::InvalidEntries);
        }
        let lists = matches!(self.scheme.layout, Layout::Entries { .. } | Layout::Groups { .. });
        let positional = matches!(self.scheme.layout, Layout::Positional { .. });
        let beside = matches!(self.scheme.layout, Layout::Beside { .. });
        let in_body = matches!(
            self.scheme.timestamp.as_ref().map(|rule| &rule.at),
            Some(TimestampPlace::Body(_))
        );
        let named = self.entry.is_some() || self.nonce.is_some();
        if (named && !lists) || self.first != positional || (beside && !in_body) {
            return Err(SetupError::EntryWithoutList);
        }
        Ok(())
    }

    /// Whether the versions and the timestamp have names of their own.
    fn names(&self, between: char, joint: char) -> bool {
        let named = |name: &str| {
            !name.is_empty() && name.trim() == name && !name.contains([between, joint])
        };
        let mut names: Vec<&str> = self.versions().chain(self.entry).chain(self.nonce).collect();
        let all = joint.is_ascii() && between != joint && names.iter().all(|name| named(name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        all && names.len() == count
    }

    /// What a header's value offers, each with its own timestamp.
    pub(crate) fn offers<'v>(
        &self,
        header: &HeaderName,
        value: &'v [u8],
    ) -> Result<Offers<'v>, Reason> {
        match &self.scheme.layout {
            Layout::Groups { apart, .. } => {
                let offers: Offers<'_> = split(value, *apart)
                    .filter(|list| !list.is_empty())
                    .take(MOST_GROUPS + 1)
                    .map(|list| self.offer(header, list))
                    .collect();
                if offers.is_empty() || offers.len() > MOST_GROUPS {
                    let expected = format!("one to {MOST_GROUPS} lists");
                    return Err(Reason::MalformedSignature { header: header.clone(), expected });
                }
                Ok(offers)
            }
            Layout::Single | Layout::Entries { .. } => Ok(smallvec![self.offer(header, value)]),
            Layout::Positional { between } => {
                let (first, rest) = split_once(value, *between)
                    .ok_or_else(|| self.malformed(header, &|way| way == 0))?;
                let marks = Marks { timestamp: Some(first.trim_ascii()), nonce: None };
                Ok(smallvec![Ok(Offer { marks, list: rest })])
            }
            Layout::Beside { label, between } => {
                let (first, rest) = split_once(value, *between)
                    .and_then(|(first, rest)| Some((first.strip_prefix(label.as_bytes())?, rest)))
                    .ok_or_else(|| self.malformed(header, &|way| way == 0))?;
                let marks = Marks { timestamp: Some(first), nonce: None };
                Ok(smallvec![Ok(Offer { marks, list: rest })])
            }
        }
    }

    fn offer<'v>(&self, header: &HeaderName, list: &'v [u8]) -> Result<Offer<'v>, Reason> {
        // Two of them: readers disagree about which one counts.
        let once = |name: &str| {
            let mut found = self.entries(list).filter(|(found, _)| *found == name.as_bytes());
            match (found.next(), found.next()) {
                (Some((_, text)), None) if !text.is_empty() => Some(text),
                _ => None,
            }
        };
        let mut marks = Marks::default();
        if let Some(entry) = self.entry {
            let malformed = || Reason::MalformedTimestamp {
                header: header.clone(),
                expected: "there exactly once",
            };
            marks.timestamp = Some(once(entry).ok_or_else(malformed)?);
        }
        if let Some(nonce) = self.nonce {
            let malformed = || Reason::MalformedSignature {
                header: header.clone(),
                expected: format!("a list with exactly one entry `{nonce}`"),
            };
            marks.nonce = Some(once(nonce).ok_or_else(malformed)?);
        }
        Ok(Offer { marks, list })
    }

    /// The entries of a list as (name, value), malformed ones left out.
    fn entries<'v>(&self, list: &'v [u8]) -> impl Iterator<Item = (&'v [u8], &'v [u8])> + use<'v> {
        let (between, joint) = match self.scheme.layout {
            Layout::Entries { between, joint, .. } | Layout::Groups { between, joint, .. } => {
                (between, joint)
            }
            Layout::Single | Layout::Positional { .. } | Layout::Beside { .. } => ('\0', '\0'),
        };
        split(list, between).filter_map(move |entry| split_once(entry.trim_ascii(), joint))
    }

    /// The signatures of a list, in the shape that this scheme takes and of one of `ways`.
    fn candidates(
        &self,
        header: &HeaderName,
        list: &[u8],
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<SmallVec<[Candidate; 1]>, Reason> {
        let own = self.scheme.construction;
        let found: SmallVec<[Candidate; 1]> = match &self.scheme.layout {
            Layout::Single | Layout::Beside { .. } => {
                self.decode(list, 0, own).into_iter().collect()
            }
            Layout::Positional { between } => {
                let items = split(list, *between);
                items.filter_map(|item| self.decode(item.trim_ascii(), 0, own)).collect()
            }
            Layout::Entries { .. } | Layout::Groups { .. } => {
                let named = || {
                    let ways = self.versions().zip(self.scheme.ways()).enumerate();
                    ways.filter(|(way, _)| wanted(*way))
                };
                let mut known = self
                    .entries(list)
                    .filter_map(|(name, text)| {
                        let known = named().find(|(_, (known, _))| known.as_bytes() == name)?;
                        let (way, (_, (construction, _))) = known;
                        Some((way, construction, text))
                    })
                    .peekable();
                if known.peek().is_none() {
                    let names: Vec<&str> = named().map(|(_, (name, _))| name).collect();
                    let (header, version) = (header.clone(), names.join("` or `"));
                    return Err(Reason::NoKnownVersion { header, version });
                }
                known.filter_map(|(way, how, text)| self.decode(text, way, how)).collect()
            }
        };
        if found.is_empty() {
            return Err(self.malformed(header, wanted));
        }
        if found.iter().filter(|candidate| candidate.is_of_key_pair()).count() > MOST_SIGNATURES {
            let expected = format!("a list with at most {MOST_SIGNATURES} signatures");
            return Err(Reason::MalformedSignature { header: header.clone(), expected });
        }
        Ok(found)
    }

    fn decode(&self, text: &[u8], way: usize, construction: Construction) -> Option<Candidate> {
        let scheme = self.scheme;
        let bare = match text.strip_prefix(scheme.prefix.as_bytes()) {
            None if scheme.prefix_optional => text,
            stripped => stripped?,
        };
        Candidate::decode(bare, scheme.encoding, way, construction)
    }

    fn malformed(&self, header: &HeaderName, wanted: &dyn Fn(usize) -> bool) -> Reason {
        let prefix = match self.scheme.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("`{prefix}` and "),
        };
        let mut expected = Vec::new();
        for (way, (construction, _)) in self.scheme.ways().enumerate() {
            if !wanted(way) {
                continue;
            }
            let shape = match &self.scheme.layout {
                Layout::Single => String::new(),
                Layout::Positional { .. } | Layout::Beside { .. } => "a timestamp and ".to_owned(),
                Layout::Entries { .. } | Layout::Groups { .. } => {
                    let version = self.versions().nth(way).unwrap_or_default();
                    format!("a list with an entry `{version}` of ")
                }
            };
            let encoded = describe(self.scheme.encoding, construction);
            expected.push(format!("{shape}{prefix}{encoded}"));
        }
        let expected = expected.join(", or ");
        Reason::MalformedSignature { header: header.clone(), expected }
    }
}

impl<'v> Offer<'v> {
    /// The offer's signatures of the ways that are wanted.
    pub(crate) fn read(
        self,
        carrier: &Carrier<'_>,
        header: &HeaderName,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<Candidates<'v>, Reason> {
        Ok((self.marks, carrier.candidates(header, self.list, wanted)?))
    }
}

/// The parts of `list` that have `between`, a character of ASCII, between them.
fn split(list: &[u8], between: char) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let Some((part, after)) = split_once(list, between) else { return Some(list) };
        rest = Some(after);
        Some(part)
    })
}

/// What is before and after the first `between`, a character of ASCII.
fn split_once(text: &[u8], between: char) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(u8::try_from(between).ok()?, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use super::*;
    use crate::scheme::{Algorithm, TimestampFormat, TimestampRule};

    /// A timestamp after `label` that is the one in the body.
    fn beside(label: &'static str, between: char, at: TimestampPlace) -> TemplateScheme {
        let mut scheme = TemplateScheme::new(Algorithm::Sha1, "x-signature");
        scheme.layout = Layout::Beside { label: Cow::Borrowed(label), between };
        let (format, tolerance) = (TimestampFormat::Millis, Duration::from_secs(300));
        scheme.timestamp = Some(TimestampRule { at, format, tolerance });
        scheme
    }

    #[test]
    fn a_timestamp_beside_a_signature_is_that_of_the_body() {
        let body = || TimestampPlace::Body("/timestamp".into());
        let check = |scheme: &TemplateScheme| Carrier::of(scheme).check();
        assert_eq!(check(&beside("t=", ';', body())), Ok(()));
        let entry = TimestampPlace::Entry("t".into());
        assert_eq!(check(&beside("t=", ';', entry)), Err(SetupError::EntryWithoutList));
        for between in ['=', 'a', '+'] {
            let error = check(&beside("t=", between, body()));
            assert_eq!(error, Err(SetupError::InvalidEntries), "{between}");
        }
    }

    #[test]
    fn what_stands_beside_a_signature_is_read_strictly() {
        let scheme = beside("t=", ';', TimestampPlace::Body("/timestamp".into()));
        let header = HeaderName::from_static("x-signature");
        let zeros = "0".repeat(40);
        let read = |value: &str| {
            let carrier = Carrier::of(&scheme);
            let offers = carrier.offers(&header, value.as_bytes())?;
            assert_eq!(offers.len(), 1);
            let offer = offers.into_iter().next().expect("one")?;
            let timestamp = offer.marks.timestamp.map(<[u8]>::to_vec);
            offer.read(&carrier, &header, &|way| way == 0).map(|(_, tags)| (timestamp, tags.len()))
        };
        assert_eq!(read(&format!("t=17;{zeros}")), Ok((Some(b"17".to_vec()), 1)));
        for wrong in [
            format!("17;{zeros}"),
            format!(" t=17;{zeros}"),
            format!("t=17;{zeros};{zeros}"),
            format!("t=17; {zeros}"),
            format!("t=17,{zeros}"),
            "t=17;".to_owned(),
            String::new(),
            zeros,
        ] {
            assert_eq!(read(&wrong).expect_err(&wrong).label(), "malformed-signature", "{wrong}");
        }
    }
}
