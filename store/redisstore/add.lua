-- Adds to a counter and answers the sum, as text: Lua's own numbers are exact only up to 2^53.
--
-- KEYS: the counter.
-- ARGV: delta, now in ms, when it expires in ms (empty: never), how long Redis keeps it in ms (empty: for ever).
local expires = redis.call('HGET', KEYS[1], 'e')
if expires and expires ~= '' and tonumber(expires) <= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  expires = false
end
redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])
if not expires then
  redis.call('HSET', KEYS[1], 'e', ARGV[3])
  if ARGV[4] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
  end
end
return redis.call('HGET', KEYS[1], 'n')
