//! One version of a plugin: compiled, linked and asked what it is, ready to be instantiated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::{self, types};
use crate::engine::{Host, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::failure::{self, Subject};
use crate::kv::Session;
use crate::manifest::{HandlerInfo, Setting};
use crate::meter::{Overrun, metered};
use crate::state::{Settings, State};
use crate::text::line;
use crate::{ContentHash, Limits, Manifest, Outcome};

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
    handle: ComponentExportIndex,
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
        let handle = export(bindings::WEBHOOK, "handle")
            .ok_or("it does not export `hookyard:plugin/webhook@0.1.0`")?;
        let instances = host.linker.instantiate_pre(component).map_err(|error| {
            format!("its imports do not fit: {}", line(&format!("{error:#}"), 1024))
        })?;

        let memory = starts_with(component).saturating_add(DESCRIBE.memory).min(max_memory);
        let limits = Limits { memory, ..DESCRIBE };
        let mut store = store(
            &host,
            DESCRIBE.log_bytes,
            memory,
            DESCRIBE.reply_bytes,
            Arc::default(),
            Session::default(),
        );
        let asked = async {
            let instance = instances.instantiate_async(&mut store).await?;
            // Checked here once, so that no attempt fails for it.
            instance.get_typed_func::<Handle<'_>, (types::Outcome,)>(&mut store, handle)?;
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
        let imports_kv = component
            .component_type()
            .imports(&host.engine)
            .any(|(name, _)| name.starts_with(bindings::KV));
        let manifest = manifest(said, imports_kv)
            .check()
            .map_err(|error| format!("its manifest {}", line(&error.to_string(), 1024)))?;
        Ok(Self { manifest, hash, max_memory, host, instances, handle })
    }

    /// A store for one attempt.
    pub(crate) fn store(
        &self,
        log_bytes: usize,
        memory: u64,
        copied: usize,
        settings: Settings,
        kv: Session,
    ) -> Store<State> {
        store(&self.host, log_bytes, memory, copied, settings, kv)
    }

    /// Instantiates into `store` and calls the handler.
    pub(crate) async fn handle(
        &self,
        store: &mut Store<State>,
        handler: &str,
        event: bindings::Event<'_>,
        attempt: bindings::Attempt<'_>,
    ) -> wasmtime::Result<types::Outcome> {
        let instance = self.instances.instantiate_async(&mut *store).await?;
        let handle =
            instance.get_typed_func::<Handle<'_>, (types::Outcome,)>(&mut *store, self.handle)?;
        let (outcome,) = handle.call_async(store, (handler, event, attempt)).await?;
        Ok(outcome)
    }
}

type Handle<'a> = (&'a str, bindings::Event<'a>, bindings::Attempt<'a>);

fn store(
    host: &Host,
    log_bytes: usize,
    memory: u64,
    copied: usize,
    settings: Settings,
    kv: Session,
) -> Store<State> {
    let state = State::new(log_bytes, memory, settings, kv, host.started);
    let mut store = Store::new(&host.engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(copied.saturating_add(COPY_SLACK));
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

/// The attribute of a manifest that names a shared namespace of `kv`.
const SHARED: &str = "kv.shared";

fn manifest(said: bindings::Manifest, kv: bool) -> Manifest {
    let handler = |handler: bindings::Handler| HandlerInfo {
        name: handler.name,
        kinds: handler.kinds,
        description: handler.description,
    };
    let setting =
        |setting: bindings::Setting| Setting { name: setting.name, required: setting.required };
    Manifest {
        name: said.name,
        version: said.version,
        handlers: said.handlers.into_iter().map(handler).collect(),
        settings: said.settings.into_iter().map(setting).collect(),
        kv,
        shared: said
            .attributes
            .into_iter()
            .filter_map(|(name, value)| (name == SHARED).then_some(value))
            .collect(),
    }
}
