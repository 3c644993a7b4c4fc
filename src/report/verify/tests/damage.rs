//! Bytes that are not those that were written.

use super::*;

/// A file of all kinds of columns, and its bytes.
fn file(scene: &Scene) -> (PathBuf, Vec<u8>) {
    let path = scene.usage(&november(), &[7, 3]);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(scene.kinds(), [""; 0]);
    (path, bytes)
}

#[test]
fn any_byte_that_changes_is_found() {
    let scene = scene();
    let (path, mut bytes) = file(&scene);
    // Every byte once as a whole, and once in one bit.
    for at in 0..bytes.len() {
        for change in [0xff, 1 << (at % 8)] {
            bytes[at] ^= change;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(scene.kinds().len(), 1, "byte {at} of {} changed by {change:#x}", bytes.len());
            bytes[at] ^= change;
        }
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(scene.kinds(), [""; 0]);
}

#[test]
fn any_byte_of_a_file_without_rows_is_found_too() {
    let scene = scene();
    let path = scene.empty(&slice(Dataset::BillingPeriods, "100", ""));
    let mut bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(scene.kinds().len(), 1, "byte {at} of {}", bytes.len());
        bytes[at] ^= 1 << (at % 8);
    }
}

#[test]
fn any_cut_is_found_and_so_is_what_was_added() {
    let scene = scene();
    let (path, bytes) = file(&scene);
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let kinds = scene.kinds();
        let expected = if length < 4 { "not_parquet" } else { "truncated" };
        assert_eq!(kinds, [expected], "{length} of {}", bytes.len());
    }
    // Cut elsewhere than at the end.
    for cut in [0..1, 4..100, 200..201, bytes.len() - 9..bytes.len() - 8] {
        let mut rest = bytes.clone();
        rest.drain(cut.clone());
        fs::write(&path, rest).unwrap();
        assert_eq!(scene.kinds().len(), 1, "{cut:?}");
    }
    for at in [0, 4, 200, bytes.len() - 8, bytes.len() - 4, bytes.len()] {
        let mut more = bytes.clone();
        more.insert(at, 0);
        fs::write(&path, more).unwrap();
        assert_eq!(scene.kinds().len(), 1, "a byte before {at}");
    }
}

#[test]
fn a_block_of_zeros_or_of_another_file_is_found() {
    let scene = scene();
    let (path, bytes) = file(&scene);
    let other = fs::read(scene.usage(&slice(Dataset::UsageDetails, "0100", "2024-10"), &[7, 4])).unwrap();
    for start in (4..bytes.len()).step_by(512) {
        let block = start..bytes.len().min(start + 512);
        for with in [vec![0; block.len()], other[..block.len()].to_vec()] {
            let mut damaged = bytes.clone();
            damaged[block.clone()].copy_from_slice(&with);
            fs::write(&path, damaged).unwrap();
            assert_eq!(wrong(&scene.verify()).len(), 1, "{block:?}");
        }
    }
}

#[test]
fn damage_of_data_and_of_the_footer_are_told_apart_and_nothing_is_decoded() {
    let scene = scene();
    let (path, bytes) = file(&scene);
    for (at, kind) in [(0, "digest"), (100, "digest"), (bytes.len() - 1_000, "footer")] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let file = scene.verify().files.remove(0);
        assert_eq!((file.findings[0].kind(), file.findings.len(), file.rows), (kind, 1, 0), "{}", file.findings[0]);
    }
}

#[test]
fn what_is_no_file_of_this_lake_is_named() {
    let scene = scene();
    let (path, bytes) = file(&scene);
    fs::write(&path, "{\"data\":[]}").unwrap();
    assert_eq!(scene.kinds(), ["not_parquet"]);
    fs::write(&path, &bytes).unwrap();
    fs::copy(&path, path.with_file_name("part-0.parquet")).unwrap();
    let file = scene.verify().files.remove(0);
    assert_eq!(file.findings[0].kind(), "not_alone");
    assert_eq!(file.bytes, 2 * bytes.len() as u64);
}

#[test]
fn a_file_in_the_place_of_another_is_found_even_without_rows() {
    let period = |dataset, enrollment, period| slice(dataset, enrollment, period);
    let november = november();
    for (other, rows) in [
        (period(Dataset::UsageDetails, "0100", "2024-10"), true),
        (period(Dataset::UsageDetails, "100", "2024-11"), true),
        (period(Dataset::UsageDetailsByDate, "0100", "2024-11-01_2024-11-30"), true),
        (period(Dataset::UsageDetails, "0100", "2024-10"), false),
        (period(Dataset::UsageDetailsByDate, "0100", "2024-11-01_2024-11-30"), false),
    ] {
        let scene = scene();
        let publish = |slice: &Slice| if rows { scene.usage(slice, &[3]) } else { scene.empty(slice) };
        let (one, two) = (publish(&november), publish(&other));
        let bytes = [fs::read(&one).unwrap(), fs::read(&two).unwrap()];
        fs::write(&one, &bytes[1]).unwrap();
        fs::write(&two, &bytes[0]).unwrap();
        let found = wrong(&scene.verify());
        assert_eq!(found.len(), 2, "{other}: {found:?}");
        assert!(found.iter().all(|(_, kinds)| *kinds == ["misplaced"]), "{other}: {found:?}");
    }
}
