//! `billing-lake demo`: the main job in one go, against the simulator.

use std::path::Path;
use std::sync::Arc;

use super::args::{DemoArgs, Format};
use super::terminal::Terminal;
use super::{output, query};
use crate::contract::Dataset;
use crate::lake::{Destination, Lake};
use crate::simulator::{Month, Options, Simulator};
use crate::source::{ApiKey, Client, ClientOptions};
use crate::sync::{self, ErrorKind, Interrupt, Recheck, RunError, RunOutcome, RunReport, SyncOptions};

const ENROLLMENT: &str = "100";
const KEY: &str = "demo-key";
const MONTHS: u32 = 3;
/// Tells a folder that a demo made, which the next one may replace.
const MARK: &str = "_billing_lake/demo";

/// Shows the tool at work, and checks that it did what it says.
pub(super) async fn demo(args: DemoArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    if !matches!(args.format, Format::Text | Format::Json) {
        return Err(RunError::new(ErrorKind::Usage, "demo prints text or json"));
    }
    make_room(&args.dest)?;
    let simulator = Simulator::start(Options {
        enrollments: vec![ENROLLMENT.to_owned()],
        from: first_month(),
        months: MONTHS,
        rows_per_month: args.rows_per_month,
        key: KEY.to_owned(),
        ..Options::default()
    })
    .await
    .map_err(|error| RunError::new(ErrorKind::Internal, format!("the simulator cannot listen: {error}")))?;
    let client = Client::new(ClientOptions { endpoint: simulator.endpoint(), ..ClientOptions::default() })?;
    let destination: Destination = args.dest.to_string_lossy().parse()?;
    let lake = Lake::open(&destination)?;
    mark(&args.dest)?;
    let demo = Demo { lake, client: Arc::new(client), terminal, interrupt, format: args.format };

    demo.say(&format!(
        "A simulator of the API runs at {}: one enrollment, {MONTHS} billing periods.",
        simulator.endpoint()
    ))?;
    demo.say("\n1. The first sync fetches everything:\n")?;
    demo.sync(RunOutcome::Ok, MONTHS as usize).await?;
    demo.say("\n2. The second sync finds everything unchanged, at the cost of one request a period:\n")?;
    demo.sync(RunOutcome::Unchanged, 0).await?;
    let restated = lake_period(&demo.lake)?;
    simulator
        .restate(ENROLLMENT, &restated.id())
        .map_err(|error| RunError::new(ErrorKind::Internal, format!("the simulator did not restate: {error}")))?;
    demo.say(&format!("\n3. The API restates {restated}; the third sync replaces that period and no other:\n"))?;
    let last = demo.sync(RunOutcome::Ok, 1).await?;
    simulator.stop().await;

    demo.say(&format!("\nThe lake in {}:\n", args.dest.display()))?;
    demo.say(query::holdings_table(&demo.lake)?.trim_end())?;
    demo.say(&format!(
        "\nRead it with DuckDB:\n\n  duckdb -c \"SELECT billing_period, count(*) AS rows, sum(cost) AS cost FROM \
         read_parquet('{}/usage_details/*/*/*.parquet', hive_partitioning = true) GROUP BY ALL ORDER BY ALL\"",
        args.dest.display()
    ))?;
    if args.format == Format::Json {
        output::json(&last)?;
    }
    Ok(0)
}

struct Demo<'a> {
    lake: Lake,
    client: Arc<Client>,
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
    format: Format,
}

impl Demo<'_> {
    /// Words for people; nothing when the result is for programs.
    fn say(&self, text: &str) -> Result<(), RunError> {
        if self.format == Format::Text { output::print(&format!("{text}\n")) } else { Ok(()) }
    }

    async fn sync(&self, outcome: RunOutcome, published: usize) -> Result<RunReport, RunError> {
        let enrollments = vec![(ENROLLMENT.parse().map_err(|error| internal(&error))?, ApiKey::from_text(KEY)?)];
        let options = SyncOptions {
            datasets: vec![Dataset::UsageDetails],
            recheck: Recheck::All,
            interrupt: self.interrupt.clone(),
            ..SyncOptions::new(enrollments)
        };
        let report = sync::sync(&self.lake, Arc::clone(&self.client), options, self.terminal.progress()).await;
        self.terminal.end();
        if self.format == Format::Text {
            output::report(&report, Format::Text)?;
        }
        let count = report.totals.slices.get("published").copied().unwrap_or(0);
        if report.outcome != outcome || count != published as u64 {
            let first = report.slices.iter().find_map(|slice| slice.error.clone()).or(report.error);
            return Err(
                first.unwrap_or_else(|| internal(&format!("this sync published {count} periods, not {published}")))
            );
        }
        Ok(report)
    }
}

fn internal(error: &impl ToString) -> RunError {
    RunError::new(ErrorKind::Internal, error.to_string())
}

/// The month before the last one.
fn first_month() -> Month {
    use chrono::{Datelike, Months, Utc};
    let today = Utc::now().date_naive();
    let first = today.checked_sub_months(Months::new(MONTHS - 1)).unwrap_or(today);
    Month { year: first.year() as u16, month: first.month() as u8 }
}

/// The oldest billing period of the lake.
fn lake_period(lake: &Lake) -> Result<crate::contract::BillingPeriod, RunError> {
    let files = lake.files(Dataset::UsageDetails)?;
    files.iter().filter_map(|file| file.slice.period()).min().ok_or_else(|| internal(&"the lake holds no period"))
}

/// Removes what an earlier demo left.
fn make_room(folder: &Path) -> Result<(), RunError> {
    let cannot =
        |error: std::io::Error| RunError::new(ErrorKind::Destination, format!("{}: {error}", folder.display()));
    if folder.join(MARK).exists() {
        return std::fs::remove_dir_all(folder).map_err(cannot);
    }
    let is_used = folder.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let message = format!("{} exists and was not made by a demo", folder.display());
        return Err(RunError::new(ErrorKind::Usage, message).with_hint("name another folder with --dest"));
    }
    Ok(())
}

fn mark(folder: &Path) -> Result<(), RunError> {
    let file = folder.join(MARK);
    std::fs::write(&file, "made by billing-lake demo\n")
        .map_err(|error| RunError::new(ErrorKind::Destination, format!("{}: {error}", file.display())))
}
