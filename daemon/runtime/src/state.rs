//! What one instance has on the host's side: its log, its settings, and the count of its memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::ResourceLimiter;

use crate::bindings::{clock, log, random, settings, types};
use crate::connection::Outgoing;
use crate::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::kv::Session;
use crate::queue::Outbox;
use crate::secret::Secrets;
use crate::text::clip;
use crate::wasi::Wasi;
use crate::{Level, LogLine};

/// The most random bytes of one call, as the interface says.
const MAX_RANDOM: u32 = 64 << 10;
/// What a line costs besides its text, so that empty lines are bounded too.
const LINE_COST: usize = 32;

/// A plugin's settings as JSON text, made once for all attempts.
pub(crate) type Settings = Arc<BTreeMap<String, String>>;

pub(crate) struct State {
    pub(crate) log: Vec<LogLine>,
    log_left: usize,
    pub(crate) log_dropped: u64,
    /// The last line of level `error`: when the instance traps, that is the panic's message.
    pub(crate) last_error: Option<String>,
    settings: Settings,
    pub(crate) secrets: Arc<Secrets>,
    started: Instant,
    pub(crate) memory: Memory,
    pub(crate) kv: Session,
    pub(crate) outbox: Outbox,
    pub(crate) outgoing: Outgoing,
    pub(crate) wasi: Wasi,
}

/// What an instance is given.
#[derive(Default)]
pub(crate) struct Given {
    /// Bytes of log lines that are kept.
    pub(crate) log_bytes: usize,
    /// Bytes of all its linear memories.
    pub(crate) memory: u64,
    /// Bytes of the largest thing that it may rightly pass in one call.
    pub(crate) copied: usize,
    pub(crate) settings: Settings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) kv: Session,
    pub(crate) outbox: Outbox,
    pub(crate) outgoing: Outgoing,
}

impl State {
    pub(crate) fn new(given: Given, started: Instant) -> Self {
        let Given { log_bytes, memory, settings, secrets, kv, outbox, outgoing, .. } = given;
        Self {
            log: Vec::new(),
            log_left: log_bytes,
            log_dropped: 0,
            last_error: None,
            settings,
            secrets,
            started,
            memory: Memory::new(memory),
            kv,
            outbox,
            outgoing,
            wasi: Wasi::new(started),
        }
    }

    /// Keeps a line if there is room for it, and else counts it. One that `tells` may be what the
    /// instance says before it traps.
    fn keep(&mut self, level: Level, tells: bool, message: String, fields: Vec<(String, String)>) {
        // Before anything is cut off: the rest of a secret would not be found.
        let message = self.secrets.redact(message);
        if tells {
            self.last_error = Some(clip(&message, 1024));
        }
        let text: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let cost = LINE_COST * (1 + fields.len()) + message.len() + text;
        match self.log_left.checked_sub(cost) {
            Some(left) => {
                self.log_left = left;
                let redact = |text| self.secrets.redact(text);
                let fields = fields.into_iter();
                let fields = fields.map(|(name, value)| (redact(name), redact(value))).collect();
                self.log.push(LogLine { at: SystemTime::now(), level, message, fields });
            }
            None => self.log_dropped += 1,
        }
    }

    /// Takes what a guest writes to its standard output or error.
    pub(crate) fn print(&mut self, stream: u32, bytes: &[u8]) {
        let mut output = std::mem::take(&mut self.wasi.output);
        let secrets = Arc::clone(&self.secrets);
        let redact = |bytes| secrets.redact_bytes(bytes);
        output.write(stream, bytes, redact, |level, line| self.printed(level, line));
        self.wasi.output = output;
    }

    /// Takes the line that a guest has begun and not ended.
    pub(crate) fn finish_print(&mut self) {
        let mut output = std::mem::take(&mut self.wasi.output);
        output.finish(|level, line| self.printed(level, line));
    }

    fn printed(&mut self, level: Level, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        // The end of what an interpreter prints before it gives up.
        let tells = level == Level::Warn && !line.trim().is_empty();
        self.keep(level, tells, line, Vec::new());
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.keep(level, level == Level::Error, message, fields);
        Ok(())
    }
}

impl settings::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.settings.get(&name).cloned())
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl random::Host for State {
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > MAX_RANDOM {
            return Err(LimitReached(format!(
                "asked for {len} random bytes at once: {MAX_RANDOM} is the most, which is fixed: ask \
                 several times"
            ))
            .into());
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(bytes)
    }
}

/// A plugin asked the host for more than an interface allows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitReached(pub(crate) String);

/// A plugin asked for what it may not have, or for what cannot be: the attempt is a failed one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

/// Counts all of an instance's linear memories together, and its tables.
pub(crate) struct Memory {
    limit: u64,
    used: u64,
    pub(crate) peak: u64,
    /// What a refused growth would have made of `used`.
    pub(crate) refused: Option<u64>,
    elements: usize,
    /// What a refused growth would have made of `elements`.
    pub(crate) elements_refused: Option<usize>,
}

impl Memory {
    fn new(limit: u64) -> Self {
        Self { limit, used: 0, peak: 0, refused: None, elements: 0, elements_refused: None }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let wanted = self.used.saturating_add(more);
        if let Some(maximum) = maximum.filter(|maximum| desired > *maximum) {
            // What the module itself says must not count as used. The engine's own bound is never
            // less than the limit.
            if u64::try_from(maximum).unwrap_or(u64::MAX) >= self.limit {
                self.refused = Some(wanted);
            }
            return Ok(false);
        }
        if wanted > self.limit {
            // The guest sees a failed `memory.grow` and may go on; if it traps, this says why.
            self.refused = Some(wanted);
            return Ok(false);
        }
        self.used = wanted;
        // It asked for less and went on: what was refused before is not what will end it.
        self.refused = None;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add(desired.saturating_sub(current));
        if let Some(maximum) = maximum.filter(|maximum| desired > *maximum) {
            // The engine's own bound of each table is that of all together.
            if maximum >= MAX_TABLE_ELEMENTS {
                self.elements_refused = Some(wanted);
            }
            return Ok(false);
        }
        if wanted > MAX_TABLE_ELEMENTS {
            self.elements_refused = Some(wanted);
            return Ok(false);
        }
        self.elements = wanted;
        self.elements_refused = None;
        Ok(true)
    }

    fn instances(&self) -> usize {
        usize::try_from(MAX_CORE_INSTANCES).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        usize::try_from(MAX_TABLES).unwrap_or(usize::MAX)
    }

    fn memories(&self) -> usize {
        usize::try_from(MAX_MEMORIES).unwrap_or(usize::MAX)
    }
}
