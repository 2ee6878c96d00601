//! The interfaces of `plugin-sdk/wit`, as Rust.
//!
//! What plugins import is generated. What they export is written by hand, because it is called
//! thousands of times a second: an event is lowered from borrowed text, without a copy.

use hookyard_types::Trigger;
use wasmtime::component::{ComponentType, Lift, Lower};

wasmtime::component::bindgen!({
    path: "../../plugin-sdk/wit",
    world: "imports",
    imports: {
        "hookyard:plugin/kv.get": async | trappable,
        "hookyard:plugin/kv.list": async | trappable,
        "hookyard:plugin/kv.increment-and-get": async | trappable,
        "hookyard:plugin/kv.compare-and-set": async | trappable,
        "hookyard:plugin/connection.request": async | trappable,
        default: trappable,
    },
});

pub(crate) use hookyard::plugin::{
    clock, connection, kv, log, queue, random, secret, settings, types,
};

/// The beginning of the interfaces' names.
pub(crate) const PACKAGE: &str = "hookyard:plugin/";
pub(crate) const MANIFEST: &str = "hookyard:plugin/manifest@0.1.0";
/// The interface that a plugin exports for a trigger.
pub(crate) const fn export(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Webhook => "hookyard:plugin/webhook@0.1.0",
        Trigger::Consumer => "hookyard:plugin/consumer@0.1.0",
        Trigger::Schedule => "hookyard:plugin/schedule@0.1.0",
    }
}

pub(crate) type Pair<'a> = (&'a str, &'a str);

/// `types.event`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) kind: &'a str,
    #[component(name = "delivery-id")]
    pub(crate) delivery_id: Option<&'a str>,
    pub(crate) tenant: &'a str,
    #[component(name = "received-at")]
    pub(crate) received_at: u64,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) params: &'a [Pair<'a>],
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
    pub(crate) body: &'a [u8],
    pub(crate) unauthenticated: &'a [&'a str],
    pub(crate) attributes: &'a [Pair<'a>],
}

/// `types.message`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Message<'a> {
    pub(crate) id: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) body: &'a [u8],
    #[component(name = "sent-at")]
    pub(crate) sent_at: u64,
    #[component(name = "caused-by")]
    pub(crate) caused_by: Option<&'a str>,
    pub(crate) attributes: &'a [Pair<'a>],
}

/// `types.firing`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Firing<'a> {
    pub(crate) id: &'a str,
    pub(crate) schedule: &'a str,
    #[component(name = "scheduled-at")]
    pub(crate) scheduled_at: u64,
    #[component(name = "fired-at")]
    pub(crate) fired_at: u64,
    pub(crate) reason: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) attributes: &'a [Pair<'a>],
}

/// `types.attempt`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Attempt<'a> {
    #[component(name = "job-id")]
    pub(crate) job_id: &'a str,
    pub(crate) number: u32,
    pub(crate) attributes: &'a [Pair<'a>],
}

/// `manifest.manifest`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) uses: Vec<Need>,
    #[expect(dead_code, reason = "room for what later versions add")]
    pub(crate) attributes: Vec<(String, String)>,
}

/// `manifest.handler`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Handler {
    pub(crate) name: String,
    pub(crate) trigger: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) description: String,
}

/// `manifest.setting`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) required: bool,
}

/// `manifest.need`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Need {
    pub(crate) capability: String,
    pub(crate) name: String,
}
