package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

func TestInspect(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	token := sign(t, key, goodHeader, fmt.Sprintf(`{"sub":"u1","type":"user","properties": {"userID": "u1"},"iat":%s,"exp":%s,"nbf":%s,"auth_time":%s}`,
		at(-180), at(3420), at(86400), at(-86400)))
	want := `NOT VERIFIED: this is what the token says of itself.

Header
  alg  ES256
  kid  k
  typ  at+jwt

Claims
  sub         u1
  type        user
  properties  {"userID":"u1"}
  iat         1779019020  issued 3 minutes ago (2026-05-17 11:57:00 UTC)
  exp         1779022620  expires in 57 minutes (2026-05-17 12:57:00 UTC)
  nbf         1779105600  not valid before in 24 hours (2026-05-18 12:00:00 UTC)
  auth_time   1778932800  signed in 24 hours ago (2026-05-16 12:00:00 UTC)

Issued 3 minutes ago, expires in 57 minutes.
`
	for name, in := range map[string][2]string{
		"argument":            {token, ""},
		"input":               {"-", token + "\n"},
		"copied header":       {"Bearer " + token, ""},
		"JSON string":         {"-", `"` + token + `"`},
		"header over a wrong": {"bearer  " + token, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := call(t, in[1], "token", "inspect", in[0])
			if out != want || status != 0 {
				t.Errorf("status %d, %s\n%s\nwant\n%s", status, errs, out, want)
			}
		})
	}
}

func TestInspect_Odd(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	for _, tc := range []struct {
		name, token string
		status      int
		want        string
	}{
		{"alg none", b64(`{"alg":"none"}`) + "." + b64(`{"sub":"u1"}`) + ".", 0, "Postern would refuse this token: malformed token header: alg none"},
		{"expired", sign(t, key, goodHeader, `{"exp":`+at(-7200)+`}`), 0, "expired 2 hours ago"},
		{"exp no time", sign(t, key, goodHeader, `{"exp":"soon"}`), 0, "exp  soon\n"},
		{"opaque", "v1.k.x.y", 1, "three parts"},
		{"encrypted", "a.b.c.d.e", 1, "encrypted token"},
		{"cut off", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MSJ.x", 1, "cut off"},
		{"no JSON", b64("{") + "." + b64("{}") + ".", 1, "the header is not a JSON object"},
		{"nothing", "", 2, "there is no token"},
		{"huge", strings.Repeat("a", 20_000), 1, "longer than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := call(t, "", "token", "inspect", tc.token)
			if status != tc.status || !strings.Contains(out+errs, tc.want) {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
			if status == 0 && !strings.HasPrefix(out, "NOT VERIFIED") {
				t.Errorf("it does not say that nothing was checked: %s", out)
			}
		})
	}
}

// TestInspect_JSON: the header and the claims are those of the token, and nothing claims that they were checked.
func TestInspect_JSON(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	claims := `{"sub":"u1", "properties":{"b":2,"a":[1, null]}, "exp":1779022620, "name":"é \u0085 \U0001F9D1 "}`
	claims = strings.ReplaceAll(claims, `\U0001F9D1`, "\U0001F9D1 \U000e0001")
	out, errs, status := call(t, "", "token", "inspect", "--json", sign(t, key, goodHeader, claims))
	var got struct {
		Verified       *bool
		Header, Claims any
		Problem        string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || errs != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("status %d, %v, %s%s", status, err, out, errs)
	}
	var want any
	if err := json.Unmarshal([]byte(claims), &want); err != nil {
		t.Fatal(err)
	}
	if got.Verified == nil || *got.Verified || !reflect.DeepEqual(got.Claims, want) || got.Header.(map[string]any)["alg"] != "ES256" || got.Problem != "" {
		t.Errorf("%s", out)
	}
	out, _, _ = call(t, "", "token", "inspect", "--json", b64(`{"alg":"none"}`)+"."+b64(`{"sub":"u1"}`)+".")
	if out != `{"verified":false,"header":{"alg":"none"},"claims":{"sub":"u1"},"problem":"malformed token header: alg none is no signature"}`+"\n" {
		t.Errorf("%s", out)
	}
}

// TestL2_TokensCannotForgeTerminalOutput: what a token says reaches the terminal without control characters.
func TestL2_TokensCannotForgeTerminalOutput(t *testing.T) {
	key := newKey(t, keys.EdDSA, "k")
	evil := `{"sub":"u1\u001b[2J\u0007","exp":` + at(60) + `,"a\nvalid":"\u009b31m","b":"\u202egnp.exe","c":["\u001b[1m"],"d":"` + "\u0085" + `"}`
	token := sign(t, key, `{"alg":"EdDSA","kid":"k\u001b]0;x"}`, evil)
	token2 := sign(t, key, `{"alg":"EdDSA","kid":"k"}`, evil)
	jwks := jwksFile(t, key)
	for _, args := range [][]string{
		{"token", "inspect", token}, {"token", "inspect", "--json", token}, {"token", "verify", "--jwks", jwks, token2}, {"token", "verify", "--jwks", jwks, token},
		{"token", "verify", "--jwks", jwks, "x.\x1b[1m.y"},
	} {
		out, errs, _ := call(t, "", args...)
		if i := strings.IndexFunc(out+errs, func(r rune) bool {
			return r != '\n' && (r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u202e')
		}); i >= 0 {
			t.Errorf("%v: control character at %d: %q", args[1], i, (out + errs)[i:])
		}
		if strings.Contains(out, "\nvalid:") || strings.Contains(out, "a\nvalid") {
			t.Errorf("a claim made a line:\n%s", out)
		}
	}
}

func TestInWords(t *testing.T) {
	for _, tc := range []struct {
		d    time.Duration
		want string
	}{
		{0, "just now"}, {-999 * time.Millisecond, "just now"}, {time.Second, "in 1 second"}, {-89 * time.Second, "89 seconds ago"},
		{90 * time.Second, "in 2 minutes"}, {-57 * time.Minute, "57 minutes ago"}, {89*time.Minute + 59*time.Second, "in 90 minutes"},
		{90 * time.Minute, "in 2 hours"}, {-24 * time.Hour, "24 hours ago"}, {36 * time.Hour, "in 2 days"}, {30 * 24 * time.Hour, "in 30 days"},
		{-61 * 24 * time.Hour, "2 months ago"}, {10 * 365 * 24 * time.Hour, "in 10 years"},
	} {
		if got := inWords(noon.Add(tc.d), noon); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.d, got, tc.want)
		}
	}
}

func TestKeys(t *testing.T) {
	dir := t.TempDir() + "/data"
	if out, errs, status := call(t, "", "keys", "list", "--data", dir); status != 1 || out != "" || !strings.Contains(errs, "postern keys rotate --data "+dir) {
		t.Errorf("no folder: %d %s%s", status, out, errs)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("keys list made a folder")
	}
	out, errs, status := call(t, "", "keys", "rotate", "--data", dir, "--alg", "ES256")
	if status != 0 || !strings.Contains(out, "(ES256)\nIt signs from now on.") {
		t.Fatalf("first key: %d %s%s", status, out, errs)
	}
	first := strings.Fields(out)[2]
	out, errs, status = call(t, "", "keys", "rotate", "--data", dir, "--alg", "EdDSA")
	if status != 0 || !strings.Contains(out, "(EdDSA)\nIt is published now and signs in 3 hours (2026-05-17 15:00:00 UTC).") {
		t.Fatalf("second key: %d %s%s", status, out, errs)
	}
	second := strings.Fields(out)[2]
	out, _, _ = call(t, "", "keys", "list", "--data", dir)
	lines := strings.Split(out, "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[1], second+"  EdDSA      pending  just now  signs in 3 hours") ||
		!strings.HasPrefix(lines[2], first+"  ES256      signing  just now  signs until") {
		t.Errorf("list:\n%s", out)
	}
	for i, want := range []string{"secret     pending  just now  seals in 3 hours", "secret     signing  just now  seals until"} {
		if len(lines) == 6 && !strings.Contains(lines[3+i], want) {
			t.Errorf("list, line %d does not have %q:\n%s", 3+i, want, out)
		}
	}
	out, _, status = call(t, "", "keys", "jwks", "--data", dir)
	if set, err := keys.ParseJWKS([]byte(out)); err != nil || len(set) != 2 || status != 0 || strings.Contains(out, `"d"`) {
		t.Errorf("JWKS: %v %s", err, out)
	}
	if out, errs, status := call(t, "", "keys", "revoke", first, "--data", dir); status != 0 || !strings.Contains(out, "Revoked:  "+first) {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	out, _, _ = call(t, "", "keys", "list", "--data", dir)
	if !strings.Contains(out, "ES256      revoked  just now  revoked just now") || !strings.Contains(out, "EdDSA      signing") {
		t.Errorf("after revoking:\n%s", out)
	}
	if _, errs, status := call(t, "", "keys", "revoke", "nobody", "--data", dir); status != 1 || !strings.Contains(errs, "keys list") {
		t.Errorf("unknown key: %d %s", status, errs)
	}
}

// TestKeys_HyphenFirst: a key ID that starts like a flag is a key ID, wherever it stands.
func TestKeys_HyphenFirst(t *testing.T) {
	dir := t.TempDir() + "/data"
	if _, errs, status := call(t, "", "keys", "rotate", "--data", dir, "--alg", "EdDSA"); status != 0 {
		t.Fatal(errs)
	}
	for _, kid := range []string{"-fNs7WVeCxqod9V_wKRXtujXBf06q-gyPvBTY75UJLk", "--data7WVeCxqod9V_wKRXtujXBf06q-gyPvBTY75UJ"} {
		for _, args := range [][]string{
			{"keys", "revoke", kid, "--data", dir}, {"keys", "revoke", "--data", dir, kid}, {"keys", "revoke", "--data", dir, "--", kid},
		} {
			if _, errs, status := call(t, "", args...); status != statusNo || !strings.Contains(errs, `the ring has no key "`+kid+`"`) {
				t.Errorf("%v: %d %s", args, status, errs)
			}
		}
	}
	if _, errs, status := call(t, "", "keys", "revoke", "-f"); status != statusUsage || !strings.Contains(errs, "unknown flag -f") {
		t.Errorf("a flag that does not exist: %d %s", status, errs)
	}
}

// TestK4_FolderIsPrivate: what opens the vault is refused once others may have read it, and is never replaced.
func TestK4_FolderIsPrivate(t *testing.T) {
	dir := t.TempDir() + "/data"
	if _, errs, status := call(t, "", "keys", "rotate", "--data", dir, "--alg", "EdDSA"); status != 0 {
		t.Fatal(errs)
	}
	key := folder(dir).file(vaultKeyFile)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := call(t, "", "keys", "list", "--data", dir); status != 1 || !strings.Contains(errs, "chmod 600") {
		t.Errorf("readable by others: %d %s", status, errs)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := call(t, "", "keys", "rotate", "--data", dir); status != 1 || !strings.Contains(errs, "bring it back") {
		t.Errorf("gone: %d %s", status, errs)
	}
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := call(t, "", "keys", "list", "--data", dir); status != 1 || !strings.Contains(errs, "32 bytes") {
		t.Errorf("wrong: %d %s", status, errs)
	}
}
