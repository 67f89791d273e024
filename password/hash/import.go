package hash

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// Check reports whether encoded is a string that Verify reads, of this package's own form and within its limits. It
// computes no hash. The error is ErrEncoded or ErrCost.
func Check(encoded string) error {
	_, err := parse(encoded)
	return err
}

// ImportBcrypt returns the encoded string of a bcrypt hash: $2a$, $2b$ or $2y$, cost 4 to 14. Auth0 and Supabase keep
// these, and so do most older applications.
//
// bcrypt reads 72 bytes of a password. A longer one is never accepted by its first 72 bytes, so these people have to
// reset their password. $2x$ is refused: it marks hashes of a faulty implementation.
func ImportBcrypt(hashed string) (string, error) {
	if !strings.HasPrefix(hashed, "$2") {
		return "", ErrEncoded
	}
	return checked(hashed)
}

// ImportArgon2 returns the encoded string of an argon2id or argon2i hash in PHC form, version 19, at most 128 MiB.
// Padding of base64 is removed.
func ImportArgon2(phc string) (string, error) {
	if !strings.HasPrefix(phc, "$argon2id$") && !strings.HasPrefix(phc, "$argon2i$") {
		return "", ErrEncoded
	}
	parts := strings.Split(phc, "$")
	if len(phc) <= maxEncoded && len(parts) == 6 {
		parts[4], parts[5] = strings.TrimRight(parts[4], "="), strings.TrimRight(parts[5], "=")
		phc = strings.Join(parts, "$")
	}
	return checked(phc)
}

func checked(encoded string) (string, error) {
	f, err := parse(encoded)
	if err != nil {
		return "", err
	}
	return f.encode(), nil
}

// Scrypt is a password hashed by scrypt (RFC 7914).
type Scrypt struct {
	N, R, P int    // N is a power of two
	Salt    []byte // at most 128 bytes
	Sum     []byte // 16 to 128 bytes
}

// ImportScrypt returns the encoded string of a hash of scrypt, of at most 128 MiB.
func ImportScrypt(s Scrypt) (string, error) {
	ln, err := logarithm(s.N)
	if err != nil {
		return "", err
	}
	return written(scryptFormat{scryptCost: scryptCost{ln, s.R, s.P}, salt: s.Salt, sum: s.Sum})
}

func logarithm(n int) (int, error) {
	if n < 2 || bits.OnesCount(uint(n)) != 1 {
		return 0, fmt.Errorf("%w: N of scrypt is %d, not a power of two", ErrCost, n)
	}
	return bits.TrailingZeros(uint(n)), nil
}

// PBKDF2 is a password hashed by PBKDF2 with HMAC (RFC 8018).
type PBKDF2 struct {
	Digest     string // sha1, sha256 or sha512
	Iterations int    // 1,000 to 3,000,000
	Salt       []byte // at most 128 bytes
	Sum        []byte // 16 to 128 bytes
}

// ImportPBKDF2 returns the encoded string of a hash of PBKDF2. Of a sum that is longer than the digest it keeps the
// first bytes, as many as the digest has: more of them add work and no strength.
func ImportPBKDF2(p PBKDF2) (string, error) {
	return written(pbkdf2Format{p.Digest, p.Iterations, p.Salt, p.Sum}.firstBlock())
}

// ImportBetterAuth returns the encoded string of the column password of better-auth's table account: "salt:key" in
// hexadecimal, made by scrypt with N=16384, r=16, p=1. better-auth hashes the text of the salt, not its bytes, and
// passwords in form NFKC.
func ImportBetterAuth(password string) (string, error) {
	salt, key, ok := strings.Cut(password, ":")
	if !ok || len(password) > maxEncoded {
		return "", ErrEncoded
	}
	sum, err := hex.DecodeString(key)
	if err != nil || salt == "" || strings.Trim(salt, "0123456789abcdefABCDEF") != "" {
		return "", ErrEncoded
	}
	return written(scryptFormat{scryptCost{14, 16, 1}, true, []byte(salt), sum})
}

// Firebase is the password of one account in an export of Firebase Authentication (firebase auth:export), and the hash
// parameters of its project from the Firebase console. All texts are base64, of either alphabet.
type Firebase struct {
	PasswordHash string // of the account
	Salt         string // of the account

	SignerKey     string // base64_signer_key of the project
	SaltSeparator string // base64_salt_separator
	Rounds        int    // rounds, usually 8
	MemCost       int    // mem_cost, usually 14
}

// ImportFirebase returns the encoded string of a hash of Firebase's modified scrypt. The string holds the signer key of
// the project. At Firebase the key is kept apart from the hashes, so that the hashes alone are of no use to a thief. In
// your table they are like all other hashes.
func ImportFirebase(f Firebase) (string, error) {
	decoded, err := eachBase64(f.PasswordHash, f.Salt, f.SignerKey, f.SaltSeparator)
	if err != nil {
		return "", err
	}
	return written(firebaseFormat{
		scryptCost: scryptCost{f.MemCost, f.Rounds, 1},
		sum:        decoded[0], salt: decoded[1], signer: decoded[2], separator: decoded[3],
	})
}

// ImportSupabase returns the encoded string of auth.users.encrypted_password of Supabase: bcrypt, argon2, or a hash
// that Supabase itself imported from Firebase.
func ImportSupabase(encryptedPassword string) (string, error) {
	if len(encryptedPassword) > maxEncoded {
		return "", ErrCost
	}
	switch {
	case strings.HasPrefix(encryptedPassword, "$2"):
		return ImportBcrypt(encryptedPassword)
	case strings.HasPrefix(encryptedPassword, "$fbscrypt$"):
		return importSupabaseFirebase(encryptedPassword)
	}
	return ImportArgon2(encryptedPassword)
}

// importSupabaseFirebase reads the form of this package with padded base64.
func importSupabaseFirebase(s string) (string, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 5 {
		return "", ErrEncoded
	}
	costs, keys, ok := strings.Cut(parts[2], ",ss=")
	separator, signer, ok2 := strings.Cut(keys, ",sk=")
	if !ok || !ok2 {
		return "", ErrEncoded
	}
	n, err := numbers(costs, "v", "n", "r", "p")
	if err != nil {
		return "", err
	}
	if n[0] != 1 {
		return "", ErrEncoded
	}
	decoded, err := eachBase64(parts[4], parts[3], signer, separator)
	if err != nil {
		return "", err
	}
	return written(firebaseFormat{
		scryptCost: scryptCost{n[1], n[2], n[3]},
		sum:        decoded[0], salt: decoded[1], signer: decoded[2], separator: decoded[3],
	})
}

// eachBase64 decodes texts of either alphabet, with or without padding.
func eachBase64(texts ...string) ([][]byte, error) {
	all := make([][]byte, len(texts))
	for i, text := range texts {
		if len(text) > maxEncoded {
			return nil, ErrCost
		}
		text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%w: not base64", ErrEncoded)
		}
		all[i] = b
	}
	return all, nil
}
