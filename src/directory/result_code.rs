//! LDAP result codes that the client acts on (RFC 4511 section 4.1.9, RFC 4528).

pub(super) const SUCCESS: u32 = 0;
pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
pub(super) const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
pub(super) const NO_SUCH_ATTRIBUTE: u32 = 16;
pub(super) const UNDEFINED_ATTRIBUTE: u32 = 17;
pub(super) const CONSTRAINT_VIOLATION: u32 = 19;
pub(super) const ATTRIBUTE_OR_VALUE_EXISTS: u32 = 20;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
pub(super) const INSUFFICIENT_ACCESS: u32 = 50;
pub(super) const OBJECT_CLASS_VIOLATION: u32 = 65;
pub(super) const ENTRY_ALREADY_EXISTS: u32 = 68;
pub(super) const ASSERTION_FAILED: u32 = 122;
