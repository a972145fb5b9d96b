//! One claimed work: step after step until it ends, waits, or is no longer ours.
//!
//! Start with [`run_claimed`]. A step decides what a setback means; this file and `record` obey.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Room;
use super::call::Halt;
use super::claim::{Claim, LEASE};
use super::pulse::Loop;
use super::record::{self, Onward};
use super::scene::{Scene, Standing};
use super::steps::{self, StepDone};
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::refusal::Refusal;
use crate::domain::work::{PLAN_VERSION, Setback, Work, WorkKind, WorkState};
use crate::store::StoreError;

/// How long a running step may go on after a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A claimed work and when the claim was asked for.
pub(super) struct Claimed {
    work: Work,
    asked: Instant,
}

/// Claims one work that is due.
pub(super) async fn claim(room: &Room) -> Result<Option<Claimed>, StoreError> {
    let asked = Instant::now();
    let work = room.parts.store.claim_work(&room.owner, LEASE).await?;
    crash::point("work.after_claim");
    Ok(work.map(|work| Claimed { work, asked }))
}

/// Runs a claimed work until it ends, waits, is lost, or the stop's grace is over.
pub(super) async fn run_claimed(room: &Room, claimed: Claimed, stop: &CancellationToken) {
    let Claimed { work, asked } = claimed;
    let span = tracing::info_span!(
        "work",
        work.id = %work.id,
        work.kind = %work.kind,
        request.id = work.request_id.map(tracing::field::display),
        attempt = work.attempt
    );
    let claim = Claim::new(work, asked);
    async {
        let grace = async {
            stop.cancelled().await;
            room.parts.clock.pause(STOP_GRACE).await;
        };
        tokio::select! {
            ended = run_steps(room, &claim, stop) => match ended {
                Ok(()) => {}
                Err(StoreError::LostLease) => tracing::warn!("the lease was lost; another worker goes on"),
                Err(error) => {
                    tracing::warn!(error = %error, "the store failed; the work goes on when its lease is over");
                }
            },
            () = claim.keep(room) => tracing::warn!("the lease ran out; nothing more is written"),
            () = grace => {
                tracing::warn!("a step did not end in time; its lease is given back");
                give_back(room, &claim).await;
            }
        }
    }
    .instrument(span)
    .await;
}

async fn run_steps(room: &Room, claim: &Claim, stop: &CancellationToken) -> Result<(), StoreError> {
    let mut standing = Standing::of_claimed(room, claim).await?;
    loop {
        let Some(scene) = Scene::set(room, claim, standing) else { return Ok(()) };
        if scene.work.plan_version != PLAN_VERSION {
            // A newer version's plan: its own workers know what to do.
            give_back(room, claim).await;
            return Ok(());
        }
        standing = match run_step(&scene).await? {
            Onward::NextStep(_) if stop.is_cancelled() => {
                give_back(room, claim).await;
                return Ok(());
            }
            Onward::NextStep(standing) => *standing,
            Onward::Over => return Ok(()),
        }
    }
}

/// Runs the present step and records what became of it.
async fn run_step(scene: &Scene<'_>) -> Result<Onward, StoreError> {
    let started = Instant::now();
    scene.room.pulse.beats(Loop::Works);
    let span = tracing::info_span!(
        "step",
        step.kind = %scene.step,
        plan = scene.plan,
        attempt = scene.work.attempt,
        duration_ms = tracing::field::Empty
    );
    let ended = match wish_to_stop(scene) {
        Some(setback) => Err(setback.into()),
        None => ensure(scene).instrument(span.clone()).await,
    };
    let took = started.elapsed();
    scene.room.measures.step(scene.step, outcome_of(&ended), took);
    span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    match ended {
        Ok(done) => {
            span.in_scope(|| tracing::info!(outcome = done.effect.code(), "a step is done"));
            record::done(scene, done).instrument(span).await
        }
        Err(Halt::Setback(setback)) => {
            let (code, kind) = (setback.code(), kind_of(setback));
            span.in_scope(|| tracing::warn!(error_code = %code, setback = kind, "a step met a setback"));
            record::setback(scene, setback).instrument(span).await
        }
        Err(Halt::LostLease) => Err(StoreError::LostLease),
    }
}

/// Looked at between steps: somebody asked to stop what is being made.
fn wish_to_stop(scene: &Scene<'_>) -> Option<Setback> {
    let is_making = scene.work.kind == WorkKind::Provision && scene.work.state == WorkState::Open;
    // An account in use is not ended by a wish of before; `disable` is an admin's command.
    let is_active = scene.account.as_ref().is_some_and(|account| account.state == AccountState::Active);
    (is_making && scene.work.cancel_asked && !is_active)
        .then_some(Setback::Undo { code: Refusal::AlreadyDecided })
}

/// Runs the step; a panic in it is counted and becomes a retry.
async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    match AssertUnwindSafe(steps::ensure(scene)).catch_unwind().await {
        Ok(ended) => ended,
        Err(_panic) => {
            // The payload may hold personal values: the panic hook of the composition root has the place.
            scene.room.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(work.id = %scene.work.id, step.kind = %scene.step, "a step panicked");
            Err(Setback::Retry { code: Refusal::Internal, after: None }.into())
        }
    }
}

async fn give_back(room: &Room, claim: &Claim) {
    let giving = async {
        let mut tx = room.parts.store.begin().await?;
        tx.release_work(&claim.work).await?;
        tx.commit("work.release").await
    };
    if let Err(error) = giving.await {
        tracing::warn!(work.id = %claim.work.id, error = %error, "a lease was not given back; it runs out by itself");
    }
}

/// The label of how a step ended.
const fn outcome_of(ended: &Result<StepDone, Halt>) -> &'static str {
    match ended {
        Ok(done) => done.effect.code(),
        Err(Halt::Setback(setback)) => kind_of(*setback),
        Err(Halt::LostLease) => "lost_lease",
    }
}

const fn kind_of(setback: Setback) -> &'static str {
    match setback {
        Setback::Retry { .. } => "retry",
        Setback::Undo { .. } => "undo",
        Setback::AskOperator { .. } => "ask_operator",
        Setback::Conflict { .. } => "conflict",
    }
}
