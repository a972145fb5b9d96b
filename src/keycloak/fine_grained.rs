//! Fine-grained admin permissions (version 2): the names of the service client's permissions, and what they allow.
//!
//! A permission allows scopes of a resource type to those whom its policies match. Keycloak allows only what *all* permissions on
//! a resource allow, so another permission on all users can take the client's rights away.

/// The client that holds a realm's permissions after they are switched on.
pub const HOLDER: &str = "admin-permissions";

/// The scopes that the service needs on each resource type. Without `view` on groups, the list of a user's groups is empty
/// without an error.
pub const NEEDED: [(&str, &[&str]); 2] = [("Users", &["view", "manage"]), ("Groups", &["view"])];

/// The name of the policy that matches one service client only. If the policy exists, the client must have no wider role.
pub fn policy_name(client_id: &str) -> String {
    ["Accolade: ", client_id].concat()
}

/// The name of the client's permission on a resource type.
pub fn permission_name(client_id: &str, kind: &str) -> String {
    [&policy_name(client_id), ", ", kind].concat()
}
