#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| billing_lake::fuzzing::csv(data));
