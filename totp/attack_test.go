package totp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestM13_GuessesOfAMonth: 100,000 guesses over 1,000 waiting sign-ins and 30 days, of somebody who knows the password:
// at most ten in any day are compared, and beyond them the right code is refused too. The owner has one mail a day.
func TestM13_GuessesOfAMonth(t *testing.T) {
	waits, each := 1000, 100
	if raced {
		waits = 100
	}
	for _, factor := range []string{"totp", "recovery"} {
		t.Run(factor, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			app := b.enroll("ada")
			code := b.codes()[0]
			right := func() string {
				if factor == "totp" {
					return app.code(w.Now())
				}
				return code
			}
			wrong := func(i int) string {
				if factor == "totp" {
					guess := fmt.Sprintf("%06d", i*7919%1_000_000)
					if guess == app.code(w.Now()) || guess == app.code(w.Now().Add(-30*time.Second)) {
						return "000000"
					}
					return guess
				}
				return fmt.Sprintf("%016d", i)
			}
			w.mails.Take()
			var compared []time.Time
			spent, refused := 0, 0
			mails := map[string]int{}
			step := 30 * 24 * time.Hour / time.Duration(waits)
			for wait := range waits {
				eve := w.program()
				st := eve.waits("ada")
				for i := range each {
					a := eve.post("/factors/"+factor+"/verify", "state", st, "code", wrong(wait*each+i))
					switch {
					case a.Code == http.StatusBadRequest && strings.Contains(a.Body.String(), `"wrong_code"`):
						compared = append(compared, w.Now())
					case a.Code == http.StatusTooManyRequests, a.Code == http.StatusBadRequest && strings.Contains(a.Body.String(), `"too_many_tries"`):
						refused++
					default:
						t.Fatalf("guess %d of %d: %d %s", i, wait, a.Code, a.Body)
					}
				}
				// Ten in the last day: the right code is not compared either.
				day := 0
				for _, at := range compared {
					if w.Now().Sub(at) < 24*time.Hour {
						day++
					}
				}
				if day > 10 {
					t.Fatalf("wait %d: %d were compared within a day", wait, day)
				}
				if day == 10 {
					spent++
					a := eve.post("/factors/"+factor+"/verify", "state", eve.waits("ada"), "code", right())
					if want(t, a, http.StatusTooManyRequests, "rate_limited"); a.Header().Get("Retry-After") == "" || eve.session() != nil {
						t.Errorf("no time to wait, or a session")
					}
				}
				for _, m := range w.mails.Take() {
					if m.Name == "postern.factor-guessed" {
						mails[w.Now().Format(time.DateOnly)]++
					}
				}
				w.Advance(step)
			}
			if len(compared) < 30*8 || len(compared) > 31*10 || spent == 0 || len(compared)+refused != waits*each {
				t.Errorf("%d compared, %d refused, %d times the right one", len(compared), refused, spent)
			}
			total := 0
			for day, n := range mails {
				if total += n; n > 2 { // a day of the mail does not begin at midnight
					t.Errorf("%s: %d mails", day, n)
				}
			}
			if total < 25 || total > 31 || w.events("factor guessed") != total {
				t.Errorf("%d mails, %d events", total, w.events("factor guessed"))
			}
			w.Advance(25 * time.Hour) // and the owner comes in again
			c := w.browser()
			want(t, c.post("/factors/"+factor+"/verify", "state", c.waits("ada"), "code", right()), http.StatusSeeOther, "/continue")
		})
	}
}

// TestM14_TheWaitNamesTheUser: an answer is for the person of the waiting sign-in, whatever the request says. Empty
// answers, those of other steps and those without a waiting sign-in are refused, and are no guesses.
func TestM14_TheWaitNamesTheUser(t *testing.T) {
	w := newWorld(t)
	ada, eve := w.browser(), w.browser()
	apps := map[string]authenticator{"ada": ada.enroll("ada"), "eve": eve.enroll("eve")}
	codes := eve.codes()
	adas := ada.codes()
	b := w.browser()
	st := b.waits("ada")
	evesCode := apps["eve"].code(w.Now())
	for _, step := range []string{"/factors/totp/verify", "/factors/recovery/verify"} {
		for name, fields := range map[string][]string{
			"nothing":            {},
			"only the state":     {"state", st},
			"an empty code":      {"state", st, "code", ""},
			"no state":           {"code", evesCode},
			"another state":      {"state", st + "x", "code", evesCode},
			"five digits":        {"state", st, "code", "12345"},
			"seven digits":       {"state", st, "code", "1234567"},
			"fields of a setup":  {"state", st, "seed", "x"},
			"fields of a choice": {"state", st, "choice", "add"},
			"another user":       {"user_id", w.user("eve"), "code", evesCode},
		} {
			if a := b.post(step, fields...); a.Code != http.StatusBadRequest || b.session() != nil {
				t.Errorf("%s, %s: %d\n%s", step, name, a.Code, style.ReplaceAllString(a.Body.String(), ""))
			}
		}
		// Eve's code with Eve's id is a wrong code of Ada.
		code := evesCode
		if strings.Contains(step, "recovery") {
			code = codes[0]
		}
		want(t, b.post(step, "state", st, "code", code, "user_id", w.user("eve"), "sub", w.user("eve")), http.StatusBadRequest, "wrong_code")
		p := w.program()
		st := p.waits("ada")
		r := p.Request(http.MethodPost, issuer+step, nil)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Body = http.NoBody
		body := fmt.Sprintf(`{"state":%q,"code":%q,"user_id":%q}`, st, code, w.user("eve"))
		r.Body, r.ContentLength = readCloser{strings.NewReader(body)}, int64(len(body))
		want(t, p.Do(r), http.StatusBadRequest, "user_id")
		if p.session() != nil {
			t.Fatal("a session")
		}
	}
	// In another browser, without the cookie of the waiting sign-in, the right code is worth nothing.
	want(t, w.browser().post("/factors/totp/verify", "state", st, "code", apps["ada"].code(w.Now())), http.StatusBadRequest, "")
	// The steps of a setup are none of a waiting sign-in that asks for a code, nor is a removal.
	for _, path := range []string{"/factors/totp/enroll?state=" + st, "/factors/recovery/enroll?state=" + st, "/factors/totp/status?state=" + st} {
		if a := b.get(path); a.Code < 400 || strings.Contains(a.Body.String(), "otpauth") {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
	for _, path := range []string{"/factors/totp/enroll", "/factors/recovery/enroll", "/factors/totp/remove"} {
		if a := b.post(path, "state", st); a.Code < 400 || b.session() != nil {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
	// Ada's own answers work still.
	want(t, b.post("/factors/recovery/verify", "state", st, "code", adas[0]), http.StatusSeeOther, "/continue")
	if h := w.head("eve"); h.Backups["recovery"] != 10 || h.Factors["totp"] != 1 {
		t.Errorf("Eve's factors: %+v", h)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// TestM7_EachStepOnce: a code is used up by the sign-in, the setup and the step-up that it was typed for.
func TestM7_EachStepOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("ada")
	a := b.get("/factors/totp/enroll")
	app := appOf(t, a)
	code := app.code(w.Now())
	want(t, b.post("/factors/totp/enroll", "seed", part(t, seedOf, a), "code", code), http.StatusOK, "is set up")
	verify := func(code string) int {
		t.Helper()
		c := w.browser()
		return c.post("/factors/totp/verify", "state", c.waits("ada"), "code", code).Code
	}
	if verify(code) != http.StatusBadRequest {
		t.Error("the code of the setup signs in")
	}
	w.Advance(30 * time.Second)
	if verify(code) != http.StatusBadRequest {
		t.Error("the code of the setup signs in, a step later")
	}
	code = app.code(w.Now())
	if verify(code) != http.StatusSeeOther || verify(code) != http.StatusBadRequest {
		t.Error("a code signs in once")
	}
	w.Advance(30 * time.Second)
	if verify(code) != http.StatusBadRequest {
		t.Error("a code signs in once, also a step later")
	}
	w.Advance(20 * time.Minute) // and the session is not fresh any more
	code = app.code(w.Now())
	c := w.browser()
	want(t, c.post("/factors/totp/verify", "state", c.waits("ada"), "code", code), http.StatusSeeOther, "/continue")
	st := part(t, stateOf, b.get("/step-up/totp"))
	want(t, b.post("/factors/totp/verify", "state", st, "code", code), http.StatusBadRequest, "wrong_code")
	w.Advance(30 * time.Second)
	want(t, b.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
	want(t, b.post("/factors/totp/remove"), http.StatusOK, "was removed")
}

// TestM7_Clocks: the clock of a phone may be one step behind. One that is ahead shows a code that does not work yet.
func TestM7_Clocks(t *testing.T) {
	w := newWorld(t)
	app := w.browser().enroll("ada")
	for _, c := range []struct {
		off    time.Duration
		status int
	}{
		{-60 * time.Second, http.StatusBadRequest}, {-30 * time.Second, http.StatusSeeOther}, {0, http.StatusSeeOther},
		{30 * time.Second, http.StatusBadRequest}, {60 * time.Second, http.StatusBadRequest},
	} {
		w.Advance(time.Hour)
		b := w.browser()
		if a := b.post("/factors/totp/verify", "state", b.waits("ada"), "code", app.code(w.Now().Add(c.off))); a.Code != c.status {
			t.Errorf("a phone %v off: %d, want %d", c.off, a.Code, c.status)
		}
	}
}
