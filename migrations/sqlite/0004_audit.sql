-- The audit log: a hash chain (src/domain/audit.rs) with personal values outside it.

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, -- position, from 1, without gaps
    at INTEGER NOT NULL, -- when
    event TEXT NOT NULL, -- what; no CHECK, because a newer version's rows must stay
    source TEXT NOT NULL, -- through which entrance
    guild_id TEXT, -- in which guild (snowflake)
    actor_id TEXT NOT NULL, -- a person id, cli:<login> or system
    subject_id TEXT, -- a person id
    request_id TEXT, -- which request; no reference, the log outlives it
    job_id TEXT, -- which job
    before TEXT, -- state, group or rule before
    after TEXT, -- state, group or rule after
    reason_code TEXT, -- a refusal code
    personal_hash BLOB, -- SHA-256(salt, personal text)
    prev BLOB NOT NULL, -- hash of the row before
    hash BLOB NOT NULL -- SHA-256(prev, canonical bytes)
) STRICT;

-- "What happened to this person" pages by seq.
CREATE INDEX audit_subject ON audit (subject_id, seq);
-- "What happened to this request" pages by seq.
CREATE INDEX audit_request ON audit (request_id, seq);

CREATE TABLE audit_personal (
    seq INTEGER PRIMARY KEY REFERENCES audit (seq), -- of which row
    salt BLOB NOT NULL, -- 32 random bytes; gone with the text
    body_enc BLOB NOT NULL, -- the personal text, sealed
    key_id TEXT NOT NULL -- which key sealed it
) STRICT;

CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row; commits lock it last
    seq INTEGER NOT NULL, -- the last row
    hash BLOB NOT NULL -- its hash
) STRICT;
