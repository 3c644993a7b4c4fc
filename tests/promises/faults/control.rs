//! Fault 29: a finished file that does not hold what was decoded is never published. Only a bug could cause it, so it is
//! played at the lake's own edge.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use billing_lake::contract::{Contract, Dataset, Slice, Window};
use billing_lake::lake::{Destination, FileState, Lake, LakeErrorKind, WriteOptions};

use super::scene::Scene;

#[test]
fn a_file_that_does_not_hold_what_was_decoded_is_never_published() {
    let november = Slice {
        dataset: Dataset::UsageDetails,
        enrollment: "100".parse().unwrap(),
        window: Window::Period("2024-11".parse().unwrap()),
    };
    let totals = |cost: &str| BTreeMap::from([("cost".to_owned(), cost.to_owned())]);
    let states = [
        ("a row more", FileState { rows: 1, ..FileState::default() }),
        ("a total more", FileState { control_totals: totals("0.000000000000000001"), ..FileState::default() }),
        ("a residue that is none", FileState { rounding_residue: totals("1"), ..FileState::default() }),
        ("a total that is no number", FileState { control_totals: totals("much"), ..FileState::default() }),
    ];
    for (name, state) in states {
        let scene = Scene::new();
        let lake = Lake::open(&Destination::local(scene.place.path("lake"))).unwrap();
        let run = lake.begin_run("a-run").unwrap();
        let file = run.stage(&november, &Contract::of(november.dataset), &WriteOptions::default()).unwrap();
        let error = file.finish(state).unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Internal, "{name}: {error}");
        assert!(error.to_string().contains("was not published"), "{name}: {error}");
        run.finish().unwrap();
        assert!(
            scene.place.data()
                == scene
                    .before
                    .iter()
                    .filter(|(name, _)| !name.starts_with('_'))
                    .map(|(name, bytes)| (name.clone(), bytes.clone()))
                    .collect()
        );
        assert_eq!(scene.place.names("_billing_lake/staging/"), [""; 0]);
    }
}

#[test]
fn rows_of_another_schema_are_refused() {
    let scene = Scene::new();
    let lake = Lake::open(&Destination::local(scene.place.path("lake"))).unwrap();
    let run = lake.begin_run("a-run").unwrap();
    let slice = Slice { dataset: Dataset::BillingPeriods, enrollment: "100".parse().unwrap(), window: Window::Whole };
    let mut file = run.stage(&slice, &Contract::of(slice.dataset), &WriteOptions::default()).unwrap();
    let other = RecordBatch::new_empty(Arc::clone(&Contract::of(Dataset::UsageDetails).arrow_schema()));
    let error = file.write(other).unwrap_err();
    assert_eq!(error.kind(), LakeErrorKind::Internal, "{error}");
}
