//! Reads values out of a parsed file and notes every problem with its place, instead of stopping
//! at the first one as a derived deserialiser does.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Draft, Severity, Span};
use super::keys::{self, Keys};

/// What was found wrong so far, and what must not be shown.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) drafts: Vec<Draft>,
    pub(super) secrets: Vec<Span>,
}

/// A value with the key it was given to. An element of a list keeps the key of the list.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Span,
    pub(super) span: Span,
    pub(super) value: &'a DeValue<'a>,
}

/// A table whose keys have been checked against those it may have.
#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    entries: Option<&'a DeTable<'a>>,
    keys: &'static Keys,
    /// The header or, of an inline table, the whole of it.
    pub(super) span: Span,
}

impl Problems {
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Draft {
        self.note(Severity::Error, span, message.into())
    }

    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Draft {
        self.note(Severity::Warning, span, message.into())
    }

    fn note(&mut self, severity: Severity, span: Span, message: String) -> &mut Draft {
        let at = self.drafts.len();
        self.drafts.push(Draft::new(severity, span, message));
        #[expect(clippy::indexing_slicing, reason = "pushed in the line above")]
        &mut self.drafts[at]
    }

    pub(super) fn has_errors(&self) -> bool {
        self.drafts.iter().any(|draft| draft.severity == Severity::Error)
    }

    /// Whether an error was noted after the first `count` notes.
    pub(super) fn errors_since(&self, count: usize) -> bool {
        self.drafts.iter().skip(count).any(|draft| draft.severity == Severity::Error)
    }

    /// Keeps the bytes of `span` out of every message.
    pub(super) fn hide(&mut self, span: Span) {
        self.secrets.push(span);
    }

    /// `expected` is a noun with its article; `example` is a value as it is written.
    pub(super) fn wrong_type(&mut self, entry: &Entry<'_>, expected: &str, example: &str) {
        let (key, found) = (entry.key, article(entry.value.type_str()));
        self.error(entry.span.clone(), format!("`{key}` must be {expected}, not {found}"))
            .label(format!("expected {expected}"))
            .help(format!("for example `{key} = {example}`"));
    }

    /// The value is of the right type and says something that cannot be.
    pub(super) fn invalid(
        &mut self,
        entry: &Entry<'_>,
        what: impl fmt::Display,
        example: &str,
    ) -> &mut Draft {
        let key = entry.key;
        self.error(entry.span.clone(), format!("`{key}`: {what}"))
            .help(format!("for example `{key} = {example}`"))
    }

    pub(super) fn text<'a>(&mut self, entry: &Entry<'a>, example: &str) -> Option<&'a str> {
        match entry.value {
            DeValue::String(text) => Some(text),
            _ => {
                self.wrong_type(entry, "text", example);
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, entry: &Entry<'_>) -> Option<bool> {
        match entry.value {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.wrong_type(entry, "true or false", "true");
                None
            }
        }
    }

    /// A whole number between `bounds`.
    pub(super) fn count(&mut self, entry: &Entry<'_>, bounds: RangeInclusive<u64>) -> Option<u64> {
        let example = bounds.start().max(&1).to_string();
        let DeValue::Integer(number) = entry.value else {
            self.wrong_type(entry, "a whole number", &example);
            return None;
        };
        let value = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
        match u64::try_from(value) {
            Ok(value) if bounds.contains(&value) => Some(value),
            _ => {
                self.out_of_bounds(entry, bounds.start(), bounds.end());
                None
            }
        }
    }

    /// Text such as `"2500ms"` or `"7d"`, between `bounds`.
    pub(super) fn duration(
        &mut self,
        entry: &Entry<'_>,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let example = Duration::from_secs(30).clamp(*bounds.start(), *bounds.end());
        let example = format!("\"{}\"", show_duration(example));
        let text = match entry.value {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                let key = entry.key;
                self.error(entry.span.clone(), format!("`{key}` needs a unit"))
                    .label("a duration is text with a unit")
                    .help(format!("for seconds write `{key} = \"{}s\"`", number.as_str()));
                return None;
            }
            _ => {
                self.wrong_type(entry, "a duration", &example);
                return None;
            }
        };
        match humantime::parse_duration(text) {
            Ok(value) if bounds.contains(&value) => Some(value),
            Ok(_) => {
                let (min, max) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
                self.out_of_bounds(entry, min, max);
                None
            }
            Err(error) => {
                let what = format!("{} is not a duration: {error}", show(text));
                self.invalid(entry, what, &example)
                    .help("units are ms, s, m, h, d; they add up, as in \"1h 30m\"");
                None
            }
        }
    }

    /// Text such as `"64MiB"`, or a number of bytes, between `bounds`.
    pub(super) fn size(&mut self, entry: &Entry<'_>, bounds: RangeInclusive<u64>) -> Option<u64> {
        let example = (1 << 20).clamp(*bounds.start(), *bounds.end());
        let example = format!("\"{}\"", show_size(example));
        let value = match entry.value {
            DeValue::String(text) => match ByteSize::from_str(text) {
                Ok(size) => size.as_u64(),
                Err(_) => {
                    let what = format!("{} is not a size", show(text));
                    self.invalid(entry, what, &example)
                        .help("units are B, KiB, MiB, GiB (1024 each) and KB, MB, GB (1000 each)");
                    return None;
                }
            },
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .map(|bytes| u64::try_from(bytes).unwrap_or(if bytes < 0 { 0 } else { u64::MAX }))
                .unwrap_or(u64::MAX),
            _ => {
                self.wrong_type(entry, "a size", &example);
                return None;
            }
        };
        let negative = matches!(entry.value, DeValue::Integer(n) if n.as_str().starts_with('-'));
        if bounds.contains(&value) && !negative {
            return Some(value);
        }
        self.out_of_bounds(entry, show_size(*bounds.start()), show_size(*bounds.end()));
        None
    }

    fn out_of_bounds(&mut self, entry: &Entry<'_>, min: impl fmt::Display, max: impl fmt::Display) {
        let key = entry.key;
        self.error(entry.span.clone(), format!("`{key}` must be between {min} and {max}"))
            .label(format!("not between {min} and {max}"));
    }

    /// The elements of a list, or the one value that stands for a list of one.
    pub(super) fn one_or_many<'a>(&mut self, entry: &Entry<'a>) -> Vec<Entry<'a>> {
        match entry.value {
            DeValue::Array(list) => list.iter().map(|value| entry.element(value)).collect(),
            _ => vec![entry.clone()],
        }
    }

    /// Text, or a list of texts, without repetition.
    pub(super) fn texts<'a>(
        &mut self,
        entry: &Entry<'a>,
        example: &str,
    ) -> Vec<(&'a str, Entry<'a>)> {
        let mut texts: Vec<(&str, Entry<'a>)> = Vec::new();
        for element in self.one_or_many(entry) {
            let Some(text) = self.text(&element, example) else { continue };
            if let Some((_, first)) = texts.iter().find(|(seen, _)| *seen == text) {
                let first = first.span.clone();
                let message = format!("`{}` lists {} twice", entry.key, show(text));
                self.error(element.span, message).also(first, "first here");
                continue;
            }
            texts.push((text, element));
        }
        texts
    }
}

impl<'a> Entry<'a> {
    pub(super) fn element(&self, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            key: self.key,
            key_span: self.key_span.clone(),
            span: value.span(),
            value: value.get_ref(),
        }
    }
}

impl<'a> Table<'a> {
    /// A table that is not in the file: every key of it has its default.
    pub(super) fn absent(keys: &'static Keys) -> Self {
        Self { entries: None, keys, span: 0..0 }
    }

    /// Checks the keys of `entry`, which must be a table.
    pub(super) fn open(
        entry: &Entry<'a>,
        keys: &'static Keys,
        problems: &mut Problems,
    ) -> Option<Self> {
        match entry.value {
            DeValue::Table(entries) => Some(Self::of(entries, entry.span.clone(), keys, problems)),
            _ => {
                problems.wrong_type(entry, "a table", keys.example);
                None
            }
        }
    }

    /// Checks the keys of `entries`.
    pub(super) fn of(
        entries: &'a DeTable<'a>,
        span: Span,
        keys: &'static Keys,
        problems: &mut Problems,
    ) -> Self {
        for (key, value) in entries {
            let name = key.get_ref();
            if keys.contains(name) {
                continue;
            }
            if keys.secret || keys::sounds_secret(name) {
                problems.hide(value.span());
            }
            let message = format!("unknown key `{}` in {}", bare(name), keys.table);
            let draft = problems.error(key.span(), message);
            if let Some(near) = nearest(name, keys.names.iter().copied()) {
                draft.label(format!("did you mean `{near}`?"));
            } else if let Some(home) = keys::home_of(name) {
                draft.label("not here").help(format!("`{}` is a key of {home}", bare(name)));
            } else {
                draft.label("not known").help(format!("the keys are {}", keys.list()));
            }
        }
        Self { entries: Some(entries), keys, span }
    }

    /// The entry of a key that the table may have.
    pub(super) fn entry(&self, key: &'static str) -> Option<Entry<'a>> {
        debug_assert!(self.keys.contains(key), "{key} is not listed for {}", self.keys.table);
        let (key, value) = self.entries?.get_key_value(key)?;
        Some(Entry {
            key: key.get_ref(),
            key_span: key.span(),
            span: value.span(),
            value: value.get_ref(),
        })
    }

    /// The table under `key`; an absent or wrong one reads as one without keys.
    pub(super) fn table(
        &self,
        key: &'static str,
        keys: &'static Keys,
        problems: &mut Problems,
    ) -> Self {
        self.entry(key)
            .and_then(|entry| Self::open(&entry, keys, problems))
            .unwrap_or_else(|| Self::absent(keys))
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
        problems: &mut Problems,
    ) -> Duration {
        self.entry(key).and_then(|e| problems.duration(&e, bounds)).unwrap_or(default)
    }

    /// In bytes.
    pub(super) fn size(
        &self,
        key: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> u64 {
        self.entry(key).and_then(|e| problems.size(&e, bounds)).unwrap_or(default)
    }

    pub(super) fn count(
        &self,
        key: &'static str,
        default: usize,
        bounds: RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> usize {
        self.entry(key)
            .and_then(|e| problems.count(&e, bounds))
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(default)
    }

    pub(super) fn boolean(
        &self,
        key: &'static str,
        default: bool,
        problems: &mut Problems,
    ) -> bool {
        self.entry(key).and_then(|e| problems.boolean(&e)).unwrap_or(default)
    }
}

/// The name most like `name`, if one is. Capitals make no difference.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer text is no typing mistake, and the comparison costs its square.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase();
    known
        .into_iter()
        .filter(|known| known.len() <= 128)
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Text from the file, in quotes, short and on one line.
pub(super) fn show(text: &str) -> String {
    format!("\"{}\"", bare(text))
}

/// Text from the file, short and on one line.
pub(super) fn bare(text: &str) -> String {
    const LONGEST: usize = 80;
    let short: String = text.chars().take(LONGEST).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", short.escape_debug())
}

/// As a person would write it.
pub(super) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// As a person would write it.
pub(super) fn show_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    match noun {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        _ => format!("{} {noun}", if vowel { "an" } else { "a" }),
    }
}
