//! Work that no request starts: activations that Keycloak or the directory show, lost locks, expiry, the purge of old rows, and the
//! report of jobs that wait for long.
//!
//! Start with [`activation`], [`locks`], [`housekeeping`] and [`delays`].

pub(crate) mod activation;
pub(crate) mod delays;
pub(crate) mod housekeeping;
pub(crate) mod locks;
