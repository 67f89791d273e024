package hash

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
)

// ImportDjango returns the encoded string of the column password of Django's table auth_user: pbkdf2_sha256,
// pbkdf2_sha1, argon2, bcrypt, bcrypt_sha256 and scrypt. The fast md5 and sha1 are wrapped, which takes a turn of h and
// may return the errors of [Hasher.Wrap]. An unusable password of Django, which begins with "!", is ErrEncoded: the
// person has no password.
func (h *Hasher) ImportDjango(ctx context.Context, password string) (string, error) {
	if len(password) > maxEncoded {
		return "", ErrCost
	}
	algorithm, rest, _ := strings.Cut(password, "$")
	fields := strings.Split(rest, "$")
	switch {
	case algorithm == "argon2":
		return ImportArgon2("$" + rest)
	case algorithm == "bcrypt":
		return ImportBcrypt(rest)
	case algorithm == "bcrypt_sha256":
		return checked("$" + bcryptOverSHA256 + rest)
	case algorithm == "pbkdf2_sha256" && len(fields) == 3:
		return importIterated("sha256", fields[0], []byte(fields[1]), fields[2])
	case algorithm == "pbkdf2_sha1" && len(fields) == 3:
		return importIterated("sha1", fields[0], []byte(fields[1]), fields[2])
	case algorithm == "scrypt" && len(fields) == 5:
		return importDjangoScrypt(fields)
	case (algorithm == "md5" || algorithm == "sha1") && len(fields) == 2:
		return h.wrapHex(ctx, algorithm, fields[0], fields[1])
	}
	return "", fmt.Errorf("%w: not a password of Django", ErrEncoded)
}

// importIterated reads PBKDF2 with decimal iterations and a sum in base64.
func importIterated(digest, iterations string, salt []byte, sum string) (string, error) {
	n, err := number(iterations)
	if err != nil {
		return "", err
	}
	decoded, err := eachBase64(sum)
	if err != nil {
		return "", err
	}
	return ImportPBKDF2(PBKDF2{digest, n, salt, decoded[0]})
}

// importDjangoScrypt reads N, salt, r, p and the sum.
func importDjangoScrypt(fields []string) (string, error) {
	var cost [3]int
	for i, field := range []string{fields[0], fields[2], fields[3]} {
		var err error
		if cost[i], err = number(field); err != nil {
			return "", err
		}
	}
	decoded, err := eachBase64(fields[4])
	if err != nil {
		return "", err
	}
	return ImportScrypt(Scrypt{N: cost[0], R: cost[1], P: cost[2], Salt: []byte(fields[1]), Sum: decoded[0]})
}

// wrapHex wraps a digest of the salt and the password, in this order.
func (h *Hasher) wrapHex(ctx context.Context, algorithm, salt, sum string) (string, error) {
	b, err := hex.DecodeString(sum)
	if err != nil {
		return "", fmt.Errorf("%w: not hexadecimal", ErrEncoded)
	}
	return h.Wrap(ctx, Digest{Algorithm: algorithm, Sum: b, Before: []byte(salt)})
}
