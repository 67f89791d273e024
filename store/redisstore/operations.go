package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/store"
)

const (
	listLooks  = 250     // IDs that a page of List looks at beyond its limit before it leaves off
	listEnough = 4 << 20 // bytes of items that fill a page before its limit does
)

// Get implements [store.Store] with GET or MGET. On a cluster, keys of several parts are asked for in one round trip to
// each node that has some, at the same time.
func (s *Store) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := store.CheckKeys(keys...); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return nil, err
	}
	now := s.nowMilli()
	items := make([]store.Item, 0, len(keys))
	take := func(k store.Key, packed string) error {
		it, alive, err := unpack(k, packed, now)
		if alive {
			items = append(items, it)
		}
		return err
	}
	err := s.read(ctx, func() error {
		items = items[:0]
		switch {
		case len(keys) == 1:
			return took(s.client.Get(ctx, s.itemKey(keys[0])), keys[0], take)
		case s.cluster && !onePart(keys):
			return s.getEach(ctx, keys, take)
		default:
			return s.getTogether(ctx, keys, take)
		}
	})
	if err != nil {
		return nil, failed("reading items", err)
	}
	return items, nil
}

func took(cmd *redis.StringCmd, k store.Key, take func(store.Key, string) error) error {
	packed, err := cmd.Result()
	if err == redis.Nil {
		return nil
	}
	if err != nil {
		return err
	}
	return take(k, packed)
}

func onePart(keys []store.Key) bool {
	for _, k := range keys[1:] {
		if k.Part != keys[0].Part {
			return false
		}
	}
	return true
}

func (s *Store) getTogether(ctx context.Context, keys []store.Key, take func(store.Key, string) error) error {
	args := make([]any, 1, 1+len(keys))
	args[0] = "mget"
	for _, k := range keys {
		args = append(args, s.itemKey(k))
	}
	cmd := redis.NewSliceCmd(ctx, args...)
	if err := s.client.Process(ctx, cmd); err != nil {
		return err
	}
	values := cmd.Val()
	if len(values) != len(keys) {
		return fmt.Errorf("%d answers to %d keys", len(values), len(keys))
	}
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			if err := take(keys[i], v); err != nil {
				return err
			}
		case error:
			return v
		default:
			return fmt.Errorf("an answer of type %T", v)
		}
	}
	return nil
}

func (s *Store) getEach(ctx context.Context, keys []store.Key, take func(store.Key, string) error) error {
	cmds := make([]*redis.StringCmd, len(keys))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			cmds[i] = p.Get(ctx, s.itemKey(k))
		}
		return nil
	})
	if err != nil && err != redis.Nil {
		return err
	}
	for i, cmd := range cmds {
		if err := took(cmd, keys[i], take); err != nil {
			return err
		}
	}
	return nil
}

// Write implements [store.Store] with one script. On a cluster, changes of several parts are refused with
// [store.ErrInvalid].
func (s *Store) Write(ctx context.Context, changes ...store.Change) error {
	if err := store.CheckChanges(changes...); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(changes) == 0 {
		return err
	}
	c := s.write.call(2*len(changes), 2+7*len(changes))
	for _, ch := range changes {
		c.key(s.itemKey(ch.Item.Key))
	}
	var places [store.MaxChanges]int // of each change's index among the keys, from 1
	for i, ch := range changes {
		for j := range i {
			if changes[j].Item.Key.Part == ch.Item.Key.Part {
				places[i] = places[j]
				break
			}
		}
		if places[i] != 0 {
			continue
		}
		if s.cluster && i > 0 {
			return errParts
		}
		c.key(s.indexKey(ch.Item.Key.Part))
		places[i] = c.keys
	}
	now := s.nowMilli()
	c.arg(now)
	c.arg(len(changes))
	for i, ch := range changes {
		op, version, packed, lives := "C", "", []byte(nil), ""
		switch ch.Op {
		case store.OpPut:
			op, version, packed, lives = "P", ch.Item.Version, pack(ch.Item), life(ch.Item.Expires, now)
		case store.OpDelete:
			op = "D"
		case store.OpCheck:
		}
		c.arg(op)
		c.arg(ch.Item.Key.ID)
		c.arg(places[i])
		c.arg(ch.Expect)
		c.arg(version)
		c.arg(packed)
		c.arg(lives)
	}
	answer, doubt, err := s.run(ctx, c, true)
	switch {
	case redis.HasErrorPrefix(err, "CROSSSLOT"):
		return errParts
	case err != nil:
		return failed("writing items", err)
	case answer == int64(applied) || answer == int64(ours):
		return nil
	case answer == int64(conflict) && doubt == nil:
		return store.ErrConflict
	case answer == int64(conflict):
		return failed("writing items: the connection broke, and by now an item has changed, by this write or by another", doubt)
	}
	return failed("writing items", errAnswer)
}

// What write.lua answers.
const (
	conflict = iota
	applied
	ours // applied before
)

var (
	errParts  = fmt.Errorf("%w: on a Redis Cluster a Write changes items of one Part only", store.ErrInvalid)
	errAnswer = errors.New("the script gave an answer of the wrong kind")
)

// Add implements [store.Store]. A sum beyond 64 bits is an error.
func (s *Store) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if err := store.CheckAdd(k, delta, expires); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c := s.add.call(1, 4)
	c.key(s.counterKey(k))
	now := s.nowMilli()
	c.arg(delta)
	c.arg(now)
	if expires.IsZero() {
		c.arg("")
	} else {
		c.arg(expires.UnixMilli())
	}
	c.arg(life(expires, now))
	answer, _, err := s.run(ctx, c, false)
	if err != nil {
		return 0, failed("adding to a counter", err)
	}
	text, _ := answer.(string)
	sum, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, failed("adding to a counter", errAnswer)
	}
	return sum, nil
}

// List implements [store.Store]. It is strongly consistent here. A page ends early after 4 MiB of items, or when it has
// met many that have expired.
func (s *Store) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	if err := store.CheckList(part, after, limit); err != nil {
		return nil, "", err
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	c := s.list.call(1, 6)
	c.key(s.indexKey(part))
	now := s.nowMilli()
	c.arg(s.itemKey(store.Key{Part: part}))
	c.arg(after)
	c.arg(limit)
	c.arg(now)
	c.arg(limit + listLooks)
	c.arg(listEnough)
	answer, _, err := s.run(ctx, c, true)
	if err != nil {
		return nil, "", failed("listing a part", err)
	}
	page, _ := answer.([]any)
	if len(page)%2 != 1 {
		return nil, "", failed("listing a part", errAnswer)
	}
	next, ok := page[0].(string)
	if !ok {
		return nil, "", failed("listing a part", errAnswer)
	}
	items = make([]store.Item, 0, len(page)/2)
	for i := 1; i < len(page); i += 2 {
		id, isID := page[i].(string)
		packed, isItem := page[i+1].(string)
		if !isID || !isItem {
			return nil, "", failed("listing a part", errAnswer)
		}
		it, alive, err := unpack(store.Key{Part: part, ID: id}, packed, now)
		if err != nil {
			return nil, "", failed("listing a part", err)
		}
		if alive {
			items = append(items, it)
		}
	}
	return items, next, nil
}
