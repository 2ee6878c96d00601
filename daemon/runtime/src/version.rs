//! One version of a plugin: compiled, linked and asked what it is, ready to be instantiated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_types::Trigger;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lower, TypedFunc,
};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::{self, types};
use crate::engine::{Host, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::failure::{self, Subject};
use crate::manifest::{HandlerInfo, InvalidManifest, Need, Setting};
use crate::meter::{Overrun, metered};
use crate::state::{Given, State};
use crate::text::line;
use crate::wasi;
use crate::{ContentHash, Limits, Manifest, Outcome, Parts};

/// What a plugin may use to say what it is.
const DESCRIBE: Limits = Limits {
    timeout: Duration::from_secs(2),
    cpu: Duration::from_secs(1),
    memory: 64 << 20, // Beside what it starts with.
    log_bytes: 4 << 10,
    reply_bytes: 1 << 20,
    kv_key_bytes: 0,
    kv_value_bytes: 0,
    kv_attempt_bytes: 0,
    requests: 0,
    request_bytes: 0,
    queue_message_bytes: 0,
    queue_attempt_bytes: 0,
};

/// Copied beyond the largest reply or value in one call: a reply's message, a log line.
pub const COPY_SLACK: usize = 256 << 10;

pub(crate) struct Version {
    pub(crate) manifest: Manifest,
    pub(crate) hash: ContentHash,
    /// What no grant may exceed.
    pub(crate) max_memory: u64,
    host: Arc<Host>,
    instances: InstancePre<State>,
    handles: Handles,
}

/// The exported function of each trigger that the plugin has handlers of.
#[derive(Clone, Copy, Debug)]
struct Handles {
    webhook: Option<ComponentExportIndex>,
    consumer: Option<ComponentExportIndex>,
    schedule: Option<ComponentExportIndex>,
}

impl Handles {
    fn get(&self, trigger: Trigger) -> Option<ComponentExportIndex> {
        match trigger {
            Trigger::Webhook => self.webhook,
            Trigger::Consumer => self.consumer,
            Trigger::Schedule => self.schedule,
        }
    }

    /// Checks the functions' types once, so that no attempt fails for one.
    fn check(&self, instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<()> {
        if let Some(handle) = self.webhook {
            typed::<bindings::Event<'_>>(instance, store, handle)?;
        }
        if let Some(handle) = self.consumer {
            typed::<bindings::Message<'_>>(instance, store, handle)?;
        }
        if let Some(handle) = self.schedule {
            typed::<bindings::Firing<'_>>(instance, store, handle)?;
        }
        Ok(())
    }
}

/// What a handler is called with.
pub(crate) enum Input<'a> {
    Webhook(bindings::Event<'a>),
    Consumer(bindings::Message<'a>),
    Schedule(bindings::Firing<'a>),
}

impl Input<'_> {
    fn trigger(&self) -> Trigger {
        match self {
            Self::Webhook(_) => Trigger::Webhook,
            Self::Consumer(_) => Trigger::Consumer,
            Self::Schedule(_) => Trigger::Schedule,
        }
    }
}

impl Version {
    /// Links `component` and asks it what it is.
    pub(crate) async fn new(
        host: Arc<Host>,
        component: &Component,
        hash: ContentHash,
        max_memory: u64,
    ) -> Result<Self, String> {
        fits(component)?;
        let export = |interface: &str, function: &str| {
            let (_, instance) = component.get_export(None, interface)?;
            component.get_export_index(Some(&instance), function)
        };
        let describe = export(bindings::MANIFEST, "describe")
            .ok_or("it does not export `hookyard:plugin/manifest@0.1.0`")?;
        let handle = |trigger| export(bindings::export(trigger), "handle");
        let handles = Handles {
            webhook: handle(Trigger::Webhook),
            consumer: handle(Trigger::Consumer),
            schedule: handle(Trigger::Schedule),
        };
        let instances = link(&host, component).map_err(|error| {
            format!("its imports do not fit: {}", line(&format!("{error:#}"), 1024))
        })?;

        let memory = starts_with(component).saturating_add(DESCRIBE.memory).min(max_memory);
        let limits = Limits { memory, ..DESCRIBE };
        let given = Given {
            log_bytes: DESCRIBE.log_bytes,
            memory,
            copied: DESCRIBE.reply_bytes,
            ..Given::default()
        };
        let mut store = store(&host, given);
        let asked = async {
            let instance = instances.instantiate_async(&mut store).await?;
            handles.check(&instance, &mut store)?;
            let describe =
                instance.get_typed_func::<(), (bindings::Manifest,)>(&mut store, describe)?;
            describe.call_async(&mut store, ()).await
        };
        let deadline = Instant::now() + DESCRIBE.timeout;
        let (answer, _) = metered(asked, DESCRIBE.cpu, deadline).await;
        let said = match answer {
            Ok(Ok((manifest,))) => manifest,
            Ok(Err(error)) => {
                let subject = Subject { plugin: None, limits: &limits };
                return Err(match failure::outcome(&error, store.data(), &subject) {
                    Outcome::Trap(why) | Outcome::Limit(why) => {
                        format!("it failed when asked for its manifest: {why}")
                    }
                    _ => "it failed when asked for its manifest".into(),
                });
            }
            Err(overrun) => {
                let (what, limit) = match overrun {
                    Overrun::Clock => ("", limits.timeout),
                    Overrun::Cpu => (" of processor time", limits.cpu),
                };
                return Err(format!(
                    "it did not say what it is within {limit:?}{what}, which is fixed: `describe` \
                     and what runs at the start must be quick"
                ));
            }
        };
        drop(store);
        let shape = component.component_type();
        let imports = shape.imports(&host.engine).filter_map(|(name, _)| {
            let (interface, _) = name.strip_prefix(bindings::PACKAGE)?.split_once('@')?;
            Some(interface.to_owned())
        });
        let manifest = manifest(said, imports.collect())
            .and_then(Manifest::check)
            .map_err(|error| format!("its manifest {}", line(&error.to_string(), 1024)))?;
        for HandlerInfo { name, trigger, .. } in &manifest.handlers {
            if handles.get(*trigger).is_none() {
                return Err(format!(
                    "its handler `{name}` is a `{trigger}`, and it does not export `{}`: name the \
                     handler in the right list of `hookyard_sdk::plugin!(…)`",
                    bindings::export(*trigger)
                ));
            }
        }
        Ok(Self { manifest, hash, max_memory, host, instances, handles })
    }

    /// The interfaces that its component imports, by their full names.
    pub(crate) fn imports(&self) -> Vec<String> {
        let component = self.instances.component().component_type();
        component.imports(&self.host.engine).map(|(name, _)| name.to_owned()).collect()
    }

    /// What an instance of it is made of.
    pub(crate) fn parts(&self) -> Parts {
        // What has none imports modules, and was refused.
        let needs = self.instances.component().resources_required();
        let memory = needs.as_ref().and_then(|needs| needs.max_initial_memory_size);
        let elements = needs.as_ref().and_then(|needs| needs.max_initial_table_size);
        Parts {
            memories: needs.as_ref().map_or(0, |needs| needs.num_memories),
            memory: memory.unwrap_or(0).saturating_mul(PAGE),
            tables: needs.as_ref().map_or(0, |needs| needs.num_tables),
            table_elements: elements.unwrap_or(0),
        }
    }

    /// A store for one attempt.
    pub(crate) fn store(&self, given: Given) -> Store<State> {
        store(&self.host, given)
    }

    /// Instantiates into `store` and calls the handler.
    pub(crate) async fn handle(
        &self,
        store: &mut Store<State>,
        handler: &str,
        input: Input<'_>,
        attempt: bindings::Attempt<'_>,
    ) -> wasmtime::Result<types::Outcome> {
        let instance = self.instances.instantiate_async(&mut *store).await?;
        let handle = self.handles.get(input.trigger()).ok_or_else(|| {
            wasmtime::format_err!("the plugin does not export `{}`", input.trigger())
        })?;
        match input {
            Input::Webhook(event) => {
                call(store, &instance, handle, (handler, event, attempt)).await
            }
            Input::Consumer(message) => {
                call(store, &instance, handle, (handler, message, attempt)).await
            }
            Input::Schedule(firing) => {
                call(store, &instance, handle, (handler, firing, attempt)).await
            }
        }
    }
}

/// Gives `component` what it imports.
fn link(host: &Host, component: &Component) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = host.linker.clone();
    wasi::link_absent(&mut linker, component)?;
    linker.instantiate_pre(component)
}

/// The arguments of `handle`.
type Handle<'a, T> = (&'a str, T, bindings::Attempt<'a>);

fn typed<'a, T>(
    instance: &Instance,
    store: &mut Store<State>,
    handle: ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<Handle<'a, T>, (types::Outcome,)>>
where
    Handle<'a, T>: ComponentNamedList + Lower,
{
    instance.get_typed_func::<Handle<'a, T>, (types::Outcome,)>(store, handle)
}

async fn call<'a, T>(
    store: &mut Store<State>,
    instance: &Instance,
    handle: ComponentExportIndex,
    arguments: Handle<'a, T>,
) -> wasmtime::Result<types::Outcome>
where
    Handle<'a, T>: ComponentNamedList + Lower + Send + Sync,
{
    let handle = typed::<T>(instance, store, handle)?;
    let (outcome,) = handle.call_async(store, arguments).await?;
    Ok(outcome)
}

fn store(host: &Host, given: Given) -> Store<State> {
    let copied = given.copied;
    let state = State::new(given, host.started);
    let mut store = Store::new(&host.engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(copied.saturating_add(COPY_SLACK));
    store.set_max_component_handles(wasi::MAX_HANDLES);
    store.set_epoch_deadline(1);
    // Tokio's own `yield_now` lets the worker look at its sockets and timers before it comes back;
    // the engine's plain yield would put the guest straight into the queue again, and two looping
    // guests would starve two workers.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Whether an instance fits in a slot of the pool. The size of its memory was checked when its code
/// was loaded.
fn fits(component: &Component) -> Result<(), String> {
    let Some(needs) = component.resources_required() else {
        return Err("it imports a module or a component, which nothing here provides".into());
    };
    let elements = needs.max_initial_table_size.unwrap_or(0);
    for (what, has, most) in [
        ("memories", u64::from(needs.num_memories), u64::from(MAX_MEMORIES)),
        ("tables", u64::from(needs.num_tables), u64::from(MAX_TABLES)),
        ("table elements", elements, u64::try_from(MAX_TABLE_ELEMENTS).unwrap_or(u64::MAX)),
    ] {
        if has > most {
            return Err(format!("it has {has} {what}: {most} is the most, which is fixed"));
        }
    }
    Ok(())
}

/// Bytes of a page of memory, in which the engine tells how much there is at the start.
const PAGE: u64 = 64 << 10;

/// The most bytes of memory that it may have before anything of it has run.
fn starts_with(component: &Component) -> u64 {
    let Some(needs) = component.resources_required() else { return 0 };
    let pages = needs.max_initial_memory_size.unwrap_or(0);
    u64::from(needs.num_memories).saturating_mul(pages).saturating_mul(PAGE)
}

fn manifest(
    said: bindings::Manifest,
    imports: BTreeSet<String>,
) -> Result<Manifest, InvalidManifest> {
    let handler = |handler: bindings::Handler| {
        let Some(trigger) = Trigger::of_name(&handler.trigger) else {
            let bindings::Handler { name: handler, trigger, .. } = handler;
            return Err(InvalidManifest::Trigger { handler, trigger });
        };
        let bindings::Handler { name, kinds, description, .. } = handler;
        Ok(HandlerInfo { name, trigger, kinds, description })
    };
    let setting =
        |setting: bindings::Setting| Setting { name: setting.name, required: setting.required };
    let need = |need: bindings::Need| Need { capability: need.capability, name: need.name };
    Ok(Manifest {
        name: said.name,
        version: said.version,
        handlers: said.handlers.into_iter().map(handler).collect::<Result<_, _>>()?,
        settings: said.settings.into_iter().map(setting).collect(),
        uses: said.uses.into_iter().map(need).collect(),
        imports,
    })
}
