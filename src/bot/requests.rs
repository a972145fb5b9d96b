//! `/request list` and `/request show` for moderators. Only the caller can see the answer.

use super::admin::{Answer, answer};
use super::interaction::Interaction;
use crate::accounts::requests::{RequestFilter, RequestLine, RequestShown, RequestTexts, StatusFilter};
use crate::discord::DiscordError;
use crate::domain::ids::RequestId;
use crate::domain::lang::Lang;
use crate::domain::listing::RequestFacts;
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
        let text = request_text(lang, &shown, &texts);
        Ok(Answer::long(lang, &text, || text.clone(), "request.txt", None))
    })
    .await
}

fn request_text(lang: Lang, shown: &RequestShown, texts: &RequestTexts) -> String {
    let line = &shown.line;
    let head = messages::requests::request_line(lang, &request_facts(line));
    let details =
        messages::requests::request_details(lang, line.rule.as_deref(), line.masked_address.as_deref());
    let decisions = shown.decisions.iter().map(|decision| {
        messages::requests::decision(
            lang,
            decision.verdict,
            decision.by,
            &decision.actor,
            decision.notify,
            decision.at,
        )
    });
    let jobs = shown
        .jobs
        .iter()
        .map(|job| messages::requests::job(lang, job.kind, job.state, job.step, job.error_code, job.wait));
    let reason = texts.denial_reason.iter().map(|reason| messages::requests::denial_reason(lang, reason));
    let notes = texts.notes.iter().map(|note| messages::requests::note(lang, note.at, &note.text));
    let reasons = texts.enable_reasons.iter();
    let enabled = reasons.map(|reason| messages::requests::enable_reason(lang, reason.at, &reason.text));
    let parts =
        [head, details].into_iter().chain(decisions).chain(reason).chain(jobs).chain(notes).chain(enabled);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
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
