//! Fine-grained admin permissions (version 2): what those of a service client are called, and what they give.
//!
//! A permission allows scopes of a kind of resource to whom its policies fit. Keycloak allows only what *all* permissions on
//! a kind allow, so that somebody else's permission on all people takes the client's rights away.

/// The client in which a realm keeps its permissions, once they are switched on.
pub const HOLDER: &str = "admin-permissions";

/// What the service needs of each kind. Without `view` of groups the list of a person's groups is empty, and no error.
pub const NEEDED: [(&str, &[&str]); 2] = [("Users", &["view", "manage"]), ("Groups", &["view"])];

/// The policy that fits one service client and nobody else. Where it is there, the client is meant to have no wider role.
pub fn policy_name(client_id: &str) -> String {
    ["Accolade: ", client_id].concat()
}

/// The client's permission on a kind of resource.
pub fn permission_name(client_id: &str, kind: &str) -> String {
    [&policy_name(client_id), ", ", kind].concat()
}
