//! An LDAP federation of a realm as typed values: whom it shows, and where two federations show the same entries.

use serde_json::Value;
use url::Url;

use crate::config;
use crate::domain::account::Mark;
use crate::domain::dn::Dn;
use crate::domain::ldap_filter::{Known, LdapFilter, Truth};
use crate::domain::matching::{attribute_key, class_key, is_same_attribute};

/// The object classes above `inetOrgPerson`. A server finds an entry by each of them.
const SUPERCLASSES: [&str; 3] = ["top", "person", "organizationalPerson"];

/// Attributes that the server itself or an administrator sets on any entry, by the beginnings of their keys. A filter may ask for them.
const OPERATIONAL: [&str; 9] =
    ["memberof", "entry", "creat", "modif", "pwd", "structural", "subschema", "hassub", "ns"];

/// How deep a federation looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Directly below its base.
    OneLevel,
    /// At any depth below its base.
    Subtree,
}

/// An LDAP federation, as Keycloak stores it.
#[derive(Clone)]
pub struct Federation {
    /// Keycloak's id.
    pub id: String,
    /// The name that administrators see.
    pub name: String,
    /// The whole document.
    pub component: Value,
    /// `usersDn`: where it looks for people. `None` if that is no name.
    pub base: Option<Dn>,
    /// `searchScope`: how deep.
    pub depth: Depth,
    /// `userObjectClasses`: the classes that an entry must have, all of them.
    pub classes: Vec<String>,
    filter: CustomFilter,
}

/// `customUserSearchFilter`
#[derive(Clone, PartialEq, Eq)]
enum CustomFilter {
    None,
    Filter(LdapFilter),
    /// It is no filter that can be read.
    Unreadable,
}

/// Which entries a federation shows, for a search.
#[derive(Clone, PartialEq, Eq)]
pub struct View {
    /// Below this entry.
    pub base: Dn,
    /// How deep.
    pub depth: Depth,
    /// Those that match.
    pub filter: LdapFilter,
}

/// The entries that Accolade creates, for the question who shows them.
#[derive(Clone, Copy)]
pub struct OurEntries<'a> {
    people: &'a Dn,
    classes: &'a [String],
    discord_id: &'a str,
    mark: &'a str,
}

impl<'a> OurEntries<'a> {
    /// The entries that a worker with this configuration creates.
    pub fn of(config: &'a config::Directory) -> Self {
        Self {
            people: &config.people_dn,
            classes: &config.object_classes,
            discord_id: &config.discord_id_attribute,
            mark: &config.mark_attribute,
        }
    }

    /// What is known of each entry's values of an attribute.
    fn known(&self, attribute: &str) -> Known {
        let named = ["uid", "cn", "sn", "givenname", "mail"];
        if attribute == "objectclass" {
            let above = SUPERCLASSES.iter().map(|class| (*class).to_owned());
            Known::Values(self.classes.iter().cloned().chain(above).collect())
        } else if is_same_attribute(attribute, self.mark) {
            Known::Begins(Mark::BEGINS)
        } else if named.contains(&attribute) || is_same_attribute(attribute, self.discord_id) {
            Known::Some
        } else if OPERATIONAL.iter().any(|start| attribute.starts_with(start)) {
            Known::Unknown
        } else {
            Known::None
        }
    }

    fn has_class(&self, class: &str) -> bool {
        let has = |own: &str| class_key(own) == class_key(class);
        self.classes.iter().any(|own| has(own)) || SUPERCLASSES.iter().any(|own| has(own))
    }

    /// A filter that keeps these entries out of another federation.
    pub fn filter_without_them(&self) -> String {
        let mark = LdapFilter::Substrings(self.mark.to_owned(), vec![Mark::BEGINS.to_owned(), String::new()]);
        // Keycloak shows the filter to people, so the colon is not escaped.
        LdapFilter::Not(Box::new(mark)).to_text().replace("\\3a", ":")
    }
}

impl Federation {
    /// Reads a component. `None` if it is no LDAP federation.
    pub fn read(component: &Value) -> Option<Self> {
        let text = |field: &str| component.get(field).and_then(Value::as_str);
        if text("providerId") != Some("ldap") {
            return None;
        }
        let set = |key: &str| setting_of(component, key);
        let filter = match set("customUserSearchFilter").map(str::trim).filter(|text| !text.is_empty()) {
            None => CustomFilter::None,
            Some(text) => LdapFilter::parse(text).map_or(CustomFilter::Unreadable, CustomFilter::Filter),
        };
        let classes = set("userObjectClasses").unwrap_or_default().split(',').map(str::trim);
        Some(Self {
            id: text("id")?.to_owned(),
            name: text("name").unwrap_or_default().to_owned(),
            base: set("usersDn").and_then(Dn::parse),
            // Keycloak searches the whole subtree unless the scope is set.
            depth: if set("searchScope") == Some("1") { Depth::OneLevel } else { Depth::Subtree },
            classes: classes.filter(|class| !class.is_empty()).map(str::to_owned).collect(),
            filter,
            component: component.clone(),
        })
    }

    /// A setting of its configuration.
    pub fn setting(&self, key: &str) -> Option<&str> {
        setting_of(&self.component, key)
    }

    /// Whether it is enabled. It is, unless that is switched off.
    pub fn is_enabled(&self) -> bool {
        self.setting("enabled") != Some("false")
    }

    /// Which entries it shows. `None` if its base or its filter can't be read.
    pub fn view(&self) -> Option<View> {
        let classes = match self.classes.as_slice() {
            [] => LdapFilter::Present("objectClass".to_owned()),
            classes => LdapFilter::of_classes(classes),
        };
        let filter = match &self.filter {
            CustomFilter::None => classes,
            CustomFilter::Filter(filter) => LdapFilter::All(vec![classes, filter.clone()]),
            CustomFilter::Unreadable => return None,
        };
        Some(View { base: self.base.clone()?, depth: self.depth, filter })
    }

    /// The servers that it asks, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        hosts_of(self.setting("connectionUrl").unwrap_or_default())
    }

    /// Whether it looks where our entries are.
    pub fn looks_at(&self, ours: &OurEntries<'_>) -> bool {
        self.base.as_ref().is_some_and(|base| {
            base == ours.people || (ours.people.is_below(base) && self.depth == Depth::Subtree)
        })
    }

    /// Whether our entries match its user filter.
    pub fn admits(&self, ours: &OurEntries<'_>) -> Truth {
        match &self.filter {
            CustomFilter::None => Truth::Yes,
            CustomFilter::Filter(filter) => filter.holds_for(&|attribute| ours.known(attribute)),
            CustomFilter::Unreadable => Truth::Unknown,
        }
    }

    /// The object classes that it asks for and our entries lack.
    pub fn foreign_classes(&self, ours: &OurEntries<'_>) -> Vec<&str> {
        self.classes.iter().map(String::as_str).filter(|class| !ours.has_class(class)).collect()
    }

    /// The settings for which it does not show our entries, or not as the users that the worker looks for.
    pub fn hiding_settings(&self, ours: &OurEntries<'_>, entry_id: &str) -> Vec<&'static str> {
        let is = |key: &str, wanted: &str| self.setting(key).is_none_or(|set| is_same_attribute(set, wanted));
        let mut hiding = Vec::new();
        if !self.looks_at(ours) {
            let is_above = self.base.as_ref().is_some_and(|base| ours.people.is_below(base));
            hiding.push(if is_above { "searchScope" } else { "usersDn" });
        }
        if self.admits(ours) == Truth::No {
            hiding.push("customUserSearchFilter");
        }
        if !self.foreign_classes(ours).is_empty() {
            hiding.push("userObjectClasses");
        }
        if !is("usernameLDAPAttribute", "uid") {
            hiding.push("usernameLDAPAttribute");
        }
        if !is("uuidLDAPAttribute", entry_id) {
            hiding.push("uuidLDAPAttribute");
        }
        if self.setting("importEnabled") == Some("false") {
            hiding.push("importEnabled");
        }
        hiding
    }

    /// Whether this federation, which is another one than `own`, shows our entries or people that `own` shows too. Then Keycloak imports
    /// each of them through the one that it asks first.
    pub fn overlaps(&self, own: Option<&Self>, ours: &OurEntries<'_>) -> bool {
        let shows_ours =
            self.looks_at(ours) && self.foreign_classes(ours).is_empty() && self.admits(ours) != Truth::No;
        let is_within_own = own.is_some_and(|own| {
            let (Some(base), Some(own_base)) = (&self.base, &own.base) else { return false };
            own.depth == Depth::Subtree && base.is_below(own_base)
        });
        self.is_enabled() && (shows_ours || is_within_own)
    }

    /// Whether Keycloak asks this federation before the other one.
    pub fn is_asked_before(&self, other: &Self) -> bool {
        self.priority() < other.priority()
    }

    /// Its place in Keycloak's order. The lowest number is asked first.
    fn priority(&self) -> i64 {
        self.setting("priority").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Its name and what decides whom it shows, for an operator.
    pub fn described(&self) -> String {
        let or_nothing = |key: &str| self.setting(key).unwrap_or("(nothing)").to_owned();
        let depth = match self.depth {
            Depth::OneLevel => "one level",
            Depth::Subtree => "subtree",
        };
        let mut parts = vec![
            ["usersDn ", &or_nothing("usersDn")].concat(),
            ["searchScope ", depth].concat(),
            ["editMode ", &or_nothing("editMode")].concat(),
            ["priority ", &self.priority().to_string()].concat(),
        ];
        if let Some(filter) = self.setting("customUserSearchFilter").filter(|text| !text.trim().is_empty()) {
            parts.push(["filter ", filter].concat());
        }
        ["`", &self.name, "` (", &parts.join(", "), ")"].concat()
    }
}

fn setting_of<'a>(component: &'a Value, key: &str) -> Option<&'a str> {
    component.get("config")?.get(key)?.get(0)?.as_str()
}

/// The hosts in a `connectionUrl`, which may hold several addresses.
pub fn hosts_of(urls: &str) -> Vec<String> {
    let host = |url: &str| Some(Url::parse(url).ok()?.host_str()?.to_ascii_lowercase());
    urls.split_whitespace().filter_map(host).collect()
}

/// The attribute that identifies an entry for ever, by the kind of directory server.
pub const fn entry_id_of(flavour: config::Flavour) -> &'static str {
    match flavour {
        config::Flavour::OpenLdap => "entryUUID",
    }
}

/// Whether a setting holds this attribute's name.
pub fn names_attribute(set: &str, attribute: &str) -> bool {
    attribute_key(set) == attribute_key(attribute)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn directory() -> config::Directory {
        let dn = |text: &str| Dn::parse(text).expect("a name");
        config::Directory {
            url: Url::parse("ldaps://ldap.example.org").expect("a URL"),
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

    fn federation(settings: &[(&str, &str)]) -> Federation {
        let mut config = json!({
            "enabled": ["true"], "usersDn": ["OU=People, DC=example,DC=org"], "searchScope": ["1"],
            "userObjectClasses": ["inetOrgPerson, organizationalPerson"], "usernameLDAPAttribute": ["UID"],
            "uuidLDAPAttribute": ["entryuuid"], "connectionUrl": ["ldap://LDAP.example.org ldaps://b.example.org"],
        });
        for (key, value) in settings {
            config[*key] = json!([value]);
        }
        let component = json!({"id": "x", "name": "corp", "providerId": "ldap", "config": config});
        Federation::read(&component).expect("a federation")
    }

    #[test]
    fn what_hides_our_entries_is_named() {
        let directory = directory();
        let ours = OurEntries::of(&directory);
        let none: &[&str] = &[];
        for (settings, hiding) in [
            (&[][..], none),
            (&[("usersDn", "dc=example,dc=org"), ("searchScope", "2")], none),
            (&[("usersDn", "dc=example,dc=org")], &["searchScope"]),
            (&[("usersDn", "ou=staff,dc=example,dc=org")], &["usersDn"]),
            (&[("usersDn", "ou=new,ou=people,dc=example,dc=org"), ("searchScope", "2")], &["usersDn"]),
            (&[("customUserSearchFilter", "(businessCategory=staff)")], &["customUserSearchFilter"]),
            (&[("customUserSearchFilter", "(!(memberOf=cn=left,dc=example,dc=org))")], none),
            (&[("customUserSearchFilter", "(employeeNumber=*)")], none),
            (&[("customUserSearchFilter", "")], none),
            (&[("userObjectClasses", "inetOrgPerson, posixAccount")], &["userObjectClasses"]),
            (&[("usernameLDAPAttribute", "cn")], &["usernameLDAPAttribute"]),
            (&[("usernameLDAPAttribute", "userid")], none),
            (&[("uuidLDAPAttribute", "uidNumber")], &["uuidLDAPAttribute"]),
            (&[("importEnabled", "false")], &["importEnabled"]),
        ] {
            assert_eq!(federation(settings).hiding_settings(&ours, "entryUUID"), hiding, "{settings:?}");
        }
    }

    #[test]
    fn two_federations_overlap_where_both_show_the_same_entries() {
        let directory = directory();
        let ours = OurEntries::of(&directory);
        let suffix = [("usersDn", "dc=example,dc=org"), ("searchScope", "2")];
        let below = [("usersDn", "ou=staff,ou=People,dc=example,dc=org")];
        let excluded = [suffix[0], suffix[1], ("customUserSearchFilter", "(!(description=accolade:*))")];
        let (narrow, wide) = (federation(&[]), federation(&[("searchScope", "2")]));
        for (other, own, overlaps) in [
            (federation(&suffix), None, true),
            (federation(&suffix), Some(&narrow), true),
            (federation(&suffix[..1]), None, false),
            (federation(&[]), Some(&narrow), true),
            (federation(&[("enabled", "false")]), Some(&narrow), false),
            (federation(&below), Some(&narrow), false),
            (federation(&below), Some(&wide), true),
            (federation(&[("usersDn", "ou=robots,dc=example,dc=org")]), Some(&wide), false),
            (federation(&excluded), Some(&narrow), false),
            (federation(&[("userObjectClasses", "posixAccount")]), Some(&narrow), false),
        ] {
            assert_eq!(other.overlaps(own, &ours), overlaps, "{}", other.described());
        }
        assert_eq!(ours.filter_without_them(), "(!(description=accolade:*))");
        let first = federation(&[("priority", "0")]);
        assert!(first.is_asked_before(&federation(&[("priority", "10")])));
        assert!(!first.is_asked_before(&federation(&[])));
        assert_eq!(narrow.hosts(), ["ldap.example.org", "b.example.org"]);
    }

    #[test]
    fn an_unset_scope_is_the_whole_subtree_and_other_providers_are_no_federation_of_ours() {
        let mut component = federation(&[]).component;
        component["config"].as_object_mut().expect("an object").remove("searchScope");
        assert_eq!(Federation::read(&component).map(|read| read.depth), Some(Depth::Subtree));
        component["providerId"] = json!("kerberos");
        assert!(Federation::read(&component).is_none());
        let unreadable = federation(&[("customUserSearchFilter", "uid=*")]);
        assert!(unreadable.view().is_none() && federation(&[]).view().is_some());
    }
}
