#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    palisade::fuzzing::hold("named_body", data);
});
