//! What the command line says to operators.

use super::{Lang, say, say_with};
use crate::domain::approval::Verdict;

/// No file was named.
pub fn no_configuration(lang: Lang) -> String {
    say(lang, "cli-no-configuration")
}

/// Nothing is wrong with the configuration.
pub fn no_faults(lang: Lang, file: &str) -> String {
    say_with(lang, "cli-no-faults", [("file", file.to_owned().into())])
}

/// Something in the configuration is worth a look.
pub fn warning(lang: Lang, warning: &str) -> String {
    say_with(lang, "cli-warning", [("warning", warning.to_owned().into())])
}

/// The database was brought to this version.
pub fn migrated(lang: Lang, version: i64) -> String {
    say_with(lang, "cli-migrated", [("version", version.to_string().into())])
}

/// The database was at this version before.
pub fn nothing_to_migrate(lang: Lang, version: i64) -> String {
    say_with(lang, "cli-nothing-to-migrate", [("version", version.to_string().into())])
}

/// An empty list of requests.
pub fn no_requests(lang: Lang) -> String {
    say(lang, "cli-no-requests")
}

/// Nothing has this code or id.
pub fn no_such_request(lang: Lang) -> String {
    say(lang, "cli-no-such-request")
}

/// A decision was taken.
pub fn decided(lang: Lang, verdict: Verdict, code: &str) -> String {
    let key = match verdict {
        Verdict::Approve => "cli-approved",
        Verdict::Deny => "cli-denied",
    };
    say_with(lang, key, [("code", code.to_owned().into())])
}

/// No work of the request waits for an operator.
pub fn nothing_to_retry(lang: Lang, code: &str) -> String {
    say_with(lang, "cli-nothing-to-retry", [("code", code.to_owned().into())])
}

/// The job goes on.
pub fn retried(lang: Lang, code: &str) -> String {
    say_with(lang, "cli-retried", [("code", code.to_owned().into())])
}

/// A request was taken back before anything was made for it.
pub fn cancelled(lang: Lang, code: &str) -> String {
    say_with(lang, "cli-cancelled", [("code", code.to_owned().into())])
}

/// A request was taken back, and what was made for it is being undone or withdrawn.
pub fn cancelled_undoing(lang: Lang, code: &str) -> String {
    say_with(lang, "cli-cancelled-undoing", [("code", code.to_owned().into())])
}

/// How to read on.
pub fn more(lang: Lang, next: &str) -> String {
    say_with(lang, "cli-more", [("next", next.to_owned().into())])
}

/// An empty list of links.
pub fn no_links(lang: Lang) -> String {
    say(lang, "cli-no-links")
}

/// Nothing, or more than one, fits.
pub fn no_such_link(lang: Lang) -> String {
    say(lang, "cli-no-such-link")
}

/// All links were written.
pub fn exported_links(lang: Lang, count: usize) -> String {
    say_with(lang, "cli-exported-links", [("count", count.into())])
}

/// The rows of the log were written, up to this head.
pub fn exported_audit(lang: Lang, head: &str) -> String {
    say_with(lang, "cli-exported-audit", [("head", head.to_owned().into())])
}

/// Nothing is ever overwritten.
pub fn file_exists(lang: Lang, file: &str) -> String {
    say_with(lang, "cli-file-exists", [("file", file.to_owned().into())])
}

/// An empty search of the log.
pub fn no_audit_rows(lang: Lang) -> String {
    say(lang, "cli-no-audit-rows")
}

/// The chain is whole.
pub fn audit_whole(lang: Lang, head: &str) -> String {
    say_with(lang, "cli-audit-whole", [("head", head.to_owned().into())])
}

/// A row was changed.
pub fn audit_broken(lang: Lang, seq: i64) -> String {
    say_with(lang, "cli-audit-broken", [("row", seq.to_string().into())])
}

/// The named head is not in the chain.
pub fn audit_head_missing(lang: Lang, head: &str) -> String {
    say_with(lang, "cli-audit-head-missing", [("head", head.to_owned().into())])
}

/// Somebody was put on the deny list.
pub fn deny_added(lang: Lang) -> String {
    say(lang, "cli-deny-added")
}

/// Somebody was taken off the deny list.
pub fn deny_removed(lang: Lang) -> String {
    say(lang, "cli-deny-removed")
}

/// They did not stand on the deny list.
pub fn not_on_deny_list(lang: Lang) -> String {
    say(lang, "cli-not-on-deny-list")
}

/// Nobody is denied.
pub fn empty_deny_list(lang: Lang) -> String {
    say(lang, "cli-empty-deny-list")
}
