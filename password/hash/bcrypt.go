package hash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// bcryptOverSHA256 begins the string of Django's bcrypt_sha256: bcrypt of the hexadecimal SHA-256 of the password.
const bcryptOverSHA256 = "bcrypt-sha256hex"

const (
	bcryptLength   = 60 // of "$2b$10$" and 53 characters
	bcryptPassword = 72 // bytes of a password that bcrypt reads
)

// bcryptFormat is "$2b$10$<salt and sum>", or "$bcrypt-sha256hex$2b$10$<salt and sum>".
type bcryptFormat struct {
	hashed string // of 60 bytes
	cost   int
	first  bool // SHA-256 comes first
}

func parseBcrypt(encoded string) (format, error) {
	hashed, first := strings.CutPrefix(encoded, "$"+bcryptOverSHA256)
	if len(hashed) < 7 || hashed[0] != '$' || hashed[1] != '2' || !strings.ContainsRune("aby", rune(hashed[2])) || hashed[3] != '$' || hashed[6] != '$' {
		return nil, ErrEncoded
	}
	if len(hashed) > bcryptLength {
		return nil, fmt.Errorf("%w: bcrypt has %d characters, and this has %d", ErrCost, bcryptLength, len(hashed))
	}
	tens, ones := hashed[4]-'0', hashed[5]-'0'
	if tens > 9 || ones > 9 || len(hashed) < bcryptLength || strings.Trim(hashed[7:], bcryptAlphabet) != "" {
		return nil, ErrEncoded
	}
	return bcryptFormat{hashed, int(tens)*10 + int(ones), first}, nil
}

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (f bcryptFormat) limits() error {
	if f.cost < bcrypt.MinCost || f.cost > maxBcrypt {
		return fmt.Errorf("%w: bcrypt with cost %d, from %d to %d are read", ErrCost, f.cost, bcrypt.MinCost, maxBcrypt)
	}
	return nil
}

func (f bcryptFormat) memory() int { return 8 }

// match refuses passwords that bcrypt confuses with others: those of more than 72 bytes, of which it reads the first 72
// alone, and those with a zero byte. It does the work all the same.
func (f bcryptFormat) match(password []byte) bool {
	whole := !hasNUL(password)
	if f.first {
		sum := sha256.Sum256(password)
		password = []byte(hex.EncodeToString(sum[:]))
	}
	if len(password) > bcryptPassword {
		whole, password = false, password[:bcryptPassword]
	}
	return bcrypt.CompareHashAndPassword([]byte(f.hashed), password) == nil && whole
}

func (f bcryptFormat) encode() string {
	if f.first {
		return "$" + bcryptOverSHA256 + f.hashed
	}
	return f.hashed
}

func (f bcryptFormat) unknown(rand io.Reader) (format, error) {
	r, err := random(rand, make([]byte, bcryptLength-7))
	if err != nil {
		return nil, err
	}
	for i := range r[0] {
		r[0][i] = bcryptAlphabet[r[0][i]%64]
	}
	f.hashed = f.hashed[:7] + string(r[0])
	return f, nil
}
