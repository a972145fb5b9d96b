//! A walk through all states of request, job and account with every command: from each state one leads on, and no two answers contradict
//! each other.
//!
//! [`TABLE`] lists the states with what each command answers. Each cell has an environment of its own, because commands change the state.

#![expect(clippy::wildcard_enum_match_arm, reason = "each function reaches its own part of the states")]

use std::time::Duration;

use accolade::accounts::cancel::Cancelled;
use accolade::accounts::status::Stage;
use accolade::accounts::{AccountUnavailable, Details, NotEnabled, Purpose, UseCaseError};
use accolade::domain::account::{Account, AccountState};
use accolade::domain::approval::{Notify, Verdict};
use accolade::domain::audit::Actor;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::Nonce;
use accolade::domain::job::{Job, JobKind, JobState, Outcome, Step};
use accolade::domain::request::{Request, RequestState};
use accolade::store::{NewDecision, NewJob, RequestMove, StepRecord};

use AccountUnavailable as Why;
use Answer::{Done, Ended, Form, HasAccount, InUse, NoButton, Nothing, Open, Unavailable};
use harness::AccountsEnv;

const ADA: u64 = 175_928_847_299_117_063;

/// A state that request, job and account reach together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nobody,
    Draft,
    Waiting,
    Held,
    NameTaken,
    CheckStopped,
    Denied,
    DeniedQuietly,
    Expired,
    Cancelled,
    Failed,
    /// The account is being created; the job is at this step.
    Making(Step),
    MakingDelayed,
    MakingStopped,
    /// The person cancelled, and the job has not seen it.
    CancelAsked,
    Undoing,
    UndoDelayed,
    UndoStopped,
    Invited,
    InvitedAndResendStopped,
    /// The request is cancelled, and the account is being removed.
    Withdrawing,
    WithdrawingStopped,
    /// Nobody used the account, so it is being removed.
    WithdrawingUnused,
    Active,
    /// It was due to be removed, and a password was set.
    Checking,
    CheckingStopped,
    Locking,
    LockingStopped,
    Disabled,
    /// It was to end, and had a password.
    KeptDisabled,
    LockedAgain,
    Enabling,
    EnablingStopped,
    Conflict,
    Closed,
}

/// What a command answers, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The form opens.
    Form,
    /// It did what was asked.
    Done,
    /// There is nothing to cancel.
    Nothing,
    /// The request ended.
    Ended,
    /// A request is open, and can be cancelled.
    Open,
    /// There is an account, and it can be used.
    HasAccount,
    /// The account is in use, so there is nothing to cancel.
    InUse,
    /// The account can't be used: one sentence for every command.
    Unavailable(Why),
    /// There is no such button, or it is out of date.
    NoButton,
}

/// What the status shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Draft,
    Waiting,
    NameTaken,
    Making,
    Stuck,
    Invited,
    Active,
    Checking,
    Locking,
    Disabled,
    Unlocking,
    Conflict,
    Withdrawing,
    Denied,
    Ended,
    Cancelled,
    Expired,
    Failed,
}

/// State, and the answers of `/account status`, `request`, `cancel`, `password` and the button `Not me`.
type Row = (State, Shown, Answer, Answer, Answer, Answer);

const NONE: Answer = Unavailable(Why::NoAccount);
const BEING_MADE: Answer = Unavailable(Why::BeingMade);
const REMOVING: Answer = Unavailable(Why::Removing);
const CHECKING: Answer = Unavailable(Why::Checking);
const LOCKING: Answer = Unavailable(Why::Locking);
const LOCKED: Answer = Unavailable(Why::Locked);
const UNLOCKING: Answer = Unavailable(Why::Unlocking);
const CONFLICT: Answer = Unavailable(Why::Conflict);

const TABLE: &[Row] = &[
    (State::Nobody, Shown::Nothing, Form, Nothing, NONE, NoButton),
    (State::Draft, Shown::Draft, Form, Done, NONE, NoButton),
    (State::Waiting, Shown::Waiting, Open, Done, NONE, NoButton),
    (State::Held, Shown::Waiting, Open, Done, NONE, NoButton),
    (State::NameTaken, Shown::NameTaken, Form, Done, NONE, NoButton),
    (State::CheckStopped, Shown::Waiting, Open, Done, NONE, NoButton),
    (State::Denied, Shown::Denied, Form, Ended, NONE, NoButton),
    (State::DeniedQuietly, Shown::Ended, Form, Ended, NONE, NoButton),
    (State::Expired, Shown::Expired, Form, Ended, NONE, NoButton),
    (State::Cancelled, Shown::Cancelled, Form, Ended, NONE, NoButton),
    (State::Failed, Shown::Failed, Form, Ended, NONE, NoButton),
    (State::Making(Step::Eligible), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::RecheckAvailability), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::CreateEntry), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::Groups), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::AwaitImport), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::AwaitGroupSync), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::Mail), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::Making(Step::Invite), Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::MakingDelayed, Shown::Making, Open, Done, BEING_MADE, BEING_MADE),
    (State::MakingStopped, Shown::Stuck, Open, Done, BEING_MADE, BEING_MADE),
    (State::CancelAsked, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::Undoing, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::UndoDelayed, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::UndoStopped, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::Invited, Shown::Invited, HasAccount, Done, Done, NoButton),
    (State::InvitedAndResendStopped, Shown::Invited, HasAccount, Done, Done, NoButton),
    (State::Withdrawing, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::WithdrawingStopped, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::WithdrawingUnused, Shown::Withdrawing, REMOVING, Done, REMOVING, REMOVING),
    (State::Active, Shown::Active, HasAccount, InUse, Done, Done),
    (State::Checking, Shown::Checking, CHECKING, CHECKING, CHECKING, Done),
    (State::CheckingStopped, Shown::Checking, CHECKING, CHECKING, CHECKING, Done),
    (State::Locking, Shown::Locking, LOCKING, LOCKING, LOCKING, Done),
    (State::LockingStopped, Shown::Locking, LOCKING, LOCKING, LOCKING, Done),
    (State::Disabled, Shown::Disabled, LOCKED, LOCKED, LOCKED, LOCKED),
    (State::KeptDisabled, Shown::Disabled, LOCKED, LOCKED, LOCKED, LOCKED),
    (State::LockedAgain, Shown::Disabled, LOCKED, LOCKED, LOCKED, LOCKED),
    (State::Enabling, Shown::Unlocking, UNLOCKING, UNLOCKING, UNLOCKING, UNLOCKING),
    (State::EnablingStopped, Shown::Unlocking, UNLOCKING, UNLOCKING, UNLOCKING, UNLOCKING),
    (State::Conflict, Shown::Conflict, CONFLICT, CONFLICT, CONFLICT, CONFLICT),
    (State::Closed, Shown::Nothing, Form, Ended, NONE, NoButton),
];

/// An environment in one of the states.
struct Walk {
    env: AccountsEnv,
    request: Option<Request>,
    account: Option<Account>,
}

impl Walk {
    async fn at(state: State) -> Self {
        let env = AccountsEnv::new().await;
        let mut walk = Self { env, request: None, account: None };
        Box::pin(walk.reaches(state)).await;
        walk
    }

    async fn asked(&mut self) -> Request {
        let request = self.env.asks(ADA, "ada").await;
        self.request = Some(request.clone());
        request
    }

    /// The request is approved, and its check done.
    async fn approved(&mut self) -> Job {
        let request = self.asked().await;
        self.ends_next().await;
        let (account, job) = self.env.approves(&request).await;
        self.account = Some(account);
        job
    }

    async fn in_state(&mut self, state: AccountState) {
        self.approved().await;
        self.ends_next().await;
        let account = self.account.clone().expect("an account");
        self.account = Some(self.env.account_becomes(&account, state).await);
    }

    async fn claims(&self) -> Job {
        let claimed = self.env.store.claim_job("test", Duration::from_mins(1)).await;
        claimed.expect("an answer").expect("a job").job
    }

    async fn ends_next(&self) {
        let job = self.claims().await;
        let mut tx = self.env.store.begin().await.expect("a transaction");
        tx.finish_job(&job, JobState::Done).await.expect("finished");
        tx.commit("test").await.expect("a commit");
    }

    async fn puts(&self, kind: JobKind) {
        let account = self.account.as_ref().expect("an account");
        let request_id = self.request.as_ref().map(|request| request.id);
        let mut tx = self.env.store.begin().await.expect("a transaction");
        let job = NewJob { person_id: account.person_id, account_id: Some(account.id), request_id, kind };
        tx.enqueue_job(job).await.expect("a job");
        tx.commit("test").await.expect("a commit");
    }

    async fn stops(&self) {
        let job = self.claims().await;
        let mut tx = self.env.store.begin().await.expect("a transaction");
        tx.stop_for_operator(&job, ErrorCode::KeycloakRefused).await.expect("stopped");
        tx.commit("test").await.expect("a commit");
    }

    async fn waits(&self) {
        let job = self.claims().await;
        let later = job.next_run.after(Duration::from_hours(1));
        let mut tx = self.env.store.begin().await.expect("a transaction");
        tx.postpone_job(&job, later, ErrorCode::KeycloakDown).await.expect("waits");
        tx.commit("test").await.expect("a commit");
    }

    /// The job of the account undoes what it created.
    async fn undoes(&self) {
        let job = self.claims().await;
        let mut tx = self.env.store.begin().await.expect("a transaction");
        let why = StepRecord { step: Step::Eligible, outcome: Outcome::Skipped, output: None, seen_at: None };
        tx.begin_undo(&job, why, Step::Lock, ErrorCode::RoleLost).await.expect("undoes");
        let undoing = Job { state: JobState::Undoing, step: Some(Step::Lock), ..job };
        tx.release_job(&undoing).await.expect("released");
        tx.commit("test").await.expect("a commit");
    }

    async fn cancels(&self) {
        self.env.accounts.cancel(&self.env.caller(ADA), None).await.expect("cancelled");
    }

    async fn ends_as(&self, state: RequestState, code: Option<ErrorCode>) {
        let request = self.env.request(self.request.as_ref().expect("a request").id).await;
        let change = RequestMove { reason_code: code, ..RequestMove::default() };
        let mut tx = self.env.store.begin().await.expect("a transaction");
        tx.move_request(&request, state, change).await.expect("moved");
        tx.end_check(request.id).await.expect("an answer");
        if state == RequestState::Denied {
            let notify = if code.is_none() { Notify::Told } else { Notify::Quiet };
            let decision = NewDecision {
                request_id: request.id,
                round: 1,
                slot: 1,
                approver: Actor::System,
                verdict: Verdict::Deny,
                reason: None,
                notify,
            };
            tx.put_decision(decision).await.expect("decided");
        }
        tx.commit("test").await.expect("a commit");
    }

    async fn reaches(&mut self, state: State) {
        match state {
            State::Nobody => {}
            State::Draft => self.request = Some(self.env.drafts(ADA, "ada").await.request),
            State::Waiting => drop(self.asked().await),
            State::Held => {
                let request = self.asked().await;
                self.env.holds(&request, ErrorCode::AddressInUse).await;
            }
            State::NameTaken => {
                let request = self.asked().await;
                self.env.holds(&request, ErrorCode::NameUnavailable).await;
            }
            State::CheckStopped => {
                self.asked().await;
                self.stops().await;
            }
            State::Denied => {
                self.asked().await;
                self.ends_as(RequestState::Denied, None).await;
            }
            State::DeniedQuietly => {
                self.asked().await;
                self.ends_as(RequestState::Denied, Some(ErrorCode::NotEligible)).await;
            }
            State::Expired => {
                self.asked().await;
                self.ends_as(RequestState::Expired, None).await;
            }
            State::Cancelled => {
                self.asked().await;
                self.cancels().await;
            }
            State::Failed => {
                self.in_state(AccountState::Closed).await;
                self.ends_as(RequestState::Failed, Some(ErrorCode::RoleLost)).await;
            }
            making => Box::pin(self.reaches_making(making)).await,
        }
    }

    /// A state in which the account is being created or undone.
    async fn reaches_making(&mut self, state: State) {
        match state {
            State::Making(step) => {
                self.approved().await;
                let job = self.claims().await;
                if step != Step::Eligible {
                    let done = StepRecord {
                        step: Step::Eligible,
                        outcome: Outcome::Unchanged,
                        output: None,
                        seen_at: None,
                    };
                    let mut tx = self.env.store.begin().await.expect("a transaction");
                    tx.advance_job(&job, &[done], step).await.expect("moved on");
                    tx.commit("test").await.expect("a commit");
                }
            }
            State::MakingDelayed => {
                self.approved().await;
                self.waits().await;
            }
            State::MakingStopped => {
                self.approved().await;
                self.stops().await;
            }
            State::CancelAsked => {
                self.approved().await;
                self.cancels().await;
            }
            State::Undoing => {
                self.approved().await;
                self.undoes().await;
            }
            State::UndoDelayed => {
                self.approved().await;
                self.undoes().await;
                self.waits().await;
            }
            State::UndoStopped => {
                self.approved().await;
                self.cancels().await;
                self.undoes().await;
                self.stops().await;
            }
            made => Box::pin(self.reaches_made(made)).await,
        }
    }

    /// A state of an account that was created.
    async fn reaches_made(&mut self, state: State) {
        match state {
            State::Invited => self.in_state(AccountState::Invited).await,
            State::InvitedAndResendStopped => {
                self.in_state(AccountState::Invited).await;
                self.puts(JobKind::Resend).await;
                self.stops().await;
            }
            State::Withdrawing => {
                self.in_state(AccountState::Invited).await;
                self.cancels().await;
            }
            State::WithdrawingStopped => {
                self.in_state(AccountState::Invited).await;
                self.cancels().await;
                self.stops().await;
            }
            State::WithdrawingUnused => {
                self.in_state(AccountState::Invited).await;
                self.puts(JobKind::Withdraw).await;
            }
            State::Active => self.in_state(AccountState::Active).await,
            State::Checking => {
                self.in_state(AccountState::Active).await;
                self.puts(JobKind::Withdraw).await;
            }
            State::CheckingStopped => {
                self.in_state(AccountState::Active).await;
                self.puts(JobKind::Withdraw).await;
                self.stops().await;
            }
            State::Locking => {
                self.in_state(AccountState::Active).await;
                self.puts(JobKind::Lock).await;
            }
            State::LockingStopped => {
                self.in_state(AccountState::Active).await;
                self.puts(JobKind::Lock).await;
                self.stops().await;
            }
            State::Disabled => self.in_state(AccountState::Disabled).await,
            State::KeptDisabled => {
                self.in_state(AccountState::Disabled).await;
                self.ends_as(RequestState::Cancelled, None).await;
            }
            State::LockedAgain => {
                self.in_state(AccountState::Disabled).await;
                self.puts(JobKind::Lock).await;
            }
            State::Enabling => {
                self.in_state(AccountState::Disabled).await;
                self.puts(JobKind::Enable).await;
            }
            State::EnablingStopped => {
                self.in_state(AccountState::Disabled).await;
                self.puts(JobKind::Enable).await;
                self.stops().await;
            }
            State::Conflict => {
                self.approved().await;
                self.stops().await;
                let account = self.account.clone().expect("an account");
                self.account = Some(self.env.account_becomes(&account, AccountState::Conflict).await);
            }
            State::Closed => self.in_state(AccountState::Closed).await,
            earlier => unreachable!("{earlier:?} has no account that was created"),
        }
    }

    async fn status(&self) -> Shown {
        let caller = self.env.caller(ADA);
        match self.env.accounts.status(&caller).await.expect("a status").stage {
            Stage::Nothing => Shown::Nothing,
            Stage::Draft { .. } => Shown::Draft,
            Stage::Waiting { .. } => Shown::Waiting,
            Stage::NameTaken { .. } => Shown::NameTaken,
            Stage::Making { .. } | Stage::MailPending { .. } => Shown::Making,
            Stage::NeedsOperator { .. } => Shown::Stuck,
            Stage::Invited { .. } => Shown::Invited,
            Stage::Active { .. } => Shown::Active,
            Stage::Checking { .. } => Shown::Checking,
            Stage::Locking { .. } => Shown::Locking,
            Stage::Disabled { .. } => Shown::Disabled,
            Stage::Unlocking { .. } => Shown::Unlocking,
            Stage::Conflict { .. } => Shown::Conflict,
            Stage::Withdrawing { .. } => Shown::Withdrawing,
            Stage::Denied { .. } => Shown::Denied,
            Stage::Ended { .. } => Shown::Ended,
            Stage::Cancelled { .. } => Shown::Cancelled,
            Stage::Expired { .. } => Shown::Expired,
            Stage::Failed { .. } => Shown::Failed,
        }
    }

    async fn request(&self) -> Answer {
        match self.env.accounts.open_form(&self.env.caller(ADA)).await {
            Ok(_) => Form,
            Err(refused) => refused_as(&refused),
        }
    }

    async fn cancel(&self) -> Answer {
        let caller = self.env.caller(ADA);
        let first = self.env.accounts.cancel(&caller, None).await;
        let Ok(Cancelled { code, .. }) = &first else { return refused_as(&first.expect_err("refused")) };
        assert_eq!(Some(code), self.request.as_ref().map(|request| &request.code));
        // Pressed again, it never says the opposite.
        match self.env.accounts.cancel(&caller, None).await {
            Ok(again) => assert_eq!(Ok(again), first),
            Err(refused) => assert!(matches!(refused_as(&refused), Ended | Nothing), "{refused:?}"),
        }
        Done
    }

    async fn password(&self) -> Answer {
        match self.env.accounts.mail_again(&self.env.caller(ADA), None).await {
            Ok(_) => Done,
            Err(refused) => refused_as(&refused),
        }
    }

    async fn not_me(&self) -> Answer {
        let Some(account) = &self.account else { return NoButton };
        match self.env.accounts.lock(&self.env.caller(ADA), account.id, account.nonce, "").await {
            Ok(_) => Done,
            Err(refused) => refused_as(&refused),
        }
    }

    /// Whether an admin can unlock the account. Without Discord the command fails only after it has looked at the state.
    async fn can_be_enabled(&self) -> Result<bool, NotEnabled> {
        let admin = self.env.admin(Purpose::LinkEnable);
        match self.env.accounts.enable(&admin, "ada", "A test").await {
            Ok(found) => {
                assert_eq!(found, None, "there is no account");
                Ok(false)
            }
            Err(UseCaseError { details: Details::NotEnabled(why), .. }) => Err(why),
            Err(refused) => {
                assert_eq!(refused.error_code, ErrorCode::DiscordDown, "{refused:?}");
                Ok(true)
            }
        }
    }

    async fn unfinished(&self) -> Vec<Job> {
        let Some(request) = &self.request else { return Vec::new() };
        let mut view = self.env.store.read().await.expect("a view");
        view.unfinished_jobs_of(request.person_id).await.expect("an answer")
    }

    /// Whether an admin can retry each job that has stopped. A job that has not stopped can't be retried.
    async fn retries(&self) -> bool {
        let mut is_retried = false;
        for job in self.unfinished().await {
            let admin = self.env.admin(Purpose::Retry(job.id));
            let retried = self.env.accounts.retry(&admin, job.id, Nonce::NONE).await;
            if job.state == JobState::NeedsOperator {
                assert!(retried.is_ok(), "{:?}: {retried:?}", job.kind);
                is_retried = true;
            } else {
                let not_stopped = UseCaseError::with(ErrorCode::AlreadyDecided, Details::NotStopped);
                assert_eq!(retried, Err(not_stopped));
            }
        }
        is_retried
    }
}

fn refused_as(refused: &UseCaseError) -> Answer {
    match (refused.error_code, &refused.details) {
        (_, Details::AccountUnavailable(why)) => Unavailable(*why),
        (ErrorCode::RequestOpen, Details::Open { .. }) => Open,
        (ErrorCode::AlreadyDecided, Details::Nothing) => Nothing,
        (ErrorCode::AlreadyDecided, Details::Ended { .. }) => Ended,
        (ErrorCode::AlreadyHasAccount, Details::AccountInUse) => InUse,
        (ErrorCode::AlreadyHasAccount, Details::None) => HasAccount,
        (ErrorCode::StaleButton, Details::None) => NoButton,
        _ => panic!("no command may answer {refused:?}"),
    }
}

/// Runs a walk on a stack of its own: unoptimized, the states and commands together need more than a test's thread has.
fn walks(acts: impl AsyncFnOnce() + Send + 'static) {
    let walk = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(acts());
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(walk).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn in_every_state_each_command_answers_as_the_table_says() {
    walks(async || {
        let mut wrong = Vec::new();
        for (state, status, request, cancel, password, not_me) in TABLE {
            let answers = (
                Walk::at(*state).await.status().await,
                Walk::at(*state).await.request().await,
                Walk::at(*state).await.cancel().await,
                Walk::at(*state).await.password().await,
                Walk::at(*state).await.not_me().await,
            );
            if answers != (*status, *request, *cancel, *password, *not_me) {
                wrong.push(format!("{state:?}: {answers:?}"));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    });
}

#[test]
fn from_every_state_something_leads_on() {
    walks(async || {
        for (state, _, request, cancel, password, not_me) in TABLE {
            let walk = Walk::at(*state).await;
            let by_member =
                [request, cancel, password, not_me].iter().any(|answer| matches!(answer, Form | Done));
            let jobs = walk.unfinished().await;
            let by_itself = jobs.iter().any(|job| job.state != JobState::NeedsOperator);
            let by_enabling = walk.can_be_enabled().await == Ok(true);
            let by_retry = Walk::at(*state).await.retries().await;
            assert!(by_member || by_itself || by_enabling || by_retry, "{state:?} is a dead end");
        }
    });
}

/// No answer may name a way that another answer refuses.
#[test]
fn no_two_answers_contradict_each_other() {
    for (state, status, request, cancel, password, not_me) in TABLE {
        if *request == Open {
            assert_eq!(*cancel, Done, "{state:?}: request says that cancel cancels it");
        }
        if *request == Form {
            assert!(!matches!(cancel, Unavailable(_) | InUse), "{state:?}: cancel speaks of an account");
            assert_eq!(*password, NONE, "{state:?}: password speaks of an account");
        }
        if *request == HasAccount {
            assert_eq!(*password, Done, "{state:?}: the account can be used");
        }
        let reasons: Vec<Why> = [request, cancel, password, not_me]
            .into_iter()
            .filter_map(|answer| match answer {
                Unavailable(why) => Some(*why),
                Form | Done | Nothing | Ended | Open | HasAccount | InUse | NoButton => None,
            })
            .collect();
        assert!(reasons.iter().all(|why| *why == reasons[0]), "{state:?}: {reasons:?}");
        let shown = match reasons.first() {
            Some(Why::BeingMade) => matches!(status, Shown::Making | Shown::Stuck),
            Some(Why::Checking) => *status == Shown::Checking,
            Some(Why::Removing) => *status == Shown::Withdrawing,
            Some(Why::Locking) => *status == Shown::Locking,
            Some(Why::Locked) => *status == Shown::Disabled,
            Some(Why::Unlocking) => *status == Shown::Unlocking,
            Some(Why::Conflict) => *status == Shown::Conflict,
            Some(Why::NoAccount) | None => true,
        };
        assert!(shown, "{state:?}: the status says {status:?}");
    }
}

#[test]
fn admins_unlock_what_is_locked_and_nothing_else() {
    walks(async || {
        for (state, status, ..) in TABLE {
            let answer = Walk::at(*state).await.can_be_enabled().await;
            let expected = match status {
                Shown::Disabled | Shown::Unlocking => Ok(true),
                Shown::Conflict => Err(NotEnabled::Conflict),
                Shown::Withdrawing | Shown::Locking | Shown::Checking => Err(NotEnabled::NotYet),
                Shown::Making | Shown::Stuck | Shown::Invited | Shown::Active => Err(NotEnabled::NotLocked),
                Shown::Nothing
                | Shown::Draft
                | Shown::Waiting
                | Shown::NameTaken
                | Shown::Denied
                | Shown::Ended
                | Shown::Cancelled
                | Shown::Expired
                | Shown::Failed => Ok(false),
            };
            assert_eq!(answer, expected, "{state:?}");
        }
    });
}
