//! Embeds: a summary in Discord's format, always within Discord's limits.

use serde_json::{Value, json};

use super::truncated::{cut, cut_spans};
use crate::domain::ids::Timestamp;
use crate::domain::person_name::is_shown;
use crate::domain::summary::{Fact, ShownPerson, Summary, Tone};

/// Discord's limits (Message resource, Embed Limits), in characters.
const TITLE_MAX: usize = 256;
const TEXT_MAX: usize = 4096;
const FACTS_MAX: usize = 25;
const LABEL_MAX: usize = 256;
const VALUE_MAX: usize = 1024;
const FOOTER_MAX: usize = 2048;
const NAME_MAX: usize = 256;
const TOTAL_MAX: usize = 6000;

/// The colour of a tone. The title says the same in words, because not everyone sees colours alike.
const fn color(tone: Tone) -> u32 {
    match tone {
        Tone::Open => 0x00_58_65_F2,
        Tone::Attention => 0x00_E6_7E_22,
        Tone::Good => 0x00_2E_8B_57,
        Tone::Bad => 0x00_C0_39_2B,
        Tone::Over => 0x00_7F_8C_8D,
    }
}

/// What is left of the characters that one embed may have.
struct Budget(usize);

impl Budget {
    /// A text within its own limit and what is left of the whole. A code span that is cut is closed.
    fn take(&mut self, text: &str, max: usize) -> String {
        let taken = cut_spans(text, max.min(self.0));
        self.0 -= taken.chars().count().min(self.0);
        taken
    }
}

/// The embed of a summary.
pub(super) fn embed(summary: &Summary) -> Value {
    let mut budget = Budget(TOTAL_MAX);
    let mut embed = json!({ "color": color(summary.tone) });
    // What identifies it comes first, so that it is never what is cut.
    let texts = [
        ("title", &summary.title, TITLE_MAX),
        ("footer", &summary.footer, FOOTER_MAX),
        ("description", &summary.text, TEXT_MAX),
    ];
    for (key, text, max) in texts {
        if text.trim().is_empty() {
            continue;
        }
        let taken = budget.take(text, max);
        embed[key] = if key == "footer" { json!({ "text": taken }) } else { taken.into() };
    }
    if let Some(author) = summary.person.as_ref().and_then(|person| author(person, &mut budget)) {
        embed["author"] = author;
    }
    let facts = summary.facts.iter().filter_map(|fact| field(fact, &mut budget));
    embed["fields"] = facts.take(FACTS_MAX).collect();
    if let Some(at) = summary.at.and_then(iso) {
        embed["timestamp"] = at.into();
    }
    embed
}

/// Whether nothing of a summary has to be cut.
pub fn fits(summary: &Summary) -> bool {
    let count = |text: &str| text.chars().count();
    let facts = || summary.facts.iter().filter(|fact| is_told(fact));
    let name = summary.person.as_ref().map_or(0, |person| count(&person.name));
    let all = facts().map(|fact| count(&fact.label) + count(&fact.value)).sum::<usize>();
    facts().count() <= FACTS_MAX
        && facts().all(|fact| count(&fact.label) <= LABEL_MAX && count(&fact.value) <= VALUE_MAX)
        && count(&summary.title) <= TITLE_MAX
        && count(&summary.text) <= TEXT_MAX
        && count(&summary.footer) <= FOOTER_MAX
        && name + all + count(&summary.title) + count(&summary.text) + count(&summary.footer) <= TOTAL_MAX
}

/// Discord refuses a field without a label or a value.
fn is_told(fact: &Fact) -> bool {
    !fact.label.trim().is_empty() && !fact.value.trim().is_empty()
}

/// `None` if there is nothing to tell, or no room for it.
fn field(fact: &Fact, budget: &mut Budget) -> Option<Value> {
    let label = cut(&fact.label, LABEL_MAX);
    // A value of a few characters would only mislead.
    if !is_told(fact) || budget.0 < label.chars().count() + 16 {
        return None;
    }
    let label = budget.take(&label, LABEL_MAX);
    let value = budget.take(&fact.value, VALUE_MAX);
    Some(json!({ "name": label, "value": value, "inline": fact.is_short }))
}

/// The name is plain text to Discord: it neither pings nor formats. What can't be seen is left out.
fn author(person: &ShownPerson, budget: &mut Budget) -> Option<Value> {
    let name: String = person.name.chars().filter(|c| is_shown(*c)).collect();
    let name = cut(name.trim(), NAME_MAX.min(budget.0));
    if name.is_empty() {
        return None;
    }
    budget.0 -= name.chars().count().min(budget.0);
    let mut author = json!({ "name": name });
    if person.avatar_url.starts_with("https://") {
        author["icon_url"] = person.avatar_url.as_str().into();
    }
    Some(author)
}

/// The instant as ISO 8601, which each reader's client shows in its own zone.
fn iso(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.as_millis()).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn summary(texts: &[String], facts: usize) -> Summary {
        let text = |at: usize| texts[at % texts.len()].clone();
        Summary {
            headline: text(0),
            person: Some(ShownPerson { name: text(0), avatar_url: "https://cdn.example/a.png".to_owned() }),
            title: text(1),
            text: text(2),
            tone: Tone::Good,
            facts: (0..facts).map(|at| Fact::short(text(at + 3), text(at + 4))).collect(),
            footer: text(5),
            at: Some(Timestamp::from_millis(1_800_000_000_000)),
        }
    }

    fn chars(value: &Value) -> usize {
        value.as_str().map_or(0, |text| text.chars().count())
    }

    proptest! {
        #[test]
        fn an_embed_never_breaks_discords_limits(
            texts in proptest::collection::vec("(\\PC{0,40}|[`x \u{200b}]{0,1500}|[a-z]{2000,5000})", 1..6),
            facts in 0usize..40,
        ) {
            let summary = summary(&texts, facts);
            let embed = embed(&summary);
            let fields = embed["fields"].as_array().expect("fields");
            prop_assert!(fields.len() <= 25);
            let mut total = chars(&embed["title"]) + chars(&embed["description"]);
            total += chars(&embed["footer"]["text"]) + chars(&embed["author"]["name"]);
            for field in fields {
                prop_assert!((1..=256).contains(&chars(&field["name"])));
                prop_assert!((1..=1024).contains(&chars(&field["value"])));
                prop_assert!(!field["value"].as_str().unwrap_or_default().trim().is_empty());
                total += chars(&field["name"]) + chars(&field["value"]);
            }
            prop_assert!(total <= 6000, "{total}");
            prop_assert!(chars(&embed["title"]) <= 256 && chars(&embed["description"]) <= 4096);
            prop_assert!(chars(&embed["footer"]["text"]) <= 2048 && chars(&embed["author"]["name"]) <= 256);
            if !fits(&summary) {
                prop_assert!(total < 6000 || facts > 0 || !texts.is_empty());
            }
        }

        #[test]
        fn what_fits_is_shown_whole(texts in proptest::collection::vec("[a-z]{1,60}", 6..8), facts in 0usize..20) {
            let summary = summary(&texts, facts);
            prop_assert!(fits(&summary));
            let embed = embed(&summary);
            prop_assert_eq!(embed["title"].as_str(), Some(summary.title.as_str()));
            prop_assert_eq!(embed["description"].as_str(), Some(summary.text.as_str()));
            let values: Vec<_> = embed["fields"].as_array().into_iter().flatten().map(|f| f["value"].clone()).collect();
            let wanted: Vec<_> = summary.facts.iter().map(|fact| Value::from(fact.value.as_str())).collect();
            prop_assert_eq!(values, wanted);
        }
    }

    #[test]
    fn a_name_that_hides_something_is_shown_without_it_and_the_time_is_iso() {
        let mut shown = summary(&["x".to_owned()], 0);
        shown.person = Some(ShownPerson { name: "\u{202e}ada\u{200b}".into(), avatar_url: "ftp://x".into() });
        let embed = embed(&shown);
        assert_eq!(embed["author"], json!({ "name": "ada" }));
        assert_eq!(embed["timestamp"], "2027-01-15T08:00:00Z");
    }
}
