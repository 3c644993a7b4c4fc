//! `billing-lake clean`: removes what nobody needs any more.

use serde::Serialize;

use super::args::{CleanArgs, Format};
use super::{output, query};
use crate::sync::RunError;

#[derive(Serialize)]
struct Removed {
    removed: Vec<String>,
}

/// Removes what dead runs left and old data of Delta tables, and says what it was.
pub(super) fn clean(args: &CleanArgs) -> Result<u8, RunError> {
    let lake = query::existing_lake(&args.lake.dest)?;
    let removed = lake.clean(args.retention)?;
    match args.lake.format {
        Format::Json => output::json(&Removed { removed })?,
        Format::Ndjson => output::ndjson(removed.into_iter().map(|name| Removed { removed: vec![name] }))?,
        Format::Markdown => return Err(output::no_markdown()),
        Format::Text if removed.is_empty() => output::print("there was nothing to remove\n")?,
        Format::Text => {
            let lines = removed.iter().map(|name| format!("removed {}\n", output::one_line(name)));
            output::print(&lines.collect::<String>())?;
        }
    }
    Ok(0)
}
