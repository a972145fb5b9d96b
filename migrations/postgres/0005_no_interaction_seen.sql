-- A second delivery of an interaction has no second effect because each effect is guarded by what it changes: the interaction's
-- id on the draft, the state of a request, the one decision of a round. A table of seen interactions guarded nothing more.
DROP TABLE interaction_seen;
