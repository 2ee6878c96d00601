//! What a plugin is to the daemon: its manifest, and the way from a call to the right handler.

use crate::guest::bindings::{imports, manifest, webhook};
use crate::{Event, Host, Outcome, outcome};

use imports::hookyard::plugin::types;
use manifest::exports::hookyard::plugin::manifest as exported;
use webhook::exports::hookyard::plugin::webhook as exported_webhook;

/// A function marked `#[handler]`, as a type of the same name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "mark a function `#[handler] fn {Self}(event: Event, host: Host) -> Outcome` and name it in `plugin!`"
)]
pub trait Handler {
    const NAME: &'static str;
    const KINDS: &'static [&'static str];
    const DESCRIPTION: &'static str;
    fn handle(event: Event, host: Host) -> Outcome;
}

/// A handler in the plugin's table.
#[derive(Clone, Copy, Debug)]
pub struct HandlerEntry {
    name: &'static str,
    kinds: &'static [&'static str],
    description: &'static str,
    handle: fn(Event, Host) -> Outcome,
}

impl HandlerEntry {
    pub const fn of<H: Handler>() -> Self {
        Self { name: H::NAME, kinds: H::KINDS, description: H::DESCRIPTION, handle: H::handle }
    }
}

/// A setting in the plugin's table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub required: bool,
}

/// What `plugin!` implements.
pub trait Plugin {
    const NAME: &'static str;
    const VERSION: &'static str;
    const HANDLERS: &'static [HandlerEntry];
    const SETTINGS: &'static [Setting];
    /// The namespaces of `kv` that it shares with other plugins.
    const SHARED: &'static [&'static str];
}

impl<P: Plugin> exported::Guest for P {
    fn describe() -> exported::Manifest {
        exported::Manifest {
            name: P::NAME.to_owned(),
            version: P::VERSION.to_owned(),
            handlers: P::HANDLERS
                .iter()
                .map(|handler| exported::Handler {
                    name: handler.name.to_owned(),
                    kinds: handler.kinds.iter().map(|&kind| kind.to_owned()).collect(),
                    description: handler.description.to_owned(),
                })
                .collect(),
            settings: P::SETTINGS
                .iter()
                .map(|setting| exported::Setting {
                    name: setting.name.to_owned(),
                    required: setting.required,
                })
                .collect(),
            attributes: P::SHARED
                .iter()
                .map(|&name| ("kv.shared".to_owned(), name.to_owned()))
                .collect(),
        }
    }
}

impl<P: Plugin> exported_webhook::Guest for P {
    fn handle(handler: String, event: types::Event, attempt: types::Attempt) -> types::Outcome {
        #[cfg(target_arch = "wasm32")]
        crate::log::log_panics();
        let outcome = match P::HANDLERS.iter().find(|entry| entry.name == handler) {
            Some(entry) => (entry.handle)(Event::from_wire(event), Host::new(attempt)),
            None => outcome::reject(format!("plugin `{}` has no handler `{handler}`", P::NAME)),
        };
        outcome::into_wire(outcome)
    }
}

/// Stops the compilation when two handlers share a name, or one's name is none.
pub const fn check_handler_names(handlers: &[HandlerEntry]) {
    let mut rest = handlers;
    while let [first, others @ ..] = rest {
        let mut tail = others;
        while let [other, more @ ..] = tail {
            assert!(
                !same(first.name.as_bytes(), other.name.as_bytes()),
                "two handlers of this plugin have the same name: give one of them another with `#[handler(name = \"…\")]`"
            );
            tail = more;
        }
        rest = others;
    }
}

/// Stops the compilation when a shared namespace's name is none.
pub const fn check_namespaces(names: &[&str]) {
    let mut rest = names;
    while let [first, others @ ..] = rest {
        assert!(
            is_name(first),
            "a namespace's name has 1 to 64 lower-case letters, digits, `-` and `_`"
        );
        rest = others;
    }
}

/// Stops the compilation when config.toml could not name the plugin.
pub const fn check_plugin_name(name: &str) {
    assert!(
        is_name(name),
        "a plugin's name has 1 to 64 lower-case letters, digits, `-` and `_`: rename the package or write `plugin!(name = \"…\", …)`"
    );
}

const fn is_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    if rest.is_empty() || rest.len() > 64 {
        return false;
    }
    while let [byte, more @ ..] = rest {
        if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
            return false;
        }
        rest = more;
    }
    true
}

const fn same(mut left: &[u8], mut right: &[u8]) -> bool {
    loop {
        match (left, right) {
            ([], []) => return true,
            ([a, left_rest @ ..], [b, right_rest @ ..]) if *a == *b => {
                left = left_rest;
                right = right_rest;
            }
            _ => return false,
        }
    }
}
