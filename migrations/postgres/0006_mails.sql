-- The mail again, "that was not me", and which mailed links may still work.

ALTER TABLE job DROP CONSTRAINT job_kind_check;
ALTER TABLE job ADD CONSTRAINT job_kind_check CHECK (kind IN ('check', 'provision', 'withdraw', 'welcome', 'resend', 'lock'));

CREATE TABLE mail (
    id TEXT PRIMARY KEY, -- our id
    account_id TEXT NOT NULL REFERENCES account (id), -- of which account
    job_id TEXT NOT NULL REFERENCES job (id), -- which job asked for it
    begun_at BIGINT NOT NULL, -- when Keycloak was about to be asked
    link_until BIGINT NOT NULL, -- when its link ends, used or not
    state TEXT NOT NULL CHECK (state IN ('begun', 'accepted', 'refused', 'unknown', 'held_back')) -- what is known of it
);

-- People ask which links of their account may still work.
CREATE INDEX mail_account ON mail (account_id, begun_at);
-- A job asks for the mail that it began.
CREATE INDEX mail_job ON mail (job_id);
-- Old ones are forgotten by age.
CREATE INDEX mail_link_until ON mail (link_until);
