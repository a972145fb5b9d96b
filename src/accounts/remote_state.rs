//! Reads the current state of one account in the directory and Keycloak. It changes neither.

use super::context::Accounts;
use super::error::Chain;
use crate::directory::{By, Directory, DirectoryError, Entry};
use crate::domain::account::{Account, Mark};
use crate::domain::link::{EntryFacts, Lookup, UserFacts};
use crate::keycloak::{Import, Keycloak, KeycloakError, User};

impl Accounts {
    /// The account's entry, found by its recorded permanent id, otherwise by our mark or, if an id is recorded, by the user name.
    pub(super) async fn look_up_entry(&self, account: &Account) -> Lookup<EntryFacts> {
        let Some(directory) = &self.clients().directory else { return Lookup::NotChecked };
        match look_for_entry(directory, account).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "an entry could not be compared");
                Lookup::NotChecked
            }
        }
    }

    /// The account's Keycloak user: found by its recorded id, otherwise as Keycloak's import of our entry.
    pub(super) async fn look_up_user(&self, account: &Account) -> Lookup<UserFacts> {
        let Some(keycloak) = &self.clients().keycloak else { return Lookup::NotChecked };
        match look_for_user(keycloak, account, &self.config().keycloak.federation_id).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "a Keycloak user could not be compared");
                Lookup::NotChecked
            }
        }
    }
}

async fn look_for_entry(
    directory: &Directory,
    account: &Account,
) -> Result<Lookup<EntryFacts>, DirectoryError> {
    if let Some(id) = &account.directory_id
        && let Some(entry) = directory.find(By::DirectoryId(id)).await?.pop()
    {
        return Ok(Lookup::Found(facts_of_entry(directory, entry).await));
    }
    let mut others = directory.find(By::Mark(Mark::of(account.id))).await?;
    if others.is_empty() && account.directory_id.is_some() {
        others = directory.find(By::Username(&account.username)).await?;
    }
    Ok(match (others.pop(), &account.directory_id) {
        (Some(entry), Some(_)) => Lookup::Replaced(facts_of_entry(directory, entry).await),
        (Some(entry), None) => Lookup::Found(facts_of_entry(directory, entry).await),
        (None, Some(_)) => Lookup::Gone,
        (None, None) => Lookup::Nothing,
    })
}

async fn facts_of_entry(directory: &Directory, entry: Entry) -> EntryFacts {
    let groups = directory.groups_of(&entry).await;
    let groups = groups.map_err(|error| tracing::warn!(error = %Chain(&error), "groups could not be read"));
    EntryFacts {
        directory_id: entry.directory_id,
        username: entry.username,
        address: entry.address,
        discord_id: entry.discord_id,
        mark: entry.mark,
        is_locked: entry.is_locked,
        password_changed_at: entry.password_changed_at,
        groups: groups.ok(),
    }
}

async fn look_for_user(
    keycloak: &Keycloak,
    account: &Account,
    federation_id: &str,
) -> Result<Lookup<UserFacts>, KeycloakError> {
    let Some(recorded) = &account.keycloak_id else {
        // Another federation may have made a user of the entry, which the worker never records.
        let Some(entry) = &account.directory_id else { return Ok(Lookup::Nothing) };
        let Import::Elsewhere(id) = keycloak.find_import(&account.username, entry).await? else {
            return Ok(Lookup::Nothing);
        };
        let user = keycloak.person(&id).await?;
        return Ok(match user {
            Some(user) => Lookup::Found(facts_of_user(keycloak, user, federation_id).await),
            None => Lookup::Nothing,
        });
    };
    if let Some(user) = keycloak.person(recorded).await? {
        return Ok(Lookup::Found(facts_of_user(keycloak, user, federation_id).await));
    }
    // A search by name makes Keycloak import the entry, as any login would.
    let Some(entry) = &account.directory_id else { return Ok(Lookup::Gone) };
    let Import::Ours(id) = keycloak.find_import(&account.username, entry).await? else {
        return Ok(Lookup::Gone);
    };
    Ok(match keycloak.person(&id).await? {
        Some(user) => Lookup::Replaced(facts_of_user(keycloak, user, federation_id).await),
        None => Lookup::Gone,
    })
}

async fn facts_of_user(keycloak: &Keycloak, user: User, federation_id: &str) -> UserFacts {
    let groups = keycloak.groups(&user.id).await;
    let groups = groups.map_err(|error| tracing::warn!(error = %Chain(&error), "groups could not be read"));
    UserFacts {
        keycloak_id: user.id,
        username: user.username,
        address: user.address,
        is_enabled: user.enabled,
        is_of_our_federation: user.federation_link.as_deref() == Some(federation_id),
        directory_id: user.directory_id,
        groups: groups.ok(),
    }
}
