-- Items: what Get, Write and List see. expires_ms is in Unix milliseconds, NULL for never; an item whose time is up is
-- absent, whether or not its row has been removed. Collation "C" is byte order, whatever that of the database.
CREATE TABLE postern_items (
  part       TEXT   COLLATE "C" NOT NULL,
  id         TEXT   COLLATE "C" NOT NULL,
  value      BYTEA  NOT NULL,
  expires_ms BIGINT,
  version    TEXT   COLLATE "C" NOT NULL,
  PRIMARY KEY (part, id)
);

CREATE INDEX postern_items_expires ON postern_items (expires_ms) WHERE expires_ms IS NOT NULL;

-- Counters: what Add sees, a key space of their own.
CREATE TABLE postern_counters (
  part       TEXT   COLLATE "C" NOT NULL,
  id         TEXT   COLLATE "C" NOT NULL,
  n          BIGINT NOT NULL,
  expires_ms BIGINT,
  PRIMARY KEY (part, id)
);

CREATE INDEX postern_counters_expires ON postern_counters (expires_ms) WHERE expires_ms IS NOT NULL;
