//! The shim itself: it must forget what was not synced, and only that.

use std::fs;
use std::path::Path;
use std::process::Command;

use hookyard_tests::{PowerCut, Yard};

/// `dd` with these operands, under the shim.
fn dd(cut: &PowerCut, operands: &[&str]) {
    let mut command = Command::new("dd");
    command.args(operands).arg("status=none");
    cut.apply(&mut command);
    let output = command.output().expect("run dd");
    assert!(output.status.success(), "{output:?}");
}

fn of(path: &Path) -> String {
    format!("of={}", path.display())
}

#[test]
fn what_was_not_synced_is_gone_after_the_cut() {
    let yard = Yard::new();
    let folder = yard.data();
    let cut = PowerCut::new(&folder);
    let (new, old, longer) = (folder.join("new"), folder.join("old"), folder.join("longer"));
    fs::write(&old, "what was there before").unwrap();
    fs::write(&longer, "short").unwrap();

    // Not synced: created, overwritten in place, appended.
    dd(&cut, &["if=/dev/zero", &of(&new), "bs=4k", "count=2"]);
    cut.cut();
    assert!(!new.exists(), "a file that was never synced");
    dd(&cut, &["if=/dev/zero", &of(&old), "bs=4", "count=1", "conv=notrunc"]);
    cut.cut();
    assert_eq!(fs::read(&old).unwrap(), b"what was there before");
    dd(&cut, &["if=/dev/zero", &of(&longer), "bs=4", "count=1", "oflag=append", "conv=notrunc"]);
    cut.cut();
    assert_eq!(fs::read(&longer).unwrap(), b"short");
}

#[test]
fn what_was_synced_is_there_after_the_cut() {
    let yard = Yard::new();
    let folder = yard.data();
    let cut = PowerCut::new(&folder);
    for sync in ["fsync", "fdatasync"] {
        let new = folder.join(sync);
        dd(&cut, &["if=/dev/zero", &of(&new), "bs=4k", "count=3", &format!("conv={sync}")]);
        cut.cut();
        assert_eq!(fs::read(&new).unwrap(), vec![0; 3 * 4096], "{sync}");
    }

    let old = folder.join("old");
    fs::write(&old, "abcdefghij").unwrap();
    let there = ["if=/dev/zero", &of(&old), "bs=2", "count=1", "seek=2", "conv=notrunc,fsync"];
    dd(&cut, &there);
    cut.cut();
    assert_eq!(fs::read(&old).unwrap(), b"abcd\0\0ghij", "only the bytes written are others");

    // Truncated and synced.
    dd(&cut, &["if=/dev/zero", &of(&old), "bs=3", "count=1", "conv=fsync"]);
    cut.cut();
    assert_eq!(fs::read(&old).unwrap(), [0; 3]);

    // Another process, without writing anything, changes nothing.
    dd(&cut, &["if=/dev/null", &of(&folder.join("empty")), "conv=fsync"]);
    cut.cut();
    assert_eq!(fs::read(&old).unwrap(), [0; 3]);
    assert_eq!(fs::read(folder.join("empty")).unwrap(), b"");
}
