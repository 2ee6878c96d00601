//! Reading and writing the moments that senders put beside their signatures.

use std::time::{Duration, UNIX_EPOCH};

use crate::reason::Reason;
use crate::request::UnixTime;
use crate::scheme::TimestampFormat;

/// From here on a number is of milliseconds, where it may be of either.
const MILLIS_FROM: i64 = 100_000_000_000;

const DAY: i64 = 86_400;

/// Milliseconds since the epoch, of a text in exactly this format. Numbers are digits only: no sign,
/// space, fraction or leading zero, and not longer than a moment that can be told.
pub(crate) fn read(text: &[u8], format: TimestampFormat) -> Option<i64> {
    match format {
        TimestampFormat::Rfc3339 => return rfc3339(std::str::from_utf8(text).ok()?),
        TimestampFormat::HttpDate => return http_date(std::str::from_utf8(text).ok()?),
        TimestampFormat::Seconds | TimestampFormat::Millis | TimestampFormat::SecondsOrMillis => {}
    }
    let digits = text.iter().all(u8::is_ascii_digit);
    if !digits || text.first() == Some(&b'0') {
        return None;
    }
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    match format {
        TimestampFormat::SecondsOrMillis if number >= MILLIS_FROM => Some(number),
        TimestampFormat::Seconds | TimestampFormat::SecondsOrMillis => number.checked_mul(1000),
        _ => Some(number),
    }
}

/// Makes sure that the moment that `text` tells is at most `past` before now and `future` after it.
pub(crate) fn near(
    text: &[u8],
    format: TimestampFormat,
    (past, future): (Duration, Duration),
    now: UnixTime,
    malformed: impl FnOnce() -> Reason,
) -> Result<(), Reason> {
    let millis = read(text, format).ok_or_else(malformed)?;
    // A clock of whole seconds stands still for up to a second: compare in its own unit, so
    // that the limit is included whichever milliseconds now has.
    let now = match format {
        TimestampFormat::Millis => now,
        TimestampFormat::SecondsOrMillis if millis % 1000 != 0 => now,
        _ => UnixTime::from_secs(now.as_secs()),
    };
    let age = now.as_millis().saturating_sub(millis);
    let distance = Duration::from_millis(age.unsigned_abs());
    if age > 0 && distance > past {
        Err(Reason::TimestampTooOld { age: distance, tolerance: past })
    } else if age < 0 && distance > future {
        Err(Reason::TimestampInFuture { ahead: distance, tolerance: future })
    } else {
        Ok(())
    }
}

/// The text that a sender writes at `now`.
pub(crate) fn write(now: UnixTime, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::Seconds | TimestampFormat::SecondsOrMillis => now.as_secs().to_string(),
        TimestampFormat::HttpDate => {
            let since = Duration::from_secs(now.as_secs().clamp(0, LAST_OF_HTTP).unsigned_abs());
            UNIX_EPOCH.checked_add(since).map(httpdate::fmt_http_date).unwrap_or_default()
        }
        TimestampFormat::Millis => now.as_millis().to_string(),
        TimestampFormat::Rfc3339 => {
            let (days, second) = (now.as_secs().div_euclid(DAY), now.as_secs().rem_euclid(DAY));
            let (year, month, day) = date(days);
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        }
    }
}

/// What a text in this format looks like, for an error.
pub(crate) fn describe(format: TimestampFormat) -> &'static str {
    match format {
        TimestampFormat::Seconds => "a number of seconds in plain digits",
        TimestampFormat::Millis => "a number of milliseconds in plain digits",
        TimestampFormat::Rfc3339 => "a date and time such as 2025-06-15T15:06:40Z",
        TimestampFormat::HttpDate => "a date and time such as Sun, 15 Jun 2025 15:06:40 GMT",
        TimestampFormat::SecondsOrMillis => "a number of seconds or milliseconds in plain digits",
    }
}

/// The last second that a date of HTTP can tell: its years have four digits.
const LAST_OF_HTTP: i64 = 253_402_300_799;

/// The form that HTTP prefers, to the letter. (The crate reads the obsolete ones as well.)
fn http_date(text: &str) -> Option<i64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    let millis = moment.duration_since(UNIX_EPOCH).ok()?.as_millis();
    (httpdate::fmt_http_date(moment) == text).then(|| i64::try_from(millis).ok())?
}

/// `YYYY-MM-DDTHH:MM:SS`, a fraction of one to nine digits if any, and `Z` or `+HH:MM`. A leap
/// second is the second after it.
fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, len: usize| -> Option<i64> {
        let digits = text.get(from..from + len)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if marks.iter().any(|(at, mark)| text.get(*at..at + 1) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let days = days(year, month, day);
    if date(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(rest.bytes().take_while(u8::is_ascii_digit).count())?,
        None => ("", rest),
    };
    if fraction.len() > 9 || (fraction.is_empty() && rest.starts_with('.')) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset = match zone {
        "Z" => 0,
        _ => {
            let at = text.len().checked_sub(6)?;
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            let shaped = zone.len() == 6 && text.get(at + 3..at + 4) == Some(":");
            if !shaped || hours > 23 || minutes > 59 {
                return None;
            }
            match text.get(at..at + 1)? {
                "+" => hours * 3600 + minutes * 60,
                "-" => -(hours * 3600 + minutes * 60),
                _ => return None,
            }
        }
    };
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1000 + millis)
}

/// Days since the epoch, in the proleptic Gregorian calendar: years are counted from March, so that
/// the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era_day = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4
        - year.rem_euclid(400) / 100
        + (153 * month + 2) / 5
        + day
        - 1;
    year.div_euclid(400) * 146_097 + era_day - 719_468
}

/// The other way round.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era_day = days.rem_euclid(146_097);
    let year = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * year + year / 4 - year / 100);
    let month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * month + 2) / 5 + 1;
    let year = year + days.div_euclid(146_097) * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_strictly() {
        let read = |text: &str| read(text.as_bytes(), TimestampFormat::Rfc3339);
        assert_eq!(read("2025-06-15T15:06:40Z"), Some(1_750_000_000_000));
        assert_eq!(read("2025-06-15T15:06:40.123456789Z"), Some(1_750_000_000_123));
        assert_eq!(read("2025-06-15T15:06:40.5+00:00"), Some(1_750_000_000_500));
        assert_eq!(read("2025-06-15T17:36:40+02:30"), Some(1_750_000_000_000));
        assert_eq!(read("2025-06-15T08:06:40-07:00"), Some(1_750_000_000_000));
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
        for wrong in [
            "",
            "2025-06-15",
            "2025-06-15T15:06:40",
            "2025-06-15 15:06:40Z",
            "2025-06-15t15:06:40z",
            "2025-06-15T15:06:40.Z",
            "2025-06-15T15:06:40.1234567890Z",
            "2025-06-15T15:06:40+0000",
            "2025-06-15T15:06:40+00:00Z",
            "2025-06-15T24:06:40Z",
            "2025-06-31T15:06:40Z",
            "2025-02-29T15:06:40Z",
            "2025-00-10T15:06:40Z",
            "+025-06-15T15:06:40Z",
            "2025-06-15T15:06:40é",
            "1750000000",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for format in [
            TimestampFormat::Seconds,
            TimestampFormat::Millis,
            TimestampFormat::Rfc3339,
            TimestampFormat::HttpDate,
            TimestampFormat::SecondsOrMillis,
        ] {
            for seconds in (1..40).map(|step| step * 102_345_678) {
                let now = UnixTime::from_secs(seconds);
                let text = write(now, format);
                assert_eq!(read(text.as_bytes(), format), Some(now.as_millis()), "{text}");
            }
        }
        for text in ["", "01", "-1", "+1", " 1", "1.0", "99999999999999999999"] {
            assert_eq!(read(text.as_bytes(), TimestampFormat::Seconds), None, "{text}");
        }
    }

    #[test]
    fn a_date_of_http_has_four_digits_of_year() {
        for seconds in [253_402_300_799, 253_402_300_800, i64::MAX] {
            let text = write(UnixTime::from_secs(seconds), TimestampFormat::HttpDate);
            assert_eq!(text, "Fri, 31 Dec 9999 23:59:59 GMT", "{seconds}");
        }
    }

    #[test]
    fn dates_of_http_have_one_spelling() {
        let read = |text: &str| read(text.as_bytes(), TimestampFormat::HttpDate);
        assert_eq!(read("Sun, 15 Jun 2025 15:06:40 GMT"), Some(1_750_000_000_000));
        for wrong in [
            "",
            "Sunday, 15-Jun-25 15:06:40 GMT",
            "Sun Jun 15 15:06:40 2025",
            "Mon, 15 Jun 2025 15:06:40 GMT",
            "sun, 15 jun 2025 15:06:40 gmt",
            "Sun, 15 Jun 2025 15:06:40 UTC",
            "Sun, 15 Jun 2025 15:06:40 GMT ",
            "1750000000",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        let read = |text: &str| read(text.as_bytes(), TimestampFormat::SecondsOrMillis);
        assert_eq!(read("1750000000"), Some(1_750_000_000_000));
        assert_eq!(read("1750000000123"), Some(1_750_000_000_123));
        assert_eq!(read("99999999999"), Some(99_999_999_999_000));
        assert_eq!(read("100000000000"), Some(100_000_000_000));
        assert_eq!(read("01750000000"), None);
    }
}
