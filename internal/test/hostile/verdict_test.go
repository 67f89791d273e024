package hostile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// User is what sessions of the kind know.
type User struct {
	UserID string `json:"userID"`
}

// verifiers are the kind that the corpus is for, one for each of its sets of keys.
func verifiers(t testing.TB, c *Corpus) map[string]*session.Kind[User] {
	t.Helper()
	life, err := time.ParseDuration(c.Access)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*session.Kind[User]{}
	for name, set := range static(t, c) {
		s, err := session.New(session.Config{Issuer: c.Issuer, Audience: c.Audience, Keys: set, Leeway: leeway, Now: func() time.Time { return c.Time }})
		if err != nil {
			t.Fatal(err)
		}
		all[name] = session.NewKindConfig(s, session.KindConfig[User]{Name: c.Kind, Access: life})
	}
	return all
}

func static(t testing.TB, c *Corpus) map[string]keys.Verifier {
	t.Helper()
	all := map[string]keys.Verifier{}
	for name, set := range c.JWKS {
		list, err := keys.ParseJWKS(set)
		if err != nil {
			t.Fatalf("set %s: %v", name, err)
		}
		if all[name], err = keys.Static(list...); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// judge shows the cases of some rows of docs/security.md, or of all if none is named, to a verifier: verify returns why
// it refuses a token, or "". The result are its wrong verdicts, by group.
func judge(c *Corpus, verify func(*Case) string, rows ...string) (wrong map[string][]string, shown int) {
	wrong = map[string][]string{}
	for i := range c.Cases {
		one := &c.Cases[i]
		if len(rows) > 0 && !slices.Contains(rows, one.Row) {
			continue
		}
		shown++
		if reason := verify(one); reason != one.Reason {
			verdict := "refused as " + reason
			if reason == "" {
				verdict = "ACCEPTED"
			}
			wrong[one.Group] = append(wrong[one.Group], one.Name+": "+verdict)
		}
	}
	return wrong, shown
}

// rowTest shows the cases of a row to a kind of sessions: right verdicts, for the right reasons.
func rowTest(t *testing.T, rows ...string) {
	t.Helper()
	c := load(t)
	kinds := verifiers(t, c)
	wrong, shown := judge(c, func(one *Case) string {
		s, err := kinds[one.Keys].Verify(t.Context(), one.Text())
		if err == nil && s.Subject != "u1" {
			t.Errorf("%s: %s: accepted for %q", one.Group, one.Name, s.Subject)
		}
		return session.Reason(err)
	}, rows...)
	for group, list := range wrong {
		t.Errorf("%s:\n%s", group, strings.Join(list, "\n"))
	}
	if shown == 0 {
		t.Errorf("no case is of %v", rows)
	}
}

func TestJ1_CorpusAlgNone(t *testing.T)      { rowTest(t, "J1") }
func TestJ2_CorpusAlgConfusion(t *testing.T) { rowTest(t, "J2") }
func TestJ5_CorpusKid(t *testing.T)          { rowTest(t, "J5") }
func TestJ6_CorpusCrit(t *testing.T)         { rowTest(t, "J6") }
func TestJ7_CorpusNested(t *testing.T)       { rowTest(t, "J7") }
func TestJ8_CorpusDuplicates(t *testing.T)   { rowTest(t, "J8") }
func TestJ9_CorpusBase64(t *testing.T)       { rowTest(t, "J9") }
func TestJ10_CorpusCompactForm(t *testing.T) { rowTest(t, "J10") }
func TestJ11_CorpusSignatures(t *testing.T)  { rowTest(t, "J11") }
func TestJ12_CorpusTimes(t *testing.T)       { rowTest(t, "J12") }
func TestJ13_CorpusIssAud(t *testing.T)      { rowTest(t, "J13") }
func TestJ14_CorpusKinds(t *testing.T)       { rowTest(t, "J14") }
func TestJ15_CorpusBounds(t *testing.T)      { rowTest(t, "J15") }

// TestJ4_CorpusKeyInjection: nobody is called for a key. The tokens name an address where somebody listens.
func TestJ4_CorpusKeyInjection(t *testing.T) {
	rowTest(t, "J4")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan string)
	done := make(chan int)
	go func() {
		defer close(called)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			called <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	go func() {
		n := 0
		for range called {
			n++
		}
		done <- n
	}()
	f := newForge(t)
	f.keyInjection("http://" + listener.Addr().String() + "/jwks.json")
	kinds := verifiers(t, load(t))
	for _, one := range f.cases {
		if _, err := kinds[one.Keys].Verify(t.Context(), one.Text()); (err == nil) != one.Accept {
			t.Errorf("%s: %v", one.Name, err)
		}
	}
	// The listener works: one call of the test is counted.
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil { // it hangs up when it has taken the call
		t.Error("the listener sent something")
	}
	conn.Close()
	listener.Close()
	if n := <-done; n != 1 {
		t.Errorf("%d connections for %d tokens", n-1, len(f.cases))
	}
}

// TestCorpus_Signatures holds the layers below session to the corpus: what they decide they decide right, and what is
// left to session is signed as it should be, so that its refusal has no other reason.
func TestCorpus_Signatures(t *testing.T) {
	c := load(t)
	sets := static(t, c)
	for _, one := range c.Cases {
		err := signed(t.Context(), sets[one.Keys], one.Text())
		if want := one.Accept || one.Layer == Claims || one.Layer == Profile; (err == nil) != want {
			t.Errorf("%s: %s: %v", one.Group, one.Name, err)
		}
		if one.Layer == JSON && !one.Accept && !errors.Is(err, errPayload) {
			t.Errorf("%s: %s: refused before its payload was read: %v", one.Group, one.Name, err)
		}
	}
}

var errPayload = errors.New("payload")

// signed is the least that a verifier does.
func signed(ctx context.Context, set keys.Verifier, token string) error {
	tok, err := jose.Parse(token)
	if err != nil {
		return err
	}
	key, err := set.PublicKey(ctx, tok.Kid)
	if err != nil {
		return err
	}
	if string(key.Algorithm()) != tok.Alg {
		return errors.New("algorithm")
	}
	if err := key.Verify(tok.Input, tok.Signature); err != nil {
		return err
	}
	if err := jose.FoldedObject(tok.Payload, func(string, string) error { return nil }); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	return nil
}
