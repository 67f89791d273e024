-- Items: what Get, Write and List see. expires_ms is in Unix milliseconds, NULL for never; an item whose time is up is
-- absent, whether or not its row has been removed.
CREATE TABLE postern_items (
  part       TEXT    NOT NULL,
  id         TEXT    NOT NULL,
  value      BLOB    NOT NULL,
  expires_ms INTEGER,
  version    TEXT    NOT NULL,
  PRIMARY KEY (part, id)
) WITHOUT ROWID;

CREATE INDEX postern_items_expires ON postern_items (expires_ms) WHERE expires_ms IS NOT NULL;

-- Counters: what Add sees, a key space of their own.
CREATE TABLE postern_counters (
  part       TEXT    NOT NULL,
  id         TEXT    NOT NULL,
  n          INTEGER NOT NULL,
  expires_ms INTEGER,
  PRIMARY KEY (part, id)
) WITHOUT ROWID;

CREATE INDEX postern_counters_expires ON postern_counters (expires_ms) WHERE expires_ms IS NOT NULL;
