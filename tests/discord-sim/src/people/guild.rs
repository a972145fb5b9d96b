//! Guilds, bots and newcomers: the set-up of a test.

use std::time::Duration;

use super::Person;
use crate::ids::{Id, random_hex};
use crate::interactions::Place;
use crate::permissions::Permissions;
use crate::server::Sim;
use crate::state::{App, Channel as StoredChannel, ChannelKind, Overwrite, SimState};

/// The age of accounts and memberships, unless a test sets another one.
const AGE: Duration = Duration::from_hours(400 * 24);

/// A bot that may connect: its application and its token.
#[derive(Debug, Clone)]
pub struct Bot {
    sim: Sim,
    pub(crate) id: Id,
    pub(crate) user: Id,
}

impl Bot {
    /// The application's id.
    pub fn application_id(&self) -> Id {
        self.id
    }

    /// The bot user's id.
    pub fn user_id(&self) -> Id {
        self.user
    }

    /// The application's name.
    pub fn name(&self) -> String {
        self.sim.read(|state| state.apps.get(&self.id).map(|app| app.name.clone()).unwrap_or_default())
    }

    /// The token, without the `Bot ` prefix.
    pub fn token(&self) -> String {
        self.sim.read(|state| state.apps.get(&self.id).map(|app| app.token.clone()).unwrap_or_default())
    }

    /// Sends its interactions to a web address, where no server answers, and not to the gateway. `None` restores the gateway.
    pub fn takes_interactions_at(&self, url: Option<&str>) {
        self.sim.change(|state| {
            if let Some(app) = state.apps.get_mut(&self.id) {
                app.interactions_url = url.map(str::to_owned);
            }
        });
    }

    /// Sets the intents that it may ask for; others close the gateway with 4014.
    pub fn allows_intents(&self, intents: u64) {
        self.sim.change(|state| {
            if let Some(app) = state.apps.get_mut(&self.id) {
                app.allowed_intents = intents;
            }
        });
    }
}

/// A role of a guild.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its snowflake.
    pub id: Id,
    /// Its name.
    pub name: String,
}

/// A channel of a guild.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its snowflake.
    pub id: Id,
    /// Its name.
    pub name: String,
}

/// A guild in the simulator.
#[derive(Debug, Clone)]
pub struct Guild {
    pub(crate) sim: Sim,
    /// Its snowflake.
    pub id: Id,
}

/// A guild that is being set up. Each role is above those that were added before it.
#[derive(Debug)]
#[must_use = "the guild exists after `build`"]
pub struct GuildBuilder {
    sim: Sim,
    name: String,
    roles: Vec<(String, Permissions)>,
    channels: Vec<(String, Vec<String>)>,
    people: Vec<(String, Vec<String>)>,
    bots: Vec<Id>,
}

impl GuildBuilder {
    /// Adds a role without permissions of its own, above the earlier ones.
    pub fn role(self, name: &str) -> Self {
        self.role_with(name, Permissions(0))
    }

    /// Adds a role with permissions, above the earlier ones.
    pub fn role_with(mut self, name: &str, permissions: Permissions) -> Self {
        self.roles.push((name.to_owned(), permissions));
        self
    }

    /// Adds a text channel that everybody sees.
    pub fn channel(self, name: &str) -> Self {
        self.private_channel(name, &[])
    }

    /// Adds a text channel that only these roles (and bots) see; everybody sees it when there are none.
    pub fn private_channel(mut self, name: &str, roles: &[&str]) -> Self {
        self.channels.push((name.to_owned(), roles.iter().map(|&role| role.to_owned()).collect()));
        self
    }

    /// Adds a member with roles, whose account and membership are more than a year old.
    pub fn person(mut self, name: &str, roles: &[&str]) -> Self {
        self.people.push((name.to_owned(), roles.iter().map(|&role| role.to_owned()).collect()));
        self
    }

    /// Adds a bot, with its own managed role above all others.
    pub fn bot(mut self, bot: &Bot) -> Self {
        self.bots.push(bot.id);
        self
    }

    /// Creates the guild. Its owner is a separate user, who does nothing.
    ///
    /// # Panics
    /// If a person or channel names a role that the guild does not have.
    pub fn build(self) -> Guild {
        let id = self.sim.change(|state| {
            let owner = state.add_user(&format!("owner-of-{}", self.name), false, AGE.as_millis() as i64);
            let guild = state.add_guild(&self.name, owner);
            for (name, permissions) in &self.roles {
                state.add_role(guild, name, *permissions);
            }
            for (name, roles) in &self.channels {
                let roles: Vec<Id> = roles.iter().map(|role| role_named(state, guild, role)).collect();
                state.add_channel(guild, name, &roles);
            }
            for (name, roles) in &self.people {
                let age_ms = AGE.as_millis() as i64;
                let user = state.add_user(name, false, age_ms);
                let roles: Vec<Id> = roles.iter().map(|role| role_named(state, guild, role)).collect();
                state.add_member_as(guild, user, age_ms, |member| member.roles = roles);
            }
            for bot in &self.bots {
                state.install(guild, *bot);
            }
            guild
        });
        Guild { sim: self.sim, id }
    }
}

fn role_named(state: &SimState, guild: Id, name: &str) -> Id {
    let found = state.guilds.get(&guild).and_then(|g| g.roles.values().find(|role| role.name == name));
    found.map_or_else(|| panic!("the guild has no role {name:?}"), |role| role.id)
}

impl SimState {
    /// Adds a text channel. With roles, only members with one of them and bots see it.
    pub(crate) fn add_channel(&mut self, guild: Id, name: &str, only_for: &[Id]) -> Id {
        let id = self.new_id();
        let view = Permissions::VIEW_CHANNEL.0;
        let mut overwrites = Vec::new();
        if !only_for.is_empty() {
            overwrites.push(Overwrite { id: guild, is_member: false, allow: 0, deny: view });
            let bots = self
                .guilds
                .get(&guild)
                .into_iter()
                .flat_map(|g| g.roles.values())
                .filter(|r| r.bot.is_some());
            let allowed = only_for.iter().copied().chain(bots.map(|role| role.id));
            overwrites.extend(allowed.map(|id| Overwrite { id, is_member: false, allow: view, deny: 0 }));
        }
        let position = self.channels.values().filter(|channel| channel.guild == Some(guild)).count() as i64;
        let channel = StoredChannel {
            id,
            guild: Some(guild),
            name: name.to_owned(),
            position,
            kind: ChannelKind::TEXT,
            overwrites,
            recipients: Vec::new(),
        };
        self.channels.insert(id, channel);
        if let Some(channel) = self.channels.get(&id) {
            let payload = crate::objects::channel(self, channel, None);
            self.dispatch(guild, "CHANNEL_CREATE", &payload, crate::members::GUILDS);
        }
        id
    }

    /// Sends the event that a channel was changed.
    pub(crate) fn announce_channel(&mut self, channel: Id) {
        let Some(found) = self.channels.get(&channel) else { return };
        let Some(guild) = found.guild else { return };
        let payload = crate::objects::channel(self, found, None);
        self.dispatch(guild, "CHANNEL_UPDATE", &payload, crate::members::GUILDS);
    }

    /// Adds an application with its bot user.
    pub(crate) fn add_app(&mut self, name: &str, token: Option<String>) -> Id {
        use base64::Engine as _;
        let id = self.id_made_at(self.now_ms() - AGE.as_millis() as i64);
        let user = self.add_user(name, true, AGE.as_millis() as i64);
        let made = || {
            let first = base64::engine::general_purpose::STANDARD_NO_PAD.encode(user.to_string());
            format!("{first}.{}.{}", random_hex(3), &random_hex(14)[..27])
        };
        let app = App {
            id,
            user,
            name: name.to_owned(),
            token: token.unwrap_or_else(made),
            allowed_intents: u64::MAX >> 38,
            interactions_url: None,
            global_commands: Vec::new(),
            guild_commands: [].into(),
        };
        self.apps.insert(id, app);
        id
    }

    /// Adds a bot to a guild with more permissions than it needs, as when nobody has restricted them.
    pub(crate) fn install(&mut self, guild: Id, app: Id) {
        let permissions = Permissions::MANAGE_ROLES | Permissions::BAN_MEMBERS | Permissions::EVERYONE;
        self.install_with(guild, app, permissions);
    }

    /// Adds a bot to a guild, with its managed role on top and access to private channels.
    pub(crate) fn install_with(&mut self, guild: Id, app: Id, permissions: Permissions) {
        let Some((user, name)) = self.apps.get(&app).map(|app| (app.user, app.name.clone())) else {
            return;
        };
        let role = self.add_role(guild, &name, permissions);
        self.change_role(guild, role, |role| {
            role.managed = true;
            role.bot = Some(user);
        });
        for channel in self.channels.values_mut() {
            if channel.guild == Some(guild) && !channel.overwrites.is_empty() {
                let allow = Permissions::VIEW_CHANNEL.0;
                channel.overwrites.push(Overwrite { id: role, is_member: false, allow, deny: 0 });
            }
        }
        let joined = AGE.as_millis() as i64;
        // The role exists before GUILD_CREATE is sent.
        self.add_member(guild, user, joined);
        self.change_member(guild, user, "roles", |member| member.roles.push(role));
    }
}

impl Sim {
    /// Registers an application with a new token.
    pub fn bot(&self, name: &str) -> Bot {
        let (id, user) = self.change(|state| {
            let id = state.add_app(name, None);
            (id, state.apps.get(&id).map_or(id, |app| app.user))
        });
        Bot { sim: self.clone(), id, user }
    }

    /// The bot that was registered first, for example by a fixture.
    pub fn first_bot(&self) -> Option<Bot> {
        let (id, user) = self.read(|state| state.apps.values().next().map(|app| (app.id, app.user)))?;
        Some(Bot { sim: self.clone(), id, user })
    }

    /// Sets up a guild.
    pub fn guild(&self, name: &str) -> GuildBuilder {
        GuildBuilder {
            sim: self.clone(),
            name: name.to_owned(),
            roles: Vec::new(),
            channels: Vec::new(),
            people: Vec::new(),
            bots: Vec::new(),
        }
    }
}

impl Guild {
    /// The simulator that contains it.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// A role by name.
    ///
    /// # Panics
    /// If there is none.
    pub fn role(&self, name: &str) -> Role {
        let id = self.sim.read(|state| role_named(state, self.id, name));
        Role { id, name: name.to_owned() }
    }

    /// Sets the permissions of a role.
    ///
    /// # Panics
    /// If there is no role with that name.
    pub fn role_may(&self, name: &str, permissions: Permissions) {
        self.sim.change(|state| {
            let role = role_named(state, self.id, name);
            state.change_role(self.id, role, |role| role.permissions = permissions.0);
        });
    }

    /// A channel by name.
    ///
    /// # Panics
    /// If there is none.
    pub fn channel(&self, name: &str) -> Channel {
        let found = self.sim.read(|state| state.channel_named(self.id, name));
        let id = found.unwrap_or_else(|| panic!("the guild has no channel {name:?}"));
        Channel { id, name: name.to_owned() }
    }

    /// A member by user name, in the guild's first channel.
    ///
    /// # Panics
    /// If there is none, or the guild has no channel.
    pub fn member(&self, name: &str) -> Person {
        let found = self.sim.read(|state| {
            let guild = state.guilds.get(&self.id)?;
            let is_called = |id: &Id| state.users.get(id).is_some_and(|user| user.username == name);
            guild.members.keys().copied().find(is_called)
        });
        let id = found.unwrap_or_else(|| panic!("the guild has no member {name:?}"));
        self.person(id)
    }

    fn person(&self, id: Id) -> Person {
        let channel = self.sim.read(|state| {
            let own = state.channels.values().filter(|channel| channel.guild == Some(self.id));
            own.map(|channel| channel.id).next()
        });
        let channel = channel.unwrap_or_else(|| panic!("the guild has no channel"));
        Person { sim: self.sim.clone(), guild: self.id, id, place: Place { guild: Some(self.id), channel } }
    }

    /// A person who will join the guild; set their properties, then call `joins`.
    pub fn newcomer(&self, name: &str) -> PersonBuilder {
        PersonBuilder {
            guild: self.clone(),
            name: name.to_owned(),
            roles: Vec::new(),
            account_age: AGE,
            joined_ago: Duration::ZERO,
            pending: false,
            locale: "en-US".to_owned(),
        }
    }

    /// Deletes a role. Members lose it without a member event, as in Discord.
    ///
    /// # Panics
    /// If there is none.
    pub fn deletes_role(&self, name: &str) {
        let role = self.role(name).id;
        self.sim.change(|state| state.delete_role(self.id, role));
    }

    /// Denies permissions in a channel to everybody except administrators. This includes the bot.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn forbids(&self, channel: &str, permissions: Permissions) {
        let channel = self.channel(channel).id;
        let overwrite = Overwrite { id: self.id, is_member: false, allow: 0, deny: permissions.0 };
        self.sim.change(|state| {
            if let Some(channel) = state.channels.get_mut(&channel) {
                channel.overwrites.push(overwrite);
            }
        });
    }

    /// Deletes a message, as a person who may do so.
    pub fn deletes_message(&self, message: Id) {
        self.sim.change(|state| {
            if let Some(message) = state.messages.get_mut(&message) {
                message.deleted = true;
            }
        });
    }

    /// Sets a role's position; a higher position is above a lower one.
    ///
    /// # Panics
    /// If there is no such role.
    pub fn moves_role(&self, name: &str, position: i64) {
        let role = self.role(name).id;
        self.sim.change(|state| state.change_role(self.id, role, |role| role.position = position));
    }

    /// Sets a role's permissions.
    ///
    /// # Panics
    /// If there is no such role.
    pub fn permits_role(&self, name: &str, permissions: Permissions) {
        let role = self.role(name).id;
        self.sim.change(|state| state.change_role(self.id, role, |role| role.permissions = permissions.0));
    }

    /// Adds the bot with these permissions, as a person who manages the guild does with an invite.
    pub fn invites(&self, bot: &Bot, permissions: Permissions) {
        self.sim.change(|state| state.install_with(self.id, bot.id, permissions));
    }

    /// Removes the bot, as an administrator does. Its commands go with it.
    pub fn removes(&self, bot: &Bot) {
        self.sim.change(|state| {
            let user = state.apps.get_mut(&bot.id).map(|app| {
                app.guild_commands.remove(&self.id);
                app.user
            });
            if let Some(user) = user {
                state.remove_member(self.id, user, "kicked");
            }
        });
    }

    /// Sets a channel's overwrite for a role with this name (`@everyone` is one), and replaces an earlier one.
    ///
    /// # Panics
    /// If there is no such channel or role.
    pub fn excepts(&self, channel: &str, role: &str, allow: Permissions, deny: Permissions) {
        let (channel, id) = (self.channel(channel).id, self.role(role).id);
        self.sim.change(|state| {
            if let Some(channel) = state.channels.get_mut(&channel) {
                channel.overwrites.retain(|overwrite| overwrite.id != id);
                channel.overwrites.push(Overwrite { id, is_member: false, allow: allow.0, deny: deny.0 });
            }
            state.announce_channel(channel);
        });
    }

    /// Turns a channel into one of another type.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn turns(&self, channel: &str, kind: ChannelKind) {
        let channel = self.channel(channel).id;
        self.sim.change(|state| {
            if let Some(channel) = state.channels.get_mut(&channel) {
                channel.kind = kind;
            }
            state.announce_channel(channel);
        });
    }

    /// Deletes a channel with its messages.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn deletes_channel(&self, channel: &str) {
        let channel = self.channel(channel).id;
        self.sim.change(|state| {
            state.channels.remove(&channel);
            state.messages.retain(|_, message| message.channel != channel);
        });
    }

    /// The public messages of a channel as text, oldest first. Marks nothing as read.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn history(&self, channel: &str) -> Vec<(Id, String)> {
        let channel = self.channel(channel).id;
        self.sim.read(|state| {
            let messages = state
                .messages
                .values()
                .filter(|m| m.channel == channel && !m.deleted && m.ephemeral_to.is_none());
            messages.map(|message| (message.id, crate::sight::render(state, message))).collect()
        })
    }
}

/// A person who is about to join.
#[derive(Debug)]
#[must_use = "nobody comes before `joins`"]
pub struct PersonBuilder {
    guild: Guild,
    name: String,
    roles: Vec<String>,
    account_age: Duration,
    joined_ago: Duration,
    pending: bool,
    locale: String,
}

impl PersonBuilder {
    /// Sets how old the Discord account is, which its snowflake shows.
    pub fn account_age(mut self, age: Duration) -> Self {
        self.account_age = age;
        self
    }

    /// Sets how long ago they joined; the default is now.
    pub fn joined_ago(mut self, ago: Duration) -> Self {
        self.joined_ago = ago;
        self
    }

    /// Gives a role.
    pub fn with_role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }

    /// Leaves membership screening unfinished.
    pub fn in_screening(mut self) -> Self {
        self.pending = true;
        self
    }

    /// Sets the client's language, such as `de`.
    pub fn speaking(mut self, locale: &str) -> Self {
        locale.clone_into(&mut self.locale);
        self
    }

    /// Joins the guild.
    ///
    /// # Panics
    /// If the guild lacks a role that was given.
    pub fn joins(self) -> Person {
        let guild = self.guild.id;
        let id = self.guild.sim.change(|state| {
            let id = state.add_user(&self.name, false, self.account_age.as_millis() as i64);
            if let Some(user) = state.users.get_mut(&id) {
                user.locale.clone_from(&self.locale);
            }
            let roles: Vec<Id> = self.roles.iter().map(|role| role_named(state, guild, role)).collect();
            state.add_member_as(guild, id, self.joined_ago.as_millis() as i64, |member| {
                member.roles = roles;
                member.pending = self.pending;
            });
            id
        });
        self.guild.person(id)
    }
}
