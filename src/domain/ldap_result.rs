//! What an LDAP result code means for the operation that it answers. The same code has different causes: 53 of a bind is about the entry
//! that binds, 53 of a write is about the server.

use super::cause::Cause;

/// The kind of an LDAP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapOperation {
    /// Authentication.
    Bind,
    /// A read.
    Search,
    /// A new entry.
    Add,
    /// A change of an entry or of a group.
    Modify,
    /// The removal of an entry.
    Delete,
}

use LdapOperation::{Add, Bind, Delete, Modify, Search};

const WRITES: &[LdapOperation] = &[Add, Modify, Delete];
const ANY: &[LdapOperation] = &[Bind, Search, Add, Modify, Delete];

/// One row for each meaning: the operations, the code, the cause. The first row that fits counts.
const MEANINGS: &[(&[LdapOperation], u32, Cause)] = &[
    (&[Bind], 7, Cause::LdapBindForbidden),
    (ANY, 8, Cause::LdapTlsRequired),
    (ANY, 13, Cause::LdapTlsRequired),
    // An invalid bind DN, and one that does not exist on servers that say so.
    (&[Bind], 32, Cause::LdapPasswordWrong),
    (&[Bind], 34, Cause::LdapNameInvalid),
    (&[Bind], 48, Cause::LdapBindForbidden),
    (ANY, 49, Cause::LdapPasswordWrong),
    (&[Bind], 50, Cause::LdapBindForbidden),
    (&[Bind], 53, Cause::LdapBindForbidden),
    (ANY, 3, Cause::LdapLimit),
    (ANY, 4, Cause::LdapLimit),
    (ANY, 11, Cause::LdapLimit),
    (ANY, 10, Cause::LdapReferral),
    (ANY, 71, Cause::LdapReferral),
    (ANY, 12, Cause::LdapControlUnknown),
    (ANY, 17, Cause::LdapAttributeUnknown),
    (ANY, 18, Cause::LdapSyntax),
    (ANY, 19, Cause::LdapConstraint),
    (WRITES, 20, Cause::LdapValueTwice),
    (ANY, 21, Cause::LdapSyntax),
    (&[Search], 32, Cause::LdapBaseMissing),
    (&[Add], 32, Cause::LdapParentMissing),
    (&[Modify, Delete], 32, Cause::LdapEntryMissing),
    (ANY, 34, Cause::LdapNameInvalid),
    (ANY, 50, Cause::LdapRightMissing),
    (ANY, 51, Cause::LdapUnavailable),
    (ANY, 52, Cause::LdapUnavailable),
    (ANY, 53, Cause::LdapUnwilling),
    (ANY, 64, Cause::LdapNaming),
    (ANY, 65, Cause::LdapSchema),
    (ANY, 66, Cause::LdapNotLeaf),
    (ANY, 67, Cause::LdapNaming),
    (ANY, 68, Cause::LdapExists),
    (ANY, 69, Cause::LdapClassChange),
];

/// The cause behind a result code. A code without a row is [`Cause::LdapError`].
pub fn cause_of(operation: LdapOperation, code: u32) -> Cause {
    let fits = |row: &&(&[LdapOperation], u32, Cause)| row.1 == code && row.0.contains(&operation);
    MEANINGS.iter().find(fits).map_or(Cause::LdapError, |row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::retry::{self, ErrorClass};

    #[test]
    fn a_refused_bind_is_a_wrong_password_only_if_the_directory_says_so() {
        for (code, cause) in [
            (49, Cause::LdapPasswordWrong),
            (13, Cause::LdapTlsRequired),
            (8, Cause::LdapTlsRequired),
            (48, Cause::LdapBindForbidden),
            (53, Cause::LdapBindForbidden),
            (32, Cause::LdapPasswordWrong),
            (34, Cause::LdapNameInvalid),
            (10, Cause::LdapReferral),
            (51, Cause::LdapUnavailable),
            (52, Cause::LdapUnavailable),
            (80, Cause::LdapError),
        ] {
            assert_eq!(cause_of(Bind, code), cause, "{code}");
        }
    }

    #[test]
    fn a_code_means_what_it_says_about_its_operation() {
        assert_eq!(cause_of(Add, 65), Cause::LdapSchema);
        assert_eq!(cause_of(Add, 50), Cause::LdapRightMissing);
        assert_eq!(cause_of(Add, 53), Cause::LdapUnwilling);
        assert_eq!(
            [Search, Add, Modify, Delete].map(|operation| cause_of(operation, 32)),
            [
                Cause::LdapBaseMissing,
                Cause::LdapParentMissing,
                Cause::LdapEntryMissing,
                Cause::LdapEntryMissing
            ]
        );
        for (code, cause) in [
            (19, Cause::LdapConstraint),
            (20, Cause::LdapValueTwice),
            (21, Cause::LdapSyntax),
            (34, Cause::LdapNameInvalid),
            (64, Cause::LdapNaming),
            (68, Cause::LdapExists),
            (69, Cause::LdapClassChange),
        ] {
            assert_eq!(cause_of(Add, code), cause, "{code}");
        }
    }

    /// A right is only blamed for the code of a missing right. Every code that waits for an operator has a cause of its own.
    #[test]
    fn no_code_of_an_operator_s_mistake_is_left_to_the_general_sentence() {
        for (code, name, class) in retry::LDAP {
            for operation in ANY {
                let cause = cause_of(*operation, *code);
                assert_eq!(cause == Cause::LdapRightMissing, *code == 50 && *operation != Bind, "{name}");
                let is_known = cause != Cause::LdapError;
                let is_rare = matches!(code, 7 | 14 | 33 | 36 | 48 | 123);
                assert!(*class != ErrorClass::Operator || is_known || is_rare, "{operation:?} {name}");
            }
        }
    }
}
