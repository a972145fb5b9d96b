-- The outbox, messages with buttons, budgets, deny list, cursors and leases.

CREATE TABLE outbox (
    id TEXT PRIMARY KEY, -- our id; its bytes are the send nonce
    kind TEXT NOT NULL CHECK (kind IN ('card', 'direct', 'notice')), -- what kind of message
    target TEXT NOT NULL, -- a request (card), person (direct) or guild (notice)
    dedupe_key TEXT NOT NULL UNIQUE, -- unsent messages of one key are one
    params TEXT NOT NULL CHECK (json_valid(params)), -- ids and codes, JSON, never personal
    revision INTEGER NOT NULL, -- counts the writes that were merged into it
    created_at INTEGER NOT NULL, -- when it was first written
    started_at INTEGER, -- when a send of unknown outcome began; NULL if none did
    fence INTEGER NOT NULL, -- grows with each claim
    owner TEXT, -- who claimed it
    lease_until INTEGER NOT NULL, -- until when, by the database's clock; 0 is free
    attempt INTEGER NOT NULL, -- tries
    next_run INTEGER NOT NULL, -- not before
    error_code TEXT -- a refusal code: why it waits
) STRICT;

-- Claiming asks for the message that is due for longest.
CREATE INDEX outbox_due ON outbox (next_run, id);

CREATE TABLE message (
    request_id TEXT NOT NULL REFERENCES request (id), -- of which request
    kind TEXT NOT NULL CHECK (kind IN ('card', 'operator')), -- which message
    guild_id TEXT NOT NULL, -- where (snowflake)
    channel_id TEXT NOT NULL, -- where (snowflake)
    message_id TEXT, -- Discord's id; NULL until it was posted
    nonce TEXT NOT NULL, -- what the buttons carry, or will once the edit is confirmed
    nonce_before TEXT, -- what they carried before; NULL once the edit is confirmed
    PRIMARY KEY (request_id, kind)
) STRICT;

CREATE TABLE interaction_seen (
    interaction_id TEXT PRIMARY KEY, -- Discord's id
    at INTEGER NOT NULL -- when
) STRICT;

-- Old ones are forgotten by age.
CREATE INDEX interaction_seen_at ON interaction_seen (at);

CREATE TABLE budget (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order
    kind TEXT NOT NULL, -- what is counted
    key TEXT NOT NULL, -- HMAC of the person, address or domain
    at INTEGER NOT NULL -- when it was used
) STRICT;

-- Counting asks for the uses of one key in a span.
CREATE INDEX budget_use ON budget (kind, key, at);
-- Old ones are forgotten by age.
CREATE INDEX budget_at ON budget (at);

CREATE TABLE deny (
    kind TEXT NOT NULL CHECK (kind IN ('person', 'address', 'domain')), -- what is denied
    key_hmac TEXT NOT NULL, -- HMAC of the value
    until INTEGER, -- until when; NULL for good
    reason_enc BLOB, -- why, sealed
    key_id TEXT, -- which key sealed it
    actor TEXT NOT NULL, -- a person id, cli:<login> or system
    at INTEGER NOT NULL, -- when
    PRIMARY KEY (kind, key_hmac)
) STRICT;

-- The list pages by key.
CREATE UNIQUE INDEX deny_key ON deny (key_hmac);

CREATE TABLE event_cursor (
    name TEXT PRIMARY KEY, -- which stream of events
    at INTEGER NOT NULL, -- Keycloak's own time of the last event
    known TEXT NOT NULL CHECK (json_valid(known)) -- ids near it that were read, JSON
) STRICT;

CREATE TABLE lease (
    name TEXT PRIMARY KEY, -- what only one replica does
    owner TEXT NOT NULL, -- which one
    fence INTEGER NOT NULL, -- grows with each taking
    until INTEGER NOT NULL -- until when, by the database's clock
) STRICT;
