package hash

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const leastKey = 16

// VerifyNone does for an identifier that nobody has what Verify does for a stored password: the same checks, the same
// queue and the same work, so that the time of an answer does not reveal whether the identifier is known. The
// identifier is a canonical address or user name: the same person must always give the same string.
//
// Errors are those of Verify. Without an error the password is wrong.
func (h *Hasher) VerifyNone(ctx context.Context, identifier, password string) error {
	_, err := h.verify(ctx, h.noneFor(identifier), password)
	return err
}

// noneFor draws a format by HMAC: it depends on the identifier and on the key, not on the request.
func (h *Hasher) noneFor(identifier string) format {
	if len(h.none) == 1 {
		return h.none[0]
	}
	mac := hmac.New(sha256.New, h.noneKey)
	mac.Write([]byte(identifier))
	return h.none[binary.BigEndian.Uint64(mac.Sum(nil))%uint64(len(h.none))]
}

func (h *Hasher) prepareNone(c Config) error {
	if len(c.Imported) > 0 && len(c.Key) < leastKey {
		return fmt.Errorf("hash: Config.Imported needs Config.Key, a secret of at least %d bytes that is the same in all processes", leastKey)
	}
	h.noneKey = append([]byte(nil), c.Key...)
	formats := []format{h.ownFormat(make([]byte, saltBytes), make([]byte, sumBytes))}
	for i, encoded := range c.Imported {
		f, err := parse(encoded)
		if err != nil {
			return fmt.Errorf("hash: Config.Imported[%d]: %w", i, err)
		}
		if f.memory() > h.most {
			return fmt.Errorf("hash: Config.Imported[%d]: %w: it needs %d MiB, and Config.MemoryMiB allows %d", i, ErrCost, f.memory()>>10, h.most>>10)
		}
		formats = append(formats, f)
	}
	for _, f := range formats {
		unknown, err := f.unknown(h.rand)
		if err != nil {
			return fmt.Errorf("hash: reading random bytes: %w", err)
		}
		h.none = append(h.none, unknown)
	}
	return nil
}
