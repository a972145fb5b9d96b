//! The floor of `./dev bench`: a serenity program without a store that opens the form, answers its submission and updates the message on
//! `Send`. No bot on this library can acknowledge faster, so the product's times are measured in multiples of this program's.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serenity::all::{
    ActionRowComponent, ButtonStyle, ClientBuilder, CommandOptionType, Context, CreateActionRow,
    CreateButton, CreateCommand, CreateCommandOption, CreateInputText, CreateInteractionResponse,
    CreateInteractionResponseMessage, CreateModal, EventHandler, GatewayIntents, GuildId, Http, HttpBuilder,
    InputTextStyle, Interaction, ModalInteraction, Ready,
};
use serenity::async_trait;

/// The fields of the product's form: name, label, and whether Discord requires them.
const FIELDS: [(&str, &str, bool); 5] = [
    ("username", "User name", true),
    ("address", "Mail address", true),
    ("given", "Given name", true),
    ("family", "Family name", true),
    ("answer", "Why?", false),
];

#[derive(Parser)]
struct Arguments {
    /// The file with the bot's token.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The loopback address that replaces discord.com.
    #[arg(long, value_name = "ADDRESS")]
    address: SocketAddr,
    /// The CA (PEM) of that address.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The guild in which the command is registered.
    #[arg(long, value_name = "ID")]
    guild: GuildId,
}

struct Echo {
    guild: GuildId,
}

#[async_trait]
impl EventHandler for Echo {
    async fn ready(&self, context: Context, _: Ready) {
        let request =
            CreateCommandOption::new(CommandOptionType::SubCommand, "request", "Asks for an account");
        let account = CreateCommand::new("account").description("Accounts").add_option(request);
        if let Err(error) = self.guild.set_commands(&context.http, vec![account]).await {
            report(&error);
        }
    }

    async fn interaction_create(&self, context: Context, interaction: Interaction) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "Discord sends no other kind for what is registered"
        )]
        let answered = match interaction {
            Interaction::Command(command) => command.create_response(&context.http, form()).await,
            Interaction::Modal(submit) => submit.create_response(&context.http, draft(&submit)).await,
            Interaction::Component(press) => press.create_response(&context.http, sent()).await,
            _ => Ok(()),
        };
        if let Err(error) = answered {
            report(&error);
        }
    }
}

fn form() -> CreateInteractionResponse {
    let field = |(name, label, required): (&str, &str, bool)| {
        CreateActionRow::InputText(
            CreateInputText::new(InputTextStyle::Short, label, name).required(required),
        )
    };
    let form = CreateModal::new("form", "An account").components(FIELDS.map(field).to_vec());
    CreateInteractionResponse::Modal(form)
}

/// Shows the typed values, with a `Send` button.
fn draft(submit: &ModalInteraction) -> CreateInteractionResponse {
    let rows = submit.data.components.iter().flat_map(|row| &row.components);
    let typed: Vec<&str> = rows
        .filter_map(|part| {
            if let ActionRowComponent::InputText(field) = part { field.value.as_deref() } else { None }
        })
        .collect();
    let send = CreateButton::new("send").label("Send").style(ButtonStyle::Primary);
    let message = CreateInteractionResponseMessage::new()
        .content(typed.join("\n"))
        .ephemeral(true)
        .components(vec![CreateActionRow::Buttons(vec![send])]);
    CreateInteractionResponse::Message(message)
}

/// The product's reply, so that the benchmark recognises it.
fn sent() -> CreateInteractionResponse {
    let message =
        CreateInteractionResponseMessage::new().content("Sent. Your request is ECHO.").components(Vec::new());
    CreateInteractionResponse::UpdateMessage(message)
}

/// Writes an error to the log of the process. The benchmark itself counts missing answers.
fn report(error: &serenity::Error) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "echo-bot: {error}"));
}

/// Sends calls for discord.com to the loopback address under its own CA, as the product does with `discord.endpoint`. Without serenity's
/// rate limiter, because the product answers interactions without it.
fn http(arguments: &Arguments) -> Result<Http> {
    ensure!(arguments.address.ip().is_loopback(), "only a simulated Discord on this machine is called");
    let token = std::fs::read_to_string(&arguments.token_file).context("read the token")?;
    let pem = std::fs::read(&arguments.ca).context("read the CA")?;
    let mut builder = reqwest::Client::builder()
        .use_rustls_tls()
        .https_only(true)
        .no_proxy()
        .tcp_nodelay(true)
        .tls_built_in_root_certs(false)
        .resolve("discord.com", arguments.address);
    for certificate in reqwest::Certificate::from_pem_bundle(&pem).context("understand the CA")? {
        builder = builder.add_root_certificate(certificate);
    }
    let client = builder.build().context("make an HTTP client")?;
    Ok(HttpBuilder::new(token.trim()).client(client).ratelimiter_disabled(true).build())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Both reqwest and the gateway's websocket ask rustls for the provider of the process; a second installation is harmless.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let echo = Echo { guild: arguments.guild };
    let mut client = ClientBuilder::new_with_http(http(&arguments)?, GatewayIntents::GUILDS)
        .event_handler(echo)
        .await
        .context("ask for the gateway")?;
    client.start().await.context("hold the gateway")
}
