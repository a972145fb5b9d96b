//! A killed test process leaves nothing behind.
//!
//! The `testbed` binary serves as the process that is killed, because it holds a set of servers as a test would.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use testbed::{clean_leftovers, wait_until};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Starts `testbed servers` without Keycloak and returns it with the pids of its servers.
async fn start_servers(folder: &Path) -> (Child, Vec<u64>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["servers", "--without-keycloak", "--postgres", "--keep"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("testbed starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut pids = Vec::new();
    let read = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            pids.extend(line["pid"].as_u64());
            if line["ready"] == "postgres" {
                return;
            }
        }
        panic!("testbed ended before its servers were ready");
    };
    tokio::time::timeout(LIMIT, read).await.expect("ready in time");
    assert_eq!(pids.len(), 2, "slapd and PostgreSQL");
    (child, pids)
}

/// A process that has ended but was not collected by its new parent counts as ended.
fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

async fn wait_until_gone(pids: &[u64]) {
    let gone = || async { Ok(!pids.iter().any(|pid| runs(*pid))) };
    wait_until("the servers to be gone", LIMIT, gone).await.expect("gone");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_killed_testbed_takes_its_servers_along() {
    let folder = folder();
    let (mut child, pids) = start_servers(folder.path()).await;
    assert!(pids.iter().all(|pid| runs(*pid)));
    child.kill().await.expect("killed");
    wait_until_gone(&pids).await;
}

#[tokio::test]
async fn a_testbed_that_is_told_to_end_ends_and_forgets_its_servers() {
    let folder = folder();
    let (mut child, pids) = start_servers(folder.path()).await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("told");
    let status = tokio::time::timeout(LIMIT, child.wait()).await.expect("in time").expect("ended");
    assert!(status.success(), "{status}");
    wait_until_gone(&pids).await;
    let state = std::fs::read_to_string(folder.path().join("state.json")).expect("state.json");
    assert_eq!(state.trim(), "[]");
}

/// A process that ignores the death signal represents what is left when the first safeguard fails.
#[tokio::test]
async fn leftovers_are_known_by_pid_and_start_time() {
    let folder = folder();
    let mut left = Command::new("sleep").arg("600").kill_on_drop(true).spawn().expect("sleep starts");
    let mut stranger = Command::new("sleep").arg("600").kill_on_drop(true).spawn().expect("sleep starts");
    let (left_pid, stranger_pid) = (left.id().expect("a pid"), stranger.id().expect("a pid"));
    let start_time = |pid: u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its facts");
        stat.rsplit_once(')')
            .expect("a name")
            .1
            .split_whitespace()
            .nth(19)
            .expect("field 22")
            .parse()
            .expect("ticks")
    };
    let state = serde_json::json!([
        {"name": "left", "pid": left_pid, "start_time": start_time(left_pid)},
        {"name": "stranger", "pid": stranger_pid, "start_time": start_time(stranger_pid) + 1},
    ]);
    let file: PathBuf = folder.path().join("state.json");
    std::fs::write(&file, state.to_string()).expect("written");
    assert_eq!(clean_leftovers(folder.path()).expect("cleaned"), ["left"]);
    left.wait().await.expect("ended");
    assert!(runs(u64::from(stranger_pid)), "a pid that another process has by now is left alone");
    assert!(clean_leftovers(folder.path()).expect("cleaned").is_empty(), "nothing is left the second time");
    stranger.kill().await.expect("ended");
}
