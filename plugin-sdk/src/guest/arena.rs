//! The allocator: an arena first, then growing memory.
//!
//! Rust's own allocator on wasm asks for every byte by `memory.grow`. In a host that makes a fresh
//! instance for each event this is two `mprotect` calls per event, which threads fight over: measured,
//! it costs a third of the throughput. An arena that is part of the module's initial memory costs
//! nothing until it is touched.
//!
//! An instance handles one event and is gone, so most of its blocks need not be found again. The first
//! half of the arena is given out block after block, and only the last one is taken back; measured (the
//! runtime's example `call_rate` with `echo`), that takes a fifth less time for an event of 2 KB. What is beyond it has an allocator that takes
//! everything back, so that a handler that works for long does not run out of memory for it.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Bytes that are served before memory grows. Enough for the largest body that is accepted by
/// default, parsed once; untouched pages of it cost nothing.
const ARENA: usize = 1024 * 1024;
/// Those of them that are given out block after block.
const FIRST: usize = ARENA / 2;

/// A page of WebAssembly memory, in bytes.
const PAGE: usize = 64 * 1024;

/// The least that memory grows by, in pages, so that a growing vector does not grow it each time.
const LEAST_GROWTH: usize = 16;

static mut FIRST_MEMORY: [MaybeUninit<u8>; FIRST] = [MaybeUninit::uninit(); FIRST];
static mut MEMORY: [MaybeUninit<u8>; ARENA - FIRST] = [MaybeUninit::uninit(); ARENA - FIRST];

#[global_allocator]
static ALLOCATOR: InOrderThenTalc = InOrderThenTalc {
    used: Cell::new(0),
    talc: TalcSyncCell::new_wasm(ArenaThenGrow { arena_used: false, end: None }),
};

struct InOrderThenTalc {
    /// Bytes of `FIRST_MEMORY` that were given out.
    used: Cell<usize>,
    talc: TalcSyncCell<ArenaThenGrow, WasmBinning>,
}

// SAFETY: without atomics, which this module asks for, an instance has one thread.
unsafe impl Sync for InOrderThenTalc {}

impl InOrderThenTalc {
    /// Where a block of `FIRST_MEMORY` begins in it; `None` for a block of `talc`.
    fn place(block: *mut u8) -> Option<usize> {
        let place = block.addr().wrapping_sub((&raw mut FIRST_MEMORY).addr());
        (place < FIRST).then_some(place)
    }

    /// Whether the block is the last one, so that its end can be moved.
    fn is_last(&self, place: usize, size: usize) -> bool {
        place + size == self.used.get()
    }
}

// SAFETY: blocks of `FIRST_MEMORY` lie between what was given out before and its end, aligned, and are
// given out again only after they were taken back; all others are talc's.
unsafe impl GlobalAlloc for InOrderThenTalc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = (&raw mut FIRST_MEMORY).cast::<u8>();
        // Aligned by its address: the array itself has no alignment.
        let free = start.addr() + self.used.get();
        let place = free.next_multiple_of(layout.align()) - start.addr();
        if layout.size() <= FIRST.saturating_sub(place) {
            self.used.set(place + layout.size());
            return start.wrapping_add(place);
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { self.talc.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match Self::place(block) {
            Some(place) if self.is_last(place, layout.size()) => self.used.set(place),
            Some(_) => {}
            // SAFETY: the block is talc's, and the caller's promise is handed on.
            None => unsafe { self.talc.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = Self::place(block) else {
            // SAFETY: the block is talc's, and the caller's promise is handed on.
            return unsafe { self.talc.realloc(block, layout, size) };
        };
        if self.is_last(place, layout.size()) && size <= FIRST - place {
            self.used.set(place + size);
            return block;
        }
        if size <= layout.size() {
            // What is cut off stays unused: a copy would use up more. The next block begins behind it,
            // so this one does not become the last one again.
            return block;
        }
        // SAFETY: the caller promises a size that fits the alignment, and that the block has the
        // layout's size; the new block is another one.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

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
            if unsafe { talc.claim((&raw mut MEMORY).cast(), ARENA - FIRST) }.is_some() {
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
