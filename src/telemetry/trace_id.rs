//! The id by which all log lines of one interaction or one job are found.

use std::fmt;

use crate::clock::Rng;

/// The id that all log lines of one interaction or one job share, in the span field `trace_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A random id.
    pub fn new(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        Self(bytes)
    }
}

impl From<[u8; 16]> for TraceId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reference::Reference;

    #[test]
    fn a_trace_id_is_found_by_its_reference() {
        struct Sevens;
        impl Rng for Sevens {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0x77);
            }
        }
        let id = TraceId::new(&Sevens);
        assert_eq!(id.to_string(), "77".repeat(16));
        assert_eq!(Reference::of(&id.to_string()).as_str(), "77777777");
    }
}
