//! Sealing of personal columns, and keyed look-up hashes. The key file is outside the database.
//!
//! A sealed value is `nonce (24) ‖ XChaCha20-Poly1305 ciphertext`; table, row and column are authenticated with it, so a
//! value that was moved to another row or column does not open.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use super::error::StoreError;
use crate::clock::Rng;

/// The nonce of `XChaCha20` (draft-irtf-cfrg-xchacha section 2.3).
const NONCE_LEN: usize = 24;

/// The keys derived from the key file.
pub(super) struct Keys {
    seal: SecretBox<[u8; 32]>,
    lookup: SecretBox<[u8; 32]>,
    id: String,
}

/// The place of a sealed value. It is authenticated, so it must be the same at sealing and opening.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) column: &'static str,
}

impl Place<'_> {
    fn aad(&self) -> Vec<u8> {
        [self.table, self.row, self.column].join("\0").into_bytes()
    }
}

fn hmac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl Keys {
    /// Derives the keys: HMAC-SHA-256 of a label for each use.
    pub(super) fn derive(master: &SecretBox<[u8; 32]>) -> Self {
        let sub = |label: &str| hmac(master.expose_secret(), &[label.as_bytes()]);
        let mut id = hex::encode(sub("accolade key id v1"));
        id.truncate(16);
        Self {
            seal: SecretBox::new(Box::new(sub("accolade seal v1"))),
            lookup: SecretBox::new(Box::new(sub("accolade look-up v1"))),
            id,
        }
    }

    /// Keys that open nothing, to inspect a database before its key file is known.
    pub(super) fn empty() -> Self {
        Self { id: String::new(), ..Self::derive(&SecretBox::new(Box::new([0; 32]))) }
    }

    /// The fingerprint in the columns `key_id`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The keyed hash of a value, in hex: equal values of one kind have equal hashes, and without the key values can't be guessed.
    pub(super) fn lookup(&self, kind: &str, value: &str) -> String {
        hex::encode(hmac(self.lookup.expose_secret(), &[kind.as_bytes(), b"\0", value.as_bytes()]))
    }

    /// Seals a personal value for its place.
    pub(super) fn seal(&self, rng: &dyn Rng, place: Place<'_>, plain: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new(self.seal.expose_secret().into());
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain.as_bytes(), aad: &place.aad() })
            .expect("a form field is far below the cipher's 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a value that was sealed for this place with this key.
    pub(super) fn open(
        &self,
        place: Place<'_>,
        key_id: Option<&str>,
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        let fail = || StoreError::Sealed { table: place.table };
        if key_id != Some(self.id()) {
            return Err(fail());
        }
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(fail)?;
        let cipher = XChaCha20Poly1305::new(self.seal.expose_secret().into());
        let plain = cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &place.aad() })
            .map_err(|_| fail())?;
        String::from_utf8(plain).map_err(|_| fail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRng;

    fn keys(byte: u8) -> Keys {
        Keys::derive(&SecretBox::new(Box::new([byte; 32])))
    }

    const PLACE: Place<'_> = Place { table: "request", row: "1", column: "given_enc" };

    #[test]
    fn a_value_opens_only_in_its_own_place_and_with_its_own_key() {
        let sealed = keys(1).seal(&SystemRng, PLACE, "Ada");
        let id = Some(keys(1).id.clone());
        assert_eq!(keys(1).open(PLACE, id.as_deref(), &sealed).ok().as_deref(), Some("Ada"));
        for wrong in [
            Place { row: "2", ..PLACE },
            Place { column: "family_enc", ..PLACE },
            Place { table: "decision", ..PLACE },
        ] {
            assert!(keys(1).open(wrong, id.as_deref(), &sealed).is_err(), "{wrong:?} was decrypted");
        }
        assert!(keys(2).open(PLACE, Some(keys(2).id()), &sealed).is_err());
        assert!(keys(1).open(PLACE, None, &sealed).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let sealed = keys(1).seal(&SystemRng, PLACE, "Ada");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys(1).open(PLACE, Some(keys(1).id()), &changed).is_err(), "byte {at}");
        }
        assert!(keys(1).open(PLACE, Some(keys(1).id()), &sealed[..10]).is_err());
    }

    #[test]
    fn look_up_hashes_depend_on_key_kind_and_value() {
        let hash = keys(1).lookup("address", "ada@example.org");
        assert_eq!(hash, keys(1).lookup("address", "ada@example.org"));
        for other in [
            keys(2).lookup("address", "ada@example.org"),
            keys(1).lookup("domain", "ada@example.org"),
            keys(1).lookup("address", "eve@example.org"),
        ] {
            assert_ne!(hash, other);
        }
    }
}
