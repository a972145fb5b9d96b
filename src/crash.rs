//! Named crash points: places where a test kills this process, to check that a restart recovers.
//!
//! They are before and after each commit and each outside call whose order matters. Without the feature `faults` they compile to nothing;
//! with it they are inert until [`arm`] is called with a setting (`ACCOLADE_CRASH_AT=NAME:hit`, read by `config`). `ACCOLADE_PANIC_AT` uses
//! the same points to simulate a defect. Start with [`NAMES`]: a test iterates over it and expects every point to be hit.

use std::str::FromStr;

/// The point at which the process dies or a task panics, and the pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashAt {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// The number of the pass that has the effect, from 1.
    pub hit: u64,
}

/// The text is not `NAME:hit` with a name in [`NAMES`] and a pass from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a crash point and a pass, such as `provision.entry.before_call:1`")]
pub struct UnknownPoint;

impl FromStr for CrashAt {
    type Err = UnknownPoint;

    fn from_str(text: &str) -> Result<Self, UnknownPoint> {
        let (wanted, hit) = text.rsplit_once(':').ok_or(UnknownPoint)?;
        let name = NAMES.iter().find(|name| **name == wanted).ok_or(UnknownPoint)?;
        match hit.parse() {
            Ok(0) | Err(_) => Err(UnknownPoint),
            Ok(hit) => Ok(Self { name, hit }),
        }
    }
}

macro_rules! points {
    (steps { $($plan:literal: $($step:literal)+;)+ } unrecorded { $($uplan:literal: $($ustep:literal)+;)+ }
        commits { $($label:literal)* } else { $($name:literal)* }) => {
        /// The labels of commits. Each has a point on both sides: `store.commit.before:<label>` and `store.commit.after:<label>`.
        /// The commit of a step that is recorded at once, or that ends its plan, is `<plan>.<step>` (undo has the plan name `undo`).
        pub const COMMITS: &[&str] = &[$($label,)*];

        /// Every point: around the outside calls of each step, after each step that is not recorded at once, around each commit, and
        /// the rest.
        pub const NAMES: &[&str] = &[
            $($(concat!($plan, ".", $step, ".before_call"), concat!($plan, ".", $step, ".after_call"),)+)+
            $($(concat!($uplan, ".", $ustep, ".unrecorded"),)+)+
            $(concat!("store.commit.before:", $label), concat!("store.commit.after:", $label),)*
            $($name,)*
        ];
    };
}

points! {
    steps {
        "check": "check_availability";
        "provision": "eligible" "recheck_availability" "create_entry" "groups" "await_import" "await_group_sync" "mail" "invite";
        "withdraw": "disable" "lock" "end_sessions" "check_password" "remove" "unlock";
        "undo": "disable" "lock" "end_sessions" "check_password" "remove";
        "welcome": "grant_role";
        "resend": "resend";
        "lock": "lock" "disable" "end_sessions";
        "enable": "eligible" "end_sessions" "groups" "reset_password" "unlock";
    }
    unrecorded {
        "provision": "eligible" "recheck_availability" "create_entry" "groups" "await_import" "await_group_sync" "mail";
        "withdraw": "disable" "lock" "end_sessions" "check_password" "remove" "unlock";
        "undo": "disable" "lock" "end_sessions" "check_password" "remove";
        "lock": "lock" "disable" "end_sessions";
        "enable": "eligible" "end_sessions" "groups" "reset_password" "unlock";
    }
    commits {
        "check.check_availability" "provision.mail" "provision.invite" "welcome.grant_role" "resend.resend"
        "draft" "send" "send_refused" "approve" "deny" "cancel" "retry" "password" "not_me" "enable" "panel" "press_refused" "role_lost" "member_gone"
        "app.void_leases" "lease.take" "lease.renew" "lease.give_back"
        "withdraw.finalize" "undo.finalize" "lock.finalize" "enable.finalize" "job.mail_quota" "job.mail_refund" "job.mail_unknown" "job.renew" "job.release" "job.wake" "job.later" "job.operator" "job.undo" "job.conflict"
        "activation.seen" "activation.cursor" "outbox.prepare" "outbox.sent" "outbox.later"
        "housekeeping.expire" "housekeeping.withdraw" "housekeeping.purge" "locks.again"
    }
    else { "store.flush.before" "store.flush.after" "job.after_claim" "outbox.before_send" "outbox.after_send" }
}

/// What happens at an armed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The process is killed (`ACCOLADE_CRASH_AT`).
    Kill,
    /// The task that reaches the point panics, as if by a defect (`ACCOLADE_PANIC_AT`).
    Panic,
}

/// Sets the point at which this process is killed or a task panics. The composition root calls it once for each manner; later calls
/// change nothing. Without the feature `faults` it does nothing.
pub fn arm(at: Option<CrashAt>, manner: Manner) {
    armed::set(at, manner);
}

/// Marks the point `name`. The armed pass kills this process by SIGKILL, or panics.
pub fn point(name: &str) {
    armed::pass(|armed| armed == name);
}

/// Marks the point `<plan>.<step>.<moment>`, without building the name.
pub fn step_point(plan: &str, step: &str, moment: &str) {
    armed::pass(|armed| armed.split('.').eq([plan, step, moment]));
}

/// Marks the point `store.commit.<side>:<label>`; `side` is `before` or `after`.
pub fn commit_point(side: &str, label: &str) {
    armed::pass(|armed| {
        armed.strip_prefix("store.commit.").and_then(|rest| rest.split_once(':')) == Some((side, label))
    });
}

/// The commit label of a step, one of [`COMMITS`].
pub fn step_commit(plan: &str, step: &str) -> &'static str {
    let is_of_step = |label: &&&'static str| label.split('.').eq([plan, step]);
    COMMITS.iter().find(is_of_step).copied().unwrap_or("job.step")
}

#[cfg(feature = "faults")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{CrashAt, Manner};

    static TO_KILL: Armed = Armed::new();
    static TO_PANIC: Armed = Armed::new();

    struct Armed {
        at: OnceLock<CrashAt>,
        passes: AtomicU64,
    }

    impl Armed {
        const fn new() -> Self {
            Self { at: OnceLock::new(), passes: AtomicU64::new(0) }
        }

        fn is_hit(&self, is_here: &impl Fn(&str) -> bool) -> bool {
            self.at.get().is_some_and(|at| {
                is_here(at.name) && self.passes.fetch_add(1, Ordering::SeqCst) + 1 == at.hit
            })
        }
    }

    pub(super) fn set(at: Option<CrashAt>, manner: Manner) {
        if let Some(at) = at {
            tracing::warn!(crash.at = at.name, crash.hit = at.hit, ?manner, "a crash point is armed");
            let armed = match manner {
                Manner::Kill => &TO_KILL,
                Manner::Panic => &TO_PANIC,
            };
            // The first setting wins, because a process dies only once.
            let _ = armed.at.set(at);
        }
    }

    pub(super) fn pass(is_here: impl Fn(&str) -> bool) {
        if TO_KILL.is_hit(&is_here) {
            // SIGKILL and not `abort`, so that no handler runs and no buffer of this process is flushed.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        }
        assert!(!TO_PANIC.is_hit(&is_here), "this pass was told to panic");
    }
}

#[cfg(not(feature = "faults"))]
mod armed {
    use super::{CrashAt, Manner};

    pub(super) fn set(_at: Option<CrashAt>, _manner: Manner) {}

    pub(super) fn pass(_is_here: impl Fn(&str) -> bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::{JobKind, Step};

    #[test]
    fn a_setting_names_a_known_point_and_a_pass() {
        assert_eq!(
            "provision.create_entry.before_call:2".parse(),
            Ok(CrashAt { name: "provision.create_entry.before_call", hit: 2 })
        );
        assert_eq!(
            "store.commit.after:provision.mail:1".parse(),
            Ok(CrashAt { name: "store.commit.after:provision.mail", hit: 1 })
        );
        for text in [
            "",
            ":1",
            "outbox.before_send",
            "outbox.before_send:0",
            "outbox.before_send:x",
            "no.such.point:1",
        ] {
            assert_eq!(text.parse::<CrashAt>(), Err(UnknownPoint), "{text}");
        }
    }

    #[test]
    fn every_step_of_every_plan_has_its_points() {
        let mut unrecorded = 0;
        for kind in JobKind::ALL {
            let plans = [(kind.code(), kind.plan()), ("undo", kind.undo_plan())];
            for (plan, step, is_last) in plans.iter().flat_map(|(plan, steps)| {
                steps.iter().map(move |step| (plan, step, steps.last() == Some(step)))
            }) {
                // `finalize` only records what the earlier steps did.
                let mut moments =
                    if *step == Step::Finalize { vec![] } else { vec!["before_call", "after_call"] };
                if is_last || step.is_recorded_at_once() {
                    assert_eq!(step_commit(plan, step.code()), format!("{plan}.{step}"));
                }
                // The first mail is recorded together with the invitation.
                if !is_last && (!step.is_recorded_at_once() || *step == Step::Mail) {
                    moments.push("unrecorded");
                    unrecorded += 1;
                }
                for moment in moments {
                    let name = format!("{plan}.{step}.{moment}");
                    assert!(NAMES.contains(&name.as_str()), "{name} is not registered");
                }
            }
        }
        let registered = NAMES.iter().filter(|name| name.ends_with(".unrecorded")).count();
        assert_eq!(registered, unrecorded, "a point that no plan passes");
    }

    #[test]
    fn no_point_is_registered_twice() {
        let mut sorted = NAMES.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), NAMES.len());
    }
}
