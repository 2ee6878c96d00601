//! The engine: which code it accepts, how instances are pooled, and the clock that interrupts them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::Imports;
use crate::state::State;

/// How often a running guest gives its thread back. An attempt ends about this much after its
/// limit, and with every worker thread inside a looping guest, other work waits about this long. One
/// instruction is not interrupted: `memory.fill` of a large memory takes as long as that takes.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// What one instance may have of each thing; a plugin that needs more is refused when it is loaded.
/// A component made from Rust has one memory, one or two tables and a few core instances; those that
/// componentize-js 0.23 and componentize-py 0.25 make fit as well (`hookyard plugins inspect` says
/// what a file has).
pub const MAX_MEMORIES: u32 = 2;
pub const MAX_TABLES: u32 = 8;
pub const MAX_CORE_INSTANCES: u32 = 64;
pub const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Of a guest's calls, in bytes; past it there is a trap.
pub const MAX_STACK: usize = 512 << 10;

/// What a guest's stack takes of the address space: its calls, and the host's for it.
pub const STACK: usize = 2 << 20;

/// Memory that a pool slot keeps between attempts. Pages that stay need no page fault; 1 MiB is
/// the arena that the SDK's allocator serves from.
pub const KEEP_RESIDENT: usize = 1 << 20;

/// The linked engine that all plugins share.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    /// What `clock.monotonic` counts from.
    pub(crate) started: Instant,
}

impl Host {
    /// An engine whose pool has room for `slots` instances at the same time.
    pub(crate) fn new(slots: usize, max_memory: u64) -> wasmtime::Result<Self> {
        let mut config = code_config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots, max_memory)));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        Imports::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        crate::wasi::link(&mut linker)?;
        tick(&engine)?;
        Ok(Self { engine, linker, started: Instant::now() })
    }
}

/// An engine that compiles and never runs: the same code, no pool, so that it fits in a small
/// address space.
pub(crate) fn compiling_engine() -> wasmtime::Result<Engine> {
    Engine::new(&code_config())
}

/// Changes whenever compiled code of before could not be loaded, or was checked by other rules.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    crate::shape::RULES.hash(&mut hasher);
    hasher.finish()
}

/// The settings that decide what the machine code looks like.
fn code_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(MAX_STACK);
    config.async_stack_size(STACK);
    // Plugins have 32-bit memories: 64-bit ones need bounds checks and a larger reservation.
    config.wasm_memory64(false);
    // Nothing here reads them, and they make up a third of the compiled code.
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config
}

fn pool(slots: usize, max_memory: u64) -> PoolingAllocationConfig {
    let slots = u32::try_from(slots).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // An instance at its own bounds always finds room in the totals, so that taking a slot is all
    // that an attempt has to wait for.
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_memories(slots.saturating_mul(MAX_MEMORIES))
        .total_tables(slots.saturating_mul(MAX_TABLES))
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES))
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_module(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_core_instance_size(4 << 20)
        .max_memory_size(usize::try_from(max_memory.min(1 << 32)).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the thread that moves the epoch. It ends with the engine.
fn tick(engine: &Engine) -> wasmtime::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("hookyard-ticks".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
