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
	if m.Link != "" || len(m.Code) != 6 || !strings.Contains(m.Text, m.Code) {
		t.Fatalf("mail: %+v", m)
	}
	a = c.get(a.Header.Get("Location"))
	a.want(t, 200, "")
	f := a.page.Form.Fields[0]
	if f.Name != "code" || f.InputMode != "numeric" || f.Autocomplete != "one-time-code" || len(a.page.Form.Fields) != 1 {
		t.Errorf("the input for the code: %+v", f)
	}
	form := url.Values{"code": {m.Code[:3] + " " + m.Code[3:5] + "-" + m.Code[5:] + " "}}
	for name, value := range a.page.Form.Hidden {
		form.Set(name, value)
	}
	a = c.post(a.page.Form.Action, form)
	if a.StatusCode != 303 || a.Header.Get("Location") != deep {
		t.Fatalf("%d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	if in := w.signedIn(); in.Identity.Subject != ada || !reflect.DeepEqual(in.Auth.Methods, []string{"code"}) {
		t.Errorf("signed in %+v", in)
	}
	c.guess("code", state, m.Code).want(t, 400, "invalid_state")
}

// A client without pages: JSON in both directions of interest, cookies kept.
func TestCode_Headless(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	c.header = http.Header{"Accept": {"application/json"}, "User-Agent": {"orders/1.0"}}
	r := c.request("POST", issuer+"/code/authorize", url.Values{"email": {ada}})
	r.Header.Del("Sec-Fetch-Site")
	a := c.do(r)
	var sent struct{ Status, State string }
	if err := json.Unmarshal([]byte(a.body), &sent); err != nil || a.StatusCode != 200 || sent.Status != "sent" || sent.State == "" ||
		a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	code := w.mail().Code
	for typed, want := range map[string]string{wrong(code): "invalid_code", "12345": "invalid_code"} {
		a = c.guess("code", sent.State, typed)
		var refused struct{ Error string }
		if err := json.Unmarshal([]byte(a.body), &refused); err != nil || a.StatusCode != 400 || refused.Error != want {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if a = c.guess("code", sent.State, code); a.StatusCode != 303 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.signedIn()
	a, _ = c.ask("code", "nobody", "")
	if a.StatusCode != 400 || !strings.Contains(a.body, `"error":"invalid_email"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
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
		a := c.guess("both", state, wrong(m.Code))
		if i < 4 {
			if a.want(t, 400, "invalid_code"); a.page.Form == nil || a.page.Error == "" {
				t.Errorf("try %d: the form is not shown again: %+v", i+1, a.page)
			}
			continue
		}
		a.want(t, 400, "too_many_tries")
	}
	c.guess("both", state, m.Code).want(t, 400, "too_many_tries")
	if w.signInCount() != 0 {
		t.Fatal("the sixth try signed in")
	}
	// The link is not guessed at, and still works.
	if a := c.get(issuer + "/both/callback?state=" + state); a.StatusCode != 200 || a.page.Form != nil {
		t.Errorf("page of a code without tries: %+v", a.page)
	}
	c.press(c.open(m.Link).page)
	w.signedIn()
	// A new code has tries of its own.
	state, m = c.mustAsk("code", ada, "")
	c.guess("code", state, wrong(m.Code)).want(t, 400, "invalid_code")
	c.guess("code", state, m.Code)
	w.signedIn()
}

// 100 guesses at once: at most five are compared, the others are told to wait or that it is over.
func TestM5_ParallelGuesses(t *testing.T) {
	for round := range 20 {
		w := newWorld(t, change{})
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		before := w.charges()
		w.store.gather(100)
		counts := race(100, func() answer { return c.copy().guess("code", state, wrong(m.Code)) })
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
		counts := race(100, func() answer { return c.copy().guess("code", state, m.Code) })
		if n := w.signInCount(); n != 1 || counts[303] != 1 || counts[400]+counts[429] != 99 {
			t.Fatalf("round %d: %d sign-ins, answers %v", round, n, counts)
		}
	}
}

// The right code and wrong ones race: there is no second sign-in, and no sixth comparison.
func TestM5_RightAndWrongGuessesRace(t *testing.T) {
	for range 50 {
		w := newWorld(t, change{})
		c := w.browser()
		state, m := c.mustAsk("both", ada, "")
		page := w.browser().open(m.Link).page // which no attempt guards
		w.store.gather(60)
		turn := make(chan int, 60)
		for i := range 60 {
			turn <- i
		}
		race(60, func() answer {
			switch <-turn % 3 {
			case 0:
				return c.copy().guess("both", state, wrong(m.Code))
			case 1:
				return c.copy().guess("both", state, m.Code)
			}
			return w.browser().press(page)
		})
		if n := w.signInCount(); n != 1 {
			t.Fatalf("%d sign-ins", n)
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
		w.wait(tc.wait)
		a := c.guess("code", state, m.Code)
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
		if code := fmt.Sprintf("%06d", i); code != m.Code {
			stolen.copy().guess("code", state, code)
		}
	}
	if n := w.charges(); n != 5 {
		t.Errorf("%d guesses were charged, want 5", n)
	}
	c.guess("code", state, m.Code).want(t, 400, "too_many_tries")
	if w.signInCount() != 0 {
		t.Fatal("the right code was taken after 300 wrong ones")
	}

	c = w.browser()
	state, m = c.mustAsk("code", "bob@example.com", "")
	stolen = c.copy()
	c.guess("code", state, m.Code)
	before := w.signInCount()
	stolen.guess("code", state, m.Code).want(t, 400, "code_used")
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
		old.copy().guess("code", state, wrong(m.Code)) // each time with the cookies of the beginning
	}
	old.copy().guess("code", state, m.Code).want(t, 400, "too_many_tries")
	w.wait(10 * time.Minute)
	old.copy().guess("code", state, m.Code).want(t, 400, "expired_state")
	if w.signInCount() != 0 {
		t.Fatal("signed in")
	}
}

// charges is how many tries were ever charged to a code: no guess is compared without.
func (w *world) charges() int {
	n := 0
	for line := range strings.SplitSeq(w.store.everything(), "\n") {
		if strings.Contains(line, `"tries":`) && !strings.Contains(line, `"used":`) {
			n++
		}
	}
	return n
}
