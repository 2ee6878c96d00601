#![no_main]

use hookyard_fuzz::{exercise, family};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| exercise(data, family("hmac").of));
