//! The service client's rights: two roles, or one role and two fine-grained permissions.

use serde_json::Value;

use super::clients::find_client;
use super::context::{Mode, Rights, SetupContext, SetupError};
use super::documents::{id_of, rows, says};
use super::permissions::{self, Permissions};

/// Search, import, mail, disable, end sessions, sync; also create users, and give them groups and ordinary roles.
const MANAGE: &str = "manage-users";
/// Read events. No permission can replace this role.
const EVENTS: &str = "view-events";

/// Gives the client its rights in the wanted way. Missing rights are given before others are removed, because the service may be
/// running.
pub(super) async fn ensure(context: &mut SetupContext<'_>, client: Option<&str>) -> Result<(), SetupError> {
    let found = match client {
        Some(_) => Permissions::find(context).await?,
        None => None,
    };
    let are_ours = found.as_ref().is_some_and(|found| found.are_ours(&context.input.client_id));
    let current = if are_ours { Rights::FineGrained } else { Rights::Roles };
    match (context.args.rights.unwrap_or(current), found) {
        (Rights::FineGrained, found) => {
            let foreign = permissions::ensure(context, client, found).await?;
            let account = find_account(context, client).await?;
            let manages = account.as_ref().is_some_and(|account| account.holds(MANAGE));
            if !foreign.is_empty() && context.args.mode == Mode::Apply && manages {
                // Without the role the service would lose what these permissions cover.
                return Err(SetupError::Blocked(
                    [
                        "`manage-users` was kept, because other permissions overlap the service's: `",
                        &foreign.join("`, `"),
                        "`. Let their policies match the service client too, or remove them. Then remove `manage-users` and run \
                         this again",
                    ]
                    .concat(),
                ));
            }
            ensure_roles(context, account, &[EVENTS], "").await
        }
        (Rights::Roles, Some(found)) => {
            let loosens = if are_ours { " (this loosens it)" } else { "" };
            let account = find_account(context, client).await?;
            ensure_roles(context, account, &[MANAGE, EVENTS], loosens).await?;
            found.remove(context).await
        }
        (Rights::Roles, None) => {
            let account = find_account(context, client).await?;
            ensure_roles(context, account, &[MANAGE, EVENTS], "").await
        }
    }
}

/// The service account and its roles.
struct Account {
    /// The id of the client's user.
    user: String,
    /// The id of the client `realm-management`.
    management: String,
    /// The roles of that client that the user holds.
    held: Vec<Value>,
}

impl Account {
    fn holds(&self, role: &str) -> bool {
        self.held.iter().any(|held| says(held, "name", role))
    }
}

/// Reads the service account and its roles. `None` if a plan found no client.
async fn find_account(
    context: &SetupContext<'_>,
    client: Option<&str>,
) -> Result<Option<Account>, SetupError> {
    let Some(client) = client else { return Ok(None) };
    let place = context.path(&["clients", client, "service-account-user"]);
    let user = context.admin.get("service account", &place, &[]).await?;
    let management = find_client(context, "realm-management").await?;
    let (user, management) = user
        .as_ref()
        .and_then(id_of)
        .zip(management.as_ref().and_then(id_of))
        .ok_or_else(|| SetupError::Blocked("the service client has no service account".to_owned()))?;
    let place = context.path(&["users", &user, "role-mappings", "clients", &management]);
    let held = rows(context.admin.get("rights", &place, &[]).await?);
    Ok(Some(Account { user, management, held }))
}

/// Gives the service account exactly these roles of `realm-management`, and removes others.
async fn ensure_roles(
    context: &mut SetupContext<'_>,
    account: Option<Account>,
    wanted: &[&str],
    loosens: &str,
) -> Result<(), SetupError> {
    let what = ["rights ", &wanted.join(" ")].concat();
    let Some(account) = account else {
        context.must_create(&what);
        return Ok(());
    };
    let missing = missing_roles(context, &account, wanted).await?;
    let Account { user, management, held } = account;
    let place = ["users", &user, "role-mappings", "clients", &management];
    let extra: Vec<Value> =
        held.into_iter().filter(|role| !wanted.iter().any(|right| says(role, "name", right))).collect();
    if missing.is_empty() && extra.is_empty() {
        context.note_unchanged(&what);
    }
    if !missing.is_empty() && context.must_do(&["give ", &names(&missing), loosens].concat()) {
        context.admin.create("give rights", &context.path(&place), &Value::Array(missing)).await?;
    }
    if !extra.is_empty() && context.must_do(&["take away right ", &names(&extra)].concat()) {
        context.admin.remove("take rights away", &context.path(&place), &Value::Array(extra)).await?;
    }
    Ok(())
}

async fn missing_roles(
    context: &SetupContext<'_>,
    account: &Account,
    wanted: &[&str],
) -> Result<Vec<Value>, SetupError> {
    let mut missing = Vec::new();
    for right in wanted.iter().filter(|right| !account.holds(right)) {
        let place = context.path(&["clients", &account.management, "roles", right]);
        let role = context.admin.get("right", &place, &[]).await?;
        let Some(role) = role else {
            return Err(SetupError::Blocked(["this Keycloak has no role `", right, "`"].concat()));
        };
        missing.push(role);
    }
    Ok(missing)
}

fn names(roles: &[Value]) -> String {
    roles.iter().filter_map(|role| role.get("name").and_then(Value::as_str)).collect::<Vec<_>>().join(" ")
}
