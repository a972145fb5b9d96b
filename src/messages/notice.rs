//! The privacy notice: what is stored and for how long. Its version is kept with each request.

/// The version of the notice, which is stored with each request. A test fails when the text changes and this does not.
pub const VERSION: i64 = 1;

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::domain::lang::Lang;
    use crate::messages::tr;

    /// Every version with the hash of its text, oldest first. A released version never changes: add the next one.
    const VERSIONS: &[(i64, &str)] =
        &[(1, "eb3f26784b5ae75cfef58ada71e7c7b11e27f77ebd10ed740930913ae6b8517c")];

    #[test]
    fn a_changed_notice_has_a_new_version() {
        let hash = hex::encode(Sha256::digest(tr!(Lang::default(), "notice")));
        let current = VERSIONS.last().map(|(version, hash)| (*version, (*hash).to_owned()));
        assert_eq!(
            current,
            Some((VERSION, hash)),
            "the text of the notice has changed: raise VERSION and add it here"
        );
        let versions: Vec<i64> = VERSIONS.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
    }
}
