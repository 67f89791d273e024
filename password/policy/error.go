package policy

import (
	"fmt"
	"strings"
)

// Code is a reason to refuse a password. Its text is stable.
type Code string

// The reasons. The first that applies is returned, in this order.
const (
	TooLong  Code = "too_long"      // more than MaxBytes bytes
	NotText  Code = "invalid_text"  // not valid UTF-8
	TooShort Code = "too_short"     // fewer characters than Config.MinLength
	Common   Code = "common"        // on a list of common passwords
	Name     Code = "contains_name" // nothing but names of the service or the person, perhaps several times or with a few digits
	Repeated Code = "repeated"      // one short piece several times
	Sequence Code = "sequence"      // neighbouring keys or letters, such as 1qaz2wsx or abcdef
)

// Error refuses a password.
type Error struct {
	Code Code
	Min  int // the least length in characters
}

// Error returns a sentence that a page can show. It holds nothing of the password.
func (e *Error) Error() string {
	template, args := e.Text()
	for name, value := range args {
		template = strings.ReplaceAll(template, "{"+name+"}", fmt.Sprint(value))
	}
	return template
}

// Text returns the sentence as a template, for translations, and the values in it: "{min}" characters, "{max}" bytes.
func (e *Error) Text() (template string, args map[string]any) {
	switch e.Code {
	case TooLong:
		return "This password is longer than {max} bytes. Choose a shorter one.", map[string]any{"max": MaxBytes}
	case NotText:
		return "This password is not valid text. Type it again.", nil
	case TooShort:
		return "A password needs at least {min} characters. A few words in a row are easy to remember.", map[string]any{"min": e.Min}
	case Common:
		return "Many people use this password, so it is tried first. Choose another one.", nil
	case Name:
		return "This password is a name that others can guess. Choose another one.", nil
	case Repeated:
		return "This password repeats a short piece. Choose another one.", nil
	case Sequence:
		return "This password follows the keyboard or the alphabet. Choose another one.", nil
	}
	return "This password cannot be used. Choose another one.", nil
}
