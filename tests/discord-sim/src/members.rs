//! Changes of members, roles and guilds, with the events that Discord sends for each.

use serde_json::{Value, json};

use crate::ids::{Id, iso};
use crate::objects;
use crate::permissions::Permissions;
use crate::state::{Guild, Member, Role, SimState, User};

/// The intents that select events.
pub(crate) const GUILDS: u64 = 1;
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
pub(crate) const GUILD_MODERATION: u64 = 1 << 2;
pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
pub(crate) const DIRECT_MESSAGES: u64 = 1 << 12;

impl SimState {
    /// Adds a user whose account is `age_ms` old.
    pub(crate) fn add_user(&mut self, username: &str, is_bot: bool, age_ms: i64) -> Id {
        let id = self.id_made_at(self.now_ms() - age_ms);
        let user = User {
            id,
            username: username.to_owned(),
            global_name: None,
            is_bot,
            dms_open: true,
            locale: "en-US".to_owned(),
        };
        self.users.insert(id, user);
        id
    }

    /// Adds a guild with @everyone and its owner.
    pub(crate) fn add_guild(&mut self, name: &str, owner: Id) -> Id {
        let id = self.new_id();
        self.add_guild_with_id(id, name, owner)
    }

    /// Gives a role that nobody has yet the id that a fixture asks for.
    pub(crate) fn renumber_role(&mut self, guild: Id, role: Id, wanted: Option<Id>) {
        let Some(wanted) = wanted else { return };
        let Some(found) = self.guilds.get_mut(&guild) else {
            return;
        };
        if let Some(mut moved) = found.roles.remove(&role) {
            moved.id = wanted;
            found.roles.insert(wanted, moved);
        }
    }

    /// Gives a user who is in no guild yet the id that a fixture asks for.
    pub(crate) fn renumber_user(&mut self, user: Id, wanted: Option<Id>) -> Id {
        match (wanted, self.users.remove(&user)) {
            (Some(wanted), Some(mut moved)) => {
                moved.id = wanted;
                self.users.insert(wanted, moved);
                wanted
            }
            (None, Some(kept)) => {
                self.users.insert(user, kept);
                user
            }
            (_, None) => user,
        }
    }

    /// Adds a guild with a given id.
    pub(crate) fn add_guild_with_id(&mut self, id: Id, name: &str, owner: Id) -> Id {
        let everyone = Role {
            id,
            name: "@everyone".to_owned(),
            position: 0,
            permissions: Permissions::EVERYONE.0,
            managed: false,
            bot: None,
        };
        let guild = Guild {
            id,
            name: name.to_owned(),
            owner,
            roles: [(id, everyone)].into(),
            members: [].into(),
            bans: [].into(),
            locale: "en-US".to_owned(),
        };
        self.guilds.insert(id, guild);
        self.add_member(id, owner, 0);
        id
    }

    /// Lets a user join; `age_ms` is how long ago that was.
    pub(crate) fn add_member(&mut self, guild: Id, user: Id, age_ms: i64) {
        self.add_member_as(guild, user, age_ms, |_| {});
    }

    /// Like `add_member`, and sets the member's properties before the event is sent.
    pub(crate) fn add_member_as(
        &mut self,
        guild: Id,
        user: Id,
        age_ms: i64,
        dress: impl FnOnce(&mut Member),
    ) {
        let joined_ms = self.now_ms() - age_ms;
        let mut member =
            Member { user, nick: None, roles: Vec::new(), joined_ms, pending: false, timeout_until_ms: None };
        dress(&mut member);
        let Some(found) = self.guilds.get_mut(&guild) else {
            return;
        };
        if found.bans.contains_key(&user) || found.members.contains_key(&user) {
            return;
        }
        found.members.insert(user, member);
        self.note_member(guild, user, "joined");
        self.send_member(guild, user, "GUILD_MEMBER_ADD");
        let app = self.apps.values().find(|app| app.user == user).map(|app| app.id);
        if let Some(app) = app {
            let payload = self.guilds.get(&guild).map(|found| objects::guild_create(self, found, user));
            self.dispatch_to(app, "GUILD_CREATE", &payload.unwrap_or_default(), GUILDS, Some(guild));
        }
    }

    /// Adds a role above all others of the guild.
    pub(crate) fn add_role(&mut self, guild: Id, name: &str, permissions: Permissions) -> Id {
        let id = self.new_id();
        let Some(found) = self.guilds.get_mut(&guild) else {
            return id;
        };
        let position = found.roles.values().map(|role| role.position).max().unwrap_or(0) + 1;
        let permissions = permissions.0;
        let role = Role { id, name: name.to_owned(), position, permissions, managed: false, bot: None };
        let payload = json!({"guild_id": guild, "role": objects::role(&role)});
        found.roles.insert(id, role);
        self.dispatch(guild, "GUILD_ROLE_CREATE", &payload, GUILDS);
        id
    }

    /// Changes a role and sends the event to the bots.
    pub(crate) fn change_role(&mut self, guild: Id, role: Id, change: impl FnOnce(&mut Role)) {
        let Some(found) = self.guilds.get_mut(&guild).and_then(|g| g.roles.get_mut(&role)) else {
            return;
        };
        change(found);
        let payload = json!({"guild_id": guild, "role": objects::role(found)});
        self.dispatch(guild, "GUILD_ROLE_UPDATE", &payload, GUILDS);
    }

    /// Deletes a role. Members lose it without a member event, as in Discord.
    pub(crate) fn delete_role(&mut self, guild: Id, role: Id) {
        let Some(found) = self.guilds.get_mut(&guild) else {
            return;
        };
        if role == guild || found.roles.remove(&role).is_none() {
            return;
        }
        let mut held = Vec::new();
        for member in found.members.values_mut() {
            if member.roles.contains(&role) {
                member.roles.retain(|id| *id != role);
                held.push(member.user);
            }
        }
        for user in held {
            self.note_member(guild, user, "roles");
        }
        self.dispatch(guild, "GUILD_ROLE_DELETE", &json!({"guild_id": guild, "role_id": role}), GUILDS);
    }

    /// Changes a member and sends the event to the bots, unless nothing changed.
    pub(crate) fn change_member(
        &mut self,
        guild: Id,
        user: Id,
        event: &'static str,
        change: impl FnOnce(&mut Member),
    ) {
        let Some(found) = self.guilds.get_mut(&guild).and_then(|g| g.members.get_mut(&user)) else {
            return;
        };
        let before = format!("{found:?}");
        change(found);
        found.roles.sort_unstable();
        found.roles.dedup();
        if format!("{found:?}") == before {
            return;
        }
        self.note_member(guild, user, event);
        self.send_member(guild, user, "GUILD_MEMBER_UPDATE");
    }

    /// Removes a member from the guild, who left or was kicked.
    pub(crate) fn remove_member(&mut self, guild: Id, user: Id, event: &'static str) {
        let removed = self.guilds.get_mut(&guild).and_then(|found| found.members.remove(&user));
        if removed.is_none() {
            return;
        }
        self.note_member(guild, user, event);
        let payload = json!({"guild_id": guild, "user": objects::user(self, user)});
        let app = self.apps.values().find(|app| app.user == user).map(|app| app.id);
        if let Some(app) = app {
            self.dispatch_to(app, "GUILD_DELETE", &json!({"id": guild}), GUILDS, Some(guild));
        }
        self.dispatch(guild, "GUILD_MEMBER_REMOVE", &payload, GUILD_MEMBERS);
    }

    pub(crate) fn ban(&mut self, guild: Id, user: Id, reason: Option<String>) {
        let Some(found) = self.guilds.get_mut(&guild) else {
            return;
        };
        found.bans.insert(user, reason);
        let payload = json!({"guild_id": guild, "user": objects::user(self, user)});
        self.dispatch(guild, "GUILD_BAN_ADD", &payload, GUILD_MODERATION);
        self.remove_member(guild, user, "banned");
    }

    pub(crate) fn unban(&mut self, guild: Id, user: Id) {
        let Some(found) = self.guilds.get_mut(&guild) else {
            return;
        };
        if found.bans.remove(&user).is_none() {
            return;
        }
        self.note_member(guild, user, "unbanned");
        let payload = json!({"guild_id": guild, "user": objects::user(self, user)});
        self.dispatch(guild, "GUILD_BAN_REMOVE", &payload, GUILD_MODERATION);
    }

    fn send_member(&mut self, guild: Id, user: Id, event: &'static str) {
        let Some(found) = self.guilds.get(&guild).and_then(|g| g.members.get(&user)) else {
            return;
        };
        let mut payload = objects::member(self, found);
        payload["guild_id"] = json!(guild);
        payload["joined_at"] = json!(iso(found.joined_ms));
        self.dispatch(guild, event, &payload, GUILD_MEMBERS);
    }

    /// Sends an event of a guild to every bot that is in it.
    pub(crate) fn dispatch(&mut self, guild: Id, event: &str, payload: &Value, intent: u64) {
        let Some(found) = self.guilds.get(&guild) else {
            return;
        };
        let apps: Vec<Id> = self
            .apps
            .values()
            .filter(|app| found.members.contains_key(&app.user))
            .map(|app| app.id)
            .collect();
        for app in apps {
            self.dispatch_to(app, event, payload, intent, Some(guild));
        }
    }
}
