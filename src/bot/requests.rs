//! `/request list` and `/request show` for moderators. Only the caller can see the answer.

use super::admin::{Answer, answer};
use super::interaction::Interaction;
use crate::accounts::requests::{RequestFilter, RequestLine, RequestShown, RequestTexts, StatusFilter};
use crate::discord::DiscordError;
use crate::domain::ids::RequestId;
use crate::domain::lang::Lang;
use crate::domain::listing::RequestFacts;
use crate::domain::summary::Summary;
use crate::messages::{self, tr};

/// The default number of requests on a page.
const PAGE: u32 = 10;

/// `/request list`
pub(super) async fn list_requests(
    interaction: &Interaction,
    status: Option<StatusFilter>,
    after: Option<String>,
    limit: Option<u32>,
) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    let Ok(after) = after.map(|after| after.trim().parse::<RequestId>()).transpose() else {
        return interaction.say(tr!(lang, "requests-no-key")).await;
    };
    let limit = limit.unwrap_or(PAGE);
    answer(interaction, async |reviewer| {
        let grant = interaction.accounts().authorize_reader(reviewer).await?;
        let filter = RequestFilter { guild: None, status };
        let requests = interaction.accounts().requests(&grant, &filter, after, limit).await?;
        let refused = interaction.accounts().recover_cards(&grant).await?;
        if requests.is_empty() {
            return Ok(Answer::text(tr!(lang, "requests-no-requests")));
        }
        let is_full = u32::try_from(requests.len()).is_ok_and(|count| count >= limit);
        let last = requests.last().filter(|_| is_full);
        let more = last.map(|last| tr!(lang, "requests-more", after = last.id.to_string()));
        let each =
            requests.iter().map(|request| messages::requests::request_line(lang, &request_facts(request)));
        let text = each.collect::<Vec<_>>().join("\n");
        let refused =
            refused.iter().map(|(channel, why)| messages::requests::refused_notice(lang, *channel, *why));
        let follows: Vec<String> = more.into_iter().chain(refused).collect();
        let follows = (!follows.is_empty()).then(|| follows.join("\n"));
        Ok(Answer::long(lang, &text, || text.clone(), "requests.txt", follows))
    })
    .await
}

/// `/request show`
pub(super) async fn show_request(interaction: &Interaction, code: &str) -> Result<(), DiscordError> {
    let lang = interaction.lang();
    answer(interaction, async |reviewer| {
        let grant = interaction.accounts().authorize_reader(reviewer).await?;
        let Some(shown) = interaction.accounts().request_shown(&grant, code).await? else {
            return Ok(Answer::text(tr!(lang, "requests-no-such-request")));
        };
        let texts = interaction.accounts().request_texts(&grant, &shown).await?;
        Ok(Answer::summary(lang, request_summary(lang, &shown, &texts), "request.txt"))
    })
    .await
}

fn request_summary(lang: Lang, shown: &RequestShown, texts: &RequestTexts) -> Summary {
    use messages::requests;
    let line = &shown.line;
    let decisions = shown.decisions.iter().map(|decision| {
        requests::decision(lang, decision.verdict, decision.by, &decision.actor, decision.notify, decision.at)
    });
    let reason = texts.denial_reason.iter().map(|reason| requests::denial_reason(lang, reason));
    let jobs = shown
        .jobs
        .iter()
        .map(|job| requests::job(lang, job.kind, job.state, job.step, job.error_code, job.wait));
    let details = requests::RequestDetails {
        rule: line.rule.as_deref(),
        masked_address: line.masked_address.as_deref(),
        decisions: decisions.chain(reason).collect(),
        jobs: jobs.collect(),
        notes: texts.notes.iter().map(|note| requests::dated(note.at, &note.text)).collect(),
        enable_reasons: texts.enable_reasons.iter().map(|why| requests::dated(why.at, &why.text)).collect(),
    };
    requests::request_summary(lang, &request_facts(line), details)
}

fn request_facts(line: &RequestLine) -> RequestFacts<'_> {
    RequestFacts {
        code: &line.code,
        requester: line.discord_id,
        state: line.state,
        reason_code: line.reason_code,
        waits_for: line.wait.map(|wait| wait.code),
        username: line.username.as_str(),
        created_at: line.created_at,
        lacks_card: line.lacks_card,
    }
}
