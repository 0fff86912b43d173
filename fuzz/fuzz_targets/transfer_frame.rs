#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| confkit::fuzzing::run("transfer_frame", data));
