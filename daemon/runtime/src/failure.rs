//! Turns what ended a guest into words for the person who reads the attempt.

use wasmtime::component::ResourceTableError;
use wasmtime::{Error, Trap, WasmBacktrace};

use crate::engine::{MAX_STACK, MAX_TABLE_ELEMENTS};
use crate::state::{LimitReached, State};
use crate::text::line;
use crate::wasi::MAX_HANDLES;
use crate::{Limits, Outcome};

/// The longest message, in bytes.
const MAX: usize = 2048;

/// Whose failure it is, and under which limits.
pub(crate) struct Subject<'a> {
    /// `None` while it says what it is: its limits are fixed then.
    pub(crate) plugin: Option<&'a str>,
    pub(crate) limits: &'a Limits,
}

impl Subject<'_> {
    pub(crate) fn timeout(&self) -> String {
        let limit = self.limits.timeout;
        self.past(
            &format!("ran longer than its `timeout` of {limit:?}"),
            "make it faster",
            "`timeout`",
        )
    }

    pub(crate) fn cpu(&self) -> String {
        let limit = self.limits.cpu;
        self.past(
            &format!("used more than its `cpu` of {limit:?} of processor time"),
            "look for an endless loop",
            "`cpu`",
        )
    }

    fn memory(&self, wanted: u64) -> String {
        let limit = self.limits.memory;
        self.past(
            &format!("needed {wanted} bytes of memory, more than its `memory` of {limit}"),
            "use less",
            "`memory`",
        )
    }

    /// Whether it may use `kv`, `queue` and connections.
    fn copied(&self, keeps: bool, sends: bool, asks: bool) -> String {
        let limits = self.limits;
        let mut bounds = vec![format!("`reply_bytes` of {}", limits.reply_bytes)];
        if keeps {
            bounds.push(format!("`kv_value_bytes` of {}", limits.kv_value_bytes));
        }
        if sends {
            bounds.push(format!("`queue_message_bytes` of {}", limits.queue_message_bytes));
        }
        if asks {
            bounds.push(format!("`request_bytes` of {}", limits.request_bytes));
        }
        let (allow, raise) = match bounds.len() {
            1 => ("allows", "`reply_bytes`"),
            _ => ("allow", "the one that it is"),
        };
        let bounds = bounds.join(" and its ");
        self.past(
            &format!("passed more data in one call than its {bounds} {allow}"),
            "pass less",
            raise,
        )
    }

    /// What happened and what to do.
    fn past(&self, what: &str, instead: &str, limit: &str) -> String {
        match self.plugin {
            Some(plugin) => {
                format!("{what}: {instead}, or raise {limit} under `[plugin.{plugin}]`")
            }
            None => format!("{what}, which is fixed while a plugin says what it is: {instead}"),
        }
    }
}

fn elements(wanted: usize) -> String {
    format!(
        "needed {wanted} table elements: {MAX_TABLE_ELEMENTS} is the most of all its tables together, \
         which is fixed"
    )
}

/// The outcome of an attempt whose call failed with `error`.
pub(crate) fn outcome(error: &Error, state: &State, subject: &Subject<'_>) -> Outcome {
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return Outcome::Limit(limit.to_string());
    }
    let said = state.last_error.as_deref().map(|text| line(text, 1024));
    if let Some(wanted) = state.memory.refused {
        // What the guest said is likely its own account of the same.
        let said = said.map(|said| format!(" (it said: {said})")).unwrap_or_default();
        return Outcome::Limit(subject.memory(wanted) + &said);
    }
    if let Some(wanted) = state.memory.elements_refused {
        let said = said.map(|said| format!(" (it said: {said})")).unwrap_or_default();
        return Outcome::Limit(elements(wanted) + &said);
    }
    // The engine's errors for these have no public type.
    let cause = format!("{:#}", error.root_cause());
    if cause.contains("fuel allocated for hostcalls") {
        return Outcome::Limit(subject.copied(
            state.kv.is_open(),
            state.outbox.is_open(),
            state.outgoing.is_open(),
        ));
    }
    if cause.contains("store handle limit") || error.is::<ResourceTableError>() {
        return Outcome::Limit(format!(
            "held more than {MAX_HANDLES} handles (of streams, moments to wait for or its own \
             resources) at once, the most that an instance may, which is fixed: drop those that are done with"
        ));
    }
    let mut message = reason(error);
    let functions = functions(error);
    if !functions.is_empty() {
        message += &format!(" in {functions}");
    }
    if let Some(said) = said {
        message = format!("{said} ({message})");
    }
    Outcome::Trap(line(&message, MAX))
}

/// What ended the guest, without the engine's backtrace.
fn reason(error: &Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => format!(
            "wasm trap: call stack exhausted: its calls went deeper than {MAX_STACK} bytes of stack, \
             which is fixed; usually that is endless recursion"
        ),
        Some(trap) => trap.to_string(),
        None => line(&error.root_cause().to_string(), MAX / 2),
    }
}

/// The innermost functions with a name, as `c < b < a`.
fn functions(error: &Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<String> = trace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(4)
        .map(|name| line(name, 120))
        .collect();
    names.join(" < ")
}
