package policy

import "fmt"

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
	switch e.Code {
	case TooLong:
		return fmt.Sprintf("This password is longer than %d bytes. Choose a shorter one.", MaxBytes)
	case NotText:
		return "This password is not valid text. Type it again."
	case TooShort:
		return fmt.Sprintf("A password needs at least %d characters. A few words in a row are easy to remember.", e.Min)
	case Common:
		return "Many people use this password, so it is tried first. Choose another one."
	case Name:
		return "This password is a name that others can guess. Choose another one."
	case Repeated:
		return "This password repeats a short piece. Choose another one."
	case Sequence:
		return "This password follows the keyboard or the alphabet. Choose another one."
	}
	return "This password cannot be used. Choose another one."
}
