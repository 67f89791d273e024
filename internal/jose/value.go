package jose

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The readers below take a value as Object and Array hand it out. What they refuse is a value of another type.

// String reads a JSON string. Without escapes the result is a part of value, not a copy.
func String(value string) (string, error) {
	if len(value) < 2 || value[0] != '"' {
		return "", wrongType("a string")
	}
	s := value[1 : len(value)-1]
	if strings.IndexByte(s, '\\') >= 0 {
		return unescape(s), nil
	}
	return s, nil
}

// Strings reads a string or an array of strings, as the claim aud is (RFC 7519 section 4.1.3).
func Strings(value string) ([]string, error) {
	if value != "" && value[0] == '"' {
		s, err := String(value)
		return []string{s}, err
	}
	var list []string
	err := Array(value, func(element string) error {
		s, err := String(element)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Has reports whether value, a string or an array of strings, holds want, without making a list of it.
func Has(value, want string) (bool, error) {
	if value != "" && value[0] == '"' {
		s, err := String(value)
		return s == want, err
	}
	found := false
	err := Array(value, func(element string) error {
		s, err := String(element)
		found = found || s == want
		return err
	})
	return found && err == nil, err
}

// maxDate bounds a NumericDate: all whole numbers up to it are exact in any reader's float64, and no time.Time near it
// wraps.
const maxDate = 1 << 53

// NumericDate reads a time in seconds since 1970 (RFC 7519 section 2), which may have a fraction or an exponent. Beyond
// 2^53 either way it is refused, so that no huge number can wrap into a small one.
func NumericDate(value string) (time.Time, error) {
	if value == "" || value[0] != '-' && (value[0] < '0' || '9' < value[0]) {
		return time.Time{}, wrongType("a number")
	}
	if n, ok := shortDigits(value); ok {
		return time.Unix(n, 0), nil
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		if n < -maxDate || maxDate < n {
			return time.Time{}, wrongType("a time within range")
		}
		return time.Unix(n, 0), nil
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.Abs(f) > maxDate {
		return time.Time{}, wrongType("a time within range")
	}
	whole := math.Floor(f)
	return time.Unix(int64(whole), int64((f-whole)*1e9)), nil
}

// shortDigits reads what a time nearly always is: a few digits, fewer than maxDate has.
func shortDigits(s string) (n int64, ok bool) {
	if len(s) > 15 {
		return 0, false
	}
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, s != ""
}

// Bool reads true or false.
func Bool(value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, wrongType("true or false")
	}
	return value == "true", nil
}
