package postern_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// rowCounter counts the rows that the handler creates.
type rowCounter struct {
	store.Store
	mu   sync.Mutex
	rows map[string]int // by the beginning of the part and the id
}

func (s *rowCounter) Write(ctx context.Context, changes ...store.Change) error {
	err := s.Store.Write(ctx, changes...)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range changes {
			part, _, _ := strings.Cut(c.Item.Key.Part, ":")
			s.rows[part+" "+c.Item.Key.ID]++
		}
	}
	return err
}

func counted(t *testing.T) (*world, *rowCounter) {
	rows := &rowCounter{rows: map[string]int{}}
	v := toCounter(t, func(v *world, s *session.Config, _ *postern.Config) {
		rows.Store = s.Store
		s.Store = rows
	})
	return v, rows
}

// ticketsOf returns the cookies of tickets in a browser, and their bytes.
func (b *browser) ticketsOf() (n, bytes int) {
	for name, value := range b.Cookies {
		if strings.Contains(name, "continue-") {
			n, bytes = n+1, bytes+len(name)+len(value)
		}
	}
	return n, bytes
}

// Forms that a stranger posts and never comes back for are rows: one address gets 256 of them, and the refused ones
// write nothing and are not failed sign-ins.
func TestD3_PostedRowsAreLimited(t *testing.T) {
	v, rows := counted(t)
	post := func(addr string) int {
		b := v.browser()
		r := httptest.NewRequest("POST", issuer+"/post/callback", strings.NewReader(url.Values{"state": {b.begin("post")}, "code": {strings.Repeat("<", 3000)}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.RemoteAddr = addr
		w := b.do(r)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return w.Code
	}
	codes := map[int]int{}
	for range 1000 {
		codes[post("203.0.113.7:1")]++
	}
	neighbour := v.browser() // behind the same address
	neighbour.Addr = "203.0.113.7:2"
	if w := neighbour.get(callback("door", neighbour.begin("door"))); w.Code != 303 {
		t.Errorf("the refused forms count as failed sign-ins: %d", w.Code)
	}
	if n := rows.rows["flow posted"]; n != 256 || codes[303] != 256 || codes[429] != 744 {
		t.Errorf("%d rows, answers %v", n, codes)
	}
	if got := post("198.51.100.9:1"); got != 303 {
		t.Errorf("another address: %d", got)
	}
	v.Advance(9 * time.Minute)
	if got := post("203.0.113.7:1"); got != 429 {
		t.Errorf("in the tenth minute: %d", got)
	}
	v.Advance(2 * time.Minute)
	if got := post("203.0.113.7:1"); got != 303 {
		t.Errorf("after the ten minutes: %d", got)
	}
}

// Sign-ins that succeed don't count, and neither does a form that is posted twice.
func TestD3_PostedFormsOfPeopleAreNotCounted(t *testing.T) {
	v := newWorld(t)
	for i := range 250 {
		b := v.browser()
		state := b.begin("post")
		step := b.answered("post", state)
		b.answered("post", state)
		if w := b.get(step); w.Code != 303 {
			t.Fatalf("person %d: %d %s", i, w.Code, w.Body)
		}
	}
}

// Two hundred people behind one address post their forms before the first of them takes the second step: a class that
// signs in at the same moment.
func TestD3_PostedFormsOfPeopleAtOnce(t *testing.T) {
	v := newWorld(t)
	steps := map[*browser]string{}
	for range 200 {
		b := v.browser()
		steps[b] = b.answered("post", b.begin("post"))
	}
	for b, step := range steps {
		if w := b.get(step); w.Code != 303 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// A form is put aside only for an address that may go on: after a hundred failed sign-ins it gets 429 at once, and
// nothing is written. A form that is posted again after its sign-in is finished writes nothing either.
func TestD3_NoRowForAFormThatLeadsNowhere(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("post")
	twin := &browser{Browser: b.Clone(), v: v, secure: b.secure}
	if w := b.get(b.answered("post", state)); w.Code != 303 {
		t.Fatal(w.Code)
	}
	writes := v.store.writes
	twin.answered("post", state) // leads to the second step, which shows why
	if v.store.writes != writes {
		t.Errorf("a form that is posted again: %d writes", v.store.writes-writes)
	}
	for range 100 {
		refused(t, b.get(callback("door", b.begin("door"))+"&error=no"), 403, "access_denied")
	}
	late := v.browser()
	form := url.Values{"state": {late.begin("post")}, "code": {"c0de"}}
	r := httptest.NewRequest("POST", issuer+"/post/callback", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	writes = v.store.writes
	if w := late.do(r); w.Code != 429 || w.Header().Get("Retry-After") == "" || v.store.writes != writes {
		t.Errorf("after a hundred failures: %d, %d writes", w.Code, v.store.writes-writes)
	}
}

// A used ticket is a row, so one address gets a hundred. All the others arrive as well, without a row.
func TestD3_TicketRowsAreLimited(t *testing.T) {
	v, rows := counted(t)
	arrive := func() {
		b := v.browser()
		w := b.post(issuer+"/counter/authorize", url.Values{"to": {"https://elsewhere.example/"}})
		if got := b.landing(w); got != "https://elsewhere.example/" {
			t.Errorf("leads to %s", got)
		}
		if n, _ := b.ticketsOf(); n != 0 {
			t.Error("a ticket that was taken stays in the browser")
		}
	}
	for range 500 {
		arrive()
	}
	v.Advance(9 * time.Minute)
	arrive()
	if n := rows.rows["continue used"]; n != 100 {
		t.Errorf("%d rows, want 100", n)
	}
	v.Advance(2 * time.Minute)
	if arrive(); rows.rows["continue used"] != 101 {
		t.Error("no row after the ten minutes")
	}
	if strings.Contains(v.Log.String(), `"ERROR"`) {
		t.Errorf("the limit is logged as a fault: %s", v.Log.String())
	}
}

// A browser holds three tickets, and no more bytes than one cookie may have. The newest one works.
func TestD1_TicketsAreBounded(t *testing.T) {
	const elsewhere = "https://elsewhere.example/"
	for name, to := range map[string]string{"short": elsewhere, "long": elsewhere + "?" + strings.Repeat("a", 1800)} {
		v := toCounter(t)
		b := v.browser()
		var w *httptest.ResponseRecorder
		for i := range 60 {
			w = b.post(issuer+"/counter/authorize", url.Values{"to": {fmt.Sprintf("%s#%d", to, i)}})
			v.Advance(100 * time.Millisecond)
			if n, bytes := b.ticketsOf(); n > 3 || bytes > 4096 || n == 0 {
				t.Fatalf("%s: %d tickets of %d bytes", name, n, bytes)
			}
		}
		if got := b.landing(w); got != to+"#59" {
			t.Errorf("%s: the newest leads to %s", name, got)
		}
	}
}

// A browser whose cookies have become too many loses its tickets too, and can begin anew.
func TestD1_TooManyTicketsAreCleared(t *testing.T) {
	v := toCounter(t)
	b := v.browser()
	b.post(issuer+"/counter/authorize", url.Values{"to": {"https://elsewhere.example/"}})
	var name string
	for name = range b.Cookies {
	}
	for i := range 180 {
		b.Cookies[fmt.Sprintf("%s%03d", name[:len(name)-3], i)] = strings.Repeat("x", 400)
	}
	if w := b.get(issuer + "/door/authorize"); w.Code != 431 {
		t.Fatalf("%d", w.Code)
	}
	if w := b.get(issuer + "/door/authorize"); w.Code != 302 {
		t.Errorf("afterwards: %d, %d cookies", w.Code, len(b.Cookies))
	}
}

// Only a redirect from a form of this handler carries a true mark, for its path and a minute. Any other one is dropped,
// and the redirect stays a redirect.
func TestS3_MarkIsOurs(t *testing.T) {
	v := toCounter(t)
	true303 := v.browser().post(issuer+"/counter/authorize", url.Values{"to": {issuer + "/counter/middle?a=b"}}).Header().Get("Location")
	plain := unmarked(t, true303)
	mark := strings.TrimPrefix(true303, plain+"&")
	elsewhere := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["counter"] = formTo{} })
	foreign := elsewhere.browser().post(issuer+"/counter/authorize", url.Values{"to": {issuer + "/counter/middle?a=b"}}).Header().Get("Location")
	last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(mark, "A")]
	stays := func(name, target, want string) {
		t.Helper()
		b := v.browser()
		w := b.get(target)
		if w.Code != 302 || !strings.HasPrefix(w.Header().Get("Location"), want) {
			t.Errorf("%s: %d to %s %s", name, w.Code, w.Header().Get("Location"), w.Body)
		}
		if n, _ := b.ticketsOf(); n != 0 {
			t.Errorf("%s: %d tickets", name, n)
		}
	}
	const end = "https://elsewhere.example/"
	for _, forged := range []string{"", "1", "-", "0-", "zzzzzzzzzzzzzzzz-x", "v1.x.y", strings.Repeat("a", 4000), "1" + strings.TrimPrefix(mark, "postern_form="), strings.TrimPrefix(mark, "postern_form=")[:40]} {
		stays("forged "+forged, plain+"&postern_form="+forged, end)
	}
	stays("altered", true303[:len(true303)-2]+last+last, end)
	stays("of another server", foreign, end)
	stays("for another path", issuer+"/door/authorize?"+mark, "https://door.example/")
	stays("for another path, the choice", issuer+"/authorize?provider=door&"+mark, issuer+"/door/authorize")
	for _, age := range []time.Duration{time.Minute, time.Hour, 100 * 24 * time.Hour, -2 * time.Minute} {
		late := v.browser().post(issuer+"/counter/authorize", url.Values{"to": {issuer + "/counter/middle?a=b"}}).Header().Get("Location")
		v.Advance(age)
		stays("after "+age.String(), late, end)
	}
}

// A page of another site can't fill a browser with tickets: images and the like get none, even with a true mark.
func TestS3_TicketsAreForPagesAlone(t *testing.T) {
	v := toCounter(t)
	b := v.browser()
	used := b.answeredMarked("post", b.begin("post")) // marked, and finished below: it leads a signed-in person on
	if w := b.get(unmarked(t, used)); w.Code != 303 {
		t.Fatal(w.Code)
	}
	middle := v.browser().post(issuer+"/counter/authorize", url.Values{"to": {issuer + "/counter/middle?a=b"}}).Header().Get("Location")
	for _, how := range [][2]string{{"image", "no-cors"}, {"script", "no-cors"}, {"empty", "cors"}, {"empty", "no-cors"}, {"iframe", "navigate"}} {
		b.Header = http.Header{"Sec-Fetch-Dest": {how[0]}, "Sec-Fetch-Mode": {how[1]}, "Sec-Fetch-Site": {"same-site"}}
		for _, target := range []string{used, middle} {
			w := b.get(target)
			if n, _ := b.ticketsOf(); n != 0 || w.Code/100 != 3 || strings.Contains(w.Header().Get("Location"), "ticket") {
				t.Errorf("%v of %s: %d to %s, %d tickets", how, target, w.Code, w.Header().Get("Location"), n)
			}
		}
	}
	b.Header = http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}}
	w := b.send(http.MethodHead, middle, nil) // shows no page
	if n, _ := b.ticketsOf(); n != 0 || w.Code != 302 || w.Header().Get("Location") != "https://elsewhere.example/" {
		t.Errorf("HEAD: %d to %s, %d tickets", w.Code, w.Header().Get("Location"), n)
	}
	for _, target := range []string{used, middle} {
		if w := b.get(target); !strings.Contains(w.Header().Get("Location"), "ticket") {
			t.Errorf("a page: %d to %s", w.Code, w.Header().Get("Location"))
		}
	}
}
