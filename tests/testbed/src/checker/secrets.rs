//! I7: secrets, link tokens and what people typed appear only where the design allows them.

use serde_json::Value;

use super::{Rule, Violation, note};

/// What one person typed, and who may read it.
#[derive(Clone, Debug)]
pub struct TypedTexts {
    /// The person's Discord id.
    pub discord_id: String,
    /// Address and names. Only the person may read them.
    pub private: Vec<String>,
    /// The reason. Moderators read it on the card.
    pub reason: String,
    /// A moderator's reason for a denial. The person reads it unless the denial was quiet.
    pub denial: String,
}

/// All values that must not appear.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    /// Passwords, tokens, keys and parts of links. They must not appear anywhere.
    pub secrets: Vec<String>,
    /// What people typed.
    pub typed: Vec<TypedTexts>,
    /// The channel that contains the cards.
    pub card_channel: String,
}

impl Canaries {
    /// Searches a text in which none of these values may appear: a log, a dump of the store, a command line.
    pub fn look_through(&self, place: &str, text: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        for secret in self.secrets.iter().filter(|secret| secret.len() >= 8) {
            if let Some(at) = text.find(secret.as_str()) {
                tell(&mut found, "a secret", place, &line_at(text, at, secret));
            }
        }
        for typed in &self.typed {
            let words = typed.private.iter().chain([&typed.reason, &typed.denial]);
            for word in words.filter(|word| word.len() >= 8) {
                if let Some(at) = text.find(word.as_str()) {
                    let what = format!("what {} typed", typed.discord_id);
                    tell(&mut found, &what, place, &line_at(text, at, word));
                }
            }
        }
        found
    }

    /// Searches the messages in the simulated Discord's log, each according to who can read it.
    pub fn look_through_messages(&self, log: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        for message in log["messages"].as_array().into_iter().flatten() {
            let text = message["content"].as_str().unwrap_or_default().to_owned()
                + &message["embeds"].to_string()
                + &message["components"].to_string();
            let place = message["place"].as_str().unwrap_or("?");
            for secret in self.secrets.iter().filter(|secret| secret.len() >= 8) {
                if let Some(at) = text.find(secret.as_str()) {
                    tell(&mut found, "a secret", place, &line_at(&text, at, secret));
                }
            }
            for typed in &self.typed {
                let is_theirs = message["only_for"] == typed.discord_id.as_str();
                let is_on_card = message["channel"] == self.card_channel.as_str();
                let is_direct = place == "DM";
                let kinds = typed.private.iter().map(|word| (word, is_theirs));
                let kinds = kinds.chain([
                    (&typed.reason, is_theirs || is_on_card),
                    (&typed.denial, is_theirs || is_direct),
                ]);
                for (word, may_be) in kinds {
                    if !may_be && let Some(at) = text.find(word.as_str()) {
                        let what = format!("what {} typed", typed.discord_id);
                        tell(&mut found, &what, place, &line_at(&text, at, word));
                    }
                }
            }
        }
        found
    }
}

fn tell(found: &mut Vec<Violation>, what: &str, place: &str, line: &str) {
    note(found, Rule::NothingLeaks, format!("{what} is in {place}: {line}"));
}

/// The line around a match without the match itself, because a report must not spread the value that it reports.
fn line_at(text: &str, at: usize, found: &str) -> String {
    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let line: String = text[begin..end].replace(found, "[…]");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canaries() -> Canaries {
        let typed = TypedTexts {
            discord_id: "7".to_owned(),
            private: vec!["ada-lovelace@example.org".to_owned()],
            reason: "because of the wiki".to_owned(),
            denial: "not this month".to_owned(),
        };
        Canaries {
            secrets: vec!["hunter2hunter2".to_owned()],
            typed: vec![typed],
            card_channel: "9".to_owned(),
        }
    }

    #[test]
    fn a_find_is_told_with_its_line_and_without_itself() {
        let found = canaries().look_through("the log", "fine\npassword=hunter2hunter2 !\nfine");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "a secret is in the log: password=[…] !");
        assert!(canaries().look_through("the log", "fine").is_empty());
    }

    #[test]
    fn what_was_typed_is_read_by_its_person_and_the_reason_by_moderators() {
        let message = |content: &str, channel: &str, only_for: Value, place: &str| json!({"messages": [{"content": content, "channel": channel, "only_for": only_for, "place": place}]});
        let count = |log: &Value| canaries().look_through_messages(log).len();
        let address = "ada-lovelace@example.org";
        assert_eq!(count(&message(address, "1", json!("7"), "#general")), 0);
        assert_eq!(count(&message(address, "1", json!("8"), "#general")), 1);
        assert_eq!(count(&message(address, "9", Value::Null, "#requests")), 1);
        assert_eq!(count(&message("because of the wiki", "9", Value::Null, "#requests")), 0);
        assert_eq!(count(&message("because of the wiki", "1", Value::Null, "#general")), 1);
        assert_eq!(count(&message("not this month", "3", Value::Null, "DM")), 0);
        assert_eq!(count(&message("not this month", "9", Value::Null, "#requests")), 1);
    }
}
