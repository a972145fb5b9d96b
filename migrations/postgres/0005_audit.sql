-- The audit log: a hash chain (src/domain/audit.rs), with personal values outside it.

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY, -- position, from 1, without gaps
    at BIGINT NOT NULL, -- when it happened
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
    personal_hash BYTEA, -- SHA-256(salt, personal text)
    prev BYTEA NOT NULL, -- hash of the row before
    hash BYTEA NOT NULL -- SHA-256(prev, canonical bytes)
);

-- The history of a person pages by seq.
CREATE INDEX audit_subject ON audit (subject_id, seq);
-- The history of a request pages by seq.
CREATE INDEX audit_request ON audit (request_id, seq);

CREATE TABLE audit_personal (
    seq BIGINT PRIMARY KEY REFERENCES audit (seq), -- the row that it belongs to
    salt BYTEA NOT NULL, -- 32 random bytes, erased together with the text
    body_enc BYTEA NOT NULL, -- the personal text, sealed
    key_id TEXT NOT NULL -- the key that sealed it
);

CREATE TABLE audit_head (
    one BIGINT PRIMARY KEY CHECK (one = 1), -- always 1: the table has one row, which a commit locks last
    seq BIGINT NOT NULL, -- the last row
    hash BYTEA NOT NULL -- its hash
);
