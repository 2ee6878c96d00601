//! The macros of `hookyard-sdk`, which re-exports them: use them from there.

use proc_macro::TokenStream;

mod handler;
mod plugin;
#[cfg(test)]
mod tests;

/// Makes a function a handler that [`plugin!`] can name.
///
/// The function is `fn name(event: Event, host: Host) -> Outcome` and stays callable, for tests. Its
/// first argument says what it handles: an `Event` of a route, a `Message` of a topic or a `Firing`
/// of a schedule. The handler's name is the function's, or `name = "…"`; with `kinds(…)` it is only
/// offered events of those kinds; the first line of its doc comment is its description.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Notes paid invoices.
/// #[handler(name = "note-paid", kinds("invoice.paid", "invoice.overpaid"))]
/// fn note(event: Event, host: Host) -> Outcome {
///     host.info(format!("{} from {}", event.kind(), event.source()));
///     done()
/// }
///
/// hookyard_sdk::plugin!(note);
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), item.into()).into()
}

/// Makes the crate a plugin of the handlers that it names. Once in a crate.
///
/// Handlers of an `Event` stand as they are, those of a `Message` in `consumers(…)`, those of a
/// `Firing` in `schedules(…)`: a macro cannot see types. Besides them it takes, in any order:
/// - `name = "…"`: the plugin's name in config.toml, by default the package's;
/// - `version = "…"`: by default the package's;
/// - `settings(required channel, optional branch)`: what it reads by `host.setting`; without a
///   required one, the daemon refuses to load it. A name that is no Rust word is put in quotes;
/// - `shared(customers)`: the namespaces that it shares with other plugins by `host.shared_kv`;
/// - `topics(emails)`: the topics that it sends to.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Records an order.
/// #[handler(kinds("order.created"))]
/// fn record(_event: Event, host: Host) -> Outcome {
///     let ledger: String = host.setting("ledger")?;
///     done().message(format!("written to {ledger}"))
/// }
///
/// /// Forgets an order.
/// #[handler(kinds("order.deleted"))]
/// fn forget(_event: Event, _host: Host) -> Outcome {
///     done()
/// }
///
/// hookyard_sdk::plugin!(record, forget, name = "orders", settings(required ledger));
/// # fn main() {}
/// ```
#[proc_macro]
pub fn plugin(arguments: TokenStream) -> TokenStream {
    plugin::expand(arguments.into()).into()
}

/// Whether the daemon could be told this name of a plugin or handler.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}
