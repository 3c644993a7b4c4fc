//! Files that another hand made, and signed as this tool does: their digests hold, and their content does not.

use std::collections::BTreeSet;
use std::path::Path;

use parquet::data_type::ByteArray;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::statistics::Statistics;
use sha2::{Digest, Sha256};

use super::*;

/// A footer to be changed.
pub(super) struct Forgery {
    /// Rows that it states, where these are not those of its row groups.
    rows: Option<u8>,
    groups: Vec<RowGroupMetaData>,
    pairs: Vec<KeyValue>,
}

impl Forgery {
    fn value(&mut self, key: &str) -> &mut String {
        let pair = self.pairs.iter_mut().find(|pair| pair.key == format!("billing_lake.{key}"));
        pair.unwrap().value.as_mut().unwrap()
    }

    pub(super) fn get(&mut self, key: &str) -> String {
        self.value(key).clone()
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        *self.value(key) = value.to_owned();
    }
}

/// Gives a file another footer. `closed`: with the digest of that footer in it.
pub(super) fn rewrite(path: &Path, closed: bool, change: impl FnOnce(&mut Forgery)) {
    let mut bytes = fs::read(path).unwrap();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let start = bytes.len() - 8 - length;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes[start..start + length]).unwrap();
    let file = metadata.file_metadata();
    let groups = metadata.row_groups().to_vec();
    let mut forgery = Forgery { rows: None, groups, pairs: file.key_value_metadata().unwrap().clone() };
    if closed {
        forgery.set("footer_digest", &format!("sha256:{}", "0".repeat(64)));
    }
    change(&mut forgery);
    let (created_by, orders) = (file.created_by().map(str::to_owned), file.column_orders().cloned());
    let Forgery { rows, groups, pairs } = forgery;
    let of_groups: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let file = FileMetaData::new(file.version(), 0, created_by, Some(pairs), file.schema_descr_ptr(), orders);
    bytes.truncate(start);
    ParquetMetaDataWriter::new(&mut bytes, &ParquetMetaData::new(file, groups)).finish().unwrap();
    if let Some(rows) = rows {
        // Field 3, a number, twice as large where it is positive; field 4, the list of row groups.
        let at = memchr::memmem::rfind(&bytes, &[0x16, 2 * of_groups as u8, 0x19]).unwrap();
        bytes[at + 1] = 2 * rows;
    }
    if closed {
        test_store::close_footer(&mut bytes);
    }
    fs::write(path, bytes).unwrap();
}

/// The findings' kinds of a file of two row groups with another footer, and the first one in words.
#[track_caller]
fn found(closed: bool, change: impl FnOnce(&mut Forgery)) -> (Vec<&'static str>, String) {
    let scene = scene();
    rewrite(&scene.usage(&november(), &[7, 3]), closed, change);
    let findings = scene.findings();
    let first = findings.first().map_or_else(String::new, Finding::to_string);
    (findings.iter().map(Finding::kind).collect(), first)
}

#[test]
fn a_footer_that_was_written_again_as_it_was_is_right() {
    assert_eq!(found(true, |_| {}).0, [""; 0]);
}

#[test]
fn a_row_group_less_is_found_however_much_of_the_footer_was_made_to_fit() {
    let without = |forgery: &mut Forgery| drop(forgery.groups.pop());
    assert_eq!(found(false, without).0, ["footer"]);
    assert_eq!(found(true, without).0, ["footer"]);
    let (kinds, words) = found(true, |forgery| {
        without(forgery);
        forgery.rows = Some(10);
    });
    assert_eq!(kinds, ["rows"], "{words}");
    assert_eq!(words, "its row groups together: 7 rows, where 10 are stated");
    let (kinds, words) = found(true, |forgery| {
        without(forgery);
        forgery.set("rows", "7");
    });
    assert_eq!(kinds, ["totals"]);
    assert!(words.contains("cost adds up to"), "{words}");
}

#[test]
fn a_row_group_twice_is_found() {
    let (kinds, _) = found(true, |forgery| {
        forgery.groups.push(forgery.groups[1].clone());
        forgery.set("rows", "13");
    });
    assert_eq!(kinds, ["totals"]);
}

#[test]
fn a_column_with_other_rows_than_its_row_group_is_found() {
    let (kinds, words) = found(true, |forgery| {
        let group = forgery.groups.remove(0);
        forgery.groups.insert(0, group.into_builder().set_num_rows(6).build().unwrap());
        forgery.set("rows", "9");
    });
    assert!(kinds.contains(&"rows"), "{kinds:?}");
    assert!(words.contains("7 rows, where 6 are stated"), "{words}");
}

/// A change of the statistics of a column in the first row group.
pub(super) fn with_statistics(column: &str, change: impl Fn(&Statistics) -> Statistics) -> impl Fn(&mut Forgery) {
    move |forgery| {
        let group = forgery.groups.remove(0);
        let columns = group.columns().iter().map(|chunk| {
            if chunk.column_path().string() != column {
                return chunk.clone();
            }
            let statistics = change(chunk.statistics().unwrap());
            chunk.clone().into_builder().set_statistics(statistics).build().unwrap()
        });
        let columns = columns.collect();
        forgery.groups.insert(0, group.into_builder().set_column_metadata(columns).build().unwrap());
    }
}

#[test]
fn statistics_that_would_hide_rows_are_found() {
    let bytes = |text: &str| Some(ByteArray::from(text.as_bytes().to_vec()));
    let units = |value: i128| Some(ByteArray::from(value.to_be_bytes().to_vec()).into());
    let text = move |min: &str, max: &str| Statistics::byte_array(bytes(min), bytes(max), None, Some(2), false);
    type Change = Box<dyn Fn(&Statistics) -> Statistics>;
    let cases: Vec<(&str, Change, bool)> = vec![
        ("date", Box::new(|_| Statistics::int32(Some(20_028), Some(20_034), None, Some(0), false)), true),
        ("date", Box::new(|_| Statistics::int32(Some(20_029), Some(20_034), None, Some(0), false)), false),
        ("date", Box::new(|_| Statistics::int32(Some(20_028), Some(20_033), None, Some(0), false)), false),
        ("date", Box::new(|_| Statistics::int32(Some(20_028), Some(20_034), None, Some(1), false)), false),
        ("account_id", Box::new(|_| Statistics::int64(Some(-6), Some(-2), None, Some(2), false)), true),
        ("account_id", Box::new(|_| Statistics::int64(Some(-5), Some(-2), None, Some(2), false)), false),
        (
            "cost",
            Box::new(move |_| Statistics::fixed_len_byte_array(units(UNITS), units(5 * UNITS), None, Some(3), false)),
            true,
        ),
        (
            "cost",
            Box::new(move |_| Statistics::fixed_len_byte_array(units(UNITS), units(4 * UNITS), None, Some(3), false)),
            false,
        ),
        (
            "charges_billed_separately",
            Box::new(|_| Statistics::boolean(Some(true), Some(true), None, Some(0), false)),
            false,
        ),
        ("location", Box::new(move |_| text("", "West")), true),
        ("location", Box::new(move |_| text("", "Vest")), false),
        ("location", Box::new(move |_| text("A", "West")), false),
        // A column of nulls.
        ("product", Box::new(|_| Statistics::byte_array(None, None, None, Some(7), false)), true),
        ("product", Box::new(|_| Statistics::byte_array(None, None, None, Some(6), false)), false),
        (
            "resource_rate",
            Box::new(move |_| Statistics::fixed_len_byte_array(units(1), units(1), None, Some(7), false)),
            false,
        ),
    ];
    for (at, (column, change, holds)) in cases.into_iter().enumerate() {
        let (kinds, words) = found(true, with_statistics(column, change));
        let expected: &[&str] = if holds { &[] } else { &["statistics"] };
        assert_eq!(kinds, expected, "case {at}: {column}: {words}");
        assert!(holds || words.contains(&format!("column {column} in row group 0")), "{words}");
    }
}

#[test]
fn a_bound_that_was_cut_need_only_be_one() {
    let bytes = |text: &str| Some(ByteArray::from(text.as_bytes().to_vec()));
    for (min, max, holds) in [("/", "0", true), ("/subscriptions/", "/t", true), ("/t", "/u", false), ("/", "/", false)]
    {
        let (min, max) = (bytes(min), bytes(max));
        let change = with_statistics("instance_id", move |_| {
            use parquet::file::statistics::ValueStatistics;
            let cut = ValueStatistics::new(min.clone(), max.clone(), None, Some(0), false);
            Statistics::ByteArray(cut.with_min_is_exact(false).with_max_is_exact(false))
        });
        assert_eq!(found(true, change).0.is_empty(), holds);
    }
}

#[test]
fn pages_that_cannot_be_decoded_are_named() {
    let (kinds, words) = found(true, |forgery| {
        let group = forgery.groups.remove(0);
        let columns = group.columns().iter().map(|chunk| match chunk.column_path().string().as_str() {
            "cost" => {
                chunk.clone().into_builder().set_data_page_offset(5).set_dictionary_page_offset(None).build().unwrap()
            }
            _ => chunk.clone(),
        });
        let columns = columns.collect();
        forgery.groups.insert(0, group.into_builder().set_column_metadata(columns).build().unwrap());
    });
    assert!(kinds.contains(&"pages"), "{kinds:?}: {words}");
    assert!(words.contains("column cost of row group 0"), "{words}");
}

#[test]
fn totals_and_digests_that_were_changed_are_found() {
    let change = |forgery: &mut Forgery| {
        let totals = forgery.get("control_totals");
        assert!(totals.contains(r#""cost":"15""#), "{totals}");
        forgery.set("control_totals", &totals.replace(r#""cost":"15""#, r#""cost":"29""#));
    };
    assert_eq!(found(false, change).0, ["footer"]);
    assert_eq!(found(true, change).0, ["totals"]);
    let other = format!("sha256:{}", "1".repeat(64));
    assert_eq!(found(true, |forgery| forgery.set("digest", &other)).0, ["digest"]);
    assert_eq!(found(true, |forgery| forgery.set("slice", "usage_details/0100/2024-10")).0, ["misplaced"]);
    assert_eq!(found(true, |forgery| forgery.set("format", "2")).0, ["newer"]);
    assert_eq!(found(false, |forgery| forgery.pairs.retain(|pair| pair.key != "billing_lake.format")).0, ["foreign"]);
    assert_eq!(
        found(false, |forgery| forgery.pairs.retain(|pair| pair.key != "billing_lake.footer_digest")).0,
        ["footer"]
    );
}

#[test]
fn a_contract_that_is_not_known_is_other_columns_and_no_damage() {
    let (kinds, words) = found(true, |forgery| forgery.set("contract", "0123456789abcdef"));
    assert_eq!(kinds, ["other_columns"]);
    assert!(words.contains("than this version writes"), "{words}");
}

#[test]
fn columns_of_another_contract_than_the_footer_names_are_found() {
    let with_map = Contract::of(Dataset::UsageDetails).with_tags_map();
    let (kinds, words) = found(true, |forgery| forgery.set("contract", with_map.fingerprint()));
    assert_eq!(kinds, ["schema"]);
    assert!(words.ends_with("it lacks: tags_map"), "{words}");
}

/// Parquet's readers panic over some of these, which nobody but a forger, or a broken writer, makes.
#[test]
fn no_forged_byte_stops_the_verification() {
    const SHA: &str = "sha256:";
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scene = scene();
    let path = scene.usage(&november(), &[7, 3]);
    let whole = fs::read(&path).unwrap();
    let length = u32::from_le_bytes(*whole[..whole.len() - 4].last_chunk().unwrap()) as usize;
    let (start, end) = (whole.len() - 8 - length, whole.len() - 8);
    let place_of = |key: &str| {
        let key = memchr::memmem::rfind(&whole, key.as_bytes()).unwrap();
        let digits = key + memchr::memmem::find(&whole[key..], SHA.as_bytes()).unwrap() + SHA.len();
        digits..digits + 64
    };
    let (of_data, of_footer) = (place_of("billing_lake.digest"), place_of("billing_lake.footer_digest"));
    let mut kinds = BTreeSet::new();
    for at in (4..end).step_by(29).filter(|at| !of_data.contains(at) && !of_footer.contains(at)) {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let digest = hex(&bytes[..start]);
            bytes[of_data.clone()].copy_from_slice(digest.as_bytes());
            bytes[of_footer.clone()].fill(b'0');
            test_store::close_footer(&mut bytes);
            fs::write(&path, &bytes).unwrap();
            kinds.extend(scene.kinds());
        }
    }
    for kind in ["footer", "schema", "pages", "rows", "totals", "statistics"] {
        assert!(kinds.contains(kind), "{kind} is not in {kinds:?}");
    }
}
