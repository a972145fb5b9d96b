//! What the panel says, and what the admin reads who posts it.

use super::{Lang, lines, notice, say, say_with};
use crate::domain::panel::ChannelRight;

/// The panel's text.
pub fn text(lang: Lang) -> String {
    let head = lines([say(lang, "panel-title"), say(lang, "panel-text")]);
    [head, notice::questions(lang)].join("\n\n")
}

/// The label of the button that says where somebody stands.
pub fn status_label(lang: Lang) -> String {
    say(lang, "button-status")
}

/// It is on its way into the channel.
pub fn posting(lang: Lang) -> String {
    say(lang, "panel-posting")
}

/// The one that stands there is brought up to date.
pub fn updating(lang: Lang) -> String {
    say(lang, "panel-updating")
}

/// What the bot lacks in the channel.
pub fn rights_missing(lang: Lang, missing: &[ChannelRight]) -> String {
    let listed = missing.iter().map(|right| {
        let name = match right {
            ChannelRight::View => say(lang, "right-view"),
            ChannelRight::Send => say(lang, "right-send"),
            ChannelRight::ReadHistory => say(lang, "right-read-history"),
        };
        ["- ", &name].concat()
    });
    let count = [("count", missing.len().into())];
    lines([say_with(lang, "panel-rights-missing", count)].into_iter().chain(listed))
}
