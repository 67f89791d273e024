package secrets

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"
)

// A Source has values. Lookup returns those of the keys that it has. A key that it does not have is absent from the
// answer. An error never means that a value is missing, and a value that is damaged, or that was made for another key,
// is an error.
//
// A Source may have a method SetFlags() string, which returns the flags with which postern secrets set writes to it,
// such as "--in ssm:/sst". Errors about a value that is missing then name them.
//
// A Source is safe for concurrent use.
type Source interface {
	Lookup(ctx context.Context, keys []Key) (map[Key]string, error)
}

// An Editor is a Source whose values can be set. Set replaces the value of a key. Remove returns ErrMissing for a key
// without a value. List returns the keys of an application and a stage, sorted by name, without values.
type Editor interface {
	Source
	Set(ctx context.Context, key Key, value string) error
	Remove(ctx context.Context, key Key) error
	List(ctx context.Context, app, stage string) ([]Entry, error)
}

// An Entry says that a key has a value.
type Entry struct {
	Key     Key
	Changed time.Time // zero: not known
}

// MaxValue is the length of the longest value, in bytes. Sources may take less: the SSM Parameter Store takes 8 KiB.
const MaxValue = 64 << 10

// CheckValue returns an error for a value that no source keeps.
func CheckValue(value string) error {
	switch {
	case value == "":
		return errors.New("secrets: the value is empty")
	case len(value) > MaxValue:
		return errors.New("secrets: the value is longer than 64 KiB")
	case !utf8.ValidString(value): // no source would return it as it was
		return errors.New("secrets: the value is no text in UTF-8: encode it, such as in base64")
	}
	return nil
}
