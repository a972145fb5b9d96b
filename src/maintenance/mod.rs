//! Work that no request starts: activations that Keycloak or the directory show, expiry, and the purge of old rows.
//!
//! Start with [`activation`] and [`housekeeping`].

pub(crate) mod activation;
pub(crate) mod housekeeping;
