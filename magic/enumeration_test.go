package magic_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
)

// An address that has signed in before, one that never did, and one that the mail server refuses get the same answers.
func TestA8_SameAnswerForEveryAddress(t *testing.T) {
	for _, provider := range []string{"link", "code", "both"} {
		for _, accept := range []string{"text/html", "application/json"} {
			w := newWorld(t, change{config: magic.Config{PerAddress: 100}})
			first := w.browser()
			state, m := first.mustAsk("code", "known@example.com", "")
			first.guess("code", state, m.Code)
			w.signedIn()
			w.sendErr = func(m magic.Message) error {
				if strings.HasPrefix(m.To, "kaput@") {
					return errors.New("550 no such user")
				}
				return nil
			}
			var seen []string
			for _, address := range []string{"known@example.com", "knoll@example.com", "kaput@example.com"} {
				c := w.browser()
				c.header.Set("Accept", accept)
				a := c.post(issuer+"/"+provider+"/authorize", url.Values{"email": {address}})
				state := stateOf(t, a)
				page := c.get(issuer + "/" + provider + "/callback?state=" + state)
				bad := c.guess(provider, state, "x")
				seen = append(seen, describe(a, state)+describe(page, state)+describe(bad, state))
			}
			if seen[0] != seen[1] || seen[0] != seen[2] {
				t.Errorf("%s, %s:\nknown   %s\nunknown %s\nrefused %s", provider, accept, seen[0], seen[1], seen[2])
			}
		}
	}
}

func stateOf(t *testing.T, a answer) string {
	t.Helper()
	if a.StatusCode == 200 {
		var sent struct{ State string }
		if err := json.Unmarshal([]byte(a.body), &sent); err != nil {
			t.Fatal(err)
		}
		return sent.State
	}
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Query().Get("state") == "" {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	return to.Query().Get("state")
}

// describe is all of an answer but for what is random.
func describe(a answer, state string) string {
	h := a.Header.Clone()
	cookies := a.Cookies()
	h.Del("Set-Cookie")
	s := fmt.Sprint(a.StatusCode, h, a.body)
	for _, k := range cookies {
		name := k.Name
		if i := strings.Index(name, "flow-"); i >= 0 {
			name = name[:i]
		}
		s += fmt.Sprint(" cookie ", name, len(k.Value), k.Path, k.MaxAge, k.SameSite)
	}
	return strings.ReplaceAll(s, state, "STATE")
}

// Time does not tell either: 5,000 requests each for an address that is known and one that is not, in turn.
func TestA8_SameTimeForEveryAddress(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 timed requests; run without -short")
	}
	const n = 5000
	w := newWorld(t, change{config: magic.Config{PerAddress: 1 << 20, PerClient: 1 << 20}})
	first := w.browser()
	state, m := first.mustAsk("both", "known@example.com", "")
	first.guess("both", state, m.Code)
	w.signedIn()
	var took [2][]float64
	for i := range 2 * n {
		c := w.browser()
		address := []string{"known@example.com", "nobody@example.com"}[i%2]
		r := c.request("POST", issuer+"/both/authorize", url.Values{"email": {address}})
		start := time.Now()
		c.do(r)
		took[i%2] = append(took[i%2], float64(time.Since(start)))
		w.wait(time.Second)
	}
	a, b := median(took[0]), median(took[1])
	t.Logf("median %v known, %v unknown", time.Duration(a), time.Duration(b))
	// 5 % of the 60 ms that one password hash takes is 3 ms.
	if d := time.Duration(math.Abs(a - b)); d > 3*time.Millisecond {
		t.Errorf("the answers differ by %v", d)
	}
}

func median(d []float64) float64 {
	slices.Sort(d)
	return d[len(d)/2]
}

// Only when nothing can be sent to anybody is the person told.
func TestSendErrors(t *testing.T) {
	w := newWorld(t, change{})
	w.sendErr = func(m magic.Message) error {
		return fmt.Errorf("dial tcp: refused, while sending %s with %s and %s: %w", m.To, m.Link, m.Code, magic.ErrUnavailable)
	}
	c := w.browser()
	a, _ := c.ask("both", ada, "")
	if a.want(t, 503, "temporarily_unavailable"); a.Header.Get("Retry-After") == "" || !strings.Contains(a.page.Error, "Mail cannot be sent") {
		t.Errorf("%v %+v", a.Header, a.page)
	}
	w.sendErr = func(m magic.Message) error { return errors.New("550 " + m.To + " unknown") }
	if a, _ := c.ask("both", ada, ""); a.StatusCode != 303 {
		t.Errorf("an address that takes no mail is told apart: %d", a.StatusCode)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var told []string
	for _, e := range w.events {
		told = append(told, e.Name)
		if e.Subject != "" && e.Subject != "a…@example.com" || e.Err != nil && strings.Contains(e.Err.Error(), ada) {
			t.Errorf("event %+v", e)
		}
	}
	if want := []string{"mail failed", "sign-in failed", "mail failed"}; !reflect.DeepEqual(told, want) {
		t.Errorf("events %v, want %v", told, want)
	}
	if log := w.log.String(); !strings.Contains(log, "magic: mail not sent") || !strings.Contains(log, "550 a…@example.com unknown") || strings.Contains(log, ada) {
		t.Errorf("log: %s", log)
	}
}
