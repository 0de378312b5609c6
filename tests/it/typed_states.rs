//! The order of the security path is a matter of types: each forbidden move must fail to compile, for the reason recorded
//! beside it.

#[test]
fn forbidden_moves_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
