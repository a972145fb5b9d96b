//! The person leaves, is banned or loses the role while the account is made, before each step and after the mail. On real servers; after
//! each case the checker looks at all five stores.
//!
//! Before `Send` and before the approval it is the use-cases that judge (`accounts_request`, the stories of leaving). From then on the
//! worker does: right before the entry, and before the mail where the first judgement is old, because a server kept the job waiting.

use std::time::Duration;

use accolade::domain::job::{JobKind, Step};

use crate::case::{Case, MODERATORS};
use crate::town::Database;

/// Longer than what Discord said of a member is good for.
const LONG: Duration = Duration::from_hours(1);

/// How somebody stops being entitled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Leaves,
    IsBanned,
    LosesRole,
}

impl Departure {
    const ALL: [Self; 3] = [Self::Leaves, Self::IsBanned, Self::LosesRole];

    fn happens(self, case: &Case) {
        match self {
            Self::Leaves => case.ada.leaves(),
            Self::IsBanned => case.sim.bans(&case.ada),
            Self::LosesRole => case.ada.loses("member"),
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Leaves | Self::IsBanned => "member_gone",
            Self::LosesRole => "role_lost",
        }
    }
}

/// The account is undone, nothing stays outside, and the request says why.
async fn is_undone(case: &Case, departure: Departure) {
    assert_eq!(case.standing().await, "failed undone closed");
    assert_eq!(case.text("SELECT reason_code FROM request").await, departure.code());
    case.has_nothing_left().await;
    assert_eq!(case.outside().await.mails, 0, "no mail to who is gone");
}

#[test]
fn who_is_not_entitled_any_more_before_the_entry_gets_none() {
    for departure in Departure::ALL {
        Case::plays(Database::Sqlite, MODERATORS, async |case| {
            case.approved().await;
            departure.happens(case);
            case.drains().await;
            is_undone(case, departure).await;
            assert_eq!(case.text("SELECT 'made' FROM audit WHERE event = 'entry.created'").await, "");
        });
    }
}

/// The steps from the one after the judgement up to the mail.
fn steps_up_to_the_mail() -> Vec<Step> {
    let after = JobKind::Provision.plan().iter().skip_while(|step| **step != Step::Eligible).skip(1);
    let steps: Vec<Step> = after.copied().take_while(|step| *step != Step::Invite).collect();
    assert_eq!(steps.last(), Some(&Step::Mail));
    steps
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a case fails: which one it was")]
fn who_leaves_while_a_server_keeps_the_work_waiting_gets_no_mail_and_nothing_stays() {
    for (step, departure) in steps_up_to_the_mail().into_iter().zip(Departure::ALL.into_iter().cycle()) {
        eprintln!("{departure:?} before {step}");
        Case::plays(Database::Sqlite, MODERATORS, async |case| {
            case.approved().await;
            case.drains_up_to(step).await;
            departure.happens(case);
            case.clock.push(LONG);
            case.drains().await;
            is_undone(case, departure).await;
        });
    }
}

#[test]
fn who_gained_a_role_meanwhile_gets_the_account_that_was_approved() {
    Case::plays(Database::Sqlite, MODERATORS, async |case| {
        case.approved().await;
        case.drains_up_to(Step::Mail).await;
        case.ada.gains("moderator");
        case.clock.push(LONG);
        case.drains().await;
        assert_eq!(case.standing().await, "approved done invited", "the rule still fits");
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a case fails: which one it was")]
fn who_leaves_in_the_moment_of_the_making_has_one_whole_account_or_none() {
    for (step, departure) in
        steps_up_to_the_mail().into_iter().zip(Departure::ALL.into_iter().cycle().skip(1))
    {
        eprintln!("{departure:?} before {step}");
        Case::plays(Database::Sqlite, MODERATORS, async |case| {
            case.approved().await;
            case.drains_up_to(step).await;
            departure.happens(case);
            case.drains().await;
            // What was judged a moment ago holds: the end of such an account is a job of its own.
            assert_eq!(case.standing().await, "approved done invited");
            assert_eq!(case.outside().await.mails, 1);
        });
    }
}

#[test]
fn who_leaves_after_the_mail_keeps_the_account_as_it_is_and_time_withdraws_it() {
    for departure in Departure::ALL {
        Case::plays(Database::Sqlite, MODERATORS, async |case| {
            case.approved().await;
            case.drains_up_to(Step::Invite).await;
            departure.happens(case);
            case.clock.push(LONG);
            case.drains().await;
            assert_eq!(case.standing().await, "approved done invited", "the mail is out");
            case.clock.push(LONG * 24 * 15);
            case.frees_leases().await;
            case.worker().housekeep().await.expect("the store answers");
            case.drains().await;
            assert_eq!(case.standing().await, "cancelled done closed");
            case.has_nothing_left().await;
        });
    }
}
