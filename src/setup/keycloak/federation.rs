//! The LDAP federation: which one is ours, whether others show the same people, and its settings.

use secrecy::ExposeSecret;
use serde_json::json;

use super::context::{Mode, Narrowing, SetupContext, SetupError};
use super::documents::{merged, rows};
use super::lost;
use super::settings::{self, Changes, Danger, SettingChange, Wanted};
use crate::domain::ldap_filter::Truth;
use crate::keycloak::KeycloakError;
use crate::keycloak::federation::{Federation, OurEntries};

const PROVIDER: &str = "org.keycloak.storage.UserStorageProvider";
const WHAT: &str = "LDAP federation";

/// Creates or corrects the federation. Returns its id, or `None` if a plan found none.
pub(super) async fn ensure(
    context: &mut SetupContext<'_>,
    realm: Option<&String>,
) -> Result<Option<String>, SetupError> {
    let Some(realm) = realm else {
        context.must_create(WHAT);
        return Ok(None);
    };
    let query = [("type", PROVIDER), ("parent", realm.as_str())];
    let found = rows(context.admin.get("components", &context.path(&["components"]), &query).await?);
    let all: Vec<Federation> = found.iter().filter_map(Federation::read).collect();
    let own = choose(context, &all)?;
    refuse_overlaps(context, &all, own)?;
    match own {
        Some(own) => correct(context, own).await.map(|()| Some(own.id.clone())),
        None => create(context, realm).await,
    }
}

/// The federation that the configuration names. If it names none: the one that looks for people where the bot creates them.
fn choose<'a>(
    context: &SetupContext<'_>,
    all: &'a [Federation],
) -> Result<Option<&'a Federation>, SetupError> {
    let named = all.iter().find(|one| context.input.federation_id.as_ref() == Some(&one.id));
    if named.is_some() {
        return Ok(named);
    }
    let mut candidates: Vec<&Federation> =
        all.iter().filter(|one| one.base.as_ref() == Some(&context.input.directory.people_dn)).collect();
    if candidates.len() > 1 && candidates.iter().any(|one| one.is_enabled()) {
        candidates.retain(|one| one.is_enabled());
    }
    match candidates.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [_, _, ..] => {
            let described: Vec<String> = candidates.iter().map(|one| one.described()).collect();
            Err(SetupError::Blocked(
                [
                    "the realm has more than one LDAP federation for people_dn: remove or disable all but one, or write the id of \
                     one into [keycloak] federation_id: ",
                    &described.join("; "),
                ]
                .concat(),
            ))
        }
    }
}

/// Stops if Keycloak would find people through another federation too. A disabled one is only mentioned.
fn refuse_overlaps(
    context: &mut SetupContext<'_>,
    all: &[Federation],
    own: Option<&Federation>,
) -> Result<(), SetupError> {
    let input = context.input;
    let ours = OurEntries::of(&input.directory);
    let others = all.iter().filter(|one| own.is_none_or(|own| own.id != one.id));
    for other in others {
        if other.overlaps(own, &ours) {
            return Err(SetupError::Blocked(overlap(other, own, &ours)));
        }
        if !other.is_enabled() && other.looks_at(&ours) {
            context.report.hints.push(
                [
                    "the disabled LDAP federation ",
                    &other.described(),
                    " shows the same people: leave it disabled",
                ]
                .concat(),
            );
        }
    }
    Ok(())
}

/// What an overlap does, and what helps.
fn overlap(other: &Federation, own: Option<&Federation>, ours: &OurEntries<'_>) -> String {
    let order = match own {
        Some(own) if own.is_asked_before(other) => {
            "Keycloak asks it second, and its syncs still import people first"
        }
        Some(_) | None => "Keycloak would import people through it first",
    };
    let mut text = [
        "the LDAP federation ",
        &other.described(),
        " shows the same people as the accounts of Accolade. ",
        order,
        ": new accounts would wait for ever, and people could be there twice. Disable it, or keep Accolade's accounts out of it with \
         the user filter ",
        &ours.filter_without_them(),
    ]
    .concat();
    if own.is_none() {
        text.push_str(
            &[". To let Accolade use it, write its id into [keycloak] federation_id: ", &other.id].concat(),
        );
    }
    text
}

async fn create(context: &mut SetupContext<'_>, realm: &str) -> Result<Option<String>, SetupError> {
    let password = context.args.federation_bind_password.expose_secret();
    let wanted = Wanted::of(context);
    let reached = Reached {
        connection_url: wanted.connection_url.clone(),
        bind_dn: wanted.bind_dn.clone(),
        start_tls: wanted.start_tls,
    };
    if !can_bind(context, None, &reached, password).await? {
        return Err(cannot_bind());
    }
    if !context.must_create(WHAT) {
        return Ok(None);
    }
    let base = json!({
        "name": "ldap",
        "providerId": "ldap",
        "providerType": PROVIDER,
        "parentId": realm,
        "config": {"bindCredential": [password]},
    });
    let body = merged(base, &json!({ "config": wanted.config() }));
    Ok(context.admin.create("make federation", &context.path(&["components"]), &body).await?)
}

async fn correct(context: &mut SetupContext<'_>, current: &Federation) -> Result<(), SetupError> {
    let input = context.input;
    let ours = OurEntries::of(&input.directory);
    check_filter(context, current, &ours)?;
    let Changes { mut needed, advised } = settings::changes(current, &Wanted::of(context), &ours);
    match context.args.narrowing {
        Narrowing::Accepted => needed.splice(0..0, advised).for_each(drop),
        Narrowing::Refused => keep(context, current, &advised).await?,
    }
    needed.sort_by_key(|change| (change.danger.is_none(), change.danger));
    warn(context, current, &needed).await?;
    for change in &needed {
        let line = ["change ", WHAT, ": ", &change.shown()].concat();
        let lines =
            if change.danger.is_some() { &mut context.dangerous } else { &mut context.report.changes };
        lines.push(line);
    }
    let mut wanted = settings::as_config(&needed);
    let is_credential_old = must_set_credential(context, &after(current, &needed)?).await?;
    if is_credential_old {
        wanted["config"]["bindCredential"] = json!([context.args.federation_bind_password.expose_secret()]);
        context.report.changes.push(["change ", WHAT, ": bindCredential"].concat());
    }
    if needed.is_empty() && !is_credential_old {
        context.note_unchanged(WHAT);
    } else if context.args.mode == Mode::Apply {
        let body = merged(current.component.clone(), &wanted);
        context.admin.put("change federation", &context.path(&["components", &current.id]), &body).await?;
    }
    Ok(())
}

/// A user filter is somebody's rule, so it is never changed. One that shuts our accounts out stops set-up.
fn check_filter(
    context: &mut SetupContext<'_>,
    current: &Federation,
    ours: &OurEntries<'_>,
) -> Result<(), SetupError> {
    let filter = current.setting("customUserSearchFilter").unwrap_or_default();
    match current.admits(ours) {
        Truth::Yes => Ok(()),
        Truth::Unknown => {
            let hint = ["check that the federation's user filter lets new accounts in: ", filter].concat();
            context.report.hints.push(hint);
            Ok(())
        }
        Truth::No => Err(SetupError::Blocked(
            [
                "the federation's user filter shuts out the accounts that Accolade creates: widen it, for example with a second \
                 condition that they meet: ",
                filter,
            ]
            .concat(),
        )),
    }
}

/// Says what stays although a new federation would have it narrower, and who relies on it.
async fn keep(
    context: &mut SetupContext<'_>,
    current: &Federation,
    advised: &[SettingChange],
) -> Result<(), SetupError> {
    if advised.is_empty() {
        return Ok(());
    }
    let lost = lost::between(context, current, &after(current, advised)?).await;
    for change in advised {
        let hint = ["kept: ", &change.shown(), ". `--accept-narrowing` changes it"].concat();
        context.report.hints.push(hint);
    }
    context.report.hints.push(["with `--accept-narrowing` ", &lost.sentence()].concat());
    Ok(())
}

/// Says who is affected by the changes. Without consent it stops before them, and a plan says that it would.
async fn warn(
    context: &mut SetupContext<'_>,
    current: &Federation,
    needed: &[SettingChange],
) -> Result<(), SetupError> {
    let dangerous: Vec<&SettingChange> = needed.iter().filter(|change| change.needs_consent()).collect();
    if dangerous.is_empty() {
        return Ok(());
    }
    let mut warnings = Vec::new();
    if dangerous.iter().any(|change| change.danger == Some(Danger::Hides)) {
        warnings.push(lost::between(context, current, &after(current, needed)?).await.sentence());
    }
    if dangerous.iter().any(|change| change.key == "bindDn") {
        warnings.push("people whom only the federation's present bind may read are not counted".to_owned());
    }
    if context.args.narrowing == Narrowing::Refused {
        let lines: Vec<String> = dangerous.iter().map(|change| change.shown()).collect();
        let text = ["these changes need `--accept-narrowing`: ", &lines.join("; ")].concat();
        if context.args.mode == Mode::Apply {
            let text = [text].into_iter().chain(warnings).collect::<Vec<_>>().join(". ");
            return Err(SetupError::Blocked(text));
        }
        warnings.push(text);
    }
    context.report.warnings.append(&mut warnings);
    Ok(())
}

/// The federation as it would be.
fn after(current: &Federation, changes: &[SettingChange]) -> Result<Federation, SetupError> {
    let component = merged(current.component.clone(), &settings::as_config(changes));
    Federation::read(&component).ok_or_else(|| SetupError::Blocked("the federation has no id".to_owned()))
}

/// Whether the stored bind password no longer works, and the new one does.
async fn must_set_credential(context: &SetupContext<'_>, after: &Federation) -> Result<bool, SetupError> {
    let set = |key: &str| after.setting(key).unwrap_or_default().to_owned();
    let reached = Reached {
        connection_url: set("connectionUrl"),
        bind_dn: set("bindDn"),
        start_tls: set("startTls") == "true",
    };
    // Keycloak shows the stored password as asterisks, and accepts these in its place for the same address and name.
    if can_bind(context, Some(&after.id), &reached, "**********").await? {
        return Ok(false);
    }
    if !can_bind(context, None, &reached, context.args.federation_bind_password.expose_secret()).await? {
        return Err(cannot_bind());
    }
    Ok(true)
}

/// How Keycloak reaches the directory.
struct Reached {
    connection_url: String,
    bind_dn: String,
    start_tls: bool,
}

fn cannot_bind() -> SetupError {
    SetupError::Blocked(
        "keycloak cannot bind to the directory: check --federation-url, --federation-bind-dn, its password, and \
         that Keycloak trusts the directory's certificate"
            .to_owned(),
    )
}

/// Lets Keycloak try a bind with the password.
async fn can_bind(
    context: &SetupContext<'_>,
    federation: Option<&str>,
    reached: &Reached,
    password: &str,
) -> Result<bool, SetupError> {
    let body = json!({
        "action": "testAuthentication",
        "componentId": federation,
        "connectionUrl": reached.connection_url,
        "authType": "simple",
        "bindDn": reached.bind_dn,
        "bindCredential": password,
        "useTruststoreSpi": "always",
        "connectionTimeout": "3000",
        "startTls": if reached.start_tls { "true" } else { "false" },
    });
    match context.admin.create("test bind", &context.path(&["testLDAPConnection"]), &body).await {
        Ok(_) => Ok(true),
        Err(KeycloakError::Status { status: 400, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
