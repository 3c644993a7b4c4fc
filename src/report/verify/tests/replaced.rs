//! Files that change while they are read, and how they are read.

use std::sync::Mutex;

use super::*;
use crate::lake::test_store::Watched;

/// A lake of one file of three rows, which is replaced by one of four when the reads so far are in `at`.
fn verify_replacing(exchange: bool, at: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Verification, usize) {
    let Scene { folder, .. } = scene();
    let writer = Scene { lake: test_store::lake(folder.path(), exchange), folder };
    writer.usage(&november(), &[3]);
    let path = writer.folder.path().to_owned();
    let rows = Mutex::new(3);
    let (lake, watched) = Watched::lake(&path, exchange, move |reads| {
        if at(reads) {
            let mut rows = rows.lock().unwrap();
            *rows += 1;
            writer.usage(&november(), &[*rows]);
        }
    });
    let verification = verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap();
    (verification, watched.take_reads().len())
}

#[test]
fn a_file_that_is_replaced_is_verified_anew() {
    for exchange in [true, false] {
        for at in 0..3 {
            let (verification, _) = verify_replacing(exchange, move |reads| reads == at);
            assert_eq!(wrong(&verification), [], "exchange: {exchange}, replaced at read {at}");
            assert!((3..=4).contains(&verification.rows()));
        }
    }
}

#[test]
fn one_that_is_replaced_again_and_again_is_told_after_three_readings() {
    let (verification, reads) = verify_replacing(true, |_| true);
    assert_eq!(wrong(&verification), [(november().to_string(), vec!["replaced"])]);
    assert_eq!(reads, 3);
    assert!(verification.files[0].findings[0].to_string().contains("3 readings"));
}

#[test]
fn one_that_is_gone_is_not_told() {
    let scene = scene();
    scene.usage(&november(), &[3]);
    let path = scene.folder.path().join("usage_details");
    let (lake, _) = Watched::lake(scene.folder.path(), true, move |_| drop(fs::remove_dir_all(&path)));
    assert_eq!(verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap().files, []);
}

#[test]
fn one_that_cannot_be_read_is_told_and_the_others_are_verified() {
    let scene = scene();
    let path = scene.usage(&november(), &[3]);
    scene.usage(&slice(Dataset::UsageDetails, "0100", "2024-12"), &[3]);
    fs::remove_file(&path).unwrap();
    // A link to itself can be neither listed nor read, but one to a folder is read as a file.
    let (lake, _) = Watched::lake(scene.folder.path(), true, |_| {});
    assert_eq!(verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap().files.len(), 1);
    let folder = scene.folder.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(&path, [0; 64]).unwrap();
    let (from, to) = (path.clone(), folder);
    let (lake, _) = Watched::lake(scene.folder.path(), true, move |_| {
        if from.is_file() {
            fs::remove_file(&from).unwrap();
            std::os::unix::fs::symlink(&to, &from).unwrap();
        }
    });
    let verification = verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap();
    assert_eq!(wrong(&verification), [(november().to_string(), vec!["unread"])]);
    assert_eq!(verification.rows(), 3);
}

#[test]
fn a_small_file_takes_one_read() {
    let scene = scene();
    let bytes = fs::metadata(scene.usage(&november(), &[7, 3, 5])).unwrap().len();
    let (lake, watched) = Watched::lake(scene.folder.path(), true, |_| {});
    assert_eq!(wrong(&verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap()), []);
    let reads = watched.take_reads();
    assert_eq!((reads.len(), &reads[0]), (1, &(0..bytes)));
}

#[test]
fn a_large_file_is_read_in_large_pieces_once_as_far_as_memory_allows() {
    const PIECE: u64 = 8 << 20;
    // Numbers that no codec makes smaller.
    let mut chance = 1_u64;
    let mut number = || {
        chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (i128::from(chance) << 56) | i128::from(chance >> 8)
    };
    for (groups, once) in [(4, true), (24, false)] {
        let scene = scene();
        let contract = Contract::of(Dataset::UsageDetails);
        // Their whole parts are added up apart: together they are beyond 128 bits.
        let (rows, mut whole, mut rest) = (200_000, 0_i128, 0_i128);
        let batches: Vec<_> = (0..groups)
            .map(|_| {
                let values: Vec<_> = (0..rows).map(|_| number()).collect();
                whole += values.iter().map(|value| value / UNITS).sum::<i128>();
                rest += values.iter().map(|value| value % UNITS).sum::<i128>();
                batch(&november(), &contract, rows, &[("cost", decimals(values.into_iter().map(Some)))])
            })
            .collect();
        let total = format!("{}.{:018}", whole + rest / UNITS, rest % UNITS);
        let path = scene.publish(&november(), &contract, batches, state(&contract, groups * rows, &[("cost", &total)]));
        let bytes = fs::metadata(&path).unwrap().len();
        let (lake, watched) = Watched::lake(scene.folder.path(), true, |_| {});
        assert_eq!(wrong(&verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap()), []);
        let reads = watched.take_reads();
        assert!(reads.iter().all(|read| read.end == bytes || read.end - read.start == PIECE), "{reads:?}");
        let pieces = bytes.div_ceil(PIECE);
        let read: u64 = reads.iter().map(|read| read.end - read.start).sum();
        if once {
            assert_eq!((reads.len() as u64, read), (pieces, bytes));
        } else {
            assert!(
                bytes > 4 * PIECE && reads.len() as u64 > pieces && reads.len() as u64 <= 2 * pieces - 3,
                "{reads:?}"
            );
        }
    }
}
