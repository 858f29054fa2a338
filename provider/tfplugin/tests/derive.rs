//! What the derive refuses, and how it says so.

#[test]
fn mistakes_are_named_at_the_field() {
    trybuild::TestCases::new().compile_fail("tests/derive/*.rs");
}
