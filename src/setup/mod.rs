//! What `accolade setup` does: brings outside systems to the state that Accolade needs, with an administrator's
//! credentials that are used once and never kept. Where it may not change something itself, it prints what an administrator does, and
//! says what differs.

pub mod directory;
pub mod discord;
pub mod keycloak;
