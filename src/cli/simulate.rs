//! `billing-lake simulate`: the API on this machine.

use std::path::Path;
use std::time::Duration;

use super::args::SimulateArgs;
use super::output;
use crate::simulator::{Faults, Options, Simulator, Tls, write_pages};
use crate::sync::{ErrorKind, Interrupt, RunError};

/// Serves until it is interrupted, or writes the pages into a folder.
pub(super) async fn simulate(args: SimulateArgs, interrupt: &Interrupt) -> Result<u8, RunError> {
    let folder = args.write_pages.clone();
    let options = options(args)?;
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

fn options(args: SimulateArgs) -> Result<Options, RunError> {
    let faults = match &args.faults {
        None => Faults::default(),
        Some(path) => {
            let text = String::from_utf8(read(path)?).map_err(|error| unusable(path, &error))?;
            Faults::from_json(&text)
                .map_err(|error| unusable(path, &error).with_hint("docs/simulator.md describes the rules"))?
        }
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Some(
            Tls::from_pem(&read(certificates)?, &read(key)?)
                .map_err(|error| unusable(certificates, &error).with_hint("--tls-cert and --tls-key name PEM files"))?,
        ),
        _ => None,
    };
    Ok(Options {
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
        faults,
        tls,
        public_base: args.public_base,
        ..Options::default()
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, problem: &dyn std::fmt::Display) -> RunError {
    RunError::new(ErrorKind::Usage, format!("{}: {problem}", path.display()))
}
