//! `accolade doctor` in a realm where the service client has its rights by fine-grained permissions.

use accolade::clock::{Clock as _, SystemClock};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use testbed::Proxy;
use testbed::proxy::{Answer, Direction, Fault, Place, Plan, Server, Speech, Which};
use testbed::slapd::Edits;

use crate::doctor_practice::{Lent, Practice};
use harness::{MAIL_CLIENT, visit};

/// The client in which the realm keeps its permissions.
struct PermissionsClient<'a> {
    practice: &'a Practice,
    server: String,
}

impl<'a> PermissionsClient<'a> {
    async fn of(practice: &'a Practice) -> Result<Self> {
        let holder = practice.client("admin-permissions").await?;
        Ok(Self { practice, server: format!("clients/{holder}/authz/resource-server") })
    }

    async fn key(&self, list: &str) -> Result<String> {
        let found = self.practice.reads(&format!("{}/{list}", self.server)).await?;
        found[0]["id"].as_str().map(str::to_owned).context("an id")
    }

    async fn calls(&self, method: Method, place: &str, body: &Value) -> Result<Value> {
        self.practice.calls(method, &format!("{}/{place}", self.server), body).await
    }

    /// Sets the scopes of our permission on a resource type.
    async fn allows(&self, kind: &str, scopes: &[&str]) -> Result<()> {
        let id = self.key(&format!("permission?name={kind}")).await?;
        let policy = self.key("policy?permission=false&name=Accolade").await?;
        let body = json!({
            "id": id, "name": format!("Accolade: accolade, {kind}"), "resourceType": kind, "scopes": scopes,
            "policies": [policy],
        });
        self.calls(Method::PUT, &format!("permission/scope/{id}"), &body).await.map(drop)
    }
}

#[test]
fn rights_by_fine_grained_permissions_are_judged_by_what_they_do() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let (keycloak, mail) = (&harness.servers.keycloak, &harness.servers.mail);
        let practice = Practice::opens(keycloak, mail, "doctor-narrow", Edits::default()).await?;
        practice.sets_up_with(&["--rights", "fine-grained"]).await?;
        practice.is_healthy().await?;
        breaks_permissions(&practice).await?;
        breaks_roles(&practice).await?;
        meets_the_permission_of_others(&practice).await?;
        practice.is_healthy().await?;
        practice.sets_up_with(&["--rights", "roles"]).await?;
        practice.is_healthy().await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn what_keycloak_does_not_tell_of_rights_is_not_checked_and_never_ok() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let (keycloak, mail) = (&harness.servers.keycloak, &harness.servers.mail);
        let practice = Practice::opens(keycloak, mail, "doctor-silent", Edits::default()).await?;
        practice.sets_up_with(&["--rights", "fine-grained"]).await?;
        hides_what_may_be_done(&practice).await?;
        // A token without roles does not show whether the client has needless rights.
        let roles = RemovedScope::off(&practice, "roles").await?;
        let told = tells_of_rights(&practice, &practice.config, ["ok", "not_checked"]).await;
        told.context("without the scope `roles`")?;
        roles.back().await?;
        practice.is_healthy().await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Expects these results for missing and for needless rights without lent credentials, and no other finding.
async fn tells_of_rights(practice: &Practice, config: &Value, results: [&str; 2]) -> Result<()> {
    let (said, _) = practice.asks(config, Lent::Nothing, &[]).await?;
    let result = |code: &str| {
        let mut checks = said["checks"].as_array().into_iter().flatten();
        checks.find(|check| check["code"] == code).map(|check| check["result"].clone())
    };
    let told = ["keycloak_rights_missing", "keycloak_rights_wide"].map(result);
    ensure!(told == results.map(|result| Some(json!(result))), "{said:#}");
    ensure!(said["findings"] == 0, "{said:#}");
    Ok(())
}

/// Keycloak omits the allowed actions, shows no group as an example, or issues a token without a subject.
async fn hides_what_may_be_done(practice: &Practice) -> Result<()> {
    let real = practice.keycloak.url.trim_start_matches("http://").parse().context("an address")?;
    let proxy = Proxy::start(real, Speech::Http, 1).await?;
    let mut through = practice.with("/keycloak/url", json!(format!("http://{}", proxy.address)));
    through["keycloak"]["public_url"] = json!(practice.keycloak.url);
    tells_of_rights(practice, &through, ["ok", "ok"]).await?;
    let own = format!("/users/{}", practice.service_account().await?);
    for (place, document) in [(own.as_str(), r#"{"id":"one"}"#), ("/groups?max=1", "[]")] {
        answers(&proxy, "GET", place, document);
        let told = tells_of_rights(practice, &through, ["not_checked", "not_checked"]).await;
        told.with_context(|| format!("without an answer from {place}"))?;
    }
    // Without a subject the client cannot tell which user is its own, and that user serves as the example.
    let claims =
        json!({"iat": now_in_seconds(), "resource_access": {"realm-management": {"roles": ["view-events"]}}});
    let token = ["e30", &URL_SAFE_NO_PAD.encode(claims.to_string()), "e30"].join(".");
    let token = json!({"access_token": token, "expires_in": 300, "token_type": "Bearer"});
    answers(&proxy, "POST", "/token", &token.to_string());
    answers(&proxy, "GET", "/users/count", "1");
    answers(&proxy, "GET", "/events?", "[]");
    answers(&proxy, "GET", "/groups?max=1", r#"[{"id":"one","access":{"view":true}}]"#);
    answers(&proxy, "POST", "/sync", "{}");
    let told = tells_of_rights(practice, &through, ["not_checked", "not_checked"]).await;
    told.context("without a subject")
}

/// The proxy answers with this document once, and does not forward the call.
fn answers(proxy: &Proxy, method: &'static str, place: &str, document: &str) {
    // The strings of a plan must live as long as the process.
    let kept = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    proxy.plans(Plan {
        which: Which::Http(method, kept(place)),
        after: 0,
        times: 1,
        direction: Direction::ToClient,
        place: Place::Start,
        fault: Fault::Instead(Answer::HttpDocument(kept(document)), Server::IsSpared),
    });
}

fn now_in_seconds() -> i64 {
    SystemClock.now().as_millis() / 1000
}

/// A scope that is removed from the service client's tokens.
struct RemovedScope<'a> {
    practice: &'a Practice,
    place: String,
}

impl<'a> RemovedScope<'a> {
    async fn off(practice: &'a Practice, name: &str) -> Result<Self> {
        let client = practice.client("accolade").await?;
        let scopes = practice.reads(&format!("clients/{client}/default-client-scopes")).await?;
        let scope = scopes.as_array().into_iter().flatten().find(|scope| scope["name"] == name);
        let id = scope.and_then(|scope| scope["id"].as_str()).with_context(|| format!("{name}: {scopes}"))?;
        let place = format!("clients/{client}/default-client-scopes/{id}");
        practice.calls(Method::DELETE, &place, &Value::Null).await?;
        Ok(Self { practice, place })
    }

    async fn back(self) -> Result<()> {
        self.practice.calls(Method::PUT, &self.place, &Value::Null).await.map(drop)
    }
}

/// Expects the finding with and without an administrator, lets `setup keycloak --apply` fix it, and checks that the rights stay narrow.
async fn is_named_and_mended(practice: &Practice, code: &str, about: &str) -> Result<()> {
    for lent in [Lent::Nothing, Lent::Administrator] {
        practice
            .hears(&practice.config, lent, &[code])
            .await
            .with_context(|| format!("{about}, {lent:?}"))?;
        let (said, _) = practice.asks(&practice.config, lent, &[]).await?;
        ensure!(said.to_string().contains(about), "{about} is not named: {said:#}");
    }
    let mended = practice.mends_by_setup().await?;
    ensure!(!mended["changes"].to_string().contains("give manage-users"), "{mended:#}");
    practice.is_healthy().await
}

async fn breaks_permissions(practice: &Practice) -> Result<()> {
    let desk = PermissionsClient::of(practice).await?;
    // The right to read users is not enough to mail them.
    desk.allows("Users", &["view"]).await?;
    is_named_and_mended(practice, "keycloak_rights_missing", "Users: manage").await?;
    // Without it the list of a user's groups is empty, without an error.
    let groups = desk.key("permission?name=Groups").await?;
    desk.calls(Method::DELETE, &format!("permission/scope/{groups}"), &Value::Null).await?;
    is_named_and_mended(practice, "keycloak_rights_missing", "Groups: view").await?;
    let off = json!({"adminPermissionsEnabled": false});
    practice.keycloak.set_realm(practice.realm, &off).await?;
    is_named_and_mended(practice, "keycloak_rights_missing", "manage-users").await?;
    for (kind, scopes, about) in [
        ("Users", &["view", "manage", "map-roles"][..], "Users: mapRoles"),
        ("Users", &["view", "manage", "manage-group-membership"], "Users: manageGroupMembership"),
        ("Users", &["view", "manage", "impersonate"], "Users: impersonate"),
        ("Groups", &["view", "manage"], "Groups: manage"),
    ] {
        desk.allows(kind, scopes).await?;
        is_named_and_mended(practice, "keycloak_rights_wide", about).await?;
    }
    Ok(())
}

async fn breaks_roles(practice: &Practice) -> Result<()> {
    let held = practice.place_of_rights().await?;
    let events = practice.right("view-events").await?;
    practice.calls(Method::DELETE, &held, &events).await?;
    is_named_and_mended(practice, "keycloak_rights_missing", "view-events").await?;
    practice.calls(Method::POST, &held, &practice.right("query-users").await?).await?;
    is_named_and_mended(practice, "keycloak_rights_wide", "query-users").await?;
    // Only an administrator can see that the role is wider than intended.
    practice.calls(Method::POST, &held, &practice.right("manage-users").await?).await?;
    practice.hears(&practice.config, Lent::Administrator, &["keycloak_rights_wide"]).await?;
    let mended = practice.mends_by_setup().await?;
    ensure!(mended["changes"] == json!(["take away right manage-users"]), "{mended:#}");
    practice.is_healthy().await
}

/// Keycloak allows only what all permissions on a resource allow, so a foreign permission takes rights away.
async fn meets_the_permission_of_others(practice: &Practice) -> Result<()> {
    let desk = PermissionsClient::of(practice).await?;
    let helpdesk = json!({"name": "helpdesk", "clients": [practice.client(MAIL_CLIENT).await?]});
    desk.calls(Method::POST, "policy/client", &helpdesk).await?;
    let helpdesk = desk.key("policy?permission=false&name=helpdesk").await?;
    let ours = desk.key("policy?permission=false&name=Accolade").await?;
    let resets = |policy: &str| json!({"name": "resets", "resourceType": "Users", "scopes": ["reset-password"], "policies": [policy]});
    desk.calls(Method::POST, "permission/scope", &resets(&helpdesk)).await?;
    practice.hears(&practice.config, Lent::Nothing, &["keycloak_rights_missing"]).await?;
    let said = practice.mends_by_setup().await?;
    ensure!(said["hints"].to_string().contains("`resets` is on Users"), "{said:#}");
    let resets_id = desk.key("permission?name=resets").await?;
    desk.calls(Method::DELETE, &format!("permission/scope/{resets_id}"), &Value::Null).await?;
    // The fix: a policy that matches both clients.
    let either = json!({"name": "either", "decisionStrategy": "AFFIRMATIVE", "policies": [ours, helpdesk]});
    desk.calls(Method::POST, "policy/aggregate", &either).await?;
    let either = desk.key("policy?permission=false&name=either").await?;
    desk.calls(Method::POST, "permission/scope", &resets(&either)).await?;
    practice.is_healthy().await?;
    let resets_id = desk.key("permission?name=resets").await?;
    desk.calls(Method::DELETE, &format!("permission/scope/{resets_id}"), &Value::Null).await?;
    desk.calls(Method::DELETE, &format!("policy/{either}"), &Value::Null).await.map(drop)
}
