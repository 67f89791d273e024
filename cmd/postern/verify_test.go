package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// jwksFile writes the public keys to a file.
func jwksFile(t testing.TB, signing ...keys.SigningKey) string {
	t.Helper()
	public := make([]*keys.PublicKey, len(signing))
	for i, k := range signing {
		public[i] = k.Public()
	}
	data, err := keys.JWKS(public)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, string(data))
}

func writeFile(t testing.TB, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const goodHeader = `{"alg":"ES256","kid":"k","typ":"at+jwt"}`

// goodClaims is a legal payload at noon, with members replaced or, by an empty value, left out.
func goodClaims(changes ...string) string {
	order := []string{"iss", "sub", "aud", "iat", "exp"}
	values := map[string]string{
		"iss": `"https://id.example.com"`, "sub": `"u1"`, "aud": `"api"`,
		"iat": fmt.Sprint(noon.Unix() - 60), "exp": fmt.Sprint(noon.Unix() + 3600),
	}
	for i := 0; i < len(changes); i += 2 {
		if _, known := values[changes[i]]; !known {
			order = append(order, changes[i])
		}
		values[changes[i]] = changes[i+1]
	}
	var members []string
	for _, name := range order {
		if values[name] != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, values[name]))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// at is a time some seconds from noon, as a claim.
func at(seconds int64) string { return fmt.Sprint(noon.Unix() + seconds) }

func TestVerify_Reasons(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	other := newKey(t, keys.ES256, "k")
	jwks := jwksFile(t, key, newKey(t, keys.EdDSA, "ed"))
	good := sign(t, key, goodHeader, goodClaims())
	parts := strings.Split(good, ".")
	header := func(h string) string { return sign(t, key, h, goodClaims()) }
	claims := func(changes ...string) string { return sign(t, key, goodHeader, goodClaims(changes...)) }

	for _, tc := range []struct{ name, token, want string }{
		{"good", good, ""},
		{"typ in capitals with prefix", header(`{"alg":"ES256","kid":"k","typ":"application/AT+JWT"}`), ""},
		{"unknown header members", header(`{"alg":"ES256","kid":"k","typ":"at+jwt","x5t":"a","new":1}`), ""},
		{"audience in a list", claims("aud", `["other","api"]`), ""},
		{"fractions of seconds", claims("iat", at(-1)+".5", "exp", at(5)+".25"), ""},
		{"no iat", claims("iat", ""), reasonClaims}, // --max-lifetime needs it
		{"last second, leeway included", claims("exp", at(-9), "iat", at(-60)), ""},
		{"nbf within leeway", claims("nbf", at(10)), ""},

		{"empty", "", reasonMalformed},
		{"two parts", parts[0] + "." + parts[1], reasonMalformed},
		{"padding", good + "=", reasonMalformed},
		{"line break", good + "\n", reasonMalformed},
		{"JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, reasonMalformed},
		{"alg none", b64(`{"alg":"none","typ":"at+jwt"}`) + "." + parts[1] + ".", reasonMalformed},
		{"alg nOnE with the signature", header(`{"alg":"nOnE","kid":"k","typ":"at+jwt"}`), reasonMalformed},
		{"crit", header(`{"alg":"ES256","kid":"k","typ":"at+jwt","crit":["exp"],"exp":1}`), reasonMalformed},
		{"alg twice", header(`{"alg":"ES256","alg":"ES256","kid":"k","typ":"at+jwt"}`), reasonMalformed},
		{"crit null", header(`{"alg":"ES256","kid":"k","typ":"at+jwt","crit":null}`), reasonMalformed},
		{"payload no object", sign(t, key, goodHeader, `"u1"`), reasonMalformed},
		{"claim twice", sign(t, key, goodHeader, strings.Replace(goodClaims(), `"exp"`, `"exp":99999999999,"\u0065xp"`, 1)), reasonMalformed},
		{"claim in another case", claims("EXP", at(9999)), reasonMalformed},
		{"trailing data", sign(t, key, goodHeader, goodClaims()+"{}"), reasonMalformed},
		{"too large", claims("x", `"`+strings.Repeat("x", 20_000)+`"`), reasonTooLarge},

		{"unknown kid", header(`{"alg":"ES256","kid":"nobody","typ":"at+jwt"}`), reasonUnknownKey},
		{"no kid among several keys", header(`{"alg":"ES256","typ":"at+jwt"}`), reasonUnknownKey},
		{"alg of another key", header(`{"alg":"ES256","kid":"ed","typ":"at+jwt"}`), reasonAlgorithm},
		{"alg HS256 with an EC key", header(`{"alg":"HS256","kid":"k","typ":"at+jwt"}`), reasonAlgorithm},
		{"other key, same kid", sign(t, other, goodHeader, goodClaims()), reasonSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", reasonSignature},
		{"payload of another token", parts[0] + "." + b64(goodClaims("sub", `"u2"`)) + "." + parts[2], reasonSignature},

		{"ID token", header(`{"alg":"ES256","kid":"k","typ":"JWT"}`), reasonType},
		{"no typ", header(`{"alg":"ES256","kid":"k"}`), reasonType},
		{"other issuer", claims("iss", `"https://id.example.com/"`), reasonIssuer},
		{"no issuer", claims("iss", ""), reasonIssuer},
		{"issuer in a list", claims("iss", `["https://id.example.com"]`), reasonClaims},
		{"other audience", claims("aud", `"api2"`), reasonAudience},
		{"audience within a string", claims("aud", `"x api y"`), reasonAudience},
		{"no audience", claims("aud", ""), reasonAudience},
		{"empty audience", claims("aud", "[]"), reasonAudience},
		{"audience with a number", claims("aud", `["api",1]`), reasonClaims},
		{"no subject", claims("sub", ""), reasonClaims},
		{"subject a number", claims("sub", "1"), reasonClaims},
		{"no exp", claims("exp", ""), reasonClaims},
		{"exp a string", claims("exp", `"`+at(60)+`"`), reasonClaims},
		{"exp null", claims("exp", "null"), reasonClaims},
		{"exp beyond all time", claims("exp", "1e300"), reasonClaims},
		{"exp wraps in 64 bits", claims("exp", "18446744073709551616"), reasonClaims},
		{"nbf wraps in 64 bits", claims("nbf", "1e300"), reasonClaims},
		{"expired", claims("iat", at(-60), "exp", at(-11)), reasonExpired},
		{"expired now", claims("iat", at(-60), "exp", at(-10)), reasonExpired},
		{"exp long ago", claims("iat", "-3", "exp", "0"), reasonExpired},
		{"nbf tomorrow", claims("nbf", at(86400)), reasonNotYetValid},
		{"from the future", claims("iat", at(11)), reasonNotYetValid},
		{"expired before it was issued", claims("iat", at(9), "exp", at(8)), reasonClaims},
		{"lives too long", claims("exp", at(7201)), reasonLifetime},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := []string{
				"token", "verify", "--jwks", jwks, "--issuer", "https://id.example.com", "--audience", "api", "--typ", "at+jwt",
				"--leeway", "10s", "--max-lifetime", "2h", "--at", noon.Format("2006-01-02T15:04:05Z07:00"),
			}
			out, errs, status := call(t, lineOf(t, tc.token), append(args, "-")...)
			var got struct {
				Valid  *bool           `json:"valid"`
				Reason *string         `json:"reason"`
				Claims json.RawMessage `json:"claims"`
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil || got.Valid == nil || got.Reason == nil || strings.Count(out, "\n") != 1 {
				t.Fatalf("not one verdict in one line: %q %s", out, errs)
			}
			if *got.Valid != (tc.want == "") || *got.Reason != tc.want {
				t.Fatalf("verdict %s, want reason %q", out, tc.want)
			}
			if hasClaims := string(got.Claims) != "null"; hasClaims != *got.Valid {
				t.Errorf("claims %s of a token with valid=%v", got.Claims, *got.Valid)
			}
			if want := map[bool]int{true: 0, false: 1}[*got.Valid]; status != want {
				t.Errorf("status %d, want %d", status, want)
			}
			if tc.token == "" || strings.HasPrefix(tc.token, "-") {
				return
			}
			out2, _, status2 := call(t, "", append(append(args, "--json"), "--", tc.token)...)
			if out2 != out || status2 != status {
				t.Errorf("as an argument it gets %q (%d), as a line %q (%d)", out2, status2, out, status)
			}
		})
	}
}

func TestVerify_UnaskedIsUnchecked(t *testing.T) {
	key := newKey(t, keys.EdDSA, "")
	jwks := jwksFile(t, key)
	token := sign(t, key, `{"alg":"EdDSA"}`, `{"sub":"u1","exp":`+at(1)+`}`)
	if out, _, status := call(t, "", "token", "verify", "--jwks", jwks, token); status != 0 || !strings.HasPrefix(out, "valid\n") || !strings.Contains(out, "Not checked: whom it is for. Use --audience.") {
		t.Errorf("status %d: %s", status, out)
	}
	expired := sign(t, key, `{"alg":"EdDSA"}`, `{"sub":"u1","exp":`+at(0)+`}`)
	out, _, status := call(t, "", "token", "verify", "--jwks", jwks, expired)
	if status != 1 || out != "not valid: expired\n\nthe token expired just now (2026-05-17 12:00:00 UTC).\n" {
		t.Errorf("status %d: %s", status, out)
	}
	for _, when := range []string{"2026-05-17T11:59:59Z", "2026-05-17t13:59:59+02:00", fmt.Sprint(noon.Unix() - 1)} {
		if out, errs, status := call(t, "", "token", "verify", "--jwks", jwks, "--at", when, expired); status != 0 {
			t.Errorf("at %s: status %d: %s%s", when, status, out, errs)
		}
	}
}

func TestJ16_VerifyRefusesBadKeySets(t *testing.T) {
	for name, set := range map[string]string{
		"not JSON":    "<html>",
		"no keys":     `{"keys":[]}`,
		"private key": `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`,
		"huge":        `{"keys":[` + strings.Repeat(" ", maxJWKS) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := call(t, "\"x\"\n", "token", "verify", "--jwks", writeFile(t, set), "-")
			if status != statusUsage || out != "" || !strings.Contains(errs, "--jwks: ") {
				t.Errorf("status %d, %q, %q", status, out, errs)
			}
			if strings.Contains(errs, "nWGxne") {
				t.Errorf("the error shows a private key: %s", errs)
			}
		})
	}
}

// TestVerify_URL checks against a key set that is published, and says so when it is not.
func TestVerify_URL(t *testing.T) {
	key := newKey(t, keys.ES256, "k")
	set, err := keys.JWKS([]*keys.PublicKey{key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched++
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(set)
	}))
	good := lineOf(t, sign(t, key, goodHeader, goodClaims()))
	out, errs, status := call(t, good+good, "token", "verify", "--jwks", server.URL+"/jwks.json", "-")
	if status != 0 || strings.Count(out, `{"valid":true,`) != 2 || fetched != 1 {
		t.Errorf("status %d, %d fetches, %s%s", status, fetched, out, errs)
	}
	server.Close()
	out, _, status = call(t, good, "token", "verify", "--jwks", server.URL+"/jwks.json", "-")
	if status != 1 || out != `{"valid":false,"reason":"keys_unavailable","claims":null}`+"\n" {
		t.Errorf("host down: status %d, %s", status, out)
	}
	for _, where := range []string{"http://id.example.com/jwks", "https://user@id.example.com/jwks", "https://"} {
		if out, errs, status := call(t, good, "token", "verify", "--jwks", where, "-"); status != statusUsage || out != "" || !strings.Contains(errs, "--jwks: ") {
			t.Errorf("%s: status %d, %s%s", where, status, out, errs)
		}
	}
}
