//! Values that are each valid and can never work together or in their place. Each is refused with what to write instead, because the
//! program would meet it much later, and blame something else.

use std::time::Duration;

use url::Url;

use super::model::{Account, Directory, Guild, Keycloak};
use super::reader::Section;
use crate::domain::eligibility::Rule;
use crate::domain::ids::RoleId;
use crate::domain::matching::class_key;

/// Object classes of usual schemas that an entry of this program can't have, with the reason.
const UNUSABLE_CLASSES: &[(&str, &str)] = &[
    (
        "posixAccount",
        "it requires `uidNumber`, `gidNumber` and `homeDirectory`, which Accolade does not write",
    ),
    ("posixGroup", "it requires `gidNumber`, and is a class of groups"),
    ("sambaSamAccount", "it requires `sambaSID`, which Accolade does not write"),
    ("simpleSecurityObject", "it requires a password, and Accolade never writes one"),
    ("krbPrincipal", "it requires `krbPrincipalName`, which Accolade does not write"),
    ("dcObject", "it requires `dc`, which Accolade does not write"),
    ("account", "it is structural, as `inetOrgPerson` is, and an entry has one structural class"),
    ("device", "it is structural, as `inetOrgPerson` is, and an entry has one structural class"),
    ("residentialPerson", "it is structural, as `inetOrgPerson` is, and an entry has one structural class"),
    ("organizationalRole", "it is structural, as `inetOrgPerson` is, and an entry has one structural class"),
    ("organizationalUnit", "it is structural, as `inetOrgPerson` is, and an entry has one structural class"),
    ("groupOfNames", "it is a class of groups"),
    ("groupOfUniqueNames", "it is a class of groups"),
    ("alias", "it makes the entry stand for another one"),
    ("subentry", "it hides the entry from searches"),
];

/// What an id of Discord's names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Guild,
    Role,
    Channel,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Guild => "a server",
            Self::Role => "a role",
            Self::Channel => "a channel",
        }
    }
}

/// One use of an id.
struct Use<'s, 'a> {
    section: &'s Section<'a>,
    key: &'static str,
    id: u64,
    kind: Kind,
    /// The position of its guild.
    guild: usize,
}

/// Checks the ids of all guilds: Discord gives each id once, so a role is no channel and belongs to one server.
pub(super) fn check_guilds(sections: &[Section<'_>], guilds: &[Guild]) {
    let rules: Vec<Vec<Section<'_>>> =
        sections.iter().map(|section| section.tables("rule").unwrap_or_default()).collect();
    let mut uses: Vec<Use<'_, '_>> = Vec::new();
    for (at, (section, guild)) in sections.iter().zip(guilds).enumerate() {
        uses.push(Use { section, key: "id", id: guild.id.get(), kind: Kind::Guild, guild: at });
    }
    for (at, ((section, guild), rules)) in sections.iter().zip(guilds).zip(&rules).enumerate() {
        let mut all = |section, key, kind, ids: Vec<u64>| {
            uses.extend(ids.into_iter().map(|id| Use { section, key, id, kind, guild: at }));
        };
        let numbers = |roles: &[RoleId]| roles.iter().map(|role| role.get()).collect::<Vec<_>>();
        all(section, "moderator_roles", Kind::Role, numbers(&guild.moderator_roles));
        all(section, "admin_roles", Kind::Role, numbers(&guild.admin_roles));
        all(section, "member_role", Kind::Role, guild.member_role.iter().map(|role| role.get()).collect());
        all(section, "request_channel", Kind::Channel, vec![guild.request_channel.get()]);
        all(section, "log_channel", Kind::Channel, guild.log_channel.iter().map(|id| id.get()).collect());
        for (section, rule) in rules.iter().zip(&guild.policy.rules) {
            for (key, roles) in roles_of(rule) {
                all(section, key, Kind::Role, numbers(roles));
            }
        }
    }
    for (at, one) in uses.iter().enumerate() {
        let clash = uses.iter().take(at).find(|other| other.id == one.id && clashes(other, one));
        if let Some(other) = clash {
            report(one, other);
        }
    }
}

fn roles_of(rule: &Rule) -> [(&'static str, &[RoleId]); 3] {
    [("all_roles", &rule.all_roles), ("any_roles", &rule.any_roles), ("none_roles", &rule.none_roles)]
}

fn clashes(other: &Use<'_, '_>, one: &Use<'_, '_>) -> bool {
    other.kind != one.kind || (other.guild != one.guild && one.kind != Kind::Guild)
}

fn report(one: &Use<'_, '_>, other: &Use<'_, '_>) {
    let (section, key, id) = (one.section, one.key, one.id);
    let is_own_guild = other.kind == Kind::Guild && other.guild == one.guild;
    match (one.kind, is_own_guild) {
        (Kind::Role, true) => {
            let problem = format!(
                "`{id}` is the id of the server, which Discord uses for @everyone: no member lists it"
            );
            section.error(key, problem, everyone_fix(key));
        }
        // Servers from before 2017 have a first channel with their own id.
        (Kind::Channel, true) => {
            let problem = format!(
                "`{id}` is also the id of the server: only the first channel of an old server has it"
            );
            section.warn(key, problem, "right-click the channel and choose `Copy ID`");
        }
        (Kind::Role | Kind::Channel | Kind::Guild, _) => {
            let place = other.section.key(other.key);
            let problem = if one.kind == other.kind {
                format!("`{id}` belongs to another server, see `{place}`")
            } else {
                format!("`{id}` is {} in `{place}` and {} here", other.kind.name(), one.kind.name())
            };
            section.error(key, problem, "right-click the thing in Discord and choose `Copy ID`");
        }
    }
}

fn everyone_fix(key: &str) -> &'static str {
    match key {
        "all_roles" | "any_roles" => "leave it out: a rule without roles fits every member",
        "none_roles" => "leave it out, or remove the rule: it would fit nobody",
        "member_role" => "name a role of its own, or leave `member_role` out",
        _ => "name the roles of the people who decide",
    }
}

/// Checks `[directory]` for places and classes that a directory can't bring together.
pub(super) fn check_directory(section: &Section<'_>, directory: &Directory) {
    let (people, groups) = (&directory.people_dn, &directory.groups_dn);
    if groups == people || groups.is_below(people) {
        let problem = if groups == people {
            "people and groups are in one place: access rules for one would apply to the other"
        } else {
            "the groups are below the people: access rules for people would apply to groups"
        };
        section.error("groups_dn", problem, "keep the groups in a place of their own, beside `people_dn`");
    } else if !groups.has_root_of(people) {
        section.error(
            "groups_dn",
            "ends differently from `people_dn`: members in another database are not kept up to date",
            "keep both below one suffix, such as `dc=example,dc=org`",
        );
    }
    if [people, groups].contains(&&directory.bind_dn) {
        section.error(
            "bind_dn",
            "is the place of people or groups, which can't log in",
            "name the entry that the bot binds as, such as `cn=accolade,ou=services,dc=example,dc=org`",
        );
    }
    check_classes(section, &directory.object_classes);
}

fn check_classes(section: &Section<'_>, classes: &[String]) {
    for (at, class) in classes.iter().enumerate() {
        if classes.iter().take(at).any(|other| class_key(other) == class_key(class)) {
            section.error("object_classes", format!("names `{class}` twice"), "name each class once");
        }
        let unusable = UNUSABLE_CLASSES.iter().find(|(name, _)| class_key(name) == class_key(class));
        if let Some((_, reason)) = unusable {
            let fix = "take it out; another program may add it to the entries later";
            section.error("object_classes", format!("`{class}` can't be used: {reason}"), fix);
        }
    }
}

/// Checks `[keycloak]` for addresses below Keycloak's base, and for one client in two roles.
pub(super) fn check_keycloak(section: &Section<'_>, keycloak: &Keycloak) {
    // Without a value of its own, the public address is the other one.
    let public = Some(&keycloak.public_url).filter(|public| **public != keycloak.url);
    for (key, url) in [("url", Some(&keycloak.url)), ("public_url", public)] {
        if let Some(base) = url.and_then(base_of) {
            let problem = "names a page below Keycloak's own address";
            section.error(key, problem, format!("write `{base}`"));
        }
    }
    if keycloak.client_id == keycloak.mail_client_id {
        section.error(
            "mail_client_id",
            "is the service client: people can't log in there",
            "name the client of the page that people reach after the mail, such as `account`",
        );
    }
}

/// The address before `/realms/…` or `/admin…`, which the program adds itself.
fn base_of(url: &Url) -> Option<String> {
    let segments: Vec<&str> = url.path_segments()?.collect();
    let at = segments.iter().position(|segment| matches!(*segment, "realms" | "admin"))?;
    let mut base = url.clone();
    base.set_path(&segments.iter().take(at).copied().collect::<Vec<_>>().join("/"));
    Some(base.as_str().trim_end_matches('/').to_owned())
}

/// Checks that an account is not removed as unused while the first link to it still works.
pub(super) fn check_spans(account: &Section<'_>, settings: &Account, first_link: Duration) {
    if settings.unused_after < first_link {
        let link = humantime::format_duration(first_link);
        account.error(
            "unused_after",
            format!("an account would be removed while its mailed link works (`keycloak.first_link_lifespan` is {link})"),
            format!("write {link} or more, or shorten the link's lifespan"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::config::EXAMPLE;
    use crate::config::tests::{fault_after, folder, loaded};

    #[test]
    fn the_servers_own_id_is_no_role() {
        for (key, from, to) in [
            (
                "guild[0].rule[0].all_roles",
                "all_roles = [\"100000000000000007\"]",
                "all_roles = [\"100000000000000001\"]",
            ),
            (
                "guild[0].rule[0].any_roles",
                "any_roles = [\"100000000000000008\"",
                "any_roles = [\"100000000000000001\"",
            ),
            (
                "guild[0].moderator_roles",
                "moderator_roles = [\"100000000000000002\"]",
                "moderator_roles = [\"100000000000000001\"]",
            ),
            (
                "guild[0].admin_roles",
                "admin_roles = [\"100000000000000003\"]",
                "admin_roles = [\"100000000000000001\"]",
            ),
            (
                "guild[0].member_role",
                "member_role = \"100000000000000006\"",
                "member_role = \"100000000000000001\"",
            ),
        ] {
            let said = fault_after(from, to);
            assert!(
                said.contains(key) && said.contains("@everyone") && said.contains("`100000000000000001`"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_id_of_discord_is_one_thing_in_one_server() {
        let channel = "request_channel = \"100000000000000004\"";
        let said = fault_after(channel, "request_channel = \"100000000000000002\"");
        assert!(said.contains("is a role in `guild[0].moderator_roles` and a channel here"), "{said}");
        // The first channel of an old server has the server's id.
        let folder = folder();
        let old = EXAMPLE.replace(channel, "request_channel = \"100000000000000001\"");
        let warnings = loaded(&folder, &old, &[]).expect("allowed").warnings;
        assert_eq!(
            warnings.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(),
            ["guild[0].request_channel"]
        );
        let second = "[[guild]]\nid = \"200000000000000001\"\nmoderator_roles = [\"200000000000000002\"]\n\
            admin_roles = [\"100000000000000003\"]\nrequest_channel = \"100000000000000001\"\n\n[directory]";
        let refused =
            loaded(&folder, &EXAMPLE.replace("[directory]", second), &[]).expect_err("must be refused");
        let said = refused.to_string();
        assert!(
            said.contains("guild[1].admin_roles") && said.contains("belongs to another server"),
            "{said}"
        );
        assert!(
            said.contains("`100000000000000001` is a server in `guild[0].id` and a channel here"),
            "{said}"
        );
    }

    #[test]
    fn classes_and_places_that_no_directory_takes_are_refused() {
        let groups = "groups_dn = \"ou=groups,dc=example,dc=org\"";
        for (from, to, said) in [
            (groups, "groups_dn = \"OU=People, dc=example,dc=org\"", "people and groups are in one place"),
            (
                groups,
                "groups_dn = \"ou=groups,ou=people,dc=example,dc=org\"",
                "the groups are below the people",
            ),
            (groups, "groups_dn = \"ou=groups,o=example\"", "ends differently from `people_dn`"),
            (
                groups,
                "groups_dn = \"ou=groups,dc=example,dc=org\"\nobject_classes = [\"inetOrgPerson\", \"posixaccount\"]",
                "`uidNumber`, `gidNumber` and `homeDirectory`",
            ),
            (
                groups,
                "groups_dn = \"ou=groups,dc=example,dc=org\"\nobject_classes = [\"inetOrgPerson\", \"account\"]",
                "one structural class",
            ),
            (
                groups,
                "groups_dn = \"ou=groups,dc=example,dc=org\"\nobject_classes = [\"inetOrgPerson\", \"InetOrgPerson\"]",
                "names `InetOrgPerson` twice",
            ),
        ] {
            let told = fault_after(from, to);
            assert!(told.contains(said) && told.contains("; "), "{told}");
        }
    }

    #[test]
    fn keycloaks_address_is_its_base_and_a_client_has_one_purpose() {
        for (path, base) in
            [("/realms/members", "https://id.example.org"), ("/auth/admin/", "https://id.example.org/auth")]
        {
            let address = format!("url = \"https://id.example.org{path}\"");
            let told = fault_after("url = \"https://id.example.org\"", &address);
            assert!(told.contains(&format!("write `{base}`")), "{told}");
        }
    }

    #[test]
    fn an_account_outlives_its_first_link() {
        let folder = folder();
        let too_short =
            [("ACCOLADE__ACCOUNT__UNUSED_AFTER", "25h"), ("ACCOLADE__KEYCLOAK__FIRST_LINK_LIFESPAN", "48h")];
        let refused = loaded(&folder, EXAMPLE, &too_short).expect_err("this must be refused");
        assert!(refused.to_string().contains("while its mailed link works"), "{refused}");
        loaded(&folder, EXAMPLE, &[("ACCOLADE__ACCOUNT__UNUSED_AFTER", "25h")])
            .expect("the default link lives for 12 h");
    }
}
