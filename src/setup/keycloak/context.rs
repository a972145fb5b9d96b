//! What every part of `setup keycloak` shares: its input, its report, its errors, and the way to make one change.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::documents::{FieldChange, changes_to, merged};
use crate::config;
use crate::keycloak::{Admin, KeycloakError};

/// Why set-up stopped. The same command continues where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Keycloak did not answer, or refused.
    #[error("could not bring keycloak to the wanted state")]
    Keycloak(#[from] KeycloakError),
    /// The file of the client secret or the report could not be written.
    #[error("could not {doing}")]
    Io {
        /// What failed.
        doing: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Something blocks set-up that only a person may change.
    #[error("{0}")]
    Blocked(String),
}

/// The flags of `accolade setup keycloak`.
#[derive(Clone, Debug)]
pub struct Args {
    /// `--apply`: make the changes. Without it, only list them.
    pub mode: Mode,
    /// `--admin-user`, of the realm `master`.
    pub admin_user: String,
    /// `--admin-password-file`, or typed at the terminal.
    pub admin_password: SecretString,
    /// `--federation-bind-dn`: the entry that Keycloak binds as.
    pub federation_bind_dn: String,
    /// `--federation-bind-password-file`
    pub federation_bind_password: SecretString,
    /// `--federation-url`: the directory's address for Keycloak. Default: `[directory] url`.
    pub federation_url: Option<Url>,
    /// `--rights`. `None` keeps the realm's way, and uses roles in a new realm.
    pub rights: Option<Rights>,
    /// `--close-profile`: nobody edits names, address and Discord id in Keycloak any more.
    pub profile: ProfileMode,
    /// `--accept-narrowing`
    pub narrowing: Narrowing,
    /// `--mail-texts`: what happens to the texts of the mail with the link.
    pub mail_texts: MailTextsMode,
    /// `--json`
    pub output: Output,
}

/// Whether set-up changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only list the changes.
    Plan,
    /// Make the changes.
    Apply,
}

/// How the service client gets its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// By the roles `manage-users` and `view-events`.
    Roles,
    /// By fine-grained permissions on users and groups, and the role `view-events`.
    FineGrained,
}

/// What set-up does with the names and the address in the user profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileMode {
    /// Leave them as they are.
    Keep,
    /// Close them for everyone: the directory is their only source, and Keycloak stops validating them.
    Close,
}

/// Whether set-up makes changes to a federation after which people are no longer seen, get another user, or are written by Keycloak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowing {
    /// It stops before them.
    Refused,
    /// The operator has read who is affected.
    Accepted,
}

/// What set-up does with the texts of the mail with the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTextsMode {
    /// Set them where nobody else did.
    Fill,
    /// Set them also over texts of somebody else.
    Replace,
    /// Leave them as they are.
    Keep,
}

/// The format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// The part of the configuration that set-up needs. `federation_id`, `group_mapper_id` and the file of the client secret may be
/// missing, because set-up creates them.
#[derive(Clone, Debug)]
pub struct SetupInput {
    /// `[keycloak] url`
    pub url: Url,
    /// `[keycloak] public_url`
    pub public_url: Url,
    /// `[keycloak] realm`
    pub realm: String,
    /// `[keycloak] client_id`
    pub client_id: String,
    /// `[keycloak] client_secret_file`: the secret is written here, with mode 0600.
    pub client_secret_file: PathBuf,
    /// `[keycloak] ca_file`
    pub ca_file: Option<PathBuf>,
    /// `[keycloak] plaintext_on_loopback`
    pub plaintext_on_loopback: bool,
    /// `[keycloak] mail_client_id`
    pub mail_client_id: String,
    /// `[keycloak] mail_redirect_uri`
    pub mail_redirect_uri: Url,
    /// `[keycloak] community_name`
    pub community_name: Option<String>,
    /// `[keycloak] first_link_lifespan`
    pub first_link_lifespan: std::time::Duration,
    /// `[keycloak] federation_id`, if there is one yet.
    pub federation_id: Option<String>,
    /// `[directory]`. Its bind password is not read.
    pub directory: config::Directory,
}

/// What set-up found and did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    /// The value for `[keycloak] federation_id`. `None` if a plan found no federation.
    pub federation_id: Option<String>,
    /// The value for `[keycloak] group_mapper_id`. `None` if a plan found no mapper.
    pub group_mapper_id: Option<String>,
    /// One line for each object that was, or would be, created, and for each setting that was, or would be, changed. The dangerous ones
    /// come first. Empty on a second run.
    pub changes: Vec<String>,
    /// Who is affected by dangerous changes.
    pub warnings: Vec<String>,
    /// Objects that needed no change.
    pub unchanged: Vec<String>,
    /// Advice on what a person must do.
    pub hints: Vec<String>,
}

/// What every part of set-up works with.
pub(super) struct SetupContext<'a> {
    pub(super) admin: &'a Admin,
    pub(super) args: &'a Args,
    pub(super) input: &'a SetupInput,
    pub(super) report: Report,
    /// Changes that come first in the report.
    pub(super) dangerous: Vec<String>,
}

impl SetupContext<'_> {
    /// Records that an object is missing. `true` if it must be created now.
    pub(super) fn must_create(&mut self, what: &str) -> bool {
        self.must_do(&["create ", what].concat())
    }

    /// Records a change. `true` if it must be made now.
    pub(super) fn must_do(&mut self, change: &str) -> bool {
        self.report.changes.push(change.to_owned());
        self.args.mode == Mode::Apply
    }

    /// Records the changes of a document, one line each, dangerous ones in front of all others. `true` if they must be made now.
    pub(super) fn must_change(&mut self, what: &str, changes: &[FieldChange]) -> bool {
        for change in changes {
            let line = ["change ", what, ": ", &change.shown()].concat();
            let lines = if change.loosens() { &mut self.dangerous } else { &mut self.report.changes };
            lines.push(line);
        }
        self.args.mode == Mode::Apply
    }

    pub(super) fn note_unchanged(&mut self, what: &str) {
        self.report.unchanged.push(what.to_owned());
    }

    /// The segments of `/admin/realms/<realm>/…`.
    pub(super) fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        ["admin", "realms", &self.input.realm].into_iter().chain(rest.iter().copied()).collect()
    }

    /// Sets the fields that `wanted` names, and keeps all others.
    pub(super) async fn ensure_document(
        &mut self,
        what: &str,
        path: &[&str],
        current: Value,
        wanted: &Value,
    ) -> Result<(), SetupError> {
        let changes = changes_to(&current, wanted);
        if changes.is_empty() {
            self.note_unchanged(what);
            return Ok(());
        }
        if self.must_change(what, &changes) {
            let body = merged(current, wanted);
            self.admin.put("change a document", &self.path(path), &body).await?;
        }
        Ok(())
    }
}
