//! Who looks at requests, links, the audit log and the world outside, whether they may at this moment, and the note that a look at the last three leaves.

use super::decide::actor_of;
use super::{Accounts, Operator, Reviewer, UseCaseError};
use crate::config::Guild;
use crate::domain::approval::{judge_admin, judge_reader};
use crate::domain::audit::{Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{GuildId, PersonId, Timestamp};
use crate::domain::member::MemberFacts;
use crate::domain::request::{Request, RequestState};

/// Somebody who wants to look.
#[derive(Clone, Debug)]
pub enum Viewer {
    /// At the command line: whoever may read the database and its key.
    Operator(Operator),
    /// In chat, an admin or (for requests) a moderator: judged on a freshly fetched member at each look, and shown their own guild
    /// alone.
    Reviewer(Reviewer),
}

impl Viewer {
    /// Who it is, for the log: the login at the command line; whoever asks in chat stands in the interaction's span.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Operator(operator) => &operator.login,
            Self::Reviewer(_) => "chat",
        }
    }
}

impl From<Operator> for Viewer {
    fn from(operator: Operator) -> Self {
        Self::Operator(operator)
    }
}

/// What was looked at; its text stands in the audit log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Viewed {
    /// Requests, which moderators may see.
    Request,
    /// Single links.
    Link,
    /// All links, as a file.
    LinkExport,
    /// A page of the audit log.
    Audit,
    /// The audit log, as a file.
    AuditExport,
    /// Whether the audit log is whole.
    AuditVerify,
    /// What is wrong outside.
    Doctor,
}

impl Viewed {
    const fn code(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Link => "link",
            Self::LinkExport => "link.export",
            Self::Audit => "audit",
            Self::AuditExport => "audit.export",
            Self::AuditVerify => "audit.verify",
            Self::Doctor => "doctor",
        }
    }
}

/// A look that is allowed. Nothing that it sees is shown before [`Accounts::note_view`] has committed.
#[derive(Clone, Debug)]
pub(super) struct ViewGrant<'a> {
    viewer: &'a Viewer,
    what: Viewed,
    /// The one guild that is shown; `None` shows all.
    pub(super) guild: Option<GuildId>,
}

impl ViewGrant<'_> {
    /// Whether a request is shown: of the guild that is seen, and in chat no draft, which nobody has sent.
    pub(super) fn shows(&self, request: &Request) -> bool {
        self.guild.is_none_or(|guild| request.guild_id == guild && request.state != RequestState::Draft)
    }
}

/// Moderators see requests, admins everything.
fn judge(member: &MemberFacts, guild: &Guild, what: Viewed, now: Timestamp) -> Result<(), ErrorCode> {
    match what {
        Viewed::Request => judge_reader(member, &guild.deciding_roles(), now),
        Viewed::Link
        | Viewed::LinkExport
        | Viewed::Audit
        | Viewed::AuditExport
        | Viewed::AuditVerify
        | Viewed::Doctor => judge_admin(member, &guild.admin_roles, now).map(drop),
    }
}

impl Accounts {
    /// Judges whether this viewer may look now; in chat a refusal is audited.
    pub(super) async fn admit_viewer<'a>(
        &self,
        viewer: &'a Viewer,
        what: Viewed,
    ) -> Result<ViewGrant<'a>, UseCaseError> {
        let Viewer::Reviewer(reviewer) = viewer else { return Ok(ViewGrant { viewer, what, guild: None }) };
        let guild = self.config().guild(reviewer.guild_id).ok_or(ErrorCode::NotModerator)?;
        let member = self.fetch(guild.id, reviewer.user_id).await?;
        let judged = member
            .filter(|member| member.user_id == reviewer.user_id && member.guild_id == guild.id)
            .ok_or(ErrorCode::NotModerator)
            .and_then(|member| judge(&member, guild, what, self.clock().now()));
        if let Err(error_code) = judged {
            let mut tx = self.store().begin().await?;
            let actor = actor_of(&mut tx, reviewer).await?;
            let entry = Entry::new(Event::PressRefused, reviewer.via, actor).in_guild(guild.id);
            tx.audit(entry.becoming(what.code()).because(error_code));
            tx.commit("press_refused").await?;
            return Err(error_code.into());
        }
        Ok(ViewGrant { viewer, what, guild: Some(guild.id) })
    }

    /// Writes that somebody looked: one row for each person seen, or one for a look that was at nobody in particular.
    pub(super) async fn note_view(
        &self,
        sight: &ViewGrant<'_>,
        seen: &[PersonId],
    ) -> Result<(), UseCaseError> {
        let mut tx = self.store().begin().await?;
        let (actor, source) = match sight.viewer {
            Viewer::Operator(operator) => (operator.actor(), Source::Cli),
            Viewer::Reviewer(reviewer) => (actor_of(&mut tx, reviewer).await?, reviewer.via),
        };
        let entry = || {
            let entry = Entry::new(Event::AdminViewed, source, actor.clone()).becoming(sight.what.code());
            match sight.guild {
                Some(guild) => entry.in_guild(guild),
                None => entry,
            }
        };
        if seen.is_empty() {
            tx.audit(entry());
        }
        for person in seen {
            tx.audit(entry().about(*person));
        }
        tx.commit("admin_viewed").await?;
        Ok(())
    }
}
