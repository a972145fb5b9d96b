//! `accolade config why`: which rule makes a member eligible, and why the others don't.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::prepare::{load, small_runtime};
use super::print::Printer;
use super::session::instant;
use crate::accounts::explain::{MemberSeen, fetch_member};
use crate::clock;
use crate::config::Config;
use crate::domain::eligibility::{Approval, Explanation, GroupName, Rule, WhyNot, explain};
use crate::domain::ids::{DiscordUserId, GuildId, RoleId, Timestamp};
use crate::domain::lang::Lang;
use crate::domain::member::MemberFacts;
use crate::messages::{self, tr};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The guild
    #[arg(long, value_name = "GUILD_ID")]
    guild: GuildId,
    /// The member
    #[arg(long, value_name = "DISCORD_ID")]
    member: DiscordUserId,
    /// Evaluate these roles, separated by commas, without asking Discord
    #[arg(long, value_name = "ROLE_ID,…", value_delimiter = ',', num_args = 0..)]
    roles: Option<Vec<RoleId>>,
    /// With `--roles`: when the member joined, like `2026-11-23T00:00:00Z`
    #[arg(long, value_name = "TIME", requires = "roles", value_parser = super::audit::time)]
    joined: Option<Timestamp>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// `config why`
pub(super) fn run(flags: &Flags, file: &Path, printer: &mut Printer) -> Exit {
    let config = match load(file, printer) {
        Ok(loaded) => loaded.config,
        Err(exit) => return exit,
    };
    let Some(guild) = config.guild(flags.guild) else {
        return printer.fault(Exit::Usage, tr!(Lang::default(), "service-no-such-guild"));
    };
    let MemberSeen { facts, role_names } = match facts(flags, &config, printer) {
        Ok(seen) => seen,
        Err(exit) => return exit,
    };
    let explanation = explain(&guild.policy, &facts, clock::of_process().now());
    if flags.json {
        printer.line(as_json(&explanation));
    } else {
        print(&explanation, &role_names, printer);
    }
    Exit::Done
}

fn facts(flags: &Flags, config: &Config, printer: &mut Printer) -> Result<MemberSeen, Exit> {
    if let Some(roles) = &flags.roles {
        let facts = MemberFacts {
            user_id: flags.member,
            guild_id: flags.guild,
            user_name: String::new(),
            display_name: None,
            roles: roles.clone(),
            joined_at: flags.joined,
            pending: false,
            timed_out_until: None,
            bot: false,
        };
        return Ok(MemberSeen { facts, role_names: BTreeMap::new() });
    }
    let asking = fetch_member(&config.discord, clock::of_process(), flags.guild, flags.member);
    match small_runtime(printer)?.block_on(asking) {
        Ok(Some(seen)) => Ok(seen),
        Ok(None) => Err(printer.fault(Exit::Failed, tr!(Lang::default(), "service-not-in-guild"))),
        Err(error) => Err(printer.failure("nothing was evaluated", &error)),
    }
}

fn print(explanation: &Explanation<'_>, names: &BTreeMap<RoleId, String>, printer: &mut Printer) {
    let lang = Lang::default();
    let deciding = explanation.deciding();
    printer.line(match deciding {
        Some(rule) => messages::service::decides(lang, rule),
        None => tr!(lang, "service-nothing-fits"),
    });
    for reason in &explanation.of_person {
        printer.line(messages::service::against(lang, reason, names));
    }
    if explanation.rules.is_empty() {
        printer.line(messages::service::against(lang, &WhyNot::NoRules, names));
    }
    for (rule, reasons) in &explanation.rules {
        let decides = deciding.is_some_and(|deciding| std::ptr::eq(deciding, *rule));
        if reasons.is_empty() && !decides {
            printer.line(messages::service::would_fit(lang, rule));
        } else if !decides {
            printer.line(messages::service::does_not_fit(lang, rule));
            for reason in reasons {
                printer.line(messages::service::against(lang, reason, names));
            }
        }
    }
}

fn as_json(explanation: &Explanation<'_>) -> Value {
    let reasons = |reasons: &[WhyNot]| reasons.iter().map(reason_as_json).collect::<Vec<_>>();
    let rule = |(rule, of_rule): &(&Rule, Vec<WhyNot>)| {
        json!({
            "name": rule.name.as_str(),
            "fits": of_rule.is_empty(),
            "why_not": reasons(of_rule),
            "groups": rule.groups.iter().map(GroupName::as_str).collect::<Vec<_>>(),
            "approval": match rule.approval {
                Approval::Automatic => "automatic",
                Approval::Moderators => "moderators",
            },
        })
    };
    json!({
        "eligible": explanation.deciding().is_some(),
        "rule": explanation.deciding().map(|rule| rule.name.as_str()),
        "person": reasons(&explanation.of_person),
        "rules": explanation.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

/// A condition that doesn't hold: its name, and its roles or its time.
fn reason_as_json(reason: &WhyNot) -> Value {
    let of_roles = |code: &str, roles: &[RoleId]| json!({"condition": code, "roles": roles.iter().map(ToString::to_string).collect::<Vec<_>>()});
    match reason {
        WhyNot::Pending => json!({"condition": "screening"}),
        WhyNot::Bot => json!({"condition": "bot"}),
        WhyNot::TimedOut => json!({"condition": "timed_out"}),
        WhyNot::NoRules => json!({"condition": "no_rules"}),
        WhyNot::RolesMissing(roles) => of_roles("all_roles", roles),
        WhyNot::OneRoleNeeded(roles) => of_roles("any_roles", roles),
        WhyNot::RoleForbids(roles) => of_roles("none_roles", roles),
        WhyNot::AccountTooYoung(at) => json!({"condition": "min_account_age", "fits_at": instant(*at)}),
        WhyNot::MembershipTooYoung(at) => json!({"condition": "min_membership", "fits_at": at.map(instant)}),
    }
}
