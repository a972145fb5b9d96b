//! What the command line says to operators.

use super::tr;
use crate::domain::approval::Verdict;
use crate::domain::lang::Lang;

/// A decision was taken.
pub fn decided(lang: Lang, verdict: Verdict, code: &str) -> String {
    match verdict {
        Verdict::Approve => tr!(lang, "cli-approved", code = code),
        Verdict::Deny => tr!(lang, "cli-denied", code = code),
    }
}
