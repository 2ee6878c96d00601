//! The calls outside of a sandbox: the fake host of the test that runs on this thread.

use std::cell::RefCell;

use crate::log::Level;
use crate::testing::Fake;

thread_local! {
    static FAKE: RefCell<Option<Fake>> = const { RefCell::new(None) };
}

/// Runs `body` with `fake` as the host; gives the fake back, with what it was told.
pub(crate) fn with_fake<R>(fake: Fake, body: impl FnOnce() -> R) -> (R, Fake) {
    /// Takes the fake away again even when the handler panics, as a test may expect it to.
    struct Installed(Option<Fake>);
    impl Drop for Installed {
        fn drop(&mut self) {
            FAKE.set(self.0.take());
        }
    }
    let before = Installed(FAKE.replace(Some(fake)));
    let result = body();
    let fake = FAKE.take().expect("nothing else takes the fake of this thread");
    drop(before);
    (result, fake)
}

fn ask<R>(question: impl FnOnce(&mut Fake) -> R) -> R {
    FAKE.with_borrow_mut(|fake| match fake {
        Some(fake) => question(fake),
        None => panic!(
            "a Host was used on a thread that runs no handler: outside of the daemon, call handlers through hookyard_sdk::testing"
        ),
    })
}

pub(crate) fn log(level: Level, message: String, fields: Vec<(String, String)>) {
    FAKE.with_borrow_mut(|fake| match fake {
        Some(fake) => fake.log(level, message, fields),
        // The macros may run in a test of some function that no handler calls.
        None => eprintln!("{level}: {message} {fields:?}"),
    });
}

pub(crate) fn setting(name: &str) -> Option<String> {
    ask(|fake| fake.setting_text(name))
}

pub(crate) fn now() -> u64 {
    ask(|fake| fake.now_millis())
}

pub(crate) fn monotonic() -> u64 {
    ask(Fake::next_monotonic)
}

pub(crate) fn random(len: usize) -> Vec<u8> {
    ask(|fake| fake.random(len))
}
