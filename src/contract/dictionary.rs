//! The contract for people: the data dictionary of `docs/` and what `billing-lake schema` prints.

use std::fmt::Write;

use super::schema::OWN_COLUMNS;
use super::{Contract, Dataset};

/// One line of the dictionary: column, type, field, versions, unit, meaning.
fn lines(contract: &Contract) -> Vec<[String; 6]> {
    let fields = contract.columns().iter().enumerate().map(|(at, column)| {
        let mut names: Vec<&str> = Vec::new();
        let of_column = contract.field_names().filter(|(_, column)| *column == at).map(|(name, _)| name);
        for name in std::iter::once(column.field.as_str()).chain(of_column) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        let versions: Vec<_> = contract.versions_of(at).iter().map(|version| version.as_str()).collect();
        [
            column.column.clone(),
            column.kind.sql().to_owned(),
            names.join(", "),
            versions.join(" "),
            column.unit.clone().unwrap_or_default(),
            column.meaning.clone(),
        ]
    });
    let own =
        OWN_COLUMNS.iter().map(|(name, kind, meaning)| [*name, kind.sql(), "", "", "", meaning].map(str::to_owned));
    fields.chain(own).collect()
}

/// The data dictionary of all datasets as Markdown: `docs/data-dictionary.md`.
pub fn as_markdown() -> String {
    let mut text = String::from(
        "# Data dictionary\n\nMade from `schemas/` by `billing-lake schema --format markdown`; a test keeps it in step. \
         Every column may be null, and is where the version of the API that was asked for lacks the field. With \
         `--tags-map`, datasets that have `tags` have a column `tags_map MAP(VARCHAR, VARCHAR)` before `extra`.\n",
    );
    for dataset in Dataset::ALL {
        let contract = Contract::of(dataset);
        if dataset != dataset.of_periods() {
            let of_periods = dataset.of_periods();
            let _ = write!(
                text,
                "\n## {dataset}\n\nThe columns of [{of_periods}](#{of_periods}); `billing_month` is that of the row's own date.\n"
            );
            continue;
        }
        let _ = write!(
            text,
            "\n## {dataset}\n\n{}. Asked for in version {} of the API. Source: {}.\n\n\
             | column | type | field | versions | unit | meaning |\n|---|---|---|---|---|---|\n",
            contract.title(),
            contract.api_version(),
            contract.source()
        );
        for [column, kind, field, versions, unit, meaning] in lines(&contract) {
            let field = if field.is_empty() { field } else { format!("`{}`", field.replace(", ", "`, `")) };
            let _ = writeln!(text, "| `{column}` | {kind} | {field} | {versions} | {unit} | {meaning} |");
        }
    }
    text
}

/// One dataset's contract as a table for a terminal.
pub fn as_table(contract: &Contract) -> String {
    let lines = lines(contract);
    let width = |at: usize| lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
    let (column_width, kind_width) = (width(0), width(1));
    let mut text = format!("{} (API version {}): {}\n\n", contract.dataset(), contract.api_version(), contract.title());
    for [column, kind, _, _, unit, meaning] in &lines {
        let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
        let _ = writeln!(text, "{column:column_width$}  {kind:kind_width$}  {meaning}{unit}");
    }
    text
}

/// One dataset's contract as JSON: dataset, API version, fingerprint and columns.
pub fn as_json(contract: &Contract) -> serde_json::Value {
    let columns: Vec<_> = lines(contract)
        .into_iter()
        .map(|[column, kind, field, versions, unit, meaning]| {
            let given = |text: String| if text.is_empty() { None } else { Some(text) };
            let versions: Vec<_> = versions.split_whitespace().collect();
            serde_json::json!({
                "column": column, "type": kind, "field": given(field), "versions": versions, "unit": given(unit), "meaning": meaning,
            })
        })
        .collect();
    serde_json::json!({
        "dataset": contract.dataset().name(),
        "api_version": contract.api_version().as_str(),
        "title": contract.title(),
        "source": contract.source(),
        "fingerprint": contract.fingerprint(),
        "columns": columns,
    })
}
