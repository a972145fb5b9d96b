-- The mail again, "that was not me", and which mailed links may still work.

-- SQLite changes a CHECK only with its table, and a table that others refer to only together with them.
CREATE TABLE job_before AS SELECT * FROM job;
CREATE TABLE job_step_before AS SELECT * FROM job_step;
DROP TABLE job_step;
DROP TABLE job;

CREATE TABLE job (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- order of making; a person's jobs run in this order
    id TEXT NOT NULL UNIQUE, -- our id
    person_id TEXT NOT NULL REFERENCES person (id), -- for whom
    account_id TEXT REFERENCES account (id), -- which account it makes or ends
    request_id TEXT REFERENCES request (id), -- because of which request
    kind TEXT NOT NULL CHECK (kind IN ('check', 'provision', 'withdraw', 'welcome', 'resend', 'lock')), -- what for
    plan_version INTEGER NOT NULL, -- the plan's version; a newer one is left alone
    state TEXT NOT NULL CHECK (state IN ('open', 'undoing', 'needs_operator', 'done', 'undone')), -- where it stands
    step TEXT, -- the next step; NULL when finished
    step_since INTEGER, -- when the present step was first tried
    revision INTEGER NOT NULL, -- counts every change
    fence INTEGER NOT NULL, -- grows with each claim; a stale worker writes nothing
    owner TEXT, -- who claimed it
    lease_until INTEGER NOT NULL, -- until when, by the database's clock; 0 is free
    attempt INTEGER NOT NULL, -- tries of the present step
    next_run INTEGER NOT NULL, -- not before
    error_code TEXT, -- a refusal code: why it waits
    mail_attempts INTEGER NOT NULL, -- mails that were begun
    cancel_asked INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)) -- somebody asked to stop it
) STRICT;

INSERT INTO job (seq, id, person_id, account_id, request_id, kind, plan_version, state, step, step_since, revision, fence,
owner, lease_until, attempt, next_run, error_code, mail_attempts, cancel_asked)
SELECT seq, id, person_id, account_id, request_id, kind, plan_version, state, step, step_since, revision, fence,
owner, lease_until, attempt, next_run, error_code, mail_attempts, cancel_asked FROM job_before;
DROP TABLE job_before;

-- Claiming asks for the job that is due for longest.
CREATE INDEX job_due ON job (next_run, seq) WHERE state IN ('open', 'undoing');
-- Claiming asks whether the person has earlier unfinished job.
CREATE INDEX job_unfinished_person ON job (person_id, seq) WHERE state IN ('open', 'undoing', 'needs_operator');
-- Status and card ask for the newest job of a request.
CREATE INDEX job_request ON job (request_id, seq);

CREATE TABLE job_step (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order
    job_id TEXT NOT NULL REFERENCES job (id), -- of which job
    step TEXT NOT NULL, -- which step
    outcome TEXT NOT NULL CHECK (outcome IN ('applied', 'unchanged', 'skipped')), -- what it did
    output TEXT CHECK (json_valid(output)), -- what later steps need, JSON, never personal
    at INTEGER NOT NULL -- when
) STRICT;

INSERT INTO job_step (id, job_id, step, outcome, output, at)
SELECT id, job_id, step, outcome, output, at FROM job_step_before;
DROP TABLE job_step_before;

-- Steps are read by job, in order.
CREATE INDEX job_step_job ON job_step (job_id, id);

CREATE TABLE mail (
    id TEXT PRIMARY KEY, -- our id
    account_id TEXT NOT NULL REFERENCES account (id), -- of which account
    job_id TEXT NOT NULL REFERENCES job (id), -- which job asked for it
    begun_at INTEGER NOT NULL, -- when Keycloak was about to be asked
    link_until INTEGER NOT NULL, -- when its link ends, used or not
    state TEXT NOT NULL CHECK (state IN ('begun', 'accepted', 'refused', 'unknown', 'held_back')) -- what is known of it
) STRICT;

-- People ask which links of their account may still work.
CREATE INDEX mail_account ON mail (account_id, begun_at);
-- A job asks for the mail that it began.
CREATE INDEX mail_job ON mail (job_id);
-- Old ones are forgotten by age.
CREATE INDEX mail_link_until ON mail (link_until);
