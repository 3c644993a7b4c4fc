//! `docs/data-dictionary.md` is what the contract says.

use super::program::Program;

#[test]
fn the_data_dictionary_is_what_the_schema_command_prints() {
    let printed = Program::new(["schema", "--format", "markdown"]).ends_with(0).out;
    let kept = include_str!("../../docs/data-dictionary.md");
    assert!(kept == printed, "run `billing-lake schema --format markdown > docs/data-dictionary.md`");
}
