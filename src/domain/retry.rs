//! How long to wait before the next attempt, and what the servers' result codes mean.
//!
//! There is one table for each protocol, [`LDAP`] and [`HTTP`]. Tests check each row with the real clients. All code that decides about
//! another attempt uses these tables.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error_code::ErrorCode;
use super::job::FailureAction;

/// What an answer means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// It succeeded.
    Fine,
    /// The desired state already existed. That is a success if it has our mark.
    AlreadyDone,
    /// The same call may succeed later.
    Retry,
    /// The name, address or id is taken; the caller finds out by whom.
    Conflict,
    /// The server will give the same answer until someone changes a right, a rule or a setting.
    Operator,
    /// The named object does not exist.
    Absent,
    /// The server can't process the request: a defect in Accolade.
    Defect,
}

impl ErrorClass {
    /// The failure action for this class, unless the step has its own rule.
    pub const fn failure_action(self, code: ErrorCode, after: Option<Duration>) -> FailureAction {
        match self {
            Self::Fine | Self::AlreadyDone | Self::Retry => FailureAction::Retry { code, after },
            Self::Conflict => FailureAction::Conflict { code },
            Self::Operator | Self::Absent | Self::Defect => FailureAction::AskOperator { code },
        }
    }
}

/// Every LDAP result code with its name and its class: RFC 4511 appendix A, the codes of RFC 3909, 4528 and 4370, and those that client
/// libraries use when a server is not there. In doubt, the class follows the observed answers of slapd, 389 Directory Server and Samba.
pub const LDAP: &[(u32, &str, ErrorClass)] = &[
    (0, "success", ErrorClass::Fine),
    (1, "operationsError", ErrorClass::Retry),
    (2, "protocolError", ErrorClass::Defect),
    (3, "timeLimitExceeded", ErrorClass::Retry),
    (4, "sizeLimitExceeded", ErrorClass::Operator),
    (5, "compareFalse", ErrorClass::Fine),
    (6, "compareTrue", ErrorClass::Fine),
    (7, "authMethodNotSupported", ErrorClass::Operator),
    (8, "strongerAuthRequired", ErrorClass::Operator),
    (10, "referral", ErrorClass::Operator),
    (11, "adminLimitExceeded", ErrorClass::Retry),
    (12, "unavailableCriticalExtension", ErrorClass::Operator),
    (13, "confidentialityRequired", ErrorClass::Operator),
    (14, "saslBindInProgress", ErrorClass::Operator),
    // the member to remove is not a member
    (16, "noSuchAttribute", ErrorClass::AlreadyDone),
    (17, "undefinedAttributeType", ErrorClass::Defect),
    (18, "inappropriateMatching", ErrorClass::Defect),
    // the overlay that keeps addresses and ids unique
    (19, "constraintViolation", ErrorClass::Conflict),
    // the member to add is already a member
    (20, "attributeOrValueExists", ErrorClass::AlreadyDone),
    (21, "invalidAttributeSyntax", ErrorClass::Defect),
    (32, "noSuchObject", ErrorClass::Absent),
    (33, "aliasProblem", ErrorClass::Operator),
    (34, "invalidDNSyntax", ErrorClass::Defect),
    (36, "aliasDereferencingProblem", ErrorClass::Operator),
    (48, "inappropriateAuthentication", ErrorClass::Operator),
    (49, "invalidCredentials", ErrorClass::Operator),
    (50, "insufficientAccessRights", ErrorClass::Operator),
    (51, "busy", ErrorClass::Retry),
    (52, "unavailable", ErrorClass::Retry),
    (53, "unwillingToPerform", ErrorClass::Operator),
    (54, "loopDetect", ErrorClass::Retry),
    (64, "namingViolation", ErrorClass::Defect),
    (65, "objectClassViolation", ErrorClass::Defect),
    (66, "notAllowedOnNonLeaf", ErrorClass::Defect),
    (67, "notAllowedOnRDN", ErrorClass::Defect),
    (68, "entryAlreadyExists", ErrorClass::Conflict),
    (69, "objectClassModsProhibited", ErrorClass::Defect),
    (71, "affectsMultipleDSAs", ErrorClass::Operator),
    (80, "other", ErrorClass::Retry),
    // defined by client libraries: server down, timeout, connect error
    (81, "serverDown", ErrorClass::Retry),
    (85, "timeout", ErrorClass::Retry),
    (91, "connectError", ErrorClass::Retry),
    // Accolade never cancels an operation
    (118, "canceled", ErrorClass::Defect),
    (119, "noSuchOperation", ErrorClass::Defect),
    (120, "tooLate", ErrorClass::Defect),
    (121, "cannotCancel", ErrorClass::Defect),
    // at the moment of the write, the server found that the entry is no longer ours
    (122, "assertionFailed", ErrorClass::Conflict),
    (123, "authorizationDenied", ErrorClass::Operator),
];

/// Every HTTP status of Keycloak's admin API with its class, as ranges.
pub const HTTP: &[(RangeInclusive<u16>, &str, ErrorClass)] = &[
    // not a final answer, and never passed on as one
    (100..=199, "an interim answer", ErrorClass::Defect),
    (200..=299, "it went well", ErrorClass::Fine),
    // the configured address is not Keycloak's own; redirects are not followed, because that would send the token elsewhere
    (300..=399, "it is elsewhere", ErrorClass::Operator),
    (400..=400, "Bad Request", ErrorClass::Defect),
    (401..=401, "Unauthorized", ErrorClass::Operator),
    (402..=402, "Payment Required", ErrorClass::Defect),
    (403..=403, "Forbidden", ErrorClass::Operator),
    (404..=404, "Not Found", ErrorClass::Absent),
    (405..=406, "Method Not Allowed, Not Acceptable", ErrorClass::Defect),
    // a proxy that requires a login
    (407..=407, "Proxy Authentication Required", ErrorClass::Operator),
    (408..=408, "Request Timeout", ErrorClass::Retry),
    (409..=409, "Conflict", ErrorClass::Conflict),
    (410..=410, "Gone", ErrorClass::Absent),
    (411..=420, "we sent what it cannot take", ErrorClass::Defect),
    // a proxy that knows no such host
    (421..=421, "Misdirected Request", ErrorClass::Operator),
    (422..=424, "we sent what it cannot take", ErrorClass::Defect),
    (425..=425, "Too Early", ErrorClass::Retry),
    (426..=428, "we sent what it cannot take", ErrorClass::Defect),
    (429..=429, "Too Many Requests", ErrorClass::Retry),
    (430..=499, "we sent what it cannot take", ErrorClass::Defect),
    (500..=599, "a fault of the server", ErrorClass::Retry),
];

/// The class of an LDAP result code. An unlisted code is a defect, because the effect of a repetition is unknown.
pub fn of_ldap(rc: u32) -> ErrorClass {
    LDAP.iter().find(|(code, _, _)| *code == rc).map_or(ErrorClass::Defect, |(_, _, class)| *class)
}

/// The class of an HTTP status of Keycloak's admin API.
pub fn of_http(status: u16) -> ErrorClass {
    HTTP.iter()
        .find(|(statuses, _, _)| statuses.contains(&status))
        .map_or(ErrorClass::Defect, |(_, _, class)| *class)
}

/// The longest pause between two attempts, without a `retry_after`.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The pause before retry number `attempt`, from 1: full jitter up to 1 s, 2 s, 4 s … 60 s. `random` is any uniformly distributed number.
/// The pause is never shorter than the server's `retry_after`, to which the jitter is added.
pub fn pause(attempt: u32, random: u64, retry_after: Option<Duration>) -> Duration {
    let exponent = attempt.saturating_sub(1).min(6);
    let ceiling = (1_u64 << exponent).min(LONGEST_PAUSE.as_secs()) * 1000;
    let jittered = Duration::from_millis(random % (ceiling + 1));
    retry_after.map_or(jittered, |told| told.saturating_add(jittered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ldap_result_code_of_the_standard_has_one_row() {
        // RFC 4511 appendix A.1, written down once more.
        let standard = [0..=8, 10..=14, 16..=21, 32..=34, 36..=36, 48..=54, 64..=69, 71..=71, 80..=80];
        for code in standard.into_iter().flatten() {
            assert_eq!(LDAP.iter().filter(|row| row.0 == code).count(), 1, "LDAP result code {code}");
        }
        assert!(LDAP.is_sorted_by(|one, next| one.0 < next.0), "a row is repeated or out of order");
    }

    #[test]
    fn an_ldap_result_code_that_no_row_names_is_a_defect_and_never_repeated() {
        for code in (0..=4096).filter(|code| !LDAP.iter().any(|row| row.0 == *code)) {
            assert_eq!(of_ldap(code), ErrorClass::Defect, "LDAP result code {code}");
        }
    }

    #[test]
    fn each_http_status_has_one_row() {
        for status in 100..=599 {
            let rows = HTTP.iter().filter(|row| row.0.contains(&status)).count();
            assert_eq!(rows, 1, "HTTP status {status}");
        }
        for status in [0, 99, 600, u16::MAX] {
            assert_eq!(of_http(status), ErrorClass::Defect, "HTTP status {status}");
        }
    }

    /// A code that says that someone else has the value, or that someone must change something, is never simply
    /// retried. A code that says "not now" is always retried.
    #[test]
    fn the_classes_that_faults_depend_on_are_these() {
        for code in [1, 3, 11, 51, 52, 54, 80, 81, 85, 91] {
            assert_eq!(of_ldap(code), ErrorClass::Retry, "LDAP result code {code}");
        }
        for code in [19, 68, 122] {
            assert_eq!(of_ldap(code), ErrorClass::Conflict, "LDAP result code {code}");
        }
        for code in [16, 20] {
            assert_eq!(of_ldap(code), ErrorClass::AlreadyDone, "LDAP result code {code}");
        }
        for code in [4, 8, 10, 13, 48, 49, 50, 53] {
            assert_eq!(of_ldap(code), ErrorClass::Operator, "LDAP result code {code}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(of_http(status), ErrorClass::Retry, "HTTP status {status}");
        }
        for status in [301, 302, 307, 401, 403, 407, 421] {
            assert_eq!(of_http(status), ErrorClass::Operator, "HTTP status {status}");
        }
        assert_eq!(
            (of_http(404), of_http(409), of_http(400)),
            (ErrorClass::Absent, ErrorClass::Conflict, ErrorClass::Defect)
        );
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again_without_a_person() {
        let code = ErrorCode::DirectoryDown;
        for class in [ErrorClass::Fine, ErrorClass::AlreadyDone, ErrorClass::Retry] {
            assert_eq!(
                class.failure_action(code, None),
                FailureAction::Retry { code, after: None },
                "{class:?}"
            );
        }
        assert_eq!(ErrorClass::Conflict.failure_action(code, None), FailureAction::Conflict { code });
        for class in [ErrorClass::Operator, ErrorClass::Absent, ErrorClass::Defect] {
            assert_eq!(class.failure_action(code, None), FailureAction::AskOperator { code }, "{class:?}");
        }
    }

    #[test]
    fn the_pause_doubles_from_a_second_to_a_minute_and_is_spread_over_the_whole_span() {
        for (attempt, ceiling) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 4),
            (4, 8),
            (5, 16),
            (6, 32),
            (7, 60),
            (8, 60),
            (1_000, 60),
            (u32::MAX, 60),
        ] {
            let ceiling = Duration::from_secs(ceiling);
            let millis = u64::try_from(ceiling.as_millis()).expect("a minute at the most");
            assert_eq!(pause(attempt, 0, None), Duration::ZERO, "attempt {attempt}");
            assert_eq!(pause(attempt, millis, None), ceiling, "attempt {attempt}");
            assert_eq!(pause(attempt, millis + 1, None), Duration::ZERO, "attempt {attempt}");
            for random in (0..200_000).step_by(977).chain([u64::MAX]) {
                assert!(pause(attempt, random, None) <= ceiling, "attempt {attempt}, random {random}");
            }
        }
    }

    #[test]
    fn a_try_is_never_earlier_than_the_server_allows() {
        let told = Duration::from_mins(5);
        for random in [0, 1, 999, 60_000, u64::MAX] {
            let paused = pause(3, random, Some(told));
            assert!(paused >= told && paused <= told + Duration::from_secs(4), "{paused:?}");
        }
        assert_eq!(pause(1, 1_000, Some(Duration::MAX)), Duration::MAX);
    }
}
