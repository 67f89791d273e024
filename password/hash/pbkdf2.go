package hash

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"io"
	"strings"
)

// pbkdf2Format is "$pbkdf2-sha256$i=600000,l=32$<salt>$<sum>": RFC 8018 section 5.2 in PHC form.
type pbkdf2Format struct {
	digest    string // sha1, sha256 or sha512
	rounds    int
	salt, sum []byte
}

func parsePBKDF2(encoded string) (format, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, ErrEncoded
	}
	n, err := numbers(parts[2], "i", "l")
	if err != nil {
		return nil, err
	}
	salt, sum, err := saltAndSum(parts[3], parts[4])
	if err == nil && n[1] != len(sum) {
		err = ErrEncoded
	}
	return pbkdf2Format{strings.TrimPrefix(parts[1], "pbkdf2-"), n[0], salt, sum}, err
}

func (f pbkdf2Format) limits() error {
	newHash := f.newHash()
	if newHash == nil {
		return fmt.Errorf("%w: PBKDF2 with %q, know sha1, sha256 and sha512", ErrEncoded, f.digest)
	}
	if f.rounds > maxRounds {
		return fmt.Errorf("%w: PBKDF2 with %d iterations, at most %d are read", ErrCost, f.rounds, maxRounds)
	}
	if f.rounds < minRounds {
		return fmt.Errorf("%w: PBKDF2 with %d iterations, at least %d are read", ErrCost, f.rounds, minRounds)
	}
	if size := newHash().Size(); len(f.sum) > size { // each block of this size costs all iterations
		return fmt.Errorf("%w: PBKDF2 with %s and %d bytes, at most %d are read", ErrCost, f.digest, len(f.sum), size)
	}
	return lengths(f.salt, f.sum)
}

// firstBlock returns the format without the blocks of the sum after the first. Each block costs all iterations, and
// somebody who guesses passwords compares the first alone.
func (f pbkdf2Format) firstBlock() pbkdf2Format {
	if newHash := f.newHash(); newHash != nil && len(f.sum) <= maxSum {
		f.sum = f.sum[:min(len(f.sum), newHash().Size())]
	}
	return f
}

func (f pbkdf2Format) newHash() func() hash.Hash {
	switch f.digest {
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

func (f pbkdf2Format) memory() int { return 4 }

func (f pbkdf2Format) match(password []byte) bool {
	sum, err := pbkdf2.Key(f.newHash(), string(password), f.salt, f.rounds, len(f.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, f.sum) == 1 && !hasNUL(password)
}

func (f pbkdf2Format) encode() string {
	return fmt.Sprintf("$pbkdf2-%s$i=%d,l=%d$%s$%s", f.digest, f.rounds, len(f.sum), b64.EncodeToString(f.salt), b64.EncodeToString(f.sum))
}

func (f pbkdf2Format) unknown(rand io.Reader) (format, error) {
	r, err := random(rand, f.salt, f.sum)
	if err != nil {
		return nil, err
	}
	f.salt, f.sum = r[0], r[1]
	return f, nil
}
