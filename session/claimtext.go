package session

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/posternauth/postern/internal/jose"
)

var errClaimText = errors.New("session: a claim is not an array of value and time")

// MarshalJSON writes [value, time], the form of a claim in tokens and rows.
func (a aged) MarshalJSON() ([]byte, error) { return a.appendTo(nil), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *aged) UnmarshalJSON(text []byte) (err error) {
	*a, err = parseAged(string(text))
	return err
}

func (a aged) appendTo(buf []byte) []byte {
	buf = append(append(append(buf, '['), a.value...), ',')
	return append(strconv.AppendInt(buf, a.at, 10), ']')
}

func parseAged(text string) (a aged, err error) {
	n := 0
	err = jose.Array(text, func(element string) (err error) {
		switch n++; n {
		case 1:
			a.value = json.RawMessage(element)
		case 2:
			a.at, err = strconv.ParseInt(element, 10, 64)
		}
		return err
	})
	if err == nil && n != 2 {
		err = errClaimText
	}
	return a, err
}

// appendTo writes the claims as JSON, in the order of their names, which need no escapes.
func (c claimed) appendTo(buf []byte) []byte {
	sep := byte('{')
	for _, name := range slices.Sorted(maps.Keys(c)) {
		buf = append(append(append(buf, sep, '"'), name...), '"', ':')
		buf = c[name].appendTo(buf)
		sep = ','
	}
	return append(buf, '}')
}

// text is appendTo as a string, or empty for no claims.
func (c claimed) text() string {
	if len(c) == 0 {
		return ""
	}
	return string(c.appendTo(nil))
}

// findClaim reads a claim from the text of all. One that is not as this package writes it counts as missing.
func findClaim(text, name string) (a aged, ok bool) {
	if text == "" {
		return a, false
	}
	err := jose.Object(text, func(member, value string) (err error) {
		if member == name {
			a, err = parseAged(value)
			ok = true
		}
		return err
	})
	if err != nil || !ok {
		return aged{}, false
	}
	return a, true
}
