//! The second half of I10: an idle process holds no more than it held before.

use std::fs;

use super::{Rule, Violation, note};

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Open files, connections among them.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory, in KiB.
    pub memory_kib: u64,
}

/// Differences that are not a leak: pooled connections, a worker thread, pages that the allocator keeps.
const SLACK: Holdings = Holdings { descriptors: 30, threads: 12, memory_kib: 96 * 1024 };

/// What a process holds now; `None` if the process does not exist.
pub fn holdings_of(pid: u32) -> Option<Holdings> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(Holdings {
        descriptors,
        threads: usize::try_from(number("Threads:")?).ok()?,
        memory_kib: number("VmRSS:")?,
    })
}

/// Compares what a process holds when idle with what it held when idle before.
pub fn check(before: Holdings, now: Holdings) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut compare = |what: &str, before: u64, now: u64, slack: u64| {
        if now > before + slack {
            note(
                &mut found,
                Rule::QueuesEmpty,
                format!("the bot at rest holds {now} {what}; it held {before}"),
            );
        }
    };
    compare("descriptors", before.descriptors as u64, now.descriptors as u64, SLACK.descriptors as u64);
    compare("threads", before.threads as u64, now.threads as u64, SLACK.threads as u64);
    compare("KiB of memory", before.memory_kib, now.memory_kib, SLACK.memory_kib);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_holds_something_and_growth_is_found() {
        let now = holdings_of(std::process::id()).expect("this process");
        assert!(now.descriptors > 2 && now.threads > 0 && now.memory_kib > 1000, "{now:?}");
        assert!(check(now, now).is_empty());
        let before = Holdings { descriptors: 0, ..now };
        let grown = Holdings { descriptors: SLACK.descriptors + 1, ..now };
        assert_eq!(check(before, grown).len(), 1);
        assert_eq!(holdings_of(0), None);
    }
}
