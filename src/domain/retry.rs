//! How long to wait before the next try, and what the servers' result codes mean.
//!
//! One table per protocol, [`LDAP`] and [`HTTP`]; each row is tried through the real doors. Everything that asks "is this worth another try?" asks here.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::refusal::Refusal;
use super::work::Setback;

/// What an answer means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went well.
    Fine,
    /// The wanted state was there before: success, if it carries our mark.
    AlreadyDone,
    /// The same call may succeed later.
    Retry,
    /// The name, address or id belongs to somebody else; the caller looks whose it is.
    Conflict,
    /// The server will say the same again until a person changes something: a right, a rule, a setting.
    Operator,
    /// What we named is not there.
    Absent,
    /// We sent something that the server cannot take: a defect on our side.
    Defect,
}

impl Fate {
    /// What a step makes of this fate when it has nothing better to say.
    pub const fn setback(self, code: Refusal, after: Option<Duration>) -> Setback {
        match self {
            Self::Fine | Self::AlreadyDone | Self::Retry => Setback::Retry { code, after },
            Self::Conflict => Setback::Conflict { code },
            Self::Operator | Self::Absent | Self::Defect => Setback::AskOperator { code },
        }
    }
}

/// Every LDAP result code with its name and its fate: RFC 4511 appendix A, what RFC 3909, 4528 and 4370 add, and what client libraries
/// make up for a server that is not there. What slapd, 389 and Samba were seen to answer decided the doubtful ones.
pub const LDAP: &[(u32, &str, Fate)] = &[
    (0, "success", Fate::Fine),
    (1, "operationsError", Fate::Retry),
    (2, "protocolError", Fate::Defect),
    (3, "timeLimitExceeded", Fate::Retry),
    (4, "sizeLimitExceeded", Fate::Operator),
    (5, "compareFalse", Fate::Fine),
    (6, "compareTrue", Fate::Fine),
    (7, "authMethodNotSupported", Fate::Operator),
    (8, "strongerAuthRequired", Fate::Operator),
    (10, "referral", Fate::Operator),
    (11, "adminLimitExceeded", Fate::Retry),
    (12, "unavailableCriticalExtension", Fate::Operator),
    (13, "confidentialityRequired", Fate::Operator),
    (14, "saslBindInProgress", Fate::Operator),
    // the member to be taken away is none
    (16, "noSuchAttribute", Fate::AlreadyDone),
    (17, "undefinedAttributeType", Fate::Defect),
    (18, "inappropriateMatching", Fate::Defect),
    // the overlay that keeps addresses and ids unique
    (19, "constraintViolation", Fate::Conflict),
    // the member to be added is one
    (20, "attributeOrValueExists", Fate::AlreadyDone),
    (21, "invalidAttributeSyntax", Fate::Defect),
    (32, "noSuchObject", Fate::Absent),
    (33, "aliasProblem", Fate::Operator),
    (34, "invalidDNSyntax", Fate::Defect),
    (36, "aliasDereferencingProblem", Fate::Operator),
    (48, "inappropriateAuthentication", Fate::Operator),
    (49, "invalidCredentials", Fate::Operator),
    (50, "insufficientAccessRights", Fate::Operator),
    (51, "busy", Fate::Retry),
    (52, "unavailable", Fate::Retry),
    (53, "unwillingToPerform", Fate::Operator),
    (54, "loopDetect", Fate::Retry),
    (64, "namingViolation", Fate::Defect),
    (65, "objectClassViolation", Fate::Defect),
    (66, "notAllowedOnNonLeaf", Fate::Defect),
    (67, "notAllowedOnRDN", Fate::Defect),
    (68, "entryAlreadyExists", Fate::Conflict),
    (69, "objectClassModsProhibited", Fate::Defect),
    (71, "affectsMultipleDSAs", Fate::Operator),
    (80, "other", Fate::Retry),
    // made up by client libraries: server down, timeout, connect error
    (81, "serverDown", Fate::Retry),
    (85, "timeout", Fate::Retry),
    (91, "connectError", Fate::Retry),
    // nothing here cancels
    (118, "canceled", Fate::Defect),
    (119, "noSuchOperation", Fate::Defect),
    (120, "tooLate", Fate::Defect),
    (121, "cannotCancel", Fate::Defect),
    // the entry is not ours any more, found by the server in the moment of the write
    (122, "assertionFailed", Fate::Conflict),
    (123, "authorizationDenied", Fate::Operator),
];

/// Every HTTP status of Keycloak's admin API with its fate, from and to.
pub const HTTP: &[(RangeInclusive<u16>, &str, Fate)] = &[
    // no answer yet, and never handed on as one
    (100..=199, "an interim answer", Fate::Defect),
    (200..=299, "it went well", Fate::Fine),
    // the configured address is not Keycloak's own: nothing follows it, the token least of all
    (300..=399, "it is elsewhere", Fate::Operator),
    (400..=400, "Bad Request", Fate::Defect),
    (401..=401, "Unauthorized", Fate::Operator),
    (402..=402, "Payment Required", Fate::Defect),
    (403..=403, "Forbidden", Fate::Operator),
    (404..=404, "Not Found", Fate::Absent),
    (405..=406, "Method Not Allowed, Not Acceptable", Fate::Defect),
    // a proxy that wants a login
    (407..=407, "Proxy Authentication Required", Fate::Operator),
    (408..=408, "Request Timeout", Fate::Retry),
    (409..=409, "Conflict", Fate::Conflict),
    (410..=410, "Gone", Fate::Absent),
    (411..=420, "we sent what it cannot take", Fate::Defect),
    // a proxy that knows no such host
    (421..=421, "Misdirected Request", Fate::Operator),
    (422..=424, "we sent what it cannot take", Fate::Defect),
    (425..=425, "Too Early", Fate::Retry),
    (426..=428, "we sent what it cannot take", Fate::Defect),
    (429..=429, "Too Many Requests", Fate::Retry),
    (430..=499, "we sent what it cannot take", Fate::Defect),
    (500..=599, "a fault of the server", Fate::Retry),
];

/// The fate of an LDAP result code. One that no row names is a defect: nobody knows what a repetition would do.
pub fn of_ldap(rc: u32) -> Fate {
    LDAP.iter().find(|(code, _, _)| *code == rc).map_or(Fate::Defect, |(_, _, fate)| *fate)
}

/// The fate of an HTTP status of Keycloak's admin API.
pub fn of_http(status: u16) -> Fate {
    HTTP.iter().find(|(statuses, _, _)| statuses.contains(&status)).map_or(Fate::Defect, |(_, _, fate)| *fate)
}

/// The longest pause between two tries.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The pause before try number `attempt` (the first retry is 1): full jitter below 1 s, 2 s, 4 s … 60 s.
/// `random` is any evenly spread number. A `retry_after` of the server is obeyed: never earlier than that.
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
        assert!(LDAP.is_sorted_by(|one, next| one.0 < next.0), "a row stands twice or out of order");
    }

    #[test]
    fn an_ldap_result_code_that_no_row_names_is_a_defect_and_never_repeated() {
        for code in (0..=4096).filter(|code| !LDAP.iter().any(|row| row.0 == *code)) {
            assert_eq!(of_ldap(code), Fate::Defect, "LDAP result code {code}");
        }
    }

    #[test]
    fn each_http_status_has_one_row() {
        for status in 100..=599 {
            let rows = HTTP.iter().filter(|row| row.0.contains(&status)).count();
            assert_eq!(rows, 1, "HTTP status {status}");
        }
        for status in [0, 99, 600, u16::MAX] {
            assert_eq!(of_http(status), Fate::Defect, "HTTP status {status}");
        }
    }

    /// A code that says that somebody else has it, or that somebody must change something, is never simply tried again, and one that
    /// says "not now" is never given up.
    #[test]
    fn the_fates_that_faults_depend_on_are_these() {
        for code in [1, 3, 11, 51, 52, 54, 80, 81, 85, 91] {
            assert_eq!(of_ldap(code), Fate::Retry, "LDAP result code {code}");
        }
        for code in [19, 68, 122] {
            assert_eq!(of_ldap(code), Fate::Conflict, "LDAP result code {code}");
        }
        for code in [16, 20] {
            assert_eq!(of_ldap(code), Fate::AlreadyDone, "LDAP result code {code}");
        }
        for code in [4, 8, 10, 13, 48, 49, 50, 53] {
            assert_eq!(of_ldap(code), Fate::Operator, "LDAP result code {code}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(of_http(status), Fate::Retry, "HTTP status {status}");
        }
        for status in [301, 302, 307, 401, 403, 407, 421] {
            assert_eq!(of_http(status), Fate::Operator, "HTTP status {status}");
        }
        assert_eq!((of_http(404), of_http(409), of_http(400)), (Fate::Absent, Fate::Conflict, Fate::Defect));
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again_without_a_person() {
        let code = Refusal::DirectoryDown;
        for fate in [Fate::Fine, Fate::AlreadyDone, Fate::Retry] {
            assert_eq!(fate.setback(code, None), Setback::Retry { code, after: None }, "{fate:?}");
        }
        assert_eq!(Fate::Conflict.setback(code, None), Setback::Conflict { code });
        for fate in [Fate::Operator, Fate::Absent, Fate::Defect] {
            assert_eq!(fate.setback(code, None), Setback::AskOperator { code }, "{fate:?}");
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
