package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/jose"
)

type inspectCommand struct {
	JSON  bool   `name:"json" help:"Print one line of JSON: verified (always false), header, claims, and problem if Postern would refuse the token."`
	Token string `arg:"" help:"The token, or - to read it from standard input (which keeps it out of the shell's history)."`
}

// Help is shown below the usage line.
func (inspectCommand) Help() string {
	return `The header and the claims are decoded and shown as they are. Nothing is checked: anybody can write a token that says anything. To find out whether one is genuine, use "postern token verify".

Example:

  echo "$TOKEN" | postern token inspect -`
}

// Run shows the token.
func (c inspectCommand) Run(w world) error {
	token, err := oneToken(c.Token, w.in)
	if err != nil {
		return err
	}
	return c.inspect(w.out, token, w.now())
}

// inspected is a token as --json prints it. Header and Claims are as they are in the token.
type inspected struct {
	Verified bool            `json:"verified"` // false: nothing is checked
	Header   json.RawMessage `json:"header"`
	Claims   json.RawMessage `json:"claims"`
	Problem  string          `json:"problem,omitempty"`
}

func (c inspectCommand) inspect(out io.Writer, token string, now time.Time) error {
	parts := strings.Split(token, ".")
	switch {
	case len(token) > jose.MaxToken:
		return fmt.Errorf("the token is longer than %d bytes; no Postern token is", jose.MaxToken)
	case len(parts) == 5:
		return fmt.Errorf("this is an encrypted token (five parts); only its receiver can read it")
	case len(parts) != 3:
		return fmt.Errorf("this is not a signed token: those have three parts with dots between, and this has %d", len(parts))
	}
	var shown [2][]row
	var raw [2]json.RawMessage
	for i, name := range []string{"header", "payload"} {
		text, ok := jose.DecodeBase64(nil, parts[i])
		if !ok {
			return fmt.Errorf("the %s is not base64url; was the token cut off or changed while copying?", name)
		}
		var err error
		if shown[i], err = rows(string(text), now); err != nil {
			return fmt.Errorf("the %s is not a JSON object: %w", name, err)
		}
		raw[i] = text
	}
	problem := ""
	if _, err := jose.Parse(token); err != nil {
		problem = err.Error()
	}
	if c.JSON {
		line, err := json.Marshal(inspected{Header: raw[0], Claims: raw[1], Problem: problem})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", escaped(line))
		return err
	}
	fmt.Fprintln(out, "NOT VERIFIED: this is what the token says of itself.")
	fmt.Fprintln(out, "\nHeader")
	printRows(out, shown[0])
	fmt.Fprintln(out, "\nClaims")
	printRows(out, shown[1])
	if life := lifeInWords(shown[1], now); life != "" {
		fmt.Fprintf(out, "\n%s.\n", life)
	}
	if problem != "" {
		fmt.Fprintf(out, "\nPostern would refuse this token: %s.\n", calm(problem))
	}
	return nil
}

// escaped writes what is not printable in JSON as escapes of JSON: nothing of a token may steer a terminal. Without
// white space between its members, JSON has such characters in strings alone.
func escaped(line []byte) []byte {
	var b []byte
	for _, r := range string(line) {
		switch {
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// row is one member of a header or a payload.
type row struct {
	name, value string
	words       string    // of a time
	at          time.Time // of a time
}

// verbs says how a claim that is a time is put into words: what happened, and what will.
func verbs(name string) (past, future string) {
	switch name {
	case "exp":
		return "expired", "expires"
	case "iat":
		return "issued", "to be issued"
	case "nbf":
		return "valid since", "not valid before"
	case "auth_time":
		return "signed in", "to sign in"
	case "updated_at":
		return "updated", "to be updated"
	}
	return "", ""
}

func rows(object string, now time.Time) ([]row, error) {
	var list []row
	err := jose.Object(object, func(name, value string) error {
		r := row{name: calm(name), value: calm(oneLine(value))}
		if s, err := jose.String(value); err == nil && s != "" && s == strings.TrimSpace(s) {
			r.value = calm(s)
		}
		if past, future := verbs(name); past != "" {
			if t, err := jose.NumericDate(value); err == nil {
				verb := future
				if !t.After(now) {
					verb = past
				}
				r.at = t
				r.words = verb + " " + inWords(t, now)
				r.value += "  " + r.words + " (" + stamp(t) + ")"
			}
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

// oneLine takes the white space out of a JSON value.
func oneLine(value string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(value)) != nil {
		return value
	}
	return b.String()
}

func printRows(out io.Writer, list []row) {
	width := 0
	for _, r := range list {
		width = max(width, min(len(r.name), 24))
	}
	for _, r := range list {
		fmt.Fprintf(out, "  %-*s  %s\n", width, r.name, r.value)
	}
}

// lifeInWords sums up: "Issued 3 minutes ago, expires in 57 minutes".
func lifeInWords(claims []row, now time.Time) string {
	var said []string
	for _, name := range []string{"iat", "exp"} {
		for _, r := range claims {
			if r.name == name && r.words != "" {
				said = append(said, r.words)
			}
		}
	}
	if len(said) == 0 {
		return ""
	}
	life := strings.Join(said, ", ")
	return strings.ToUpper(life[:1]) + life[1:]
}
