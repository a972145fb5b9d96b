//! What helps to find the cause of a violation: the end of the bot's log and the related rows.

use std::io::Write as _;

use super::stage::Stage;
use super::tally::Found;

/// How much of the bot's log is shown.
const LINES: usize = 60;

/// Prints the violation, the command that repeats it and what helps to explain it, and keeps the rest in a folder.
pub(super) async fn helps(stage: &Stage, found: &[Found], repeats: String) {
    for violation in found {
        say(&format!("VIOLATION {}: {}", violation.rule, violation.what));
    }
    for bot in &stage.env.bots {
        let log = bot.log();
        let lines: Vec<&str> = log.lines().collect();
        say(&format!("--- the end of {}:", bot.log_path().display()));
        say(&lines[lines.len().saturating_sub(LINES)..].join("\n"));
    }
    say("--- people wait:");
    for (name, what) in stage.waits() {
        say(&format!("{name}: {what}"));
    }
    let sql = "SELECT kind, state, step, error_code, attempt, next_run, lease_until, fence FROM job \
        WHERE state IN ('open', 'undoing', 'needs_operator')";
    match stage.env.db.rows(sql).await {
        Ok(rows) => {
            say("--- unfinished job:");
            for row in rows {
                say(&serde_json::Value::Object(row).to_string());
            }
        }
        Err(error) => say(&format!("--- the store does not answer: {error:#}")),
    }
    match keep(stage).await {
        Ok(folder) => {
            say(&format!("--- the bot's log, the database's rows and Discord's log are in {folder}"));
        }
        Err(error) => say(&format!("--- nothing could be kept: {error:#}")),
    }
    say(&format!("--- to repeat it: {repeats}"));
}

async fn keep(stage: &Stage) -> anyhow::Result<String> {
    let folder = crate::folders::outputs()?.join(format!("faults-kept-{}", stage.servers.database.name()));
    std::fs::create_dir_all(&folder)?;
    for (at, bot) in stage.env.bots.iter().enumerate() {
        std::fs::write(folder.join(format!("bot{at}.log")), bot.log())?;
    }
    std::fs::write(folder.join("store.jsonl"), stage.env.db.dump().await?)?;
    std::fs::write(folder.join("discord.json"), serde_json::to_string(&stage.env.discord_log().await?)?)?;
    std::fs::write(folder.join("people.ldif"), stage.servers.real.slapd.ldif_of_people().await?)?;
    let inbox: Vec<String> = stage
        .servers
        .real
        .mail
        .messages()
        .iter()
        .map(|mail| format!("{} {} {}", mail.received_at, mail.to.join(","), mail.subject))
        .collect();
    std::fs::write(folder.join("inbox.txt"), inbox.join("\n"))?;
    Ok(folder.display().to_string())
}

/// Writes a line for people to standard error.
pub(super) fn say(line: &str) {
    // A closed terminal must not stop the campaign.
    drop(writeln!(std::io::stderr(), "{line}"));
}
