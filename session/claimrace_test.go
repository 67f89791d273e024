package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Of many requests of one session that need a newer value, one fetches it, and it decides about all.
func TestClaim_ParallelRequestsFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "member"})
		fetches, goOn := 0, make(chan struct{})
		c := session.NewClaim(k, session.ClaimConfig[User, int]{Name: "n", Fetch: func(context.Context, *session.Session[User]) (int, error) {
			fetches++ // the race detector says when there are two at once
			if fetches > 1 {
				<-goOn
			}
			return fetches, nil
		}})
		token := must(k.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t).Access
		w.Advance(time.Minute)
		for range 50 {
			go func() {
				if _, err := k.Verify(t.Context(), token, c.Is(2)); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait() // all wait for the one that fetches
		close(goOn)
		synctest.Wait()
		if fetches != 2 {
			t.Errorf("%d fetches, want that of Create and one more", fetches)
		}
	})
}

// conflicting answers the first writes with a conflict.
type conflicting struct {
	store.Store
	left int
}

func (c *conflicting) Write(ctx context.Context, changes ...store.Change) error {
	if c.left > 0 {
		c.left--
		return store.ErrConflict
	}
	return c.Store.Write(ctx, changes...)
}

// After a conflict the write is tried again, with the value that was fetched already.
func TestClaim_Conflicts(t *testing.T) {
	for lost, code := range map[int]int{3: 200, 100: 503} {
		var busy *conflicting
		w := newClaimWorld(t, func(c *session.Config) {
			busy = &conflicting{Store: c.Store}
			c.Store = busy
		})
		w.value.Store(true)
		token := w.create().Access
		w.Advance(time.Minute)
		busy.left = lost
		rec := w.byCookie(token, w.verified.Is(true).Within(time.Second))
		if rec.Code != code || w.fetches.Load() != 2 || (w.cookieToken(rec) != "") != (code == 200) {
			t.Errorf("%d conflicts: %d %s after %d fetches", lost, rec.Code, rec.Body, w.fetches.Load())
		}
	}
}

// A request that waits for the fetch of another leaves when its client does.
func TestClaim_WaitingEndsWithTheRequest(t *testing.T) {
	w := newWorld(t)
	k := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "member"})
	began, goOn := make(chan struct{}), make(chan struct{})
	first := true
	c := session.NewClaim(k, session.ClaimConfig[User, bool]{Name: "slow", Fetch: func(context.Context, *session.Session[User]) (bool, error) {
		if first { // by Create
			first = false
			return false, errors.New("not yet")
		}
		close(began)
		<-goOn
		return true, nil
	}})
	token := must(k.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t).Access
	done := make(chan error)
	go func() {
		_, err := k.Verify(context.Background(), token, c.Is(true))
		done <- err
	}()
	<-began
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := k.Verify(gone, token, c.Is(true)); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Renewals beside refreshes and edits: every write is kept, and nobody is signed out.
func TestClaim_RenewalBesideRefreshAndEdit(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	tokens := w.create()
	w.Advance(2 * time.Minute)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = w.member.Verify(t.Context(), tokens.Access, w.verified.Is(true).Within(time.Minute))
			case 1:
				_, err = w.sessions.Refresh(t.Context(), tokens.Refresh)
			case 2:
				err = w.member.Edit(t.Context(), tokens.SessionID, func(g *session.Grant[User]) error {
					g.Roles = append(g.Roles, "r")
					return nil
				})
			}
			if err != nil && !errors.Is(err, session.ErrUnavailable) { // of many writers some may get a 503
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	last := must(w.sessions.Refresh(t.Context(), tokens.Refresh))(t)
	s := must(w.member.Verify(t.Context(), last.Access, w.verified.Is(true).Within(time.Minute)))(t)
	if len(s.Roles) == 0 || w.fetches.Load() < 2 {
		t.Errorf("roles %v after %d fetches", s.Roles, w.fetches.Load())
	}
}

// faulty fails one call of a store: before it is done, or after.
type faulty struct {
	store.Store
	calls, at int
	after     bool
}

var errStoreFails = errors.New("the store fails")

func (f *faulty) fails() bool {
	f.calls++
	return f.calls == f.at
}

func (f *faulty) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if f.fails() {
		return nil, errStoreFails
	}
	return f.Store.Get(ctx, keys...)
}

func (f *faulty) Write(ctx context.Context, changes ...store.Change) error {
	if f.fails() {
		if f.after {
			_ = f.Store.Write(ctx, changes...)
		}
		return errStoreFails
	}
	return f.Store.Write(ctx, changes...)
}

// Whichever call of the store fails, a request whose claim must be renewed gets the right answer or a 503.
func TestG3_ClaimStoreFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, value := range []bool{true, false} {
			for at := 1; ; at++ {
				var shaky *faulty
				w := newClaimWorld(t, func(c *session.Config) {
					shaky = &faulty{Store: c.Store}
					c.Store = shaky
				})
				w.value.Store(!value)
				token := w.create().Access
				w.value.Store(value)
				w.Advance(time.Minute)
				shaky.calls, shaky.at, shaky.after = 0, at, after
				rec := w.byCookie(token, w.verified.Is(true).Within(30*time.Second))
				want := []int{403, 503}
				if value {
					want[0] = 200
				}
				if !slices.Contains(want, rec.Code) {
					t.Errorf("call %d, after %v, value %v: %d %s", at, after, value, rec.Code, rec.Body)
				}
				if rec.Code == 503 && w.cookieToken(rec) != "" {
					t.Errorf("call %d: a cookie with a 503", at)
				}
				if shaky.calls < at {
					if at < 3 {
						t.Errorf("%d calls of the store: nothing was renewed", shaky.calls)
					}
					break
				}
			}
		}
	}
}

// Claims survive the one-time code, which keeps them sealed.
func TestClaim_ByCode(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	g := session.Grant[User]{Subject: "u1", Properties: User{UserID: "u1"}}
	if err := w.plans.Set(&g, []string{"pro"}); err != nil {
		t.Fatal(err)
	}
	verifier := strings.Repeat("v", 43)
	rec := recorder()
	if err := w.member.Code(rec, request("GET", "/"), g, returnto.New(app, "", s256(verifier), "")); err != nil {
		t.Fatal(err)
	}
	back := must(url.Parse(rec.Header().Get("Location")))(t)
	rec = w.redeem(url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "code_verifier": {verifier},
		"redirect_uri": {app}, "client_id": {audience}})
	var answer struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	must(w.member.Verify(t.Context(), answer.Access, session.Includes(w.plans, "pro"), w.verified.Is(true)))(t)
}
