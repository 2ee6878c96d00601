//! What the fuzzers found worth keeping goes through their checks again, with every change. After a
//! change of the recorded requests, `HOOKYARD_WRITE_SEEDS=1` writes the inputs that fuzzing starts from.

#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

#[allow(dead_code, unreachable_pub, reason = "the fuzzers use the rest")]
#[path = "../../../tests/fuzz/src/exercise.rs"]
mod exercise;
#[allow(dead_code, unreachable_pub, reason = "the fuzzers use the rest")]
#[path = "../../../tests/fuzz/src/families.rs"]
mod families;
mod vector;
#[allow(unreachable_pub, reason = "the fuzzers use it")]
#[path = "../../../tests/fuzz/src/written.rs"]
mod written;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use hookyard_verify::{Profile, profiles};

use exercise::{Input, exercise};
use families::FAMILIES;
use vector::Vector;
use written::exercise_written;

fn corpus(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(family)
}

/// A vector as a fuzzer's input. One with a line break in a header, or an empty one, has none.
fn input(profile: &Profile, vector: &Vector) -> Vec<u8> {
    let mut documents = Vec::new();
    let _ = vector.judge_fetching(profile, &mut documents);
    let request = vector.request();
    let mut head = format!("provider {}\nnow {}\n", profile.name, vector.now().as_secs());
    // Writing into a string does not fail.
    for secret in vector.secret_texts() {
        let _ = writeln!(head, "secret {}", secret.replace('\n', "\\n"));
    }
    let settings = vector.settings(profile);
    for setting in profile.settings {
        if let Some(value) = settings.get(setting.name) {
            let _ = writeln!(head, "setting {} {value}", setting.name);
        }
    }
    for document in documents {
        let _ = writeln!(head, "document {}", BASE64.encode(&document));
    }
    if let Some(roots) = vector.0["ca_pem"].as_str() {
        let _ = writeln!(head, "roots {}", BASE64.encode(roots.as_bytes()));
    }
    let _ = write!(head, "{} {}", request.method, request.url);
    let mut bytes = head.into_bytes();
    for (name, value) in &request.headers {
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes.extend_from_slice(b"\n\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

#[test]
fn every_recorded_request_is_an_input_that_holds() {
    let write = std::env::var_os("HOOKYARD_WRITE_SEEDS").is_some();
    let mut taken = 0;
    for profile in profiles() {
        for vector in Vector::read(profile.name) {
            let input = input(profile, &vector);
            assert!(Input::read(&input).is_some(), "{}", vector.id());
            for family in FAMILIES.iter().filter(|family| (family.of)(profile)) {
                exercise(&input, family.of);
                taken += 1;
                if write {
                    fs::create_dir_all(corpus(family.name)).expect("create a folder");
                    fs::write(corpus(family.name).join(vector.id()), &input).expect("write");
                }
            }
        }
    }
    assert!(taken > 600, "{taken}");
}

#[test]
fn every_sender_has_a_family() {
    for profile in profiles() {
        let unsigned = *profile.scheme == hookyard_verify::Scheme::None;
        let found = FAMILIES.iter().any(|family| (family.of)(profile));
        assert!(found || unsigned, "{}", profile.name);
    }
}

#[test]
fn what_fuzzing_found_holds() {
    let read = |family: &str| {
        let folder = corpus(family);
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let files = entries.map(|entry| entry.expect("an entry").path());
        files.map(|file| fs::read(&file).expect("read")).collect::<Vec<_>>()
    };
    for family in FAMILIES {
        let inputs = read(family.name);
        assert!(inputs.len() > 10, "{}: {}", family.name, inputs.len());
        inputs.iter().for_each(|input| exercise(input, family.of));
    }
    let inputs = read("written");
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| exercise_written(input));
}
