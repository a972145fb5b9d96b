//! `accolade setup keycloak`: realm, LDAP federation, mappers, user profile, clients and rights, idempotently.

mod clients;
mod documents;
mod federation;
mod permissions;
mod realm;
mod rights;

use std::io::Write;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::keycloak::{Admin, AdminServer, KeycloakError};

/// Why set-up stopped. Running it again, with the same flags, goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Keycloak did not answer, or refused.
    #[error("could not bring keycloak to the wanted state")]
    Keycloak(#[from] KeycloakError),
    /// The file of the client secret could not be written, or the report could not be printed.
    #[error("could not {doing}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something there stands in the way, and only a person may remove it.
    #[error("{0}")]
    InTheWay(String),
}

/// The flags of `accolade setup keycloak`.
#[derive(Clone, Debug)]
pub struct Args {
    /// `--apply`: change; without it only say what would be changed.
    pub mode: Mode,
    /// `--admin-user`, of the realm `master`.
    pub admin_user: String,
    /// `--admin-password-file`, or typed at the terminal.
    pub admin_password: SecretString,
    /// `--federation-bind-dn`: the entry that Keycloak binds as.
    pub federation_bind_dn: String,
    /// `--federation-bind-password-file`
    pub federation_bind_password: SecretString,
    /// `--federation-url`: where Keycloak reaches the directory; default: `[directory] url`.
    pub federation_url: Option<Url>,
    /// `--rights`; `None`: as the realm has it, and by roles in a new one.
    pub rights: Option<Rights>,
    /// `--json`
    pub output: Output,
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only say what would be done.
    Plan,
    /// Do it.
    Apply,
}

/// How the service client gets its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// By the roles `manage-users` and `view-events`.
    Roles,
    /// By fine-grained permissions on people and groups, and the role `view-events`.
    FineGrained,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// The part of the configuration that set-up needs. `federation_id`, `group_mapper_id` and the file of the client
/// secret may not exist yet: they are what set-up makes.
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
    /// `[keycloak] client_secret_file`: where the secret is written, mode 0600.
    pub client_secret_file: PathBuf,
    /// `[keycloak] ca_file`
    pub ca_file: Option<PathBuf>,
    /// `[keycloak] plaintext_on_loopback`
    pub plaintext_on_loopback: bool,
    /// `[keycloak] mail_client_id`
    pub mail_client_id: String,
    /// `[keycloak] mail_redirect_uri`
    pub mail_redirect_uri: Url,
    /// `[keycloak] first_link_lifespan`
    pub first_link_lifespan: std::time::Duration,
    /// `[directory] url`, as the bot reaches it.
    pub directory_url: Url,
    /// `[directory] start_tls`
    pub start_tls: bool,
    /// `[directory] people_dn`
    pub people_dn: String,
    /// `[directory] groups_dn`
    pub groups_dn: String,
    /// `[directory] discord_id_attribute`
    pub discord_id_attribute: String,
    /// `[directory] flavour`
    pub flavour: crate::config::Flavour,
}

/// What was found and done.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    /// For `[keycloak] federation_id`; `None` when a plan found none.
    pub federation_id: Option<String>,
    /// For `[keycloak] group_mapper_id`; `None` when a plan found none.
    pub group_mapper_id: Option<String>,
    /// One line for each thing that was, or would be, created or changed. Empty on a second run.
    pub changes: Vec<String>,
    /// What was as wanted.
    pub unchanged: Vec<String>,
    /// What set-up leaves to a person.
    pub hints: Vec<String>,
}

/// Runs the command and prints the report to `out`. An error means exit code 1; what was done until then stays, and
/// the next run goes on from there.
pub async fn run(
    args: &Args,
    input: &SetupInput,
    out: &mut (dyn Write + Send),
) -> Result<Report, SetupError> {
    let report = bring_to_wanted_state(args, input).await?;
    print(&report, args, out).map_err(|source| SetupError::Io { doing: "print the report", source })?;
    Ok(report)
}

async fn bring_to_wanted_state(args: &Args, input: &SetupInput) -> Result<Report, SetupError> {
    if input.realm == "master" {
        return Err(SetupError::InTheWay(
            "the realm `master` is for administrators: choose another in [keycloak] realm".to_owned(),
        ));
    }
    if args.federation_bind_password.expose_secret().is_empty() {
        return Err(SetupError::InTheWay("the federation's bind password is empty".to_owned()));
    }
    let server = AdminServer {
        url: &input.url,
        public_url: &input.public_url,
        ca_file: input.ca_file.as_deref(),
        plaintext_on_loopback: input.plaintext_on_loopback,
    };
    let admin = Admin::new(server, &args.admin_user, args.admin_password.clone())?;
    let mut context = SetupContext { admin: &admin, args, input, report: Report::default() };
    let realm = realm::ensure(&mut context).await?;
    let federation = federation::ensure(&mut context, realm.as_ref()).await?;
    let group_mapper = federation::ensure_mappers(&mut context, federation.as_ref()).await?;
    realm::ensure_profile(&mut context, realm.as_ref()).await?;
    clients::ensure_service_client(&mut context, realm.as_ref()).await?;
    clients::ensure_mail_client(&mut context, realm.as_ref()).await?;
    federation::import_groups(&mut context, federation.as_ref(), group_mapper.as_ref()).await?;
    let mut report = context.report;
    report.federation_id = federation;
    report.group_mapper_id = group_mapper;
    Ok(report)
}

/// What every part of set-up works with.
struct SetupContext<'a> {
    admin: &'a Admin,
    args: &'a Args,
    input: &'a SetupInput,
    report: Report,
}

impl SetupContext<'_> {
    /// Notes a thing that is not there. `true` if it is to be made now.
    fn must_create(&mut self, what: &str) -> bool {
        self.must_do(&["create ", what].concat())
    }

    /// Notes a change. `true` if it is to be made now.
    fn must_do(&mut self, change: &str) -> bool {
        self.report.changes.push(change.to_owned());
        self.args.mode == Mode::Apply
    }

    fn note_unchanged(&mut self, what: &str) {
        self.report.unchanged.push(what.to_owned());
    }

    /// `/admin/realms/<realm>/…`
    fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        ["admin", "realms", &self.input.realm].into_iter().chain(rest.iter().copied()).collect()
    }

    /// Brings the fields that `wanted` names to its values, and gives all others back as they were.
    async fn ensure_document(
        &mut self,
        what: &str,
        path: &[&str],
        current: Value,
        wanted: &Value,
    ) -> Result<(), SetupError> {
        let differences = documents::differences(&current, wanted);
        if differences.is_empty() {
            self.note_unchanged(what);
            return Ok(());
        }
        let shown: Vec<String> = differences.iter().map(documents::Difference::shown).collect();
        if self.must_do(&["change ", what, ": ", &shown.join(", ")].concat()) {
            let body = documents::merged(current, wanted);
            self.admin.put("change a document", &self.path(path), &body).await?;
        }
        Ok(())
    }
}

fn print(report: &Report, args: &Args, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    match args.output {
        Output::Json => {
            serde_json::to_writer(&mut *out, report)?;
            writeln!(out)
        }
        Output::Text => print_text(report, args.mode, out),
    }
}

fn print_text(report: &Report, mode: Mode, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let sign = match mode {
        Mode::Plan => "would ",
        Mode::Apply => "",
    };
    for change in &report.changes {
        writeln!(out, "{sign}{change}")?;
    }
    for what in &report.unchanged {
        writeln!(out, "unchanged: {what}")?;
    }
    for hint in &report.hints {
        writeln!(out, "note: {hint}")?;
    }
    if let (Some(federation), Some(mapper)) = (&report.federation_id, &report.group_mapper_id) {
        writeln!(out, "\n[keycloak]\nfederation_id = \"{federation}\"\ngroup_mapper_id = \"{mapper}\"")?;
    }
    Ok(())
}
