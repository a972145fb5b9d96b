//! Checks of the realm with an administrator's credentials: federation, mappers, profile, mail, clients, actions, events, version,
//! administrators.

use secrecy::SecretString;
use serde_json::Value;

use super::access::CouldNotRun;
use super::checks::Checks;
use super::{journey, keycloak, rights};
use crate::config::Config;
use crate::domain::dn::Dn;
use crate::domain::finding::Finding;
use crate::keycloak::federation::{Federation, OurEntries, entry_id_of, names_attribute};
use crate::keycloak::{Admin, AdminServer, KeycloakError, fine_grained, profile};

/// Findings that only an administrator can see.
pub(super) const NEEDS_ADMINISTRATOR: &[Finding] = &[
    Finding::KeycloakFederationOff,
    Finding::KeycloakFederationReadOnly,
    Finding::KeycloakFederationHides,
    Finding::KeycloakFederationOverlaps,
    Finding::KeycloakCachePolicy,
    Finding::KeycloakTrustsAddresses,
    Finding::KeycloakMapperMissing,
    Finding::KeycloakProfileOpen,
    Finding::KeycloakProfileDemands,
    Finding::KeycloakNoMailServer,
    Finding::KeycloakMailClientOff,
    Finding::KeycloakRedirectRefused,
    Finding::KeycloakRedirectWildcard,
    Finding::KeycloakMailTextsMissing,
    Finding::KeycloakLastPageMissing,
    Finding::KeycloakActionOff,
    Finding::KeycloakEventsOff,
    Finding::KeycloakVersionHoles,
    Finding::KeycloakAdminsInRealm,
];

const FEDERATION: &str = "org.keycloak.storage.UserStorageProvider";
const MAPPER: &str = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper";
/// The required actions in the mails.
const ACTIONS: [&str; 2] = ["UPDATE_PASSWORD", "VERIFY_EMAIL"];
/// A holder of one of these roles can change the bot's realm, or another person's password.
const ADMIN_ROLES: [&str; 7] = [
    "realm-admin",
    "manage-realm",
    "manage-users",
    "manage-clients",
    "manage-identity-providers",
    "manage-authorization",
    "impersonation",
];
/// The shortest accepted lifetime of events, in seconds. With less, an outage of one night loses activations.
const MIN_EVENT_LIFETIME: u64 = 24 * 3600;

/// The inspection of one realm.
struct RealmInspection<'a> {
    admin: Admin,
    config: &'a Config,
}

/// Checks the realm as an administrator. What can't be read stays unchecked; the connection is checked with the service's own
/// credentials.
pub(super) async fn examine(
    config: &Config,
    (user, password): &(String, SecretString),
    checks: &mut Checks,
) -> Result<(), CouldNotRun> {
    let own = &config.keycloak;
    let server = AdminServer {
        url: &own.url,
        public_url: &own.public_url,
        ca_file: own.ca_file.as_deref(),
        plaintext_on_loopback: own.plaintext_on_loopback,
    };
    let Ok(admin) = Admin::new(server, user, password.clone()) else { return Ok(()) };
    let inspection = RealmInspection { admin, config };
    match inspection.run(checks).await {
        Err(error) if error.is_foreign() => {
            keycloak::record_error(checks, &error);
            Ok(())
        }
        Err(KeycloakError::Status { endpoint: "token", status: 400 | 401, .. }) => {
            Err(CouldNotRun::AdministratorRefused)
        }
        // The user is no administrator of this realm.
        Err(error) if error.says_forbidden() => Err(CouldNotRun::AdministratorRefused),
        Err(_) | Ok(()) => Ok(()),
    }
}

impl RealmInspection<'_> {
    async fn run(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let Some(realm) = self.get("realm", &[], &[]).await? else { return Ok(()) };
        check_realm(checks, &realm);
        self.check_version(checks).await?;
        self.check_federation(checks).await?;
        self.check_profile(checks).await?;
        self.check_mail_client(checks).await?;
        journey::check_texts(checks, &self.admin, self.config, &realm).await?;
        journey::check_last_page(checks, self.config).await;
        self.check_actions(checks).await?;
        self.check_narrow_rights(checks).await?;
        self.check_administrators(checks).await
    }

    async fn get(
        &self,
        endpoint: &'static str,
        rest: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<Value>, KeycloakError> {
        let realm = ["admin", "realms", &self.config.keycloak.realm];
        let path: Vec<&str> = realm.into_iter().chain(rest.iter().copied()).collect();
        self.admin.get(endpoint, &path, query).await
    }

    async fn check_version(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let info = self.admin.get("server info", &["admin", "serverinfo"], &[]).await?;
        let version =
            info.as_ref().and_then(|info| info.pointer("/systemInfo/version")).and_then(Value::as_str);
        if let Some((version, has_holes)) = version.and_then(|text| Some((text, has_known_holes(text)?))) {
            checks.fail_for_each(Finding::KeycloakVersionHoles, has_holes.then(|| version.to_owned()));
        }
        Ok(())
    }

    async fn check_federation(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let id = &self.config.keycloak.federation_id;
        let found = self.get("federation", &["components", id], &[]).await?;
        let Some(federation) = found.as_ref().and_then(Federation::read) else {
            checks.fail(Finding::KeycloakFederationUnknown, None);
            return Ok(());
        };
        checks.pass(Finding::KeycloakFederationUnknown);
        let set = |key: &str| federation.setting(key);
        checks.expect(Finding::KeycloakFederationOff, federation.is_enabled());
        checks.expect(Finding::KeycloakFederationReadOnly, set("editMode") == Some("WRITABLE"));
        checks.expect(Finding::KeycloakCachePolicy, set("cachePolicy") == Some("NO_CACHE"));
        checks.expect(Finding::KeycloakTrustsAddresses, set("trustEmail") != Some("true"));
        let directory = &self.config.directory;
        let ours = OurEntries::of(directory);
        let hiding = federation.hiding_settings(&ours, entry_id_of(directory.flavour));
        let shown = |key: &str| [key, " ", set(key).unwrap_or_default()].concat();
        checks.fail_for_each(Finding::KeycloakFederationHides, hiding.into_iter().map(shown));
        let query = [("type", FEDERATION)];
        let all = rows(self.get("federations", &["components"], &query).await?);
        let others = all.iter().filter_map(Federation::read).filter(|other| other.id != federation.id);
        let overlapping = others.filter(|other| other.overlaps(Some(&federation), &ours));
        checks.fail_for_each(Finding::KeycloakFederationOverlaps, overlapping.map(|other| other.described()));
        let query = [("type", MAPPER), ("parent", id.as_str())];
        let mappers = rows(self.get("mappers", &["components"], &query).await?);
        checks.fail_for_each(Finding::KeycloakMapperMissing, self.missing_mappers(&mappers));
        Ok(())
    }

    /// Names the missing mappers: the group mapper with its id, and those for the Discord id and the first name.
    fn missing_mappers(&self, mappers: &[Value]) -> Vec<String> {
        let (own, directory) = (&self.config.keycloak, &self.config.directory);
        let reads = |mapper: &Value, from: &str, to: &str| {
            text(mapper, "/config/ldap.attribute/0").is_some_and(|set| names_attribute(set, from))
                && says(mapper, "/config/user.model.attribute/0", to)
        };
        let has = |matches: &dyn Fn(&Value) -> bool| mappers.iter().any(matches);
        let groups = |mapper: &Value| {
            says(mapper, "/id", &own.group_mapper_id)
                && says(mapper, "/providerId", "group-ldap-mapper")
                && text(mapper, "/config/groups.dn/0").and_then(Dn::parse).as_ref()
                    == Some(&directory.groups_dn)
        };
        let mut missing = Vec::new();
        if !has(&groups) {
            missing.push("group_mapper_id".to_owned());
        }
        if !has(&|mapper| reads(mapper, &directory.discord_id_attribute, "discordId")) {
            missing.push("discordId".to_owned());
        }
        if !has(&|mapper| reads(mapper, "givenName", "firstName")) {
            missing.push("first name".to_owned());
        }
        missing
    }

    async fn check_profile(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let Some(document) = self.get("user profile", &["users", "profile"], &[]).await? else {
            return Ok(());
        };
        let attributes = rows(document.get("attributes").cloned());
        let own = attributes.iter().find(|attribute| says(attribute, "/name", "discordId"));
        let writers = own.map(|own| rows(own.pointer("/permissions/edit").cloned()));
        let is_closed = writers.is_some_and(|writers| writers.iter().all(|who| who == "admin"));
        checks.expect(Finding::KeycloakProfileOpen, is_closed);
        checks.fail_for_each(Finding::KeycloakProfileDemands, profile::unmet_demands(&document));
        Ok(())
    }

    async fn check_mail_client(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let own = &self.config.keycloak;
        let Some(client) = self.client(&own.mail_client_id).await? else {
            checks.fail(Finding::KeycloakMailClientOff, own.mail_client_id.clone());
            return Ok(());
        };
        let is_on = client.get("enabled").and_then(Value::as_bool) == Some(true);
        checks.expect(Finding::KeycloakMailClientOff, is_on);
        let allowed = rows(client.get("redirectUris").cloned());
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let wanted = own.mail_redirect_uri.as_str();
        checks.expect(Finding::KeycloakRedirectRefused, allowed.iter().any(|uri| allows(uri, wanted)));
        let wildcards = allowed.iter().filter(|uri| uri.contains('*')).map(|uri| (*uri).to_owned());
        checks.fail_for_each(Finding::KeycloakRedirectWildcard, wildcards);
        Ok(())
    }

    async fn client(&self, client_id: &str) -> Result<Option<Value>, KeycloakError> {
        let found = rows(self.get("clients", &["clients"], &[("clientId", client_id)]).await?);
        Ok(found.into_iter().find(|client| says(client, "/clientId", client_id)))
    }

    async fn check_actions(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let all = rows(self.get("required actions", &["authentication", "required-actions"], &[]).await?);
        let is_on = |alias: &&str| {
            all.iter().any(|action| {
                says(action, "/alias", alias) && action.get("enabled") == Some(&Value::Bool(true))
            })
        };
        let off = ACTIONS.iter().filter(|alias| !is_on(alias)).map(|alias| (*alias).to_owned());
        checks.fail_for_each(Finding::KeycloakActionOff, off);
        Ok(())
    }

    /// A client that has its rights by permissions must not have a wider role. Its token does not show which way is meant.
    async fn check_narrow_rights(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let own = &self.config.keycloak.client_id;
        let name = fine_grained::policy_name(own);
        let Some(holder) = self.client_key(fine_grained::HOLDER).await? else { return Ok(()) };
        let place = ["clients", &holder, "authz", "resource-server", "policy"];
        let query = [("name", name.as_str()), ("permission", "false"), ("max", "1000")];
        let policies = rows(self.get("policies", &place, &query).await?);
        if !policies.iter().any(|policy| says(policy, "/name", &name)) {
            return Ok(());
        }
        let (client, management) = (self.client_key(own).await?, self.client_key("realm-management").await?);
        let (Some(client), Some(management)) = (client, management) else { return Ok(()) };
        let account = self.get("service account", &["clients", &client, "service-account-user"], &[]).await?;
        let Some(account) = account.as_ref().and_then(key) else { return Ok(()) };
        let place = ["users", account, "role-mappings", "clients", &management, "composite"];
        let held = rows(self.get("rights", &place, &[]).await?);
        if held.iter().any(|role| says(role, "/name", rights::MANAGE)) {
            checks.fail(Finding::KeycloakRightsWide, rights::MANAGE.to_owned());
        }
        Ok(())
    }

    /// Keycloak's key of a client, by the id that people use.
    async fn client_key(&self, client_id: &str) -> Result<Option<String>, KeycloakError> {
        Ok(self.client(client_id).await?.as_ref().and_then(key).map(str::to_owned))
    }

    /// Counts users and groups with an administrative role. The service's own account is checked by its token.
    async fn check_administrators(&self, checks: &mut Checks) -> Result<(), KeycloakError> {
        let Some(management) = self.client_key("realm-management").await? else { return Ok(()) };
        let management = management.as_str();
        let service = ["service-account-", &self.config.keycloak.client_id.to_lowercase()].concat();
        let mut found = Vec::new();
        for role in ADMIN_ROLES {
            let place = |what| ["clients", management, "roles", role, what];
            let users = rows(self.get("holders", &place("users"), &[("max", "100")]).await?);
            let groups = rows(self.get("holders", &place("groups"), &[("max", "100")]).await?);
            let others = users.iter().filter(|user| !says(user, "/username", &service)).count();
            if others + groups.len() > 0 {
                found.push([role, ": ", &(others + groups.len()).to_string()].concat());
            }
        }
        checks.fail_for_each(Finding::KeycloakAdminsInRealm, found);
        Ok(())
    }
}

fn check_realm(checks: &mut Checks, realm: &Value) {
    let host = realm.pointer("/smtpServer/host").and_then(Value::as_str);
    checks.expect(Finding::KeycloakNoMailServer, host.is_some_and(|host| !host.is_empty()));
    let is_on = realm.get("eventsEnabled").and_then(Value::as_bool) == Some(true);
    let types = rows(realm.get("enabledEventTypes").cloned());
    // An empty list means every type, and a lifetime of 0 that events never expire.
    let are_recorded = types.is_empty() || types.iter().any(|kind| kind == "UPDATE_PASSWORD");
    let lifetime = realm.get("eventsExpiration").and_then(Value::as_u64).unwrap_or(0);
    checks.expect(
        Finding::KeycloakEventsOff,
        is_on && are_recorded && (lifetime == 0 || lifetime >= MIN_EVENT_LIFETIME),
    );
}

fn rows(list: Option<Value>) -> Vec<Value> {
    match list {
        Some(Value::Array(rows)) => rows,
        Some(_) | None => Vec::new(),
    }
}

fn key(document: &Value) -> Option<&str> {
    document.get("id").and_then(Value::as_str)
}

fn says(document: &Value, pointer: &str, wanted: &str) -> bool {
    text(document, pointer) == Some(wanted)
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}

/// Keycloak's rule: the exact address, or, before a `*` at the end, any address with this beginning.
fn allows(allowed: &str, wanted: &str) -> bool {
    match allowed.strip_suffix('*') {
        Some(start) => wanted.starts_with(start),
        None => allowed == wanted,
    }
}

/// Whether a version is older than the fix of CVE-2026-18963 in its release line. `None` if it is not a version.
fn has_known_holes(version: &str) -> Option<bool> {
    let mut parts = version.split(['.', '-']).map(str::parse::<u32>);
    let mut part = || parts.next()?.ok();
    let (major, minor, patch) = (part()?, part()?, part()?);
    let is_fixed = match (major, minor) {
        (26, 4) => patch >= 15,
        (26, 6) => patch >= 6,
        (26, 7) => patch >= 2,
        (26, 0..=5) => false,
        _ => major >= 26,
    };
    Some(!is_fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_judged_within_its_own_line() {
        for (version, holes) in [
            ("26.7.3", false),
            ("26.7.2", false),
            ("26.7.1", true),
            ("26.6.6", false),
            ("26.6.5", true),
            ("26.5.99", true),
            ("26.4.15.redhat-00001", false),
            ("26.4.14", true),
            ("25.0.6", true),
            ("26.8.0", false),
            ("27.0.0-SNAPSHOT", false),
        ] {
            assert_eq!(has_known_holes(version), Some(holes), "{version}");
        }
        for text in ["", "nightly", "26", "26.7"] {
            assert_eq!(has_known_holes(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_allowed_whole_or_by_what_stands_before_a_star() {
        assert!(allows("https://www.example.org/welcome", "https://www.example.org/welcome"));
        assert!(!allows("https://www.example.org/welcome", "https://www.example.org/welcome/"));
        assert!(allows("https://www.example.org/*", "https://www.example.org/welcome"));
        assert!(!allows("https://example.org/*", "https://www.example.org/welcome"));
    }
}
