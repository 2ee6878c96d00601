//! What the daemon's log says of an attempt.

use std::fmt::{self, Write};

use hookyard_runtime::{Attempt, Level, Outcome};
use hookyard_store::Next;
use hookyard_types::{Event, HandlerName};

use super::{Dispatcher, retry};

/// The longest message, list of fields and outcome in the daemon's log, in bytes. The attempt keeps
/// what was written.
const LONGEST: usize = 4 << 10;

impl Dispatcher {
    /// Writes into the daemon's log what the handler said, as far as its plugin's share goes, and one
    /// line on how the attempt ended.
    pub(super) fn report(
        &self,
        event: &Event,
        name: &HandlerName,
        number: u32,
        attempt: &Attempt,
        next: &Next,
    ) {
        let rate = self.live.config().plugin_limits(&name.plugin).log_rate;
        for line in &attempt.log {
            let message = OneLine(clip(&line.message));
            let fields = FieldList(&line.fields).to_string();
            let fields = clip(&fields);
            macro_rules! say {
                ($level:ident, $LEVEL:ident) => {
                    // What is not written anyhow costs nothing.
                    if tracing::enabled!(target: "hookyard::plugin", tracing::Level::$LEVEL)
                        && self.log_shares.take(&name.plugin, message.0.len() + fields.len(), rate)
                    {
                        tracing::$level!(
                            target: "hookyard::plugin",
                            event = %event.id,
                            handler = %name,
                            %fields,
                            "{message}"
                        );
                    }
                };
            }
            match line.level {
                Level::Debug => say!(debug, DEBUG),
                Level::Info => say!(info, INFO),
                Level::Warn => say!(warn, WARN),
                Level::Error => say!(error, ERROR),
            }
        }
        report_end(event, name, number, attempt, next);
    }
}

fn report_end(event: &Event, name: &HandlerName, number: u32, attempt: &Attempt, next: &Next) {
    let outcome = retry::recorded(&attempt.outcome).as_str();
    let message = clip(message(&attempt.outcome));
    let duration_ms = attempt.duration.as_millis() as u64;
    let source = |kind| (event.source.kind() == kind).then(|| event.source.name());
    macro_rules! say {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                event = %event.id,
                route = source("route"),
                queue = source("queue"),
                schedule = source("schedule"),
                kind = event.kind,
                handler = %name,
                attempt = number,
                outcome,
                detail = message,
                duration_ms,
                $text
            )
        };
    }
    match next {
        Next::Succeeded { .. } | Next::Ignored => say!(info, "handled"),
        Next::RetryAt(_) => say!(warn, "attempt failed; the job will be tried again"),
        Next::DeadLetter => say!(error, "the job is a dead letter"),
    }
}

/// The first [`LONGEST`] bytes.
fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()
}

/// `a=1 b=2`, for one log line.
struct FieldList<'a>(&'a [(String, String)]);

impl fmt::Display for FieldList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{}={value:?}", OneLine(name))?;
        }
        Ok(())
    }
}

/// Text of a plugin on one line, so that it cannot pass for another line of the log.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))
    }
}

/// What the handler, or the runtime in its place, said at the end.
pub(super) fn message(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done { message, .. } => message.as_deref().unwrap_or(""),
        Outcome::Ignored(message)
        | Outcome::Retry { message, .. }
        | Outcome::Reject(message)
        | Outcome::Trap(message)
        | Outcome::Timeout(message)
        | Outcome::Limit(message) => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_writes_no_lines_of_its_own() {
        assert_eq!(OneLine("a\nb\r\u{1b}[2Jc\u{85}d").to_string(), "a b  [2Jc d");
        let fields = [("k\n".to_owned(), "v\n".to_owned()), ("n".to_owned(), "1".to_owned())];
        assert_eq!(FieldList(&fields).to_string(), "k =\"v\\n\" n=\"1\"");
    }
}
