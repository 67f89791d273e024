package hash

import (
	"crypto/subtle"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2Format is "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<sum>", and the same with argon2i: version 0x13 of RFC 9106 in
// PHC form.
type argon2Format struct {
	kind string
	setting
	lanes     int
	salt, sum []byte
}

func parseArgon2(encoded string) (format, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, ErrEncoded
	}
	n, err := numbers(parts[3], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	salt, sum, err := saltAndSum(parts[4], parts[5])
	return argon2Format{parts[1], setting{n[0], n[1]}, n[2], salt, sum}, err
}

func (f argon2Format) limits() error {
	if f.lanes < 1 || f.lanes > maxLanes || f.passes < 1 || f.passes > maxPasses ||
		f.setting.memory < 8*f.lanes || f.setting.memory > maxMemory || f.setting.memory*f.passes > maxWork {
		return fmt.Errorf("%w: argon2 with m=%d,t=%d,p=%d", ErrCost, f.setting.memory, f.passes, f.lanes)
	}
	return lengths(f.salt, f.sum)
}

func (f argon2Format) memory() int { return f.setting.memory }

func (f argon2Format) derive(password []byte, size int) []byte {
	kdf := argon2.IDKey
	if f.kind == "argon2i" {
		kdf = argon2.Key
	}
	return kdf(password, f.salt, uint32(f.passes), uint32(f.setting.memory), uint8(f.lanes), uint32(size))
}

// match refuses passwords with a zero byte in no case: argon2 hashes the length of a password with it.
func (f argon2Format) match(password []byte) bool {
	return subtle.ConstantTimeCompare(f.derive(password, len(f.sum)), f.sum) == 1
}

func (f argon2Format) encode() string {
	return fmt.Sprintf("$%s$v=19$m=%d,t=%d,p=%d$%s$%s", f.kind, f.setting.memory, f.passes, f.lanes, b64.EncodeToString(f.salt), b64.EncodeToString(f.sum))
}

func (f argon2Format) unknown(rand io.Reader) (format, error) {
	r, err := random(rand, f.salt, f.sum)
	if err != nil {
		return nil, err
	}
	f.salt, f.sum = r[0], r[1]
	return f, nil
}

// native reports whether Hash of some configuration writes this.
func (f argon2Format) native() bool {
	if f.kind != "argon2id" || f.lanes != 1 || len(f.salt) != saltBytes || len(f.sum) != sumBytes {
		return false
	}
	for _, s := range settings {
		if f.setting == s {
			return true
		}
	}
	return false
}
