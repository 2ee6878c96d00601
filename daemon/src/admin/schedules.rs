//! The API's view of schedules: what there is, when each fires, how its last run went, and running
//! one now.

use hookyard_store::{Fired, ScheduleState};
use hookyard_types::Timestamp;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::config::{Config, Schedule};
use crate::moment;
use crate::schedule::{Missed, Scheduler};

/// A schedule as the API and the command line show it. `known` is what the store says of it: nothing
/// before a daemon ran with it.
pub(crate) fn describe(
    schedule: &Schedule,
    known: Option<&ScheduleState>,
    now: Timestamp,
) -> Map<String, Value> {
    let handlers: Vec<String> =
        schedule.handlers.iter().map(|handler| handler.name.to_string()).collect();
    let (missed, missed_max) = match schedule.missed {
        Missed::Skip => ("skip", None),
        Missed::One => ("one", None),
        Missed::All { max } => ("all", Some(max)),
    };
    let last = known.and_then(|known| known.last.as_ref()).map(|last| {
        json!({
            "event": last.event.to_string(),
            "scheduled_at": moment::text(last.scheduled_at),
            "fired_at": moment::text(last.fired_at),
            "state": last.state,
        })
    });
    let described = json!({
        "name": schedule.name,
        "cron": schedule.timing.expression(),
        "timezone": schedule.timing.zone_name(),
        "jitter": humantime::format_duration(schedule.jitter).to_string(),
        "handlers": handlers,
        "overlap": schedule.overlap.as_str(),
        "missed": missed,
        "missed_max": missed_max,
        "next": upcoming(schedule, now, 1).first(),
        "last": last,
    });
    match described {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The next times of a schedule, each as a moment and in the schedule's own time.
pub(crate) fn upcoming(schedule: &Schedule, now: Timestamp, count: usize) -> Vec<Value> {
    let timing = &schedule.timing;
    let times = std::iter::successors(timing.next(now), |last| timing.next(*last)).take(count);
    times.map(|at| json!({ "at": moment::text(at), "local": timing.local(at) })).collect()
}

/// `GET /v1/schedules`.
pub(super) fn list(config: &Config, known: &[ScheduleState], now: Timestamp) -> Value {
    let schedules = config.schedules.iter().map(|schedule| {
        let known = known.iter().find(|known| known.name == schedule.name);
        Value::Object(describe(schedule, known, now))
    });
    json!({ "schedules": schedules.collect::<Vec<_>>() })
}

/// `POST /v1/schedules/{name}/run`.
pub(super) async fn run(
    config: &Config,
    scheduler: &Scheduler,
    name: &str,
) -> Result<Value, Problem> {
    match scheduler.run_now(name).await? {
        Some(Fired::Stored(event)) => Ok(json!({ "schedule": name, "event": event.to_string() })),
        Some(Fired::StillGoing(event)) => {
            let detail = format!(
                "an earlier run of schedule {name} is still going: its event is {event}, and \
                 `overlap` is \"skip\""
            );
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Some(Fired::Settled | Fired::Unknown) | None => {
            let known: Vec<&str> = config.schedules.iter().map(|s| s.name.as_str()).collect();
            let known = match known.as_slice() {
                [] => "there are none".to_owned(),
                known => format!("the schedules are {}", known.join(", ")),
            };
            Err(Problem::new(StatusCode::NOT_FOUND, format!("no such schedule; {known}")))
        }
    }
}
