-- Sessions as a table, for people: nothing reads it. One that was ended stays until it would have expired.
CREATE VIEW postern_sessions AS
SELECT
  substr(s.part, 9) || '.' || s.id                                                          AS id,
  json_extract(s.doc, '$.iss')                                                              AS iss,
  json_extract(s.doc, '$.kind')                                                             AS kind,
  json_extract(s.doc, '$.sub')                                                              AS sub,
  json_extract(s.doc, '$.grant.client_id')                                                  AS client_id,
  json_extract(s.doc, '$.device')                                                           AS device,
  json_extract(s.doc, '$.address')                                                          AS address,
  strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(s.doc, '$.created') / 1000.0, 'unixepoch')    AS created_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(json_extract(s.doc, '$.seen'), json_extract(s.doc, '$.at')) / 1000.0, 'unixepoch') AS last_used_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', s.expires_ms / 1000.0, 'unixepoch')                        AS idle_expires_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(s.doc, '$.absolute') / 1000.0, 'unixepoch')   AS expires_at,
  CASE
    WHEN json_extract(s.doc, '$.ended') <> '' THEN json_extract(s.doc, '$.ended')
    WHEN coalesce(json_extract(s.doc, '$.epoch'), 0) <> coalesce(json_extract(s.epoch, '$.e'), 0) THEN 'everywhere'
  END                                                                                       AS ended
FROM (
  SELECT i.part, i.id, i.expires_ms,
    CASE WHEN json_valid(CAST(i.value AS TEXT)) THEN CAST(i.value AS TEXT) END AS doc,
    CASE WHEN json_valid(CAST(e.value AS TEXT)) THEN CAST(e.value AS TEXT) END AS epoch
  FROM postern_items AS i
  LEFT JOIN postern_items AS e
    ON e.part = i.part AND e.id = '!' AND (e.expires_ms IS NULL OR e.expires_ms > (julianday('now') - 2440587.5) * 86400000)
  WHERE i.part GLOB 'session:*' AND length(i.part) = 24 AND substr(i.part, 9) NOT GLOB '*[^A-Za-z0-9_-]*'
    AND length(i.id) = 22 AND i.id NOT GLOB '*[^A-Za-z0-9_-]*'
    AND (i.expires_ms IS NULL OR i.expires_ms > (julianday('now') - 2440587.5) * 86400000)
) AS s
WHERE s.doc IS NOT NULL;
