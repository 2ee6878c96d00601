//! Why a try of a request gave no answer, and whether the next one may.

use std::time::Duration;

use hookyard_runtime::CallError;

use crate::outbound::{Failure, NoAnswer};

/// Why there is no answer. No text here holds a credential or a value of a query.
#[derive(Debug)]
pub(super) enum Fault {
    Refused(String),
    /// Whether something may have been sent, and whether it can go better the next time.
    Network {
        message: String,
        sent: bool,
        transient: bool,
    },
    Timeout(Duration),
    /// The answer is larger than the connection's `max_response`.
    TooLarge(usize),
    /// The answer is larger than the call has room for.
    OverLimit,
    Credential(String),
}

/// What can be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    /// What may have been carried out.
    pub(super) carried_out: bool,
    /// What was not taken, as far as its last hop says.
    pub(super) refused: bool,
}

impl Fault {
    /// The text that is more than numbers, in which a server's words can be.
    pub(super) fn text(&mut self) -> Option<&mut String> {
        match self {
            Self::Refused(message) | Self::Network { message, .. } | Self::Credential(message) => {
                Some(message)
            }
            Self::Timeout(_) | Self::TooLarge(_) | Self::OverLimit => None,
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Refused(message) | Self::Network { message, .. } | Self::Credential(message) => {
                message.clone()
            }
            Self::Timeout(within) => {
                format!("no whole answer within the connection's `timeout` of {within:?}")
            }
            Self::TooLarge(most) => {
                format!("the answer is more than the connection's `max_response` of {most} bytes")
            }
            Self::OverLimit => "the answer is more than `request_bytes` has room for".to_owned(),
        }
    }

    /// Whether the same request can be sent again, given what of it can be.
    pub(super) fn can_repeat(&self, repeats: Repeats) -> bool {
        match self {
            Self::Network { sent: false, transient, .. } => *transient && repeats.refused,
            Self::Network { transient, .. } => *transient && repeats.carried_out,
            Self::Timeout(_) => repeats.carried_out,
            Self::Refused(_) | Self::TooLarge(_) | Self::OverLimit | Self::Credential(_) => false,
        }
    }

    pub(super) fn into_error(self) -> CallError {
        let message = self.message();
        match self {
            Self::Refused(_) => CallError::Refused(message),
            Self::Network { .. } => CallError::Network(message),
            Self::Timeout(_) => CallError::Timeout(message),
            Self::TooLarge(_) => CallError::TooLarge(message),
            Self::OverLimit => CallError::OverLimit,
            Self::Credential(_) => CallError::Credential(message),
        }
    }
}

pub(super) fn of_no_answer(no: &NoAnswer) -> Fault {
    match no {
        NoAnswer::Unsent(failure) => match failure.as_ref() {
            Failure::Refused(refused) => Fault::Refused(refused.to_string()),
            failure => Fault::Network {
                message: failure.to_string(),
                sent: false,
                transient: failure.is_transient(),
            },
        },
        NoAnswer::Broken(message) => {
            Fault::Network { message: message.clone(), sent: true, transient: true }
        }
    }
}
