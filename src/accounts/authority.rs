//! Authorization: the one check of members' rights, for chat and command line, and the values that functions demand as proof of it.
//!
//! [`Admin`], [`ViewGrant`] and [`decide::Moderator`](super::decide::Moderator) are made only here and in `decide`, after the check. The
//! check reads the member from Discord at that moment and fails closed. Each refusal is audited.

use super::caller::{Operator, Reviewer};
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::config::Guild;
use crate::domain::approval::{self, authorize_admin, authorize_reader};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, JobId, PersonId, RequestId, Timestamp};
use crate::domain::member::MemberFacts;
use crate::domain::request::{Request, RequestState};
use crate::store::{StoreError, Tx};

/// What an admin wants to do; the audit log contains its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// View single links.
    Link,
    /// Unlock a disabled account.
    LinkEnable,
    /// Export all links.
    LinkExport,
    /// Read a page of the audit log.
    Audit,
    /// Export the audit log.
    AuditExport,
    /// Verify the audit log.
    AuditVerify,
    /// Check all external systems.
    Doctor,
    /// Read or change the deny list.
    DenyList,
    /// Post the panel.
    Panel,
    /// Cancel a member's request.
    CancelRequest,
    /// Resume a job that stopped for an operator.
    Retry(JobId),
}

impl Purpose {
    const fn code(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::LinkEnable => "link.enable",
            Self::LinkExport => "link.export",
            Self::Audit => "audit",
            Self::AuditExport => "audit.export",
            Self::AuditVerify => "audit.verify",
            Self::Doctor => "doctor",
            Self::DenyList => "deny",
            Self::Panel => "panel",
            Self::CancelRequest => "request.cancel",
            Self::Retry(_) => "retry",
        }
    }
}

/// Who holds a right: a member with the role, or an operator.
#[derive(Clone, Debug)]
enum Holder {
    /// An operator can read the database and its key file, so no other right is checked.
    Operator(Operator),
    /// A member whose roles were checked.
    Member(Reviewer),
}

impl Holder {
    async fn actor(&self, tx: &mut Tx) -> Result<Actor, StoreError> {
        match self {
            Self::Operator(operator) => Ok(operator.actor()),
            Self::Member(reviewer) => actor_of(tx, reviewer).await,
        }
    }

    const fn source(&self) -> Source {
        match self {
            Self::Operator(_) => Source::Cli,
            Self::Member(reviewer) => reviewer.via,
        }
    }

    /// For the log: the login at the command line. In chat the interaction's span names the member.
    fn name(&self) -> &str {
        match self {
            Self::Operator(operator) => &operator.login,
            Self::Member(_) => "chat",
        }
    }
}

/// The current right to act as an admin for one purpose.
#[derive(Clone, Debug)]
pub struct Admin {
    holder: Holder,
    purpose: Purpose,
    guild: Option<GuildId>,
}

impl Admin {
    fn of_member(reviewer: &Reviewer, purpose: Purpose, guild: GuildId, _: approval::Admin) -> Self {
        Self { holder: Holder::Member(reviewer.clone()), purpose, guild: Some(guild) }
    }

    /// The one guild that this admin sees; `None` means all.
    pub(super) const fn guild(&self) -> Option<GuildId> {
        self.guild
    }

    pub(super) const fn source(&self) -> Source {
        self.holder.source()
    }

    /// The Discord user who acts; `None` at the command line.
    pub(super) const fn user(&self) -> Option<DiscordUserId> {
        match &self.holder {
            Holder::Operator(_) => None,
            Holder::Member(reviewer) => Some(reviewer.user_id),
        }
    }

    /// Who acts, for the audit log. A member gets a row in `person`.
    pub(super) async fn actor(&self, tx: &mut Tx) -> Result<Actor, StoreError> {
        self.holder.actor(tx).await
    }

    /// For the log.
    pub(super) fn name(&self) -> &str {
        self.holder.name()
    }
}

/// The current right to view requests.
#[derive(Clone, Debug)]
pub struct ViewGrant {
    holder: Holder,
    guild: Option<GuildId>,
    is_admin: bool,
}

impl ViewGrant {
    fn of_member(reviewer: &Reviewer, guild: GuildId, _: approval::Reader, is_admin: bool) -> Self {
        Self { holder: Holder::Member(reviewer.clone()), guild: Some(guild), is_admin }
    }

    /// The one guild whose requests are shown; `None` means all.
    pub(super) const fn guild(&self) -> Option<GuildId> {
        self.guild
    }

    /// Whether the holder also sees what only admins may see.
    pub(super) const fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// For the log.
    pub(super) fn name(&self) -> &str {
        self.holder.name()
    }

    /// Whether a request is shown. In chat it must belong to the holder's guild and have been sent, so drafts are hidden.
    pub(super) fn shows(&self, request: &Request) -> bool {
        self.guild.is_none_or(|guild| request.guild_id == guild && request.state != RequestState::Draft)
    }
}

/// What a refused member tried to do, for the audit row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    /// To view requests.
    View,
    /// To act as an admin.
    Admin(Purpose),
    /// To decide this request of this person.
    Decision(RequestId, PersonId),
}

impl Attempt {
    /// Adds the attempt to the audit row.
    async fn describe(self, tx: &mut Tx, entry: Entry) -> Result<Entry, StoreError> {
        Ok(match self {
            Self::View => entry.becoming("request"),
            Self::Decision(request, person) => entry.about(person).of_request(request),
            Self::Admin(Purpose::Retry(job)) => {
                let entry = entry.becoming(Purpose::Retry(job).code()).of_job(job);
                match tx.job(job).await?.map(|job| (job.person_id, job.request_id)) {
                    Some((person, Some(request))) => entry.about(person).of_request(request),
                    Some((_, None)) | None => entry,
                }
            }
            Self::Admin(purpose) => entry.becoming(purpose.code()),
        })
    }
}

impl Accounts {
    /// Checks whether this member is an admin now.
    pub async fn authorize_admin(
        &self,
        reviewer: &Reviewer,
        purpose: Purpose,
    ) -> Result<Admin, UseCaseError> {
        let member = self.fetch_member(reviewer.guild_id, reviewer.user_id).await?;
        let authorize = |member: &MemberFacts, guild: &Guild, now| {
            authorize_admin(member, &guild.admin_roles, now)
                .map(|role| Admin::of_member(reviewer, purpose, guild.id, role))
        };
        self.check(reviewer, member.as_ref(), Attempt::Admin(purpose), authorize).await
    }

    /// The right of an operator, who can read the database and its key file.
    pub fn authorize_operator(&self, operator: &Operator, purpose: Purpose) -> Admin {
        Admin { holder: Holder::Operator(operator.clone()), purpose, guild: None }
    }

    /// Checks whether this member may view requests now.
    pub async fn authorize_reader(&self, reviewer: &Reviewer) -> Result<ViewGrant, UseCaseError> {
        let member = self.fetch_member(reviewer.guild_id, reviewer.user_id).await?;
        self.reader_from(reviewer, member.as_ref()).await
    }

    /// The local half of [`Accounts::authorize_reader`]: everything after Discord's answer.
    pub(super) async fn reader_from(
        &self,
        reviewer: &Reviewer,
        member: Option<&MemberFacts>,
    ) -> Result<ViewGrant, UseCaseError> {
        let authorize = |member: &MemberFacts, guild: &Guild, now| {
            let is_admin = authorize_admin(member, &guild.admin_roles, now).is_ok();
            authorize_reader(member, &guild.deciding_roles(), now)
                .map(|role| ViewGrant::of_member(reviewer, guild.id, role, is_admin))
        };
        self.check(reviewer, member, Attempt::View, authorize).await
    }

    /// The right of an operator to view requests.
    pub fn authorize_operator_reader(&self, operator: &Operator) -> ViewGrant {
        ViewGrant { holder: Holder::Operator(operator.clone()), guild: None, is_admin: true }
    }

    /// The one check: Discord's fresh facts must be about this member of this guild and must grant the right. A refusal is audited.
    pub(super) async fn check<T>(
        &self,
        reviewer: &Reviewer,
        facts: Option<&MemberFacts>,
        attempt: Attempt,
        authorize: impl FnOnce(&MemberFacts, &Guild, Timestamp) -> Result<T, ErrorCode>,
    ) -> Result<T, UseCaseError> {
        let guild = self.config().guild(reviewer.guild_id).ok_or(ErrorCode::NotModerator)?;
        let checked = facts
            .filter(|member| member.user_id == reviewer.user_id && member.guild_id == guild.id)
            .ok_or(ErrorCode::NotModerator)
            .and_then(|member| authorize(member, guild, self.clock().now()));
        let error_code = match checked {
            Ok(right) => return Ok(right),
            Err(error_code) => error_code,
        };
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        let entry = Entry::new(Event::PressRefused, reviewer.via, actor).in_guild(guild.id);
        let entry = attempt.describe(&mut tx, entry.because(error_code)).await?;
        tx.audit(entry);
        tx.commit("press_refused").await?;
        Err(match (attempt, error_code) {
            (Attempt::Admin(_), ErrorCode::NotModerator) => {
                UseCaseError::with(error_code, Details::AdminsOnly)
            }
            (_, _) => error_code.into(),
        })
    }

    /// Audits a view by an admin: one row for each person seen, or a single row if there was none. Nothing is shown before this has
    /// committed.
    pub(super) async fn record_view(&self, admin: &Admin, seen: &[PersonId]) -> Result<(), UseCaseError> {
        let mut tx = self.store().begin().await?;
        let actor = admin.actor(&mut tx).await?;
        let entry = || {
            let entry = Entry::new(Event::AdminViewed, admin.source(), actor.clone());
            let entry = entry.becoming(admin.purpose.code());
            match admin.guild {
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

impl Accounts {
    /// Audits that a moderator or admin viewed the personal texts of a request.
    pub(super) async fn record_text_view(
        &self,
        grant: &ViewGrant,
        request: &Request,
    ) -> Result<(), UseCaseError> {
        let mut tx = self.store().begin().await?;
        let actor = grant.holder.actor(&mut tx).await?;
        tx.audit(
            Entry::new(Event::AdminViewed, grant.holder.source(), actor)
                .becoming("request.texts")
                .about(request.person_id)
                .in_guild(request.guild_id)
                .of_request(request.id),
        );
        tx.commit("admin_viewed").await?;
        Ok(())
    }
}

/// Who acts, for the audit log: the operator at the command line, otherwise the member's person.
pub(super) async fn actor_of(tx: &mut Tx, reviewer: &Reviewer) -> Result<Actor, StoreError> {
    if let (Source::Cli, Some(login)) = (reviewer.via, &reviewer.cli_login) {
        return Ok(Actor::Cli(login.clone()));
    }
    let person = tx.ensure_person(reviewer.user_id, reviewer.lang.tag()).await?;
    Ok(Actor::Person(person.id))
}
