#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_turbo_fuzz_targets::sqlite(data));
