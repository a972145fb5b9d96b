//! `accolade setup keycloak`: uses an administrator's credentials once and stores them nowhere.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use url::Url;

use super::exit::Exit;
use super::password::ask_password;
use super::prepare::small_runtime;
use super::print::Printer;
use crate::config::{self, ForSetup};
use crate::setup::keycloak::{self, MailTextsMode, Mode, Narrowing, Output, ProfileMode, Rights, SetupInput};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Flags {
    /// Apply the changes; without it they are only printed
    #[arg(long)]
    apply: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// An administrator of the realm `master`
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin_user: String,
    /// The file with the administrator's password; without it, asks on the terminal
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,
    /// The entry that Keycloak binds as
    #[arg(long, value_name = "DN")]
    federation_bind_dn: String,
    /// The file with that entry's password
    #[arg(long, value_name = "FILE")]
    federation_bind_password_file: PathBuf,
    /// The URL at which Keycloak reaches the directory, if it differs from the bot's
    #[arg(long, value_name = "URL")]
    federation_url: Option<Url>,
    /// How the service client gets its rights [default: as in the realm, or roles in a new realm]
    #[arg(long, value_enum, value_name = "WAY")]
    rights: Option<RightsMode>,
    /// Let nobody edit names, address and Discord id in Keycloak: the directory is their only source
    #[arg(long)]
    close_profile: bool,
    /// Also make changes after which the federation shows fewer people, gives them other users, or writes to the directory
    #[arg(long)]
    accept_narrowing: bool,
    /// What happens to the texts of the mail with the link
    #[arg(long, value_enum, value_name = "WAY", default_value_t = MailTexts::Fill)]
    mail_texts: MailTexts,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MailTexts {
    /// Set them, unless somebody else wrote such texts or made a theme
    Fill,
    /// Set them over those of somebody else, too
    Replace,
    /// Leave them as they are
    Keep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RightsMode {
    /// The roles `manage-users` and `view-events`
    Roles,
    /// Permissions on people and groups, and the role `view-events`: the client can grant no groups and no roles
    FineGrained,
}

/// `setup keycloak`
pub(super) fn run(file: &Path, flags: &Flags, printer: &mut Printer) -> Exit {
    let input = match config::load_for_setup(file) {
        Ok(parts) => input(parts),
        Err(error) => return printer.fault(Exit::Usage, error),
    };
    let args = match arguments(flags) {
        Ok(args) => args,
        Err(text) => return printer.fault(Exit::Usage, text),
    };
    let runtime = match small_runtime(printer) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    match runtime.block_on(keycloak::run(&args, &input, printer.out())) {
        Ok(report) if args.mode == Mode::Plan && !report.changes.is_empty() => Exit::Differences,
        Ok(_) => Exit::Done,
        Err(error) => printer.failure("set-up stopped", &error),
    }
}

fn arguments(flags: &Flags) -> Result<keycloak::Args, String> {
    Ok(keycloak::Args {
        mode: if flags.apply { Mode::Apply } else { Mode::Plan },
        admin_user: flags.admin_user.clone(),
        admin_password: match &flags.admin_password_file {
            Some(file) => config::read_secret_file(file)?,
            None => ask_password(&flags.admin_user)?,
        },
        federation_bind_dn: flags.federation_bind_dn.clone(),
        federation_bind_password: config::read_secret_file(&flags.federation_bind_password_file)?,
        federation_url: flags.federation_url.clone(),
        rights: flags.rights.map(|mode| match mode {
            RightsMode::Roles => Rights::Roles,
            RightsMode::FineGrained => Rights::FineGrained,
        }),
        profile: if flags.close_profile { ProfileMode::Close } else { ProfileMode::Keep },
        narrowing: if flags.accept_narrowing { Narrowing::Accepted } else { Narrowing::Refused },
        mail_texts: match flags.mail_texts {
            MailTexts::Fill => MailTextsMode::Fill,
            MailTexts::Replace => MailTextsMode::Replace,
            MailTexts::Keep => MailTextsMode::Keep,
        },
        output: if flags.json { Output::Json } else { Output::Text },
    })
}

fn input(parts: ForSetup) -> SetupInput {
    let ForSetup { directory, keycloak, client_secret_file } = parts;
    SetupInput {
        url: keycloak.url,
        public_url: keycloak.public_url,
        realm: keycloak.realm,
        client_id: keycloak.client_id,
        client_secret_file,
        ca_file: keycloak.ca_file,
        plaintext_on_loopback: keycloak.plaintext_on_loopback,
        mail_client_id: keycloak.mail_client_id,
        mail_redirect_uri: keycloak.mail_redirect_uri,
        community_name: keycloak.community_name,
        first_link_lifespan: keycloak.first_link_lifespan,
        federation_id: Some(keycloak.federation_id).filter(|id| !id.is_empty()),
        directory,
    }
}
