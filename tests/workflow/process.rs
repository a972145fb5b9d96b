//! Restrictions that the running process sets for itself and for others, checked from outside.

use anyhow::{Context as _, Result, ensure};

use harness::{Database, EnvOptions, TestEnv, visit};

/// Returns one line about a process from a file below `/proc/PID`, with blanks folded.
fn kernel_says(pid: nix::unistd::Pid, file: &str, line_begins: &str) -> Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).context("ask the kernel")?;
    let line = text.lines().find(|line| line.starts_with(line_begins)).context("no such line")?;
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_running_bot_leaves_no_core_dump_and_no_file_for_others() {
    let (harness, _visit) = visit();
    let seen: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, "proc", EnvOptions::plain(Database::Sqlite)).await?;
        env.starts().await?;
        let pid = env.pid().await?;
        let core = kernel_says(pid, "limits", "Max core file size")?;
        ensure!(core == "Max core file size 0 0 bytes", "{core}");
        let mask = kernel_says(pid, "status", "Umask")?;
        ensure!(mask == "Umask: 0077", "{mask}");
        env.stops().await
    });
    if let Err(error) = seen {
        panic!("{error:#}");
    }
}
