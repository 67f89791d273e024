package session_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestJ14_KindMatrix gives every value of this issuer, and some of others, to every function that takes one. Each
// is accepted by the function it is for, and by no other.
func TestJ14_KindMatrix(t *testing.T) {
	w := newWorld(t)
	other := must(keys.Generate(keys.RS256))(t)
	partner := must(session.NewExternal[map[string]any](session.ExternalConfig{
		Issuer: "https://partner.example", Audience: audience, Algorithms: []keys.Algorithm{keys.RS256}, Type: "at+jwt",
		Keys: must(keys.Static(other.Public()))(t), Now: w.Now,
	}))(t)
	stranger := newWorld(t) // the same issuer and kinds, other keys

	good := w.claims()
	id := w.claims()
	id["nonce"] = "n"
	foreign := w.with("iss", "https://partner.example")
	verifier := strings.Repeat("v", 43)
	tokens := map[string]string{
		"user":             w.token(),
		"apikey":           must(w.apikey.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t).Access,
		"partner":          w.signAs(other, "at+jwt", foreign),
		"code":             w.code(verifier),
		"sealed":           must(seal.Seal(t.Context(), w.sessions.Secrets(), "flow", must(json.Marshal(good))(t), issuer))(t),
		"ID token":         w.signAs(w.key, "JWT", id),
		"untyped":          w.signAs(w.key, "", good),
		"logout token":     w.signAs(w.key, "logout+jwt", good),
		"DPoP proof":       w.signAs(w.key, "dpop+jwt", good),
		"link":             w.signAs(w.key, "link+jwt", good),
		"partner ID token": w.signAs(other, "JWT", foreign),
		"stranger's":       stranger.token(),
		"session id":       must(w.user.Create(t.Context(), w.grant()))(t).SessionID,
	}
	takers := map[string]func(string) bool{
		"user":    func(s string) bool { _, err := w.user.Verify(t.Context(), s); return err == nil },
		"apikey":  func(s string) bool { _, err := w.apikey.Verify(t.Context(), s); return err == nil },
		"partner": func(s string) bool { _, err := partner.Verify(t.Context(), s); return err == nil },
		"sealed": func(s string) bool {
			_, err := seal.Open(t.Context(), w.sessions.Secrets(), "flow", s, issuer)
			return err == nil
		},
		"code": func(s string) bool {
			return w.redeem(url.Values{"grant_type": {"authorization_code"}, "code": {s}, "code_verifier": {verifier},
				"redirect_uri": {app}, "client_id": {audience}}).Code == 200
		},
		"user by Bearer": func(s string) bool {
			return serve(w.user.Require(w.whoami()), request("GET", "/", "Authorization", "Bearer "+s)).Code == 200
		},
		"apikey by cookie": func(s string) bool {
			return serve(w.apikey.Require(w.whoami()), request("GET", "/", "Cookie", session.CookieNameOf(w.apikey)+"="+s)).Code == 200
		},
	}
	for name, token := range tokens {
		for taker, takes := range takers {
			want, _, _ := strings.Cut(taker, " by ")
			if got := takes(token); got != (name == want) {
				t.Errorf("%s shown to %s: taken = %v", name, taker, got)
			}
		}
	}
}

const app = "https://app.example.com/callback"

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// code signs a user in by Code and returns the code.
func (w *world) code(verifier string) string {
	w.t.Helper()
	rec := httptest.NewRecorder()
	err := w.user.Code(rec, request("GET", "/"), w.grant(), returnto.New(app, "", s256(verifier), ""))
	if err != nil {
		w.t.Fatal(err)
	}
	return must(url.Parse(rec.Header().Get("Location")))(w.t).Query().Get("code")
}

func (w *world) redeem(form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", issuer+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return serve(w.sessions.Handler(), r)
}

// TestS2_Mutations spoils a good token in a thousand ways, cuts it at every place, and extends it. Seeds are fixed.
func TestS2_Mutations(t *testing.T) {
	w := newWorld(t)
	good := w.token()
	taken := func(s string) bool {
		_, err := w.user.Verify(t.Context(), s)
		return err == nil
	}
	if !taken(good) {
		t.Fatal("the good token is refused")
	}
	for i := range good {
		if taken(good[:i]) {
			t.Errorf("cut after %d bytes it is taken", i)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00\xff"
	random := rand.New(rand.NewPCG(1, 2))
	other := w.token()
	a, b := strings.Split(good, "."), strings.Split(other, ".")
	mutants := map[string]bool{}
	for len(mutants) < 1000 {
		m := []byte(good)
		at := random.IntN(len(m))
		switch random.IntN(6) {
		case 0: // another character
			m[at] = alphabet[random.IntN(len(alphabet))]
		case 1: // another bit
			m[at] ^= 1 << random.IntN(8)
		case 2: // one less
			m = append(m[:at], m[at+1:]...)
		case 3: // one more
			m = append(m[:at], append([]byte{alphabet[random.IntN(len(alphabet))]}, m[at:]...)...)
		case 4: // letters of the other case
			for i := at; i < min(at+1+random.IntN(8), len(m)); i++ {
				m[i] ^= 0x20
			}
		case 5: // two places changed for one another
			to := random.IntN(len(m))
			m[at], m[to] = m[to], m[at]
		}
		if s := string(m); s != good {
			mutants[s] = true
		}
	}
	for _, s := range []string{good + "A", good + ".", "." + good, good + good, strings.ToUpper(good), strings.ToLower(good),
		a[0] + "." + a[1] + "." + b[2], a[0] + "." + b[1] + "." + a[2], a[1] + "." + a[0] + "." + a[2], a[0] + ".." + a[2], ".." + a[2]} {
		mutants[s] = true
	}
	for s := range mutants {
		if taken(s) {
			t.Errorf("a mutant is taken: %q", s)
		}
	}
}
