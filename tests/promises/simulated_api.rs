//! The simulator, on a runtime of its own beside the test.

use billing_lake::simulator::{Counters, Options, Simulator};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::program::KEY;

/// A running simulator that takes the tests' key.
pub struct Api {
    simulator: Simulator,
    _runtime: Runtime,
}

impl Api {
    /// Starts with these options, whatever their key.
    pub fn start(options: Options) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options { key: KEY.to_owned(), ..options };
        let simulator = runtime.block_on(Simulator::start(options)).unwrap();
        Api { simulator, _runtime: runtime }
    }

    /// Three billing periods, 2024-01 to 2024-03, of three pages each.
    pub fn three_months() -> Self {
        Api::start(Options { rows_per_month: 250, page_rows: 100, ..Options::default() })
    }

    pub fn endpoint(&self) -> String {
        self.simulator.endpoint()
    }

    pub fn restate(&self, period: &str) {
        self.simulator.restate("100", period).unwrap();
    }

    /// What it serves for a period (`202401`): rows, pages, sums.
    pub fn truth(&self, enrollment: &str, period: &str) -> Value {
        self.simulator.truth()["enrollments"][enrollment][period].clone()
    }

    /// Everything that it serves.
    pub fn whole_truth(&self) -> Value {
        self.simulator.truth()
    }

    pub fn counters(&self) -> Counters {
        self.simulator.counters()
    }
}
