//! Reads `[[schedule]]` tables.

use std::time::Duration;

use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::diagnostic::{Span, line_of};
use super::keys;
use super::model::{Overlap, Schedule};
use super::reader::{Entry, Problems, Table, nearest, show};
use super::route::{self, Handlers, NAME_RULE};
use super::scheme::one_of;
use super::sections;
use crate::schedule::{Missed, Timing, expression};

/// How many missed times are made up for with `missed = "all"`, if nothing is said, and at most.
const MISSED_MAX: usize = 100;
const MOST_MISSED: u64 = 1000;

/// The longest jitter. A firing is never put off past the next one, however long it is.
const LONGEST_JITTER: Duration = Duration::from_secs(24 * 3600);

/// Every schedule that is right.
pub(super) fn schedules(root: &Table<'_>, text: &str, problems: &mut Problems) -> Vec<Schedule> {
    let Some(entry) = root.entry("schedule") else { return Vec::new() };
    let list = match entry.value {
        DeValue::Array(list) => list,
        DeValue::Table(_) => {
            problems
                .error(entry.span, "schedules are a list")
                .label("one bracket too few")
                .help("write `[[schedule]]`, with two brackets, for each schedule");
            return Vec::new();
        }
        _ => {
            let example = "[{ name = \"nightly\", cron = \"30 2 * * *\" }]";
            problems.wrong_type(&entry, "a list of tables", example);
            return Vec::new();
        }
    };
    let mut schedules = Vec::new();
    let mut names: Vec<(&str, Span)> = Vec::new();
    for value in list {
        let Some(table) = Table::open(&entry.element(value), &keys::SCHEDULE, problems) else {
            continue;
        };
        let name = name(&table, &mut names, problems);
        schedules.extend(schedule(&table, name, text, problems));
    }
    schedules
}

fn name<'a>(
    table: &Table<'a>,
    names: &mut Vec<(&'a str, Span)>,
    problems: &mut Problems,
) -> Option<&'a str> {
    const EXAMPLE: &str = "\"nightly\"";
    let Some(entry) = table.entry("name") else {
        problems
            .error(table.span.clone(), "the schedule has no `name`")
            .help(format!("for example `name = {EXAMPLE}`"))
            .help("it tells the schedule's last run, and its events, from those of others");
        return None;
    };
    let name = problems.text(&entry, EXAMPLE)?;
    if !route::is_name(name) {
        let what = format!("{} cannot name a schedule", show(name));
        problems.invalid(&entry, what, EXAMPLE).help(NAME_RULE);
        return None;
    }
    if let Some((_, first)) = names.iter().find(|(known, _)| *known == name) {
        let first = first.clone();
        problems
            .error(entry.span, format!("two schedules are called `{name}`"))
            .also(first, "the first one")
            .help("give one of them another `name`");
        return None;
    }
    names.push((name, entry.span));
    Some(name)
}

fn schedule(
    table: &Table<'_>,
    name: Option<&str>,
    text: &str,
    problems: &mut Problems,
) -> Option<Schedule> {
    let before = problems.drafts.len();
    let zone = match table.entry("timezone") {
        None => Some(("UTC", TimeZone::UTC)),
        Some(entry) => zone(&entry, problems),
    };
    let timing = timing(table, zone, text, problems);
    let overlap = overlap(table, problems);
    let handlers = Handlers { of: "schedule", keys: &keys::CONSUMER, taken: &[] };
    let schedule = Schedule {
        name: name.unwrap_or_default().to_owned(),
        line: line_of(text, table.span.start),
        jitter: table.duration("jitter", Duration::ZERO, Duration::ZERO..=LONGEST_JITTER, problems),
        handlers: route::handlers(table, handlers, problems),
        missed: missed(table, overlap, problems),
        overlap: overlap.unwrap_or(Overlap::Skip),
        data: table.entry("data").and_then(|entry| sections::json(&entry, problems)),
        timing: timing?,
    };
    (name.is_some() && !problems.errors_since(before)).then_some(schedule)
}

fn zone<'a>(entry: &Entry<'a>, problems: &mut Problems) -> Option<(&'a str, TimeZone)> {
    const EXAMPLE: &str = "\"Europe/Berlin\"";
    let name = problems.text(entry, EXAMPLE)?;
    // As it is written there: a zone of another case would be another schedule for the store.
    let names = expression::zone_names();
    let is_name = name == "UTC" || names.iter().any(|known| known == name);
    if let Some(zone) = expression::zone(name).filter(|_| is_name) {
        return Some((name, zone));
    }
    let draft = problems.invalid(entry, format!("{} is not a time zone", show(name)), EXAMPLE);
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => draft.label(format!("did you mean {}?", show(near))),
        None => {
            draft.help("zones have the names of the IANA database, as \"UTC\" and \"Asia/Tokyo\"")
        }
    };
    None
}

fn timing(
    table: &Table<'_>,
    zone: Option<(&str, TimeZone)>,
    text: &str,
    problems: &mut Problems,
) -> Option<Timing> {
    const EXAMPLE: &str = "\"30 2 * * *\"";
    let Some(entry) = table.entry("cron") else {
        problems
            .error(table.span.clone(), "the schedule has no `cron`")
            .help(format!("for example `cron = {EXAMPLE}`, for 02:30 of every day"));
        return None;
    };
    let cron = problems.text(&entry, EXAMPLE)?;
    // An expression is wrong in any zone.
    let (right, zone) = (zone.is_some(), zone.unwrap_or(("UTC", TimeZone::UTC)));
    match expression::read(cron, zone) {
        Ok(timing) => right.then_some(timing),
        Err(mistake) => {
            let span = inside(&entry.span, cron, text, &mistake.span);
            problems.error(span, format!("`cron`: {}", mistake.what)).help(mistake.help);
            None
        }
    }
}

/// A place in a text that the file has between quotes; all of it, where that is written otherwise.
fn inside(value: &Span, written: &str, file: &str, part: &Span) -> Span {
    let quoted = file.get(value.clone()).and_then(|literal| {
        let mut quotes = literal.char_indices().filter(|(_, c)| matches!(c, '"' | '\''));
        let (start, quote) = quotes.next()?;
        let rest = literal.get(start + quote.len_utf8()..)?;
        rest.strip_suffix(quote).filter(|inner| *inner == written)
    });
    match quoted {
        Some(_) if !part.is_empty() => value.start + 1 + part.start..value.start + 1 + part.end,
        _ => value.clone(),
    }
}

/// Nothing when it was not understood.
fn overlap(table: &Table<'_>, problems: &mut Problems) -> Option<Overlap> {
    let Some(entry) = table.entry("overlap") else { return Some(Overlap::Skip) };
    match one_of(&entry, &["skip", "queue", "allow"], problems)? {
        "queue" => Some(Overlap::Queue),
        "allow" => Some(Overlap::Allow),
        _ => Some(Overlap::Skip),
    }
}

fn missed(table: &Table<'_>, overlap: Option<Overlap>, problems: &mut Problems) -> Missed {
    let entry = table.entry("missed");
    let word = entry.as_ref().map(|entry| one_of(entry, &["skip", "one", "all"], problems));
    let max = table.count("missed_max", MISSED_MAX, 1..=MOST_MISSED, problems);
    if let Some(max) = table.entry("missed_max")
        // A word that was not understood says nothing about the bound.
        && !matches!(word, Some(Some("all") | None))
    {
        problems
            .error(
                max.key_span,
                "`missed_max` is for schedules that make up for all that they missed",
            )
            .help("add `missed = \"all\"` or remove `missed_max`");
    }
    match (word.flatten(), entry) {
        (Some("skip"), _) => Missed::Skip,
        (Some("all"), Some(entry)) => {
            if overlap == Some(Overlap::Skip) {
                problems
                    .error(entry.span, "`missed = \"all\"` cannot be with `overlap = \"skip\"`")
                    .label("the first of them would be going, so the others would be left out")
                    .help(
                        "add `overlap = \"queue\"`, to run them one after the other, or \
                         `overlap = \"allow\"`",
                    );
            }
            Missed::All { max }
        }
        _ => Missed::One,
    }
}
