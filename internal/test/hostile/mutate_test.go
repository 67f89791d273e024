package hostile

import (
	"context"
	"encoding/base64"
	"flag"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern/session"
)

var mutations = flag.Int("mutations", 0, "random mutations of good tokens to try; 0: a million, or a tenth of that with -race or -short")

// stock is what mutants are made of: good tokens to be spoiled, and others whose parts are put into them.
type stock struct {
	good  []string // weighted: what is cheap to check is there more often
	parts [3][]string
	known map[string]bool // tokens as they were signed: to make one of these is no mutation
}

func newStock(f *forge) *stock {
	s := &stock{known: map[string]bool{}}
	for _, key := range []struct {
		kid    string
		weight int
	}{{"hs256", 16}, {"rs256", 6}, {"ps256", 4}, {"es256", 6}, {"eddsa", 5}, {"es384", 1}, {"es512", 1}} {
		kid := key.kid
		for _, sub := range []string{"u1", "u2"} {
			token := f.token(kid, header(kid), claims("sub", `"`+sub+`"`))
			for range key.weight {
				s.good = append(s.good, token)
			}
			// The same, but expired, for others and by others.
			s.take(token, f.token(kid, header(kid), claims("sub", `"`+sub+`"`, "exp", at(-100))), f.token(kid, header(kid), claims("type", `"admin"`, "aud", `"other"`)),
				f.token("attacker", header(kid), claims("sub", `"`+sub+`"`)))
		}
	}
	return s
}

func (s *stock) take(tokens ...string) {
	for _, token := range tokens {
		s.known[token] = true
		for i, part := range strings.Split(token, ".") {
			s.parts[i] = append(s.parts[i], part)
		}
	}
}

// mutant returns a good token after one to four mutations.
func (s *stock) mutant(r *rand.Rand) string {
	for {
		token := pick(r, s.good)
		n := 1
		if r.IntN(4) == 0 {
			n = 2 + r.IntN(3)
		}
		for range n {
			token = s.mutate(r, token)
		}
		if !s.known[token] {
			return token
		}
	}
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (s *stock) mutate(r *rand.Rand, token string) string {
	if token == "" {
		return pick(r, s.good)[:1]
	}
	i := r.IntN(len(token))
	j := min(len(token), i+1+r.IntN(12))
	switch r.IntN(16) {
	case 0: // a bit
		return token[:i] + string([]byte{token[i] ^ 1<<r.IntN(8)}) + token[i+1:]
	case 1: // a byte
		return token[:i] + string([]byte{byte(r.IntN(256))}) + token[i+1:]
	case 2: // a digit
		return token[:i] + digits[r.IntN(64):][:1] + token[i+1:]
	case 3: // some bytes less
		return token[:i] + token[j:]
	case 4: // some digits more
		more := ""
		for range j - i {
			more += digits[r.IntN(64):][:1]
		}
		return token[:i] + more + token[i:]
	case 5: // some bytes twice
		return token[:j] + token[i:]
	case 6: // cut off behind or in front
		if r.IntN(2) == 0 {
			return token[:i]
		}
		return token[i:]
	case 7: // two places changed for one another
		k := r.IntN(len(token))
		b := []byte(token)
		b[i], b[k] = b[k], b[i]
		return string(b)
	case 8: // letters of the other case
		b := []byte(token)
		for k := i; k < j; k++ {
			if b[k]|0x20 >= 'a' && b[k]|0x20 <= 'z' {
				b[k] ^= 0x20
			}
		}
		return string(b)
	case 9: // what lenient readers pass over
		return token[:i] + pick(r, []string{"=", "==", " ", "\n", "\r\n", "\t", "\x00", ".", "%3D", "\u200b", "+", "/"}) + token[i:]
	}
	return s.mutatePart(r, token)
}

// mutatePart changes one of the parts as what it is.
func (s *stock) mutatePart(r *rand.Rand, token string) string {
	parts := strings.SplitN(token, ".", 3)
	i := r.IntN(len(parts))
	raw, _ := base64.RawURLEncoding.DecodeString(parts[i])
	switch b := raw; r.IntN(6) {
	case 0: // that of another token
		parts[i] = pick(r, s.parts[i])
	case 1: // that of another place
		parts[i] = pick(r, s.parts[r.IntN(3)])
	case 2: // a bit of what it holds
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		parts[i] = b64(string(b))
	case 3: // a number of what it holds
		if len(b) > 0 {
			b[r.IntN(len(b))] = pick(r, []byte{0, 1, 0x7f, 0x80, 0xff, '"', '9', '}', '\\', ' '})
		}
		parts[i] = b64(string(b))
	case 4: // a byte less or more of what it holds
		at := r.IntN(len(b) + 1)
		if r.IntN(2) == 0 && at < len(b) {
			b = append(b[:at:at], b[at+1:]...)
		} else {
			b = append(b[:at:at], append([]byte{byte(r.IntN(256))}, b[at:]...)...)
		}
		parts[i] = b64(string(b))
	case 5: // another header
		kid := pick(r, []string{"hs256", "rs256", "ps256", "es256", "eddsa", "nobody"})
		parts[0] = b64(header(kid, pick(r, []string{"alg", "kid", "typ", "crit", "jwk", "x"}),
			pick(r, []string{`"none"`, `"HS256"`, `"RS256"`, `"ES256"`, `"rs256"`, `"es256"`, `"JWT"`, `"at+jwt"`, `["exp"]`, "null", "1", ""})))
	}
	return strings.Join(parts, ".")
}

// TestS2_AMillionMutations spoils good tokens at random, from fixed seeds, and shows each to a verifier that has just
// seen the good ones. 0 of 10^6 accepted says that fewer than 3 in 10^6 would be (95 %); -mutations takes more.
func TestS2_AMillionMutations(t *testing.T) {
	const streams = 16 // each with its own seed, so that the mutants do not depend on the machine
	f := newForge(t)
	s := newStock(f)
	kinds := verifiers(t, load(t))
	verify := func(ctx context.Context, token string) error {
		_, err := kinds["main"].Verify(ctx, token)
		if err != nil && session.Reason(err) == "unknown_key" {
			_, err = kinds["secret"].Verify(ctx, token)
		}
		return err
	}
	for _, token := range s.good {
		if err := verify(t.Context(), token); err != nil {
			t.Fatalf("a good token is refused: %v", err)
		}
	}
	n := *mutations
	if n == 0 {
		n = 1_000_000
		if testing.Short() || raceDetector {
			n /= 10
		}
	}
	var mu sync.Mutex
	reasons := map[string]int{}
	var wg sync.WaitGroup
	for stream := range streams {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(2026, uint64(stream)))
			own := map[string]int{}
			for i := stream; i < n; i += streams {
				token := s.mutant(r)
				err := verify(t.Context(), token)
				if err == nil {
					t.Errorf("ACCEPTED: %q", token)
				}
				own[session.Reason(err)]++
			}
			mu.Lock()
			defer mu.Unlock()
			for reason, count := range own {
				reasons[reason] += count
			}
		})
	}
	wg.Wait()
	total := 0
	for _, count := range reasons {
		total += count
	}
	if total != n {
		t.Errorf("%d mutants were tried, not %d", total, n)
	}
	// A mutant that is refused for its form says little of the rest; many must get as far as their signature.
	for _, reason := range []string{"malformed", "algorithm", "unknown_key", "typ", "signature"} {
		if reasons[reason] < n/1000 {
			t.Errorf("only %d of %d mutants were refused as %q", reasons[reason], n, reason)
		}
	}
	t.Logf("%d mutants, refused as: %v", n, reasons)
}
