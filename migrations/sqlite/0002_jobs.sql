-- Durable jobs: the job row is the saga.

CREATE TABLE job (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- order of making; a person's jobs run in this order
    id TEXT NOT NULL UNIQUE, -- our id
    person_id TEXT NOT NULL REFERENCES person (id), -- for whom
    account_id TEXT REFERENCES account (id), -- which account it makes or ends
    request_id TEXT REFERENCES request (id), -- because of which request
    kind TEXT NOT NULL CHECK (kind IN ('check', 'provision', 'withdraw', 'welcome')), -- what for
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

-- Steps are read by job, in order.
CREATE INDEX job_step_job ON job_step (job_id, id);
