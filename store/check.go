package store

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// CheckKeys checks the arguments of Get; every engine calls it first. It returns an error that matches [ErrInvalid]
// if there are more than [MaxKeys] keys, if one occurs twice, or if a name is empty, longer than [MaxName], not
// UTF-8, or contains a NUL.
func CheckKeys(keys ...Key) error {
	if len(keys) > MaxKeys {
		return invalid("%d keys in one Get, at most %d", len(keys), MaxKeys)
	}
	for i, k := range keys {
		if err := checkKey(k); err != nil {
			return err
		}
		for _, other := range keys[:i] {
			if k == other {
				return invalid("key %d is named twice in one Get", i)
			}
		}
	}
	return nil
}

// CheckChanges checks the arguments of Write; every engine calls it first. It applies the rules of [CheckKeys], and
// allows at most [MaxChanges] changes and [MaxValue] bytes in a value. A Put needs a new version, and a Delete needs
// the expected version. Expires is in the years 1970 to 9999.
func CheckChanges(changes ...Change) error {
	if len(changes) > MaxChanges {
		return invalid("%d changes in one Write, at most %d", len(changes), MaxChanges)
	}
	for i, c := range changes {
		if err := checkChange(c); err != nil {
			return err
		}
		for _, other := range changes[:i] {
			if c.Item.Key == other.Item.Key {
				return invalid("change %d names a key a second time in one Write", i)
			}
		}
	}
	return nil
}

func checkChange(c Change) error {
	if err := checkKey(c.Item.Key); err != nil {
		return err
	}
	if err := checkText("expected version", c.Expect); err != nil {
		return err
	}
	switch c.Op {
	case OpPut:
		if c.Item.Version == "" || c.Item.Version == c.Expect {
			return invalid("a Put without a new version; make it with store.Put")
		}
		if err := checkText("version", c.Item.Version); err != nil {
			return err
		}
		if len(c.Item.Value) > MaxValue {
			return invalid("value of %d bytes, at most %d", len(c.Item.Value), MaxValue)
		}
		return checkExpires(c.Item.Expires)
	case OpDelete:
		if c.Expect == "" {
			return invalid("a Delete needs the version that was read")
		}
	case OpCheck:
	default:
		return invalid("unknown operation %d; make changes with store.Put, store.Delete and store.Check", c.Op)
	}
	return nil
}

// CheckAdd checks the arguments of Add; every engine calls it first. A delta is between -[MaxDelta] and MaxDelta, so
// that no engine's sum can overflow in practice.
func CheckAdd(k Key, delta int64, expires time.Time) error {
	if delta > MaxDelta || delta < -MaxDelta {
		return invalid("a delta of %d, at most %d either way", delta, int64(MaxDelta))
	}
	if err := checkExpires(expires); err != nil {
		return err
	}
	return checkKey(k)
}

// CheckList checks the arguments of List; every engine calls it first. A limit is between 1 and [MaxList]. after may
// come from outside; it must be empty or a possible ID.
func CheckList(part, after string, limit int) error {
	if limit < 1 || limit > MaxList {
		return invalid("a page of %d items; ask for 1 to %d", limit, MaxList)
	}
	if err := checkText("after", after); err != nil {
		return err
	}
	return checkName("Part", part)
}

func checkKey(k Key) error {
	if err := checkName("Part", k.Part); err != nil {
		return err
	}
	return checkName("ID", k.ID)
}

func checkName(what, s string) error {
	if s == "" {
		return invalid("%s is empty", what)
	}
	return checkText(what, s)
}

// checkText checks a string against what Postgres and DynamoDB take as text. Errors never quote it: names may hold
// addresses.
func checkText(what, s string) error {
	switch {
	case len(s) > MaxName:
		return invalid("%s of %d bytes, at most %d", what, len(s), MaxName)
	case strings.IndexByte(s, 0) >= 0:
		return invalid("%s holds a NUL byte", what)
	case !utf8.ValidString(s):
		return invalid("%s is not UTF-8", what)
	}
	return nil
}

func checkExpires(t time.Time) error {
	if !t.IsZero() && (t.UTC().Year() < 1970 || t.UTC().Year() > 9999) {
		return invalid("an expiry in the year %d; the zero time means never", t.UTC().Year())
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
