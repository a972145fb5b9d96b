-- Discord messages: those to be sent, and those that stand in a channel.

CREATE TABLE outbox (
    id TEXT PRIMARY KEY, -- our id; its bytes are the nonce of the send
    kind TEXT NOT NULL CHECK (kind IN ('card', 'card_check', 'direct', 'notice', 'panel')), -- the kind of message
    target TEXT NOT NULL, -- a request (card, card_check), person (direct), guild (notice) or channel (panel)
    dedupe_key TEXT NOT NULL UNIQUE, -- unsent messages of one key are merged into one
    params TEXT NOT NULL, -- ids and codes: JSON without personal values
    revision BIGINT NOT NULL, -- counts the writes that were merged into it
    created_at BIGINT NOT NULL, -- when it was first written
    fence BIGINT NOT NULL, -- grows with each claim
    owner TEXT, -- the process that claimed it
    lease_until BIGINT NOT NULL, -- when the claim ends, by the database's clock; 0 means free
    attempt BIGINT NOT NULL, -- attempts to send it
    next_run BIGINT NOT NULL, -- not to be claimed earlier
    error_code TEXT, -- an error code: why it waits
    refused TEXT, -- why Discord refused the last attempt that reached it; NULL if it did not
    refused_in TEXT -- the channel that refused it (snowflake); NULL for a direct message
);

-- A claim asks for the message that has been due for longest.
CREATE INDEX outbox_due ON outbox (next_run, id);
-- Health page, metrics and `/request list` ask for the refused messages. No row of a message that Discord takes is in it.
CREATE INDEX outbox_refused ON outbox (refused_in, refused) WHERE refused IS NOT NULL;

CREATE TABLE message (
    request_id TEXT NOT NULL REFERENCES request (id), -- the request that it shows
    kind TEXT NOT NULL CHECK (kind IN ('card', 'operator')), -- the kind of message
    guild_id TEXT NOT NULL, -- the guild that it stands in (snowflake)
    channel_id TEXT NOT NULL, -- the channel that it stands in (snowflake)
    message_id TEXT, -- Discord's id; NULL until it is posted
    nonce TEXT NOT NULL, -- the nonce of its buttons, or of the edit under way
    nonce_before TEXT, -- the nonce before that edit; NULL once Discord confirmed it
    PRIMARY KEY (request_id, kind)
);

CREATE TABLE panel (
    channel_id TEXT PRIMARY KEY, -- the channel; each has at most one panel (snowflake)
    guild_id TEXT NOT NULL, -- the guild (snowflake)
    message_id TEXT -- Discord's id; NULL until it is posted, and once it is deleted
);
