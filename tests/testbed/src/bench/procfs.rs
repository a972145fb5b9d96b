//! What a process uses and holds, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::report::float;
use crate::checker::leaks::holdings_of;
use crate::waiting::wait_until;

/// The clock ticks in `/proc/PID/stat` are hundredths of a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Memory counts as settled when this many consecutive samples differ by no more than this amount.
const SETTLED_SAMPLES: usize = 10;
const SETTLED_KIB: u64 = 128;

/// The CPU time that all threads of a process have used, including ended threads.
pub(super) fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's times")?;
    let [user, system, ..] = times_in(&stat).context("understand a process's times")?;
    Ok(TICK * (user + system))
}

/// The CPU time of a process and its children, including ended ones. PostgreSQL has one process for each connection.
pub(super) fn cpu_of_family(parent: u32) -> Result<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").context("list processes")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end between the two reads. Its parent's time then includes its own.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if pid == parent {
            ticks += times_in(&stat).context("understand a process's times")?.iter().sum::<u32>();
        } else if parent_in(&stat) == Some(parent) {
            ticks += times_in(&stat).map_or(0, |[user, system, ..]| user + system);
        }
    }
    Ok(TICK * ticks)
}

/// User and system time of the process and of its ended children. These are fields 14 to 17, counted after the
/// name in parentheses, which may contain blanks.
fn times_in(stat: &str) -> Option<[u32; 4]> {
    let mut fields = fields_of(stat)?.skip(11).map_while(|field| field.parse().ok());
    Some([fields.next()?, fields.next()?, fields.next()?, fields.next()?])
}

fn parent_in(stat: &str) -> Option<u32> {
    fields_of(stat)?.nth(1)?.parse().ok()
}

/// The fields of `/proc/PID/stat` from the third one.
fn fields_of(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// How many voluntary and involuntary context switches the current threads of a process have had.
pub(super) fn context_switches_of(pid: u32) -> Result<u64> {
    let mut switches = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("list a process's threads")?.flatten() {
        // A thread may end between the two reads.
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        switches += switches_in(&status);
    }
    Ok(switches)
}

fn switches_in(status: &str) -> u64 {
    let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
    lines.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

/// How many open sockets a process has.
pub(super) fn connections_of(pid: u32) -> Result<usize> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).context("list a process's files")?;
    let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}

/// Returns the resident memory in MiB once it no longer changes.
pub(super) async fn settled_memory(pid: u32) -> Result<f64> {
    let mut samples: Vec<u64> = Vec::new();
    wait_until("the bot's memory to settle", Duration::from_secs(20), async || {
        samples.push(holdings_of(pid).context("the bot is gone")?.memory_kib);
        let newest = samples.rchunks(SETTLED_SAMPLES).next().unwrap_or_default();
        let (least, most) = (newest.iter().min(), newest.iter().max());
        Ok(newest.len() == SETTLED_SAMPLES
            && least.zip(most).is_some_and(|(least, most)| most - least <= SETTLED_KIB))
    })
    .await?;
    let kib = samples.last().copied().unwrap_or_default();
    Ok(float(usize::try_from(kib)?) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_parent_are_found_after_a_name_with_blanks() {
        let stat = "42 (a (b) c) S 7 42 42 0 -1 4194304 900 0 0 0 17 5 3 1 20 0 4 0 12345 1000 200 18446744073709551615";
        assert_eq!(times_in(stat), Some([17, 5, 3, 1]));
        assert_eq!(parent_in(stat), Some(7));
        assert_eq!(times_in("42 (short) S 1"), None);
    }

    #[test]
    fn both_kinds_of_context_switches_are_counted() {
        let status = "Threads:\t2\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(switches_in(status), 157);
        assert_eq!(switches_in("Threads:\t2\n"), 0);
    }

    #[test]
    fn this_process_has_used_time_and_switched() {
        let begun = std::time::Instant::now();
        while cpu_of(std::process::id()).expect("this process") < TICK {
            assert!(begun.elapsed() < Duration::from_secs(10), "a busy loop uses CPU time");
        }
        assert!(cpu_of_family(std::process::id()).expect("this process") >= TICK);
        std::thread::yield_now();
        assert!(context_switches_of(std::process::id()).expect("this process") > 0);
    }

    #[test]
    fn an_open_socket_is_a_connection() {
        let before = connections_of(std::process::id()).expect("this process");
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        // Other tests in this process may open sockets, but none closes a socket that was counted before.
        assert!(connections_of(std::process::id()).expect("this process") > 0, "{before}");
        drop(socket);
    }
}
