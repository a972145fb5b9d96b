//! The text of the panel, and the answers to the admin who posts it.

use super::{lines, tr};
use crate::domain::lang::Lang;
use crate::domain::panel::ChannelRight;

/// The panel's text, with where people log in.
pub fn text(lang: Lang, login_url: &str) -> String {
    let login = tr!(lang, "panel-log-in", url = login_url);
    let head = lines([tr!(lang, "panel-title"), tr!(lang, "panel-text"), login]);
    [head, tr!(lang, "questions")].join("\n\n")
}

/// The permissions that the bot lacks in the channel.
pub fn rights_missing(lang: Lang, missing: &[ChannelRight]) -> String {
    let listed = missing.iter().map(|right| {
        let name = match right {
            ChannelRight::View => tr!(lang, "right-view"),
            ChannelRight::Send => tr!(lang, "right-send"),
            ChannelRight::ReadHistory => tr!(lang, "right-read-history"),
        };
        ["- ", &name].concat()
    });
    let head = tr!(lang, "panel-rights-missing", count = missing.len());
    lines([head].into_iter().chain(listed))
}
