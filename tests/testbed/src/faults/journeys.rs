//! What people do while faults happen: they request, decide, cancel, leave, lose roles, and press again when a press was not acknowledged.
//!
//! A journey never assumes that an action succeeded: it acts, reads the store, and acts again. Each action passes the gate of the
//! [`Stage`], which is closed while the checker runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::env::{ADMIN, MODERATORS, TestEnv};
use super::person::{Person, RequestSeen, change_member};
use super::servers::Servers;
use super::stage::Stage;
use crate::browser::{self, Login, Outcome};
use crate::sandbox::chat::Answer;
use crate::sandbox::product::{MAIL_CLIENT, REALM, REDIRECT};
use crate::waiting::{comes_true_at_looks, let_pass, wait_until};

/// How long a journey may take while the gate is open and faults keep happening.
const TIME_LIMIT: Duration = Duration::from_mins(4);

/// The reply to a person who cancelled, or who has nothing left to cancel.
const TAKEN_BACK: [&str; 3] = ["has been cancelled", "nothing to cancel", "no longer open"];

/// The bot's pause between two mails for one account.
const COOL_DOWN_MS: i64 = 5 * 60_000;

/// The pause between two reads of the store.
const LOOK: Duration = Duration::from_millis(120);

/// What happens to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journey {
    /// Requests, is approved, follows the link.
    Used,
    /// Requests, is approved, and ignores the mail.
    Invited,
    /// Says that someone else set the password.
    NotMe,
    /// Requests another mail when the pause after the first one has ended.
    AsksAgain,
    /// Is denied and told so.
    Denied,
    /// Is denied quietly.
    DeniedQuietly,
    /// Cancels the request before a decision.
    CancelledWaiting,
    /// Cancels at any moment after the approval.
    CancelledMaking,
    /// Cancels when the mail has been sent.
    CancelledInvited,
    /// Lacks the role at the first approval, and gets it back.
    RoleAwayAtApproval,
    /// Loses the role at any moment after the approval.
    RoleLostWhileMaking,
    /// Leaves at any moment.
    Leaves,
    /// Is banned at any moment.
    IsBanned,
    /// Two moderators press approve and deny at once.
    TwoModerators,
    /// First types invalid values.
    WrongForms,
    /// Accepts no direct messages.
    ClosedMessages,
    /// The moderator who presses first has lost the role.
    PowerlessModerator,
    /// Requests, and nobody decides. Only used where violations are planted.
    Waits,
}

/// The weight of each journey.
const OFTEN: &[(Journey, u32)] = &[
    (Journey::Used, 20),
    (Journey::Invited, 14),
    (Journey::NotMe, 5),
    (Journey::AsksAgain, 5),
    (Journey::Denied, 5),
    (Journey::DeniedQuietly, 3),
    (Journey::CancelledWaiting, 4),
    (Journey::CancelledMaking, 8),
    (Journey::CancelledInvited, 5),
    (Journey::RoleAwayAtApproval, 4),
    (Journey::RoleLostWhileMaking, 6),
    (Journey::Leaves, 5),
    (Journey::IsBanned, 3),
    (Journey::TwoModerators, 6),
    (Journey::WrongForms, 4),
    (Journey::ClosedMessages, 4),
    (Journey::PowerlessModerator, 4),
];

impl Journey {
    /// Draws a journey.
    pub(super) fn drawn(random: &mut StdRng) -> Self {
        OFTEN.choose_weighted(random, |(_, often)| *often).map_or(Self::Used, |(journey, _)| *journey)
    }
}

/// A person on a journey.
pub(super) struct Traveller {
    stage: Arc<Stage>,
    person: Person,
    random: StdRng,
    journey: Journey,
    begun: Instant,
}

/// Sends a new person on a journey. An error names what never happened.
pub(super) async fn travels(stage: Arc<Stage>, journey: Journey, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let person = {
        let _open = stage.gate.read().await;
        Person::joins(&stage.env, &mut random).await?
    };
    stage.knows(&person);
    let name = person.name.clone();
    let mut traveller = Traveller { stage, person, random, journey, begun: Instant::now() };
    let went = traveller.goes(journey).await;
    traveller.stage.notes_wait(&name, None);
    went.with_context(|| format!("{journey:?} of {name}"))
}

/// The states that a journey's account may have at its end.
const MADE: &[&str] = &["invited", "active"];
const GONE: &[&str] = &["closed", "disabled"];
const ANYWHERE: &[&str] = &["invited", "active", "closed", "disabled"];

impl Traveller {
    fn env(&self) -> &TestEnv {
        &self.stage.env
    }

    fn servers(&self) -> &Servers {
        &self.stage.servers
    }

    async fn goes(&mut self, journey: Journey) -> Result<()> {
        match journey {
            Journey::Used => {
                self.is_invited().await?;
                self.follows_the_link().await
            }
            Journey::Invited => self.is_invited().await,
            Journey::NotMe => {
                self.is_invited().await?;
                self.follows_the_link().await?;
                self.logs_in().await?;
                self.says_it_was_somebody_else().await
            }
            Journey::AsksAgain => {
                self.is_invited().await?;
                if self.random.random_bool(0.5) {
                    self.follows_the_link().await?;
                }
                // The pause is as long as a round, so the time limit starts again.
                self.begun = Instant::now();
                let asked = self.asks_for_the_mail_again().await;
                self.stage.notes_pause(&self.person.name, None);
                asked?;
                self.follows_the_link().await
            }
            Journey::ClosedMessages => {
                self.changes(json!({"dms_open": false})).await?;
                self.is_invited().await
            }
            Journey::WrongForms => {
                self.types_wrong_things().await?;
                self.is_invited().await
            }
            Journey::Denied => self.is_denied("Deny").await,
            Journey::DeniedQuietly => self.is_denied("Deny quietly").await,
            Journey::CancelledWaiting | Journey::CancelledMaking | Journey::CancelledInvited => {
                self.takes_back(journey).await
            }
            Journey::RoleAwayAtApproval => self.lacks_the_role_at_first().await,
            Journey::RoleLostWhileMaking => {
                self.asks().await?;
                self.is_approved().await?;
                self.dawdles(1500).await;
                self.changes(json!({"roles": []})).await?;
                self.arrives(ANYWHERE).await
            }
            Journey::Leaves => self.goes_away(json!({"left": true})).await,
            Journey::IsBanned => self.goes_away(json!({"banned": true})).await,
            Journey::TwoModerators => self.is_fought_over().await,
            Journey::PowerlessModerator => self.meets_a_powerless_moderator().await,
            Journey::Waits => {
                self.asks().await?;
                self.card().await.map(drop)
            }
        }
    }

    /// Waits for a short random time.
    async fn dawdles(&mut self, most_ms: u64) {
        let pause = self.random.random_range(0..most_ms);
        let_pass(Duration::from_millis(pause)).await;
    }

    /// Repeats an action until it returns a value.
    async fn until<T>(&self, what: &str, mut act: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
        let (mut last, mut done) = (None, None);
        let left = TIME_LIMIT.saturating_sub(self.begun.elapsed());
        comes_true_at_looks(left, LOOK, async || {
            let why = last.as_ref().map(|error| format!(", {error:#}")).unwrap_or_default();
            let wait = format!("{:?}: {what}{why}", self.journey);
            self.stage.notes_wait(&self.person.name, Some(wait));
            let _open = self.stage.gate.read().await;
            match act().await {
                Ok(found) => done = found,
                // Buttons appear later, and servers recover.
                Err(error) => last = Some(error),
            }
            Ok(done.is_some())
        })
        .await?;
        match (done, last) {
            (Some(done), _) => Ok(done),
            (None, Some(error)) => Err(error).with_context(|| format!("{what}: never in {TIME_LIMIT:?}")),
            (None, None) => bail!("{what}: never in {TIME_LIMIT:?}"),
        }
    }

    async fn changes(&self, change: Value) -> Result<()> {
        let _open = self.stage.gate.read().await;
        self.person.changes(self.env(), &change).await
    }

    /// Fills in the form and sends it until the store contains the request.
    async fn asks(&self) -> Result<()> {
        self.until("the request", async || {
            if self.person.request(self.env()).await?.is_some() {
                return Ok(Some(()));
            }
            self.fills_in(&self.person.form()).await?;
            let sent = self.env().chat.press(&self.person.name, "Send", None).await?;
            Ok(answered(&sent).then_some(()).filter(|()| sent.text().contains("our request")))
        })
        .await
    }

    async fn fills_in(&self, fields: &[(String, &str)]) -> Result<String> {
        let chat = &self.env().chat;
        let form = chat.command(&self.person.name, "/account request").await?;
        form.modal_fields().context("no form opens")?;
        Ok(chat.submit(&self.person.name, fields).await?.text())
    }

    async fn types_wrong_things(&self) -> Result<()> {
        for (field, wrong) in
            [("username", "no!"), ("address", "nobody@@nowhere"), ("given", "www.example.org")]
        {
            self.until("a wrong form's answer", async || {
                let mut fields = self.person.form();
                if let Some(pair) = fields.iter_mut().find(|(name, _)| name == field) {
                    pair.1 = wrong;
                }
                let told = self.fills_in(&fields).await?;
                Ok(told.contains("Nothing was sent").then_some(()))
            })
            .await?;
        }
        self.until("the refusal of a reserved name", async || {
            let mut fields = self.person.form();
            fields[0].1 = "reserved";
            self.fills_in(&fields).await?;
            let told = self.env().chat.press(&self.person.name, "Send", None).await?;
            Ok(told.text().contains("not available").then_some(()))
        })
        .await
    }

    async fn card(&self) -> Result<RequestSeen> {
        self.until("the card", async || {
            let request = self.person.request(self.env()).await?;
            Ok(request.filter(|request| request.card.is_some()))
        })
        .await
    }

    /// A moderator presses a button on the card. No particular outcome is expected.
    async fn is_pressed(&self, moderator: usize, label: &str, card: &str) -> Result<Answer> {
        let _alone = self.env().moderators[moderator].lock().await;
        self.env().chat.press_on(MODERATORS[moderator], label, card).await
    }

    /// A moderator fills in the form for a denial.
    async fn is_refused(&self, moderator: usize, label: &str, card: &str) -> Result<Answer> {
        let _alone = self.env().moderators[moderator].lock().await;
        let chat = &self.env().chat;
        let form = chat.press_on(MODERATORS[moderator], label, card).await?;
        form.modal_fields().context("no form opens")?;
        chat.submit(MODERATORS[moderator], &[("reason".to_owned(), self.person.denial.as_str())]).await
    }

    fn any_moderator(&mut self) -> usize {
        // The admin may approve too.
        self.random.random_range(0..MODERATORS.len())
    }

    /// Acts on the card until the request is no longer open. Reads the request before each action.
    async fn is_decided(&self, act: impl AsyncFn(&str) -> Result<()>) -> Result<()> {
        let card = self.card().await?;
        self.until("the decision", async || {
            let request = self.person.request(self.env()).await?.context("the request is gone")?;
            if !matches!(request.state.as_str(), "waiting" | "held") {
                return Ok(Some(()));
            }
            act(request.card.as_deref().or(card.card.as_deref()).context("no card")?).await?;
            Ok(None)
        })
        .await
    }

    async fn is_approved(&mut self) -> Result<()> {
        let moderator = self.any_moderator();
        self.is_decided(async |card| self.is_pressed(moderator, "Approve", card).await.map(drop)).await
    }

    async fn is_invited(&mut self) -> Result<()> {
        self.asks().await?;
        self.is_approved().await?;
        self.arrives(MADE).await
    }

    /// Waits until the account is in one of these states, or has stopped for a person with an allowed reason.
    async fn arrives(&self, wanted: &[&str]) -> Result<()> {
        self.until("the end of the way", async || {
            let request = self.person.request(self.env()).await?.context("the request is gone")?;
            // Cancelled or failed before there was an account.
            if matches!(request.state.as_str(), "denied" | "cancelled" | "failed" | "expired") {
                return Ok(Some(()));
            }
            let Some((state, stopped)) = self.person.account(self.env()).await? else { return Ok(None) };
            let is_honest_stop = stopped.as_deref().is_some_and(|code| code.starts_with("mail_"));
            Ok((wanted.contains(&state.as_str()) || is_honest_stop).then_some(()))
        })
        .await
    }

    async fn is_denied(&mut self, label: &str) -> Result<()> {
        self.asks().await?;
        let moderator = self.any_moderator();
        self.is_decided(async |card| self.is_refused(moderator, label, card).await.map(drop)).await
    }

    async fn takes_back(&mut self, journey: Journey) -> Result<()> {
        self.asks().await?;
        if journey == Journey::CancelledWaiting {
            self.dawdles(500).await;
        } else {
            self.is_approved().await?;
            if journey == Journey::CancelledMaking {
                self.dawdles(1500).await;
            } else {
                self.arrives(MADE).await?;
            }
        }
        let is_cancelled = self
            .until("taking it back", async || {
                let told = self.env().chat.command(&self.person.name, "/account cancel").await?;
                let text = told.text();
                // Any other reply asks the person to try again.
                let is_heard = TAKEN_BACK.iter().any(|said| text.contains(said));
                Ok((answered(&told) && is_heard).then(|| text.contains(TAKEN_BACK[0])))
            })
            .await?;
        self.arrives(if is_cancelled { GONE } else { ANYWHERE }).await
    }

    async fn lacks_the_role_at_first(&mut self) -> Result<()> {
        self.asks().await?;
        let card = self.card().await?;
        self.changes(json!({"roles": []})).await?;
        let moderator = self.any_moderator();
        {
            let _open = self.stage.gate.read().await;
            // The press may be refused, lost or impossible. The checker verifies that nobody without the role was approved.
            drop(self.is_pressed(moderator, "Approve", card.card.as_deref().unwrap_or_default()).await);
        }
        self.changes(json!({"roles": ["member"]})).await?;
        self.is_approved().await?;
        self.arrives(ANYWHERE).await
    }

    async fn goes_away(&mut self, how: Value) -> Result<()> {
        self.asks().await?;
        let before = self.random.random_bool(0.4);
        if before {
            self.card().await?;
        } else {
            self.is_approved().await?;
            self.dawdles(1500).await;
        }
        self.changes(how).await?;
        if before {
            self.is_approved().await?;
        }
        self.arrives(ANYWHERE).await
    }

    async fn is_fought_over(&mut self) -> Result<()> {
        self.asks().await?;
        let one = self.random.random_range(0..2);
        self.is_decided(async |card| {
            let pressing = self.is_pressed(one, "Approve", card);
            let refusing = self.is_refused(one + 2, "Deny", card);
            let (approved, denied) = tokio::join!(pressing, refusing);
            drop((approved?, denied));
            Ok(())
        })
        .await?;
        self.arrives(MADE).await
    }

    async fn meets_a_powerless_moderator(&mut self) -> Result<()> {
        self.asks().await?;
        let card = self.card().await?;
        let moderator = self.random.random_range(0..2);
        let powerless_for = Duration::from_millis(self.random.random_range(0..300));
        let name = MODERATORS[moderator];
        {
            let _open = self.stage.gate.read().await;
            let _alone = self.env().moderators[moderator].lock().await;
            let (powerless, message) =
                (json!({"roles": ["member"]}), card.card.as_deref().unwrap_or_default());
            // The press is in progress when the role is removed. The bot's check at that moment decides whether the press counts.
            let pressing = self.env().chat.press_on(name, "Approve", message);
            let (pressed, changed) = tokio::join!(pressing, change_member(self.env(), name, &powerless));
            drop(pressed);
            changed?;
            let_pass(powerless_for).await;
            change_member(self.env(), name, &json!({"roles": ["member", "moderator"]})).await?;
        }
        self.is_approved().await?;
        self.arrives(MADE).await
    }

    /// Follows the newest link until the directory accepts the password, and waits until the bot has detected it.
    async fn follows_the_link(&self) -> Result<()> {
        let dn = self.servers().real.slapd.person_dn(&self.person.name);
        let has_account =
            self.person.account(self.env()).await?.is_some_and(|(state, _)| MADE.contains(&state.as_str()));
        if !has_account {
            // The job stopped for an allowed reason.
            return Ok(());
        }
        self.until("a password through the link", async || {
            if self.servers().real.slapd.bind_works(&dn, &self.person.password).await? {
                return Ok(Some(()));
            }
            let mails = self.servers().real.mail.messages();
            let mail = mails.iter().rev().find(|mail| mail.is_to(&self.person.address)).context("no mail")?;
            let link = mail.links.iter().find(|link| link.contains("action-token")).context("no link")?;
            match browser::follow_action_link(link, &self.person.password).await? {
                Outcome::PasswordSet => Ok(Some(())),
                Outcome::Refused { status, message } => bail!("Keycloak's page: {status} {message}"),
            }
        })
        .await?;
        self.arrives(&["active", "disabled"]).await
    }

    /// Requests the mail when the pause after the newest mail is over, until the outcome of the request is settled.
    async fn asks_for_the_mail_again(&self) -> Result<()> {
        self.until("the mail again", async || {
            let account = self.person.account(self.env()).await?;
            if account.is_none_or(|(state, stopped)| stopped.is_some() || !MADE.contains(&state.as_str())) {
                return Ok(Some(()));
            }
            let mails = self.person.mails(self.env()).await?;
            if mails.was_asked_again {
                return Ok(mails.is_settled.then_some(()));
            }
            let (until, now) = (mails.newest_at_ms + COOL_DOWN_MS, self.env().time.now_ms());
            if until > now + COOL_DOWN_MS {
                // It was sent while the bot's clock was an hour ahead. Nobody waits that long.
                return Ok(Some(()));
            }
            self.stage.notes_pause(&self.person.name, Some(until));
            if until <= now {
                self.env().chat.command(&self.person.name, "/account password").await?;
            }
            Ok(None)
        })
        .await
    }

    /// Logs in at Keycloak, unless the account was never activated. The session must end with the account.
    async fn logs_in(&self) -> Result<()> {
        self.until("a login", async || {
            let account = self.person.account(self.env()).await?;
            if account.is_none_or(|(state, _)| state != "active") {
                return Ok(Some(()));
            }
            let (url, person) = (&self.servers().real.keycloak.public_url, &self.person);
            let login =
                browser::login_by_code(url, REALM, MAIL_CLIENT, REDIRECT, &person.name, &person.password);
            match login.await? {
                Login::Tokens(tokens) => {
                    let token = tokens.refresh_token.context("a login without a refresh token")?;
                    self.stage.notes_session(&person.name, token);
                    Ok(Some(()))
                }
                Login::Refused(why) => bail!("Keycloak's page: {why}"),
            }
        })
        .await
    }

    /// Presses and confirms until the account is locked, unless it was never activated.
    async fn says_it_was_somebody_else(&self) -> Result<()> {
        self.until("the lock", async || {
            let account = self.person.account(self.env()).await?;
            if account.is_none_or(|(state, _)| state != "active") {
                return Ok(Some(()));
            }
            let chat = &self.env().chat;
            match chat.press(&self.person.name, "Not me", None).await {
                Ok(form) => {
                    form.modal_fields().context("no form opens")?;
                    chat.submit(&self.person.name, &[]).await?;
                }
                // The message with the button may have been refused. The status has the button too.
                Err(_) => drop(chat.command(&self.person.name, "/account status").await?),
            }
            Ok(None)
        })
        .await
    }
}

fn answered(answer: &Answer) -> bool {
    !answer.failed()
}

/// How long after its acknowledgement a press on *Retry* may take to have an effect.
const RETRY_SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// An operator retries the jobs that stopped for a person and may continue, and waits for the effect. Returns how many jobs those were.
pub(super) async fn operator_retries(env: &TestEnv) -> Result<usize> {
    let sql = "SELECT w.id, w.revision, n.message_id AS note, c.message_id AS card FROM job w JOIN request r ON r.id = w.request_id \
        LEFT JOIN message n ON n.request_id = r.id AND n.kind = 'operator' \
        LEFT JOIN message c ON c.request_id = r.id AND c.kind = 'card' \
        WHERE w.state = 'needs_operator' AND (w.mail_attempts < 2 OR w.step = 'invite')";
    let stopped = env.db.rows(sql).await?;
    let mut pressed = Vec::new();
    for job in &stopped {
        // The note to admins has the button. A card has it too, unless its request is over.
        for message in [&job["note"], &job["card"]].into_iter().filter_map(Value::as_str) {
            match env.chat.press_on(ADMIN, "Retry", message).await {
                Ok(_) => {
                    pressed.push(job);
                    break;
                }
                Err(error) => tracing::debug!(%error, "nothing to press Retry on yet"),
            }
        }
    }
    // A press is acknowledged before it takes effect. A reader in between would find the job neither stopped nor in progress.
    let shows = wait_until("the retries to show", RETRY_SHOWS_WITHIN, async || {
        let still = env.db.rows(sql).await?;
        Ok(!pressed.iter().any(|job| still.contains(job)))
    });
    if let Err(error) = shows.await {
        tracing::debug!(%error, "they are pressed again");
    }
    Ok(stopped.len())
}
