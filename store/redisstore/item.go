package redisstore

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

// An item is kept as "expires:version NUL value": expires in Unix milliseconds, or nothing for never. A version holds
// no NUL, and the scripts compare without touching the value.

var errForeign = errors.New("the key of an item holds something else: give the store another Prefix")

func pack(it store.Item) []byte {
	b := make([]byte, 0, 24+len(it.Version)+len(it.Value))
	if !it.Expires.IsZero() {
		b = strconv.AppendInt(b, it.Expires.UnixMilli(), 10)
	}
	b = append(b, ':')
	b = append(b, it.Version...)
	b = append(b, 0)
	return append(b, it.Value...)
}

// unpack makes an item of what is kept under its key, and reports whether it is alive.
func unpack(k store.Key, packed string, now int64) (it store.Item, alive bool, err error) {
	head, value, found := strings.Cut(packed, "\x00")
	expires, version, colon := strings.Cut(head, ":")
	if !found || !colon || version == "" {
		return store.Item{}, false, errForeign
	}
	it = store.Item{Key: k, Version: version}
	if expires != "" {
		ms, err := strconv.ParseInt(expires, 10, 64)
		if err != nil {
			return store.Item{}, false, errForeign
		}
		if ms <= now {
			return store.Item{}, false, nil
		}
		it.Expires = time.UnixMilli(ms).UTC()
	}
	it.Value = []byte(value)
	return it, true, nil
}

// life is for how many milliseconds from now Redis keeps what expires then; empty is for ever. It is a span and no
// point in time, so that it does not matter how the server's clock is set.
func life(expires time.Time, now int64) string {
	if expires.IsZero() {
		return ""
	}
	return strconv.FormatInt(max(expires.UnixMilli()-now, 0)+slack.Milliseconds(), 10)
}
