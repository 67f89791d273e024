package session_test

import (
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// benchmarkWorld has a kind whose tokens are of the size of everyday ones.
func benchmarkWorld(t testing.TB, alg keys.Algorithm) (*world, string) {
	w := newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.StaticSigner(must(keys.Generate(alg))(t)))(t)
	})
	g := w.grant()
	g.Roles = []string{"owner", "editor", "viewer"}
	return w, must(w.user.Create(t.Context(), g))(t).Access
}

var algorithms = []keys.Algorithm{keys.RS256, keys.ES256, keys.EdDSA}

// bare returns the signature check alone, which is what verification cannot do without.
func bare(t testing.TB, w *world, token string) func() {
	tok := must(jose.Parse(token))(t)
	key := must(w.sessions.Verifier().PublicKey(t.Context(), tok.Kid))(t)
	return func() {
		if err := key.Verify(tok.Input, tok.Signature); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		w, token := benchmarkWorld(b, alg)
		b.Run(string(alg)+"/bare", func(b *testing.B) {
			check := bare(b, w, token)
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
		b.Run(string(alg)+"/session", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.user.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify_Refused(b *testing.B) {
	w, token := benchmarkWorld(b, keys.ES256)
	other, _ := benchmarkWorld(b, keys.ES256)
	for name, k := range map[string]*session.Kind[User]{"unknown key": other.user} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Verify(b.Context(), token); err == nil {
					b.Fatal("taken")
				}
			}
		})
	}
	b.Run("malformed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.user.Verify(b.Context(), "eyJhbGciOiJub25lIn0.e30."); err == nil {
				b.Fatal("taken")
			}
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	for _, alg := range algorithms {
		w, _ := benchmarkWorld(b, alg)
		g := w.grant()
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.user.Create(b.Context(), g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRequire(b *testing.B) {
	w, token := benchmarkWorld(b, keys.EdDSA)
	h := w.user.Require(w.whoami(), session.Scope("orders:read"))
	for name, header := range map[string][2]string{"bearer": {"Authorization", "Bearer " + token}, "cookie": {"Cookie", w.cookieName() + "=" + token}} {
		b.Run(name, func(b *testing.B) {
			r := request("GET", "/", header[0], header[1])
			b.ReportAllocs()
			for b.Loop() {
				if rec := serve(h, r); rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}

// TestVerify_Allocations keeps verification from growing: what it allocates beyond the signature check is the decoded
// token and the session with its lists.
func TestVerify_Allocations(t *testing.T) {
	for _, alg := range algorithms {
		w, token := benchmarkWorld(t, alg)
		base := testing.AllocsPerRun(100, bare(t, w, token))
		got := testing.AllocsPerRun(100, func() {
			if _, err := w.user.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v allocations, %v of them the signature's", alg, got, base)
		if got-base > 5 {
			t.Errorf("%s: %v allocations above the signature check", alg, got-base)
		}
	}
}
