//! Why a connection failed, and what to do: one text for each cause.

use super::{id_of_code, text_of};
use crate::domain::cause::{Cause, Peer};
use crate::domain::lang::Lang;

/// The cause with its fix, which names the keys of this server.
pub fn sentence(lang: Lang, peer: Peer, cause: Cause) -> String {
    let values = [("url", peer.url_key().into()), ("ca", peer.ca_key().into())];
    text_of(lang, &id_of_code("cause", cause.code()), values)
}
