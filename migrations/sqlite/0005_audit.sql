-- The audit log: a hash chain (src/domain/audit.rs), with personal values outside it.

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, -- position, from 1, without gaps
    at INTEGER NOT NULL, -- when it happened
    event TEXT NOT NULL, -- what happened; no CHECK, because a newer version's rows must stay
    source TEXT NOT NULL, -- the entrance: chat, command line, configuration or worker
    guild_id TEXT, -- the guild (snowflake)
    actor_id TEXT NOT NULL, -- who acted: a person id, cli:<login> or system
    subject_id TEXT, -- the person concerned
    request_id TEXT, -- the request concerned; no reference, because the log outlives it
    job_id TEXT, -- the job concerned
    before TEXT, -- state, group or rule before
    after TEXT, -- state, group or rule after
    reason_code TEXT, -- an error code
    personal_hash BLOB, -- SHA-256(salt, personal text)
    prev BLOB NOT NULL, -- hash of the row before
    hash BLOB NOT NULL -- SHA-256(prev, canonical bytes)
) STRICT;

-- The history of a person pages by seq.
CREATE INDEX audit_subject ON audit (subject_id, seq);
-- The history of a request pages by seq.
CREATE INDEX audit_request ON audit (request_id, seq);

CREATE TABLE audit_personal (
    seq INTEGER PRIMARY KEY REFERENCES audit (seq), -- the row that it belongs to
    salt BLOB NOT NULL, -- 32 random bytes, erased together with the text
    body_enc BLOB NOT NULL, -- the personal text, sealed
    key_id TEXT NOT NULL -- the key that sealed it
) STRICT;

CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), -- always 1: the table has one row, which a commit locks last
    seq INTEGER NOT NULL, -- the last row
    hash BLOB NOT NULL -- its hash
) STRICT;
