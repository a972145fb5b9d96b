//! Moderators look at requests: a list, or one in full. Only whoever asked sees the answer.

use super::admin::{Answer, answer};
use super::visit::Visit;
use crate::accounts::requests::{RequestFilter, RequestLine, RequestShown, Standing};
use crate::discord::{DiscordError, OutgoingMessage};
use crate::domain::ids::RequestId;
use crate::messages::desk::RequestFacts;
use crate::messages::{self, Lang};

/// Requests of a page where nobody asks for more or fewer.
const PAGE: u32 = 10;

/// `/request list`
pub(super) async fn list_requests(
    visit: &Visit,
    standing: Option<Standing>,
    after: Option<String>,
    limit: Option<u32>,
) -> Result<(), DiscordError> {
    let lang = visit.lang();
    let Ok(after) = after.map(|after| after.trim().parse::<RequestId>()).transpose() else {
        return visit.reply.say_ephemeral(&OutgoingMessage::text(messages::desk::no_key(lang))).await;
    };
    let limit = limit.unwrap_or(PAGE);
    answer(visit, async |viewer| {
        let filter = RequestFilter { guild: None, standing };
        let requests = visit.accounts().requests(viewer, &filter, after, limit).await?;
        if requests.is_empty() {
            return Ok(Answer::text(messages::desk::no_requests(lang)));
        }
        let is_full = u32::try_from(requests.len()).is_ok_and(|count| count >= limit);
        let last = requests.last().filter(|_| is_full);
        let more = last.map(|last| messages::desk::more(lang, &last.id.to_string()));
        let each = requests.iter().map(|request| messages::desk::request_line(lang, &facts_of(request)));
        let text = each.collect::<Vec<_>>().join("\n");
        Ok(Answer::long(lang, &text, || text.clone(), "requests.txt", more))
    })
    .await
}

/// `/request show`
pub(super) async fn show_request(visit: &Visit, code: &str) -> Result<(), DiscordError> {
    let lang = visit.lang();
    answer(visit, async |viewer| {
        let Some(shown) = visit.accounts().request_shown(viewer, code).await? else {
            return Ok(Answer::text(messages::desk::no_such_request(lang)));
        };
        let text = in_full(lang, &shown);
        Ok(Answer::long(lang, &text, || text.clone(), "request.txt", None))
    })
    .await
}

fn in_full(lang: Lang, shown: &RequestShown) -> String {
    let line = &shown.line;
    let head = messages::desk::request_line(lang, &facts_of(line));
    let details = messages::desk::request_details(lang, line.rule.as_deref(), line.masked_address.as_deref());
    let decisions = shown.decisions.iter().map(|decision| {
        messages::desk::decision(
            lang,
            decision.verdict,
            decision.by,
            &decision.actor,
            decision.tell,
            decision.at,
        )
    });
    let jobs =
        shown.jobs.iter().map(|job| messages::desk::job(lang, job.kind, job.state, job.step, job.error_code));
    let parts = [head, details].into_iter().chain(decisions).chain(jobs);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn facts_of(line: &RequestLine) -> RequestFacts<'_> {
    RequestFacts {
        code: &line.code,
        requester: line.discord_id,
        state: line.state,
        reason_code: line.reason_code,
        username: line.username.as_str(),
        created_at: line.created_at,
    }
}
