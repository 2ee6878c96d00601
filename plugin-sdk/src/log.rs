//! Log lines: kept with the attempt and written to the daemon's log.
//!
//! The macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and
//! [`error!`](crate::error) work anywhere in a plugin; [`Host`](crate::Host) has methods of the same
//! names. The daemon keeps a bounded number of bytes per attempt; lines past that are dropped and
//! counted.

use std::fmt;

/// How much a line matters.
///
/// ```
/// use hookyard_sdk::log::Level;
///
/// assert!(Level::Error > Level::Info);
/// assert_eq!(Level::Warn.to_string(), "warn");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever wrote the plugin.
    Debug,
    /// What happened.
    Info,
    /// Something to look at; the event was handled all the same.
    Warn,
    /// Something failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Writes one line with its fields; the macros are the comfortable way.
///
/// ```
/// use hookyard_sdk::log::{Level, write};
///
/// write(Level::Info, "pushed", vec![("repository".into(), "octo/hello".into())]);
/// ```
pub fn write(level: Level, message: impl Into<String>, fields: Vec<(String, String)>) {
    crate::host::calls::log(level, message.into(), fields);
}

/// Logs a line at level `debug`: `debug!("…")` or `debug!(field = value; "…")`.
///
/// ```
/// let bytes = 17;
/// hookyard_sdk::debug!("read {bytes} bytes");
/// hookyard_sdk::debug!(bytes; "read the body");
/// ```
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) };
}

/// Logs a line at level `info`: `info!("…")` or `info!(field = value; "…")`.
///
/// The text is that of [`format!`]; a field's value is anything that implements
/// [`Display`](std::fmt::Display), and `name` alone is short for `name = name`.
///
/// ```
/// let (repository, commits) = ("octo/hello", 3);
/// hookyard_sdk::info!("pushed {commits} commits to {repository}");
/// hookyard_sdk::info!(repository, count = commits; "pushed to {}", repository);
/// ```
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info, $($line)+) };
}

/// Logs a line at level `warn`: `warn!("…")` or `warn!(field = value; "…")`.
///
/// ```
/// hookyard_sdk::warn!(repository = "octo/hello"; "the push has no commits");
/// ```
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) };
}

/// Logs a line at level `error`: `error!("…")` or `error!(field = value; "…")`.
///
/// ```
/// hookyard_sdk::error!(status = 502; "the other side is down");
/// ```
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error, $($line)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($key:ident $(= $value:expr)?),+ $(,)?; $($text:tt)+) => {
        $crate::log::write(
            $crate::log::Level::$level,
            ::std::format!($($text)+),
            ::std::vec![$((
                ::std::string::String::from(::std::stringify!($key)),
                ::std::string::ToString::to_string(&$crate::__log_value!($key $(= $value)?)),
            )),+],
        )
    };
    ($level:ident, $($text:tt)+) => {
        $crate::log::write(
            $crate::log::Level::$level,
            ::std::format!($($text)+),
            ::std::vec::Vec::new(),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_value {
    ($key:ident = $value:expr) => {
        $value
    };
    ($key:ident) => {
        $key
    };
}

/// Makes a panic say why: without WASI there is no stderr, and the daemon would see a bare trap.
#[cfg(target_arch = "wasm32")]
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| write(Level::Error, panic.to_string(), Vec::new())));
}
