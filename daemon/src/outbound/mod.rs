//! Requests that the daemon makes: where they may go.

mod guard;
mod target;
