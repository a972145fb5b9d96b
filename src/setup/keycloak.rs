//! `accolade setup keycloak`: creates or corrects realm, LDAP federation, mappers, user profile, clients and rights. Idempotent.

mod clients;
mod context;
mod documents;
mod federation;
mod lost;
mod mappers;
mod permissions;
mod realm;
mod rights;
mod settings;
mod texts;

use std::io::Write;

use secrecy::ExposeSecret;

pub use context::{
    Args, MailTextsMode, Mode, Narrowing, Output, ProfileMode, Report, Rights, SetupError, SetupInput,
};

use crate::keycloak::{Admin, AdminServer};
use context::SetupContext;

/// Runs the command and prints the report to `out`. An error means exit code 1: what was done until then stays, and the next run
/// continues from there.
pub async fn run(
    args: &Args,
    input: &SetupInput,
    out: &mut (dyn Write + Send),
) -> Result<Report, SetupError> {
    let report = ensure_all(args, input).await?;
    print(&report, args, out).map_err(|source| SetupError::Io { doing: "print the report", source })?;
    Ok(report)
}

async fn ensure_all(args: &Args, input: &SetupInput) -> Result<Report, SetupError> {
    if input.realm == "master" {
        return Err(SetupError::Blocked(
            "the realm `master` is for administrators: choose another in [keycloak] realm".to_owned(),
        ));
    }
    if args.federation_bind_password.expose_secret().is_empty() {
        return Err(SetupError::Blocked("the federation's bind password is empty".to_owned()));
    }
    let server = AdminServer {
        url: &input.url,
        public_url: &input.public_url,
        ca_file: input.ca_file.as_deref(),
        plaintext_on_loopback: input.plaintext_on_loopback,
    };
    let admin = Admin::new(server, &args.admin_user, args.admin_password.clone())?;
    let mut context =
        SetupContext { admin: &admin, args, input, report: Report::default(), dangerous: Vec::new() };
    let realm = realm::ensure(&mut context).await?;
    let federation = federation::ensure(&mut context, realm.as_ref()).await?;
    let group_mapper = mappers::ensure(&mut context, federation.as_ref()).await?;
    realm::ensure_profile(&mut context, realm.as_ref()).await?;
    let client = clients::ensure_service_client(&mut context, realm.as_ref()).await?;
    rights::ensure(&mut context, client.as_deref()).await?;
    clients::ensure_secret_file(&mut context, client.as_deref()).await?;
    clients::ensure_mail_client(&mut context, realm.as_ref()).await?;
    texts::ensure(&mut context, realm.as_ref()).await?;
    mappers::import_groups(&mut context, federation.as_ref(), group_mapper.as_ref()).await?;
    let mut report = context.report;
    report.changes.splice(0..0, context.dangerous);
    report.federation_id = federation;
    report.group_mapper_id = group_mapper;
    Ok(report)
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
    for warning in &report.warnings {
        writeln!(out, "warning: {warning}")?;
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
