//! What a process took and holds, as `/proc` tells it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::checker::leaks::holdings_of;
use crate::waiting::wait_until;

/// The clock ticks of `/proc/PID/stat` are hundredths of a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// How many looks in a row must find the same memory, and how much may change between them.
const SAME_LOOKS: usize = 10;
const SAME_KIB: u64 = 128;

/// The CPU time that all threads of a process have taken, those that ended too.
pub(super) fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's times")?;
    ticks_in(&stat).map(|ticks| TICK * ticks).context("understand a process's times")
}

/// User and system time: fields 14 and 15, counted behind the name in parentheses, which may hold blanks.
fn ticks_in(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Resident memory once it no longer changes, in MiB.
pub(super) async fn settled_memory(pid: u32) -> Result<f64> {
    let mut looks: Vec<u64> = Vec::new();
    wait_until("the bot's memory to settle", Duration::from_secs(20), async || {
        looks.push(holdings_of(pid).context("the bot is gone")?.memory_kib);
        let newest = looks.rchunks(SAME_LOOKS).next().unwrap_or_default();
        let (least, most) = (newest.iter().min(), newest.iter().max());
        Ok(newest.len() == SAME_LOOKS
            && least.zip(most).is_some_and(|(least, most)| most - least <= SAME_KIB))
    })
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let kib = looks.last().copied().unwrap_or_default() as f64;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_a_name_with_blanks() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 900 0 0 0 17 5 0 0 20 0 4 0 12345 1000 200 18446744073709551615";
        assert_eq!(ticks_in(stat), Some(22));
        assert_eq!(ticks_in("42 (short) S 1"), None);
    }

    #[test]
    fn our_own_process_has_taken_time() {
        let begun = std::time::Instant::now();
        while cpu_of(std::process::id()).expect("this process") < TICK {
            assert!(begun.elapsed() < Duration::from_secs(10), "a busy loop takes CPU time");
        }
    }
}
