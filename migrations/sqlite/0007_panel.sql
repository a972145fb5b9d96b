-- The panel: one message with buttons in a channel.

CREATE TABLE panel (
    channel_id TEXT PRIMARY KEY, -- where it stands, one in each channel (snowflake)
    guild_id TEXT NOT NULL, -- in which guild (snowflake)
    message_id TEXT -- Discord's id; NULL until it was posted, and once it is gone
) STRICT;

-- SQLite changes a CHECK only with its table.
CREATE TABLE outbox_before AS SELECT * FROM outbox;
DROP TABLE outbox;

CREATE TABLE outbox (
    id TEXT PRIMARY KEY, -- our id; its bytes are the send nonce
    kind TEXT NOT NULL CHECK (kind IN ('card', 'direct', 'notice', 'panel')), -- what kind of message
    target TEXT NOT NULL, -- a request (card), person (direct), guild (notice) or channel (panel)
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

INSERT INTO outbox (id, kind, target, dedupe_key, params, revision, created_at, started_at, fence, owner, lease_until,
attempt, next_run, error_code)
SELECT id, kind, target, dedupe_key, params, revision, created_at, started_at, fence, owner, lease_until,
attempt, next_run, error_code FROM outbox_before;
DROP TABLE outbox_before;

-- Claiming asks for the message that is due for longest.
CREATE INDEX outbox_due ON outbox (next_run, id);
