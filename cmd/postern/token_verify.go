package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/posternauth/postern/internal/jose"
)

type verifyCommand struct {
	Token string `arg:"" help:"The token, or - to read many from standard input: JSON strings, that is tokens in double quotes, one a line."`

	JWKS        string  `name:"jwks" required:"" placeholder:"FILE|URL" help:"The issuer's public keys: a file, or an address (https, or http on this machine)."`
	Issuer      string  `placeholder:"URL" help:"Require this iss."`
	Audience    string  `placeholder:"NAME" help:"Require that aud is, or contains, this."`
	Typ         string  `placeholder:"TYPE" help:"Require this header typ; access tokens have at+jwt."`
	Leeway      span    `default:"0s" placeholder:"DURATION" help:"Clock difference to forgive, at most 60s. Default: none."`
	MaxLifetime span    `placeholder:"DURATION" help:"Refuse tokens made to live longer than this, from iat to exp, such as 24h. Postern dates iat back by 30s, so allow for that."`
	At          *moment `placeholder:"TIME" help:"Check as if it were this moment: 2026-01-31T12:00:00Z, or seconds since 1970."`
	JSON        bool    `name:"json" help:"Answer with one line of JSON; always on with -."`
}

// Help is shown below the usage line.
func (verifyCommand) Help() string {
	return `The signature, the strict form of the token, its expiry (exp) and a subject (sub) are always checked. Issuer, audience, type and lifetime are checked only if you ask for them by their flags, and a service that trusts a token must ask for the first two.

With - every line of the input must be a JSON string: a token in double quotes; a bare one is malformed. Every line gets one line of output, in order, so that results can be matched to tokens:

  {"valid":true,"reason":"","claims":{"sub":"u1"}}
  {"valid":false,"reason":"expired","claims":null}

The claims of a token that is not valid are never shown. A reason is one of: too_large, malformed, algorithm, unknown_key, keys_unavailable, signature, type, claims, issuer, audience, expired, not_yet_valid, lifetime.

The exit status is 0 if all tokens are valid, 1 if one is not, 2 if the command line or the JWKS is wrong.

Example, where tokens.txt holds one token a line, without quotes:

  jq -R . tokens.txt | postern token verify - --typ at+jwt \
    --jwks https://api.example.com/auth/.well-known/jwks.json \
    --issuer https://api.example.com/auth --audience api

Without jq, this puts the quotes around:

  sed 's/.*/"&"/' tokens.txt`
}

// Run checks the token or the tokens.
func (c verifyCommand) Run(ctx context.Context, w world) error {
	check, err := c.checker(w.now)
	if err != nil {
		return err
	}
	if c.Token == "-" {
		return verifyLines(ctx, check, w)
	}
	claims, refused := check.check(ctx, c.Token)
	switch {
	case c.JSON:
		if _, err := w.out.Write(appendVerdict(nil, claims, refused)); err != nil {
			return err
		}
	case refused != nil:
		fmt.Fprintf(w.out, "not valid: %s\n\n%s.\n", refused.code, calm(refused.Error()))
	default:
		list, _ := rows(claims, check.now()) // it was read before
		fmt.Fprintln(w.out, "valid")
		fmt.Fprintln(w.out)
		printRows(w.out, list)
		c.unchecked(w.out)
	}
	if refused != nil {
		return errInvalid
	}
	return nil
}

// unchecked reminds of what a service must ask for.
func (c verifyCommand) unchecked(out io.Writer) {
	for _, f := range []struct{ value, flag, why string }{
		{c.Issuer, "--issuer", "who issued it"},
		{c.Audience, "--audience", "whom it is for"},
		{c.Typ, "--typ", "that it is an access token (at+jwt)"},
	} {
		if f.value == "" {
			fmt.Fprintf(out, "\nNot checked: %s. Use %s.", f.why, f.flag)
		}
	}
	if c.Issuer == "" || c.Audience == "" || c.Typ == "" {
		fmt.Fprintln(out)
	}
}

func (c verifyCommand) checker(now func() time.Time) (*checker, error) {
	const maxLeeway = time.Minute // a larger difference of clocks is an outage
	if time.Duration(c.Leeway) > maxLeeway {
		return nil, usagef("--leeway is at most 60s")
	}
	if c.At != nil {
		at := time.Time(*c.At)
		now = func() time.Time { return at }
	}
	verifier, err := openJWKS(c.JWKS)
	if err != nil {
		return nil, usageError{err.Error()}
	}
	return &checker{
		keys: verifier, issuer: c.Issuer, audience: c.Audience, typ: c.Typ,
		leeway: time.Duration(c.Leeway), maxLifetime: time.Duration(c.MaxLifetime), now: now,
	}, nil
}

// verifyLines answers each line of the input with one line. What it answers is for programs; for a person who forgot
// the quotes there is a hint beside it.
func verifyLines(ctx context.Context, c *checker, w world) error {
	all, bare := true, 0
	input, output := newLines(w.in), bufio.NewWriter(w.out)
	var buf []byte
	for {
		line, tooLong, err := input.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading tokens from standard input: %w", err)
		}
		claims, refused := "", refuse(reasonTooLarge, "")
		if !tooLong {
			if token, ok := lineToken(line); ok {
				claims, refused = c.check(ctx, token)
			} else {
				bare++
				refused = refuse(reasonMalformed, "")
			}
		}
		all = all && refused == nil
		buf = appendVerdict(buf[:0], claims, refused)
		_, _ = output.Write(buf)     // Flush returns the error
		if input.r.Buffered() == 0 { // a program that writes one token at a time gets one answer at a time
			if err := output.Flush(); err != nil {
				return fmt.Errorf("writing results: %w", err)
			}
		}
	}
	if err := output.Flush(); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	const how = "in double quotes, for example with jq -R ."
	switch {
	case bare == 1:
		fmt.Fprintln(w.err, "postern: 1 line is not a JSON string; put the token", how)
	case bare > 1:
		fmt.Fprintf(w.err, "postern: %d lines are not JSON strings; put each token %s\n", bare, how)
	}
	if !all {
		return errInvalid
	}
	return nil
}

// lineToken reads a line that is one JSON string.
func lineToken(line []byte) (string, bool) {
	line = bytes.Trim(line, " \t")
	if len(line) == 0 || line[0] != '"' {
		return "", false
	}
	text := string(line)
	if jose.Valid(text) != nil {
		return "", false
	}
	token, err := jose.String(text)
	return token, err == nil
}

// appendVerdict writes one line of JSON.
func appendVerdict(dst []byte, claims string, refused *refusal) []byte {
	if refused != nil {
		dst = append(dst, `{"valid":false,"reason":"`...)
		return append(append(dst, refused.code...), "\",\"claims\":null}\n"...)
	}
	dst = append(dst, `{"valid":true,"reason":"","claims":`...)
	buf := bytes.NewBuffer(dst)
	if err := json.Compact(buf, []byte(claims)); err != nil { // the claims were read as JSON, so they are
		panic(err)
	}
	return append(buf.Bytes(), "}\n"...)
}
