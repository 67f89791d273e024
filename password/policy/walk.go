package policy

import "strings"

// keyboards are the rows of QWERTY, QWERTZ and AZERTY, each a half key to the right of the one above.
var keyboards = [...][]string{
	{"1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"},
	{"1234567890ß", "qwertzuiopü", "asdfghjklöä", "yxcvbnm,.-"},
	{"1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn,;:"},
}

// shifted are the signs above the digits of a US keyboard.
const shifted = "!@#$%^&*()"

// isWalk reports whether a folded password is a few walks over the keyboard or through the alphabet: on average at
// least three characters in a row that are neighbours.
func isWalk(s []rune) bool {
	for _, rows := range keyboards {
		walks := 1
		for i := 1; i < len(s); i++ {
			if !follows(rows, s[i-1], s[i]) {
				walks++
			}
		}
		if 3*walks <= len(s) {
			return true
		}
	}
	return false
}

// follows reports whether b is the same as a, beside it in the alphabet, or beside it on the keyboard.
func follows(rows []string, a, b rune) bool {
	a, b = unshifted(a), unshifted(b)
	if step := b - a; -1 <= step && step <= 1 || a == '9' && b == '0' || a == '0' && b == '9' {
		return true
	}
	rowA, columnA, ok := key(rows, a)
	rowB, columnB, ok2 := key(rows, b)
	if !ok || !ok2 {
		return false
	}
	across, down := columnB-columnA, rowB-rowA
	return down == 0 && (across == 1 || across == -1) || // beside it
		down == 1 && (across == 0 || across == -1) || // below it, to the right or to the left
		down == -1 && (across == 0 || across == 1)
}

func unshifted(r rune) rune {
	if i := strings.IndexRune(shifted, r); i >= 0 {
		return rune("1234567890"[i])
	}
	return r
}

func key(rows []string, r rune) (row, column int, ok bool) {
	for row, keys := range rows {
		column := 0
		for _, k := range keys {
			if k == r {
				return row, column, true
			}
			column++
		}
	}
	return 0, 0, false
}
