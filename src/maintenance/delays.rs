//! Reports jobs that have waited for longer than `account.report_delay_after`: on the card of the request, and to admins.
//!
//! A wait is reported once. The store marks the jobs in the transaction that writes the messages, so neither a restart nor a second
//! replica reports one again.

use std::collections::BTreeMap;

use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{GuildId, JobId};
use crate::domain::job::Job;
use crate::store::{StoreError, Tx};
use crate::worker::context::WorkerContext;

/// The most jobs that one transaction reports. More than these wait for the next round.
const BATCH: u32 = 100;

/// Reports the jobs that have waited for too long, and returns their number.
pub(crate) async fn report(worker: &WorkerContext) -> Result<usize, StoreError> {
    let config = worker.deps.config.now();
    let before = worker.deps.clock.now().before(config.account.report_delay_after);
    let mut tx = worker.deps.store.begin().await?;
    let jobs = tx.report_delays(before, BATCH).await?;
    if jobs.is_empty() {
        tx.discard().await?;
        return Ok(0);
    }
    // A server that is down delays many jobs, and admins read one notice about them.
    let mut notices: BTreeMap<(GuildId, ErrorCode), Vec<JobId>> = BTreeMap::new();
    for job in &jobs {
        let Some(code) = job.error_code else { continue };
        tracing::warn!(
            job.id = %job.id,
            job.kind = %job.kind,
            request.id = job.request_id.map(tracing::field::display),
            error_code = %code,
            since = job.progressed_at.as_millis(),
            "a job has waited for longer than account.report_delay_after"
        );
        if let Some(guild) = tell(&mut tx, job, code).await? {
            notices.entry((guild, code)).or_default().push(job.id);
        }
    }
    for ((guild, _), jobs) in &notices {
        let has_channel = config.guild(*guild).is_some_and(|guild| guild.log_channel.is_some());
        if has_channel {
            tx.put_delay_notice(*guild, jobs).await?;
        }
    }
    tx.commit("delays.report").await?;
    Ok(jobs.len())
}

/// Updates the card of the job's request, and writes the audit row. Returns the guild of the request.
async fn tell(tx: &mut Tx, job: &Job, code: ErrorCode) -> Result<Option<GuildId>, StoreError> {
    let entry =
        Entry::new(Event::JobDelayed, Source::Worker, Actor::System).about(job.person_id).of_job(job.id);
    let entry = entry.because(code);
    let request = match job.request_id {
        Some(id) => tx.request(id).await?,
        None => None,
    };
    let Some(request) = request else {
        tx.audit(entry);
        return Ok(None);
    };
    tx.audit(entry.of_request(request.id).in_guild(request.guild_id));
    tx.put_card(request.id).await?;
    Ok(Some(request.guild_id))
}
