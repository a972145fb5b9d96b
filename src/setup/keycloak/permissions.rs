//! Fine-grained admin permissions: the realm's switch, a policy that matches only the service client, and a permission on each
//! resource type that the client uses.

use serde_json::{Value, json};

use super::clients::find_client;
use super::context::{Mode, SetupContext, SetupError};
use super::documents::{changes_to, id_of, rows, says};
use crate::keycloak::fine_grained::{HOLDER, NEEDED, permission_name, policy_name};

/// The most permissions of a realm that are read.
const MAX_PERMISSIONS: &str = "1000";

/// The realm's fine-grained permissions.
pub(super) struct Permissions {
    /// The id of the client that holds them.
    holder: String,
    /// Our policy.
    policy: Option<Value>,
    /// All permissions, foreign ones included.
    all: Vec<Value>,
}

impl Permissions {
    /// Reads them. `None` if they were never switched on.
    pub(super) async fn find(context: &SetupContext<'_>) -> Result<Option<Self>, SetupError> {
        let found = find_client(context, HOLDER).await?;
        let Some(holder) = found.as_ref().and_then(id_of) else { return Ok(None) };
        let mut found = Self { holder, policy: None, all: Vec::new() };
        let own = policy_name(&context.input.client_id);
        let query = [("name", own.as_str()), ("permission", "false"), ("max", MAX_PERMISSIONS)];
        let policies = rows(context.admin.get("policies", &found.place(context, &["policy"]), &query).await?);
        let query = [("max", MAX_PERMISSIONS)];
        let all =
            rows(context.admin.get("permissions", &found.place(context, &["permission"]), &query).await?);
        found.policy = policies.into_iter().find(|policy| says(policy, "name", &own));
        found.all = all;
        Ok(Some(found))
    }

    /// Whether the client has, or had, its rights by permissions: at least one of our permissions or policies exists.
    pub(super) fn are_ours(&self, client_id: &str) -> bool {
        let exists = |kind: &str| self.named(&permission_name(client_id, kind)).is_some();
        self.policy.is_some() || NEEDED.iter().any(|(kind, _)| exists(kind))
    }

    fn place<'p>(&'p self, context: &'p SetupContext<'_>, rest: &[&'p str]) -> Vec<&'p str> {
        context.path(&[&["clients", &self.holder, "authz", "resource-server"], rest].concat())
    }

    fn named(&self, name: &str) -> Option<&Value> {
        self.all.iter().find(|permission| says(permission, "name", name))
    }

    /// Creates or corrects our policy, which matches only the service client. Returns its id.
    async fn ensure_policy(
        &self,
        context: &mut SetupContext<'_>,
        client: &str,
    ) -> Result<Option<String>, SetupError> {
        let name = policy_name(&context.input.client_id);
        let what = ["policy ", &name].concat();
        let wanted = json!({"name": name, "logic": "POSITIVE", "clients": [client]});
        let place = ["policy", "client"];
        if let Some(id) = self.policy.as_ref().and_then(id_of) {
            let path = [&["clients", &self.holder, "authz", "resource-server"], &place[..], &[&id]].concat();
            let Some(current) = context.admin.get("policy", &context.path(&path), &[]).await? else {
                return Err(SetupError::Blocked([&what, " is of another kind: rename it"].concat()));
            };
            context.ensure_document(&what, &path, current, &wanted).await?;
            return Ok(Some(id));
        }
        if !context.must_create(&what) {
            return Ok(None);
        }
        context.admin.create("make policy", &self.place(context, &place), &wanted).await?;
        let made = Self::find(context).await?.and_then(|found| found.policy);
        Ok(made.as_ref().and_then(id_of))
    }

    /// Creates or corrects the permission on one resource type: these scopes on all resources, by our policy only.
    async fn ensure_permission(
        &self,
        context: &mut SetupContext<'_>,
        policy: &str,
        (kind, scopes): (&str, &[&str]),
    ) -> Result<(), SetupError> {
        let name = permission_name(&context.input.client_id, kind);
        let what = ["permission ", &name].concat();
        // An empty list means all resources of the type.
        let mut body = json!({
            "name": name, "resourceType": kind, "scopes": scopes, "policies": [policy], "resources": [],
        });
        let Some(id) = self.named(&name).and_then(id_of) else {
            if context.must_create(&[&what, ": ", &scopes.join(" ")].concat()) {
                let path = self.place(context, &["permission", "scope"]);
                context.admin.create("make permission", &path, &body).await?;
            }
            return Ok(());
        };
        let current = self.read_permission(context, &id).await?;
        let wanted = json!({"scopes": scopes, "policies": [policy], "resources": [kind]});
        let changes = changes_to(&current, &wanted);
        if changes.is_empty() {
            context.note_unchanged(&what);
        } else if context.must_change(&what, &changes) {
            body["id"] = json!(id);
            let path = self.place(context, &["permission", "scope", &id]);
            context.admin.put("permission", &path, &body).await?;
        }
        Ok(())
    }

    /// Reads scopes, policies and resources of a permission, in the order of the wanted values.
    async fn read_permission(&self, context: &SetupContext<'_>, id: &str) -> Result<Value, SetupError> {
        let mut read = json!({});
        for (what, place, field) in [
            ("scopes", "scopes", "name"),
            ("policies", "associatedPolicies", "id"),
            ("resources", "resources", "name"),
        ] {
            let found =
                rows(context.admin.get(what, &self.place(context, &["policy", id, place]), &[]).await?);
            let mut names: Vec<&str> =
                found.iter().filter_map(|one| one.get(field).and_then(Value::as_str)).collect();
            // The wanted list begins with `view`.
            names.sort_unstable_by_key(|name| (*name != "view", *name));
            read[what] = json!(names);
        }
        Ok(read)
    }

    /// Removes our permissions and our policy.
    pub(super) async fn remove(&self, context: &mut SetupContext<'_>) -> Result<(), SetupError> {
        let mut ours = Vec::new();
        for (kind, _) in NEEDED {
            let name = permission_name(&context.input.client_id, kind);
            let id = self.named(&name).and_then(id_of);
            ours.extend(id.map(|id| (["permission ", &name].concat(), "permission/scope", id)));
        }
        let policy = self.policy.as_ref().and_then(id_of);
        let name = ["policy ", &policy_name(&context.input.client_id)].concat();
        ours.extend(policy.map(|id| (name, "policy/client", id)));
        for (what, place, id) in ours {
            if context.must_do(&["take away ", &what].concat()) {
                let place: Vec<&str> = place.split('/').chain([id.as_str()]).collect();
                context.admin.remove("take away", &self.place(context, &place), &Value::Null).await?;
            }
        }
        Ok(())
    }

    /// Adds a hint for each foreign permission on the same resource types, and returns their names.
    fn hint_at_foreign(&self, context: &mut SetupContext<'_>) -> Vec<String> {
        let mut foreign = Vec::new();
        let client = &context.input.client_id;
        let ours: Vec<String> = NEEDED.iter().map(|(kind, _)| permission_name(client, kind)).collect();
        for permission in &self.all {
            let text = |field| permission.get(field).and_then(Value::as_str).unwrap_or_default();
            let (name, kind) = (text("name"), text("resourceType"));
            let overlaps = NEEDED.iter().any(|(ours, _)| *ours == kind);
            if overlaps && !ours.iter().any(|ours| ours == name) {
                let hint = [
                    "permission `",
                    name,
                    "` is on ",
                    kind,
                    ", too: Keycloak allows only what all permissions on a resource allow. The service can't use what \
                     this one covers, unless its policies match the service client",
                ];
                context.report.hints.push(hint.concat());
                foreign.push(name.to_owned());
            }
        }
        foreign
    }
}

/// Creates or corrects the switch, the policy and the permissions. Returns the names of foreign permissions that overlap them.
pub(super) async fn ensure(
    context: &mut SetupContext<'_>,
    client: Option<&str>,
    found: Option<Permissions>,
) -> Result<Vec<String>, SetupError> {
    switch_on(context).await?;
    let found = match (found, context.args.mode) {
        (None, Mode::Apply) => Permissions::find(context).await?,
        (found, _) => found,
    };
    let (Some(found), Some(client)) = (found, client) else { return plan(context).map(|()| Vec::new()) };
    if let Some(policy) = found.ensure_policy(context, client).await? {
        for needed in NEEDED {
            found.ensure_permission(context, &policy, needed).await?;
        }
    } else if context.args.mode == Mode::Apply {
        return Err(SetupError::Blocked("the policy that was just created is missing".to_owned()));
    } else {
        plan_permissions(context, Some(&found));
    }
    Ok(found.hint_at_foreign(context))
}

async fn switch_on(context: &mut SetupContext<'_>) -> Result<(), SetupError> {
    let realm = context.admin.get("realm", &context.path(&[]), &[]).await?;
    let is_on =
        realm.as_ref().and_then(|realm| realm.get("adminPermissionsEnabled")).and_then(Value::as_bool);
    if is_on == Some(true) {
        context.note_unchanged("fine-grained permissions of the realm");
    } else if context.must_do("switch on fine-grained permissions of the realm") {
        // Keycloak changes only the fields in the document.
        context.admin.put("realm", &context.path(&[]), &json!({"adminPermissionsEnabled": true})).await?;
    }
    Ok(())
}

/// Lists what would be created if nothing exists yet.
fn plan(context: &mut SetupContext<'_>) -> Result<(), SetupError> {
    if context.args.mode == Mode::Apply {
        return Err(SetupError::Blocked(
            "this Keycloak has no fine-grained admin permissions (version 2, switched on): run again with `--rights roles`"
                .to_owned(),
        ));
    }
    let policy = policy_name(&context.input.client_id);
    context.must_create(&["policy ", &policy].concat());
    plan_permissions(context, None);
    Ok(())
}

fn plan_permissions(context: &mut SetupContext<'_>, found: Option<&Permissions>) {
    for (kind, scopes) in NEEDED {
        let name = permission_name(&context.input.client_id, kind);
        if found.is_some_and(|found| found.named(&name).is_some()) {
            context.must_do(&["change permission ", &name, ": policies"].concat());
        } else {
            context.must_create(&["permission ", &name, ": ", &scopes.join(" ")].concat());
        }
    }
}
