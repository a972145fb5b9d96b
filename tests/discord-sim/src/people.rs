//! The actions for tests: bots, guilds, and people who act and see.

mod acts;
mod guild;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

pub use guild::{Bot, Channel, Guild, GuildBuilder, PersonBuilder, Role};

use crate::faults::{Effect, Fault};
use crate::ids::Id;
use crate::interactions::{CannotDo, Modal, On, Place, Reply};
use crate::record::{MemberFact, Request};
use crate::server::Sim;
use crate::sight::{self, Unread};
use crate::state::SimState;

/// A person who acts in one channel of a guild.
#[derive(Debug, Clone)]
pub struct Person {
    pub(crate) sim: Sim,
    pub(crate) guild: Id,
    pub(crate) id: Id,
    pub(crate) place: Place,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A press that is done when it is awaited: `grace.presses("Approve").on(message).await`.
#[must_use = "a press happens when it is awaited"]
#[derive(Debug)]
pub struct Press {
    person: Person,
    label: String,
    on: Option<Id>,
}

impl Press {
    /// Presses the button of this message, not of the newest message that has it.
    pub fn on(mut self, message: Id) -> Self {
        self.on = Some(message);
        self
    }
}

impl IntoFuture for Press {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let pressed = self.person.sim.press(self.person.id, &self.label, self.on.into()).await;
            self.person.done(pressed)
        })
    }
}

impl Person {
    /// The user's snowflake.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The user name.
    pub fn name(&self) -> String {
        self.sim.read(|state| state.users.get(&self.id).map(|user| user.username.clone()).unwrap_or_default())
    }

    /// The same person in another channel of the guild.
    ///
    /// # Panics
    /// If the guild has no such channel.
    #[must_use]
    pub fn in_channel(&self, name: &str) -> Self {
        let found = self.sim.read(|state| state.channel_named(self.guild, name));
        let channel = found.unwrap_or_else(|| panic!("the guild has no channel {name:?}"));
        Self { place: Place { guild: Some(self.guild), channel }, ..self.clone() }
    }

    /// The same person in the direct messages with a bot.
    #[must_use]
    pub fn in_dm_with(&self, bot: &Bot) -> Self {
        let channel = self.sim.change(|state| state.dm_channel(self.id, bot.user));
        Self { place: Place { guild: None, channel }, ..self.clone() }
    }

    /// Types a command and waits for the bot's first answer (or for the 3 s within which it must come).
    ///
    /// # Panics
    /// If Discord's client would not send it, for example because there is no such command.
    pub async fn runs(&self, typed: &str) -> Reply {
        let tried = self.tries_to_run(typed).await;
        self.done(tried)
    }

    /// Like [`Self::runs`], for commands that the client may refuse.
    pub async fn tries_to_run(&self, typed: &str) -> Result<Reply, CannotDo> {
        self.sim.command(self.id, self.place, typed).await
    }

    /// Presses a button by its label, on the newest visible message that has it.
    pub fn presses(&self, label: &str) -> Press {
        Press { person: self.clone(), label: label.to_owned(), on: None }
    }

    /// Like [`Self::presses`], for buttons that may not exist.
    pub async fn tries_to_press(&self, label: &str) -> Result<Reply, CannotDo> {
        self.sim.press(self.id, label, On::Newest).await
    }

    /// Presses a button that no message shows, with a custom id that is forged, old or foreign.
    ///
    /// # Panics
    /// If there is no bot in this place.
    pub async fn presses_raw(&self, custom_id: &str) -> Reply {
        let pressed = self.sim.press_raw(self.id, self.place, custom_id, None).await;
        self.done(pressed)
    }

    /// Sends a form that no bot has opened, with these fields.
    ///
    /// # Panics
    /// If there is no bot in this place.
    pub async fn submits_raw(&self, custom_id: &str, fields: &[(&str, &str)]) -> Reply {
        let submitted = self.sim.submit_raw(self.id, self.place, custom_id, &owned(fields)).await;
        self.done(submitted)
    }

    /// Chooses options (by label or value) of the select with this placeholder or custom id.
    ///
    /// # Panics
    /// If the person sees no such select or option.
    pub async fn selects(&self, select: &str, options: &[&str]) -> Reply {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let selected = self.sim.select(self.id, select, &options, On::Newest).await;
        self.done(selected)
    }

    /// Fills in the open form (by custom id or label; other fields keep their values) and sends it.
    ///
    /// # Panics
    /// If no form is open, or the client would refuse a value.
    pub async fn submits(&self, fields: &[(&str, &str)]) -> Reply {
        let tried = self.tries_to_submit(fields).await;
        self.done(tried)
    }

    /// Like [`Self::submits`], for values that the client may refuse.
    pub async fn tries_to_submit(&self, fields: &[(&str, &str)]) -> Result<Reply, CannotDo> {
        self.sim.submit(self.id, &owned(fields)).await
    }

    /// The person's open form.
    pub fn open_form(&self) -> Option<Modal> {
        self.sim.read(|state| state.modals.get(&self.id).map(|open| open.shown.clone()))
    }

    /// All unread messages as text, which are then marked as read. Does not wait.
    #[expect(clippy::unused_async, reason = "part of the vocabulary that reads alike: each deed is awaited")]
    pub async fn sees(&self) -> String {
        self.read_now().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    }

    /// Like [`Self::sees`], with ids and times hidden, for snapshots.
    pub async fn sees_masked(&self) -> String {
        sight::mask_ids(&self.sees().await)
    }

    /// Unread messages with their ids, which are then marked as read.
    pub fn read_now(&self) -> Vec<(Id, String)> {
        self.sim.change(|state| {
            let unread = state.unread_by(self.id);
            unread
                .into_iter()
                .map(|id| {
                    state.mark_read(self.id, id);
                    (id, state.text_of(id))
                })
                .collect()
        })
    }

    /// Everything the person sees, read or not, oldest first.
    pub fn sees_everything(&self) -> String {
        self.sim.read(|state| {
            let visible = state.messages.values().filter(|message| sight::sees(state, self.id, message));
            visible.map(|message| sight::render(state, message)).collect::<Vec<_>>().join("\n")
        })
    }

    /// Waits until an unread message contains this text and marks that message as read. Returns its text.
    ///
    /// # Panics
    /// If it does not arrive within the `patience` of the options; shows everything that the person sees.
    pub async fn waits_for(&self, text: &str) -> String {
        self.waits_for_message(text).await.1
    }

    /// Like [`Self::waits_for`], and returns the message's id too.
    ///
    /// # Panics
    /// Like [`Self::waits_for`].
    pub async fn waits_for_message(&self, text: &str) -> (Id, String) {
        let look = |state: &mut SimState| {
            let unread = state.unread_by(self.id).into_iter().map(|id| (id, state.text_of(id)));
            let found = unread.into_iter().find(|(_, shown)| shown.contains(text))?;
            state.mark_read(self.id, found.0);
            Some(found)
        };
        let found = self.sim.wait(self.sim.options().patience, look).await;
        found.unwrap_or_else(|| {
            let (name, seen) = (self.name(), self.sees_everything());
            panic!("{name} never saw {text:?}, but only:\n{seen}")
        })
    }

    /// Opens the file of a message. Returns its name and its content.
    ///
    /// # Panics
    /// If the person does not see the message, or if it has no file or several.
    pub fn opens_file(&self, message: Id) -> (String, Vec<u8>) {
        let found = self.sim.read(|state| {
            let message =
                state.messages.get(&message).filter(|message| sight::sees(state, self.id, message))?;
            let [file] = message.attachments.as_slice() else { return None };
            let bytes = state.files.get(&Id::of(&file["id"])?)?.clone();
            Some((file["filename"].as_str().unwrap_or_default().to_owned(), bytes))
        });
        found.unwrap_or_else(|| {
            panic!("{} sees no message with one file:\n{}", self.name(), self.sees_everything())
        })
    }

    fn done(&self, tried: Result<Reply, CannotDo>) -> Reply {
        tried
            .unwrap_or_else(|why| panic!("{} cannot do that: {why}\n{}", self.name(), self.sees_everything()))
    }

    /// Leaves the guild.
    pub fn leaves(&self) {
        self.sim.change(|state| state.remove_member(self.guild, self.id, "left"));
    }

    /// Is kicked out of the guild.
    pub fn is_kicked(&self) {
        self.sim.change(|state| state.remove_member(self.guild, self.id, "kicked"));
    }

    /// Joins the guild (again), without roles.
    pub fn joins(&self) {
        self.sim.change(|state| state.add_member(self.guild, self.id, 0));
    }

    /// Loses a role.
    ///
    /// # Panics
    /// If the guild has no such role.
    pub fn loses(&self, role: &str) {
        let role = self.guild_handle().role(role).id;
        self.sim.change(|state| {
            state.change_member(self.guild, self.id, "roles", |member| {
                member.roles.retain(|id| *id != role);
            });
        });
    }

    /// Gains a role.
    ///
    /// # Panics
    /// If the guild has no such role.
    pub fn gains(&self, role: &str) {
        let role = self.guild_handle().role(role).id;
        self.sim.change(|state| {
            state.change_member(self.guild, self.id, "roles", |member| member.roles.push(role));
        });
    }

    /// The names of the roles that the person has now.
    pub fn roles(&self) -> Vec<String> {
        self.sim.read(|state| {
            let Some(guild) = state.guilds.get(&self.guild) else {
                return Vec::new();
            };
            let own = guild.members.get(&self.id).map(|member| member.roles.clone()).unwrap_or_default();
            own.iter().filter_map(|id| guild.roles.get(id)).map(|role| role.name.clone()).collect()
        })
    }

    /// Whether the person is in the guild.
    pub fn is_member(&self) -> bool {
        self.sim.read(|state| state.guilds.get(&self.guild).is_some_and(|g| g.members.contains_key(&self.id)))
    }

    /// Stops accepting direct messages (403 50007).
    pub fn closes_dms(&self) {
        self.set_dms(false);
    }

    /// Accepts direct messages again.
    pub fn opens_dms(&self) {
        self.set_dms(true);
    }

    fn set_dms(&self, open: bool) {
        self.sim.change(|state| {
            if let Some(user) = state.users.get_mut(&self.id) {
                user.dms_open = open;
            }
        });
    }

    /// Accepts the rules, which ends membership screening.
    pub fn finishes_screening(&self) {
        self.sim.change(|state| state.change_member(self.guild, self.id, "changed", |m| m.pending = false));
    }

    /// Is timed out for this long.
    pub fn is_timed_out(&self, how_long: Duration) {
        self.sim.change(|state| {
            let until = state.now_ms() + how_long.as_millis() as i64;
            state.change_member(self.guild, self.id, "changed", |m| {
                m.timeout_until_ms = Some(until);
            });
        });
    }

    /// The guild in which this person acts.
    pub fn guild_handle(&self) -> Guild {
        Guild { sim: self.sim.clone(), id: self.guild }
    }
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Sim {
    /// Bans a person from their guild.
    pub fn bans(&self, person: &Person) {
        self.change(|state| state.ban(person.guild, person.id, None));
    }

    /// Lifts a ban. The person is not a member until they join again.
    pub fn unbans(&self, person: &Person) {
        self.change(|state| state.unban(person.guild, person.id));
    }

    /// Sends the next `times` interactions twice.
    pub fn delivers_twice(&self, times: u32) {
        self.breaks(Fault { route: "*".to_owned(), effect: Effect::DeliverAgain { copies: 1 }, times });
    }

    /// Puts a fault on a route such as `POST /channels/{channel}/messages`, for its next `times` requests.
    pub fn fails(&self, route: &str, effect: Effect, times: u32) {
        self.breaks(Fault { route: route.to_owned(), effect, times });
    }

    /// How many requests the newest [`Effect::Hold`](crate::Effect::Hold) has held so far.
    pub fn held_requests(&self) -> usize {
        self.read(|state| state.faults.held())
    }

    /// Removes every fault that has not been used up, and sends what they held back.
    pub fn heals(&self) {
        self.change(|state| {
            state.faults.clear();
            state.release_sessions();
        });
    }

    /// Messages whose current text nobody has read.
    pub fn unread(&self) -> Vec<Unread> {
        self.read(SimState::unread_by_all)
    }

    /// Rules of Accolade that a bot broke, such as a mention without `allowed_mentions`.
    pub fn violations(&self) -> Vec<String> {
        self.read(|state| state.record.violations.clone())
    }

    /// Routes that were requested but that the simulator does not have.
    pub fn unknown_routes(&self) -> Vec<String> {
        self.read(|state| state.record.unknown_routes.clone())
    }

    /// What failed for people with "The application did not respond"; the list is then cleared.
    pub fn takes_silences(&self) -> Vec<String> {
        self.change(|state| std::mem::take(&mut state.record.silences))
    }

    /// Every request of every bot so far.
    pub fn requests(&self) -> Vec<Request> {
        self.read(|state| state.record.requests.clone())
    }

    /// What has happened at the gateway so far: sessions, resumed sessions.
    pub fn gateway_log(&self) -> Vec<String> {
        self.read(|state| state.record.gateway.iter().map(|(_, what)| what.clone()).collect())
    }

    /// Requests that were sent before the time that a 429 had asked to wait was over.
    pub fn requests_inside_retry_after(&self) -> Vec<Request> {
        self.read(|state| state.record.requests.iter().filter(|r| r.inside_retry_after).cloned().collect())
    }

    /// The complete history of all members.
    pub fn member_facts(&self) -> Vec<MemberFact> {
        self.read(|state| state.record.members.clone())
    }

    /// A member's state at a moment of virtual time, or `None` before the first fact.
    pub fn member_at(&self, person: &Person, at_ms: i64) -> Option<MemberFact> {
        self.read(|state| {
            let facts = state.record.members.iter().rev();
            facts
                .filter(|fact| fact.guild == person.guild && fact.user == person.id)
                .find(|fact| fact.at_ms <= at_ms)
                .cloned()
        })
    }

    /// Whether a bot has an open gateway connection.
    pub fn is_connected(&self, bot: &Bot) -> bool {
        self.read(|state| is_connected(state, bot.id))
    }

    /// Waits until a bot is connected and has registered commands.
    ///
    /// # Panics
    /// If that does not happen within the `patience` of the options.
    pub async fn waits_until_ready(&self, bot: &Bot) {
        let look = |state: &mut SimState| {
            let app = state.apps.get(&bot.id)?;
            let has_commands =
                !app.global_commands.is_empty() || app.guild_commands.values().any(|list| !list.is_empty());
            (has_commands && is_connected(state, bot.id)).then_some(())
        };
        let ready = self.wait(self.options().patience, look).await;
        assert!(ready.is_some(), "the bot {} did not connect and register its commands", bot.name());
    }

    /// Fails when anything is left: unread messages, unknown routes, violations, silences.
    ///
    /// # Panics
    /// If anything is left; the message lists all of it.
    pub fn assert_clean(&self) {
        let mut left: Vec<String> = Vec::new();
        for unread in self.unread() {
            let only = unread.only_for.map(|name| format!(" (only {name})")).unwrap_or_default();
            left.push(format!("unread in {}{only}: {}", unread.place, unread.text));
        }
        self.read(|state| {
            let record = &state.record;
            left.extend(record.unknown_routes.iter().map(|route| format!("unknown route: {route}")));
            left.extend(record.violations.iter().map(|what| format!("violation: {what}")));
            left.extend(record.silences.iter().cloned());
        });
        assert!(left.is_empty(), "the simulated Discord is not clean:\n{}", left.join("\n"));
    }
}

fn is_connected(state: &SimState, app: Id) -> bool {
    state.sessions.values().any(|session| session.app == app && session.connection.is_some())
}
