//! The privacy notice: what is stored and for how long. Its version is kept with each request.

use super::{Lang, say};

/// The version of the notice in `en.ftl`; raise it with every change of its meaning.
pub const VERSION: i64 = 1;

/// What is stored and for how long; shown with each draft.
pub fn text(lang: Lang) -> String {
    say(lang, "notice")
}

/// What newcomers ask, with the answers.
pub fn questions(lang: Lang) -> String {
    say(lang, "questions")
}
