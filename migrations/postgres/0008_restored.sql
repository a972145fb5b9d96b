-- A restored database acts on nothing outside until an operator agrees.
ALTER TABLE store_meta ADD COLUMN
    restored_at BIGINT; -- since when it waits for that; NULL if it does not
