//! Work that no request starts: activations that Keycloak or the directory show, expiry, the purge of old rows, and the
//! report of jobs that wait for long.
//!
//! Start with [`activation`], [`housekeeping`] and [`delays`].

pub(crate) mod activation;
pub(crate) mod delays;
pub(crate) mod housekeeping;
