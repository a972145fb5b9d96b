-- The audit log: a hash chain (src/domain/audit.rs) with personal values outside it.

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY, -- position, from 1, without gaps
    at BIGINT NOT NULL, -- when
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
    personal_hash BYTEA, -- SHA-256(salt, personal text)
    prev BYTEA NOT NULL, -- hash of the row before
    hash BYTEA NOT NULL -- SHA-256(prev, canonical bytes)
);

-- "What happened to this person" pages by seq.
CREATE INDEX audit_subject ON audit (subject_id, seq);
-- "What happened to this request" pages by seq.
CREATE INDEX audit_request ON audit (request_id, seq);

CREATE TABLE audit_personal (
    seq BIGINT PRIMARY KEY REFERENCES audit (seq), -- of which row
    salt BYTEA NOT NULL, -- 32 random bytes; gone with the text
    body_enc BYTEA NOT NULL, -- the personal text, sealed
    key_id TEXT NOT NULL -- which key sealed it
);

CREATE TABLE audit_head (
    one BIGINT PRIMARY KEY CHECK (one = 1), -- there is one row; commits lock it last
    seq BIGINT NOT NULL, -- the last row
    hash BYTEA NOT NULL -- its hash
);
