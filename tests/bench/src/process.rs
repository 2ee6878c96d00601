//! Looking at a process from outside.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// `USER_HZ`, in which Linux counts the times that it tells user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes of memory that it holds.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}

/// Processor time that it has used, in user and kernel mode.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything, in brackets.
    let (_, rest) = stat.rsplit_once(") ").context("a strange stat")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The median time that a write of one page and its fsync take in `folder`, in milliseconds.
pub(crate) fn fsync(folder: &Path) -> anyhow::Result<f64> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(folder)?;
    let page = [7; 4096];
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = std::time::Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(crate::numbers::quantile(&times, 0.5))
}
