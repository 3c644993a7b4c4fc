//! `verify` reads back what the other commands wrote, and names whatever is not that.

use std::fs;

use billing_lake::simulator::Options;
use serde_json::Value;

use super::program::{Ended, Program};
use super::published::Place;
use super::simulated_api::Api;

/// A lake of three months of all datasets, and of a range of dates.
fn filled() -> (Api, Place) {
    let (api, place) = (Api::three_months(), Place::new());
    let sync = || Program::sync(&api.endpoint(), &place.dest()).set("BILLING_LAKE_DATASETS", "all");
    sync().ends_with(0);
    sync().with(["--from", "2024-01-20", "--to", "2024-02-10"]).ends_with(0);
    (api, place)
}

fn verify(place: &Place) -> Program {
    Program::new(["verify", "--dest", &place.dest(), "--format", "json"])
}

/// `slice: kinds of findings` of each file that has some.
#[track_caller]
fn wrong(ended: &Ended) -> Vec<String> {
    let report = ended.report();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let files = report["files"].as_array().unwrap().iter();
    let wrong: Vec<_> = files
        .filter_map(|file| {
            let kinds: Vec<_> = file["findings"].as_array().unwrap().iter().map(|found| word(&found["kind"])).collect();
            let slice = format!("{} {}", word(&file["dataset"]), word(&file["billing_period"]));
            (!kinds.is_empty()).then(|| format!("{slice}: {}", kinds.join(" ")))
        })
        .collect();
    assert_eq!(report["totals"]["wrong"], wrong.len());
    wrong
}

#[test]
fn what_sync_and_convert_wrote_is_right() {
    let (api, place) = filled();
    let ended = verify(&place).ends_with(0);
    assert_eq!(wrong(&ended), [""; 0]);
    let totals = &ended.report()["totals"];
    assert_eq!(totals["files"], place.data().len());
    assert_eq!(totals["file_bytes"], place.data().values().map(Vec::len).sum::<usize>());
    let rows: usize = place.data().keys().map(|name| place.table(name).rows()).sum();
    assert_eq!(totals["rows"], rows);

    // In each codec, with maps of tags, in small row groups, from files.
    for more in [["--compression", "zstd"], ["--compression", "none"], ["--tags-map", "--force"], ["--memory", "64MiB"]]
    {
        let place = Place::new();
        Program::sync(&api.endpoint(), &place.dest()).with(more).ends_with(0);
        assert_eq!(verify(&place).ends_with(0).report()["totals"]["files"], 3, "{more:?}");
    }
    let place = Place::new();
    let rows = place.write("rows.ndjson", br#"{"cost":0.1234567890123456789,"date":"2024-11-03","tags":"{}"}"#);
    Program::convert(&rows, &place.dest()).ends_with(0);
    assert_eq!(verify(&place).ends_with(0).report()["totals"]["rows"], 1);
}

#[test]
fn lists_and_maps_of_many_rows_are_right() {
    let api = Api::start(Options { rows_per_month: 4_000, page_rows: 1_000, months: 1, ..Options::default() });
    let place = Place::new();
    let sync =
        Program::sync(&api.endpoint(), &place.dest()).set("BILLING_LAKE_DATASETS", "usage_details,balance_summary");
    sync.with(["--tags-map"]).ends_with(0);
    let maps = place.table("usage_details/").batches();
    assert!(maps.iter().any(|batch| batch.column_by_name("tags_map").unwrap().null_count() < batch.num_rows()));
    assert_eq!(wrong(&verify(&place).ends_with(0)), [""; 0]);
}

#[test]
fn a_damaged_file_of_any_dataset_is_named_and_can_be_fetched_again() {
    let (api, place) = filled();
    let names = place.names("");
    let names: Vec<_> = names.iter().filter(|name| name.ends_with(".parquet")).collect();
    for name in &names {
        let path = place.path("lake").join(name);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() - 1_000, whole.len() - 6, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(&path, damaged).unwrap();
            let ended = verify(&place).ends_with(5);
            assert_eq!(wrong(&ended).len(), 1, "{name} at {at}");
            let report = ended.report();
            let file = report["files"].as_array().unwrap().iter().find(|file| file["file"] == ***name).unwrap();
            assert_eq!(file["findings"].as_array().unwrap().len(), 1, "{name} at {at}");
            ended.says(&["error: 1 of", "is not what was written", "hint: `billing-lake sync --force"]);
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(wrong(&verify(&place).ends_with(0)), [""; 0]);

    // Data of which only the pages are damaged is fetched again when that is asked for, a footer at the next sync.
    let sync = || Program::sync(&api.endpoint(), &place.dest());
    for (from_end, kind, more) in [(false, "digest", &["--force", "--periods", "2024-02"][..]), (true, "footer", &[])] {
        let path = place.period("2024-02").path;
        let mut bytes = fs::read(&path).unwrap();
        let at = if from_end { bytes.len() - 1_000 } else { 1_000 };
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
        assert_eq!(wrong(&verify(&place).ends_with(5)), [format!("usage_details 2024-02: {kind}")]);
        sync().with(more.iter().copied()).ends_with(0);
        assert_eq!(wrong(&verify(&place).ends_with(0)), [""; 0]);
    }
}

#[test]
fn periods_that_changed_places_are_named_and_fetched_again() {
    let (api, place) = filled();
    let (one, two) = (place.period("2024-01").path, place.period("2024-02").path);
    let whole = fs::read(&one).unwrap();
    fs::copy(&two, &one).unwrap();
    fs::write(&two, whole).unwrap();
    let both = ["usage_details 2024-01: misplaced", "usage_details 2024-02: misplaced"];
    assert_eq!(wrong(&verify(&place).ends_with(5)), both);
    let status = Program::new(["status", "--dest", &place.dest()]).ends_with(0).out;
    assert!(
        status.contains("it is the file of usage_details/100/2024-02, and lies in the place of another"),
        "{status}"
    );
    let synced = Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    let fetched = synced.outcomes().iter().filter(|outcome| outcome.ends_with("published")).count();
    assert_eq!(fetched, 2, "{:?}", synced.outcomes());
    assert_eq!(wrong(&verify(&place).ends_with(0)), [""; 0]);
}

#[test]
fn what_is_no_file_of_the_lake_is_named() {
    let (api, place) = filled();
    let path = place.period("2024-03").path;
    let whole = fs::read(&path).unwrap();
    for (bytes, kind) in [(&b"x"[..], "not_parquet"), (b"PAR1", "truncated"), (&whole[..whole.len() / 2], "truncated")]
    {
        fs::write(&path, bytes).unwrap();
        assert_eq!(wrong(&verify(&place).ends_with(5)), [format!("usage_details 2024-03: {kind}")]);
    }
    fs::write(&path, &whole).unwrap();
    let other = path.with_file_name("a\u{1b}[31m\n.parquet");
    fs::write(&other, &whole).unwrap();
    let ended = Program::new(["verify", "--dest", &place.dest()]).ends_with(5);
    assert!(ended.out.contains("2 Parquet files lie in the partition folder"), "{}", ended.out);
    assert!(!ended.out.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ended.out);
    fs::remove_file(other).unwrap();

    // Another option gives files other columns; one of a lake with it is put in by hand.
    let with_map = Place::new();
    Program::sync(&api.endpoint(), &with_map.dest()).with(["--tags-map", "--last", "1"]).ends_with(0);
    fs::copy(with_map.period("2024-03").path, &path).unwrap();
    let ended = verify(&place).ends_with(5);
    assert_eq!(wrong(&ended), ["usage_details 2024-03: other_columns"]);
    assert!(ended.out.contains("it has also: tags_map"), "{}", ended.out);
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    verify(&place).ends_with(0);
}

#[test]
fn a_lake_that_cannot_be_read_is_no_wrong_lake() {
    let place = Place::new();
    verify(&place).ends_with(2).says(&["there is no lake in", "hint:"]);
    place.write("lake/_billing_lake/lake.json", br#"{"format":1,"layout":"hive"}"#);
    let ended = Program::new(["verify", "--dest", &place.dest()]).ends_with(0);
    assert_eq!(ended.out, "the lake is empty\n");
    assert_eq!(verify(&place).ends_with(0).report()["totals"]["files"], 0);
    place.write("lake/usage_details", b"a file");
    verify(&place).ends_with(6).says(&["usage_details: not a folder", "hint:"]);
}

#[test]
fn a_part_of_the_lake_can_be_chosen_or_drawn() {
    let (_api, place) = filled();
    let files = |program: Program| {
        let report = program.ends_with(0).report();
        let files = report["files"].as_array().unwrap().iter();
        (files.map(|file| file["file"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), report["sample"].clone())
    };
    let (all, _) = files(verify(&place));
    let (usage, sample) = files(verify(&place).with(["--datasets", "usage_details", "--periods", "2024-02..2024-03"]));
    assert_eq!((usage.len(), sample), (2, Value::Null));
    let (some, sample) = files(verify(&place).with(["--sample", "25%", "--seed", "7"]));
    assert_eq!(some.len(), all.len().div_ceil(4));
    assert_eq!(sample, serde_json::json!({"of": all.len(), "seed": 7}));
    // Drawn without a seed, it can be drawn again.
    let (some, sample) = files(verify(&place).with(["--sample", "3"]));
    let seed = sample["seed"].to_string();
    assert_eq!(files(verify(&place).with(["--sample", "3", "--seed", &seed])).0, some);
    let text = Program::new(["verify", "--dest", &place.dest(), "--sample", "3", "--seed", &seed]).ends_with(0).out;
    assert!(text.starts_with(&format!("sample: 3 of {} files, seed {seed}: ", all.len())), "{text}");

    // What narrows other commands does not narrow this one.
    let narrowed = verify(&place).set("BILLING_LAKE_DATASETS", "usage_details").set("BILLING_LAKE_PERIODS", "2024-02");
    assert_eq!(files(narrowed).0, all);
    let lines = Program::new(["verify", "--dest", &place.dest(), "--format", "ndjson"]).ends_with(0).out;
    assert_eq!(lines.lines().count(), all.len());
    verify(&place).with(["--enrollment", "999"]).ends_with(2).says(&["none of the", "hint: `billing-lake status`"]);
    for more in [["--sample", "0"], ["--seed", "7"], ["--periods", "2024-13"], ["--format", "markdown"]] {
        verify(&place).with(more).ends_with(2);
    }
}
