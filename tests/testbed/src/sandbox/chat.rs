//! People in the simulated Discord, driven through its control routes: they type, press, fill in forms and read.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use super::STEP_LIMIT;
use super::place::read_state;
use super::times;
use crate::waiting::wait_until;

/// The members of the sandbox's guild.
const PEOPLE: [&str; 6] = ["ada", "grace", "linus", "edsger", "barbara", "mallory"];

/// The simulated Discord's addresses, and a client for its control routes.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    /// REST for other clients.
    pub(crate) api: String,
    /// The address to which the bot connects.
    pub(crate) tls: String,
    /// The CA of that address.
    pub(crate) ca: String,
    /// The chat page.
    pub(crate) page: String,
    /// The control routes.
    pub(crate) control: String,
    /// The guild of these people.
    pub(crate) guild: String,
    client: reqwest::Client,
}

/// What a person sees after acting.
#[derive(Debug)]
pub(crate) struct Answer(Value);

impl Answer {
    /// What a person at a terminal needs to continue: the text, and the fields of an open form.
    fn for_terminal(&self, person: &str) -> String {
        let Some(fields) = self.modal_fields() else { return self.text() };
        let title = self.0["modal"]["title"].as_str().unwrap_or("A form");
        let pairs: Vec<String> = fields.iter().map(|field| format!("{field}=…")).collect();
        format!("{title}: fill it with\n  ./dev as {person} submit {}", pairs.join(" "))
    }

    /// Whether the bot gave no answer in time.
    pub(crate) fn failed(&self) -> bool {
        self.0["failed"] == true
    }

    /// The text as a person reads it.
    pub(crate) fn text(&self) -> String {
        match self.0["text"].as_str() {
            Some(text) => text.to_owned(),
            None => self.0.to_string(),
        }
    }

    /// The message that answers, if there is one.
    pub(crate) fn message(&self) -> Option<String> {
        self.0["message"].as_str().map(str::to_owned)
    }

    /// The names of the fields, if a form was opened.
    pub(crate) fn modal_fields(&self) -> Option<Vec<String>> {
        let fields = self.0["modal"]["fields"].as_array()?;
        Some(fields.iter().filter_map(|field| field["custom_id"].as_str().map(str::to_owned)).collect())
    }
}

impl Chat {
    /// Parses the line that the simulator prints when it is ready.
    pub(crate) fn new(ready: &Value, guild: &str) -> Result<Self> {
        let part = |name: &str| {
            ready[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("the simulated Discord names no `{name}`"))
        };
        Ok(Self {
            api: part("api")?,
            tls: part("tls")?,
            ca: part("ca")?,
            page: part("page")?,
            control: part("control")?,
            guild: guild.to_owned(),
            client: client()?,
        })
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.send().await.context("ask the simulated Discord")?;
        let status = answer.status();
        let body: Value = answer.json().await.context("read the simulated Discord's answer")?;
        ensure!(
            status.is_success(),
            "the simulated Discord refused: {}",
            body["error"].as_str().unwrap_or("?")
        );
        Ok(body)
    }

    async fn act(&self, person: &str, verb: &str, body: &Value) -> Result<Answer> {
        let url = format!("{}/as/{person}/{verb}", self.control);
        self.call(self.client.post(url).json(body)).await.map(Answer)
    }

    /// Types a command in `#general`.
    pub(crate) async fn command(&self, person: &str, text: &str) -> Result<Answer> {
        self.act(person, "command", &json!({"guild": self.guild, "channel": "general", "text": text})).await
    }

    /// Presses the newest button with this label, or the one on the newest message that contains `saying`.
    pub(crate) async fn press(&self, person: &str, label: &str, saying: Option<&str>) -> Result<Answer> {
        self.act(person, "press", &json!({"label": label, "saying": saying})).await
    }

    /// Presses the button of this message that has the label.
    pub(crate) async fn press_on(&self, person: &str, label: &str, message: &str) -> Result<Answer> {
        self.act(person, "press", &json!({"label": label, "message": message})).await
    }

    /// Fills the open form and sends it.
    pub(crate) async fn submit(&self, person: &str, fields: &[(String, &str)]) -> Result<Answer> {
        let fields: Map<String, Value> =
            fields.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect();
        self.act(person, "submit", &json!({"fields": fields})).await
    }

    /// Calls another control route, such as `members`; `path` is what follows `/sim/`.
    pub(crate) async fn control(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/{path}", self.control);
        self.call(self.client.request(method, url).json(body)).await
    }

    /// Returns what the person sees, newest last, and marks it as read.
    pub(crate) async fn sees(&self, person: &str) -> Result<String> {
        let url = format!("{}/as/{person}/sees", self.control);
        Ok(Answer(self.call(self.client.get(url)).await?).text())
    }

    /// Waits until a message that the person sees contains `wanted`. Returns that message.
    pub(crate) async fn wait_for(&self, person: &str, wanted: &str) -> Result<String> {
        let mut seen = String::new();
        wait_until("a message", STEP_LIMIT, async || {
            seen = self.sees(person).await?;
            Ok(seen.contains(wanted))
        })
        .await
        .with_context(|| format!("{person} never saw `{wanted}`, only:\n{seen}"))?;
        Ok(seen)
    }

    /// The names of the bot's commands, once it has registered them.
    pub(crate) async fn commands(&self) -> Result<Vec<String>> {
        let state = self.call(self.client.get(format!("{}/state", self.control))).await?;
        let bot = &state["bots"][0];
        if bot["connected"] != true {
            return Ok(Vec::new());
        }
        let commands = bot["commands"].as_array().cloned().unwrap_or_default();
        Ok(commands.iter().filter_map(|command| command.as_str().map(str::to_owned)).collect())
    }

    /// All messages that anyone sees, and every request that the bot made, for `--keep`.
    pub(crate) async fn everything(&self) -> Result<Value> {
        let mut people = Map::new();
        for person in PEOPLE {
            people.insert(person.to_owned(), Value::from(self.sees(person).await?));
        }
        let log = self.call(self.client.get(format!("{}/log", self.control))).await?;
        Ok(json!({"people": people, "log": log}))
    }
}

fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .context("make an HTTP client")
}

/// The options of `testbed as`: act as a person in the running sandbox.
#[derive(Args, Debug)]
pub struct AsOptions {
    /// The person: ada, grace, linus, edsger, barbara, mallory.
    name: String,
    /// A command (`/account request`), `press LABEL`, `press LABEL on CODE` (on the message with this text), `submit field=value …`, or
    /// `sees`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Acts as a person in the running sandbox and prints what they see.
pub async fn run_as(options: &AsOptions) -> Result<()> {
    let state = read_state()?;
    let guild = state["guild"].as_str().context("state.json names no guild")?;
    let chat = Chat::new(&state["discord"], guild)?;
    let name = options.name.as_str();
    let rest = options.words[1..].join(" ");
    let shown = match options.words[0].as_str() {
        "sees" => chat.sees(name).await?,
        "press" => {
            let (label, saying) = match rest.rsplit_once(" on ") {
                Some((label, saying)) => (label, Some(saying)),
                None => (rest.as_str(), None),
            };
            chat.press(name, label, saying).await?.for_terminal(name)
        }
        "submit" => {
            let fields = options.words[1..]
                .iter()
                .map(|word| word.split_once('=').map(|(field, value)| (field.to_owned(), value)))
                .collect::<Option<Vec<_>>>()
                .context("a form is filled with field=value pairs")?;
            chat.submit(name, &fields).await?.for_terminal(name)
        }
        command if command.starts_with('/') => {
            chat.command(name, &options.words.join(" ")).await?.for_terminal(name)
        }
        other => bail!("`{other}` is no command: start it with `/`, or say press, submit or sees"),
    };
    let shown = if shown.trim().is_empty() && options.words[0] != "sees" {
        format!("Nothing is said to {name} alone. What changed: ./dev as {name} sees")
    } else {
        shown
    };
    let shown = times::in_words(&shown, jiff::Timestamp::now());
    writeln!(std::io::stdout(), "{shown}").context("write to standard output")
}
