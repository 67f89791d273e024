package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

func few(n int) func(*session.KindConfig[User]) {
	return func(c *session.KindConfig[User]) { c.MaxSessions = n }
}

// TestD4_TooManySessions: a subject has no more than MaxSessions sessions; the one used longest ago ends when one more
// comes, by whichever way it is created, and the event says so.
func TestD4_TooManySessions(t *testing.T) {
	k := newKeeper(t, few(3))
	all := []session.Tokens{k.create(), k.create(), k.create()}
	k.Advance(time.Minute)
	all[0] = k.mustRefresh(all[0].Refresh) // used, so that the second is the oldest
	other := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	k.told()
	for name, create := range map[string]func() string{
		"Create": func() string { return k.create().SessionID },
		"Cookie": func() string {
			if err := k.member.Cookie(recorder(), request("GET", "/"), k.grant(), ret(app)); err != nil {
				t.Fatal(err)
			}
			return ""
		},
		"Code": func() string { return k.codeTokens(audience).SessionID },
	} {
		k.Advance(time.Minute)
		before := k.list()
		slices.Reverse(before) // of those that were used at the same time the first has to go
		oldest := slices.MinFunc(before, func(a, b session.Info) int { return a.LastUsed.Compare(b.LastUsed) })
		create()
		k.wantTold("session ended: too many")
		if in := must(k.sessions.Find(t.Context(), oldest.ID))(t); in.Ended != "too many" {
			t.Errorf("%s: the one used longest ago is %q", name, in.Ended)
		}
		if list := k.list(); len(list) != 3 {
			t.Errorf("%s: %d sessions", name, len(list))
		}
	}
	for _, tokens := range all {
		if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
			t.Errorf("one that had to go: %v", err)
		}
	}
	k.mustRefresh(other.Refresh)
	// What has ended makes room, and a replacement needs none.
	list := k.list()
	if err := k.sessions.Revoke(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	k.told()
	last := k.create()
	k.wantTold()
	must(k.member.Replace(t.Context(), last.Refresh, k.grant()))(t)
	k.wantTold("session ended: replaced")
	if len(k.list()) != 3 {
		t.Errorf("%d sessions", len(k.list()))
	}
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	k.told()
	for range 3 {
		k.create()
	}
	k.wantTold()
	for _, n := range []int{-1, 1001} {
		wantPanic(t, "MaxSessions", func() {
			session.NewKindConfig(newWorld(t).sessions, session.KindConfig[User]{Name: "x", MaxSessions: n})
		})
	}
	wantPanic(t, "MaxSessions", func() {
		session.NewKindConfig(newWorld(t).sessions, session.KindConfig[User]{Name: "x", Stateless: true, MaxSessions: 5})
	})
}

func wantPanic(t *testing.T, says string, do func()) {
	t.Helper()
	defer func() {
		if why := recover(); !strings.Contains(fmt.Sprint(why), says) {
			t.Errorf("panic %v, want one about %s", why, says)
		}
	}()
	do()
}

// TestD4_TooManyAtOnce: however many sessions two programs create at the same time, those that are left are as many as
// there may be, and each session is either left or was ended with one event.
func TestD4_TooManyAtOnce(t *testing.T) {
	quiet := func(c *session.Config) { c.Logger = nil }
	k := newKeeper(t, few(5), quiet)
	two := [2]*keeper{k, k.twin(0, few(5), quiet)}
	const each = 30
	var all sync.WaitGroup
	made := make(chan session.Tokens, 2*each)
	for i := range cap(made) {
		all.Go(func() {
			got, err := two[i%2].member.Create(t.Context(), k.grant())
			if err != nil {
				t.Errorf("Create: %v", err)
			}
			made <- got
		})
	}
	all.Wait()
	close(made)
	lives := 0
	for tokens := range made {
		if _, err := k.refresh(tokens.Refresh); err == nil {
			lives++
		}
	}
	if lives != 5 || len(k.list()) != 5 {
		t.Errorf("%d sessions live, %d are listed", lives, len(k.list()))
	}
	ended := 0
	for _, name := range append(k.told(), two[1].told()...) {
		if name == "session ended: too many" {
			ended++
		}
	}
	if ended != 2*each-5 {
		t.Errorf("%d events, want %d", ended, 2*each-5)
	}
}

// TestD4_ReplaceReportsEveryEnd: after MaxSessions was lowered, a replacement ends more sessions than its own; each end
// has its event.
func TestD4_ReplaceReportsEveryEnd(t *testing.T) {
	k := newKeeper(t, few(5))
	var last session.Tokens
	for range 5 {
		k.Advance(time.Second)
		last = k.create()
	}
	lower := k.twin(0, few(2))
	lower.told()
	must(lower.member.Replace(t.Context(), last.Refresh, k.grant()))(t)
	ends := map[string]int{}
	for _, name := range lower.told() {
		ends[name]++
	}
	if ends["session ended: too many"] != 3 || ends["session ended: replaced"] != 1 {
		t.Errorf("events %v", ends)
	}
	if n := len(lower.list()); n != 2 {
		t.Errorf("%d sessions are listed", n)
	}
}

// TestD4_RowsOfOneAccountAreBounded: the sessions that end because there are too many leave no row for long, and their
// tokens work neither while the row is there nor after it. What ended by theft keeps its row.
func TestD4_RowsOfOneAccountAreBounded(t *testing.T) {
	k := newKeeper(t, few(3))
	copied := k.create()
	k.rotate(k.rotate(copied.Refresh).Refresh)
	if _, err := k.refresh(copied.Refresh); !errors.Is(err, session.ErrReuse) {
		t.Fatal(err)
	}
	first := k.create()
	for range 200 {
		k.Advance(time.Second)
		k.create()
	}
	if in := must(k.sessions.Find(t.Context(), first.SessionID))(t); in.Ended != "too many" {
		t.Errorf("the first ended as %q", in.Ended)
	}
	k.Advance(7 * time.Minute) // more than an access token, the grace and the difference of clocks
	if _, err := k.refresh(first.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
		t.Errorf("the first refresh token: %v", err)
	}
	if rec := serve(k.member.Require(k.whoami(), session.CheckStore), request("GET", "/", "Authorization", "Bearer "+first.Access)); rec.Code != 401 {
		t.Errorf("the first access token: %d", rec.Code)
	}
	if _, err := k.refresh(copied.Refresh); !errors.Is(err, session.ErrReuse) {
		t.Errorf("the copied token: %v", err)
	}
	items, _, err := k.config.Store.List(t.Context(), keyOf(first.SessionID).Part, "", 500)
	if err != nil {
		t.Fatal(err)
	}
	if len(items) > 6 { // three sessions, the copied one, the index, the epoch
		t.Errorf("%d rows, want at most 6", len(items))
	}
}

// TestD4_OneRoundTripMore: a session costs one read and one write while there is room, and one read more when there is
// none; a heap of sessions that ended long ago costs nothing.
func TestD4_OneRoundTripMore(t *testing.T) {
	k := newKeeper(t)
	for range 300 { // sign-ins and sign-outs
		if err := k.sessions.Revoke(t.Context(), k.create().SessionID); err != nil {
			t.Fatal(err)
		}
	}
	reads := map[int]int{}
	for range 200 {
		k.spy.calm()
		k.create()
		if reads[k.spy.gets]++; k.spy.writes() != 1 || k.spy.lists != 0 {
			t.Errorf("%d writes, %d lists", k.spy.writes(), k.spy.lists)
		}
	}
	for n := range reads {
		if n != 1 && n != 2 {
			t.Errorf("%d reads for one session", n)
		}
	}
	if reads[1] != 100 {
		t.Errorf("reads %v", reads)
	}
}

// TestD4_ListInPages: sessions are listed in pages, each once, also while others come, go and are used; a page never
// reads more rows than it can show, and a cursor of anybody's making is refused.
func TestD4_ListInPages(t *testing.T) {
	k := newKeeper(t, few(1000))
	robot := session.NewKind[APIKey](k.sessions, "robot")
	want := map[string]bool{}
	var tokens []session.Tokens
	for i := range 230 {
		k.Advance(time.Second)
		if i%10 == 0 {
			must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
		}
		tokens = append(tokens, k.create())
		want[tokens[i].SessionID] = true
	}
	seen := map[string]int{}
	o := session.ListOptions{Limit: 30}
	for n := 0; ; n++ {
		k.spy.calm()
		page := must(k.sessions.List(t.Context(), "u1", o))(t)
		if len(page.Sessions) > 30 || k.spy.lists != 0 || k.spy.gets > 8 {
			t.Errorf("page %d has %d sessions, after %d reads and %d lists", n, len(page.Sessions), k.spy.gets, k.spy.lists)
		}
		if !slices.IsSortedFunc(page.Sessions, func(a, b session.Info) int {
			if a.Kind != b.Kind {
				return strings.Compare(a.Kind, b.Kind)
			}
			return b.Created.Compare(a.Created)
		}) {
			t.Errorf("page %d is not in order", n)
		}
		for _, in := range page.Sessions {
			seen[in.ID]++
		}
		k.create() // a new one, of which the next page knows nothing
		if n < len(tokens) {
			k.Advance(time.Minute)
			k.mustRefresh(tokens[n].Refresh) // an old one comes to the fore
		}
		if o.After = page.Next; o.After == "" {
			break
		}
	}
	robots := 0
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was listed %d times", id, n)
		}
		if !want[id] {
			robots++
		}
	}
	if len(seen) != 253 || robots != 23 {
		t.Errorf("%d sessions were listed, %d of robots", len(seen), robots)
	}
	for _, o := range []session.ListOptions{
		{After: "x"}, {After: "!"}, {After: strings.Repeat("A", 10000)}, {Limit: -1}, {Limit: 101}, {After: "bWVtYmVyLjAx"}, {After: "bWVtYmVyLi0x"},
	} {
		if _, err := k.sessions.List(t.Context(), "u1", o); !errors.Is(err, session.ErrPage) || session.Reason(err) != "page" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// Over HTTP it is the same.
	bearer := []string{"Authorization", "Bearer " + k.mustRefresh(tokens[229].Refresh).Access}
	listed, after := 0, ""
	for {
		rec := k.ask("GET", "/sessions?limit=50&after="+url.QueryEscape(after), "", bearer...)
		var page struct {
			Sessions []json.RawMessage
			Next     string
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != 200 || len(page.Sessions) > 50 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		listed += len(page.Sessions)
		if after = page.Next; after == "" {
			break
		}
	}
	if n := len(k.allOf("u1")); listed != n-23 {
		t.Errorf("%d of %d sessions were listed over HTTP", listed, n-23)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "limit=-5", "after=x", "after=%00"} {
		if rec := k.ask("GET", "/sessions?"+query, "", bearer...); rec.Code != 400 || errorCode(t, rec) != "invalid_request" {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}

// allOf lists all pages of a subject.
func (k *keeper) allOf(subject string) (all []session.Info) {
	k.t.Helper()
	for o := (session.ListOptions{}); ; {
		page := must(k.sessions.List(k.t.Context(), subject, o))(k.t)
		all = append(all, page.Sessions...)
		if o.After = page.Next; o.After == "" {
			return all
		}
	}
}

// A damaged index is a fault of the store: 503, and nothing is written over it.
func TestIndex_Damaged(t *testing.T) {
	for _, value := range []string{"", "x", "[]x", `{"last":1,"sessions":[{"n":2,"id":"AAAAAAAAAAAAAAAAAAAAAA"}]}`, `{"last":1,"sessions":[{"n":1,"id":"!"}]}`,
		`{"last":2,"sessions":[{"n":1,"id":"AAAAAAAAAAAAAAAAAAAAAA"},{"n":1,"id":"AAAAAAAAAAAAAAAAAAAAAB"}]}`, `{"last":2,"sessions":[{"n":0,"id":"AAAAAAAAAAAAAAAAAAAAAA"}]}`} {
		k := newKeeper(t)
		mine := k.create()
		item := k.item(store.Key{Part: keyOf(mine.SessionID).Part, ID: "*"})
		item.Value = []byte(value)
		k.write(item)
		if _, err := k.member.Create(t.Context(), k.grant()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Create over %s: %v", value, err)
		}
		if _, err := k.sessions.List(t.Context(), "u1", session.ListOptions{}); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("List over %s: %v", value, err)
		}
		k.mustRefresh(mine.Refresh)
	}
}
