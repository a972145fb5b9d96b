//! The simulated guild that most tests use, and its section of the configuration.

use discord_sim::{Bot, Guild, GuildBuilder, Permissions, Sim};
use serde_json::{Value, json};

/// The roles and channels of every guild, and the bot. The caller adds the people.
pub(crate) fn builder(sim: &Sim, name: &str, bot: &Bot) -> GuildBuilder {
    sim.guild(name)
        .role("member")
        .role("account-holder")
        .role("moderator")
        .role("admin")
        .role_with("accolade", Permissions::MANAGE_ROLES)
        .channel("general")
        .channel("account-requests")
        .channel("log")
        .bot(bot)
}

/// A rule that grants a group to members with a role.
pub(crate) fn rule(guild: &Guild, name: &str, role: &str, approval: &str) -> Value {
    json!({
        "name": name, "all_roles": [guild.role(role).id.to_string()], "groups": ["members"], "approval": approval,
    })
}

/// `[[guild]]`
pub(crate) fn section(guild: &Guild, rules: &[Value]) -> Value {
    let role = |name: &str| guild.role(name).id.to_string();
    let channel = |name: &str| guild.channel(name).id.to_string();
    json!({
        "id": guild.id.to_string(),
        "moderator_roles": [role("moderator")],
        "admin_roles": [role("admin")],
        "member_role": role("account-holder"),
        "request_channel": channel("account-requests"),
        "log_channel": channel("log"),
        "rule": rules,
    })
}
