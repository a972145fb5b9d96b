-- Durable jobs: a job row is the saga of one person. Their steps, and the mails that they asked Keycloak for.

CREATE TABLE job (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- order of creation; the jobs of a person run in this order
    id TEXT NOT NULL UNIQUE, -- our id
    person_id TEXT NOT NULL REFERENCES person (id), -- the person it is for
    account_id TEXT REFERENCES account (id), -- the account that it creates, changes or ends
    request_id TEXT REFERENCES request (id), -- the request that caused it
    kind TEXT NOT NULL CHECK (kind IN ('check', 'provision', 'withdraw', 'welcome', 'resend', 'lock', 'enable')), -- the plan it follows
    plan_version INTEGER NOT NULL, -- the version of the plan; a worker leaves newer ones alone
    state TEXT NOT NULL CHECK (state IN ('open', 'undoing', 'needs_operator', 'done', 'undone')), -- the present state
    step TEXT, -- the next step; NULL once finished
    revision INTEGER NOT NULL, -- counts every change
    fence INTEGER NOT NULL, -- grows with each claim; a worker with an older fence writes nothing
    owner TEXT, -- the process that claimed it
    lease_until INTEGER NOT NULL, -- when the claim ends, by the database's clock; 0 means free
    attempt INTEGER NOT NULL, -- attempts at the present step
    next_run INTEGER NOT NULL, -- not to be claimed earlier
    error_code TEXT, -- an error code: why it waits
    progressed_at INTEGER NOT NULL, -- when it was created, resumed, or last moved on to another step: it waits since then
    reported_at INTEGER, -- when the admins were told that it waits; NULL once it moves on
    mail_attempts INTEGER NOT NULL, -- mails that were begun
    cancel_asked INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)) -- whether it is to be stopped
) STRICT;

-- A claim asks for the job that has been due for longest.
CREATE INDEX job_due ON job (next_run, seq) WHERE state IN ('open', 'undoing');
-- A claim asks whether the person has earlier unfinished jobs.
CREATE INDEX job_unfinished_person ON job (person_id, seq) WHERE state IN ('open', 'undoing', 'needs_operator');
-- Every few seconds the longest waits are looked for, and each health page counts them. No row of a job that runs well is in it.
CREATE INDEX job_waiting ON job (error_code, progressed_at) WHERE error_code IS NOT NULL AND state IN ('open', 'undoing');
-- Status and card ask for the newest job of a request.
CREATE INDEX job_request ON job (request_id, seq);

CREATE TABLE job_step (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order of recording
    job_id TEXT NOT NULL REFERENCES job (id), -- the job
    step TEXT NOT NULL, -- the step
    outcome TEXT NOT NULL CHECK (outcome IN ('applied', 'unchanged', 'skipped')), -- what it did
    output TEXT CHECK (json_valid(output)), -- what later steps need of it: JSON without personal values
    at INTEGER NOT NULL -- since when its result is known
) STRICT;

-- The steps of a job are read in order.
CREATE INDEX job_step_job ON job_step (job_id, id);

CREATE TABLE mail (
    id TEXT PRIMARY KEY, -- our id
    account_id TEXT NOT NULL REFERENCES account (id), -- the account whose link it carries
    job_id TEXT NOT NULL REFERENCES job (id), -- the job that asked for it
    begun_at INTEGER NOT NULL, -- when Keycloak was about to be asked
    link_until INTEGER NOT NULL, -- when its link ends, used or not
    state TEXT NOT NULL CHECK (state IN ('begun', 'accepted', 'refused', 'unknown', 'held_back')) -- what is known of it
) STRICT;

-- Status asks which links of an account may still work.
CREATE INDEX mail_account ON mail (account_id, begun_at);
-- A job asks for the mail that it began.
CREATE INDEX mail_job ON mail (job_id);
-- Housekeeping deletes mails whose links have ended.
CREATE INDEX mail_link_until ON mail (link_until);
