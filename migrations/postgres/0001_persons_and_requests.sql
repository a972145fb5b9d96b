-- Persons, requests, accounts: who asked for what, and what they have.
-- Ids are UUIDv7 text, times are milliseconds since 1970 UTC, *_enc columns are sealed (src/store/seal.rs).

CREATE TABLE store_meta (
    one BIGINT PRIMARY KEY CHECK (one = 1), -- there is one row
    key_id TEXT NOT NULL -- fingerprint of the key file this database was made with
);

CREATE TABLE person (
    id TEXT PRIMARY KEY, -- our own id; everything else points here
    discord_id TEXT UNIQUE, -- the Discord user (snowflake); NULL once erased
    lang TEXT NOT NULL, -- language tag
    dm_closed_at BIGINT, -- when Discord last said that this person takes no direct messages
    created_at BIGINT NOT NULL -- when we first met
);

CREATE TABLE request (
    id TEXT PRIMARY KEY, -- our id
    code TEXT NOT NULL UNIQUE, -- the short public code people read and type
    guild_id TEXT NOT NULL, -- where it was made (snowflake)
    person_id TEXT NOT NULL REFERENCES person (id), -- whose
    kind TEXT NOT NULL CHECK (kind IN ('account')), -- what for
    state TEXT NOT NULL CHECK (state IN ('draft', 'waiting', 'held', 'approved', 'denied', 'cancelled', 'expired', 'failed')), -- where it stands
    reason_code TEXT, -- a refusal code: why held, denied, cancelled, failed
    revision BIGINT NOT NULL, -- counts every change; compare-and-set names it
    rule TEXT, -- the rule that fitted at the last look
    username TEXT NOT NULL, -- the wanted user name
    skeleton TEXT NOT NULL, -- what that name looks like
    given_enc BYTEA, -- given name, sealed; NULL once erased
    family_enc BYTEA, -- family name, sealed; NULL once erased
    address_enc BYTEA, -- mail address, sealed; NULL once erased
    address_key TEXT, -- HMAC of the lower-cased address; NULL once the address is free again
    answer_enc BYTEA, -- reason, sealed; NULL if none was asked for or once erased
    key_id TEXT, -- which key sealed the columns; NULL once erased
    notice_version BIGINT NOT NULL, -- the privacy notice that was shown
    lang TEXT NOT NULL, -- the language it was made in
    interaction_id TEXT NOT NULL UNIQUE, -- the interaction of the form: the same one twice is one draft
    nonce TEXT NOT NULL, -- what ephemeral buttons must carry
    created_at BIGINT NOT NULL, -- when the form was first typed
    sent_at BIGINT, -- when Send was pressed; NULL for drafts and drafts that expired
    expires_at BIGINT, -- when it expires if nothing happens
    ended_at BIGINT -- when it ended
);

-- One open request per person.
CREATE UNIQUE INDEX request_open_person ON request (person_id) WHERE state IN ('waiting', 'held');
-- An open request reserves its name and everything that looks like it.
CREATE UNIQUE INDEX request_open_skeleton ON request (skeleton) WHERE state IN ('waiting', 'held');
-- One draft per person: a new form replaces it.
CREATE UNIQUE INDEX request_draft_person ON request (person_id) WHERE state = 'draft';
-- One account in the making per address.
CREATE UNIQUE INDEX request_approved_address ON request (address_key) WHERE state = 'approved';
-- The expiry loop asks for what is due, every few seconds.
CREATE INDEX request_expiry ON request (expires_at) WHERE state IN ('draft', 'waiting', 'held');
-- The erasure loop asks for what ended long ago and still holds personal values.
CREATE INDEX request_erasure ON request (ended_at) WHERE key_id IS NOT NULL;
-- Status and card ask for a person's requests.
CREATE INDEX request_person ON request (person_id, id);
-- Lists page by guild.
CREATE INDEX request_guild ON request (guild_id, id);

CREATE TABLE decision (
    request_id TEXT NOT NULL REFERENCES request (id), -- on which request
    round BIGINT NOT NULL, -- from 1; reopening starts the next
    slot BIGINT NOT NULL, -- place in the quorum, from 1
    approver_id TEXT NOT NULL, -- a person id, cli:<login> or system
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'deny')), -- what was decided
    reason_enc BYTEA, -- typed reason, sealed; NULL if none or once erased
    key_id TEXT, -- which key sealed it
    tell TEXT NOT NULL CHECK (tell IN ('told', 'quiet')), -- whether the requester hears of it
    at BIGINT NOT NULL, -- when
    PRIMARY KEY (request_id, round, slot)
);

CREATE TABLE account (
    id TEXT PRIMARY KEY, -- our id; the mark on the entry carries it
    person_id TEXT NOT NULL REFERENCES person (id), -- whose
    state TEXT NOT NULL CHECK (state IN ('creating', 'invited', 'active', 'disabled', 'conflict', 'closed')), -- where it stands
    username TEXT NOT NULL, -- the user name, the entry's uid
    skeleton TEXT NOT NULL, -- what that name looks like
    directory_id TEXT, -- the entry's own lasting id
    keycloak_id TEXT, -- the Keycloak user's id
    nonce TEXT NOT NULL, -- what the buttons of this account carry
    created_at BIGINT NOT NULL, -- when the row was made
    invited_at BIGINT, -- when the mail went out
    activated_at BIGINT, -- when the first password was seen
    closed_at BIGINT, -- when it ended
    revision BIGINT NOT NULL -- counts every change
);

-- One live account per person, name, look-alike, entry and Keycloak user.
CREATE UNIQUE INDEX account_live_person ON account (person_id) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_username ON account (username) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_skeleton ON account (skeleton) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_directory ON account (directory_id) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_keycloak ON account (keycloak_id) WHERE state <> 'closed';
-- The activation poll walks the invited ones.
CREATE INDEX account_invited ON account (id) WHERE state = 'invited';

CREATE TABLE tombstone (
    username TEXT NOT NULL, -- a name that somebody used
    skeleton TEXT NOT NULL, -- what it looks like
    person_id TEXT NOT NULL REFERENCES person (id), -- whose it was
    directory_id TEXT, -- their entry
    at BIGINT NOT NULL, -- since when
    released_by TEXT, -- who gave the name free; NULL while nobody did
    PRIMARY KEY (username, person_id)
);

-- Every new name is compared with the tombstones.
CREATE INDEX tombstone_skeleton ON tombstone (skeleton);
