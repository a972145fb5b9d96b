//! Measures the floor: how fast a serenity program without a store (`tests/echo-bot`) acknowledges the same bursts.

use std::time::Duration;

use anyhow::Result;

use super::burst::{Round, request_all};
use super::env::BenchEnv;
use super::requester::Approval;

/// Returns the floor's answers to the given number of rounds and of concurrent people.
pub(super) async fn rounds(
    env: &BenchEnv,
    at_once: usize,
    rounds: usize,
    approval: Approval,
) -> Result<Round> {
    let people = env.take_members(at_once * rounds, approval, "floor").await?;
    let mut all = Round::default();
    for people in people.chunks(at_once) {
        all.add(&request_all(&env.chat, people, approval, Duration::ZERO).await?);
    }
    Ok(all)
}
