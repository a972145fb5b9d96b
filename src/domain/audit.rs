//! The audit log's events and the canonical bytes that its hash chain covers.
//!
//! Personal values are stored outside the chain, which covers only their salted hash, so that erasing a person doesn't break it.

use sha2::{Digest, Sha256};

use super::eligibility::RuleName;
use super::error_code::codes;
use super::ids::{GuildId, JobId, PersonId, RequestId, Timestamp};

codes! {
    /// What happened. The codes are part of the chain and never change.
    pub enum Event {
        /// The chain's first row.
        ChainStarted = "chain.started",
        /// `Send` was pressed.
        RequestSubmitted = "request.submitted",
        /// A request was refused.
        RequestRefused = "request.refused",
        /// A request was put on hold until a person looks at it.
        RequestHeld = "request.held",
        /// Approved, by a moderator or a rule.
        RequestApproved = "request.approved",
        /// Denied.
        RequestDenied = "request.denied",
        /// Cancelled by the requester or an admin, or because the requester left.
        RequestCancelled = "request.cancelled",
        /// Nobody decided in time.
        RequestExpired = "request.expired",
        /// The account could not be created.
        RequestFailed = "request.failed",
        /// A member without the right pressed a button or ran a command.
        PressRefused = "press.refused",
        /// The entry was added to the directory.
        EntryCreated = "entry.created",
        /// The entry was there already, with our mark.
        EntryFound = "entry.found",
        /// The entry was locked.
        EntryLocked = "entry.locked",
        /// The entry was deleted.
        EntryRemoved = "entry.removed",
        /// The entry was gone already when it was to be removed: an earlier run removed it and lost its record, or someone else did.
        EntryAbsent = "entry.absent",
        /// An entry of this name or Discord id is not ours.
        EntryConflict = "entry.conflict",
        /// Membership added.
        GroupAdded = "group.added",
        /// The entry was a member already.
        GroupFound = "group.found",
        /// Membership removed.
        GroupRemoved = "group.removed",
        /// Keycloak shows our entry.
        ImportSeen = "import.seen",
        /// The Keycloak user was disabled.
        UserDisabled = "user.disabled",
        /// The password was replaced by a random one that nobody knows.
        PasswordReset = "password.reset",
        /// The lock of an account that must be locked was gone, or its Keycloak user enabled; both are being set again.
        LockLost = "lock.lost",
        /// The sessions of the Keycloak user were ended.
        SessionsEnded = "sessions.ended",
        /// Keycloak took the mail.
        MailSent = "mail.sent",
        /// Keycloak refused the mail.
        MailRefused = "mail.refused",
        /// It is unknown whether the mail was sent.
        MailUnknown = "mail.unknown",
        /// The account was created and the mail was sent.
        AccountInvited = "account.invited",
        /// A first password was seen.
        AccountActivated = "account.activated",
        /// An account that was never used was removed.
        AccountWithdrawn = "account.withdrawn",
        /// Locked and disabled.
        AccountDisabled = "account.disabled",
        /// The entry was unlocked, and the Keycloak user enabled again.
        AccountEnabled = "account.enabled",
        /// The entry or user is not the recorded one.
        AccountConflict = "account.conflict",
        /// The account ended.
        AccountClosed = "account.closed",
        /// Put on the deny list.
        DenyAdded = "deny.added",
        /// Removed from the deny list.
        DenyRemoved = "deny.removed",
        /// The member role was given.
        RoleGranted = "role.granted",
        /// The member had the role already.
        RoleFound = "role.found",
        /// A job stopped for an operator.
        JobNeedsOperator = "job.needs_operator",
        /// A job has waited for long; the reason is what it waits for.
        JobDelayed = "job.delayed",
        /// An admin retried a job.
        JobRetried = "job.retried",
        /// A job was undone completely.
        JobUndone = "job.undone",
        /// A moderator or admin viewed the texts of a request, or an admin viewed links, the audit log or a diagnosis.
        AdminViewed = "admin.viewed",
        /// The panel was posted.
        PanelPosted = "panel.posted",
    }
}

codes! {
    /// Where an action came from.
    pub enum Source {
        /// Discord.
        Chat = "chat",
        /// The command line.
        Cli = "cli",
        /// The worker.
        Worker = "worker",
        /// Keycloak's events.
        Keycloak = "keycloak",
        /// A rule of the configuration.
        Config = "config",
    }
}

/// Who acted. Never a snowflake, a person's name or an address, because erasure must not change the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by our id.
    Person(PersonId),
    /// An operator at the command line, by login name.
    Cli(String),
    /// Accolade itself.
    System,
}

impl Actor {
    /// The text of the column: the person's id, `cli:<login>` or `system`.
    pub fn text(&self) -> String {
        match self {
            Self::Person(id) => id.to_string(),
            Self::Cli(login) => ["cli:", login].concat(),
            Self::System => "system".to_owned(),
        }
    }

    /// Reads the column.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "system" {
            return Some(Self::System);
        }
        match text.strip_prefix("cli:") {
            Some(login) => Some(Self::Cli(login.to_owned())),
            None => text.parse().ok().map(Self::Person),
        }
    }
}

/// The prefix of a reason that names a rule.
pub const RULE_PREFIX: &str = "rule:";

/// One event, before it gets its position in the chain.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// The source.
    pub source: Source,
    /// The guild.
    pub guild_id: Option<GuildId>,
    /// The actor.
    pub actor: Actor,
    /// The person concerned.
    pub subject: Option<PersonId>,
    /// The request.
    pub request_id: Option<RequestId>,
    /// The job.
    pub job_id: Option<JobId>,
    /// The state, group or rule before; never a personal value.
    pub before: Option<String>,
    /// The state, group or rule after; never a personal value.
    pub after: Option<String>,
    /// The reason: an error code, whether a denial is told, or `rule:<name>`.
    pub reason_code: Option<String>,
    /// Personal text (a typed reason, for example): sealed outside the chain, which covers only its salted hash.
    pub personal: Option<String>,
}

impl Entry {
    /// An entry with its required parts; the rest is `None` until it is set.
    pub fn new(event: Event, source: Source, actor: Actor) -> Self {
        Self {
            event,
            source,
            guild_id: None,
            actor,
            subject: None,
            request_id: None,
            job_id: None,
            before: None,
            after: None,
            reason_code: None,
            personal: None,
        }
    }

    /// The person concerned.
    #[must_use]
    pub fn about(mut self, subject: PersonId) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The guild.
    #[must_use]
    pub fn in_guild(mut self, guild: GuildId) -> Self {
        self.guild_id = Some(guild);
        self
    }

    /// The request.
    #[must_use]
    pub fn of_request(mut self, request: RequestId) -> Self {
        self.request_id = Some(request);
        self
    }

    /// The job.
    #[must_use]
    pub fn of_job(mut self, job: JobId) -> Self {
        self.job_id = Some(job);
        self
    }

    /// The values before and after the change.
    #[must_use]
    pub fn change(mut self, before: impl Into<String>, after: impl Into<String>) -> Self {
        self.before = Some(before.into());
        self.after = Some(after.into());
        self
    }

    /// The value after the change, if there was none before.
    #[must_use]
    pub fn becoming(mut self, after: impl Into<String>) -> Self {
        self.after = Some(after.into());
        self
    }

    /// The reason, as a code.
    #[must_use]
    pub fn because(mut self, code: impl std::fmt::Display) -> Self {
        self.reason_code = Some(code.to_string());
        self
    }

    /// A rule of the policy as the reason: `rule:<name>`. No error code has a colon, so the two can't be confused.
    #[must_use]
    pub fn by_rule(mut self, rule: &RuleName) -> Self {
        self.reason_code = Some([RULE_PREFIX, rule.as_str()].concat());
        self
    }
}

/// A row of the chain, as stored: what the hash covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// Position, from 1.
    pub seq: i64,
    /// The time, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// The event's code, as text instead of [`Event`], because rows of a newer version must verify too.
    pub event: String,
    /// The source's code.
    pub source: String,
    /// The guild, as text.
    pub guild_id: Option<String>,
    /// The actor.
    pub actor_id: String,
    /// The person concerned.
    pub subject_id: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The job.
    pub job_id: Option<String>,
    /// The value before the change.
    pub before: Option<String>,
    /// The value after the change.
    pub after: Option<String>,
    /// The reason.
    pub reason_code: Option<String>,
    /// `SHA-256(salt ‖ body)` of the personal text.
    pub personal_hash: Option<Vec<u8>>,
}

impl Entry {
    /// The entry at its position in the chain.
    pub fn at_place(self, seq: i64, at: Timestamp, personal_hash: Option<Vec<u8>>) -> ChainRow {
        ChainRow {
            seq,
            at,
            event: self.event.code().to_owned(),
            source: self.source.code().to_owned(),
            guild_id: self.guild_id.map(|id| id.to_string()),
            actor_id: self.actor.text(),
            subject_id: self.subject.map(|id| id.to_string()),
            request_id: self.request_id.map(|id| id.to_string()),
            job_id: self.job_id.map(|id| id.to_string()),
            before: self.before,
            after: self.after,
            reason_code: self.reason_code,
            personal_hash,
        }
    }
}

/// The version of the canonical bytes. A changed format needs the next version.
const CANONICAL_VERSION: u8 = 1;

/// The length that stands for NULL.
const NULL_LENGTH: u32 = u32::MAX;

/// The `prev` of the chain's first row.
pub const FIRST_PREV: [u8; 32] = [0; 32];

/// The bytes that a row's hash covers, version 1: the byte 1, then every column in the order of the table without `prev` and
/// `hash`. Each is its length (u32, big-endian) and its bytes; NULL is the length `0xFFFFFFFF` alone; integers are 8 bytes,
/// big-endian. No two different rows have the same bytes.
pub fn canonical_bytes(row: &ChainRow) -> Vec<u8> {
    let mut bytes = vec![CANONICAL_VERSION];
    let mut put = |column: Option<&[u8]>| match column {
        Some(column) => {
            bytes.extend_from_slice(&(column.len() as u32).to_be_bytes());
            bytes.extend_from_slice(column);
        }
        None => bytes.extend_from_slice(&NULL_LENGTH.to_be_bytes()),
    };
    put(Some(&row.seq.to_be_bytes()));
    put(Some(&row.at.as_millis().to_be_bytes()));
    put(Some(row.event.as_bytes()));
    put(Some(row.source.as_bytes()));
    put(row.guild_id.as_deref().map(str::as_bytes));
    put(Some(row.actor_id.as_bytes()));
    let texts = [&row.subject_id, &row.request_id, &row.job_id, &row.before, &row.after, &row.reason_code];
    for text in texts {
        put(text.as_deref().map(str::as_bytes));
    }
    put(row.personal_hash.as_deref());
    bytes
}

/// `SHA-256(prev ‖ canonical bytes)`: links a row to all rows before it.
pub fn chain_hash(prev: &[u8], row: &ChainRow) -> Vec<u8> {
    Sha256::new().chain_update(prev).chain_update(canonical_bytes(row)).finalize().to_vec()
}

/// `SHA-256(salt ‖ body)`: the chain's hash of a personal text. Without the salt, nobody can find the text by guessing.
pub fn personal_hash(salt: &[u8], body: &str) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update(body).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> ChainRow {
        ChainRow {
            seq: 2,
            at: Timestamp::from_millis(1_700_000_000_000),
            event: "request.denied".to_owned(),
            source: "chat".to_owned(),
            guild_id: Some("81384788765712384".to_owned()),
            actor_id: "018bcfe5-6800-7000-8000-000000000001".to_owned(),
            subject_id: Some("018bcfe5-6800-7000-8000-000000000002".to_owned()),
            request_id: Some("018bcfe5-6800-7000-8000-000000000003".to_owned()),
            job_id: None,
            before: Some("waiting".to_owned()),
            after: Some("denied".to_owned()),
            reason_code: None,
            personal_hash: Some(personal_hash(b"salt", "because")),
        }
    }

    #[test]
    fn the_canonical_bytes_never_change() {
        // The vector was computed by an independent program from the description in docs and design.
        assert_eq!(canonical_bytes(&row()).len(), 257);
        assert_eq!(
            hex::encode(chain_hash(&FIRST_PREV, &row())),
            "095e0d57a757138ba55265f31515c86c28d3909a07e6376cdd3308d8ccfed9e0"
        );
    }

    /// A change of one column at one byte; `None` where the column has no such byte.
    type Flip = fn(&ChainRow, usize) -> Option<ChainRow>;

    fn flip_text(text: &str, at: usize) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        *bytes.get_mut(at)? ^= 1;
        String::from_utf8(bytes).ok()
    }

    /// One change for each column.
    const FLIPS: [Flip; 13] = [
        |row, at| (at < 8).then(|| ChainRow { seq: row.seq ^ (1 << (8 * at)), ..row.clone() }),
        |row, at| {
            let flipped = Timestamp::from_millis(row.at.as_millis() ^ (1 << (8 * (at % 8))));
            (at < 8).then(|| ChainRow { at: flipped, ..row.clone() })
        },
        |row, at| Some(ChainRow { event: flip_text(&row.event, at)?, ..row.clone() }),
        |row, at| Some(ChainRow { source: flip_text(&row.source, at)?, ..row.clone() }),
        |row, at| Some(ChainRow { guild_id: Some(flip_text(row.guild_id.as_deref()?, at)?), ..row.clone() }),
        |row, at| Some(ChainRow { actor_id: flip_text(&row.actor_id, at)?, ..row.clone() }),
        |row, at| {
            Some(ChainRow { subject_id: Some(flip_text(row.subject_id.as_deref()?, at)?), ..row.clone() })
        },
        |row, at| {
            Some(ChainRow { request_id: Some(flip_text(row.request_id.as_deref()?, at)?), ..row.clone() })
        },
        |row, at| (at == 0).then(|| ChainRow { job_id: Some(String::new()), ..row.clone() }),
        |row, at| Some(ChainRow { before: Some(flip_text(row.before.as_deref()?, at)?), ..row.clone() }),
        |row, at| Some(ChainRow { after: Some(flip_text(row.after.as_deref()?, at)?), ..row.clone() }),
        |row, at| (at == 0).then(|| ChainRow { reason_code: Some(String::new()), ..row.clone() }),
        |row, at| {
            let mut hash = row.personal_hash.clone()?;
            *hash.get_mut(at)? ^= 1;
            Some(ChainRow { personal_hash: Some(hash), ..row.clone() })
        },
    ];

    #[test]
    fn every_byte_of_every_column_of_1000_rows_is_covered_by_the_hash() {
        let mut prev = FIRST_PREV.to_vec();
        for seq in 1..=1000 {
            let row = ChainRow { seq, after: Some(["denied", &seq.to_string()].concat()), ..row() };
            let hash = chain_hash(&prev, &row);
            for flip in FLIPS {
                let mut at = 0;
                while let Some(changed) = flip(&row, at) {
                    assert_ne!(chain_hash(&prev, &changed), hash, "row {seq}, byte {at}");
                    at += 1;
                }
                assert!(at > 0, "a column was not tried");
            }
            prev = hash;
        }
    }

    #[test]
    fn moving_a_letter_from_one_column_to_the_next_is_another_row() {
        let moved =
            ChainRow { before: Some("waitingd".to_owned()), after: Some("enied".to_owned()), ..row() };
        assert_ne!(canonical_bytes(&moved), canonical_bytes(&row()));
        let absent = ChainRow { before: None, ..row() };
        let empty = ChainRow { before: Some(String::new()), ..row() };
        assert_ne!(canonical_bytes(&absent), canonical_bytes(&empty));
    }

    fn any_row() -> impl Strategy<Value = ChainRow> {
        let text = ".{0,6}";
        let maybe = || proptest::option::of(text);
        let hash = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4));
        let firsts = (any::<i64>(), any::<i64>(), text, text, maybe(), text);
        let rests = (maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), hash);
        (firsts, rests).prop_map(|((seq, at, event, source, guild_id, actor_id), rests)| {
            let (subject_id, request_id, job_id, before, after, reason_code, personal_hash) = rests;
            ChainRow {
                seq,
                at: Timestamp::from_millis(at),
                event,
                source,
                guild_id,
                actor_id,
                subject_id,
                request_id,
                job_id,
                before,
                after,
                reason_code,
                personal_hash,
            }
        })
    }

    /// What a reader of the bytes needs to know. A missing value reads as NULL and is noted.
    struct Reader<'a> {
        rest: &'a [u8],
        is_whole: bool,
    }

    impl Reader<'_> {
        fn column(&mut self) -> Option<Vec<u8>> {
            let length = self.take(4).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
            self.is_whole &= length.is_some();
            if length.is_none_or(|length| length == NULL_LENGTH) {
                return None;
            }
            let value = self.take(usize::try_from(length?).ok()?);
            self.is_whole &= value.is_some();
            value
        }

        fn take(&mut self, length: usize) -> Option<Vec<u8>> {
            let (taken, rest) = self.rest.split_at_checked(length)?;
            self.rest = rest;
            Some(taken.to_vec())
        }

        fn text(&mut self) -> Option<String> {
            let text = String::from_utf8(self.column()?).ok();
            self.is_whole &= text.is_some();
            text
        }

        fn number(&mut self) -> Option<i64> {
            Some(i64::from_be_bytes(self.column()?.try_into().ok()?))
        }
    }

    /// Reads a row back from its canonical bytes.
    fn read_back(bytes: &[u8]) -> Option<ChainRow> {
        let (&version, rest) = bytes.split_first()?;
        let mut reader = Reader { rest, is_whole: version == CANONICAL_VERSION };
        let row = ChainRow {
            seq: reader.number()?,
            at: Timestamp::from_millis(reader.number()?),
            event: reader.text()?,
            source: reader.text()?,
            guild_id: reader.text(),
            actor_id: reader.text()?,
            subject_id: reader.text(),
            request_id: reader.text(),
            job_id: reader.text(),
            before: reader.text(),
            after: reader.text(),
            reason_code: reader.text(),
            personal_hash: reader.column(),
        };
        (reader.is_whole && reader.rest.is_empty()).then_some(row)
    }

    proptest! {
        #[test]
        fn every_row_can_be_read_back_from_its_bytes_so_that_no_two_rows_share_them(row in any_row()) {
            prop_assert_eq!(read_back(&canonical_bytes(&row)), Some(row));
        }

        #[test]
        fn two_rows_have_the_same_hash_only_if_they_are_the_same(one in any_row(), other in any_row()) {
            let same = chain_hash(&FIRST_PREV, &one) == chain_hash(&FIRST_PREV, &other);
            prop_assert_eq!(same, one == other);
            prop_assert_ne!(chain_hash(&FIRST_PREV, &one), chain_hash(&[1; 32], &one));
        }
    }

    #[test]
    fn an_actor_reads_back_and_is_never_a_name_of_chat() {
        let person = PersonId::new(uuid::Uuid::from_u128(5));
        for actor in [Actor::Person(person), Actor::Cli("root".to_owned()), Actor::System] {
            assert_eq!(Actor::parse(&actor.text()), Some(actor));
        }
        assert_eq!(Actor::parse("ada"), None);
    }
}
