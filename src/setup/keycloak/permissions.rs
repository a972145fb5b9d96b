//! Fine-grained admin permissions: the realm's switch, a policy that fits the service client alone, and a permission on each
//! kind of thing that it works with.

use serde_json::{Value, json};

use super::documents::{Difference, differences, id_of, rows, says};
use super::{Mode, SetupContext, SetupError, clients};
use crate::keycloak::fine_grained::{HOLDER, NEEDED, permission_name, policy_name};

/// More permissions than a realm has.
const MOST: &str = "1000";

/// What the realm has of them.
pub(super) struct Permissions {
    /// The id of the client that keeps them.
    holder: String,
    /// Our policy.
    policy: Option<Value>,
    /// All permissions, those of others, too.
    all: Vec<Value>,
}

impl Permissions {
    /// `None` where they were never switched on.
    pub(super) async fn find(context: &SetupContext<'_>) -> Result<Option<Self>, SetupError> {
        let found = clients::find_client(context, HOLDER).await?;
        let Some(holder) = found.as_ref().and_then(id_of) else { return Ok(None) };
        let mut found = Self { holder, policy: None, all: Vec::new() };
        let own = policy_name(&context.input.client_id);
        let query = [("name", own.as_str()), ("permission", "false"), ("max", MOST)];
        let policies = rows(context.admin.get("policies", &found.place(context, &["policy"]), &query).await?);
        let query = [("max", MOST)];
        let all =
            rows(context.admin.get("permissions", &found.place(context, &["permission"]), &query).await?);
        found.policy = policies.into_iter().find(|policy| says(policy, "name", &own));
        found.all = all;
        Ok(Some(found))
    }

    /// Whether the client has its rights by them, or had: a part of ours is there.
    pub(super) fn are_ours(&self, client_id: &str) -> bool {
        let is_there = |kind: &str| self.named(&permission_name(client_id, kind)).is_some();
        self.policy.is_some() || NEEDED.iter().any(|(kind, _)| is_there(kind))
    }

    fn place<'p>(&'p self, context: &'p SetupContext<'_>, rest: &[&'p str]) -> Vec<&'p str> {
        context.path(&[&["clients", &self.holder, "authz", "resource-server"], rest].concat())
    }

    fn named(&self, name: &str) -> Option<&Value> {
        self.all.iter().find(|permission| says(permission, "name", name))
    }

    /// Makes sure that our policy fits the service client and nobody else; its id.
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
                return Err(SetupError::InTheWay([&what, " is of another kind: rename it"].concat()));
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

    /// Makes sure of the permission on one kind: these scopes of all of its things, by our policy alone.
    async fn ensure_permission(
        &self,
        context: &mut SetupContext<'_>,
        policy: &str,
        (kind, scopes): (&str, &[&str]),
    ) -> Result<(), SetupError> {
        let name = permission_name(&context.input.client_id, kind);
        let what = ["permission ", &name].concat();
        // No resources means all of the kind.
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
        let shown: Vec<String> = differences(&current, &wanted).iter().map(Difference::shown).collect();
        if shown.is_empty() {
            context.note_unchanged(&what);
        } else if context.must_do(&["change ", &what, ": ", &shown.join(", ")].concat()) {
            body["id"] = json!(id);
            let path = self.place(context, &["permission", "scope", &id]);
            context.admin.put("permission", &path, &body).await?;
        }
        Ok(())
    }

    /// What a permission is on, in the order of what is wanted.
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
            // `view` is wanted before what it is needed for.
            names.sort_unstable_by_key(|name| (*name != "view", *name));
            read[what] = json!(names);
        }
        Ok(read)
    }

    /// Takes ours away.
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

    /// Says which permissions of others lie over ours, and gives their names.
    fn hint_at_others(&self, context: &mut SetupContext<'_>) -> Vec<String> {
        let mut others = Vec::new();
        let client = &context.input.client_id;
        let ours: Vec<String> = NEEDED.iter().map(|(kind, _)| permission_name(client, kind)).collect();
        for permission in &self.all {
            let text = |field| permission.get(field).and_then(Value::as_str).unwrap_or_default();
            let (name, kind) = (text("name"), text("resourceType"));
            let lies_over = NEEDED.iter().any(|(ours, _)| *ours == kind);
            if lies_over && !ours.iter().any(|ours| ours == name) {
                let hint = [
                    "permission `",
                    name,
                    "` is on ",
                    kind,
                    ", too: Keycloak allows only what all of them allow, so that \
                     what it covers is out of the service's reach unless its policies fit the service client",
                ];
                context.report.hints.push(hint.concat());
                others.push(name.to_owned());
            }
        }
        others
    }
}

/// Makes sure of switch, policy and permissions. The names of permissions of others that lie over them.
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
        return Err(SetupError::InTheWay("the policy that was made just now is not there".to_owned()));
    } else {
        plan_permissions(context, Some(&found));
    }
    Ok(found.hint_at_others(context))
}

async fn switch_on(context: &mut SetupContext<'_>) -> Result<(), SetupError> {
    let realm = context.admin.get("realm", &context.path(&[]), &[]).await?;
    let is_on =
        realm.as_ref().and_then(|realm| realm.get("adminPermissionsEnabled")).and_then(Value::as_bool);
    if is_on == Some(true) {
        context.note_unchanged("fine-grained permissions of the realm");
    } else if context.must_do("switch on fine-grained permissions of the realm") {
        // Keycloak changes only the fields that are there.
        context.admin.put("realm", &context.path(&[]), &json!({"adminPermissionsEnabled": true})).await?;
    }
    Ok(())
}

/// What would be made where nothing is there to look at.
fn plan(context: &mut SetupContext<'_>) -> Result<(), SetupError> {
    if context.args.mode == Mode::Apply {
        return Err(SetupError::InTheWay(
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
