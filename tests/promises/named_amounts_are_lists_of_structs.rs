//! The lists of a balance are lists of structs in its Parquet file, whatever their elements lack or have too much.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::DataType;
use serde_json::Value;

use super::program::Program;
use super::published::{Place, Table, units};
use super::scripted_server::{Answer, PERIODS, ScriptedServer};

/// A name and a value in units of 10^-18.
type Amount = (Option<&'static str>, Option<i128>);

/// Fetches the balance of 2024-11.
fn balance(adjustments: &str) -> (Place, Value, Table) {
    let (server, place) = (ScriptedServer::start(), Place::new());
    server.on(PERIODS, [Answer::json(r#"[{"billingPeriodId":"202411","balanceSummary":"/v1/x"}]"#)]);
    let body = format!(r#"{{"id":"b","billingPeriodId":202411,"currencyCode":"EUR","totalUsage":1.5{adjustments}}}"#);
    server.on_all("/v", move |_| Answer::json(body.clone()));
    let sync = Program::sync(&server.endpoint(), &place.dest()).with(["--datasets", "balance_summary"]);
    let slice = sync.ends_with(0).slice();
    let table = place.table("balance_summary/enrollment=100/billing_period=2024-11/");
    (place, slice, table)
}

/// The list in the one row of a file; none when it is null.
fn list(table: &Table, column: &str) -> Option<Vec<(Option<String>, Option<i128>)>> {
    let batch = table.batches().remove(0);
    assert_eq!(batch.num_rows(), 1);
    let lists = batch.column_by_name(column).unwrap();
    let DataType::List(element) = lists.data_type() else { panic!("{}", lists.data_type()) };
    let DataType::Struct(fields) = element.data_type() else { panic!("{element}") };
    let fields = fields.iter().map(|field| (field.name().as_str(), field.data_type().clone(), field.is_nullable()));
    let wanted = [("name", DataType::Utf8, true), ("value", DataType::Decimal128(38, 18), true)];
    assert_eq!(fields.collect::<Vec<_>>(), wanted);
    lists.is_valid(0).then(|| {
        let elements = lists.as_list::<i32>().value(0);
        let elements = elements.as_struct();
        let (names, values) =
            (elements.column(0).as_string::<i32>(), elements.column(1).as_primitive::<Decimal128Type>());
        names.iter().zip(values).map(|(name, value)| (name.map(str::to_owned), value)).collect()
    })
}

#[track_caller]
fn is_list(table: &Table, column: &str, wanted: Option<&[Amount]>) {
    let wanted = wanted.map(|amounts| amounts.iter().map(|(name, value)| (name.map(str::to_owned), *value)).collect());
    assert_eq!(list(table, column), wanted, "{column}");
}

#[test]
fn with_names_and_values() {
    let (_place, slice, table) = balance(
        r#","newPurchasesDetails":[{"name":"","value":1}],
           "adjustmentDetails":[{"name":"Promo Credit","value":1.1},{"value":"-0.6","name":"SIE \u0022Credit\u0022"}]"#,
    );
    is_list(&table, "new_purchases_details", Some(&[(Some(""), Some(units("1")))]));
    let credits = [(Some("Promo Credit"), Some(units("1.1"))), (Some("SIE \"Credit\""), Some(units("-0.6")))];
    is_list(&table, "adjustment_details", Some(&credits));
    assert_eq!(slice["control_totals"]["adjustment_details.value"], "0.5");
    assert_eq!(slice["control_totals"]["new_purchases_details.value"], "1");
    let totals: Value = serde_json::from_str(&table.footer("control_totals").unwrap()).unwrap();
    assert_eq!(totals["adjustment_details.value"], "0.5");
    assert_eq!(table.texts("extra"), ["null"]);
}

#[test]
fn null_absent_and_empty_lists() {
    let (_place, slice, table) = balance(r#","newPurchasesDetails":null,"adjustmentDetails":[]"#);
    is_list(&table, "new_purchases_details", None);
    is_list(&table, "adjustment_details", Some(&[]));
    assert_eq!(slice["control_totals"]["adjustment_details.value"], "0");
    let (_place, _, table) = balance("");
    is_list(&table, "adjustment_details", None);
}

#[test]
fn elements_without_name_or_value() {
    let (_place, slice, table) = balance(
        r#","adjustmentDetails":[{"name":null,"value":2},{"name":"a","value":null},{"name":"b"},{"value":3},{},{"name":"c","value":""}]"#,
    );
    let (two, three) = (Some(units("2")), Some(units("3")));
    let wanted = [(None, two), (Some("a"), None), (Some("b"), None), (None, three), (None, None), (Some("c"), None)];
    is_list(&table, "adjustment_details", Some(&wanted));
    assert_eq!(slice["control_totals"]["adjustment_details.value"], "5");
}

#[test]
fn elements_with_more_members_are_kept_whole_beside_them() {
    let sent = r#"[{"name":"a","value":1.50,"approvedBy":{"id":7}},{"name":"b","value":2}]"#;
    let (_place, slice, table) = balance(&format!(",\"adjustmentDetails\":{sent}"));
    is_list(&table, "adjustment_details", Some(&[(Some("a"), Some(units("1.5"))), (Some("b"), Some(units("2")))]));
    assert_eq!(table.texts("extra"), [format!("{{\"adjustmentDetails\":{sent}}}")]);
    assert_eq!(slice["unknown_fields"]["adjustmentDetails"], 1);
    assert_eq!(slice["control_totals"]["adjustment_details.value"], "3.5");
}

#[test]
fn what_is_rounded_and_what_comes_twice_is_accounted_for() {
    let (_place, slice, table) = balance(
        r#","adjustmentDetails":[{"name":"a","value":0.0000000000000000015},{"name":"b","value":0.1234567890123456789,"value":1}]"#,
    );
    is_list(&table, "adjustment_details", Some(&[(Some("a"), Some(2)), (Some("b"), Some(units("1")))]));
    assert_eq!(slice["control_totals"]["adjustment_details.value"], "1.0000000000000000015");
    assert_eq!(slice["rounding_residue"]["adjustment_details.value"], "-0.0000000000000000005");
    assert_eq!(slice["rounded_values"], 1);
}
