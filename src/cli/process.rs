//! What this process denies itself and others from its first line on.

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// New files are the owner's alone, and no core dump ever holds a secret. Best effort: a system that refuses is no
/// reason to stop.
pub(super) fn harden() {
    umask(Mode::from_bits_truncate(0o077));
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// The login name of whoever runs this, for the audit log; the number where the system knows no name.
pub(super) fn login() -> String {
    let uid = nix::unistd::getuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
