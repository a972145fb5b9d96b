//! `accolade setup …`: an administrator's credentials are asked for, used once and kept nowhere.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use secrecy::SecretString;
use url::Url;

use super::print::Printer;
use super::{Exit, small_runtime};
use crate::config::{self, ForSetup};
use crate::setup::keycloak::{self, Mode, Output, Rights, SetupInput};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make or correct the realm, the LDAP federation, the clients and their rights
    Keycloak(KeycloakFlags),
    /// Print the rights, overlays and first entries that the directory needs, or try them
    Directory(super::setup_outside::DirectoryFlags),
    /// Compare the application's settings at Discord, and print the address that invites the bot
    Discord(super::setup_outside::DiscordFlags),
}

#[derive(Debug, Args)]
pub(super) struct KeycloakFlags {
    /// Change what differs; without it only say what would be changed
    #[arg(long)]
    apply: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// An administrator of the realm `master`
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin_user: String,
    /// The file with the administrator's password; without it the terminal asks
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,
    /// The entry that Keycloak binds as
    #[arg(long, value_name = "DN")]
    federation_bind_dn: String,
    /// The file with that entry's password
    #[arg(long, value_name = "FILE")]
    federation_bind_password_file: PathBuf,
    /// Where Keycloak reaches the directory, if not where the bot does
    #[arg(long, value_name = "URL")]
    federation_url: Option<Url>,
    /// How the service client gets its rights; without it as the realm has it, and by roles in a new one
    #[arg(long, value_enum, value_name = "WAY")]
    rights: Option<Way>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// By the roles `manage-users` and `view-events`
    Roles,
    /// By permissions on people and groups, and the role `view-events`: no groups, no roles for anybody
    FineGrained,
}

/// `setup keycloak`
pub(super) fn keycloak(file: &Path, flags: &KeycloakFlags, printer: &mut Printer) -> Exit {
    let input = match config::load_for_setup(file) {
        Ok(parts) => input(parts),
        Err(refused) => return printer.fault(Exit::Usage, refused),
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

fn arguments(flags: &KeycloakFlags) -> Result<keycloak::Args, String> {
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
        rights: flags.rights.map(|way| match way {
            Way::Roles => Rights::Roles,
            Way::FineGrained => Rights::FineGrained,
        }),
        output: if flags.json { Output::Json } else { Output::Text },
    })
}

pub(super) fn ask_password(user: &str) -> Result<SecretString, String> {
    let prompt = ["Password of ", user, ": "].concat();
    let typed = rpassword::prompt_password(prompt).map_err(|_| {
        "there is no terminal to ask for the password; give `--admin-password-file FILE`".to_owned()
    })?;
    if typed.is_empty() {
        return Err("no password was typed".to_owned());
    }
    Ok(SecretString::from(typed))
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
        first_link_lifespan: keycloak.first_link_lifespan,
        directory_url: directory.url,
        start_tls: directory.start_tls,
        people_dn: directory.people_dn,
        groups_dn: directory.groups_dn,
        discord_id_attribute: directory.discord_id_attribute,
        flavour: directory.flavour,
    }
}
