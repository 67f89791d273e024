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

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

// An address that has signed in before, one that never did, and one that the mail server refuses get the same answers.
func TestA8_SameAnswerForEveryAddress(t *testing.T) {
	for _, provider := range []string{"link", "code", "both"} {
		for _, accept := range []string{"text/html", "application/json"} {
			w := newWorld(t, change{config: magic.Config{PerAddress: 100}})
			first := w.browser()
			state, m := first.mustAsk("code", "known@example.com", "")
			first.guess("code", state, m.Arg("code"))
			w.signedIn()
			w.sendErr = func(m postern.Mail) error {
				if strings.HasPrefix(m.To, "kaput@") {
					return errors.New("550 no such user")
				}
				return nil
			}
			var seen []string
			for _, address := range []string{"known@example.com", "knoll@example.com", "kaput@example.com"} {
				c := w.browser()
				c.Header.Set("Accept", accept)
				a := c.post(issuer+"/"+provider+"/authorize", url.Values{"email": {address}})
				state := stateOf(t, a)
				page := c.get(issuer + "/" + provider + "/callback?state=" + state)
				bad := c.guess(provider, state, "x")
				answers := describe(a, state) + describe(page, state) + describe(bad, state)
				seen = append(seen, strings.ReplaceAll(answers, address, "ADDRESS"))
			}
			if seen[0] != seen[1] || seen[0] != seen[2] {
				t.Errorf("%s, %s:\nknown   %s\nunknown %s\nrefused %s", provider, accept, seen[0], seen[1], seen[2])
			}
		}
	}
}

func stateOf(t *testing.T, a answer) string {
	t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode == 200 {
		var sent map[string]string
		if err := json.Unmarshal([]byte(a.body), &sent); err != nil {
			t.Fatal(err)
		}
		location = sent["redirect_uri"]
	}
	to, err := url.Parse(location)
	if err != nil || to.Query().Get("state") == "" {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	return to.Query().Get("state")
}

// describe returns an answer without its random parts.
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

// Nor does the time of an answer depend on the address: requests for addresses that have signed in before and for ones
// that never did, in turn and each for a fresh one, take the same time within 15 %. The test also slows one side by 30
// % and must notice.
func TestA8_SameTimeForEveryAddress(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of timed requests; run without -short")
	}
	if raced {
		t.Skip("the race detector changes the times that this compares")
	}
	const blocks, perBlock = 60, 20 // requests of each side
	w := newWorld(t, change{config: magic.Config{PerClient: 1 << 20, Total: 1 << 20}})
	for i := range blocks * perBlock {
		c := w.browser()
		state, m := c.mustAsk("code", fmt.Sprintf("known%d@example.com", i), "")
		c.guess("code", state, m.Arg("code"))
	}
	w.Advance(2 * time.Hour)
	next := 0
	// measure returns how much longer known addresses take than fresh ones: the median of the ratios of short blocks,
	// so that a busy machine slows both sides of a block alike. slower makes those of known addresses slower by that
	// part.
	measure := func(slower float64) float64 {
		var ratios []float64
		for range blocks / 2 {
			var took [2][]float64
			for i := range 2 * perBlock {
				address := fmt.Sprintf([]string{"known%d@example.com", "fresh%d@example.com"}[i%2], next/2)
				next++
				c := w.browser()
				r := c.Request("POST", issuer+"/both/authorize", url.Values{"email": {address}})
				start := time.Now()
				c.do(r)
				d := time.Since(start)
				if i%2 == 0 && slower > 0 {
					for until := start.Add(time.Duration(float64(d) * (1 + slower))); time.Now().Before(until); {
					}
					d = time.Since(start)
				}
				took[i%2] = append(took[i%2], float64(d))
				w.Advance(time.Second)
			}
			ratios = append(ratios, median(took[0])/median(took[1]))
		}
		return median(ratios) - 1
	}
	const bound = 0.15
	same, planted := measure(0), measure(0.3)
	t.Logf("known addresses take %+.1f %%; slowed by 30 %%: %+.1f %%", same*100, planted*100)
	if math.Abs(same) > bound {
		t.Errorf("known addresses take %+.1f %% longer than fresh ones", same*100)
	}
	if planted < bound {
		t.Errorf("a difference of 30 %% measures as %+.1f %%: the test would not notice", planted*100)
	}
}

func median(d []float64) float64 {
	slices.Sort(d)
	return d[len(d)/2]
}

// A person learns only that no mail can be sent at all.
func TestSendErrors(t *testing.T) {
	w := newWorld(t, change{})
	w.sendErr = func(m postern.Mail) error {
		return fmt.Errorf("dial tcp: refused, while sending %s with %s and %s: %w", m.To, m.Arg("link"), m.Arg("code"), postern.ErrMailUnavailable)
	}
	c := w.browser()
	a, _ := c.ask("both", ada, "")
	if a.want(t, 503, "temporarily_unavailable"); a.Header.Get("Retry-After") == "" || !strings.Contains(a.page.Error, "Mail cannot be sent") {
		t.Errorf("%v %+v", a.Header, a.page)
	}
	w.sendErr = func(m postern.Mail) error { return errors.New("550 " + m.To + " unknown") }
	if a, _ := c.ask("both", ada, ""); a.StatusCode != 303 {
		t.Errorf("an address that takes no mail gets another answer: %d", a.StatusCode)
	}
	var told []string
	for _, e := range w.Events.All() {
		told = append(told, e.Name)
		if e.Subject != "" && e.Subject != "a…@example.com" || e.Err != nil && strings.Contains(e.Err.Error(), ada) {
			t.Errorf("event %+v", e)
		}
	}
	if want := []string{"mail failed", "sign-in failed", "mail failed"}; !reflect.DeepEqual(told, want) {
		t.Errorf("events %v, want %v", told, want)
	}
	if log := w.Log.String(); !strings.Contains(log, "postern: mail not sent") || !strings.Contains(log, "550 a…@example.com unknown") || strings.Contains(log, ada) {
		t.Errorf("log: %s", log)
	}
}
