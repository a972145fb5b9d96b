-- Rate limits, the deny list, and what only one replica does.

CREATE TABLE rate_limit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order of use
    kind TEXT NOT NULL, -- what is limited
    key TEXT NOT NULL, -- HMAC of the person, address or domain
    at INTEGER NOT NULL -- when it was used
) STRICT;

-- A limit counts the uses of one key in a span.
CREATE INDEX rate_limit_use ON rate_limit (kind, key, at);
-- Housekeeping deletes old uses.
CREATE INDEX rate_limit_at ON rate_limit (at);

CREATE TABLE deny (
    kind TEXT NOT NULL CHECK (kind IN ('person', 'address', 'domain')), -- what is denied
    key_hmac TEXT NOT NULL, -- HMAC of the value
    until INTEGER, -- when the denial ends; NULL if never
    reason_enc BLOB, -- the reason, sealed
    key_id TEXT, -- the key that sealed it
    actor TEXT NOT NULL, -- who denied: a person id, cli:<login> or system
    at INTEGER NOT NULL, -- when it was denied
    PRIMARY KEY (kind, key_hmac)
) STRICT;

-- The list pages by key.
CREATE UNIQUE INDEX deny_key ON deny (key_hmac);

CREATE TABLE event_cursor (
    name TEXT PRIMARY KEY, -- the stream of events
    at INTEGER NOT NULL, -- Keycloak's own time of the last event that was read
    known TEXT NOT NULL CHECK (json_valid(known)) -- ids of the events near it that were read: JSON
) STRICT;

CREATE TABLE lease (
    name TEXT PRIMARY KEY, -- the task that only one replica performs
    owner TEXT NOT NULL, -- the process that holds the lease
    fence INTEGER NOT NULL, -- grows each time it is taken
    until INTEGER NOT NULL -- when it ends, by the database's clock
) STRICT;
