package hash

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// format is a hash with its parameters. Values exist only within the limits below.
type format interface {
	limits() error                          // ErrCost if the parameters are beyond the limits
	memory() int                            // KiB that match takes
	match(password []byte) bool             // compares in constant time
	encode() string                         // what parse reads
	unknown(rand io.Reader) (format, error) // the same costs and lengths with random content
}

// Limits of what is imported and verified. They bound the work that one stored string can cause: each is checked when a
// hash is imported, and again when it is verified, before anything is computed.
const (
	maxEncoded = 2048      // bytes of an encoded string
	maxMemory  = 128 << 10 // KiB of one hash
	maxSalt    = 128       // bytes
	minSum     = 16        // bytes
	maxSum     = 128       // bytes
	maxLanes   = 16        // of argon2 and scrypt
	maxPasses  = 64        // of argon2
	maxWork    = 1 << 20   // KiB × passes of argon2; N × r × p of scrypt
	maxBcrypt  = 14        // cost: 16,384 rounds, about a second
	maxRounds  = 3_000_000 // of PBKDF2
	minRounds  = 1_000     // of PBKDF2: below it is a fast hash
)

// parse reads an encoded string strictly: what it accepts is exactly what encode writes.
func parse(encoded string) (format, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrCost, len(encoded))
	}
	name, _, ok := strings.Cut(strings.TrimPrefix(encoded, "$"), "$")
	if !ok || encoded[0] != '$' {
		return nil, ErrEncoded
	}
	read := parsers(name)
	if read == nil {
		return nil, ErrEncoded
	}
	f, err := read(encoded)
	if err != nil {
		return nil, err
	}
	if err := f.limits(); err != nil {
		return nil, err
	}
	if f.encode() != encoded {
		return nil, ErrEncoded
	}
	return f, nil
}

func parsers(name string) func(string) (format, error) {
	switch name {
	case "argon2id", "argon2i":
		return parseArgon2
	case "2a", "2b", "2y":
		return parseBcrypt
	case bcryptOverSHA256:
		return parseBcrypt
	case "scrypt":
		return parseScrypt
	case "fbscrypt":
		return parseFirebase
	case "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePBKDF2
	case "wrapped":
		return parseWrapped
	}
	return nil
}

// written checks the limits of a format that an Import function made, and returns its string.
func written(f format) (string, error) {
	if err := f.limits(); err != nil {
		return "", err
	}
	return f.encode(), nil
}

// numbers reads parameters such as "m=19456,t=2,p=1": these names in this order, each once.
func numbers(s string, names ...string) ([]int, error) {
	parts := strings.Split(s, ",")
	if len(parts) != len(names) {
		return nil, ErrEncoded
	}
	values := make([]int, len(names))
	for i, part := range parts {
		digits, ok := strings.CutPrefix(part, names[i]+"=")
		if !ok {
			return nil, ErrEncoded
		}
		n, err := number(digits)
		if err != nil {
			return nil, err
		}
		values[i] = n
	}
	return values, nil
}

// number reads decimal digits. A number that does not fit into 31 bits is beyond every limit.
func number(digits string) (int, error) {
	n, err := strconv.ParseUint(digits, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return 0, ErrCost
	}
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, ErrEncoded
	}
	return int(n), nil
}

// b64 is the alphabet of PHC strings: standard, without padding, and without unused bits.
var b64 = base64.RawStdEncoding.Strict()

func unb64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which the decoder skips
		return nil, ErrEncoded
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, ErrEncoded
	}
	return b, nil
}

// saltAndSum decodes the last two fields of most formats.
func saltAndSum(salt, sum string) ([]byte, []byte, error) {
	a, err := unb64(salt)
	if err != nil {
		return nil, nil, err
	}
	b, err := unb64(sum)
	return a, b, err
}

func lengths(salt, sum []byte) error {
	if len(salt) > maxSalt {
		return fmt.Errorf("%w: the salt has %d bytes, at most %d are read", ErrCost, len(salt), maxSalt)
	}
	if len(sum) == 0 {
		return fmt.Errorf("%w: the hash is empty", ErrEncoded)
	}
	if len(sum) < minSum || len(sum) > maxSum {
		return fmt.Errorf("%w: the hash has %d bytes, from %d to %d are read", ErrCost, len(sum), minSum, maxSum)
	}
	return nil
}

// random returns slices of random bytes with the lengths of the given ones.
func random(r io.Reader, like ...[]byte) ([][]byte, error) {
	all := make([][]byte, len(like))
	for i, b := range like {
		all[i] = make([]byte, len(b))
		if _, err := io.ReadFull(r, all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
