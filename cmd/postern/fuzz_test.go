package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/posternauth/postern/keys"
)

// FuzzVerifyLines: whatever comes in, each line gets a line of JSON, and only what the key signed is valid.
func FuzzVerifyLines(f *testing.F) {
	key := newKey(f, keys.EdDSA, "k")
	set, err := keys.Static(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	c := &checker{keys: set, now: func() time.Time { return noon }}
	good := sign(f, key, `{"alg":"EdDSA","kid":"k"}`, `{"sub":"u1","exp":`+at(60)+`}`)
	f.Add([]byte(lineOf(f, good)))
	f.Add([]byte("\n\"\"\n\"a.b.c\"\nnull\n\"\\ud800\"\r\n"))
	f.Add([]byte(`"` + b64(`{"alg":"none"}`) + "." + b64(`{"sub":"u1"}`) + `."`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := verifyLines(t.Context(), c, world{bytes.NewReader(in), &out, io.Discard, c.now})
		want := bytes.Count(in, []byte("\n"))
		if len(in) > 0 && in[len(in)-1] != '\n' {
			want++
		}
		lines := strings.SplitAfter(out.String(), "\n")
		lines = lines[:len(lines)-1]
		if len(lines) != want {
			t.Fatalf("%d lines for %d", len(lines), want)
		}
		all := true
		for _, line := range lines {
			var v struct {
				Valid  bool
				Reason string
				Claims map[string]any
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if v.Valid && v.Claims["sub"] != "u1" || v.Valid != (v.Reason == "") {
				t.Fatalf("verdict %s", line)
			}
			all = all && v.Valid
		}
		if (err == nil) != all {
			t.Fatalf("ends with %v although all valid is %v", err, all)
		}
	})
}

// FuzzInspect: nothing a token says reaches the terminal unprintable.
func FuzzInspect(f *testing.F) {
	f.Add(`{"alg":"RS256"}`, `{"sub":"\u001b[2J","exp":1,"iat":9e99,"x":[1,{"y":null}]}`)
	f.Add(`{}`, "{\"a\":\"\u202e\u0085\"}")
	f.Fuzz(func(t *testing.T, header, payload string) {
		var out strings.Builder
		if err := (inspectCommand{}).inspect(&out, b64(header)+"."+b64(payload)+".", noon); err != nil {
			return
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Fatalf("unprintable at %d of %q", i, line)
			}
		}
	})
}
