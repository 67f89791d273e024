-- Applies all changes of a Write, or none. Answers 1 when they are applied, 0 on a conflict, and 2 when this very Write
-- was applied before, by an attempt whose answer was lost.
--
-- KEYS: the item of each change, then the index of each part.
-- ARGV: now in ms, number of changes; then for each change: what it does (P, D, C), ID, which of the KEYS is its index,
-- expected version, new version, packed item, how long Redis keeps it in ms (empty: for ever).
local now, n = tonumber(ARGV[1]), tonumber(ARGV[2])
local had, conflict = {}, false

-- First everything is compared. The head of an item is "expires:version NUL", of at most 529 bytes.
for i = 1, n do
  local a = 7 * i - 4
  local head, version = redis.call('GETRANGE', KEYS[i], 0, 543), ''
  if head ~= '' then
    local colon, zero = string.find(head, ':', 1, true), string.find(head, '\0', 1, true)
    local expires = colon and string.sub(head, 1, colon - 1)
    if not zero or not expires or zero < colon + 2 or expires ~= '' and not tonumber(expires) then
      return redis.error_reply('POSTERN the key of an item holds something else')
    end
    version = string.sub(head, colon + 1, zero - 1)
    -- Versions are random and used once, and a Write is whole: one of its versions in place shows that it was applied.
    if ARGV[a] == 'P' and version == ARGV[a + 4] then
      return 2
    end
    if expires ~= '' and tonumber(expires) <= now then
      version = ''
    end
  end
  had[i] = head ~= ''
  if version ~= ARGV[a + 3] then
    conflict = true
  end
end
if conflict then
  return 0
end

-- Members of an index whose items Redis has removed are found by drawing lots, two for each that comes or goes, so that
-- the dead do not outnumber the living for long. It comes before the rest, which adds members that have no item yet.
for i = 1, n do
  local a = 7 * i - 4
  if ARGV[a] == 'D' or ARGV[a] == 'P' and not had[i] then
    local index, part = KEYS[tonumber(ARGV[a + 2])], string.sub(KEYS[i], 1, -1 - #ARGV[a + 1])
    for _, id in ipairs(redis.call('ZRANDMEMBER', index, 2)) do
      if redis.call('EXISTS', part .. id) == 0 then
        redis.call('ZREM', index, id)
      end
    end
  end
end

-- The indexes come before the items: a command on an index fails if something else has its name, and by then nothing
-- that counts has been written. SET and DEL cannot fail so.
for i = 1, n do
  local a = 7 * i - 4
  local index, life = KEYS[tonumber(ARGV[a + 2])], ARGV[a + 6]
  if ARGV[a] == 'D' then
    redis.call('ZREM', index, ARGV[a + 1])
  elseif ARGV[a] == 'P' then
    -- An index lives as long as the longest of its items: -1 is for ever, -2 is not there.
    local left = redis.call('PTTL', index)
    if left == -2 or not had[i] then
      redis.call('ZADD', index, 0, ARGV[a + 1])
    end
    if life ~= '' and (left == -2 or left >= 0 and left < tonumber(life)) then
      redis.call('PEXPIRE', index, life)
    elseif life == '' and left >= 0 then
      redis.call('PERSIST', index)
    end
  end
end
for i = 1, n do
  local a = 7 * i - 4
  if ARGV[a] == 'D' then
    redis.call('DEL', KEYS[i])
  elseif ARGV[a] == 'P' then
    if ARGV[a + 6] == '' then
      redis.call('SET', KEYS[i], ARGV[a + 5])
    else
      redis.call('SET', KEYS[i], ARGV[a + 5], 'PX', ARGV[a + 6])
    end
  end
end
return 1
