package hash

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"io"
	"strings"
)

// Digest is a password hashed once by a fast hash, as old systems keep it: the hash of Before, the password and After,
// with nothing between them. [Hasher.Wrap] imports it.
type Digest struct {
	Algorithm string // md5, sha1, sha256 or sha512
	Sum       []byte // of the whole length of the algorithm
	Before    []byte // what is hashed before the password, such as a salt. At most 256 bytes
	After     []byte // what is hashed after the password. At most 256 bytes

	// Again is set where the password follows once more after After: the hash of Before, the password, After and the
	// password.
	Again bool
}

const maxAround = 256 // bytes before or after the password

// Wrap imports a password that was hashed by a fast hash. It hashes the sum with argon2id and forgets it: a thief of
// the database does not get the fast hash back. The string that it returns is verified like others, and Rehash
// replaces it at the first sign-in.
//
// It takes its turn like Hash. Errors are ErrEncoded for an unknown algorithm or a sum of the wrong length, ErrCost for
// salts that are too long, a [BusyError], or the error of ctx or of Config.Rand.
func (h *Hasher) Wrap(ctx context.Context, d Digest) (string, error) {
	sum := d.hash(nil)
	if sum == nil {
		return "", fmt.Errorf("%w: a digest of %q, know md5, sha1, sha256 and sha512", ErrEncoded, d.Algorithm)
	}
	if len(d.Sum) != len(sum) {
		return "", fmt.Errorf("%w: the sum has %d bytes, and those of %s have %d", ErrEncoded, len(d.Sum), d.Algorithm, len(sum))
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("hash: reading a salt: %w", err)
	}
	f := wrappedFormat{digest: d, outer: h.ownFormat(salt, make([]byte, sumBytes))}
	f.digest.Sum = nil
	if err := f.limits(); err != nil {
		return "", err
	}
	release, err := h.gate.enter(ctx, h.own.memory)
	if err != nil {
		return "", err
	}
	defer release()
	f.outer.sum = f.outer.derive(d.Sum, sumBytes)
	return f.encode(), nil
}

// hash returns the digest of a password, and nil for an unknown algorithm.
func (d Digest) hash(password []byte) []byte {
	text := append(append(append([]byte(nil), d.Before...), password...), d.After...)
	if d.Again {
		text = append(text, password...)
	}
	switch d.Algorithm {
	case "md5":
		sum := md5.Sum(text)
		return sum[:]
	case "sha1":
		sum := sha1.Sum(text)
		return sum[:]
	case "sha256":
		sum := sha256.Sum256(text)
		return sum[:]
	case "sha512":
		sum := sha512.Sum512(text)
		return sum[:]
	}
	return nil
}

// wrappedFormat is "$wrapped$sha256,b=<before>,a=<after>,n=1$argon2id$v=19$…": argon2id of the digest of the password;
// n is how often the password is in the digest.
type wrappedFormat struct {
	digest Digest
	outer  argon2Format
}

func parseWrapped(encoded string) (format, error) {
	digest, outer, ok := strings.Cut(strings.TrimPrefix(encoded, "$wrapped$"), "$")
	fields := strings.Split(digest, ",")
	if !ok || len(fields) != 4 || !strings.HasPrefix(outer, "argon2id$") {
		return nil, ErrEncoded
	}
	before, ok := strings.CutPrefix(fields[1], "b=")
	after, ok2 := strings.CutPrefix(fields[2], "a=")
	if !ok || !ok2 || fields[3] != "n=1" && fields[3] != "n=2" {
		return nil, ErrEncoded
	}
	d := Digest{Algorithm: fields[0], Again: fields[3] == "n=2"}
	var err error
	if d.Before, d.After, err = saltAndSum(before, after); err != nil {
		return nil, err
	}
	inner, err := parseArgon2("$" + outer)
	if err != nil {
		return nil, err
	}
	return wrappedFormat{d, inner.(argon2Format)}, nil
}

func (f wrappedFormat) limits() error {
	if f.digest.hash(nil) == nil {
		return ErrEncoded
	}
	if len(f.digest.Before) > maxAround || len(f.digest.After) > maxAround {
		return fmt.Errorf("%w: %d bytes are hashed before the password and %d after it, at most %d are read", ErrCost, len(f.digest.Before), len(f.digest.After), maxAround)
	}
	return f.outer.limits()
}

func (f wrappedFormat) memory() int { return f.outer.memory() }

func (f wrappedFormat) match(password []byte) bool {
	return f.outer.match(f.digest.hash(password)) && !hasNUL(password)
}

func (f wrappedFormat) encode() string {
	n := 1
	if f.digest.Again {
		n = 2
	}
	return fmt.Sprintf("$wrapped$%s,b=%s,a=%s,n=%d%s", f.digest.Algorithm, b64.EncodeToString(f.digest.Before), b64.EncodeToString(f.digest.After), n, f.outer.encode())
}

func (f wrappedFormat) unknown(rand io.Reader) (format, error) {
	outer, err := f.outer.unknown(rand)
	if err != nil {
		return nil, err
	}
	f.outer = outer.(argon2Format)
	return f, nil
}
