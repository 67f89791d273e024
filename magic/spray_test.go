package magic_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

// 100,000 guesses in five days from the networks of one /48, at the codes of 2,000 people: no more than 200 a day are
// compared, so that all of them together find a code with a probability of 2·10⁻⁴ a day.
func TestM5_SprayFromOneNetwork(t *testing.T) {
	const perDay, perPeriod = 144, 139
	days := 5
	if raced {
		days = 1
	}
	periods := days * perDay
	w := newWorld(t, change{})
	rng := rand.New(rand.NewPCG(1, 2))
	made, limited := 0, 0
	for p := range periods {
		type target struct {
			c     *client
			state string
		}
		var targets []target
		for i := range 10 { // mails are asked for from elsewhere: those limits do not protect here
			c := w.browser()
			c.Addr = fmt.Sprintf("%d.%d.%d.1:1", 11+p%80, i, p/80)
			state, _ := c.mustAsk("code", fmt.Sprintf("u%d@example.com", rng.IntN(2000)), "")
			targets = append(targets, target{c, state})
		}
		for range perPeriod {
			made++
			of := targets[rng.IntN(len(targets))]
			c := of.c.copy()
			c.Addr = fmt.Sprintf("[2001:db8:1:%x::%x]:1", rng.IntN(65536), made%65536)
			if a := c.guess("code", of.state, fmt.Sprintf("%06d", rng.IntN(1_000_000))); a.StatusCode == 429 {
				limited++
			}
			w.Advance(10 * time.Minute / (perPeriod + 1))
		}
		w.Advance(10 * time.Minute / (perPeriod + 1))
	}
	compared := w.charges()
	t.Logf("%d guesses, %d compared, %d refused by the limit", made, compared, limited)
	if made < days*20_000 || compared > days*200 || compared < days*150 || limited < made*9/10 {
		t.Errorf("%d of %d guesses compared in %d days, want about 200 a day and no more; %d limited", compared, made, days, limited)
	}
	if n := w.reasons("limited")["guess"]; n != limited {
		t.Errorf("%d events of guesses limited, want %d", n, limited)
	}
}

// People behind one address type 500 right codes, and a wrong one now and then, and nobody is refused: right ones do
// not count.
func TestM5_ManyPeopleBehindOneAddress(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerClient: 500}})
	for i := range 500 {
		c := w.browser()
		state, m := c.mustAsk("code", fmt.Sprintf("u%d@example.com", i), "")
		if i%20 == 0 {
			c.guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		}
		calls := w.store.calls
		if a := c.guess("code", state, m.Arg("code")); a.StatusCode != 303 {
			t.Fatalf("right code %d: %d %s", i, a.StatusCode, a.body)
		}
		// One read, and two writes: the charge; and the use of the mail, with the end of the attempt and what is given
		// back. The ticket of the page that leads on is one more, and three after a wrong code.
		if n := w.store.calls - calls; n > 6 {
			t.Fatalf("a right code costs %d calls of the store, want at most 6", n)
		}
	}
	if n := w.signInCount(); n != 500 {
		t.Errorf("%d sign-ins", n)
	}
	// With the default a client address has 40 wrong codes a day, right ones or not.
	w = newWorld(t, change{config: magic.Config{PerClient: 20, PerAddress: 1000}})
	wrongs := 0
	for i := range 60 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
		state, m := c.mustAsk("code", fmt.Sprintf("u%d@example.com", i), "")
		c.Addr = "203.0.113.7:1"
		if c.copy().guess("code", state, wrong(m.Arg("code"))).StatusCode == 400 {
			wrongs++
		}
		if wrongs < 40 {
			c.guess("code", state, m.Arg("code"))
		}
	}
	if wrongs != 40 {
		t.Errorf("%d wrong codes of one client compared, want 40", wrongs)
	}
}

// After many wrong codes at a provider its mails carry no short codes: links alone, or ten digits. A day later they
// do.
func TestM5_WrongCodesHardenTheProvider(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{WrongCodes: 20}})
	spray := func(provider string, n int) {
		for i := range n {
			c := w.browser()
			c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
			state, m := c.mustAsk(provider, fmt.Sprintf("u%d@example.com", i), "")
			c.guess(provider, state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		}
	}
	hardened := func() (n int) {
		for _, e := range w.Events.All() {
			if e.Name == "codes hardened" {
				n++
			}
		}
		return n
	}
	signIn := func(provider string, digits int) (m postern.Mail, page answer) {
		t.Helper()
		c := w.browser()
		a, state := c.ask(provider, ada, "")
		page = c.get(a.Header.Get("Location"))
		m = w.mail()
		if len(m.Arg("code")) != digits {
			t.Fatalf("%s: a code of %d digits, want %d", provider, len(m.Arg("code")), digits)
		}
		if digits > 0 {
			c.guess(provider, state, m.Arg("code")[:3]+" "+m.Arg("code")[3:])
		} else {
			charged := w.charges()
			a := c.guess(provider, state, "123456")
			if a.want(t, 400, "invalid_code"); !strings.Contains(a.page.Error, "no code") || w.charges() != charged {
				t.Errorf("a guess at a mail without a code: %q, %d tries charged", a.page.Error, w.charges()-charged)
			}
			c.press(c.open(m.Arg("link")).page)
		}
		w.signedIn()
		return m, page
	}
	spray("both", 19)
	signIn("both", 6)
	if hardened() != 0 {
		t.Error("hardened one too early")
	}
	spray("both", 1)
	if hardened() != 1 {
		t.Errorf("%d events, want 1", hardened())
	}
	m, page := signIn("both", 0)
	if strings.Contains(m.Text, "code") || len(page.page.Forms) > 0 || !strings.Contains(page.page.Text, "a link") {
		t.Errorf("mail %q, page %+v", m.Text, page.page)
	}
	signIn("code", 6) // another provider, another sum
	w.Advance(2 * time.Hour)
	spray("code", 20)
	_, page = signIn("code", 10)
	if f := page.page.Forms[0].Fields[0]; f.Label != "10-digit code" {
		t.Errorf("page %+v", f)
	}
	c := w.browser()
	a, state := c.ask("code", "bob@example.com", "")
	if a.StatusCode != 303 {
		t.Fatal(a.StatusCode)
	}
	c.guess("code", state, "12345").want(t, 400, "invalid_code")
	if a := c.guess("code", state, "12345"); !strings.Contains(a.page.Error, "10 digits") {
		t.Errorf("page %+v", a.page)
	}
	w.Advance(25 * time.Hour)
	signIn("both", 6)
	signIn("code", 6)
}

// One stranger, from one network, uses up an address's mails: a browser that nobody knows, from another network, still
// gets a mail.
func TestM6_AStrangerLeavesTheReserve(t *testing.T) {
	w := newWorld(t, change{})
	sent := 0
	for range 20 {
		c := w.browser()
		c.Addr = "198.51.100.7:1"
		if !c.asksInVain("code", ada) {
			sent++
		}
	}
	if sent != 4 {
		t.Errorf("a stranger caused %d mails, want 3 and one of the reserve", sent)
	}
	w.Advance(30 * time.Minute)
	owner := w.browser()
	owner.Addr = "203.0.113.1:1"
	state, m := owner.mustAsk("code", ada, "")
	owner.guess("code", state, m.Arg("code"))
	w.signedIn()
	// The reserve is for a browser that has not asked today: this one, and its network, have.
	w = newWorld(t, change{})
	c := w.browser()
	for i := range 3 {
		c.Addr = fmt.Sprintf("198.51.100.%d:1", i)
		c.mustAsk("code", ada, "")
	}
	c.Addr = "198.51.100.9:1"
	if !c.asksInVain("code", ada) {
		t.Error("a browser that has asked today has the reserve")
	}
	w.Advance(25 * time.Hour)
	w.exhaust(ada)
	c.mustAsk("code", "bob@example.com", "") // other addresses have limits of theirs
}

// Where even the reserve is used up, the answer is the same, and the page names what works: the link of the mail that
// was sent, in this browser too; or when to ask again.
func TestM6_AtTheLimitTheLiveMailCounts(t *testing.T) {
	w := newWorld(t, change{})
	w.exhaust(ada)
	newest := w.mail()
	owner := w.browser()
	a, _ := owner.ask("link", ada, "")
	page := owner.get(a.Header.Get("Location"))
	page.want(t, 200, "")
	if !strings.Contains(page.page.Text, "works in this browser too") || !strings.Contains(page.page.Text, "sent to "+ada+".") ||
		!strings.Contains(page.page.Text, "another mail in 1 hour") {
		t.Errorf("page %+v", page.page)
	}
	owner.press(owner.open(newest.Arg("link")).page)
	if in := w.signedIn(); in.Identity.Subject != ada {
		t.Errorf("signed in %+v", in)
	}

	// Without a link that works here the page says when, and then a mail is sent.
	for name, how := range map[string]change{
		"codes":           {},
		"links elsewhere": {config: magic.Config{SameBrowserOnly: true}},
		"dead mails":      {},
	} {
		w := newWorld(t, how)
		w.exhaust(ada)
		provider, wait := "link", "1 hour"
		switch name {
		case "codes":
			provider = "code"
		case "dead mails":
			w.Advance(20 * time.Minute)
			wait = "41 minutes"
		}
		owner := w.browser()
		a, state := owner.ask(provider, ada, "?redirect_uri="+url.QueryEscape(deep))
		page := owner.get(a.Header.Get("Location"))
		page.want(t, 200, "")
		if strings.Contains(page.page.Text, "this browser too") || !strings.Contains(page.page.Text, "another mail in "+wait) ||
			!strings.Contains(page.page.Links[0].URL, url.QueryEscape(deep)) {
			t.Errorf("%s: page %+v", name, page.page)
		}
		if provider == "code" {
			a := owner.guess("code", state, "123456")
			if a.want(t, 400, "code_expired"); a.Header.Get("Retry-After") == "" || !strings.Contains(a.page.Error, "No new mail was sent") {
				t.Errorf("%v %+v", a.Header, a.page)
			}
		}
		w.Advance(61 * time.Minute)
		owner.mustAsk(provider, ada, "")
	}
}

// A browser that asks again at the limit uses the mail it has: its code and its link work for the new attempt, which
// leads where the new one wanted.
func TestM6_OwnMailCountsForTheNewAttempt(t *testing.T) {
	for _, method := range []string{"code", "link"} {
		w := newWorld(t, change{})
		c := w.browser()
		for range 3 {
			c.mustAsk("both", ada, "")
		}
		m := w.mail()
		w.Advance(3 * time.Minute)
		if !c.asksInVain("both", ada) {
			t.Fatal("a fourth mail was sent")
		}
		a, state := c.ask("both", ada, "?redirect_uri="+url.QueryEscape(deep))
		page := c.get(a.Header.Get("Location"))
		if page.want(t, 200, ""); len(page.page.Forms) == 0 || !strings.Contains(page.page.Text, "No new mail was sent: the one of 3 minutes ago is still good.") {
			t.Errorf("page %+v", page.page)
		}
		c.guess("both", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		if method == "link" {
			c.press(c.open(m.Arg("link")).page)
			w.signedIn()
			continue
		}
		if a := c.guess("both", state, m.Arg("code")); a.StatusCode != 303 || a.Header.Get("Location") != deep {
			t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
		}
		w.signedIn()
		c.open(m.Arg("link")).want(t, 400, "link_used")
	}
}

// At the limit the answer to the form is that of a mail that was sent, for pages and for programs.
func TestA8_SameAnswerAtTheLimit(t *testing.T) {
	for _, accept := range []string{"text/html", "application/json"} {
		w := newWorld(t, change{})
		ask := func(address string) string {
			c := w.browser()
			c.Header.Set("Accept", accept)
			a := c.post(issuer+"/both/authorize", url.Values{"email": {address}})
			state := stateOf(t, a)
			for _, k := range a.Cookies() { // the sealed content is not the same, so neither is its length
				a.Header.Set("Set-Cookie", k.Name)
			}
			return strings.ReplaceAll(fmt.Sprint(a.StatusCode, a.Header["Content-Type"], a.Header["Cache-Control"], a.Header.Get("Location"), a.body,
				len(a.Cookies())), state, "STATE")
		}
		w.exhaust(ada)
		before := w.mailCount()
		held := ask(ada)
		if w.mailCount() != before {
			t.Fatal("a mail was sent")
		}
		if sent := ask("bob@example.com"); held != sent || w.mailCount() != before+1 {
			t.Errorf("%s:\nsent %s\nheld %s", accept, sent, held)
		}
	}
}

// A total that strangers have used up holds up strangers. Browsers that know the address have mails left.
func TestM6_TotalSparesKnownBrowsers(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{Total: 5, PerClient: 3}})
	owner := w.browser()
	_, m := owner.mustAsk("link", ada, "")
	owner.press(owner.open(m.Arg("link")).page)
	w.signedIn()
	w.Advance(2 * time.Hour)
	for i := range 5 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
		c.mustAsk("link", fmt.Sprintf("u%d@example.com", i), "")
	}
	a, _ := w.browser().ask("link", ada, "")
	if a.want(t, 429, "rate_limited"); w.reasons("limited")["total"] != 1 {
		t.Errorf("events %v", w.reasons("limited"))
	}
	for range 3 {
		owner.mustAsk("link", ada, "")
	}
	if !owner.asksInVain("link", ada) {
		t.Error("a fourth mail to a known browser")
	}
}

// A mail costs two calls of the store: one read, and one write for the client, the provider and the address. Where a
// write has one part, it costs four.
func TestMailCostsTwoCalls(t *testing.T) {
	for one, want := range map[bool]int{false: 2, true: 4} {
		w := newWorld(t, change{one: one})
		w.browser().mustAsk("both", ada, "")
		if w.store.calls != want {
			t.Errorf("one part %v: %d calls, want %d", one, w.store.calls, want)
		}
	}
	w := newWorld(t, change{})
	w.exhaust("bob@example.com")
	calls, writes := w.store.calls, w.store.count()
	c := w.browser()
	c.Addr = "203.0.113.9:1"
	if !c.asksInVain("link", "bob@example.com") || w.store.calls != calls+1 || w.store.count() != writes {
		t.Errorf("a mail that is held costs %d calls and %d writes, want one read", w.store.calls-calls, w.store.count()-writes)
	}
}
