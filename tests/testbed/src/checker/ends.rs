//! I11: a person who was told that their account ends can't log in anywhere: not at the directory, not at Keycloak, not with an open
//! session, and not with a mailed link.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::told::word_after;
use super::{Rule, Violation, note};
use crate::browser::{self, Login, Outcome};
use crate::db_inspector::{DbInspector, text_of};
use crate::keycloak::Keycloak;
use crate::slapd::Slapd;

/// What tells a person that their account ends, and whether the words before it name the request or the account.
const ENDS: [(&str, Named); 3] = [
    ("has been cancelled", Named::Request),
    ("is being locked now", Named::Account),
    ("is locked: the password no longer works", Named::Account),
];

#[derive(Clone, Copy)]
enum Named {
    Request,
    Account,
}

/// The user names of all people who were told that their account ends.
pub async fn told(log: &Value, store: &DbInspector) -> Result<BTreeSet<String>> {
    let requests = store.rows("SELECT code, username FROM request").await?;
    let mut names = BTreeSet::new();
    for message in log["messages"].as_array().into_iter().flatten() {
        let text = message["content"].as_str().unwrap_or_default();
        match ENDS.iter().find(|(words, _)| text.contains(words)) {
            Some((_, Named::Request)) => {
                let code = word_after(text, "our request ");
                let of_code = requests.iter().filter(|row| code == Some(text_of(&row["code"]).as_str()));
                names.extend(of_code.map(|row| text_of(&row["username"])));
            }
            Some((_, Named::Account)) => names.extend(word_after(text, "our account ").map(str::to_owned)),
            None => {}
        }
    }
    // The name of an old request may be erased.
    names.remove("");
    Ok(names)
}

/// What a person has to get in.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The user name.
    pub username: String,
    /// The password that they set, or would set with their link.
    pub password: String,
    /// The refresh token of their last login.
    pub refresh_token: Option<String>,
    /// The last link that was mailed to them.
    pub link: Option<String>,
}

/// Where people log in.
#[derive(Clone, Copy, Debug)]
pub struct Doors<'a> {
    /// The directory.
    pub slapd: &'a Slapd,
    /// Keycloak.
    pub keycloak: &'a Keycloak,
    /// The realm.
    pub realm: &'a str,
    /// A public client of the realm.
    pub client_id: &'a str,
    /// Where that client is sent back to.
    pub redirect_uri: &'a str,
}

impl Doors<'_> {
    /// Tries the password at the directory.
    pub async fn try_bind(&self, keys: &Keys, found: &mut Vec<Violation>) -> Result<()> {
        let dn = self.slapd.person_dn(&keys.username);
        if self.slapd.bind_works(&dn, &keys.password).await.context("try a bind")? {
            let what =
                format!("{} was told that the account ends, and the directory lets them in", keys.username);
            note(found, Rule::EndsHold, what);
        }
        Ok(())
    }

    /// Tries the link, then the session, then a login at Keycloak.
    pub async fn try_keycloak(&self, keys: &Keys, found: &mut Vec<Violation>) -> Result<()> {
        let url = &self.keycloak.public_url;
        let mut open = Vec::new();
        if let Some(link) = &keys.link
            && browser::follow_action_link(link, &keys.password).await.context("try a link")?
                == Outcome::PasswordSet
        {
            open.push("the mailed link sets a password");
        }
        if let Some(token) = &keys.refresh_token
            && let Login::Tokens(_) = browser::refresh(url, self.realm, self.client_id, token).await?
        {
            open.push("the session goes on");
        }
        let (username, password) = (&keys.username, &keys.password);
        let login =
            browser::login_by_code(url, self.realm, self.client_id, self.redirect_uri, username, password);
        if let Login::Tokens(_) = login.await.context("try a login")? {
            open.push("Keycloak lets them in");
        }
        for what in open {
            note(found, Rule::EndsHold, format!("{username} was told that the account ends, and {what}"));
        }
        Ok(())
    }
}
