//! `schema --engine` prints definitions for the lake at hand. What engines make of them, `tests/readers` shows.

use super::program::Program;
use super::published::Place;

/// What is printed, for a place where nothing is.
fn printed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    Program::new(["schema"]).with(words).at(&Place::new().path("")).ends_with(0).out
}

#[test]
fn a_path_is_one_from_the_root() {
    let place = Place::new();
    let root = std::fs::canonicalize(place.path("")).unwrap();
    let call = || Program::new(["schema", "usage_details", "--engine", "spark"]).at(&root);
    let location = |lake: &str| format!("LOCATION 'file://{}/{lake}/usage_details';", root.display());
    for (program, lake) in [
        (call(), "billing-lake"),
        (call().with(["--dest", "./my lake/"]), "my lake"),
        (call().set("BILLING_LAKE_DEST", "elsewhere"), "elsewhere"),
    ] {
        let out = program.ends_with(0).out;
        assert!(out.contains(&location(lake)), "{lake} is not in {out}");
    }
    let out = printed(["usage_details", "--engine", "spark", "--dest", "file:///srv/a%20b"]);
    assert!(out.contains("LOCATION 'file:///srv/a b/usage_details';"), "{out}");
}

#[test]
fn all_datasets_are_defined_unless_one_is_named() {
    let all = printed(["--engine", "duckdb"]);
    assert_eq!(all.matches("FROM read_parquet(").count(), 7);
    assert_eq!(all.matches("_narrow\" AS").count(), 6);
    assert_eq!(printed(["price_sheet", "--engine", "duckdb"]).matches("FROM read_parquet(").count(), 1);
}

#[test]
fn maps_of_tags_are_defined_where_the_lake_has_them() {
    for words in [&["--engine", "duckdb"][..], &["--format", "json"]] {
        let printed = |more: &[&str]| printed(["usage_details"].iter().chain(words).chain(more).copied());
        assert!(!printed(&[]).contains("tags_map"));
        assert!(printed(&["--tags-map"]).contains("tags_map"));
    }
}

#[test]
fn definitions_have_no_format() {
    let call = || Program::new(["schema", "price_sheet", "--engine", "duckdb"]);
    call().with(["--format", "json"]).ends_with(2).says(&["--format", "--engine"]);
    // What is set for other commands does not count.
    let out = call().set("BILLING_LAKE_FORMAT", "json").ends_with(0).out;
    assert!(out.starts_with("-- A billing lake in DuckDB"), "{out}");
}
