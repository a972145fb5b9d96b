//! The settings of the LDAP federation: what accounts need, what set-up only chooses for a new one, and which changes are dangerous.
//!
//! A value that an operator may have chosen stays, if accounts work with it.

use serde_json::{Map, Value, json};

use super::context::SetupContext;
use crate::domain::dn::Dn;
use crate::keycloak::federation::{Depth, Federation, OurEntries, entry_id_of, hosts_of, names_attribute};

/// What a change does to people who use the federation now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Danger {
    /// Some are no longer seen.
    Hides,
    /// Everyone gets another user in Keycloak: other sessions, other groups of Keycloak's own, other second factors.
    Renames,
    /// Keycloak writes to the directory, or writes there in another way. Passwords that it kept itself no longer count.
    Writes,
    /// More people get in, or something is less protected.
    Loosens,
}

impl Danger {
    /// Whether the change needs `--accept-narrowing`.
    pub(super) const fn needs_consent(self) -> bool {
        matches!(self, Self::Hides | Self::Renames | Self::Writes)
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Hides => " (people may no longer be seen)",
            Self::Renames => " (everyone gets another user in Keycloak)",
            Self::Writes => " (Keycloak writes to the directory by it)",
            Self::Loosens => " (this loosens it)",
        }
    }
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingChange {
    pub(super) key: &'static str,
    before: Option<String>,
    after: String,
    pub(super) danger: Option<Danger>,
}

impl SettingChange {
    /// The setting with its old and new value, and what is dangerous about it.
    pub(super) fn shown(&self) -> String {
        let before = self.before.as_deref().filter(|text| !text.is_empty()).unwrap_or("(nothing)");
        let mark = self.danger.map_or("", Danger::mark);
        [self.key, " ", before, " -> ", &self.after, mark].concat()
    }

    pub(super) fn needs_consent(&self) -> bool {
        self.danger.is_some_and(Danger::needs_consent)
    }
}

/// The changes of a federation, the dangerous ones first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Accounts need them.
    pub(super) needed: Vec<SettingChange>,
    /// Accounts work without them: they are made only with `--accept-narrowing`.
    pub(super) advised: Vec<SettingChange>,
}

/// How a value is compared, and whether an existing federation must have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Chosen for a new federation. Later it is the operator's.
    Initial,
    /// Needed as it is.
    Exact,
    /// Needed; the name of an attribute.
    Attribute,
    /// Needed; a distinguished name.
    Name,
    /// Needed: one of the addresses.
    Address,
    /// Decided together with others: where the federation looks, and for which classes.
    Special,
}

/// Every setting of a federation that set-up knows, with the value for a new one.
const SETTINGS: &[(&str, Kind)] = &[
    ("enabled", Kind::Exact),
    ("vendor", Kind::Initial),
    ("connectionUrl", Kind::Address),
    ("authType", Kind::Exact),
    ("bindDn", Kind::Name),
    ("connectionPooling", Kind::Initial),
    ("connectionTimeout", Kind::Initial),
    ("readTimeout", Kind::Initial),
    ("startTls", Kind::Exact),
    ("useTruststoreSpi", Kind::Exact),
    ("editMode", Kind::Exact),
    ("importEnabled", Kind::Exact),
    ("syncRegistrations", Kind::Initial),
    // `true` would mark every address as verified although nobody has proved it.
    ("trustEmail", Kind::Exact),
    ("usersDn", Kind::Special),
    ("searchScope", Kind::Special),
    ("usernameLDAPAttribute", Kind::Attribute),
    ("rdnLDAPAttribute", Kind::Attribute),
    ("uuidLDAPAttribute", Kind::Attribute),
    ("userObjectClasses", Kind::Special),
    ("pagination", Kind::Initial),
    ("batchSizeForSync", Kind::Initial),
    ("fullSyncPeriod", Kind::Initial),
    ("changedSyncPeriod", Kind::Initial),
    // It shows a change in the directory at once.
    ("cachePolicy", Kind::Exact),
    ("validatePasswordPolicy", Kind::Exact),
    ("usePasswordModifyExtendedOp", Kind::Exact),
];

/// The class that a new federation asks for.
const CLASS: &str = "inetOrgPerson";

/// The values of a new federation.
pub(super) struct Wanted {
    pub(super) connection_url: String,
    pub(super) bind_dn: String,
    pub(super) start_tls: bool,
    pub(super) people_dn: String,
    pub(super) entry_id: &'static str,
}

impl Wanted {
    pub(super) fn of(context: &SetupContext<'_>) -> Self {
        let directory = &context.input.directory;
        let url = context.args.federation_url.as_ref().unwrap_or(&directory.url);
        Self {
            connection_url: url.as_str().trim_end_matches('/').to_owned(),
            bind_dn: context.args.federation_bind_dn.clone(),
            // `--federation-url` is used as it is. The bot's own address is used with the bot's setting.
            start_tls: context.args.federation_url.is_none() && directory.start_tls,
            people_dn: directory.people_dn.as_str().to_owned(),
            entry_id: entry_id_of(directory.flavour),
        }
    }

    fn value(&self, key: &str) -> &str {
        match key {
            "connectionUrl" => &self.connection_url,
            "bindDn" => &self.bind_dn,
            "startTls" if self.start_tls => "true",
            "usersDn" => &self.people_dn,
            "uuidLDAPAttribute" => self.entry_id,
            "usernameLDAPAttribute" | "rdnLDAPAttribute" => "uid",
            "userObjectClasses" => CLASS,
            "searchScope" => "1",
            "editMode" => "WRITABLE",
            "cachePolicy" => "NO_CACHE",
            "authType" => "simple",
            "vendor" => "other",
            "useTruststoreSpi" => "always",
            "connectionTimeout" => "3000",
            "readTimeout" => "5000",
            "batchSizeForSync" => "1000",
            "fullSyncPeriod" | "changedSyncPeriod" => "-1",
            "startTls" | "syncRegistrations" | "trustEmail" => "false",
            _ => "true",
        }
    }

    /// The configuration of a new federation.
    pub(super) fn config(&self) -> Value {
        let settings = SETTINGS.iter().map(|(key, _)| ((*key).to_owned(), json!([self.value(key)])));
        Value::Object(settings.collect::<Map<_, _>>())
    }
}

/// Whether two lists of addresses have one in common, without regard to case and to ports that are the protocol's own.
fn has_address(set: &str, wanted: &str) -> bool {
    let plain = |address: &str| {
        let address = address.trim_end_matches('/').to_ascii_lowercase();
        let bare = match address.split_once("://") {
            Some(("ldap", rest)) => rest.strip_suffix(":389"),
            Some(("ldaps", rest)) => rest.strip_suffix(":636"),
            Some(_) | None => None,
        };
        let scheme = address.split("://").next().unwrap_or_default().to_owned();
        bare.map_or_else(|| address.clone(), |bare| [&scheme, "://", bare].concat())
    };
    set.split_whitespace().any(|address| plain(address) == plain(wanted))
}

fn is_same_name(one: &str, other: &str) -> bool {
    Dn::parse(one).is_some_and(|one| Dn::parse(other).is_some_and(|other| one == other))
}

/// What must or may be changed in an existing federation.
pub(super) fn changes(current: &Federation, wanted: &Wanted, ours: &OurEntries<'_>) -> Changes {
    let mut changes = Changes::default();
    for (key, kind) in SETTINGS {
        let (set, value) = (current.setting(key), wanted.value(key));
        let is_right = set.is_some_and(|set| match kind {
            Kind::Exact => set == value,
            Kind::Attribute => names_attribute(set, value),
            Kind::Name => is_same_name(set, value),
            Kind::Address => has_address(set, value),
            Kind::Initial | Kind::Special => true,
        });
        if is_right || matches!(kind, Kind::Initial | Kind::Special) {
            continue;
        }
        changes.needed.push(change(current, key, value.to_owned(), danger(key, set, value)));
    }
    place(current, wanted, ours, &mut changes);
    let foreign = current.foreign_classes(ours);
    if current.classes.is_empty() || !foreign.is_empty() {
        let kept: Vec<&str> =
            current.classes.iter().map(String::as_str).filter(|class| !foreign.contains(class)).collect();
        let after = if kept.is_empty() { CLASS.to_owned() } else { kept.join(", ") };
        let danger = if current.classes.is_empty() { Danger::Hides } else { Danger::Loosens };
        changes.needed.push(change(current, "userObjectClasses", after, Some(danger)));
    }
    for list in [&mut changes.needed, &mut changes.advised] {
        list.sort_by_key(|change| (change.danger.is_none(), change.danger));
    }
    changes
}

/// Where the federation looks. A place that shows more than our people is narrowed only with consent.
fn place(current: &Federation, wanted: &Wanted, ours: &OurEntries<'_>, changes: &mut Changes) {
    let list = if current.looks_at(ours) { &mut changes.advised } else { &mut changes.needed };
    let is_at_base = current.setting("usersDn").is_some_and(|set| is_same_name(set, &wanted.people_dn));
    if !is_at_base {
        let danger = current.setting("usersDn").map(|_| Danger::Hides);
        list.push(change(current, "usersDn", wanted.people_dn.clone(), danger));
    }
    if current.depth == Depth::Subtree {
        let scope = wanted.value("searchScope").to_owned();
        changes.advised.push(change(current, "searchScope", scope, Some(Danger::Hides)));
    }
}

fn change(current: &Federation, key: &'static str, after: String, danger: Option<Danger>) -> SettingChange {
    SettingChange { key, before: current.setting(key).map(str::to_owned), after, danger }
}

/// What a change does to others. A setting that was never set was nobody's choice.
fn danger(key: &str, before: Option<&str>, after: &str) -> Option<Danger> {
    let before = before.filter(|text| !text.is_empty())?;
    match key {
        "enabled" | "importEnabled" => Some(Danger::Loosens),
        "startTls" if before == "true" => Some(Danger::Loosens),
        "connectionUrl" if !shares_host(before, after) => Some(Danger::Hides),
        "connectionUrl" if before.starts_with("ldaps:") && !after.starts_with("ldaps:") => {
            Some(Danger::Loosens)
        }
        // What the other bind may read is another question than what the settings show.
        "bindDn" => Some(Danger::Hides),
        "editMode" | "rdnLDAPAttribute" => Some(Danger::Writes),
        "usernameLDAPAttribute" | "uuidLDAPAttribute" => Some(Danger::Renames),
        _ => None,
    }
}

fn shares_host(one: &str, other: &str) -> bool {
    let hosts = hosts_of(other);
    hosts_of(one).iter().any(|host| hosts.contains(host))
}

/// The federation's configuration with these changes, for `merged`.
pub(super) fn as_config(changes: &[SettingChange]) -> Value {
    let settings = changes.iter().map(|change| (change.key.to_owned(), json!([change.after])));
    json!({ "config": settings.collect::<Map<_, _>>() })
}

/// Whether two values of a mapper's setting mean the same.
pub(super) fn is_same_mapper_setting(key: &str, set: &str, wanted: &str) -> bool {
    let is_attribute = key.ends_with("ldap.attribute") || key == "ldap.full.name.attribute";
    match key {
        "groups.dn" => is_same_name(set, wanted),
        _ if is_attribute => names_attribute(set, wanted),
        _ => set == wanted,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use url::Url;

    use super::*;
    use crate::config;

    const WANTED: Wanted = Wanted {
        connection_url: String::new(),
        bind_dn: String::new(),
        start_tls: false,
        people_dn: String::new(),
        entry_id: "entryUUID",
    };

    fn wanted() -> Wanted {
        Wanted {
            connection_url: "ldap://ldap.example.org".to_owned(),
            bind_dn: "cn=keycloak,dc=example,dc=org".to_owned(),
            people_dn: "ou=people,dc=example,dc=org".to_owned(),
            ..WANTED
        }
    }

    fn directory() -> config::Directory {
        let dn = |text: &str| Dn::parse(text).expect("a name");
        config::Directory {
            url: Url::parse("ldap://ldap.example.org").expect("a URL"),
            ca_file: None,
            start_tls: false,
            plaintext_on_loopback: false,
            flavour: config::Flavour::OpenLdap,
            bind_dn: dn("cn=bot,dc=example,dc=org"),
            bind_password: SecretString::from("canary"),
            people_dn: dn("ou=people,dc=example,dc=org"),
            groups_dn: dn("ou=groups,dc=example,dc=org"),
            discord_id_attribute: "employeeNumber".to_owned(),
            mark_attribute: "description".to_owned(),
            object_classes: vec!["inetOrgPerson".to_owned()],
            privileged_groups: Vec::new(),
        }
    }

    /// The lines for a federation that set-up made and somebody changed like this.
    fn lines(changed: &[(&str, &str)]) -> [Vec<String>; 2] {
        let mut config = wanted().config();
        for (key, value) in changed {
            config[*key] = json!([value]);
        }
        let component = json!({"id": "x", "name": "ldap", "providerId": "ldap", "config": config});
        let directory = directory();
        let current = Federation::read(&component).expect("a federation");
        let found = changes(&current, &wanted(), &OurEntries::of(&directory));
        [found.needed, found.advised].map(|list| list.iter().map(SettingChange::shown).collect())
    }

    #[test]
    fn what_means_the_same_to_the_directory_and_what_an_operator_may_choose_stays() {
        for same in [
            &[][..],
            &[("usersDn", "OU=People, DC=example,DC=org")],
            &[("bindDn", "CN=Keycloak,DC=Example, dc=org")],
            &[("usernameLDAPAttribute", "userid"), ("uuidLDAPAttribute", "ENTRYUUID")],
            &[("connectionUrl", "ldaps://other:636 LDAP://ldap.example.org:389/")],
            &[("userObjectClasses", "inetOrgPerson, organizationalPerson")],
            &[("fullSyncPeriod", "604800"), ("changedSyncPeriod", "86400"), ("batchSizeForSync", "100")],
            &[("vendor", "rhds"), ("pagination", "false"), ("readTimeout", "60000")],
            &[("customUserSearchFilter", "(mail=*)"), ("priority", "10"), ("syncRegistrations", "true")],
        ] {
            assert_eq!(lines(same), [const { Vec::<String>::new() }; 2], "{same:?}");
        }
        assert!(is_same_mapper_setting("groups.dn", "OU=Groups, dc=x", "ou=groups,dc=x"));
        assert!(is_same_mapper_setting("ldap.attribute", "givenname", "givenName"));
        assert!(!is_same_mapper_setting("mode", "read_only", "READ_ONLY"));
    }

    #[test]
    fn each_change_is_a_line_and_a_dangerous_one_comes_first_and_says_why() {
        let [needed, advised] = lines(&[
            ("trustEmail", "true"),
            ("editMode", "UNSYNCED"),
            ("enabled", "false"),
            ("usernameLDAPAttribute", "cn"),
            ("connectionUrl", "ldap://old.example.org"),
            ("searchScope", "2"),
        ]);
        assert_eq!(
            needed,
            [
                "connectionUrl ldap://old.example.org -> ldap://ldap.example.org (people may no longer be seen)",
                "usernameLDAPAttribute cn -> uid (everyone gets another user in Keycloak)",
                "editMode UNSYNCED -> WRITABLE (Keycloak writes to the directory by it)",
                "enabled false -> true (this loosens it)",
                "trustEmail true -> false",
            ]
        );
        assert_eq!(advised, ["searchScope 2 -> 1 (people may no longer be seen)"]);
    }

    #[test]
    fn a_place_that_shows_our_people_is_kept_and_one_that_does_not_is_changed() {
        let [needed, advised] = lines(&[("usersDn", "dc=example,dc=org"), ("searchScope", "2")]);
        assert_eq!(needed, Vec::<String>::new());
        assert_eq!(advised.len(), 2, "{advised:?}");
        let elsewhere = "usersDn ou=staff,dc=example,dc=org -> ou=people,dc=example,dc=org (people may no longer be seen)";
        assert_eq!(lines(&[("usersDn", "ou=staff,dc=example,dc=org")])[0], [elsewhere]);
        assert_eq!(
            lines(&[("userObjectClasses", "inetOrgPerson, posixAccount")])[0],
            ["userObjectClasses inetOrgPerson, posixAccount -> inetOrgPerson (this loosens it)"]
        );
        assert_eq!(
            lines(&[("connectionUrl", "ldaps://LDAP.example.org")])[0],
            ["connectionUrl ldaps://LDAP.example.org -> ldap://ldap.example.org (this loosens it)"]
        );
    }
}
