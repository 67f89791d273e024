package main

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// idsLast moves arguments that are IDs, but start like a flag, behind a --. A key ID is a thumbprint (RFC 7638), and so
// long is Identity.Key; a session ID has two halves with a dot between. All are base64url, so one in 64 starts with a
// hyphen.
func idsLast(args []string) []string {
	if slices.Contains(args, "--") {
		return args
	}
	var others, ids []string
	for _, arg := range args {
		if arg != "" && arg[0] == '-' && isID(arg) {
			ids = append(ids, arg)
		} else {
			others = append(others, arg)
		}
	}
	if ids == nil {
		return args
	}
	return append(append(others, "--"), ids...)
}

func isID(s string) bool {
	const thumbprint, half, tail = 43, 16, 22 // characters: of a SHA-256, and of the two halves of a session ID
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return i == half && len(s) == half+1+tail && strings.Trim(s[:i]+s[i+1:], base64url) == ""
	}
	return len(s) == thumbprint && strings.Trim(s, base64url) == ""
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// span is a length of time on the command line: 30s, 5m, 24h, 45d, or plain seconds.
type span time.Duration

// UnmarshalText reads a flag.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		number, days := strings.CutSuffix(string(text), "d")
		unit := time.Second
		if days {
			unit = 24 * time.Hour
		}
		n, nerr := strconv.ParseInt(number, 10, 32)
		if nerr != nil || time.Duration(n) > math.MaxInt64/unit {
			return errors.New("want a length of time such as 30s, 5m, 24h, 45d or plain seconds")
		}
		d = time.Duration(n) * unit
	}
	if d < 0 {
		return errors.New("a length of time is not negative")
	}
	*s = span(d)
	return nil
}

// moment is a point in time on the command line: RFC 3339, or seconds since 1970.
type moment time.Time

// UnmarshalText reads a flag.
func (m *moment) UnmarshalText(text []byte) error {
	const far = 1 << 53
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && -far < n && n < far {
		*m = moment(time.Unix(n, 0))
		return nil
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(string(text)))
	if err != nil {
		return errors.New("want a time such as 2026-01-31T12:00:00Z, or seconds since 1970")
	}
	*m = moment(t)
	return nil
}
