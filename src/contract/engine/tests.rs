//! What is printed for one dataset, word for word, and what holds for all of them.

use insta::assert_snapshot;

use super::*;
use crate::contract::Dataset;

const ENGINES: [Engine; 3] = [Engine::DuckDb, Engine::Spark, Engine::Synapse];

fn with_tags_map(dataset: Dataset) -> Arc<Contract> {
    Arc::new(Contract::of(dataset).with_tags_map())
}

/// What is printed for a dataset, without what stands before all definitions.
fn printed(engine: Engine, contract: &Arc<Contract>, location: &str) -> String {
    let text = definitions(engine, &[Arc::clone(contract)], location);
    text.strip_prefix(&engine.dialect().introduction(location)).unwrap().to_owned()
}

/// The names that a list of columns begins its lines with, up to the line that ends it.
fn listed_names<'a>(dialect: &dyn Dialect, text: &'a str, end: &str) -> Vec<&'a str> {
    let quotes = dialect.name("");
    let (open, close) = quotes.split_at(1);
    let lines = text.lines().take_while(|line| !line.starts_with(end)).filter(|line| line.starts_with("  "));
    // In a view the column's name is the last one of its line.
    let name = |line: &'a str| {
        let line = line.trim_end_matches(',');
        let at_end = line.strip_suffix(close).and_then(|line| line.rsplit_once(open));
        let at_begin = || line.trim_start().strip_prefix(open)?.split_once(close).map(|(name, _)| name);
        at_end.map(|(_, name)| name).or_else(at_begin).unwrap()
    };
    lines.map(name).collect()
}

#[test]
fn definitions_of_a_dataset_for_each_engine() {
    let contract = with_tags_map(Dataset::MarketplaceCharges);
    let location = "/srv/it's a lake";
    assert_snapshot!("duckdb", definitions(Engine::DuckDb, &[Arc::clone(&contract)], location));
    assert_snapshot!("spark", definitions(Engine::Spark, &[Arc::clone(&contract)], location));
    assert_snapshot!("synapse", definitions(Engine::Synapse, &[contract], "az://billing/lake"));
}

#[test]
fn every_column_is_defined_once_and_in_order() {
    for dataset in Dataset::ALL {
        for contract in [Contract::of(dataset), with_tags_map(dataset)] {
            let table = Table::of(&contract, "/srv/lake");
            let of_files: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
            let fields = contract.arrow_schema();
            assert_eq!(of_files, fields.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>());
            let all = [&of_files[..], table.partitions].concat();
            for engine in ENGINES {
                let (dialect, text) = (engine.dialect(), printed(engine, &contract, "/srv/lake"));
                if engine == Engine::Synapse {
                    let (select, with) = text.split_once("WITH (\n").unwrap();
                    assert_eq!(listed_names(dialect, with, ")"), of_files, "{dataset}");
                    let select = select.replace("  [lake].*,\n", "");
                    assert_eq!(listed_names(dialect, &select, "FROM"), table.partitions, "{dataset}");
                } else {
                    let end = if engine == Engine::Spark { ")" } else { "FROM" };
                    assert_eq!(listed_names(dialect, &text, end), all, "{engine:?} {dataset}");
                }
                let Some((_, narrow)) = text.split_once("_narrow: to multiply") else {
                    assert_eq!(dataset, Dataset::BillingPeriods);
                    continue;
                };
                assert_eq!(listed_names(dialect, narrow, "FROM"), all, "{engine:?} {dataset}_narrow");
            }
        }
    }
}

#[test]
fn every_decimal_is_narrowed_and_nothing_else() {
    for engine in ENGINES {
        for dataset in Dataset::ALL {
            let contract = Contract::of(dataset);
            let (dialect, text) = (engine.dialect(), printed(engine, &contract, "/srv/lake"));
            let narrowed: Vec<_> = text.lines().filter(|line| line.contains("TRY_CAST")).collect();
            let decimals: Vec<_> = contract.file_columns().filter(|(_, kind)| *kind == ColumnType::Decimal).collect();
            assert_eq!(narrowed.len(), decimals.len());
            for (line, (column, _)) in narrowed.iter().zip(decimals) {
                let kind = dialect.decimal(Narrow::of(column));
                assert_eq!(line.matches(&format!("AS {kind})")).count(), line.matches(&kind).count() - 1, "{line}");
                assert!(line.ends_with(&format!(
                    "{}{}",
                    dialect.name(column),
                    if line.ends_with(',') { "," } else { "" }
                )));
            }
            let multiplied = ["usage_details", "marketplace_charges"].contains(&dataset.of_periods().name());
            assert_eq!(text.contains("quantity_times_rate"), multiplied, "{dataset}");
        }
    }
}

#[test]
fn a_location_is_quoted_as_its_engine_reads_it() {
    let location = |engine, location: &str| {
        let text = definitions(engine, &[Contract::of(Dataset::BillingPeriods)], location);
        let key = match engine {
            Engine::DuckDb => "read_parquet(",
            Engine::Spark => "LOCATION ",
            Engine::Synapse => "LOCATION = ",
        };
        text.split_once(key).unwrap().1.lines().next().unwrap().to_owned()
    };
    let duckdb =
        |text| location(Engine::DuckDb, text).split_once("/billing_periods/**/*.parquet', ").unwrap().0.to_owned();
    assert_eq!(duckdb("/it's a lake/"), "'/it''s a lake");
    assert_eq!(duckdb("/[a]*?{b}"), "'/[[]a][*][?]{b}");
    assert_eq!(duckdb("s3://b/p?x"), "'s3://b/p?x");
    assert_eq!(duckdb("az://c/p"), "'az://c/p");

    let spark = |text| location(Engine::Spark, text).strip_suffix("/billing_periods';").unwrap().to_owned();
    assert_eq!(spark("/it's a\\lake/"), "'file:///it\\'s a\\\\lake");
    assert_eq!(spark("/"), "'file://");
    assert_eq!(spark("s3://b/p"), "'s3a://b/p");
    assert_eq!(spark("az://c/p/q"), "'abfss://c@<account>.dfs.core.windows.net/p/q");
    assert_eq!(spark("abfss://c@a.dfs.core.windows.net/p"), "'abfss://c@a.dfs.core.windows.net/p");

    let synapse = |text| location(Engine::Synapse, text).strip_suffix(");").unwrap().to_owned();
    assert_eq!(synapse("abfss://c@a.dfs.core.windows.net/it's"), "'abfss://c@a.dfs.core.windows.net/it''s'");
    assert_eq!(synapse("az://c"), "'abfss://c@<account>.dfs.core.windows.net'");
    for elsewhere in ["/srv/lake", "s3://b/p"] {
        assert_eq!(synapse(elsewhere), "'https://<account>.dfs.core.windows.net/<container>/<folder>'");
    }
}

#[test]
fn a_location_cannot_end_a_comment() {
    for engine in ENGINES {
        let text = definitions(engine, &[Contract::of(Dataset::UsageDetails)], "/a\nb");
        assert!(text.lines().filter(|line| line.starts_with("--")).all(|line| !line.contains("/a")), "{text}");
    }
}

#[test]
fn names_are_quoted() {
    assert_eq!(Engine::DuckDb.dialect().name("a\"b"), "\"a\"\"b\"");
    assert_eq!(Engine::Spark.dialect().name("a`b"), "`a``b`");
    assert_eq!(Engine::Synapse.dialect().name("a]b"), "[a]]b]");
}
