//! The head of the audit chain, and the one that this process knows.

use std::sync::{Mutex, PoisonError};

/// The end of the chain: `seq:hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last row.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.hash))
    }
}

/// The head that the last commit of this process left. It may be out of date, so a statement that builds on it names it as a condition.
#[derive(Default)]
pub(super) struct KnownHead(Mutex<Option<Head>>);

impl KnownHead {
    /// Takes the head. It is unknown until the next commit, so a transaction that fails leaves none.
    pub(super) fn take(&self) -> Option<Head> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes the head of a commit, unless a later one was noted before.
    pub(super) fn note(&self, head: Head) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.seq < head.seq) {
            *known = Some(head);
        }
    }
}
