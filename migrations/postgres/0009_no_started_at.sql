-- A message that was tried before is looked for by its attempts; when the try began was never asked.
ALTER TABLE outbox DROP COLUMN started_at;
