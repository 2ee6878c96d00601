//! What a plugin is to the daemon: its manifest, and the way from a call to the right handler.

use crate::guest::bindings::{consumer, imports, manifest, schedule, webhook};
use crate::{Event, Firing, Host, Message, Outcome, outcome};

use imports::hookyard::plugin::types;
use manifest::exports::hookyard::plugin::manifest as exported;

/// A function marked `#[handler]`, as a type of the same name. `Input` is its first argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{Input}`",
    note = "mark a function `#[handler] fn {Self}(event: Event, host: Host) -> Outcome` and name it in `plugin!`",
    note = "`plugin!` names those of a `Message` in `consumers(…)` and those of a `Firing` in `schedules(…)`"
)]
pub trait Handler<Input> {
    const NAME: &'static str;
    const KINDS: &'static [&'static str];
    const DESCRIPTION: &'static str;
    fn handle(input: Input, host: Host) -> Outcome;
}

/// A handler in the plugin's table.
#[derive(Clone, Copy, Debug)]
pub struct HandlerEntry {
    name: &'static str,
    kinds: &'static [&'static str],
    description: &'static str,
    handle: Handle,
}

/// The function, and by what it is called.
#[derive(Clone, Copy, Debug)]
enum Handle {
    Webhook(fn(Event, Host) -> Outcome),
    Consumer(fn(Message, Host) -> Outcome),
    Schedule(fn(Firing, Host) -> Outcome),
}

impl HandlerEntry {
    pub const fn webhook<H: Handler<Event>>() -> Self {
        Self::of::<Event, H>(Handle::Webhook(H::handle))
    }

    pub const fn consumer<H: Handler<Message>>() -> Self {
        Self::of::<Message, H>(Handle::Consumer(H::handle))
    }

    pub const fn schedule<H: Handler<Firing>>() -> Self {
        Self::of::<Firing, H>(Handle::Schedule(H::handle))
    }

    const fn of<Input, H: Handler<Input>>(handle: Handle) -> Self {
        Self { name: H::NAME, kinds: H::KINDS, description: H::DESCRIPTION, handle }
    }

    fn trigger(&self) -> &'static str {
        match self.handle {
            Handle::Webhook(_) => "webhook",
            Handle::Consumer(_) => "consumer",
            Handle::Schedule(_) => "schedule",
        }
    }
}

/// A setting in the plugin's table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub required: bool,
}

/// Something of a capability that config.toml has to grant by name.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    pub capability: &'static str,
    pub name: &'static str,
}

/// What `plugin!` implements.
pub trait Plugin {
    const NAME: &'static str;
    const VERSION: &'static str;
    const HANDLERS: &'static [HandlerEntry];
    const SETTINGS: &'static [Setting];
    const USES: &'static [Need];
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
                    trigger: handler.trigger().to_owned(),
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
            uses: P::USES
                .iter()
                .map(|need| exported::Need {
                    capability: need.capability.to_owned(),
                    name: need.name.to_owned(),
                })
                .collect(),
            attributes: Vec::new(),
        }
    }
}

impl<P: Plugin> webhook::exports::hookyard::plugin::webhook::Guest for P {
    fn handle(handler: String, event: types::Event, attempt: types::Attempt) -> types::Outcome {
        call::<P>(&handler, attempt, |handle, host| match handle {
            Handle::Webhook(handle) => Some(handle(Event::from_wire(event), host)),
            Handle::Consumer(_) | Handle::Schedule(_) => None,
        })
    }
}

impl<P: Plugin> consumer::exports::hookyard::plugin::consumer::Guest for P {
    fn handle(handler: String, message: types::Message, attempt: types::Attempt) -> types::Outcome {
        call::<P>(&handler, attempt, |handle, host| match handle {
            Handle::Consumer(handle) => Some(handle(Message::from_wire(message), host)),
            Handle::Webhook(_) | Handle::Schedule(_) => None,
        })
    }
}

impl<P: Plugin> schedule::exports::hookyard::plugin::schedule::Guest for P {
    fn handle(handler: String, firing: types::Firing, attempt: types::Attempt) -> types::Outcome {
        call::<P>(&handler, attempt, |handle, host| match handle {
            Handle::Schedule(handle) => Some(handle(Firing::from_wire(firing), host)),
            Handle::Webhook(_) | Handle::Consumer(_) => None,
        })
    }
}

/// Runs the handler of this name; `run` answers `None` when it is of another trigger.
fn call<P: Plugin>(
    handler: &str,
    attempt: types::Attempt,
    run: impl FnOnce(Handle, Host) -> Option<Outcome>,
) -> types::Outcome {
    #[cfg(target_arch = "wasm32")]
    crate::log::log_panics();
    let entry = P::HANDLERS.iter().find(|entry| entry.name == handler);
    let outcome = match entry {
        None => outcome::reject(format!("plugin `{}` has no handler `{handler}`", P::NAME)),
        Some(entry) => run(entry.handle, Host::new(attempt)).unwrap_or_else(|| {
            outcome::reject(format!("`{}/{handler}` is a `{}`", P::NAME, entry.trigger()))
        }),
    };
    outcome::into_wire(outcome)
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

/// Stops the compilation when what the plugin uses has no name that config.toml could grant.
pub const fn check_needs(needs: &[Need]) {
    let mut rest = needs;
    while let [first, others @ ..] = rest {
        // Every connection that is granted.
        let any =
            same(first.capability.as_bytes(), b"connection") && same(first.name.as_bytes(), b"*");
        assert!(
            any || is_name(first.name),
            "the name of a topic or namespace has 1 to 64 lower-case letters, digits, `-` and `_`"
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
