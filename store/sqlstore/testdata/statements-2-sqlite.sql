-- one
SELECT value, expires_ms, version FROM postern_items
WHERE part = +? AND id = +? AND (expires_ms IS NULL OR expires_ms > +?);

-- page
SELECT id, value, expires_ms, version FROM postern_items
WHERE part = +? AND id > +? AND (expires_ms IS NULL OR expires_ms > +?) ORDER BY id LIMIT +?;

-- many
WITH wanted (place, part, id) AS (VALUES (0, +?, +?), (1, +?, +?))
SELECT place, value, expires_ms, version FROM wanted CROSS JOIN postern_items AS i ON i.part = wanted.part AND i.id = wanted.id
WHERE expires_ms IS NULL OR expires_ms > +?;

-- more
WITH wanted (place, part, id) AS (VALUES (0, +?, +?), (1, +?, +?), (2, +?, +?), (3, +?, +?), (4, +?, +?))
SELECT place, value, expires_ms, version FROM wanted CROSS JOIN postern_items AS i ON i.part = wanted.part AND i.id = wanted.id
WHERE expires_ms IS NULL OR expires_ms > +?;

-- putAbsent
INSERT INTO postern_items (part, id, value, expires_ms, version) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (part, id) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms, version = excluded.version
WHERE postern_items.expires_ms <= ?;

-- putVersion
UPDATE postern_items SET value = +?, expires_ms = +?, version = +?
WHERE part = +? AND id = +? AND version = +? AND (expires_ms IS NULL OR expires_ms > +?);

-- deleteVersion
DELETE FROM postern_items
WHERE part = +? AND id = +? AND version = +? AND (expires_ms IS NULL OR expires_ms > +?);

-- selectVersion
SELECT version FROM postern_items
WHERE part = +? AND id = +? AND (expires_ms IS NULL OR expires_ms > +?);

-- holdVersion
SELECT version FROM postern_items
WHERE part = +? AND id = +? AND (expires_ms IS NULL OR expires_ms > +?);

-- addCounter
INSERT INTO postern_counters (part, id, n, expires_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (part, id) DO UPDATE SET
  n = CASE WHEN postern_counters.expires_ms <= ? THEN excluded.n ELSE postern_counters.n + excluded.n END,
  expires_ms = CASE WHEN postern_counters.expires_ms <= ? THEN excluded.expires_ms ELSE postern_counters.expires_ms END
RETURNING n;

-- sweepItems
DELETE FROM postern_items WHERE (part, id) IN (SELECT part, id FROM postern_items WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?);

-- sweepCounters
DELETE FROM postern_counters WHERE (part, id) IN (SELECT part, id FROM postern_counters WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?);

