package magic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
)

func TestCode(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	a, state := c.ask("code", ada, "?redirect_uri="+url.QueryEscape(deep))
	m := w.mail()
	if m.Arg("link") != "" || len(m.Arg("code")) != 6 || !strings.Contains(m.Text, m.Arg("code")) {
		t.Fatalf("mail: %+v", m)
	}
	a = c.get(a.Header.Get("Location"))
	a.want(t, 200, "")
	f := a.page.Forms[0].Fields[0]
	if f.Name != "code" || f.InputMode != "numeric" || f.Autocomplete != "one-time-code" || len(a.page.Forms[0].Fields) != 1 {
		t.Errorf("the input for the code: %+v", f)
	}
	form := url.Values{"code": {m.Arg("code")[:3] + " " + m.Arg("code")[3:5] + "-" + m.Arg("code")[5:] + " "}}
	for name, value := range a.page.Forms[0].Hidden {
		form.Set(name, value)
	}
	a = c.post(a.page.Forms[0].Action, form)
	if a.StatusCode != 303 || a.Header.Get("Location") != deep {
		t.Fatalf("%d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	if in := w.signedIn(); in.Identity.Subject != ada || !reflect.DeepEqual(in.Authentication.Methods, []string{"code"}) {
		t.Errorf("signed in %+v", in)
	}
	c.guess("code", state, m.Arg("code")).want(t, 400, "invalid_state")
}

// A client without pages: it follows the addresses and fills in the forms that it gets as JSON.
func TestCode_Headless(t *testing.T) {
	for _, script := range []bool{true, false} { // posts JSON, or forms
		w := newWorld(t, change{})
		c := w.browser()
		c.Header = http.Header{"Accept": {"application/json"}, "User-Agent": {"orders/1.0"}}
		asks := c.step(c.get(issuer + "/code/authorize?redirect_uri=" + url.QueryEscape(deep)))
		if asks.Step != "magic.ask" || len(asks.Forms) != 1 || asks.Forms[0].Fields[0].Name != "email" || asks.Args["sends"] != "code" {
			t.Fatalf("%+v", asks)
		}
		if bad := c.fill(script, asks, "email", "nobody"); bad.status != 400 || bad.Error != "invalid_email" || bad.Description == "" || bad.Step != "magic.ask" ||
			bad.Forms[0].Fields[0].Value != "nobody" || bad.Forms[0].URL != asks.Forms[0].URL {
			t.Errorf("%+v", bad)
		}
		sent := c.fill(script, asks, "email", ada)
		if sent.status != 200 || !strings.HasPrefix(sent.RedirectURI, issuer+"/code/callback?state=") || w.mailCount() != 1 {
			t.Fatalf("%+v", sent)
		}
		types := c.step(c.get(sent.RedirectURI))
		if types.Step != "magic.code" || types.Args["to"] != ada || types.Args["left"] != 600.0 || types.Args["digits"] != 6.0 || types.Forms[0].Hidden["state"] == "" {
			t.Fatalf("%+v", types)
		}
		code := w.mail().Arg("code")
		for _, typed := range []string{wrong(code), "12345"} {
			if bad := c.fill(script, types, "code", typed); bad.status != 400 || bad.Error != "invalid_code" || bad.Step != "magic.code" || len(bad.Forms) != 1 {
				t.Errorf("%+v", bad)
			}
		}
		if done := c.fill(script, types, "code", code); done.status != 200 || done.RedirectURI != deep || done.Step != "" {
			t.Fatalf("%+v", done)
		}
		w.signedIn()
	}
}

func TestM5_FiveTries(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "")
	for range 10 { // no guesses, so they cost none
		c.guess("both", state, "12345").want(t, 400, "invalid_code")
	}
	for i := range 5 {
		a := c.guess("both", state, wrong(m.Arg("code")))
		if i < 4 {
			if a.want(t, 400, "invalid_code"); len(a.page.Forms) == 0 || a.page.Error == "" {
				t.Errorf("try %d: the form is not shown again: %+v", i+1, a.page)
			}
			continue
		}
		a.want(t, 400, "too_many_tries")
	}
	c.guess("both", state, m.Arg("code")).want(t, 400, "too_many_tries")
	if w.signInCount() != 0 {
		t.Fatal("the sixth try signed in")
	}
	// The link is not guessed at, and still works.
	if a := c.get(issuer + "/both/callback?state=" + state); a.StatusCode != 200 || len(a.page.Forms) > 0 {
		t.Errorf("page of a code without tries: %+v", a.page)
	}
	c.press(c.open(m.Arg("link")).page)
	w.signedIn()
	// A new code has new tries.
	state, m = c.mustAsk("code", ada, "")
	c.guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
	c.guess("code", state, m.Arg("code"))
	w.signedIn()
}

// 100 guesses at once: at most five are compared, the others are refused.
func TestM5_ParallelGuesses(t *testing.T) {
	for round := range 20 {
		w := newWorld(t, change{})
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		before := w.charges()
		w.store.gather(100)
		counts := race(100, func() answer { return c.copy().guess("code", state, wrong(m.Arg("code"))) })
		if n := w.charges() - before; n < 1 || n > 5 {
			t.Fatalf("round %d: %d tries charged, want 1 to 5", round, n)
		}
		if n := w.reasons("sign-in failed")["invalid_code"]; n > 4 {
			t.Fatalf("round %d: %d wrong codes with tries left, want 4", round, n)
		}
		if counts[400]+counts[429] != 100 {
			t.Fatalf("round %d: %v", round, counts)
		}
	}
}

func TestM2_OneUseOfACodeUnderRace(t *testing.T) {
	for round := range 100 {
		w := newWorld(t, change{})
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		w.store.gather(100)
		counts := race(100, func() answer { return c.copy().guess("code", state, m.Arg("code")) })
		if n := w.signInCount(); n != 1 || counts[303] != 1 || counts[400]+counts[429] != 99 {
			t.Fatalf("round %d: %d sign-ins, answers %v", round, n, counts)
		}
	}
}

// The right code, wrong ones and the link in other browsers race: the asking browser signs in at most once, the others
// do at most once, and there is no sixth comparison.
func TestM5_RightAndWrongGuessesRace(t *testing.T) {
	for range 50 {
		w := newWorld(t, change{})
		c := w.browser()
		state, m := c.mustAsk("both", ada, "")
		page := w.browser().open(m.Arg("link")).page // which no attempt guards
		w.store.gather(60)
		turn := make(chan int, 60)
		for i := range 60 {
			turn <- i
		}
		race(60, func() answer {
			switch <-turn % 3 {
			case 0:
				return c.copy().guess("both", state, wrong(m.Arg("code")))
			case 1:
				return c.copy().guess("both", state, m.Arg("code"))
			}
			return w.browser().press(page)
		})
		by := map[string]int{}
		for _, in := range w.signIns.All() {
			by[in.Authentication.Methods[0]]++
		}
		if by["code"]+by["link"] == 0 || by["code"] > 1 || by["link"] > 1 {
			t.Fatalf("sign-ins %v", by)
		}
		if n := w.charges(); n > 5 {
			t.Fatalf("%d tries charged", n)
		}
	}
}

func TestLifeOfACode(t *testing.T) {
	for _, tc := range []struct {
		wait time.Duration
		code string
	}{{2*time.Minute - time.Second, ""}, {2 * time.Minute, "code_expired"}, {9 * time.Minute, "code_expired"}, {10 * time.Minute, "expired_state"}} {
		w := newWorld(t, change{config: magic.Config{Life: 2 * time.Minute}})
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		w.Advance(tc.wait)
		a := c.guess("code", state, m.Arg("code"))
		if tc.code == "" {
			w.signedIn()
			continue
		}
		if a.want(t, 400, tc.code); w.signInCount() != 0 {
			t.Errorf("after %v: signed in", tc.wait)
		}
	}
}

// The successor of SST Auth took any number of guesses, then the right code, then the same code again.
func TestOpenAuth_O5_UnlimitedGuesses(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("code", ada, "")
	stolen := c.copy()
	for i := range 300 {
		if code := fmt.Sprintf("%06d", i); code != m.Arg("code") {
			stolen.copy().guess("code", state, code)
		}
	}
	if n := w.charges(); n != 5 {
		t.Errorf("%d guesses were charged, want 5", n)
	}
	c.guess("code", state, m.Arg("code")).want(t, 400, "too_many_tries")
	if w.signInCount() != 0 {
		t.Fatal("the right code was taken after 300 wrong ones")
	}

	c = w.browser()
	state, m = c.mustAsk("code", "bob@example.com", "")
	stolen = c.copy()
	c.guess("code", state, m.Arg("code"))
	before := w.signInCount()
	stolen.guess("code", state, m.Arg("code")).want(t, 400, "code_used")
	if w.signInCount() != before {
		t.Fatal("the same cookie and code were taken twice")
	}
}

// SST's code lived in a cookie: as many guesses as one likes, for as long as one likes.
func TestSST_F2_GuessesWithAnOldCookie(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("code", ada, "")
	old := c.copy()
	for range 5 {
		old.copy().guess("code", state, wrong(m.Arg("code"))) // each time with the cookies of the beginning
	}
	old.copy().guess("code", state, m.Arg("code")).want(t, 400, "too_many_tries")
	w.Advance(10 * time.Minute)
	old.copy().guess("code", state, m.Arg("code")).want(t, 400, "expired_state")
	if w.signInCount() != 0 {
		t.Fatal("signed in")
	}
}

// charges returns how many tries were ever charged to codes: no guess is compared without.
func (w *world) charges() int {
	most := map[string]int{} // of each mail
	for line := range strings.SplitSeq(w.store.everything(), "\n") {
		var s struct {
			Flow  string
			Tries int
		}
		if at := strings.IndexByte(line, '{'); at >= 0 && json.Unmarshal([]byte(line[at:]), &s) == nil {
			most[s.Flow] = max(most[s.Flow], s.Tries)
		}
	}
	n := 0
	for _, tries := range most {
		n += tries
	}
	return n
}
