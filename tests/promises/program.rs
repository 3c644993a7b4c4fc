//! The program as a process: what it is given, and how it ended. Nothing of this machine's environment reaches it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The key that the servers of these tests take.
pub const KEY: &str = "key-7f3e9d-of-the-tests";

/// A call of the program.
pub struct Program {
    command: Command,
    input: Vec<u8>,
}

/// How a call ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Program {
    /// A call with these arguments, without a key.
    pub fn new<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billing-lake"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("BILLING_LAKE_") || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.env("COLUMNS", "100").env("NO_COLOR", "1");
        Program { command, input: Vec::new() }
    }

    /// `sync` of enrollment 100 with the right key, which prints the run report as JSON.
    pub fn sync(endpoint: &str, dest: &str) -> Self {
        Self::of_api("sync", endpoint, dest)
    }

    /// `plan`, in the same way.
    pub fn plan(endpoint: &str, dest: &str) -> Self {
        Self::of_api("plan", endpoint, dest)
    }

    /// Most promises are about usage details alone; `--datasets` says otherwise.
    fn of_api(command: &str, endpoint: &str, dest: &str) -> Self {
        Program::new([command, "--endpoint", endpoint, "--dest", dest, "--format", "json"])
            .set("BILLING_LAKE_ENROLLMENT", "100")
            .set("BILLING_LAKE_API_KEY", KEY)
            .set("BILLING_LAKE_DATASETS", "usage_details")
    }

    /// `convert` for enrollment 100.
    pub fn convert(input: &str, dest: &str) -> Self {
        Program::new(["convert", input, "--enrollment", "100", "--dest", dest, "--format", "json"])
    }

    /// More arguments.
    pub fn with<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable of the environment.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// A variable less.
    pub fn unset(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// With this working directory.
    pub fn at(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What stands on standard input.
    pub fn input(mut self, bytes: &[u8]) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes.to_vec();
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        let input = self.input.clone();
        let mut child = self.start();
        if let Some(mut stdin) = child.stdin.take() {
            // A program that refuses its options reads nothing.
            let _ = stdin.write_all(&input);
        }
        Ended::of(child.wait_with_output().unwrap())
    }

    /// Runs it to its end, which must have this exit code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Ended {
        let ended = self.run();
        assert_eq!(ended.code, code, "{}\n{}", ended.out, ended.err);
        ended
    }

    /// Runs under a shell that does this before, such as setting a limit.
    pub fn under(mut self, before: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(self.command.get_program());
        shell.args(self.command.get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        self.command = shell;
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Child {
        self.command.spawn().unwrap()
    }
}

impl Ended {
    /// Of a process that was waited for. A signal's code is that of a shell.
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// The run report on standard output.
    #[track_caller]
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// `period outcome` of each slice, in the report's order.
    #[track_caller]
    pub fn outcomes(&self) -> Vec<String> {
        let report = self.report();
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let slices = report["slices"].as_array().unwrap().iter();
        slices.map(|slice| format!("{} {}", word(&slice["billing_period"]), word(&slice["outcome"]))).collect()
    }

    /// The only slice of the report.
    #[track_caller]
    pub fn slice(&self) -> Value {
        let report = self.report();
        assert_eq!(report["slices"].as_array().map(Vec::len), Some(1), "{report}");
        report["slices"][0].clone()
    }

    /// Standard error names all of these.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {}", self.err);
        }
    }
}
