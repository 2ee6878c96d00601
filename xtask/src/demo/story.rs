//! What the person who runs the demo reads: numbered steps, and checks that were really made.

use anyhow::bail;

/// Characters of a line that is cut.
const WIDTH: usize = 100;

/// Prints the demo's steps and counts its checks.
pub(crate) struct Story {
    step: u32,
    checks: u32,
}

impl Story {
    pub(crate) fn begin() -> Self {
        Self { step: 0, checks: 0 }
    }

    /// Begins the next numbered step.
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}. {title}", self.step);
    }

    /// A sentence that explains.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            println!("   {line}");
        }
    }

    /// Output of the program, as it is, set off from the explanation.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("   | {line}");
        }
    }

    /// The same, with long lines cut: a payload is one line of kilobytes.
    pub(crate) fn quote_cut(&self, text: &str) {
        for line in text.trim_end().lines() {
            let start: String = line.chars().take(WIDTH).collect();
            let more = if start.len() < line.len() { " …" } else { "" };
            println!("   | {start}{more}");
        }
    }

    /// States what must hold, and ends the demo when it does not.
    pub(crate) fn check(&mut self, holds: bool, claim: &str) -> anyhow::Result<()> {
        if !holds {
            println!("   [FAILED] {claim}");
            bail!("step {}: not so: {claim}", self.step);
        }
        self.checks += 1;
        println!("   [ok] {claim}");
        Ok(())
    }

    /// How many claims were checked.
    pub(crate) fn checks(&self) -> u32 {
        self.checks
    }
}
