//! The contract for people: the data dictionary of `docs/` and what `billing-lake schema` prints.

use std::fmt::Write;

use super::schema::OWN_COLUMNS;
use super::{Contract, Dataset};

/// One line of the dictionary: column, type, field, unit, meaning.
fn lines(contract: &Contract) -> Vec<[String; 5]> {
    let fields = contract.columns().iter().map(|column| {
        let unit = column.unit.clone().unwrap_or_default();
        [column.column.clone(), column.kind.sql().to_owned(), column.field.clone(), unit, column.meaning.clone()]
    });
    let own = OWN_COLUMNS.iter().map(|(name, kind, meaning)| [*name, kind.sql(), "", "", meaning].map(str::to_owned));
    fields.chain(own).collect()
}

/// The data dictionary of all datasets as Markdown: `docs/data-dictionary.md`.
pub fn as_markdown() -> String {
    let mut text = String::from(
        "# Data dictionary\n\nMade from `schemas/` by `billing-lake schema --format markdown`; a test keeps it in step. \
         Every column may be null.\n",
    );
    for dataset in Dataset::ALL {
        let contract = Contract::of(dataset);
        let _ = write!(
            text,
            "\n## {}\n\n{}. Fields of API version {}. Source: {}.\n\n| column | type | field | unit | meaning |\n|---|---|---|---|---|\n",
            dataset,
            contract.title(),
            contract.api_version(),
            contract.source()
        );
        for [column, kind, field, unit, meaning] in lines(&contract) {
            let field = if field.is_empty() { String::new() } else { format!("`{field}`") };
            let _ = writeln!(text, "| `{column}` | {kind} | {field} | {unit} | {meaning} |");
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
    for [column, kind, _, unit, meaning] in &lines {
        let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
        let _ = writeln!(text, "{column:column_width$}  {kind:kind_width$}  {meaning}{unit}");
    }
    text
}

/// One dataset's contract as JSON: dataset, API version, fingerprint and columns.
pub fn as_json(contract: &Contract) -> serde_json::Value {
    let columns: Vec<_> = lines(contract)
        .into_iter()
        .map(|[column, kind, field, unit, meaning]| {
            let given = |text: String| if text.is_empty() { None } else { Some(text) };
            serde_json::json!({"column": column, "type": kind, "field": given(field), "unit": given(unit), "meaning": meaning})
        })
        .collect();
    serde_json::json!({
        "dataset": contract.dataset().name(),
        "api_version": contract.api_version(),
        "title": contract.title(),
        "source": contract.source(),
        "fingerprint": contract.fingerprint(),
        "columns": columns,
    })
}
