//! Hardens the process at its start, and reads who runs it.

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Makes new files private to their owner and disables core dumps, which could contain secrets. Best effort: the process continues on
/// systems that refuse.
pub(super) fn harden() {
    umask(Mode::from_bits_truncate(0o077));
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// The login name of the user of this process, for the audit log; the number of the user if it has no name.
pub(super) fn login() -> String {
    let uid = nix::unistd::getuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
