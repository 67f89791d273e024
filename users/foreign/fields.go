package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

// decode reads a record into v. Its error repeats nothing of the record.
func decode(raw []byte, v any) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || !utf8.Valid(raw) {
		return fmt.Errorf("%w: it is not a JSON object", ErrRecord)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: it is not the JSON of this format", ErrRecord)
	}
	return nil
}

// str is a text. CSV and JSON of databases write numbers and truth values as texts too, and the other way round.
type str string

// UnmarshalJSON implements json.Unmarshaler.
func (s *str) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*s = ""
	case b[0] == '"':
		var t string
		if err := json.Unmarshal(b, &t); err != nil {
			return err
		}
		*s = str(t)
	case b[0] == '{' || b[0] == '[':
		return ErrRecord
	default:
		*s = str(b)
	}
	return nil
}

// flag is a truth value. Anything that is none is an error: a ban must not be lost in a word.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	var s str
	if err := s.UnmarshalJSON(b); err != nil {
		return err
	}
	switch strings.ToLower(string(s)) {
	case "true", "t", "1":
		*f = true
	case "", "false", "f", "0":
		*f = false
	default:
		return ErrRecord
	}
	return nil
}

// when is a time: of RFC 3339, of Postgres, in seconds or milliseconds since 1970, or Mongo's {"$date": …}.
type when time.Time

func (w when) time() time.Time { return time.Time(w) }

// UnmarshalJSON implements json.Unmarshaler.
func (w *when) UnmarshalJSON(b []byte) error {
	if b[0] == '{' {
		var mongo struct {
			Date when `json:"$date"`
		}
		if err := json.Unmarshal(b, &mongo); err != nil {
			return err
		}
		*w = mongo.Date
		return nil
	}
	var s str
	if err := s.UnmarshalJSON(b); err != nil {
		return err
	}
	if s == "" {
		*w = when{}
		return nil
	}
	if n, err := strconv.ParseFloat(string(s), 64); err == nil {
		if math.Abs(n) < 1e11 { // seconds until the year 5138; AWS writes these with a fraction
			n *= 1000
		}
		if !(n > 0 && n < 4e12) {
			return ErrRecord
		}
		*w = when(time.UnixMilli(int64(n)).UTC())
		return nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07",
		"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999 MST",
	} {
		if t, err := time.Parse(layout, string(s)); err == nil && t.Year() > 1900 && t.Year() < 3000 {
			*w = when(t.UTC())
			return nil
		}
	}
	return ErrRecord
}

// objectText is a JSON object, or a text that holds one.
type objectText json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (o *objectText) UnmarshalJSON(b []byte) error {
	inner := []byte(b)
	if b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		inner = bytes.TrimSpace([]byte(s))
	}
	if len(inner) == 0 || string(inner) == "null" {
		*o = nil
		return nil
	}
	if inner[0] != '{' || !json.Valid(inner) {
		return ErrRecord
	}
	*o = objectText(slices.Clone(inner))
	return nil
}

// rows is a JSON array, or a text that holds one.
type rows []json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (r *rows) UnmarshalJSON(b []byte) error {
	inner := []byte(b)
	if b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		inner = []byte(s)
	}
	var list []json.RawMessage
	if len(bytes.TrimSpace(inner)) > 0 {
		if err := json.Unmarshal(inner, &list); err != nil {
			return err
		}
	}
	*r = list
	return nil
}

// Limits of a Record. What is longer is left out with a note, or refused for an id.
const (
	maxID        = 255
	maxText      = 255
	maxURL       = 2048
	maxAddresses = 10 // as users.Directory
	maxIdentity  = 10
	maxRoles     = 64
	maxData      = 64 << 10
)

// note adds a note, once.
func (r *Record) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Notes, s) && len(r.Notes) < 64 {
		r.Notes = append(r.Notes, s)
	}
}

// mail adds a mail address. Adding it again can verify it.
func (r *Record) mail(address str, verified bool) {
	if address == "" {
		return
	}
	a, err := mailaddr.ParseTyped(string(address))
	if err != nil {
		r.note("a mail address is not carried over: it is not one that mail can be sent to here")
		return
	}
	r.address(postern.Address{Type: "email", Value: a.String(), Verified: verified})
}

func (r *Record) phone(number str, verified bool) {
	if number == "" {
		return
	}
	v := text.Line(string(number), 32)
	if v != string(number) || strings.Trim(v, "+0123456789 -().") != "" {
		r.note("a telephone number is not carried over: it is not a number")
		return
	}
	r.address(postern.Address{Type: "phone", Value: v, Verified: verified})
}

func (r *Record) address(a postern.Address) {
	for i, old := range r.Addresses {
		if old.Type == a.Type && old.Value == a.Value {
			r.Addresses[i].Verified = old.Verified || a.Verified
			return
		}
	}
	if len(r.Addresses) == maxAddresses {
		r.note("addresses are not carried over: the user has more than %d", maxAddresses)
		return
	}
	r.Addresses = append(r.Addresses, a)
}

// join returns names with a space between them.
func join(names ...str) str {
	var parts []string
	for _, n := range names {
		if n != "" {
			parts = append(parts, string(n))
		}
	}
	return str(strings.Join(parts, " "))
}

// dataOf returns an object for Data or Profile; nil if it is empty.
func (r *Record) dataOf(o objectText, what string) json.RawMessage {
	var compact bytes.Buffer
	if len(o) == 0 || json.Compact(&compact, o) != nil || compact.String() == "{}" {
		return nil
	}
	if compact.Len() > maxData {
		r.note("%s is not carried over: it has more than %d bytes", what, maxData)
		return nil
	}
	return compact.Bytes()
}

// finish checks what all formats have in common.
func (c *conversion) finish(r *Record) error {
	if r.ID == "" || len(r.ID) > maxID || !utf8.ValidString(r.ID) || text.HasControl(r.ID) {
		r.ID = ""
		return fmt.Errorf("%w: it has no id, or one that cannot be an id", ErrRecord)
	}
	r.Name = text.Line(r.Name, maxText)
	r.Username = text.Line(r.Username, maxText)
	if r.Locale = strings.ReplaceAll(r.Locale, "_", "-"); len(r.Locale) > 35 || strings.ContainsFunc(r.Locale, notTag) {
		r.Locale = ""
	}
	for _, a := range r.Addresses { // Auth0 and others take the address where a person gave no name
		if strings.EqualFold(r.Name, a.Value) {
			r.Name = ""
		}
	}
	if u, err := url.Parse(r.Picture); r.Picture != "" && (err != nil || u.Scheme != "https" || u.Host == "" || len(r.Picture) > maxURL || !text.Visible(r.Picture)) {
		r.Picture = ""
		r.note("the picture is not carried over: it has no https URL")
	}
	if c.AllUnverified {
		for i := range r.Addresses {
			r.Addresses[i].Verified = false
		}
	}
	if r.Username == "" && len(r.Identities) == 0 && !slices.ContainsFunc(r.Addresses, func(a postern.Address) bool { return a.Type == "email" }) {
		r.note("nobody can sign in as this user: there is no mail address, username or identity")
	}
	if len(r.Roles) > maxRoles {
		return fmt.Errorf("%w: it has more than %d roles", ErrRecord, maxRoles)
	}
	return nil
}

func notTag(r rune) bool {
	return r != '-' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}
