//! What is run, and for how long.

use std::time::Duration;

/// The scenarios, in the order in which they run.
pub(crate) const IDS: [&str; 11] = ["1", "1b", "3a", "3b", "5", "4", "6", "7", "8", "9", "peers"];

/// How much of the suite is run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) quick: bool,
    only: Vec<String>,
}

impl Plan {
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut plan = Self { quick: false, only: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--quick" => plan.quick = true,
                "--only" => plan.only = rest.next()?.split(',').map(str::to_owned).collect(),
                _ => return None,
            }
        }
        plan.only.iter().all(|id| IDS.contains(&id.as_str())).then_some(plan)
    }

    pub(crate) fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == id)
    }

    /// Whether all of it was run, at full length: only then is it published.
    pub(crate) fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty()
    }

    /// How often each side of a comparison runs.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// One run of a closed loop.
    pub(crate) fn run(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 8 })
    }

    /// One run of what has to be watched for longer.
    pub(crate) fn long_run(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 60 })
    }

    /// `count`, or a fiftieth of it.
    pub(crate) fn scaled(&self, count: u64) -> u64 {
        if self.quick { count / 50 } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_can_be_chosen() {
        assert!(Plan::parse(&[]).unwrap().is_whole());
        let some = Plan::parse(&["--quick", "--only", "1,3a"]).unwrap();
        assert!(some.wants("3a") && !some.wants("4") && !some.is_whole());
        assert!(Plan::parse(&["--only", "11"]).is_none());
        assert!(Plan::parse(&["--only"]).is_none());
        assert!(Plan::parse(&["--fast"]).is_none());
    }
}
