package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
)

type inspectCommand struct {
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
	return inspect(w.out, token, w.now())
}

func inspect(out io.Writer, token string, now time.Time) error {
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
	for i, name := range []string{"header", "payload"} {
		text, ok := jose.DecodeBase64(nil, parts[i])
		if !ok {
			return fmt.Errorf("the %s is not base64url; was the token cut off or changed while copying?", name)
		}
		var err error
		if shown[i], err = rows(string(text), now); err != nil {
			return fmt.Errorf("the %s is not a JSON object: %w", name, err)
		}
	}
	fmt.Fprintln(out, "NOT VERIFIED: this is what the token says of itself.")
	fmt.Fprintln(out, "\nHeader")
	printRows(out, shown[0])
	fmt.Fprintln(out, "\nClaims")
	printRows(out, shown[1])
	if life := lifeInWords(shown[1], now); life != "" {
		fmt.Fprintf(out, "\n%s.\n", life)
	}
	if _, err := jose.Parse(token); err != nil {
		fmt.Fprintf(out, "\nPostern would refuse this token: %s.\n", calm(err.Error()))
	}
	return nil
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
