//! What must be true after every run: each function judges exit code, run report, standard output and error, the lake
//! and the silence about the key together, so that a case says only what is special about it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bill::decimal;
use super::expected::{Failure, Good};
use super::scene::{At, Done, OCTOBER, Scene, finish};
use crate::program::{KEY, Program};
use crate::scripted_server::{PERIODS, USAGE};

const NOVEMBER_FOLDER: &str = "usage_details/enrollment=100/billing_period=2024-11/";
const OCTOBER_FOLDER: &str = "usage_details/enrollment=100/billing_period=2024-10/";

impl Done<'_> {
    /// Both periods were replaced.
    #[track_caller]
    pub fn published(&self, good: &Good<'_>) {
        assert_eq!((self.code, self.word(&self.report["outcome"])), (good.code, "ok"), "{}", self.all());
        assert_eq!(self.report["error"], Value::Null);
        self.errors_told(&[]);
        self.october_published();
        let slice = self.november();
        self.is_published(slice, NOVEMBER_FOLDER, good);
        let asked = self.asked("/v3/enrollments/100/billingPeriods/202411/usagedetails");
        assert_eq!(slice["attempts"], asked, "{}", self.all());
        if let Some(requests) = good.requests {
            assert_eq!(asked, requests, "{}", self.all());
        }
        self.waited(slice, good.waited);
        self.everything_else(good.rejected);
    }

    /// 2024-10 was replaced; the API said that 2024-11 did not change.
    #[track_caller]
    pub fn unchanged(&self, requests: usize) {
        assert_eq!((self.code, self.word(&self.report["outcome"])), (0, "ok"), "{}", self.all());
        self.errors_told(&[]);
        self.october_published();
        let slice = self.november();
        assert_eq!((self.word(&slice["outcome"]), &slice["error"]), ("unchanged", &Value::Null), "{}", self.all());
        assert_eq!(slice["attempts"], requests);
        assert_eq!(slice["rows"], 30);
        assert_eq!(slice["pages"], 0);
        self.stays(NOVEMBER_FOLDER);
        self.everything_else(0);
    }

    /// The list of periods, or 2024-11 while 2024-10 was replaced, failed so.
    #[track_caller]
    pub fn failed(&self, at: At, failure: &Failure<'_>) {
        let code = failure.exit_code();
        let error = if at == At::Periods {
            assert_eq!((self.code, self.word(&self.report["outcome"])), (code, "failed"), "{}", self.all());
            assert_eq!(self.report["slices"], serde_json::json!([]));
            let error = &self.report["error"];
            self.errors_told(&[(String::new(), error)]);
            self.stays(OCTOBER_FOLDER);
            error
        } else {
            let code = if code == 4 { 7 } else { code };
            assert_eq!((self.code, self.word(&self.report["outcome"])), (code, "partial"), "{}", self.all());
            assert_eq!(self.report["error"], Value::Null);
            let slice = self.november();
            assert_eq!(self.word(&slice["outcome"]), "failed", "{}", self.all());
            let error = &slice["error"];
            self.errors_told(&[("usage_details 100 2024-11: ".to_owned(), error)]);
            self.october_published();
            self.waited(slice, failure.waited);
            assert_eq!(slice["attempts"], self.asked("/v3/enrollments/100/billingPeriods/202411/usagedetails"));
            assert_eq!(slice["warnings"], serde_json::json!([]));
            error
        };
        self.is_error(error, failure);
        let asked = self.scene.server.count(at.target());
        match failure.requests {
            Some(requests) => assert_eq!(asked, requests, "{}", self.all()),
            None if failure.waited => assert!(asked > 1, "{}", self.all()),
            None => assert_eq!(asked, 1, "{}", self.all()),
        }
        self.stays(NOVEMBER_FOLDER);
        self.everything_else(failure.rejected);
        if failure.again && at != At::Periods && self.said.is_some() {
            self.scene.fails_alone(failure);
        }
    }

    #[track_caller]
    fn is_error(&self, error: &Value, failure: &Failure<'_>) {
        assert_eq!(self.word(&error["kind"]), failure.kind, "{}", self.all());
        assert_eq!(error["retryable"], failure.kind == "unavailable", "{}", self.all());
        let message = self.word(&error["message"]);
        for words in failure.message {
            assert!(message.contains(words), "{words:?} is not in {message:?}");
        }
        assert!(self.word(&error["hint"]).contains(failure.hint), "{:?} is not in {}", failure.hint, error["hint"]);
    }

    /// The report's slice of 2024-11.
    #[track_caller]
    pub fn november(&self) -> &Value {
        let slices = self.report["slices"].as_array().unwrap_or_else(|| panic!("no slices: {}", self.all()));
        let periods: Vec<_> = slices.iter().map(|slice| self.word(&slice["billing_period"])).collect();
        assert_eq!(periods, ["2024-11", "2024-10"]);
        for slice in slices {
            assert_eq!((self.word(&slice["dataset"]), self.word(&slice["enrollment"])), ("usage_details", "100"));
        }
        &slices[0]
    }

    #[track_caller]
    fn october_published(&self) {
        self.november();
        let (scene, slice) = (self.scene, &self.report["slices"][1]);
        let good = Good { rows: &scene.october, pages: 1, etag: Some("\"new-10\""), ..Good::of(scene) };
        self.is_published(slice, OCTOBER_FOLDER, &good);
        assert_eq!(slice["attempts"], 1);
        assert!(scene.throttled || slice["waited_seconds"] == 0.0, "{}", self.all());
        assert_eq!(scene.server.count(OCTOBER), 1);
    }

    /// A slice whose file was replaced by one with these rows, all of which are accounted for.
    #[track_caller]
    fn is_published(&self, slice: &Value, folder: &str, good: &Good<'_>) {
        assert_eq!((self.word(&slice["outcome"]), &slice["error"]), ("published", &Value::Null), "{}", self.all());
        let table = self.scene.place.table(folder);
        let file = self.word(&slice["file"]);
        assert!(file.starts_with(folder) && table.path.ends_with(file), "{file}");
        assert!(!self.scene.before.contains_key(file), "{file} has the name of the file that it replaced");
        assert_eq!(slice["file_bytes"], table.path.metadata().unwrap().len());

        let names: Vec<_> = good.rows.iter().map(|row| row.name.clone()).collect();
        assert_eq!(table.texts("meter_name"), names);
        let cost: i128 = good.rows.iter().map(|row| row.cost).sum();
        let quantity: i128 = good.rows.iter().map(|row| row.quantity).sum();
        assert_eq!((table.sum("cost"), table.sum("consumed_quantity")), (cost, quantity));
        let totals: Value = serde_json::from_str(&table.footer("control_totals").unwrap()).unwrap();
        for totals in [&totals, &slice["control_totals"]] {
            assert_eq!(self.word(&totals["cost"]), good.exact_cost.map_or_else(|| decimal(cost), str::to_owned));
            assert_eq!(self.word(&totals["consumed_quantity"]), decimal(quantity));
        }

        let footer = |key| table.footer(key).unwrap();
        for (key, count) in [("rows", good.rows.len()), ("rejected_rows", good.rejected), ("pages", good.pages)] {
            assert_eq!((&slice[key], footer(key)), (&count.into(), count.to_string()), "{key}: {}", self.all());
        }
        assert_eq!((slice["etag"].as_str(), table.footer("etag").as_deref()), (good.etag, good.etag));
        let tear_check = (good.pages > 1).then_some(if good.etag.is_some() { "etag" } else { "hash" });
        assert_eq!(slice["tear_check"].as_str(), tear_check);
        let warnings = slice["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), good.warnings.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(&good.warnings) {
            assert!(self.word(warning).contains(words), "{words:?} is not in {warning}");
        }
    }

    /// What lies in the folder is what lay there before.
    #[track_caller]
    pub fn stays(&self, folder: &str) {
        let within = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
            files.iter().filter(|(name, _)| name.starts_with(folder)).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        assert!(within(&self.scene.place.everything()) == within(&self.scene.before), "{folder} changed");
    }

    /// What is true of every run: its report is kept, nothing else is left behind, and nobody learned the key.
    #[track_caller]
    pub fn everything_else(&self, rejected: usize) {
        self.totals();
        let (scene, id) = (self.scene, self.word(&self.report["run_id"]));
        let report = format!("_billing_lake/runs/{id}.json");
        let lines = format!("_billing_lake/rejected/usage_details/100/2024-11/{id}.ndjson");
        let files = scene.place.everything();
        // Standard output is the report and nothing else.
        assert_eq!(files.get(&report).map(Vec::as_slice), Some(self.text.as_bytes()), "{}", self.all());
        for (name, bytes) in &files {
            let known = match name.strip_prefix("_billing_lake/") {
                None => name.starts_with(NOVEMBER_FOLDER) || name.starts_with(OCTOBER_FOLDER),
                Some("last_run.json") => serde_json::from_slice::<Value>(bytes).unwrap().is_object(),
                Some(lock) if lock.starts_with("locks/") => bytes.is_empty(),
                Some(_) => scene.before.get(name) == Some(bytes) || *name == report || (*name == lines && rejected > 0),
            };
            assert!(known, "{name} was left behind");
        }
        assert!(scene.before.keys().filter(|name| !name.contains("/data")).all(|name| files.contains_key(name)));
        let staged: Vec<_> = scene.place.path("lake/_billing_lake/staging").read_dir().into_iter().flatten().collect();
        assert!(staged.is_empty(), "{staged:?} was left behind");
        let kept = files.get(&lines).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count() - 1);
        assert_eq!(kept, rejected, "rejected rows");
        if let Some((out, err)) = &self.said {
            lines_for_people(err);
            silent_about_the_key(scene, &[out, err]);
        }
        silent_about_the_key(scene, &self.waits.iter().map(|wait| &wait.why).collect::<Vec<_>>());
    }

    /// The totals are sums over the slices.
    #[track_caller]
    fn totals(&self) {
        let (report, totals) = (&self.report, &self.report["totals"]);
        let slices = report["slices"].as_array().unwrap();
        let sum = |key: &str, only_published: bool| -> u64 {
            let counted = slices.iter().filter(|slice| !only_published || slice["outcome"] == "published");
            counted.map(|slice| slice[key].as_u64().unwrap()).sum()
        };
        for (key, only_published) in
            [("rows", true), ("file_bytes", true), ("rejected_rows", false), ("bytes_received", false)]
        {
            assert_eq!(totals[key], sum(key, only_published), "{key}");
        }
        let counted: u64 = totals["slices"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(counted, slices.len() as u64);
        assert_eq!(report["report_version"], 1);
    }

    /// Each failure has its line on standard error, with its hint below, and there is no other.
    #[track_caller]
    pub fn errors_told(&self, errors: &[(String, &Value)]) {
        let Some((_, err)) = &self.said else { return };
        let told: Vec<_> =
            err.lines().filter(|line| line.starts_with("error:") || line.starts_with(" hint:")).collect();
        let mut expected = Vec::new();
        for (name, error) in errors {
            expected.push(format!("error: {name}{}", self.word(&error["message"])));
            expected.extend(error["hint"].as_str().map(|hint| format!(" hint: {hint}")));
        }
        assert_eq!(told, expected, "{}", self.all());
    }

    /// Waits are told, with their reason, and counted.
    #[track_caller]
    fn waited(&self, slice: &Value, waited: bool) {
        assert_eq!(slice["waited_seconds"].as_f64().unwrap() > 0.0, waited, "{}", self.all());
        let told = match &self.said {
            Some((_, err)) => {
                let usage = "before asking again for /v3/enrollments/100/billingPeriods/202411/";
                err.lines().any(|line| line.contains("waiting ") && line.contains(usage))
                    || err.contains("the API asked for it (")
            }
            None => self.waits.iter().any(|wait| wait.why.starts_with("/v3/")),
        };
        assert_eq!(told, waited, "{}", self.all());
    }

    /// Requests whose target begins so.
    fn asked(&self, beginning: &str) -> usize {
        self.scene.server.asked().iter().filter(|asked| asked.target.starts_with(beginning)).count()
    }

    #[track_caller]
    fn word<'v>(&self, value: &'v Value) -> &'v str {
        value.as_str().unwrap_or_else(|| panic!("{value} is no text: {}", self.all()))
    }

    /// All that is known, for the message of a test that failed.
    pub fn all(&self) -> String {
        let (out, err) = self.said.clone().unwrap_or_default();
        let report = if out.is_empty() { self.report.to_string() } else { out };
        let asked = self.scene.server.asked();
        let asked: Vec<_> = asked.iter().map(|asked| &asked.target).collect();
        format!("exit {}\n{report}\n{err}\n{asked:#?}", self.code)
    }
}

impl Scene {
    /// 2024-11 alone fails in the same way, and tells so without a line of other form even when everything is logged.
    #[track_caller]
    fn fails_alone(&self, failure: &Failure<'_>) {
        let before = self.place.data();
        let program: Program = self.program().with(["--periods", "2024-11", "-vv"]);
        let ended = finish(program.start());
        assert_eq!(ended.code, failure.exit_code(), "alone: {}\n{}", ended.out, ended.err);
        let report = ended.report();
        assert_eq!(report["outcome"], "failed");
        assert_eq!(report["slices"][0]["error"]["kind"], failure.kind);
        assert!(self.place.data() == before);
        lines_for_people(&ended.err);
        silent_about_the_key(self, &[&ended.out, &ended.err]);
    }
}

/// Standard error holds log lines, errors and hints, each a line of printable characters.
#[track_caller]
pub fn lines_for_people(err: &str) {
    for line in err.lines() {
        let is_log = line.len() > 20 && line.is_char_boundary(20) && {
            let form = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
            line.bytes().zip(*b"0000-00-00T00:00:00.").all(form)
        };
        assert!(is_log || line.starts_with("error: ") || line.starts_with(" hint: "), "a line of no form: {line:?}");
        let moves = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
        assert!(!line.contains(moves), "a character that moves the cursor: {line:?}");
    }
}

/// The key stands in no output, file, name or URL; the server got it with each request.
#[track_caller]
pub fn silent_about_the_key(scene: &Scene, texts: &[&String]) {
    for text in texts {
        assert!(!text.contains(KEY), "the key is told: {text}");
    }
    for (name, bytes) in scene.place.everything() {
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found && !name.contains(KEY), "the key stands in {name}");
    }
    for asked in scene.server.asked() {
        assert_eq!(asked.headers.get("authorization"), Some(&format!("bearer {KEY}")), "{}", asked.target);
        assert!(!asked.target.contains(KEY), "{}", asked.target);
    }
    assert!(scene.server.count(PERIODS) > 0 || scene.server.count(USAGE) == 0);
}
