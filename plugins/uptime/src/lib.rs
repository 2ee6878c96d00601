//! A plugin that checks URLs at the times of a schedule and reports when they go down and come back.
#![forbid(unsafe_code)]

mod probe;
mod report;
mod state;

use std::collections::BTreeSet;
use std::time::SystemTime;

use hookyard_sdk::prelude::*;

use probe::{Check, Finding};
use report::Report;
use state::State;

/// More of them do not fit into the requests that an attempt may make, with the report.
const MOST: usize = 19;

/// Checks all URLs once, and reports which went down and which came back.
#[handler]
fn check(_firing: Firing, host: Host) -> Outcome {
    let checks: Vec<Check> = host.setting("checks")?;
    let report: Report = host.setting("report")?;
    let failures = host.setting_or("failures", 3)?.max(1);
    let patience = Duration::from_secs(host.setting_or("seconds", 5)?);
    if checks.len() > MOST {
        return reject(format!("there are {} `checks`, and {MOST} at most", checks.len()));
    }
    let names: BTreeSet<String> = checks.iter().map(Check::name).collect();
    if names.len() < checks.len() {
        return reject("two of the `checks` are of the same connection and path");
    }
    let now = host.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();

    let states = host.kv("checks");
    let (mut lines, mut down) = (Vec::new(), 0);
    for check in &checks {
        let name = check.name();
        let before: State = states.get_json(&name)?.unwrap_or_default();
        let mut state = before.clone();
        let line = match check.run(&host, patience)? {
            Finding::Up(what) => state.is_up(&name, &what, now.as_secs()),
            Finding::Failing(what) => state.is_failing(&name, &what, now.as_secs(), failures),
            Finding::Unknown(why) => {
                warn!(check = name; "not checked: {why}");
                None
            }
        };
        down += usize::from(state.down);
        lines.extend(line);
        if state != before && state == State::default() {
            states.delete(&name);
        } else if state != before {
            states.set_json(&name, &state)?;
        }
    }
    // One message for all of them: when it cannot be sent, nothing of this is kept, and the next
    // attempt finds and reports the same.
    if !lines.is_empty() {
        report.send(&host, &lines.join("\n"))?;
    }
    let changed = lines.len();
    done().message(format!("{} checked, {down} down, {changed} changed", checks.len()))
}

hookyard_sdk::plugin!(
    schedules(check),
    settings(required checks, required report, optional failures, optional seconds),
);

#[cfg(test)]
mod tests;
