#![no_main]

use hookyard_fuzz::exercise_written;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| exercise_written(data));
