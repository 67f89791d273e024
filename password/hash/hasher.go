package hash

import (
	"context"
	"fmt"
	"io"
)

// Hasher hashes and verifies passwords, few at a time. It is safe for concurrent use. A process needs one: two have two
// queues and twice the memory.
type Hasher struct {
	own     setting
	most    int // KiB that an imported hash may take
	rand    io.Reader
	gate    *gate
	none    []format // what VerifyNone runs
	noneKey []byte
}

// Result of a verification.
type Result struct {
	// OK reports whether the password is the right one.
	OK bool

	// Rehash reports that the password is right and its encoded string is not what Hash makes now: it is imported, or
	// it was made with other costs. Call Hash and replace the string, if it is still the one that was verified.
	Rehash bool
}

const (
	saltBytes = 16
	sumBytes  = 32
)

// Hash returns the password as an argon2id string in PHC form, with a new salt. It waits for its turn, at most until
// ctx ends.
//
// Errors are ErrEmpty, ErrTooLong, ErrText, a [BusyError], or the error of ctx or of Config.Rand.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	text, err := normal(password)
	if err != nil {
		return "", err
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("hash: reading a salt: %w", err)
	}
	release, err := h.gate.enter(ctx, h.own.memory)
	if err != nil {
		return "", err
	}
	defer release()
	a := h.ownFormat(salt, nil)
	a.sum = a.derive([]byte(text), sumBytes)
	return a.encode(), nil
}

// Verify reports whether password is the one that encoded was made of. encoded is a string of Hash or of an Import
// function. It waits for its turn, at most until ctx ends.
//
// Errors are those of Hash, and ErrEncoded and ErrCost for the stored string.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	f, err := parse(encoded)
	if err != nil {
		return Result{}, err
	}
	ok, err := h.verify(ctx, f, password)
	return Result{OK: ok, Rehash: ok && !h.current(f)}, err
}

func (h *Hasher) verify(ctx context.Context, f format, password string) (bool, error) {
	tries, err := candidates(f, password)
	if err != nil {
		return false, err
	}
	if f.memory() > h.most {
		return false, fmt.Errorf("%w: it needs %d MiB, and Config.MemoryMiB allows %d", ErrCost, f.memory()>>10, h.most>>10)
	}
	release, err := h.gate.enter(ctx, f.memory())
	if err != nil {
		return false, err
	}
	defer release()
	for _, try := range tries {
		if f.match([]byte(try)) {
			return true, nil
		}
	}
	return false, nil
}

func (h *Hasher) ownFormat(salt, sum []byte) argon2Format {
	return argon2Format{kind: "argon2id", setting: h.own, lanes: 1, salt: salt, sum: sum}
}

// current reports whether Hash would write f's format, costs and lengths now.
func (h *Hasher) current(f format) bool {
	a, ok := f.(argon2Format)
	return ok && a.native() && a.setting == h.own
}
