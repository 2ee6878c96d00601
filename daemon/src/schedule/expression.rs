//! Reads a cron expression, and says which part of it is wrong.
//!
//! `croner` reads expressions as a whole, takes names where numbers have to be, and says not where
//! an error is. So every item of every field is looked at by itself first.

use std::ops::Range;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil;
use jiff::tz::TimeZone;

use super::timing::Timing;

/// What is wrong with an expression, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// In bytes of the expression.
    pub(crate) span: Range<usize>,
    pub(crate) what: String,
    pub(crate) help: String,
}

/// The zones are looked for in the system's database, then in the one that is built in.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    jiff::tz::db().get(name).ok()
}

/// Every zone's name.
pub(crate) fn zone_names() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.to_string()).collect()
}

/// Reads an expression of five or six fields, to be followed in a zone.
pub(crate) fn read(text: &str, zone: (&str, TimeZone)) -> Result<Timing, Mistake> {
    let whole = |what: String, help: &str| Mistake { span: 0..text.len(), what, help: help.into() };
    let parts = parts(text);
    let fields = match parts.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        count => {
            let s = if count == 1 { "" } else { "s" };
            return Err(whole(
                format!("the expression has {count} field{s}, and needs five or six"),
                "they are minute, hour, day of the month, month and day of the week, with the second \
                 before them if there are six; `30 2 * * *` is 02:30 of every day",
            ));
        }
    };
    for (field, (part, start)) in fields.iter().zip(&parts) {
        for (item, at) in items(part, *start) {
            if !field.takes(&item.to_uppercase()) {
                let what = match item {
                    "" => format!("the list for the {} has an empty item", field.name),
                    item => format!("`{}` is no {}", item.escape_debug(), field.name),
                };
                let help = format!("{}; {}", field.values, field.forms);
                // Something to point at.
                let span =
                    if item.is_empty() { *start..start + part.len() } else { at..at + item.len() };
                return Err(Mistake { span, what, help });
            }
        }
    }
    let cron = parser(text)
        .map_err(|error| whole(format!("it cannot be read: {error}"), "write its items apart"))?;
    if never(text, parts.len()) {
        return Err(whole(
            "no day is like that".to_owned(),
            "look at the day and the month: there is no 30 February",
        ));
    }
    let hours = parts.get(parts.len() - 4).map_or("", |(hours, _)| hours);
    let any_hour = hours.contains('*') || cron.pattern.hours.values().len() == 24;
    Ok(Timing::new(text, cron, any_hour, zone))
}

fn parser(text: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(text)
}

/// Whether there is no such day. Every calendar comes round in 28 years; without a last year croner
/// looks through three thousand.
fn never(text: &str, fields: usize) -> bool {
    let seconds = if fields == 5 { "0 " } else { "" };
    let years = CronParser::builder().year(Year::Required).build();
    let within = years.parse(&format!("{seconds}{text} 2000-2028"));
    let start = civil::date(2000, 1, 1).at(0, 0, 0, 0);
    within.and_then(|cron| cron.find_next_occurrence(&start, true)).is_err()
}

/// One of the places of an expression.
struct Field {
    name: &'static str,
    /// What it can be.
    values: &'static str,
    /// The most that a step can be: a greater one would be none, and is meant as something else.
    most: u32,
    /// How it is written.
    forms: &'static str,
    /// Names that stand for numbers.
    names: &'static [&'static str],
    /// As an expression of six fields in which `@` is this one.
    alone: &'static str,
    /// Further forms, in upper case.
    special: fn(&str) -> bool,
}

const FORMS: &str = "write `5`, `5,20`, `5-20`, `*` or `*/5`";
const NAMED: &str = "write numbers or names, as `5`, `1,3`, `MON-FRI`, `*`";

const FIELDS: [Field; 6] = [
    Field {
        name: "second",
        values: "seconds are 0 to 59",
        most: 59,
        forms: FORMS,
        names: &[],
        alone: "@ * * * * *",
        special: |_| false,
    },
    Field {
        name: "minute",
        values: "minutes are 0 to 59",
        most: 59,
        forms: FORMS,
        names: &[],
        alone: "* @ * * * *",
        special: |_| false,
    },
    Field {
        name: "hour",
        values: "hours are 0 to 23",
        most: 23,
        forms: FORMS,
        names: &[],
        alone: "* * @ * * *",
        special: |_| false,
    },
    Field {
        name: "day of the month",
        values: "days are 1 to 31, `L` is the last one, `15W` the weekday nearest to the 15th",
        most: 31,
        forms: FORMS,
        names: &[],
        alone: "* * * @ * *",
        special: |item| item == "L" || item.strip_suffix('W').is_some_and(is_number),
    },
    Field {
        name: "month",
        values: "months are 1 to 12 or JAN to DEC",
        most: 12,
        forms: "write numbers or names, as `5`, `1,7`, `JUN-AUG`, `*/3`",
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
        alone: "* * * * @ *",
        special: |_| false,
    },
    Field {
        name: "day of the week",
        values: "days are SUN to SAT or 0 to 7, of which 0 and 7 are Sunday; `FRI#2` is the second \
                 Friday of a month, `FRI#L` the last",
        most: 6,
        forms: NAMED,
        names: &WEEKDAYS,
        alone: "* * * * * @",
        special: |item| {
            let Some((day, which)) = item.split_once('#') else { return false };
            (is_number(day) || WEEKDAYS.contains(&day))
                && matches!(which, "1" | "2" | "3" | "4" | "5" | "L")
        },
    },
];

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Field {
    /// Whether an item of a list, in upper case, is one that can be in this field.
    fn takes(&self, item: &str) -> bool {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let one = |text: &str| is_number(text) || self.names.contains(&text);
        let several = match range.split_once('-') {
            Some((from, to)) => one(from) && one(to),
            None => range == "*",
        };
        let form = match step {
            Some(step) => several && step.parse().is_ok_and(|step: u32| step <= self.most),
            None => several || one(range) || (self.special)(range),
        };
        form && parser(&self.alone.replace('@', item)).is_ok()
    }
}

fn is_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The fields, each with its place.
fn parts(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    for part in text.split(|c: char| c.is_ascii_whitespace()) {
        if !part.is_empty() {
            found.push((part, at));
        }
        at += part.len() + 1;
    }
    found
}

/// The items of a list, empty ones too, each with its place.
fn items(part: &str, start: usize) -> impl Iterator<Item = (&str, usize)> {
    let mut at = start;
    part.split(',').map(move |item| {
        let here = at;
        at += item.len() + 1;
        (item, here)
    })
}
