-- One row: the version of these tables, and the oldest version of the code that still works with them.
CREATE TABLE IF NOT EXISTS postern_schema (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  version  INTEGER NOT NULL,
  oldest   INTEGER NOT NULL
);
