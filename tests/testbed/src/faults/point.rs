//! The faults: the name of each, how often it is drawn, and where it can happen.

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Database;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Kill,
    Stop,
    Terminate,
    KillDirectory,
    KillKeycloak,
    KillPostgres,
    Cut,
    Stall,
    Corrupt,
    LdapCode,
    HttpStatus,
    Mail,
    Discord,
    Gateway,
    DiskFull,
    Locked,
    Clock,
    Refuse,
    Profile,
}

impl Fault {
    /// All faults, ordered by name.
    pub(super) const ALL: [Self; 19] = [
        Self::Kill,
        Self::Stop,
        Self::Terminate,
        Self::KillDirectory,
        Self::KillKeycloak,
        Self::KillPostgres,
        Self::Cut,
        Self::Stall,
        Self::Corrupt,
        Self::LdapCode,
        Self::HttpStatus,
        Self::Mail,
        Self::Discord,
        Self::Gateway,
        Self::DiskFull,
        Self::Locked,
        Self::Clock,
        Self::Refuse,
        Self::Profile,
    ];

    /// The name in flags and tables.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Kill => "F01",
            Self::Stop => "F03",
            Self::Terminate => "F04",
            Self::KillDirectory => "F05",
            Self::KillKeycloak => "F06",
            Self::KillPostgres => "F07",
            Self::Cut => "F08",
            Self::Stall => "F09",
            Self::Corrupt => "F10",
            Self::LdapCode => "F11",
            Self::HttpStatus => "F14",
            Self::Mail => "F15",
            Self::Discord => "F16",
            Self::Gateway => "F17",
            Self::DiskFull => "F18",
            Self::Locked => "F20",
            Self::Clock => "F23",
            Self::Refuse => "F29",
            Self::Profile => "F30",
        }
    }

    /// Describes the fault.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Kill => "the bot is killed, at any moment or at a crash point",
            Self::Stop => "the bot is frozen for one to three leases",
            Self::Terminate => "the bot is asked to stop, and started again",
            Self::KillDirectory => "slapd is killed",
            Self::KillKeycloak => "Keycloak is killed",
            Self::KillPostgres => "PostgreSQL is killed, or ends its connections",
            Self::Cut => "a line is cut, anywhere",
            Self::Stall => "a line falls silent, or is half open",
            Self::Corrupt => "an answer is no message, or another one",
            Self::LdapCode => "the directory answers with a result code",
            Self::HttpStatus => "Keycloak answers with a status",
            Self::Mail => "the mail server refuses, delays, or loses the answer",
            Self::Discord => "Discord refuses, delays, or loses the answer",
            Self::Gateway => "the gateway drops, resumes, repeats",
            Self::DiskFull => "the database's disk is full",
            Self::Locked => "the database is locked",
            Self::Clock => "the bot's clock is an hour off",
            Self::Refuse => "Discord refuses messages for a while",
            Self::Profile => "Keycloak's profile asks for more than people have",
        }
    }

    const fn often(self) -> u32 {
        match self {
            // Restarting a killed Keycloak takes as long as fifty other points.
            Self::KillKeycloak => 1,
            Self::Terminate | Self::DiskFull | Self::Locked | Self::Clock => 10,
            Self::KillDirectory | Self::Mail => 12,
            Self::KillPostgres | Self::Stall | Self::Profile => 20,
            Self::Stop | Self::Gateway | Self::Refuse => 25,
            Self::Corrupt => 35,
            Self::LdapCode | Self::HttpStatus => 45,
            Self::Discord => 65,
            Self::Kill => 90,
            Self::Cut => 110,
        }
    }

    /// Whether the fault can happen on this database.
    pub(super) fn is_possible_on(self, database: Database) -> bool {
        match database {
            Database::Sqlite => self != Self::KillPostgres,
            Database::Postgres => !matches!(self, Self::DiskFull | Self::Locked),
        }
    }

    /// Finds a fault by its name.
    pub(super) fn named(id: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|fault| fault.id().eq_ignore_ascii_case(id));
        let Some(found) = found else {
            let known: Vec<&str> = Self::ALL.iter().map(|fault| fault.id()).collect();
            bail!("no fault is called {id}; there are {}", known.join(", "));
        };
        Ok(found)
    }

    /// Draws one of the possible faults, or the only one that is wanted.
    pub(super) fn drawn(random: &mut StdRng, database: Database, only: Option<Self>) -> Self {
        if let Some(only) = only {
            return only;
        }
        let possible: Vec<Self> =
            Self::ALL.into_iter().filter(|fault| fault.is_possible_on(database)).collect();
        possible.choose_weighted(random, |fault| fault.often()).copied().unwrap_or(Self::Kill)
    }
}

/// Crash points at which the bot is told to exit: while an account is made, while it is undone, and where
/// something is only recorded.
pub const CRASH_POINTS: &[&str] = &[
    "check.check_availability.before_call",
    "store.commit.before:check.check_availability",
    "store.commit.after:draft",
    "store.commit.before:send",
    "store.commit.after:send",
    "store.commit.before:approve",
    "store.commit.after:approve",
    "store.commit.before:deny",
    "store.commit.after:deny",
    "store.commit.before:cancel",
    "store.commit.after:cancel",
    "job.after_claim",
    "provision.eligible.after_call",
    "provision.recheck_availability.before_call",
    "provision.create_entry.before_call",
    "provision.create_entry.after_call",
    "provision.create_entry.unrecorded",
    "provision.groups.after_call",
    "provision.groups.unrecorded",
    "provision.await_import.after_call",
    "provision.await_import.unrecorded",
    "provision.await_group_sync.after_call",
    "store.commit.before:job.mail_quota",
    "store.commit.after:job.mail_quota",
    "provision.mail.before_call",
    "provision.mail.after_call",
    "provision.mail.unrecorded",
    "store.commit.before:provision.invite",
    "store.commit.after:provision.invite",
    "withdraw.disable.after_call",
    "withdraw.lock.after_call",
    "withdraw.lock.unrecorded",
    "withdraw.remove.before_call",
    "withdraw.remove.after_call",
    "store.commit.before:withdraw.finalize",
    "undo.lock.after_call",
    "undo.remove.unrecorded",
    "undo.remove.after_call",
    "store.commit.before:undo.finalize",
    "welcome.grant_role.after_call",
    "store.commit.before:activation.seen",
    "store.commit.after:activation.seen",
    "outbox.before_send",
    "outbox.after_send",
    "store.commit.before:outbox.sent",
];

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_is_drawn_where_it_can_happen() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.id()).expect("a fault"), fault);
        }
        Fault::named("F99").expect_err("none");
        let mut random = StdRng::seed_from_u64(1);
        for database in [Database::Sqlite, Database::Postgres] {
            for _ in 0..2000 {
                assert!(Fault::drawn(&mut random, database, None).is_possible_on(database));
            }
        }
    }
}
