//! The long-lived tasks: each has a name, and an owner that notices its end.

use std::fmt;
use std::future::Future;

use tokio::task::{Id, JoinSet};

/// The daemon's long-lived tasks. None of them is meant to end before it is told to.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
}

/// A task that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) name: &'static str,
    pub(crate) panicked: bool,
}

impl Tasks {
    pub(crate) fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.running.spawn(task);
        self.names.push((handle.id(), name));
    }

    /// The next task to end; pending for ever when none is left.
    pub(crate) async fn ended(&mut self) -> Ended {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => Ended { name: self.name(id), panicked: false },
            Some(Err(error)) => Ended { name: self.name(error.id()), panicked: error.is_panic() },
            None => std::future::pending().await,
        }
    }

    /// Waits for every task to end.
    pub(crate) async fn all_ended(&mut self) {
        while self.running.join_next().await.is_some() {}
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.iter().find(|(known, _)| *known == id).map_or("task", |(_, name)| name)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.panicked { "panicked" } else { "ended by itself" };
        write!(f, "the {} task {how}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_is_noticed_with_its_name_and_manner() {
        let mut tasks = Tasks::default();
        tasks.start("quiet", async {});
        assert_eq!(tasks.ended().await, Ended { name: "quiet", panicked: false });
        tasks.start("loud", async { panic!("on purpose") });
        assert_eq!(tasks.ended().await, Ended { name: "loud", panicked: true });
    }
}
