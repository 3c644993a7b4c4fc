//! The stage of every fault: a lake that holds an old version of 2024-10 and 2024-11, and a server that has a new one of
//! both. The fault is played on 2024-11 (or the list of periods), while 2024-10 goes on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use billing_lake::contract::Dataset;
use billing_lake::lake::{Destination, Lake};
use billing_lake::source::{ApiKey, Client, ClientOptions};
use billing_lake::sync::{self, Clock, Progress, Recheck, SyncOptions, Via, Wait};
use chrono::Utc;
use serde_json::Value;

use super::bill::{self, Row};
use crate::moved_clock::MovedClock;
use crate::program::{Ended, KEY, Program};
use crate::published::Place;
use crate::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, listing};

/// Where usage of 2024-10 is.
pub const OCTOBER: &str = "/v3/enrollments/100/billingPeriods/202410/usagedetails";
/// The second page of 2024-11.
pub const SECOND: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";
/// The third and last page of 2024-11.
pub const THIRD: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=3";

/// The ETag of the new version of 2024-11.
pub const NEW: &str = "\"new-11\"";

/// A process that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a fault is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    Periods,
    First,
    Second,
    Third,
}

impl At {
    pub const ALL: [At; 4] = [At::Periods, At::First, At::Second, At::Third];

    pub fn target(self) -> &'static str {
        match self {
            At::Periods => PERIODS,
            At::First => USAGE,
            At::Second => SECOND,
            At::Third => THIRD,
        }
    }
}

/// A lake with old versions and a server with new ones.
pub struct Scene {
    pub server: ScriptedServer,
    pub place: Place,
    /// All files before the run.
    pub before: BTreeMap<String, Vec<u8>>,
    /// The rows of 2024-10 and 2024-11 as the server has them now.
    pub october: Vec<Row>,
    pub november: Vec<Row>,
    arguments: Vec<String>,
    endpoint: String,
    /// Whether the API asks for patience, so that 2024-10 may have to wait as well.
    pub throttled: bool,
}

/// The lake with the old versions.
fn old_lake() -> &'static BTreeMap<String, Vec<u8>> {
    static OLD: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    OLD.get_or_init(|| {
        let (server, place) = (listing(&["202411", "202410"]), Place::new());
        server.on(USAGE, [Answer::json(bill::page(&bill::rows("2024-11", 1), None)).etag("\"old-11\"")]);
        server.on(OCTOBER, [Answer::json(bill::page(&bill::rows("2024-10", 1), None)).etag("\"old-10\"")]);
        Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        place.everything()
    })
}

impl Scene {
    pub fn new() -> Self {
        let server = listing(&["202411", "202410"]);
        let (october, november) = (bill::rows("2024-10", 2), bill::rows("2024-11", 2));
        server.on(OCTOBER, [Answer::json(bill::page(&october, None)).etag("\"new-10\"")]);
        let before = old_lake().clone();
        let place = Place::with(&before);
        let (arguments, endpoint) = (Vec::new(), server.endpoint());
        let scene = Scene { server, place, before, october, november, arguments, endpoint, throttled: false };
        for at in [At::First, At::Second, At::Third] {
            scene.server.on(at.target(), [scene.good(at)]);
        }
        scene
    }

    /// What the server answers when no fault is played.
    pub fn good(&self, at: At) -> Answer {
        let text = self.text(at);
        if at == At::First { Answer::json(text).etag(NEW) } else { Answer::json(text) }
    }

    /// The text of that answer.
    pub fn text(&self, at: At) -> String {
        let page = |from: usize, next: Option<&str>| {
            let next = next.map(|next| self.server.url(next));
            bill::page(&self.november[from..from + 10], next.as_deref())
        };
        match at {
            At::Periods => {
                let listed = |period| format!(r#"{{"billingPeriodId":"{period}","usageDetails":"/v1/x"}}"#);
                format!("[{},{}]", listed("202411"), listed("202410"))
            }
            At::First => page(0, Some(SECOND)),
            At::Second => page(10, Some(THIRD)),
            At::Third => page(20, None),
        }
    }

    /// Such answers come before the good one.
    pub fn breaks(self, at: At, broken: impl IntoIterator<Item = Answer>) -> Self {
        self.server.on(at.target(), broken.into_iter().chain([self.good(at)]));
        self
    }

    /// Nothing but this comes.
    pub fn always(self, at: At, broken: Answer) -> Self {
        self.server.on(at.target(), [broken]);
        self
    }

    /// 2024-11 is one page of these rows.
    pub fn one_page(mut self, rows: Vec<Row>) -> Self {
        self.server.on(USAGE, [Answer::json(bill::page(&rows, None)).etag(NEW)]);
        self.november = rows;
        self
    }

    /// The same with one part of the page written in another way, which need not be text.
    pub fn with_bytes(self, part: &str, bytes: &[u8]) -> Self {
        let page = bill::page(&self.november, None);
        let (before, after) = page.split_once(part).unwrap();
        let page = [before.as_bytes(), bytes, after.as_bytes()].concat();
        self.server.on(USAGE, [Answer::json(page).etag(NEW)]);
        self
    }

    /// More arguments.
    pub fn with<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// The API is asked there.
    pub fn through(self, endpoint: impl Into<String>) -> Self {
        Scene { endpoint: endpoint.into(), ..self }
    }

    /// `sync` of both periods, whenever they were asked for.
    pub fn program(&self) -> Program {
        let arguments = self.arguments.iter().map(String::as_str);
        Program::sync(&self.endpoint, &self.place.dest()).with(["--recheck", "all"]).with(arguments)
    }

    /// Runs it to its end.
    pub fn run(&self) -> Done<'_> {
        self.ran(finish(self.program().start()))
    }

    /// How a process ended that worked on this lake.
    pub fn ran(&self, ended: Ended) -> Done<'_> {
        let (code, text) = (ended.code, ended.out.strip_suffix('\n').unwrap_or_default().to_owned());
        let report = serde_json::from_str(&ended.out).unwrap_or(Value::Null);
        Done { scene: self, code, report, said: Some((ended.out, ended.err)), text, waits: Vec::new() }
    }

    /// The same run by the library, with a clock that makes each wait pass at once: for failures that have to run out
    /// of attempts, and for waits that nobody would sit through.
    pub fn in_library(&self) -> Done<'_> {
        self.in_library_with(hasty(), Duration::from_secs(30))
    }

    /// The same with another clock, and with this patience for answers that stall.
    pub fn in_library_with(&self, clock: Arc<dyn Clock>, idle_timeout: Duration) -> Done<'_> {
        let client = ClientOptions { endpoint: self.endpoint.clone(), idle_timeout, ..ClientOptions::default() };
        let lake = Lake::open(&Destination::local(self.place.path("lake"))).unwrap();
        let waits = Arc::new(Waits::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = Arc::new(Client::new(client).unwrap());
        let progress = Arc::clone(&waits) as Arc<dyn Progress>;
        let report = runtime.block_on(sync::sync(&lake, client, options(clock), progress));
        let waits = waits.0.lock().unwrap().clone();
        let code = i32::from(report.exit_code());
        let text = serde_json::to_string_pretty(&report).unwrap();
        Done { scene: self, code, report: serde_json::to_value(&report).unwrap(), said: None, text, waits }
    }
}

/// Both periods of enrollment 100, always asked for.
fn options(clock: Arc<dyn Clock>) -> SyncOptions {
    SyncOptions {
        recheck: Recheck::All,
        clock,
        datasets: vec![Dataset::UsageDetails],
        via: Via::Json,
        ..SyncOptions::new(vec![("100".parse().unwrap(), ApiKey::from_text(KEY).unwrap())])
    }
}

/// A clock that begins now, and on which each wait passes at once.
pub fn hasty() -> Arc<dyn Clock> {
    MovedClock::at(&Utc::now().to_rfc3339())
}

/// The waits of a run.
#[derive(Default)]
struct Waits(Mutex<Vec<Waited>>);

/// A wait that was told.
#[derive(Clone, Debug)]
pub struct Waited {
    pub time: Duration,
    /// Whether the API asked for it.
    pub asked: bool,
    /// Path and reason.
    pub why: String,
}

impl Progress for Waits {
    fn waiting(&self, wait: &Wait<'_>) {
        let why = format!("{}: {}", wait.path, wait.why);
        self.0.lock().unwrap().push(Waited { time: wait.time, asked: wait.asked, why });
    }
}

/// How a run ended.
pub struct Done<'a> {
    pub scene: &'a Scene,
    pub code: i32,
    /// Null when none was printed.
    pub report: Value,
    /// Standard output and standard error, of a process.
    pub said: Option<(String, String)>,
    /// The report as text, when it was printed or is the library's.
    pub text: String,
    /// What was told about waits, by the library.
    pub waits: Vec<Waited>,
}

/// Waits for a process, which is killed when it hangs.
pub fn finish(child: Child) -> Ended {
    let (done, ended) = mpsc::channel::<()>();
    let id = child.id().to_string();
    let watch = thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            send_signal("KILL", &id);
        }
    });
    let ended = Ended::of(child.wait_with_output().unwrap());
    drop(done);
    watch.join().unwrap();
    ended
}

/// Sends a signal to a process.
pub fn send_signal(name: &str, id: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), id]).status().unwrap();
    assert!(sent.success());
}

/// Plays cases side by side, since most of their time is waiting, and names those that failed.
pub fn each<C: Sync>(cases: &[C], name: impl Fn(&C) -> String + Sync, play: impl Fn(&C) + Sync) {
    assert!(!cases.is_empty());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cases.len().min(64) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(case))) {
                        let words = panic.downcast_ref::<String>().cloned();
                        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
                        failed.lock().unwrap().push(format!("{}: {}", name(case), words.unwrap_or_default()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} cases failed:\n{}", failed.len(), cases.len(), failed.join("\n"));
}
