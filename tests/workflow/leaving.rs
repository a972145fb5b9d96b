//! The person leaves, is banned or loses the role while the account is made: before each step, and after the mail. The tests use real
//! servers, and after each case the checker examines all five stores.
//!
//! Before `Send` and before the approval, the use cases check eligibility (`accounts_request`, the stories of
//! leaving). From then on the worker does. It checks right before it creates the entry. It checks again before
//! the mail if the first check is old, or was made under an earlier claim, because a server kept the job waiting.

use std::time::Duration;

use accolade::domain::job::{JobKind, Step};

use harness::{Database, MODERATORS, StepEnv};

/// Longer than the bot may rely on what Discord said about a member.
const LONG: Duration = Duration::from_hours(1);

/// How a person loses eligibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Leaves,
    IsBanned,
    LosesRole,
}

impl Departure {
    const ALL: [Self; 3] = [Self::Leaves, Self::IsBanned, Self::LosesRole];

    fn happens(self, env: &StepEnv) {
        match self {
            Self::Leaves => env.ada.leaves(),
            Self::IsBanned => env.sim.bans(&env.ada),
            Self::LosesRole => env.ada.loses("member"),
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Leaves | Self::IsBanned => "member_gone",
            Self::LosesRole => "role_lost",
        }
    }
}

/// Checks that the account is undone, nothing stays outside, and the request gives the reason.
async fn is_undone(env: &StepEnv, departure: Departure) {
    assert_eq!(env.states().await, "failed undone closed");
    assert_eq!(env.text("SELECT reason_code FROM request").await, departure.code());
    env.has_nothing_left().await;
    assert_eq!(env.outside().await.mails, 0, "no mail to a person who has left");
}

#[test]
fn who_is_not_entitled_any_more_before_the_entry_gets_none() {
    for departure in Departure::ALL {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            env.approved().await;
            departure.happens(env);
            env.drains().await;
            is_undone(env, departure).await;
            assert_eq!(env.text("SELECT 'made' FROM audit WHERE event = 'entry.created'").await, "");
        });
    }
}

/// The steps after the eligibility check, up to the mail.
fn steps_up_to_the_mail() -> Vec<Step> {
    let after = JobKind::Provision.plan().iter().skip_while(|step| **step != Step::Eligible).skip(1);
    let steps: Vec<Step> = after.copied().take_while(|step| *step != Step::Invite).collect();
    assert_eq!(steps.last(), Some(&Step::Mail));
    steps
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a case fails: which one it was")]
fn who_leaves_while_a_server_keeps_the_job_waiting_gets_no_mail_and_nothing_stays() {
    for (step, departure) in steps_up_to_the_mail().into_iter().zip(Departure::ALL.into_iter().cycle()) {
        eprintln!("{departure:?} before {step}");
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            env.approved().await;
            env.drains_up_to(step).await;
            departure.happens(env);
            env.clock.push(LONG);
            env.drains().await;
            is_undone(env, departure).await;
        });
    }
}

#[test]
fn who_gained_a_role_meanwhile_gets_the_account_that_was_approved() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::Mail).await;
        env.ada.gains("moderator");
        env.clock.push(LONG);
        env.drains().await;
        assert_eq!(env.states().await, "approved done invited", "the rule still fits");
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where a case fails: which one it was")]
fn who_leaves_between_two_claims_of_the_making_gets_nothing_however_recent_the_check_was() {
    for (step, departure) in
        steps_up_to_the_mail().into_iter().zip(Departure::ALL.into_iter().cycle().skip(1))
    {
        eprintln!("{departure:?} before {step}");
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            env.approved().await;
            env.drains_up_to(step).await;
            departure.happens(env);
            env.drains().await;
            is_undone(env, departure).await;
        });
    }
}

#[test]
fn who_leaves_after_the_mail_keeps_the_account_as_it_is_and_time_withdraws_it() {
    for departure in Departure::ALL {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            env.approved().await;
            env.drains_up_to(Step::Invite).await;
            departure.happens(env);
            env.clock.push(LONG);
            env.drains().await;
            assert_eq!(env.states().await, "approved done invited", "the mail was sent before");
            env.clock.push(LONG * 24 * 15);
            env.frees_leases().await;
            env.worker().housekeep().await.expect("the store answers");
            env.drains().await;
            assert_eq!(env.states().await, "cancelled done closed");
            env.has_nothing_left().await;
        });
    }
}
