//! What the store keeps of schedules.

use hookyard_types::{Event, EventId, Target, Timestamp};

use crate::EventState;

/// A schedule of the configuration that was last in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    pub name: String,
    /// When it fires, as the configuration says it: another text is another timing.
    pub timing: String,
    /// Every time up to this one has fired or is passed over.
    pub settled: Timestamp,
    /// Random, and the same until the schedule is gone.
    pub seed: u64,
    pub last: Option<LastFiring>,
}

/// A schedule that there is to be: see [`crate::Store::set_schedules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    pub name: String,
    pub timing: String,
    /// For one that is new.
    pub seed: u64,
}

/// The event that a schedule made last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFiring {
    pub event: EventId,
    /// The time that it was for.
    pub scheduled_at: Timestamp,
    /// When it was made.
    pub fired_at: Timestamp,
    pub state: EventState,
}

/// The event of a firing, to be stored.
#[derive(Clone, Debug)]
pub struct NewFiring {
    /// The name of a schedule that is known: see [`crate::Store::set_schedules`].
    pub schedule: String,
    /// The time that it is for.
    pub scheduled_at: Timestamp,
    /// Whether this settles that time and those before it. What a person asked for does not.
    pub settles: bool,
    pub while_going: WhileGoing,
    pub event: Event,
    pub targets: Vec<Target>,
}

/// What a firing does while a job of an earlier one, for one of its targets, is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileGoing {
    /// Nothing: its time is settled without an event.
    Skip,
    /// Its jobs wait, each for that of its target.
    Wait,
    /// It goes beside it.
    Join,
}

/// What became of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fired {
    /// The event is durable, and its jobs are due or wait.
    Stored(EventId),
    /// This time had been settled before.
    Settled,
    /// A job of this earlier event of the schedule is not finished: nothing is stored but that the
    /// time is settled.
    StillGoing(EventId),
    /// There is no such schedule any more.
    Unknown,
}
