//! Every step of every plan fails before its effect and after it (the effect is there, the answer is lost). It
//! loses its record (a crash between effect and record), runs twice, is undone, and is undone twice. The tests
//! use real servers, and both databases where the database matters. After each case the checker examines all
//! five stores.
//!
//! A new kind of job or a new step does not compile until [`journeys_of`] and [`question_of`] handle it. The journeys take their steps from
//! the plans of the product.

use std::collections::BTreeSet;

use accolade::domain::job::{Job, JobKind, Step};
use testbed::checker::Rule;
use testbed::proxy::{Operation, Which};

use super::enable::is_disabled;
use harness::{AUTOMATIC, Database, MODERATORS, OutsideCall, StepEnv, WithdrawnBy, shared};

/// One way through a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Journey {
    /// The check of a request that moderators decide.
    Check,
    /// The check of a request that a rule approves.
    AutomaticCheck,
    /// An account is made.
    Provision,
    /// The account is undone before the mail.
    Undo,
    /// The account is withdrawn after the mail, because nobody used it.
    Withdraw,
    /// The account was to be withdrawn as unused, but it has a password.
    Restore,
    /// The person wants the account to end, and it has a password.
    Keep,
    /// The account is in use, and the role is granted.
    Welcome,
    /// The mail with the first link is sent again.
    Resend,
    /// The account is in use, and a mail with a link for another password is sent.
    Reset,
    /// The account is in use, and the person reports that someone else set the password.
    NotMe,
    /// The account is locked, and an admin unlocks it.
    Enable,
}

/// The journeys through the plans of a kind.
const fn journeys_of(kind: JobKind) -> &'static [Journey] {
    match kind {
        JobKind::Check => &[Journey::Check, Journey::AutomaticCheck],
        JobKind::Provision => &[Journey::Provision, Journey::Undo],
        JobKind::Withdraw => &[Journey::Withdraw, Journey::Restore, Journey::Keep],
        JobKind::Welcome => &[Journey::Welcome],
        JobKind::Resend => &[Journey::Resend, Journey::Reset],
        JobKind::Lock => &[Journey::NotMe],
        JobKind::Enable => &[Journey::Enable],
    }
}

fn journeys() -> impl Iterator<Item = Journey> {
    JobKind::ALL.iter().flat_map(|kind| journeys_of(*kind)).copied()
}

/// The outside call of the step: the call with its effect, otherwise its last call. `finalize` makes none, because its effect is its
/// record.
const fn question_of(step: Step) -> Option<OutsideCall> {
    let request = match step {
        Step::CheckAvailability | Step::RecheckAvailability | Step::AwaitImport => {
            Which::Http("GET", "/users?")
        }
        Step::AwaitGroupSync => Which::Http("GET", "/groups?"),
        Step::Mail | Step::Resend => Which::Http("PUT", "/execute-actions-email"),
        Step::Disable | Step::Unlock => Which::Http("PUT", "/users/"),
        Step::EndSessions => Which::Http("POST", "/logout"),
        Step::ResetPassword => Which::Http("PUT", "/reset-password"),
        Step::CreateEntry => Which::Ldap(Operation::Add),
        Step::Groups | Step::Lock => Which::Ldap(Operation::Modify),
        Step::Invite | Step::CheckPassword => Which::Ldap(Operation::Search),
        Step::Remove => Which::Ldap(Operation::Delete),
        Step::Eligible => return Some(OutsideCall::Discord("GET /guilds/{guild}/members/{user}")),
        Step::GrantRole => {
            return Some(OutsideCall::Discord("PUT /guilds/{guild}/members/{user}/roles/{role}"));
        }
        Step::Finalize => return None,
    };
    Some(OutsideCall::Server(request))
}

/// Whether the lost answer belongs to an effect that the step finds when it runs again.
const fn looks_before_it_acts(step: Step) -> bool {
    matches!(step, Step::Groups | Step::Lock | Step::Disable | Step::Unlock | Step::GrantRole)
}

/// Whether the step finishes without the answer. Its client checks again and finds the effect, or the step reports that the outcome is
/// unknown.
const fn finds_its_effect(step: Step) -> bool {
    match step {
        Step::CreateEntry | Step::Remove | Step::Resend => true,
        Step::CheckAvailability
        | Step::Eligible
        | Step::RecheckAvailability
        | Step::Groups
        | Step::AwaitImport
        | Step::AwaitGroupSync
        | Step::Mail
        | Step::Invite
        | Step::Disable
        | Step::Lock
        | Step::EndSessions
        | Step::CheckPassword
        | Step::Unlock
        | Step::ResetPassword
        | Step::Finalize
        | Step::GrantRole => false,
    }
}

impl Journey {
    fn kind(self) -> JobKind {
        let mut kinds = JobKind::ALL.iter().copied();
        kinds.find(|kind| journeys_of(*kind).contains(&self)).expect("each journey is some kind's")
    }

    /// The steps, in order.
    fn plan(self) -> &'static [Step] {
        if self == Self::Undo { self.kind().undo_plan() } else { self.kind().plan() }
    }

    /// The state of a job on this journey.
    const fn state(self) -> &'static str {
        match self {
            Self::Undo => "undoing",
            Self::Check
            | Self::AutomaticCheck
            | Self::Provision
            | Self::Withdraw
            | Self::Restore
            | Self::Keep
            | Self::Welcome
            | Self::Resend
            | Self::Reset
            | Self::NotMe
            | Self::Enable => "open",
        }
    }

    const fn approval(self) -> &'static str {
        match self {
            Self::AutomaticCheck => AUTOMATIC,
            Self::Check
            | Self::Provision
            | Self::Undo
            | Self::Withdraw
            | Self::Restore
            | Self::Keep
            | Self::Welcome
            | Self::Resend
            | Self::Reset
            | Self::NotMe
            | Self::Enable => MODERATORS,
        }
    }

    /// Returns the outside call of the step on this journey, if it makes one.
    fn question_at(self, step: Step) -> Option<OutsideCall> {
        let applies = match step {
            // The groups are right already.
            Step::Groups if self == Self::Enable => {
                return Some(OutsideCall::Server(Which::Ldap(Operation::Search)));
            }
            // An account that was used is not removed.
            Step::Remove => matches!(self, Self::Undo | Self::Withdraw),
            Step::Unlock => matches!(self, Self::Restore | Self::Enable),
            Step::CheckAvailability
            | Step::Eligible
            | Step::RecheckAvailability
            | Step::CreateEntry
            | Step::Groups
            | Step::AwaitImport
            | Step::AwaitGroupSync
            | Step::Mail
            | Step::Invite
            | Step::Disable
            | Step::Lock
            | Step::EndSessions
            | Step::CheckPassword
            | Step::ResetPassword
            | Step::Finalize
            | Step::GrantRole
            | Step::Resend => true,
        };
        question_of(step).filter(|_| applies)
    }

    /// Brings the job to the first step of this journey.
    async fn begins(self, env: &StepEnv) {
        match self {
            Self::Check | Self::AutomaticCheck => {
                env.asks().await;
            }
            Self::Provision => {
                env.approved().await;
            }
            Self::Undo => {
                let job = env.approved().await;
                env.drains_up_to(Step::Mail).await;
                env.cancels(&job).await;
                env.drains_up_to(self.plan()[0]).await;
            }
            Self::Withdraw => {
                let made = env.invited().await;
                env.withdraws(&made, WithdrawnBy::Time).await;
            }
            Self::Restore => {
                let made = env.invited().await;
                env.withdraws(&made, WithdrawnBy::Time).await;
                env.sets_password().await;
            }
            Self::Keep => {
                let made = env.invited().await;
                env.withdraws(&made, WithdrawnBy::Person).await;
                env.sets_password().await;
            }
            Self::Welcome => {
                is_activated(env).await;
            }
            Self::Resend => {
                let made = env.invited().await;
                env.wants(JobKind::Resend, &made).await;
            }
            Self::Reset | Self::NotMe => {
                let made = is_activated(env).await;
                env.drains().await;
                env.wants(self.kind(), &made).await;
            }
            Self::Enable => {
                let made = Box::pin(is_disabled(env)).await;
                env.wants(self.kind(), &made).await;
            }
        }
        assert_eq!(env.step().await, self.plan()[0].code());
    }

    /// Checks that everything is in the state in which this journey ends, whatever happened meanwhile.
    async fn has_ended(self, env: &StepEnv, most_mails: usize) {
        self.has_a_row_for_each_effect(env).await;
        match self {
            Self::Check => {
                assert_eq!(env.states().await, "waiting done");
                env.has_nothing_left().await;
            }
            Self::AutomaticCheck | Self::Provision => is_made(env, most_mails).await,
            Self::Undo => {
                assert_eq!(env.states().await, "cancelled undone closed");
                env.has_nothing_left().await;
                assert_eq!(env.outside().await.mails, 0);
            }
            Self::Withdraw => {
                assert_eq!(env.states().await, "cancelled done closed");
                env.has_nothing_left().await;
            }
            Self::Restore => {
                // The restored account gets a welcome job, which is the newest.
                assert_eq!(env.states().await, "approved done active");
                assert!(env.bind_works().await, "the password still works");
                assert!(env.user().await.is_some_and(|user| user.enabled), "the user is enabled again");
                let enabled = env.rows("SELECT seq FROM audit WHERE event = 'account.enabled'").await;
                assert!(!enabled.is_empty(), "the log says so");
                assert!(env.has_role());
            }
            Self::Keep => is_kept(env).await,
            Self::Resend => {
                assert_eq!(env.states().await, "approved done invited");
                assert_eq!(env.outside().await.mails, 2, "the first, and one more");
                is_told_of_the_mail(env).await;
            }
            Self::Reset => {
                assert_eq!(env.states().await, "approved done active");
                assert_eq!(env.outside().await.mails, 2, "the first, and one more");
                assert!(env.bind_works().await, "the password still works");
                is_told_of_the_mail(env).await;
            }
            Self::NotMe => is_locked(env).await,
            Self::Enable => Box::pin(is_enabled(env)).await,
            Self::Welcome => {
                assert_eq!(env.states().await, "approved done active");
                assert!(env.has_role());
            }
        }
    }
}

impl Journey {
    /// Checks that each effect has its row in the audit log. An attempt that lost its record leaves the row of what the next one found.
    async fn has_a_row_for_each_effect(self, env: &StepEnv) {
        const MADE: &[&[&str]] = &[
            &["entry.created", "entry.found"],
            &["group.added", "group.found"],
            &["import.seen"],
            &["mail.sent", "mail.unknown"],
        ];
        const LOCKED: &[&[&str]] = &[&["user.disabled"], &["entry.locked"], &["sessions.ended"]];
        const REMOVED: &[&[&str]] = &[&["entry.removed", "entry.absent"]];
        const RESTORED: &[&[&str]] = &[&["account.enabled"]];
        const ENABLED: &[&[&str]] = &[&["password.reset"], &["account.enabled"]];
        const WELCOMED: &[&[&str]] = &[&["role.granted", "role.found"]];
        let rows: Vec<&[&[&str]]> = match self {
            Self::Check => vec![],
            Self::AutomaticCheck | Self::Provision | Self::Resend => vec![MADE],
            Self::Undo => vec![&MADE[..3], REMOVED],
            Self::Withdraw => vec![MADE, REMOVED],
            Self::Restore => vec![MADE, LOCKED, RESTORED, WELCOMED],
            Self::Keep => vec![MADE, LOCKED],
            Self::Welcome | Self::Reset => vec![MADE, WELCOMED],
            Self::NotMe => vec![MADE, WELCOMED, LOCKED],
            Self::Enable => vec![MADE, WELCOMED, LOCKED, ENABLED],
        };
        let events = env.rows("SELECT event FROM audit").await;
        let events: Vec<&str> = events.iter().filter_map(|row| row["event"].as_str()).collect();
        for row in rows.concat() {
            assert!(row.iter().any(|event| events.contains(event)), "no {row:?} among {events:?}");
        }
        if events.contains(&"entry.removed") {
            for row in LOCKED.iter().copied().chain([["group.removed"].as_slice()]) {
                assert!(events.contains(&row[0]), "no {row:?} among {events:?}");
            }
        }
    }
}

/// Checks that the account exists once and has its groups, and counts its mails.
async fn is_made(env: &StepEnv, most_mails: usize) {
    assert_eq!(env.states().await, "approved done invited");
    let outside = env.outside().await;
    let made = (outside.entries.len(), outside.memberships.len(), outside.users.len());
    assert_eq!(made, (1, 1, 1), "{outside:?}");
    assert!((1..=most_mails).contains(&outside.mails), "{} mails", outside.mails);
    assert!(outside.users[0].contains("members"), "{outside:?}");
    assert_eq!(env.rows("SELECT id FROM account").await.len(), 1);
}

/// The account is made, and the worker found its password.
async fn is_activated(env: &StepEnv) -> Job {
    let made = env.invited().await;
    env.sets_password().await;
    env.frees_leases().await;
    let seen = env.worker().look_for_activations().await.expect("the store answers");
    assert_eq!(seen, 1);
    made
}

/// Checks that the stored state of the requested mail, the message to the person and the audit log agree.
async fn is_told_of_the_mail(env: &StepEnv) {
    let noted = env.text("SELECT state FROM mail ORDER BY begun_at DESC, id DESC LIMIT 1").await;
    let (event, told) = match noted.as_str() {
        "accepted" => ("mail.sent", "is on its way"),
        "unknown" => ("mail.unknown", "may not have been sent"),
        other => panic!("the mail is {other}"),
    };
    let newest = "SELECT event FROM audit WHERE event LIKE 'mail.%' ORDER BY seq DESC LIMIT 1";
    assert_eq!(env.text(newest).await, event);
    let read = env.ada.sees_everything();
    assert!(read.contains(told), "ada does not read {told:?}: {read}");
}

/// Checks the account after someone else set the password: nobody can log in, nothing is deleted, and Ada and the admins are told once.
async fn is_locked(env: &StepEnv) {
    assert_eq!(env.states().await, "approved done disabled");
    assert!(!env.bind_works().await, "the entry is locked");
    assert!(env.user().await.is_some_and(|user| !user.enabled), "the user is disabled");
    assert_eq!(env.outside().await.entries.len(), 1, "never deleted");
    let told = env.admins_read();
    assert_eq!(
        told.iter().filter(|text| text.contains("someone else set the password")).count(),
        1,
        "{told:?}"
    );
    assert!(!told.iter().any(|text| text.contains("needs an operator")), "{told:?}");
    let read = env.ada.sees_everything();
    assert_eq!(read.matches("is locked: the password no longer works").count(), 1, "{read}");
    assert_eq!(env.rows("SELECT seq FROM audit WHERE event = 'account.disabled'").await.len(), 1);
}

/// Checks the account after an admin unlocked it: the old password is gone, one mail brings a link for a new one, and all are told once.
async fn is_enabled(env: &StepEnv) {
    assert_eq!(env.states().await, "approved done active");
    assert!(!env.bind_works().await, "the old password is gone");
    assert!(env.user().await.is_some_and(|user| user.enabled), "the user is enabled");
    let entry = shared().servers.slapd.entry(&env.dn()).await.expect("the directory answers");
    let entry = entry.expect("the entry is there");
    assert_eq!(entry.value("pwdAccountLockedTime"), None, "no lock of any kind");
    let outside = env.outside().await;
    assert_eq!((outside.mails, outside.memberships.len()), (2, 1), "{outside:?}");
    let told = env.admins_read();
    assert_eq!(told.iter().filter(|text| text.contains("is unlocked")).count(), 1, "{told:?}");
    assert!(!told.iter().any(|text| text.contains("needs an operator")), "{told:?}");
    let read = env.ada.sees_everything();
    assert_eq!(read.matches("The old password no longer works").count(), 1, "{read}");
    assert_eq!(env.rows("SELECT seq FROM audit WHERE event = 'account.enabled'").await.len(), 1);
}

/// Checks an account that was to end and has a password: it is locked and kept, and admins are told once.
async fn is_kept(env: &StepEnv) {
    assert_eq!(env.text("SELECT state FROM account").await, "disabled");
    assert!(!env.bind_works().await, "the entry is locked");
    assert!(env.user().await.is_some_and(|user| !user.enabled), "the user is disabled");
    assert_eq!(env.outside().await.entries.len(), 1, "never deleted");
    let told = env.admins_read();
    assert_eq!(told.iter().filter(|text| text.contains("a password had been set")).count(), 1, "{told:?}");
    assert!(!told.iter().any(|text| text.contains("needs an operator")), "{told:?}");
}

/// Plays one case for each step of each of these journeys.
#[expect(clippy::print_stderr, reason = "shown only where a case fails: which one it was")]
fn plays_each(
    database: Database,
    ways: impl IntoIterator<Item = Journey>,
    trial: &impl AsyncFn(&StepEnv, Journey, Step),
) {
    for journey in ways {
        for step in journey.plan() {
            eprintln!("{journey:?} at {step} on {database:?}");
            StepEnv::plays(database, journey.approval(), async |env| {
                // Boxed, here and below, because all journeys together need more stack than a test's thread has.
                Box::pin(journey.begins(env)).await;
                env.stands_at(journey.plan(), *step).await;
                Box::pin(trial(env, journey, *step)).await;
            });
        }
    }
}

#[test]
fn every_step_has_a_plan_and_every_undo_a_way() {
    let planned: BTreeSet<Step> = journeys().flat_map(Journey::plan).copied().collect();
    assert_eq!(planned, Step::ALL.iter().copied().collect());
    for kind in JobKind::ALL {
        let has_undo = journeys_of(*kind).contains(&Journey::Undo);
        assert_eq!(kind.undo_plan().is_empty(), !has_undo, "{kind}");
    }
}

/// While no client reaches its server, nothing is recorded and nothing changes outside. Then the answer is lost, and nothing is recorded
/// unless the client finds the effect by itself.
async fn fails_before_and_after(env: &StepEnv, journey: Journey, step: Step) {
    let records = env.records_of(step).await;
    let is_unrecorded = async || {
        assert_eq!(env.records_of(step).await, records, "the step is not recorded");
        assert_eq!(env.step().await, step.code(), "the step is tried again later");
    };
    if let Some(question) = journey.question_at(step) {
        let before = env.outside().await;
        env.drains_without_servers().await;
        is_unrecorded().await;
        let mut after = env.outside().await;
        if before.users.is_empty() {
            // A listing in another test may have made Keycloak import the entry meanwhile.
            after.users.clear();
        }
        assert_eq!(after, before, "nothing happened outside");
        assert!(env.drains_and_loses_answers_to(question).await > 0, "an answer was lost");
        if finds_its_effect(step) {
            assert_eq!(env.records_of(step).await, records + 1, "the step found its own effect");
        } else if looks_before_it_acts(step) && env.records_of(step).await > records {
            // The pause may be over before the worker's last poll. Then the step ran again and found its own effect.
            assert_eq!(env.newest_outcome_of(step).await, "unchanged", "only its second run");
        } else {
            is_unrecorded().await;
        }
    }
    env.drains().await;
    // A mail can't be looked up, so the rate limit allows one more.
    Box::pin(journey.has_ended(env, if step == Step::Mail { 2 } else { 1 })).await;
}

#[test]
fn a_step_that_fails_before_its_effect_or_after_it_is_tried_again() {
    plays_each(Database::Sqlite, journeys(), &fails_before_and_after);
}

/// For a failed step the database only stores when to retry it and why. One statement does this for all kinds of jobs, so one plan is
/// enough.
#[test]
fn a_step_that_fails_before_its_effect_or_after_it_is_tried_again_on_postgres() {
    plays_each(Database::Postgres, [Journey::Provision], &fails_before_and_after);
}

/// The effect is there and its record is not. At the end the step runs once more, although everything is as it should be.
async fn loses_its_record_and_runs_twice(env: &StepEnv, journey: Journey, step: Step) {
    env.drains_and_loses_the_record_of(step).await;
    env.drains().await;
    let most_mails = if step == Step::Mail { 2 } else { 1 };
    Box::pin(journey.has_ended(env, most_mails)).await;
    env.is_in_order().await;
    let mut before = env.outside().await;
    env.puts_back(journey.kind(), journey.state(), step).await;
    env.drains().await;
    Box::pin(journey.has_ended(env, most_mails)).await;
    let mut after = env.outside().await;
    if journey == Journey::Restore {
        // An account that is in use again is locked and unlocked once more.
        before.written.clear();
        after.written.clear();
    }
    assert_eq!(after, before, "once more from {step}");
}

#[test]
fn a_step_whose_record_was_lost_or_that_runs_twice_has_no_second_effect() {
    plays_each(Database::Sqlite, journeys(), &loses_its_record_and_runs_twice);
}

#[test]
fn a_step_whose_record_was_lost_or_that_runs_twice_has_no_second_effect_on_postgres() {
    plays_each(Database::Postgres, journeys(), &loses_its_record_and_runs_twice);
}

/// Whether the mail had been started by then. It cannot be recalled, so the account is withdrawn.
fn is_mailed_at(step: Step) -> bool {
    matches!(step, Step::Mail | Step::Invite)
}

/// The effect is there and its record is not, and the person cancels. Everything of ours is removed, and undoing it once more changes
/// nothing.
async fn is_undone_twice(env: &StepEnv, journey: Journey, step: Step) {
    let job = env.job().await;
    env.drains_and_loses_the_record_of(step).await;
    env.cancels(&job).await;
    env.drains().await;
    let is_undone = async || {
        let state = if is_mailed_at(step) { "done" } else { "undone" };
        assert_eq!(env.states().await, ["cancelled ", state, " closed"].concat());
        env.has_nothing_left().await;
    };
    is_undone().await;
    env.is_in_order().await;
    let before = env.outside().await;
    let (kind, way) = if is_mailed_at(step) {
        (JobKind::Withdraw, Journey::Withdraw)
    } else {
        (journey.kind(), Journey::Undo)
    };
    env.puts_back(kind, way.state(), way.plan()[0]).await;
    env.drains().await;
    is_undone().await;
    assert_eq!(env.outside().await, before, "undone once more");
}

#[test]
fn a_step_is_undone_although_its_record_was_lost_and_undoing_it_twice_changes_nothing() {
    plays_each(Database::Sqlite, [Journey::Provision], &is_undone_twice);
}

#[test]
fn a_step_is_undone_although_its_record_was_lost_and_undoing_it_twice_changes_nothing_on_postgres() {
    plays_each(Database::Postgres, [Journey::Provision], &is_undone_twice);
}

/// The step was not begun, and the person cancels.
async fn is_cancelled(env: &StepEnv, _: Journey, step: Step) {
    let job = env.job().await;
    env.cancels(&job).await;
    env.drains().await;
    let (state, mails) = if step == Step::Invite { ("done", 1) } else { ("undone", 0) };
    assert_eq!(env.states().await, ["cancelled ", state, " closed"].concat());
    env.has_nothing_left().await;
    assert_eq!(env.outside().await.mails, mails);
}

#[test]
fn a_cancel_before_any_step_takes_everything_of_ours_back() {
    plays_each(Database::Sqlite, [Journey::Provision], &is_cancelled);
}

#[test]
fn a_cancel_before_any_step_takes_everything_of_ours_back_on_postgres() {
    plays_each(Database::Postgres, [Journey::Provision], &is_cancelled);
}

/// A plant: without the barrier before it, a mail is sent again after each crash. The checker must find that.
#[test]
fn mails_without_the_barrier_before_them_are_found() {
    StepEnv::plants(Database::Sqlite, MODERATORS, Rule::MailBounded, async |env| {
        env.approved().await;
        for _ in 0..3 {
            env.drains_and_loses_the_record_of(Step::Mail).await;
            env.loses_the_barrier_before_the_mail().await;
        }
        env.drains().await;
        assert_eq!(env.outside().await.mails, 4);
    });
}
