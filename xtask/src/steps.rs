//! Numbered steps with their times, for commands that take minutes.

use std::time::{Duration, Instant};

/// Runs steps one after the other and remembers how each ended.
pub(crate) struct Steps {
    total: usize,
    done: Vec<Step>,
    began: Instant,
}

struct Step {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
    note: String,
}

impl Steps {
    /// `total` is only for the `[2/6]` that a person sees.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: Vec::new(), began: Instant::now() }
    }

    /// Announces and runs one step. A failure is printed and kept; the caller decides whether a
    /// later step still makes sense, which is why the value comes back as an option.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> anyhow::Result<(T, String)>,
    ) -> Option<T> {
        println!("\n[{}/{}] {name}", self.done.len() + 1, self.total);
        let began = Instant::now();
        let result = step();
        let took = began.elapsed();
        let (value, failure, note) = match result {
            Ok((value, note)) => (Some(value), None, note),
            Err(error) => (None, Some(format!("{error:#}")), String::new()),
        };
        match &failure {
            None => println!("      done in {}", clock(took)),
            Some(failure) => eprintln!("      FAILED after {}: {failure}", clock(took)),
        }
        self.done.push(Step { name, took, failure, note });
        value
    }

    /// Prints what was run, and fails when a step did or was not reached.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        println!("\n{:-<72}", "");
        for step in &self.done {
            let verdict = if step.failure.is_none() { "ok    " } else { "FAILED" };
            println!("{verdict} {:>8}  {}  {}", clock(step.took), step.name, step.note);
        }
        let took = clock(self.began.elapsed());
        let failed = self.done.iter().filter(|step| step.failure.is_some()).count();
        let skipped = self.total.saturating_sub(self.done.len());
        if failed == 0 && skipped == 0 {
            println!("\nAll {} steps passed in {took}.", self.total);
            return Ok(());
        }
        anyhow::bail!("{failed} of {} steps failed, {skipped} not run, in {took}", self.total)
    }
}

/// `3.2 s` or `4 min 07 s`.
pub(crate) fn clock(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(clock(Duration::from_millis(3240)), "3.2 s");
        assert_eq!(clock(Duration::from_secs(247)), "4 min 07 s");
    }

    #[test]
    fn a_failed_step_fails_the_whole() {
        let mut steps = Steps::new(2);
        assert_eq!(steps.run("one", || Ok((1, String::new()))), Some(1));
        assert_eq!(steps.run("two", || anyhow::bail!("no")), None::<()>);
        assert_eq!(
            steps.finish().unwrap_err().to_string().split(',').next(),
            Some("1 of 2 steps failed")
        );
    }

    #[test]
    fn a_step_that_was_not_reached_fails_the_whole() {
        let mut steps = Steps::new(2);
        steps.run("one", || Ok(((), String::new())));
        assert!(steps.finish().is_err());
    }
}
