package hash

import (
	"crypto/subtle"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// scryptFormat is "$scrypt$ln=14,r=16,p=1$<salt>$<sum>": RFC 7914 in PHC form, with the logarithm of N. ",nf=kc" after
// p marks a system that brings passwords into form NFKC.
type scryptFormat struct {
	scryptCost
	nfkc      bool
	salt, sum []byte
}

// scryptCost is N = 2^ln, r and p of scrypt.
type scryptCost struct{ ln, r, p int }

func (c scryptCost) limits() error {
	bad := c.ln < 1 || c.ln > 24 || c.r < 1 || c.r > 64 || c.p < 1 || c.p > maxLanes
	if bad || c.memory() > maxMemory || c.r<<c.ln*c.p > maxWork {
		return fmt.Errorf("%w: scrypt with N=2^%d,r=%d,p=%d", ErrCost, c.ln, c.r, c.p)
	}
	return nil
}

// memory is 128 × N × r bytes, as KiB.
func (c scryptCost) memory() int { return max(c.r<<c.ln>>3, 1) }

// derive returns nil on costs that scrypt refuses, which limits keeps out.
func (c scryptCost) derive(password, salt []byte, size int) []byte {
	sum, err := scrypt.Key(password, salt, 1<<c.ln, c.r, c.p, size)
	if err != nil {
		return nil
	}
	return sum
}

func parseScrypt(encoded string) (format, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 5 {
		return nil, ErrEncoded
	}
	costs, nfkc := strings.CutSuffix(parts[2], ",nf=kc")
	n, err := numbers(costs, "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	salt, sum, err := saltAndSum(parts[3], parts[4])
	return scryptFormat{scryptCost{n[0], n[1], n[2]}, nfkc, salt, sum}, err
}

func (f scryptFormat) limits() error {
	if err := f.scryptCost.limits(); err != nil {
		return err
	}
	return lengths(f.salt, f.sum)
}

func (f scryptFormat) match(password []byte) bool {
	return subtle.ConstantTimeCompare(f.derive(password, f.salt, len(f.sum)), f.sum) == 1 && !hasNUL(password)
}

func (f scryptFormat) encode() string {
	nf := ""
	if f.nfkc {
		nf = ",nf=kc"
	}
	return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d%s$%s$%s", f.ln, f.r, f.p, nf, b64.EncodeToString(f.salt), b64.EncodeToString(f.sum))
}

func (f scryptFormat) unknown(rand io.Reader) (format, error) {
	r, err := random(rand, f.salt, f.sum)
	if err != nil {
		return nil, err
	}
	f.salt, f.sum = r[0], r[1]
	return f, nil
}
