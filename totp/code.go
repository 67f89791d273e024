package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // RFC 6238: the hash that every app knows
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const (
	period   = 30 * time.Second
	digits   = 6
	seedSize = 20 // RFC 4226 section 4: 160 bits
)

// hotp returns the code of a counter (RFC 4226 section 5.3).
func hotp(seed []byte, counter int64, digits int) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n, most := binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff, uint32(1)
	for range digits {
		most *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%most)
}

// stepOf returns the number of the step of a time (RFC 6238 section 4.2).
func stepOf(at time.Time) int64 { return at.Unix() / int64(period/time.Second) }

// match returns the step whose code was typed: that of now or the one before it, and none up to last. It compares with
// both, in constant time.
func match(seed []byte, typed string, now time.Time, last int64) (step int64, ok bool) {
	current := stepOf(now)
	for _, s := range []int64{current - 1, current} {
		same := subtle.ConstantTimeCompare([]byte(hotp(seed, s, digits)), []byte(typed)) == 1
		if same && s > last {
			step, ok = s, true
		}
	}
	return step, ok
}

// zeros are the digits zero of scripts whose keyboards type them.
var zeros = []rune{'0', '٠', '۰', '०', '০', '０'} // ASCII, Arabic, Persian, Hindi, Bengali, fullwidth

// readCode returns the six digits of a typed code. Spaces and hyphens between them do not count, and digits of other
// scripts are read as digits. ok is false for what is not a code: that is not compared, and does not count as a guess.
func readCode(typed string) (code string, ok bool) {
	var b strings.Builder
	for _, r := range typed {
		if filler(r) {
			continue
		}
		digit := rune(-1)
		for _, zero := range zeros {
			if zero <= r && r <= zero+9 {
				digit = r - zero
			}
		}
		if digit < 0 || b.Len() == digits {
			return "", false
		}
		b.WriteRune('0' + digit)
	}
	return b.String(), b.Len() == digits
}

// filler reports a character that groups a code: it means nothing.
func filler(r rune) bool {
	switch r {
	case ' ', '-', '\u00a0', '\u2009', '\u202f', '\u3000', '\u2010', '\u2011', '\u2012', '\u2013', '\u2212':
		return true
	}
	return false
}

// seedText is how a person types a seed into an app: base32 (RFC 4648), as apps read it.
func seedText(seed []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}

// grouped puts a separator after every four characters.
func grouped(text, separator string) string {
	var parts []string
	for len(text) > 4 {
		parts, text = append(parts, text[:4]), text[4:]
	}
	return strings.Join(append(parts, text), separator)
}

// recoveryAlphabet is that of Crockford's base 32: no letter of it looks like another sign.
const recoveryAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	recoveryCount  = 10
	recoveryLength = 16 // of 5 bits: 80 bits
	recoveryLow    = 3
)

// newRecoveryCode returns a code without groups.
func newRecoveryCode() string {
	random := make([]byte, 10)
	rand.Read(random) // it never fails
	return base32.NewEncoding(recoveryAlphabet).WithPadding(base32.NoPadding).EncodeToString(random)
}

// readRecoveryCode returns a typed recovery code as newRecoveryCode made it. Letter case and groups do not count, and
// O, I and L are read as the digits that they look like.
func readRecoveryCode(typed string) (code string, ok bool) {
	var b strings.Builder
	for _, r := range typed {
		if filler(r) {
			continue
		}
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(recoveryAlphabet, r) || b.Len() == recoveryLength {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() == recoveryLength
}
