package main

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

func TestVerify_EveryLineGetsALine(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	good := sign(t, key, goodHeader, goodClaims())
	spaced := sign(t, key, goodHeader, "{ \"sub\": \"u\\n1\",\n \"exp\":\t"+at(5)+" }")
	jwks := jwksFile(t, key)
	escaped := strings.ReplaceAll(good, ".", `\u002e`)

	in := lineOf(t, good) + // 1
		"\n" + // 2 empty
		"not JSON\n" + // 3
		good + "\n" + // 4 a token, but not a JSON string
		`"` + good + `" "` + good + `"` + "\n" + // 5 two
		`["` + good + `"]` + "\n" + // 6
		"  \"" + good + "\"\t\r\n" + // 7 white space is JSON
		`"` + escaped + `"` + "\n" + // 8 so are escapes
		"\"\xff\"\n" + // 9
		`"\ud800"` + "\n" + // 10
		"null\n" + // 11
		strings.Repeat("x", 3*maxLine) + "\n" + // 12
		lineOf(t, spaced) + // 13
		`"` + good + `"` // 14 no line break at the end
	want := []string{
		"", reasonMalformed, reasonMalformed, reasonMalformed, reasonMalformed, reasonMalformed, "", "", reasonMalformed,
		reasonMalformed, reasonMalformed, reasonTooLarge, "", "",
	}
	out, errs, status := call(t, in, "token", "verify", "--jwks", jwks, "-")
	const hint = "postern: 8 lines are not JSON strings; put each token in double quotes, for example with jq -R .\n"
	if status != 1 || errs != hint {
		t.Errorf("status %d, %s", status, errs)
	}
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines for %d", len(got), len(want))
	}
	for i, reason := range want {
		valid := "true"
		if reason != "" {
			valid = "false"
		}
		if !strings.HasPrefix(got[i], `{"valid":`+valid+`,"reason":"`+reason+`","claims":`) {
			t.Errorf("line %d: %s, want reason %q", i+1, got[i], reason)
		}
	}
	if wantLast := `{"valid":true,"reason":"","claims":{"sub":"u\n1","exp":` + at(5) + "}}"; got[12] != wantLast {
		t.Errorf("claims are not compact: %s", got[12])
	}
	if out, errs, status := call(t, "", "token", "verify", "--jwks", jwks, "-"); out != "" || errs != "" || status != 0 {
		t.Errorf("no input: %q %q %d", out, errs, status)
	}
}

// TestVerify_BareTokens: a list of tokens as it is copied from somewhere gets one line about what it lacks.
func TestVerify_BareTokens(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	good := sign(t, key, goodHeader, goodClaims())
	args := []string{"token", "verify", "--jwks", jwksFile(t, key), "-"}
	const malformed = `{"valid":false,"reason":"malformed","claims":null}` + "\n"

	out, errs, status := call(t, good+"\n"+lineOf(t, good), args...)
	if status != 1 || !strings.HasPrefix(out, malformed+`{"valid":true,`) || errs != "postern: 1 line is not a JSON string; put the token in double quotes, for example with jq -R .\n" {
		t.Errorf("one bare: status %d, %s%s", status, out, errs)
	}
	out, errs, status = call(t, strings.Repeat(good+"\n", 3), args...)
	if status != 1 || out != strings.Repeat(malformed, 3) || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "3 lines are not JSON strings") || strings.Contains(errs, good) {
		t.Errorf("all bare: status %d, %s%s", status, out, errs)
	}
	out, errs, status = call(t, "\"not a token\"\n", args...) // quoted, and malformed for another reason
	if status != 1 || out != malformed || errs != "" {
		t.Errorf("quoted: status %d, %s%s", status, out, errs)
	}
}

// TestVerify_AnswersAtOnce: who waits for an answer before sending the next token gets it.
func TestVerify_AnswersAtOnce(t *testing.T) {
	jwks := jwksFile(t, newKey(t, keys.ES256, "k"))
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), []string{"token", "verify", "--jwks", jwks, "-"}, world{inR, outW, io.Discard, time.Now})
		outW.Close()
	}()
	buf := make([]byte, 1024)
	for range 3 {
		if _, err := io.WriteString(inW, "\"x\"\n"); err != nil {
			t.Fatal(err)
		}
		n, err := outR.Read(buf)
		if err != nil || string(buf[:n]) != `{"valid":false,"reason":"malformed","claims":null}`+"\n" {
			t.Fatalf("%q %v", buf[:n], err)
		}
	}
	inW.Close()
	if _, err := io.ReadAll(outR); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 1 {
		t.Errorf("status %d", status)
	}
}

// repeat reads as n bytes of s over and over, without holding more than a few of them.
func repeat(s string, n int) io.Reader {
	return &repeated{strings.Repeat(s, 4096), n}
}

type repeated struct {
	s string
	n int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.n > 0 {
		c := copy(p[n:min(len(p), n+r.n)], r.s)
		n += c
		r.n -= c
	}
	return n, nil
}

func TestJ15_VerifyBoundsWork(t *testing.T) {
	const size = 8 << 20
	key := newKey(t, keys.ES256, "k")
	set, err := keys.Static(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{keys: set, now: func() time.Time { return noon }}
	deep := sign(t, key, goodHeader, `{"a":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`)
	for name, in := range map[string]io.Reader{
		"dots":          io.MultiReader(strings.NewReader(`"`), repeat(".", size), strings.NewReader("\"\n")),
		"letters":       io.MultiReader(strings.NewReader(`"`), repeat("a", size), strings.NewReader("\"\n")),
		"escapes":       io.MultiReader(strings.NewReader(`"`), repeat(`\u002e`, size), strings.NewReader("\"\n")),
		"no line break": repeat("a.", size),
		"no JSON":       io.MultiReader(repeat("{", size), strings.NewReader("\n")),
		"deep":          strings.NewReader(`"` + deep + "\"\n"),
		"16 KiB":        io.MultiReader(strings.NewReader(`"`), repeat("a.", 16<<10), strings.NewReader("\"\n")),
		"backslashes":   io.MultiReader(strings.NewReader(`"`), repeat(`\\`, 90<<10), strings.NewReader("\"\n")),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := verifyLines(t.Context(), c, world{in, &out, io.Discard, c.now})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != errInvalid || strings.Count(out.String(), "\n") != 1 || !strings.HasPrefix(out.String(), `{"valid":false`) {
				t.Fatalf("%v: %s", err, out.String())
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("%d bytes allocated", grown)
			}
			// Measured 0.2 ms, where 2 ms are allowed; this leaves room for a machine that is busy.
			if took > 50*time.Millisecond {
				t.Errorf("took %v", took)
			}
			t.Logf("%v", took)
		})
	}
}
