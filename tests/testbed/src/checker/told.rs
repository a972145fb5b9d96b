//! I1 and I9, checked against what people were told. A person who read that their request was sent has a
//! request, and no message makes a false claim.

use std::collections::HashMap;

use serde_json::Value;

use super::{Rule, Violation, note};
use crate::db_inspector::{DbInspector, JsonRow, text_of};

/// Checks every message in the simulated Discord's log.
pub async fn check(log: &Value, store: &DbInspector) -> anyhow::Result<Vec<Violation>> {
    let requests = store.rows("SELECT code, state FROM request").await?;
    let accounts = store.rows("SELECT username, state, invited_at, activated_at FROM account").await?;
    let states: HashMap<String, String> =
        requests.iter().map(|row| (text_of(&row["code"]), text_of(&row["state"]))).collect();
    let mut found = Vec::new();
    for message in log["messages"].as_array().into_iter().flatten() {
        let text = message["content"].as_str().unwrap_or_default();
        was_kept(text, &states, &mut found);
        if message["place"] == "DM" {
            is_so_of_request(text, &states, &mut found);
            is_so_of_account(text, &accounts, &mut found);
        }
    }
    Ok(found)
}

/// The word that follows `before`, up to a blank or a full stop.
pub(super) fn word_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|sign: char| sign.is_whitespace() || sign == ',').unwrap_or(rest.len());
    // Codes and names are in code spans.
    Some(rest[..end].trim_end_matches('.').trim_matches('`'))
}

fn was_kept(text: &str, states: &HashMap<String, String>, found: &mut Vec<Violation>) {
    let Some(code) = word_after(text, "Sent. Your request is ") else { return };
    if states.get(code).is_none_or(|state| state == "draft") {
        note(
            found,
            Rule::NothingLost,
            format!("somebody was told that request {code} is sent, and it is not kept"),
        );
    }
}

fn is_so_of_request(text: &str, states: &HashMap<String, String>, found: &mut Vec<Violation>) {
    let Some(code) = word_after(text, "our request ") else { return };
    let Some(state) = states.get(code) else { return };
    let wanted: &[&str] = if text.contains("was denied") {
        &["denied"]
    } else if text.contains("could not be created") {
        &["failed"]
    } else if text.contains("was cancelled") {
        &["cancelled"]
    } else if text.contains("nobody decided it in time") {
        &["expired"]
    } else {
        return;
    };
    if !wanted.contains(&state.as_str()) {
        note(found, Rule::WordsAreTrue, format!("request {code} is {state}, and somebody was told: {text}"));
    }
}

fn is_so_of_account(text: &str, accounts: &[JsonRow], found: &mut Vec<Violation>) {
    let (column, name) = if text.contains("is in use now") || text.contains("so it is in use") {
        ("activated_at", word_after(text, "your account "))
    } else if text.contains("An email with a link is on its way") {
        ("invited_at", word_after(text, "your account "))
    } else {
        return;
    };
    let Some(name) = name else { return };
    let is_so = accounts.iter().any(|row| row["username"] == name && !row[column].is_null());
    if !is_so {
        note(
            found,
            Rule::WordsAreTrue,
            format!("account {name} has no {column}, and somebody was told: {text}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_behind_its_sentence() {
        let sent = "Sent. Your request is `AB-12`. A moderator will review it";
        assert_eq!(word_after(sent, "Sent. Your request is "), Some("AB-12"));
        assert_eq!(word_after("Your request AB-12 was denied.", "our request "), Some("AB-12"));
        assert_eq!(word_after("nothing", "our request "), None);
    }

    #[test]
    fn a_claim_that_is_not_so_is_found() {
        let states = HashMap::from([("A".to_owned(), "waiting".to_owned())]);
        let mut found = Vec::new();
        was_kept("Sent. Your request is A. A moderator", &states, &mut found);
        is_so_of_request("Your request A was moved.", &states, &mut found);
        assert!(found.is_empty());
        was_kept("Sent. Your request is B. A moderator", &states, &mut found);
        is_so_of_request("Your request A was denied. The reason", &states, &mut found);
        let rules: Vec<Rule> = found.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [Rule::NothingLost, Rule::WordsAreTrue]);
    }
}
