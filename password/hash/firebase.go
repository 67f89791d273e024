package hash

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"
)

// firebaseFormat is "$fbscrypt$v=1,n=14,r=8,p=1,ss=<salt separator>,sk=<signer key>$<salt>$<sum>", as Supabase writes
// it, but in the base64 of PHC strings. Firebase derives a key of scrypt and encrypts the project's signer key with it:
// AES-256 in counter mode from zero.
type firebaseFormat struct {
	scryptCost
	separator, signer []byte
	salt, sum         []byte
}

const firebaseKey = 32 // bytes of scrypt's output that are the AES key

func parseFirebase(encoded string) (format, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, ErrEncoded
	}
	costs, keys, ok := strings.Cut(parts[2], ",ss=")
	separator, signer, ok2 := strings.Cut(keys, ",sk=")
	if !ok || !ok2 {
		return nil, ErrEncoded
	}
	n, err := numbers(costs, "v", "n", "r", "p")
	if err != nil {
		return nil, err
	}
	if n[0] != 1 {
		return nil, ErrEncoded
	}
	f := firebaseFormat{scryptCost: scryptCost{n[1], n[2], n[3]}}
	if f.separator, f.signer, err = saltAndSum(separator, signer); err != nil {
		return nil, err
	}
	f.salt, f.sum, err = saltAndSum(parts[3], parts[4])
	return f, err
}

func (f firebaseFormat) limits() error {
	if err := f.scryptCost.limits(); err != nil {
		return err
	}
	if len(f.separator)+len(f.salt) > maxSalt {
		return fmt.Errorf("%w: the salt has %d bytes with its separator", ErrCost, len(f.separator)+len(f.salt))
	}
	if len(f.signer) != len(f.sum) {
		return fmt.Errorf("%w: the signer key has %d bytes and the hash %d, they should be equally long", ErrEncoded, len(f.signer), len(f.sum))
	}
	return lengths(f.salt, f.sum)
}

func (f firebaseFormat) match(password []byte) bool {
	return subtle.ConstantTimeCompare(f.encrypt(password), f.sum) == 1 && !hasNUL(password)
}

// encrypt returns the sum of a password, and nil if scrypt refuses the costs, which limits keeps out.
func (f firebaseFormat) encrypt(password []byte) []byte {
	key := f.derive(password, append(append([]byte(nil), f.salt...), f.separator...), firebaseKey)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	sum := make([]byte, len(f.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sum, f.signer)
	return sum
}

func (f firebaseFormat) encode() string {
	return fmt.Sprintf("$fbscrypt$v=1,n=%d,r=%d,p=%d,ss=%s,sk=%s$%s$%s", f.ln, f.r, f.p,
		b64.EncodeToString(f.separator), b64.EncodeToString(f.signer), b64.EncodeToString(f.salt), b64.EncodeToString(f.sum))
}

func (f firebaseFormat) unknown(rand io.Reader) (format, error) {
	r, err := random(rand, f.salt, f.sum)
	if err != nil {
		return nil, err
	}
	f.salt, f.sum = r[0], r[1]
	return f, nil
}
