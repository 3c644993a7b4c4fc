//! Which process a run is, so that a later one on the same machine can tell that it is gone.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process of some machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::lake) struct Process {
    /// The boot of the machine and the space of its process numbers; none where they are not to be had.
    machine: Option<String>,
    pid: u32,
    /// When it began, in ticks since the boot: a number is given to one process after another.
    started: Option<u64>,
}

impl Process {
    /// This process.
    pub(super) fn own() -> Self {
        Process::of(std::process::id())
    }

    /// A process of this machine that has not ended.
    pub(in crate::lake) fn of(pid: u32) -> Self {
        Process { machine: machine(), pid, started: started(pid) }
    }

    /// Whether it has ended; none when it is not one of this machine.
    pub(super) fn is_gone(&self) -> Option<bool> {
        let here = self.machine.is_some() && self.machine == machine() && self.started.is_some();
        here.then(|| started(self.pid) != self.started)
    }
}

/// Numbers of processes mean the same in one boot of a machine and one namespace of it.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; the start is the twentieth word behind it.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_is_known_to_live_or_to_be_gone() {
        let own = Process::own();
        assert_eq!(own.is_gone(), Some(false));
        assert_eq!(Process { started: own.started.map(|ticks| ticks + 1), ..own.clone() }.is_gone(), Some(true));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let of_child = Process::of(child.id());
        child.wait().unwrap();
        assert_eq!(of_child.is_gone(), Some(true));
        assert_eq!(Process { machine: Some("another".to_owned()), ..own.clone() }.is_gone(), None);
        assert_eq!(Process { machine: None, ..own }.is_gone(), None);
    }
}
