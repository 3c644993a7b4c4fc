//! What a case expects of 2024-11: what it does not say is how a run without trouble ends, or a failure without retry.

use super::bill::Row;
use super::scene::{NEW, Scene};

/// 2024-11 was replaced by the new version.
pub struct Good<'a> {
    /// The rows in the file, in their order.
    pub rows: &'a [Row],
    pub pages: usize,
    pub etag: Option<&'a str>,
    /// Requests for 2024-11; if not said, as many as there were.
    pub requests: Option<usize>,
    pub waited: bool,
    /// Rejected rows, which are allowed.
    pub rejected: usize,
    /// Words of each warning.
    pub warnings: Vec<&'a str>,
    pub code: i32,
    /// The exact sum of the costs' text, where it has more decimals than the column.
    pub exact_cost: Option<&'a str>,
}

/// 2024-11, or the list of periods, failed.
pub struct Failure<'a> {
    pub kind: &'a str,
    /// What all stands in the message.
    pub message: &'a [&'a str],
    /// What stands in the hint.
    pub hint: &'a str,
    /// Requests for the page at fault; one, when nothing else is said and nothing was waited for.
    pub requests: Option<usize>,
    pub waited: bool,
    pub rejected: usize,
    /// Whether the same run, for this period alone, fails in the same way.
    pub again: bool,
}

impl<'a> Good<'a> {
    /// The three pages of the scene, without any trouble.
    pub fn of(scene: &'a Scene) -> Self {
        let rows = scene.november.as_slice();
        let (etag, requests, warnings) = (Some(NEW), Some(4), Vec::new());
        Good { rows, pages: 3, etag, requests, waited: false, rejected: 0, warnings, code: 0, exact_cost: None }
    }

    /// One page, without any trouble.
    pub fn of_one_page(scene: &'a Scene) -> Self {
        Good { pages: 1, requests: Some(1), ..Good::of(scene) }
    }

    /// After waits, and so many requests.
    pub fn after(self, requests: usize) -> Self {
        Good { waited: true, requests: Some(requests), ..self }
    }
}

impl<'a> Failure<'a> {
    fn of(kind: &'a str, message: &'a [&'a str], hint: &'a str) -> Self {
        Failure { kind, message, hint, requests: None, waited: false, rejected: 0, again: true }
    }

    /// Exit code 4, or 7 as other periods go on.
    pub fn unavailable(message: &'a [&'a str], hint: &'a str) -> Self {
        Failure::of("unavailable", message, hint)
    }

    /// Exit code 5.
    pub fn data(message: &'a [&'a str]) -> Self {
        Failure::of("data", message, "look at what the API")
    }

    /// Exit code 5, because of so many rejected rows.
    pub fn rejected(rows: usize) -> Self {
        let failure = Failure::of("data", &["rows were rejected: "], "--max-rejected");
        Failure { rejected: rows, ..failure }
    }

    /// Exit code 3.
    pub fn key(message: &'a [&'a str]) -> Self {
        Failure::of("key", message, "BILLING_LAKE_API_KEY")
    }

    /// Exit code 2.
    pub fn usage(message: &'a [&'a str], hint: &'a str) -> Self {
        Failure::of("usage", message, hint)
    }

    /// After waits and further attempts.
    pub fn after_waits(self) -> Self {
        Failure { waited: true, ..self }
    }

    /// After waits, and so many requests for the page at fault.
    pub fn after(self, requests: usize) -> Self {
        Failure { waited: true, requests: Some(requests), ..self }
    }

    /// With so many requests for the page at fault, and no waits.
    pub fn requests(self, requests: usize) -> Self {
        Failure { requests: Some(requests), ..self }
    }

    /// The server does not repeat it.
    pub fn once(self) -> Self {
        Failure { again: false, ..self }
    }

    /// The exit code when nothing else succeeds.
    pub fn exit_code(&self) -> i32 {
        match self.kind {
            "internal" => 1,
            "usage" => 2,
            "key" => 3,
            "unavailable" => 4,
            "data" => 5,
            "destination" => 6,
            other => panic!("{other} is no kind of error"),
        }
    }
}
