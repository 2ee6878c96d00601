//! What a handler handles.

use std::fmt;

/// What a handler handles: the interface that its plugin exports for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// Events that a route verified.
    Webhook,
    /// Messages of a topic.
    Consumer,
    /// Firings of a schedule.
    Schedule,
}

impl Trigger {
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Consumer, Self::Schedule];

    /// The interface's name: `webhook`, `consumer` or `schedule`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Consumer => "consumer",
            Self::Schedule => "schedule",
        }
    }

    /// The trigger of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == name)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
