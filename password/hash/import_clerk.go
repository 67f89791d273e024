package hash

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
)

// ImportClerk returns the encoded string of a user in an export of Clerk: its columns password_hasher and
// password_digest. The hashers bcrypt, bcrypt_sha256_django, argon2i, argon2id, pbkdf2_sha1, pbkdf2_sha256,
// pbkdf2_sha256_django, pbkdf2_sha512, pbkdf2_sha512_hex, scrypt_firebase and scrypt_werkzeug are read. The fast md5
// and sha256 without a salt are wrapped, which takes a turn of h and may return the errors of [Hasher.Wrap].
func (h *Hasher) ImportClerk(ctx context.Context, hasher, digest string) (string, error) {
	if len(digest) > maxEncoded {
		return "", ErrCost
	}
	switch hasher {
	case "bcrypt":
		return ImportBcrypt(digest)
	case "bcrypt_sha256_django", "pbkdf2_sha256_django":
		return h.ImportDjango(ctx, digest)
	case "argon2i", "argon2id":
		return ImportArgon2(digest)
	case "md5", "sha256":
		return h.wrapHex(ctx, hasher, "", digest)
	case "scrypt_firebase":
		return importClerkFirebase(strings.Split(digest, "$"))
	case "scrypt_werkzeug":
		return importWerkzeug(strings.Split(digest, "$"))
	case "pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha512_hex":
		fields := strings.Split(digest, "$")
		if len(fields) >= 4 && fields[0] == hasher {
			return importClerkPBKDF2(hasher, fields[1:])
		}
	}
	return "", fmt.Errorf("%w: Clerk's hasher %q", ErrEncoded, hasher)
}

// importClerkPBKDF2 reads iterations, salt and sum. With SHA-256 both are base64; with SHA-1 and SHA-512 the salt is
// text and the sum hexadecimal, and the name with _hex has both in hexadecimal. SHA-1 may name the length of the sum.
func importClerkPBKDF2(hasher string, fields []string) (string, error) {
	p := PBKDF2{Digest: strings.TrimSuffix(strings.TrimPrefix(hasher, "pbkdf2_"), "_hex")}
	if len(fields) > 3 && (p.Digest != "sha1" || len(fields) > 4) {
		return "", ErrEncoded
	}
	if p.Digest == "sha256" {
		salt, err := eachBase64(fields[1])
		if err != nil {
			return "", err
		}
		return importIterated(p.Digest, fields[0], salt[0], fields[2])
	}
	var err error
	if p.Iterations, err = number(fields[0]); err != nil {
		return "", err
	}
	p.Salt = []byte(fields[1])
	if strings.HasSuffix(hasher, "_hex") {
		if p.Salt, err = hex.DecodeString(fields[1]); err != nil {
			return "", fmt.Errorf("%w: not hexadecimal", ErrEncoded)
		}
	}
	if p.Sum, err = hex.DecodeString(fields[2]); err != nil {
		return "", fmt.Errorf("%w: not hexadecimal", ErrEncoded)
	}
	if len(fields) == 4 && fields[3] != fmt.Sprint(len(p.Sum)) {
		return "", ErrEncoded
	}
	return ImportPBKDF2(p)
}

// importClerkFirebase reads the hash, the salt, the signer key, the salt separator, rounds and the memory cost.
func importClerkFirebase(fields []string) (string, error) {
	if len(fields) != 6 {
		return "", ErrEncoded
	}
	rounds, err := number(fields[4])
	if err != nil {
		return "", err
	}
	memCost, err := number(fields[5])
	if err != nil {
		return "", err
	}
	return ImportFirebase(Firebase{
		PasswordHash: fields[0], Salt: fields[1], SignerKey: fields[2], SaltSeparator: fields[3], Rounds: rounds, MemCost: memCost,
	})
}

// importWerkzeug reads "scrypt:N:r:p", the salt as text, and the sum in hexadecimal.
func importWerkzeug(fields []string) (string, error) {
	costs := strings.Split(fields[0], ":")
	if len(fields) != 3 || len(costs) != 4 || costs[0] != "scrypt" {
		return "", ErrEncoded
	}
	var cost [3]int
	for i := range cost {
		var err error
		if cost[i], err = number(costs[i+1]); err != nil {
			return "", err
		}
	}
	sum, err := hex.DecodeString(fields[2])
	if err != nil {
		return "", fmt.Errorf("%w: not hexadecimal", ErrEncoded)
	}
	return ImportScrypt(Scrypt{N: cost[0], R: cost[1], P: cost[2], Salt: []byte(fields[1]), Sum: sum})
}
