-- Sessions as a table, for people: nothing reads it. One that was ended stays until it would have expired. JSON may
-- hold \u0000, which text may not.
CREATE VIEW postern_sessions AS
SELECT
  substr(i.part, 9) || '.' || i.id                                      AS id,
  s.doc->>'iss'                                                         AS iss,
  s.doc->>'kind'                                                        AS kind,
  s.doc->>'sub'                                                         AS sub,
  s.doc->'grant'->>'client_id'                                          AS client_id,
  s.doc->>'device'                                                      AS device,
  s.doc->>'address'                                                     AS address,
  to_timestamp((s.doc->>'created')::float8 / 1000)                      AS created_at,
  to_timestamp(coalesce(s.doc->>'seen', s.doc->>'at')::float8 / 1000)   AS last_used_at,
  to_timestamp(i.expires_ms::float8 / 1000)                             AS idle_expires_at,
  to_timestamp((s.doc->>'absolute')::float8 / 1000)                     AS expires_at,
  CASE
    WHEN s.doc->>'ended' <> '' THEN s.doc->>'ended'
    WHEN coalesce((s.doc->>'epoch')::bigint, 0) <> coalesce((s.epoch->>'e')::bigint, 0) THEN 'everywhere'
  END                                                                   AS ended
FROM postern_items AS i
LEFT JOIN postern_items AS e
  ON e.part = i.part AND e.id = '!' AND (e.expires_ms IS NULL OR e.expires_ms > extract(epoch FROM now()) * 1000)
CROSS JOIN LATERAL (
  SELECT
    CASE WHEN i.part ~ '^session:[A-Za-z0-9_-]{16}$' AND i.id ~ '^[A-Za-z0-9_-]{22}$'
      THEN regexp_replace(convert_from(i.value, 'UTF8'), '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')::json END AS doc,
    CASE WHEN i.part ~ '^session:[A-Za-z0-9_-]{16}$'
      THEN convert_from(e.value, 'UTF8')::json END AS epoch
  OFFSET 0
) AS s
WHERE i.part ~ '^session:[A-Za-z0-9_-]{16}$' AND i.id ~ '^[A-Za-z0-9_-]{22}$'
  AND (i.expires_ms IS NULL OR i.expires_ms > extract(epoch FROM now()) * 1000);
