// Package policy has the rules for new passwords: a length, and no password that others would guess first. There are no
// rules about the kinds of characters (NIST SP 800-63B-4 section 3.1.1.2).
//
// Check passwords with it when they are set, not when they are verified. It needs no other part of Postern.
package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/posternauth/postern/password/wordlist"
	"golang.org/x/text/unicode/norm"
)

const (
	// DefaultLength is the least length of a password that is the only proof.
	DefaultLength = 15

	// LengthWithFactor is the least length of a password that is never enough: where everybody has to show another
	// factor at each sign-in.
	LengthWithFactor = 8

	// MaxBytes is the greatest length of a password, as it was sent and in form NFC. It is that of package hash.
	MaxBytes = 1024
)

// Config of a [Policy]. The zero value works.
type Config struct {
	// MinLength is the least length in characters (Unicode code points, in form NFC), at least LengthWithFactor. Choose
	// less than DefaultLength only if everybody has to show another factor at each sign-in, and give a list for that
	// length, such as common8.List of package common8.
	//
	// Defaults to DefaultLength.
	MinLength int

	// Names are words that people would take for a password here: the name of the service, of the company, of its
	// domain.
	//
	// Defaults to none.
	Names []string

	// Lists are lists of common passwords besides the embedded one, which has passwords of 15 and more characters.
	//
	// Defaults to none.
	Lists []*wordlist.List
}

// Policy checks new passwords. It is safe for concurrent use.
type Policy struct {
	least int
	names []string
	lists []*wordlist.List
}

// New returns a policy. It fails for a length that is too short, or that no list covers.
func New(c Config) (*Policy, error) {
	if c.MinLength == 0 {
		c.MinLength = DefaultLength
	}
	if c.MinLength < LengthWithFactor || c.MinLength > 256 {
		return nil, fmt.Errorf("policy: Config.MinLength is %d: choose from %d to 256", c.MinLength, LengthWithFactor)
	}
	common, err := wordlist.Parse(common15)
	if err != nil {
		return nil, fmt.Errorf("policy: the embedded list: %w", err)
	}
	lists := append([]*wordlist.List{common}, c.Lists...)
	covered := false
	for _, l := range lists {
		if l == nil {
			return nil, fmt.Errorf("policy: Config.Lists has a nil list")
		}
		covered = covered || l.Len() > 0 && l.Least() <= c.MinLength
	}
	if !covered {
		return nil, fmt.Errorf("policy: Config.MinLength is %d, and no list has words of that length: add common8.List to Config.Lists, or a list made by postern passwords build", c.MinLength)
	}
	return &Policy{least: c.MinLength, names: c.Names, lists: lists}, nil
}

// MinLength returns the least length of a password in characters, for pages to show.
func (p *Policy) MinLength() int { return p.least }

// Check returns nil for a good new password, and else an *Error with the first rule that it breaks. about is what is
// known of its owner: addresses, user name, name.
func (p *Policy) Check(password string, about ...string) error {
	if len(password) > MaxBytes {
		return &Error{Code: TooLong, Min: p.least}
	}
	if !utf8.ValidString(password) {
		return &Error{Code: NotText, Min: p.least}
	}
	text := norm.NFC.String(password)
	if len(text) > MaxBytes {
		return &Error{Code: TooLong, Min: p.least}
	}
	if utf8.RuneCountInString(text) < p.least {
		return &Error{Code: TooShort, Min: p.least}
	}
	folded := wordlist.Fold(text)
	for _, l := range p.lists {
		if l.Contains(text) {
			return &Error{Code: Common, Min: p.least}
		}
	}
	if isName(folded, append(append([]string(nil), p.names...), about...)) {
		return &Error{Code: Name, Min: p.least}
	}
	if repeats([]rune(folded), p.least) {
		return &Error{Code: Repeated, Min: p.least}
	}
	if isWalk([]rune(folded)) {
		return &Error{Code: Sequence, Min: p.least}
	}
	return nil
}

// isName reports whether a folded password is made of names alone: written once or several times, with spaces and a few
// digits and signs anywhere.
func isName(folded string, names []string) bool {
	letters, others := lettersOf(folded)
	if letters == "" || others > 6 {
		return false
	}
	words := map[string]bool{}
	for _, name := range names {
		for _, part := range append(strings.FieldsFunc(wordlist.Fold(name), separates), name) {
			if word, _ := lettersOf(wordlist.Fold(part)); utf8.RuneCountInString(word) >= 2 {
				words[word] = true
			}
		}
	}
	return madeOf(letters, words)
}

// separates reports whether r stands between the words of a name or the parts of an address.
func separates(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// lettersOf returns the letters of s and counts the other characters except spaces.
func lettersOf(s string) (letters string, others int) {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !separates(r):
			b.WriteRune(r)
		case !unicode.IsSpace(r):
			others++
		}
	}
	return b.String(), others
}

// madeOf reports whether s is words one after another.
func madeOf(s string, words map[string]bool) bool {
	ends := make([]bool, len(s)+1) // whether s[:i] is words
	ends[0] = true
	for i := range s {
		if !ends[i] {
			continue
		}
		for word := range words {
			if strings.HasPrefix(s[i:], word) {
				ends[i+len(word)] = true
			}
		}
	}
	return ends[len(s)]
}

// repeats reports whether s is one piece several times, and the piece is shorter than a password may be.
func repeats(s []rune, least int) bool {
	for n := 1; n < least && n <= len(s)/2; n++ {
		same := true
		for i := n; i < len(s) && same; i++ {
			same = s[i] == s[i-n]
		}
		if same && (len(s)%n == 0 || n <= 4) {
			return true
		}
	}
	return false
}
