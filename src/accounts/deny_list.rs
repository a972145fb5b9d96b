//! The deny list: people, addresses and domains that get no account. Only keyed hashes of them are stored.

use std::time::Duration;

use super::authority::Admin;
use super::context::Accounts;
use super::error::UseCaseError;
use crate::domain::audit::{Entry, Event};
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::mail_address::{IllegalMailAddress, MailAddress, ascii_domain};
use crate::store::{DenyKind, NewDeny, StoreError, Tx};

/// A target of the deny list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyTarget {
    /// A Discord user.
    Person(DiscordUserId),
    /// A mail address.
    Address(MailAddress),
    /// A mail domain, in lower case, with its subdomains.
    Domain(String),
}

impl DenyTarget {
    /// A domain as typed, in its ASCII form.
    pub fn domain(typed: &str) -> Result<Self, IllegalMailAddress> {
        ascii_domain(typed.trim().trim_start_matches('@')).map(Self::Domain)
    }

    fn kind(&self) -> DenyKind {
        match self {
            Self::Person(_) => DenyKind::Person,
            Self::Address(_) => DenyKind::Address,
            Self::Domain(_) => DenyKind::Domain,
        }
    }

    fn value(&self) -> String {
        match self {
            Self::Person(id) => id.to_string(),
            Self::Address(address) => address.folded(),
            Self::Domain(domain) => domain.clone(),
        }
    }
}

/// One line of the deny list. What is denied is stored as a keyed hash and cannot be shown.
#[derive(Clone, Debug)]
pub struct DenyLine {
    /// The keyed hash, in hexadecimal: the key for `after`.
    pub key: String,
    /// `person`, `address` or `domain`.
    pub kind: &'static str,
    /// When it ends; `None` means never.
    pub until: Option<Timestamp>,
    /// Who added it: `cli:<login>` or a person's id.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why, as typed.
    pub reason: Option<String>,
}

impl Accounts {
    /// Adds a target to the list, or changes its entry.
    pub async fn deny_add(
        &self,
        admin: &Admin,
        target: &DenyTarget,
        lasts: Option<Duration>,
        reason: &str,
    ) -> Result<(), UseCaseError> {
        let reason = Some(reason.trim()).filter(|reason| !reason.is_empty()).map(str::to_owned);
        let mut tx = self.store().begin().await?;
        let actor = admin.actor(&mut tx).await?;
        tx.add_denial(NewDeny {
            kind: target.kind(),
            value: target.value(),
            until: lasts.map(|span| self.clock().now().after(span)),
            reason: reason.clone(),
            actor: actor.clone(),
        })
        .await?;
        let entry = Entry::new(Event::DenyAdded, admin.source(), actor);
        let mut entry = describe(&mut tx, entry, target).await?;
        entry.personal = reason;
        tx.audit(entry);
        tx.commit("deny_list").await?;
        Ok(())
    }

    /// Removes a target from the list; returns `false` if it was not on it.
    pub async fn deny_remove(&self, admin: &Admin, target: &DenyTarget) -> Result<bool, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let was_there = tx.remove_denial(target.kind(), &target.value()).await?;
        if was_there {
            let actor = admin.actor(&mut tx).await?;
            let entry = Entry::new(Event::DenyRemoved, admin.source(), actor);
            let entry = describe(&mut tx, entry, target).await?;
            tx.audit(entry);
            tx.commit("deny_list").await?;
        }
        Ok(was_there)
    }

    /// A page of the list, after the line with the key `after`.
    pub async fn deny_list(
        &self,
        admin: &Admin,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DenyLine>, UseCaseError> {
        let mut view = self.store().read().await?;
        let denials = view.denials(after, limit).await?;
        tracing::info!(admin = admin.name(), "the deny list was read");
        Ok(denials
            .into_iter()
            .map(|denial| DenyLine {
                key: denial.key,
                kind: denial.kind.code(),
                until: denial.until,
                actor: denial.actor.text(),
                at: denial.at,
                reason: denial.reason,
            })
            .collect())
    }
}

/// Adds the kind of target to the audit row, and the target itself only if it is a person that we have an id for.
async fn describe(tx: &mut Tx, entry: Entry, target: &DenyTarget) -> Result<Entry, StoreError> {
    let entry = entry.becoming(target.kind().code());
    let DenyTarget::Person(discord_id) = target else { return Ok(entry) };
    Ok(match tx.person_of(*discord_id).await? {
        Some(person) => entry.about(person.id),
        None => entry,
    })
}
