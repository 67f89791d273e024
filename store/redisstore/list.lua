-- Answers a page of a part: the ID to go on after, or an empty string, and then ID and packed item in turn. It changes
-- nothing.
--
-- KEYS: the index of the part.
-- ARGV: what the keys of its items begin with, the ID to start after, limit, now in ms, how many IDs to look at, how
-- many bytes are enough.
local limit, now, looks, enough = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local from = '-'
if ARGV[2] ~= '' then
  from = '(' .. ARGV[2]
end
local ids = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, looks)
local page, last, bytes = {''}, '', 0
for _, id in ipairs(ids) do
  local head = redis.call('GETRANGE', ARGV[1] .. id, 0, 15)
  if head ~= '' then
    local colon = string.find(head, ':', 1, true)
    local expires = colon and string.sub(head, 1, colon - 1)
    if not expires or expires ~= '' and not tonumber(expires) then
      return redis.error_reply('POSTERN the key of an item holds something else')
    end
    if expires == '' or tonumber(expires) > now then
      if #page == 2 * limit + 1 or bytes >= enough then
        page[1] = last
        return page
      end
      local item = redis.call('GET', ARGV[1] .. id)
      page[#page + 1] = id
      page[#page + 1] = item
      bytes = bytes + #item
    end
  end
  last = id
end
if #ids == looks then
  page[1] = last
end
return page
