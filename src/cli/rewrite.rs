//! `billing-lake rewrite`: the files of a lake in another shape or codec, each from itself.

use std::sync::Arc;

use serde::Serialize;

use super::args::{Format, RewriteArgs};
use super::query::existing_lake;
use super::terminal::Terminal;
use super::{conclude, output};
use crate::lake::{Destination, Lake, Layout};
use crate::sync::{self, ErrorKind, Interrupt, RewriteOptions, RunError, RunReport, SystemClock};

/// `billing-lake rewrite`
pub(super) async fn rewrite(args: RewriteArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    if args.lake.format == Format::Markdown {
        return Err(output::no_markdown());
    }
    if let Some(layout) = args.layout {
        return change_layout(&args.lake.dest, layout, args.lake.format);
    }
    let report = match existing_lake(&args.lake.dest) {
        Ok(lake) => rewrite_files(lake, options(&args, interrupt), terminal).await?,
        Err(error) => RunReport::of_failure(error),
    };
    terminal.end();
    conclude(&report, args.lake.format, 0)
}

#[derive(Serialize)]
struct Relaid {
    dest: String,
    layout: String,
}

/// `billing-lake rewrite --layout`
fn change_layout(dest: &Destination, layout: Layout, format: Format) -> Result<u8, RunError> {
    existing_lake(dest)?;
    let lake = Lake::change_layout(dest, layout)?;
    let layout = lake.map_or(layout, |lake| lake.layout()).to_string();
    match format {
        Format::Text => {
            output::print(&format!("the lake in {} has the layout {layout}\n", output::one_line(&dest.to_string())))?
        }
        _ => output::json(&Relaid { dest: dest.to_string(), layout })?,
    }
    Ok(0)
}

async fn rewrite_files(lake: Lake, options: RewriteOptions, terminal: &Terminal) -> Result<RunReport, RunError> {
    let progress = terminal.progress();
    let work = tokio::task::spawn_blocking(move || sync::rewrite(&lake, &options, &*progress));
    work.await.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))
}

fn options(args: &RewriteArgs, interrupt: &Interrupt) -> RewriteOptions {
    RewriteOptions {
        datasets: args.datasets.0.clone(),
        tags_map: args.tags_map,
        compression: args.compression,
        all: args.all,
        memory: args.memory,
        concurrency: usize::from(args.concurrency),
        clock: Arc::new(SystemClock::default()),
        interrupt: interrupt.clone(),
    }
}
