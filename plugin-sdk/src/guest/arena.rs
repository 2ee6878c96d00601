//! The allocator: an arena first, then growing memory.
//!
//! Rust's own allocator on wasm asks for every byte by `memory.grow`. In a host that makes a fresh
//! instance for each event this is two `mprotect` calls per event, which threads fight over: measured,
//! it costs a third of the throughput. An arena that is part of the module's initial memory costs
//! nothing until it is touched.

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Bytes that are served before memory grows. Enough for the largest body that is accepted by
/// default, parsed once; untouched pages of it cost nothing.
const ARENA: usize = 1024 * 1024;

/// A page of WebAssembly memory, in bytes.
const PAGE: usize = 64 * 1024;

/// The least that memory grows by, in pages, so that a growing vector does not grow it each time.
const LEAST_GROWTH: usize = 16;

static mut MEMORY: [MaybeUninit<u8>; ARENA] = [MaybeUninit::uninit(); ARENA];

#[global_allocator]
static ALLOCATOR: TalcSyncCell<ArenaThenGrow, WasmBinning> =
    TalcSyncCell::new_wasm(ArenaThenGrow { arena_used: false, end: None });

#[derive(Debug)]
struct ArenaThenGrow {
    arena_used: bool,
    /// The end of the memory that growth has added.
    end: Option<NonNull<u8>>,
}

// SAFETY: `acquire` reaches the allocator only through `talc` and allocates nothing itself.
unsafe impl Source for ArenaThenGrow {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.arena_used {
            talc.source.arena_used = true;
            // SAFETY: nothing else names MEMORY, and this runs once. A request that the arena is
            // too small for comes back here and grows memory.
            if unsafe { talc.claim((&raw mut MEMORY).cast(), ARENA) }.is_some() {
                return Ok(());
            }
        }

        // Room for the block, its alignment and the allocator's own words.
        let needed = layout.size().checked_add(layout.align()).ok_or(())?.div_ceil(PAGE) + 1;
        let wanted = needed.max(LEAST_GROWTH);
        let (pages, start) = match (memory_grow::<0>(wanted), wanted > needed) {
            // The memory limit may leave room for less.
            (usize::MAX, true) => (needed, memory_grow::<0>(needed)),
            (start, _) => (wanted, start),
        };
        if start == usize::MAX {
            return Err(());
        }
        let start = (start * PAGE) as *mut u8;
        let bytes = pages * PAGE;

        talc.source.end = match talc.source.end.take() {
            // SAFETY: the grown memory begins where the last growth ended, and is ours alone.
            Some(end) if end.as_ptr() == start => {
                Some(unsafe { talc.extend(end, start.wrapping_add(bytes)) })
            }
            // SAFETY: memory that was just grown is ours alone.
            _ => unsafe { talc.claim(start, bytes) },
        };
        Ok(())
    }
}
