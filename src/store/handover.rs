//! Jobs that a transaction creates already claimed, and then hands over to the worker of this process in memory.
//!
//! Such a job needs no claim of its own and no poll. It is claimed like any other: with owner, lease and fence in its row. If the
//! process dies, the lease expires.
//!
//! The worker takes jobs in the order of their creation. So a job is created claimed only while nothing that is due waits in the database:
//! from a claim that found nothing until [`PLACES`] jobs wait in memory. The next one waits in the database for a claim, and so do all
//! others until a claim finds nothing again. Meanwhile the worker asks the database only at its polls, and then only for jobs that were due
//! before those in memory. All other code that makes a job due in this process calls [`Handover::close_for_follower`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::domain::account::Account;
use crate::domain::ids::Timestamp;
use crate::domain::job::{Job, JobStep};
use crate::domain::person::Person;
use crate::domain::request::Request;

/// How many jobs may wait in memory. Few enough that the last one begins long before its lease expires.
const PLACES: usize = 16;

/// A claimed job with the rows that it refers to, as they were at the claim.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job, with its lease and fence.
    pub job: Job,
    /// The person it is for.
    pub person: Person,
    /// The request that caused it.
    pub request: Option<Request>,
    /// The account that it creates, changes or ends.
    pub account: Option<Account>,
    /// The recorded steps, in order.
    pub steps: Vec<JobStep>,
    /// When the claim was sent to the database: the lease began no earlier.
    pub asked: Moment,
}

/// The jobs on their way to the worker of this process.
#[derive(Default)]
pub(super) struct Handover(Mutex<State>);

#[derive(Default)]
struct State {
    /// The worker that takes the jobs, and its lease; `None` while due jobs wait in the database, and if no worker runs.
    taker: Option<Taker>,
    places: usize,
    jobs: VecDeque<ClaimedJob>,
    /// A job that was not handed over may wait for an earlier one of its person.
    may_follow: bool,
    /// How often a job was left in the database.
    left: u64,
}

/// The worker that claims for this process.
#[derive(Clone)]
pub(super) struct Taker {
    pub(super) owner: String,
    pub(super) lease: Duration,
}

impl Handover {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the job that has waited longest, and frees its place.
    pub(super) fn take(&self) -> Option<ClaimedJob> {
        let mut state = self.state();
        let taken = state.jobs.pop_front();
        if taken.is_some() {
            state.places = PLACES.min(state.places + 1);
        }
        taken
    }

    /// When the job that has waited longest became due.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.state().jobs.front().map(|claimed| claimed.job.next_run)
    }

    /// How often a job was left in the database up to now, for [`Handover::open`].
    pub(super) fn left(&self) -> u64 {
        self.state().left
    }

    /// Notes that a claim of this worker found nothing: no due job waits in the database, unless one was left there since `left` was read.
    pub(super) fn open(&self, owner: &str, lease: Duration, left: u64) {
        let mut state = self.state();
        if state.left != left {
            return;
        }
        state.taker = Some(Taker { owner: owner.to_owned(), lease });
        state.places = PLACES;
    }

    /// Stops creating claimed jobs, because due jobs wait in the database or the worker stops.
    pub(super) fn close(&self) {
        self.state().taker = None;
    }

    /// Notes that a job became due that is not handed over. It waits in the database, perhaps for an earlier job of its person.
    pub(super) fn close_for_follower(&self) {
        let mut state = self.state();
        state.taker = None;
        state.may_follow = true;
        state.left += 1;
    }

    /// Notes that a job ended. Returns whether another one may have waited for it, which is due now.
    pub(super) fn end_of_job(&self) -> bool {
        let mut state = self.state();
        let may_follow = std::mem::take(&mut state.may_follow);
        if may_follow {
            state.taker = None;
        }
        may_follow
    }

    /// Whether due jobs may wait in the database.
    pub(super) fn is_closed(&self) -> bool {
        self.state().taker.is_none()
    }

    /// Reserves a place for one job, and returns the worker that takes it. `None` means that the job is created unclaimed and waits for a
    /// claim.
    pub(super) fn reserve(&self) -> Option<Taker> {
        let mut state = self.state();
        match state.places.checked_sub(1) {
            Some(places) => state.places = places,
            None => state.taker = None,
        }
        state.taker.clone()
    }

    /// Hands over a job whose transaction is committed.
    pub(super) fn hand_over(&self, job: ClaimedJob) {
        self.state().jobs.push_back(job);
    }
}
