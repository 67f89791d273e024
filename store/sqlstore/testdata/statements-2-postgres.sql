-- one
SELECT value, expires_ms, version FROM postern_items
WHERE part = $1 AND id = $2 AND (expires_ms IS NULL OR expires_ms > $3);

-- page
SELECT id, value, expires_ms, version FROM postern_items
WHERE part = $1 AND id > $2 AND (expires_ms IS NULL OR expires_ms > $3) ORDER BY id LIMIT $4;

-- many
SELECT 0, value, expires_ms, version FROM postern_items
WHERE part = $1 AND id = $2 AND (expires_ms IS NULL OR expires_ms > $5)
UNION ALL SELECT 1, value, expires_ms, version FROM postern_items
WHERE part = $3 AND id = $4 AND (expires_ms IS NULL OR expires_ms > $5);

-- more
SELECT wanted.place - 1, i.value, i.expires_ms, i.version
FROM unnest((SELECT $1::text[]), (SELECT $2::text[])) WITH ORDINALITY AS wanted (part, id, place), LATERAL (
  SELECT value, expires_ms, version FROM postern_items
  WHERE part = wanted.part AND id = wanted.id AND (expires_ms IS NULL OR expires_ms > $3) OFFSET 0) AS i;

-- putAbsent
INSERT INTO postern_items (part, id, value, expires_ms, version)
SELECT $1::text, $2::text, $3::bytea, $4::bigint, $5::text FROM pg_advisory_xact_lock($6)
ON CONFLICT (part, id) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms, version = excluded.version
WHERE postern_items.expires_ms <= $7;

-- putVersion
UPDATE postern_items SET value = $1, expires_ms = $2, version = $3
WHERE part = $4 AND id = $5 AND version = $6 AND (expires_ms IS NULL OR expires_ms > $7);

-- deleteVersion
DELETE FROM postern_items
WHERE part = $1 AND id = $2 AND version = $3 AND (expires_ms IS NULL OR expires_ms > $4);

-- selectVersion
SELECT version FROM postern_items
WHERE part = $1 AND id = $2 AND (expires_ms IS NULL OR expires_ms > $3);

-- holdVersion
SELECT version FROM postern_items
WHERE part = $1 AND id = $2 AND (expires_ms IS NULL OR expires_ms > $3) FOR SHARE;

-- addCounter
INSERT INTO postern_counters (part, id, n, expires_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (part, id) DO UPDATE SET
  n = CASE WHEN postern_counters.expires_ms <= $5 THEN excluded.n ELSE postern_counters.n + excluded.n END,
  expires_ms = CASE WHEN postern_counters.expires_ms <= $6 THEN excluded.expires_ms ELSE postern_counters.expires_ms END
RETURNING n;

-- sweepItems
WITH gone AS MATERIALIZED (
  SELECT part, id FROM postern_items WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM postern_items AS t USING gone WHERE t.part = gone.part AND t.id = gone.id;

-- sweepCounters
WITH gone AS MATERIALIZED (
  SELECT part, id FROM postern_counters WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM postern_counters AS t USING gone WHERE t.part = gone.part AND t.id = gone.id;

