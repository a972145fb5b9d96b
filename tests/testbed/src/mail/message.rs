//! A caught mail, parsed as a mail program parses it.

use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::MessageParser;
use scraper::{Html, Selector};
use serde::{Deserialize, Serialize};

/// One mail. Addresses are those of the envelope, which are the real recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtMail {
    /// Counts from 1, and continues when the inbox is cleared.
    pub id: u64,
    /// Milliseconds since 1970, real time.
    pub received_at: u64,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part, empty if there is none.
    pub html: String,
    /// Every web link of the HTML part (of the text if there is no HTML), each once, in order.
    pub links: Vec<String>,
}

impl CaughtMail {
    /// Whether this address is among the recipients, ignoring letter case.
    pub fn is_to(&self, address: &str) -> bool {
        self.to.iter().any(|recipient| recipient.eq_ignore_ascii_case(address))
    }
}

pub(super) fn read_mail(id: u64, from: &str, to: Vec<String>, raw: &[u8]) -> CaughtMail {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let parsed = MessageParser::default().parse(raw);
    let part = |pick: &dyn Fn(&mail_parser::Message<'_>) -> Option<String>| {
        parsed.as_ref().and_then(pick).unwrap_or_default()
    };
    let text = part(&|mail| mail.body_text(0).map(Into::into));
    let html =
        part(&|mail| mail.html_bodies().next().and_then(|body| body.text_contents()).map(str::to_owned));
    let links = if html.is_empty() { links_of_text(&text) } else { links_of_html(&html) };
    CaughtMail {
        id,
        received_at: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        from: from.to_owned(),
        to,
        subject: part(&|mail| mail.subject().map(str::to_owned)),
        text,
        html,
        links,
    }
}

fn links_of_html(html: &str) -> Vec<String> {
    let Ok(anchor) = Selector::parse("a[href]") else {
        return Vec::new();
    };
    let page = Html::parse_document(html);
    each_once(page.select(&anchor).filter_map(|link| link.value().attr("href")).map(str::to_owned))
}

fn links_of_text(text: &str) -> Vec<String> {
    each_once(text.split_whitespace().map(str::to_owned))
}

fn each_once(candidates: impl Iterator<Item = String>) -> Vec<String> {
    let mut links = Vec::new();
    for link in candidates.filter(|link| link.starts_with("http://") || link.starts_with("https://")) {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}
