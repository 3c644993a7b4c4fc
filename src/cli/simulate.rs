//! `billing-lake simulate`: the API on this machine.

use std::time::Duration;

use super::args::SimulateArgs;
use super::output;
use crate::simulator::{Options, Simulator, write_pages};
use crate::sync::{ErrorKind, Interrupt, RunError};

/// Serves until it is interrupted, or writes the pages into a folder.
pub(super) async fn simulate(args: SimulateArgs, interrupt: &Interrupt) -> Result<u8, RunError> {
    let folder = args.write_pages.clone();
    let options = options(args);
    if let Some(folder) = folder {
        let mut pages = 0;
        for enrollment in &options.enrollments {
            for month in 0..options.months {
                let period = options.from.plus(month).to_string();
                let target = folder.join(enrollment).join(&period);
                pages += write_pages(&options, enrollment, &period, &target)
                    .map_err(|error| RunError::new(ErrorKind::Destination, format!("{}: {error}", target.display())))?;
            }
        }
        output::print(&format!("{pages} pages written into {}\n", folder.display()))?;
        return Ok(0);
    }
    let (key, enrollments) = (options.key.clone(), options.enrollments.join(","));
    let simulator = Simulator::start(options)
        .await
        .map_err(|error| RunError::new(ErrorKind::Usage, format!("the simulator cannot listen: {error}")))?;
    output::print(&format!(
        "endpoint={0}\nexport BILLING_LAKE_ENDPOINT={0} BILLING_LAKE_API_KEY={key} BILLING_LAKE_ENROLLMENT={enrollments}\n",
        simulator.endpoint()
    ))?;
    interrupt.pulled().await;
    simulator.stop().await;
    Ok(0)
}

fn options(args: SimulateArgs) -> Options {
    Options {
        seed: args.seed,
        enrollments: args.enrollments.iter().map(ToString::to_string).collect(),
        from: args.from,
        months: args.months,
        rows_per_month: args.rows_per_month,
        page_rows: args.page_rows,
        key: args.key,
        etag_form: args.etag,
        page_etags: args.page_etags,
        data: args.data,
        gzip: !args.no_gzip,
        port: args.port,
        latency: Duration::from_millis(args.latency),
        ..Options::default()
    }
}
