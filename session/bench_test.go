package session_test

import (
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// benchmarkWorld has a kind that remembers nothing, the world's kind that does, and a token of each of the size of
// everyday ones.
func benchmarkWorld(t testing.TB, alg keys.Algorithm) (w *world, full, cached measured) {
	w = newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.StaticSigner(must(keys.Generate(alg))(t)))(t)
	})
	g := w.grant()
	g.Roles = []string{"owner", "editor", "viewer"}
	uncached := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "uncached", Cache: -1})
	full = measured{"full", uncached, must(uncached.Create(t.Context(), g))(t).Access}
	cached = measured{"hit", w.user, must(w.user.Create(t.Context(), g))(t).Access}
	must(w.user.Verify(t.Context(), cached.token))(t)
	return w, full, cached
}

// measured is a way to check a token.
type measured struct {
	name  string
	kind  *session.Kind[User]
	token string
}

var algorithms = []keys.Algorithm{keys.RS256, keys.ES256, keys.EdDSA}

// bare returns the signature check alone.
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
		w, full, cached := benchmarkWorld(b, alg)
		b.Run(string(alg)+"/bare", func(b *testing.B) {
			check := bare(b, w, full.token)
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
		for _, m := range []measured{full, cached} {
			b.Run(string(alg)+"/"+m.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.kind.Verify(b.Context(), m.token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkVerify_Refused(b *testing.B) {
	w, _, cached := benchmarkWorld(b, keys.ES256)
	other, _, _ := benchmarkWorld(b, keys.ES256)
	for _, m := range []measured{{"unknown key", other.user, cached.token}, {"malformed", w.user, "eyJhbGciOiJub25lIn0.e30."}} {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.kind.Verify(b.Context(), m.token); err == nil {
					b.Fatal("taken")
				}
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, alg := range algorithms {
		w, _, _ := benchmarkWorld(b, alg)
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
	w, full, cached := benchmarkWorld(b, keys.EdDSA)
	for _, m := range []measured{full, cached} {
		h := m.kind.Require(w.whoami(), session.Scope("orders:read"))
		for _, from := range [][3]string{
			{"bearer", "Authorization", "Bearer " + m.token},
			{"cookie", "Cookie", session.CookieNameOf(m.kind) + "=" + m.token},
		} {
			b.Run(from[0]+"/"+m.name, func(b *testing.B) {
				r := request("GET", "/", from[1], from[2])
				b.ReportAllocs()
				for b.Loop() {
					if rec := serve(h, r); rec.Code != 200 {
						b.Fatal(rec.Code)
					}
				}
			})
		}
	}
}

// TestVerify_Allocations keeps verification from growing: what it allocates beyond the signature check is the decoded
// token and the session with its lists.
func TestVerify_Allocations(t *testing.T) {
	for _, alg := range algorithms {
		w, full, _ := benchmarkWorld(t, alg)
		base := testing.AllocsPerRun(100, bare(t, w, full.token))
		got := testing.AllocsPerRun(100, func() {
			if _, err := full.kind.Verify(t.Context(), full.token); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v allocations, %v of them the signature's", alg, got, base)
		if got <= base {
			t.Errorf("%s: %v allocations, no more than the signature check: this is not a whole verification", alg, got)
		}
		if got-base > 5 {
			t.Errorf("%s: %v allocations above the signature check", alg, got-base)
		}
	}
}

// TestVerify_AllocationsOfAHit: a remembered token costs one allocation, the session that is returned.
func TestVerify_AllocationsOfAHit(t *testing.T) {
	for _, alg := range algorithms {
		_, _, cached := benchmarkWorld(t, alg)
		got := testing.AllocsPerRun(100, func() {
			if _, err := cached.kind.Verify(t.Context(), cached.token); err != nil {
				t.Fatal(err)
			}
		})
		if got != 1 {
			t.Errorf("%s: %v allocations by Verify, want 1", alg, got)
		}
	}
}
