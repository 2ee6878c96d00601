//! When a schedule fires: a cron expression in a time zone, daylight saving included.
//!
//! Where the hours are named, every local time has one moment: one that occurs twice its first, one
//! that does not exist the first moment after the gap. Where they are not (`*`, `*/2`, all of them),
//! the expression follows the time that passes: what does not exist is left out, and an hour that
//! occurs twice is run through twice.

use std::fmt;

use croner::Cron;
use hookyard_types::Timestamp;
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A cron expression with its time zone. Equal when they are written the same.
#[derive(Clone)]
pub(crate) struct Timing {
    expression: String,
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
    /// The hours are not named: see the module.
    any_hour: bool,
}

impl Timing {
    /// `any_hour` says that the expression's hours are not named. The expression has an occurrence.
    pub(super) fn new(
        expression: &str,
        cron: Cron,
        any_hour: bool,
        (zone_name, zone): (&str, TimeZone),
    ) -> Self {
        let (expression, zone_name) = (expression.to_owned(), zone_name.to_owned());
        Self { expression, cron, zone, zone_name, any_hour }
    }

    /// As it was written.
    pub(crate) fn expression(&self) -> &str {
        &self.expression
    }

    /// The IANA name.
    pub(crate) fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// The moment in the schedule's own time, with its offset.
    pub(crate) fn local(&self, at: Timestamp) -> String {
        self.zoned(at)
            .map_or_else(String::new, |at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }

    /// The first time that is later than `after`; `None` when there is none.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = self.zoned(after)?;
        if self.any_hour {
            return Some(moment(&self.cron.find_next_occurrence(&from, false).ok()?));
        }
        let mut civil = from.datetime();
        loop {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            // Not later: one of an hour that occurs twice, after its first.
            let at = self.moment_of(civil)?;
            if at > after {
                return Some(at);
            }
        }
    }

    /// The last time that is not later than `until`; `None` when there is none.
    fn last(&self, until: Timestamp) -> Option<Timestamp> {
        let from = self.zoned(until)?;
        if self.any_hour {
            return Some(moment(&self.cron.find_previous_occurrence(&from, true).ok()?));
        }
        let mut civil = from.datetime();
        // In the second pass of an hour that occurs twice, all of the first is past.
        if let AmbiguousOffset::Fold { before, after } =
            self.zone.to_ambiguous_timestamp(civil).offset()
            && from.offset() == after
        {
            civil = before.to_datetime(from.timestamp());
        }
        let mut inclusive = true;
        loop {
            civil = self.cron.find_previous_occurrence(&civil, inclusive).ok()?;
            inclusive = false;
            let at = self.moment_of(civil)?;
            if at <= until {
                return Some(at);
            }
        }
    }

    /// The latest times in `(after, until]`, at most `max`, in order.
    pub(super) fn latest(
        &self,
        after: Timestamp,
        until: Timestamp,
        max: usize,
    ) -> std::collections::VecDeque<Timestamp> {
        let mut times = std::collections::VecDeque::new();
        let mut before = until;
        while times.len() < max
            && let Some(at) = self.last(before).filter(|at| *at > after)
        {
            times.push_front(at);
            before = Timestamp::from_millis(at.as_millis() - 1);
        }
        times
    }

    /// The one moment of a local time.
    fn moment_of(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        let moment = match ambiguous.offset() {
            // The offset after the gap is the greater one: by it, the time is before the gap.
            AmbiguousOffset::Gap { after, .. } => {
                let before_gap = after.to_timestamp(civil).ok()?;
                self.zone.following(before_gap).next()?.timestamp()
            }
            _ => ambiguous.earlier().ok()?,
        };
        Some(Timestamp::from_millis(moment.as_millisecond()))
    }

    /// In whole seconds, rounded down.
    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let seconds = at.as_millis().div_euclid(1000);
        Some(Zoned::new(jiff::Timestamp::from_second(seconds).ok()?, self.zone.clone()))
    }
}

fn moment(at: &Zoned) -> Timestamp {
    Timestamp::from_millis(at.timestamp().as_millisecond())
}

impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone_name == other.zone_name
    }
}

/// `30 2 * * * Europe/Berlin`: what the store compares.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.expression, self.zone_name)
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
