-- The panel: one message with buttons in a channel.

CREATE TABLE panel (
    channel_id TEXT PRIMARY KEY, -- where it stands, one in each channel (snowflake)
    guild_id TEXT NOT NULL, -- in which guild (snowflake)
    message_id TEXT -- Discord's id; NULL until it was posted, and once it is gone
);

ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN ('card', 'direct', 'notice', 'panel'));
