//! `billing-lake simulate`: the API on this machine.

use std::path::Path;
use std::time::Duration;

use super::output;
use super::simulate_args::SimulateArgs;
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
    let enrollments = options.enrollments.clone();
    let simulator = Simulator::start(options)
        .await
        .map_err(|error| RunError::new(ErrorKind::Usage, format!("the simulator cannot listen: {error}")))?;
    let key = |enrollment: &String| simulator.key(enrollment).unwrap_or_default();
    let first = enrollments.first().map(key).unwrap_or_default();
    let mut text = format!(
        "endpoint={0}\nexport BILLING_LAKE_ENDPOINT={0} BILLING_LAKE_API_KEY={first} BILLING_LAKE_ENROLLMENT={1}\n",
        simulator.endpoint(),
        enrollments.join(",")
    );
    for enrollment in enrollments.iter().filter(|enrollment| key(enrollment) != first) {
        text += &format!("key of {enrollment}={}\n", key(enrollment));
    }
    output::print(&text)?;
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
    let enrollments: Vec<String> = args.enrollments.iter().map(ToString::to_string).collect();
    let (key, keys) = keys(&enrollments, &args.key);
    Ok(Options {
        seed: args.seed,
        enrollments,
        from: args.from,
        months: args.months,
        rows_per_month: args.rows_per_month,
        page_rows: args.page_rows,
        marketplace_rows: args.marketplace_rows,
        price_sheet_items: args.price_sheet_items,
        null_links: args.null_link,
        key,
        keys,
        jwt_keys: args.jwt_keys,
        views: args.view,
        expired: args.expired.iter().map(ToString::to_string).collect(),
        etag_form: args.etag,
        page_etags: args.page_etags,
        page_conditions: args.page_conditions,
        last_link: args.last_link,
        no_data: args.no_data,
        unlisted: args.unlisted,
        usage_v1: args.usage_v1,
        marketplace_form: args.marketplace_form,
        balance_form: args.balance_form,
        ids_as_text: args.ids_as_text,
        flags: args.flags,
        numbers: args.numbers,
        extra_fields: args.extra_fields,
        line_breaks: args.line_breaks,
        csv_form: args.csv_form,
        csv_language: args.csv_language,
        csv_bom: args.csv_bom,
        csv_last_line_end: !args.csv_no_last_line_end,
        report_statuses: args.report_statuses,
        report_accepted: args.report_accepted,
        blob_lifetime: Duration::from_secs(args.blob_lifetime),
        blob_port: args.blob_port,
        public_blob_base: args.public_blob_base,
        data: args.data,
        gzip: !args.no_gzip,
        port: args.port,
        latency: Duration::from_millis(args.latency),
        faults,
        tls,
        public_base: args.public_base,
        empty: None,
    })
}

/// The key for all, and those of single enrollments: a text is one of these when an enrollment and `=` stand before it.
fn keys(enrollments: &[String], texts: &[String]) -> (String, Vec<(String, String)>) {
    let mut for_all = Options::default().key;
    let mut own = Vec::new();
    for text in texts {
        match text.split_once('=').filter(|(number, _)| enrollments.iter().any(|enrollment| enrollment == number)) {
            Some((enrollment, key)) => own.push((enrollment.to_owned(), key.to_owned())),
            None => for_all.clone_from(text),
        }
    }
    (for_all, own)
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, problem: &dyn std::fmt::Display) -> RunError {
    RunError::new(ErrorKind::Usage, format!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_all_unless_an_enrollment_stands_before_it() {
        let read = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            keys(&["100".to_owned(), "200".to_owned()], &texts)
        };
        let two = vec![("200".to_owned(), "two==".to_owned())];
        assert_eq!(read(&["200=two==", "abc=="]), ("abc==".to_owned(), two.clone()));
        assert_eq!(read(&["200=two=="]), ("simulated-key".to_owned(), two));
        assert_eq!(read(&["300=three"]), ("300=three".to_owned(), Vec::new()));
    }
}
