package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const pool = "people"

func pooled(c *session.KindConfig[User]) { c.Pool = pool }

// onePart is a store that writes to one Part at a time, as a Redis Cluster does.
type onePart struct{ store.Store }

func (onePart) OnePart() bool { return true }

func (s onePart) Write(ctx context.Context, changes ...store.Change) error {
	for _, c := range changes {
		if c.Item.Key.Part != changes[0].Item.Key.Part {
			return store.ErrInvalid
		}
	}
	return s.Store.Write(ctx, changes...)
}

// inOnePart puts a onePart around the store of a keeper.
func inOnePart(c *session.Config) { c.Store = onePart{c.Store} }

// eachStore runs f with a store that writes to two Parts, and with one that does not.
func eachStore(t *testing.T, f func(t *testing.T, changes ...any)) {
	t.Run("two parts", func(t *testing.T) { f(t) })
	t.Run("one part", func(t *testing.T) { f(t, inOnePart) })
}

// head changes the head of u1 as another package does.
func (k *keeper) head(change func(h head.Head) head.Head) {
	k.t.Helper()
	h := must(head.Get(k.t.Context(), k.spy.Store, pool, "u1"))(k.t)
	if err := k.spy.Store.Write(k.t.Context(), change(h).Put()); err != nil {
		k.t.Fatal(err)
	}
}

func moveSec(h head.Head) head.Head { return h.Moved() }

func moveRights(h head.Head) head.Head {
	h.Rights++
	return h
}

func disable(h head.Head) head.Head {
	h = h.Moved()
	h.Gone = head.Disabled
	return h
}

// gone ends a user without moving sec, which no program does.
func gone(h head.Head) head.Head {
	h.Gone = head.Deleted
	return h
}

func (k *keeper) sec() int64 {
	k.t.Helper()
	return must(head.Get(k.t.Context(), k.spy.Store, pool, "u1"))(k.t).Sec
}

// wantOver checks at the wire and in code that a session is over.
func (k *keeper) wantOver(what string, tokens session.Tokens) {
	k.t.Helper()
	if _, err := k.member.Verify(k.t.Context(), tokens.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
		k.t.Errorf("%s: CheckStore: %v", what, err)
	}
	h := k.member.Require(k.whoami(), session.CheckStore)
	for _, headers := range [][]string{{"Authorization", "Bearer " + tokens.Access}, {"Cookie", k.cookies(tokens)}} {
		if rec := serve(h, request("GET", "/", headers...)); rec.Code != 401 || errorCode(k.t, rec) != "session_ended" {
			k.t.Errorf("%s, guard with CheckStore, %s: %d %s", what, headers[0], rec.Code, rec.Body)
		}
	}
	if rec := k.tokenGrant(tokens.Refresh); rec.Code != 400 || errorCode(k.t, rec) != "invalid_grant" {
		k.t.Errorf("%s, /token: %d %s", what, rec.Code, rec.Body)
	}
	if rec := k.ask("POST", "/refresh", "", "Cookie", k.cookies(tokens)); rec.Code != 401 || errorCode(k.t, rec) != "session_ended" {
		k.t.Errorf("%s, /refresh: %d %s", what, rec.Code, rec.Body)
	}
	if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
		k.t.Errorf("%s: Refresh: %v", what, err)
	}
}

func (k *keeper) tokenGrant(refresh string) *httptest.ResponseRecorder {
	k.t.Helper()
	return k.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}.Encode())
}

// TestA10_Sessions: after the security of the account moved, or the user is gone, every token of a session that was
// made before is refused: the access token where a guard asks the store, and each refresh token, also in the answers
// that write nothing.
func TestA10_Sessions(t *testing.T) {
	events := map[string]struct {
		do     func(h head.Head) head.Head
		reason string
	}{"sec": {moveSec, "security"}, "disabled": {disable, "gone"}, "gone alone": {gone, "gone"}}
	states := map[string]func(k *keeper, t session.Tokens) session.Tokens{
		"new": func(_ *keeper, t session.Tokens) session.Tokens { return t },
		"current, after the grace": func(k *keeper, t session.Tokens) session.Tokens {
			k.Advance(time.Minute)
			return t
		},
		"current within the grace": func(k *keeper, t session.Tokens) session.Tokens { return k.rotate(t.Refresh) },
		"retried predecessor": func(k *keeper, t session.Tokens) session.Tokens {
			k.rotate(t.Refresh)
			return t
		},
		"lost answer": func(k *keeper, t session.Tokens) session.Tokens {
			k.rotate(t.Refresh)
			k.Advance(2 * time.Minute)
			return t
		},
	}
	eachStore(t, func(t *testing.T, changes ...any) {
		for event, e := range events {
			for state, make := range states {
				k := newKeeper(t, append(changes, pooled)...)
				k.head(moveSec)
				tokens := make(k, k.create())
				k.mustRefresh(tokens.Refresh)
				k.told(true)
				k.head(e.do)
				if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
					t.Errorf("%s, %s: %v", event, state, err)
				}
				k.wantTold("session ended: " + e.reason)
				k.wantOver(event+", "+state, tokens)
				k.wantTold()
				if in := must(k.sessions.Find(t.Context(), tokens.SessionID))(t); in.Ended != e.reason {
					t.Errorf("%s, %s: Info.Ended is %q", event, state, in.Ended)
				}
				k.Advance(time.Hour) // it does not come back
				if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
					t.Errorf("%s, %s, late: %v", event, state, err)
				}
			}
		}
	})
}

// TestA10_CheckStoreFirst: where nobody refreshed, the guard alone finds out.
func TestA10_CheckStoreFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, event := range map[string]func(head.Head) head.Head{"sec": moveSec, "disabled": disable, "gone": gone} {
			k := newKeeper(t, append(changes, pooled)...)
			tokens := k.create()
			k.verify(tokens.Access, session.CheckStore)
			k.head(event)
			if n := len(k.list()); n != 0 {
				t.Errorf("%s: %d sessions are listed", name, n)
			}
			if in := must(k.sessions.Find(t.Context(), tokens.SessionID))(t); in.Ended == "" {
				t.Errorf("%s: Find says that it lives", name)
			}
			k.wantOver(name, tokens)
		}
	})
}

// TestA10_Codes: a code that was not redeemed buys no session.
func TestA10_Codes(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, event := range map[string]func(head.Head) head.Head{"sec": moveSec, "disabled": disable, "gone": gone} {
			k := newKeeper(t, append(changes, pooled)...)
			k.head(moveSec)
			code, kept := k.memberCode(audience), k.memberCode(audience)
			if rec := k.redeemCode(kept, audience); rec.Code != 200 {
				t.Fatalf("before: %d %s", rec.Code, rec.Body)
			}
			k.told(true)
			k.head(event)
			if rec := k.redeemCode(code, audience); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
				t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			}
			reason := "gone"
			if name == "sec" {
				reason = "security"
			}
			k.wantTold("code refused: " + reason)
			if n := len(k.list()); n != 0 {
				t.Errorf("%s: %d sessions", name, n)
			}
		}
	})
}

// TestA10_BornMeanwhile: a session that is being created, by a sign-in or by a code, while the head moves. Where the
// store writes two parts it never begins; elsewhere it is over at its first use.
func TestA10_BornMeanwhile(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, event := range map[string]func(head.Head) head.Head{"sec": moveSec, "disabled": disable, "gone": gone} {
			for _, way := range []string{"Create", "code", "Replace"} {
				for _, at := range []string{"before the read", "before the write"} {
					k := newKeeper(t, append(changes, pooled)...)
					k.head(moveSec)
					code, old := "", session.Tokens{}
					switch way {
					case "code":
						code = k.memberCode(audience)
					case "Replace":
						old = k.create()
					}
					k.spy.calm()
					once := false
					move := func() {
						if !once {
							once = true
							k.head(event)
						}
					}
					if at == "before the read" {
						k.spy.onGet = func(int) error { move(); return nil }
					} else {
						k.spy.onWrite = func(int, []store.Change) (bool, error) { move(); return true, nil }
					}
					var tokens session.Tokens
					var err error
					switch ctx := head.Expect(t.Context(), 1); way {
					case "Create":
						tokens, err = k.member.Create(ctx, k.grant())
					case "Replace":
						tokens, err = k.member.Replace(ctx, old.Refresh, k.grant())
					default:
						if rec := k.redeemCode(code, audience); rec.Code == 200 {
							body := decode(t, rec)
							tokens = session.Tokens{Access: body["access_token"].(string), Refresh: body["refresh_token"].(string)}
						} else if err = session.ErrEnded; rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
							t.Errorf("%s, %s, %s: %d %s", name, way, at, rec.Code, rec.Body)
						}
					}
					k.spy.calm()
					if !once {
						t.Fatalf("%s, %s, %s: the head did not move", name, way, at)
					}
					switch {
					case err == nil && (len(changes) == 0 || at == "before the read"):
						t.Errorf("%s, %s, %s: a session began", name, way, at)
					case err == nil:
						k.wantOver(name+", "+way+", "+at, tokens)
					case !errors.Is(err, session.ErrEnded):
						t.Errorf("%s, %s, %s: %v", name, way, at, err)
					}
					if n := len(k.list()); n != 0 {
						t.Errorf("%s, %s, %s: %d sessions live", name, way, at, n)
					}
				}
			}
		}
	})
}

// TestA10_Expect: a session begins only with the head that the sign-in began with. Without that, the first head that is
// read counts; a new sign-in after the event is good.
func TestA10_Expect(t *testing.T) {
	k := newKeeper(t, pooled)
	k.head(moveSec)
	if _, err := k.member.Create(head.Expect(t.Context(), 0), k.grant()); !errors.Is(err, session.ErrEnded) {
		t.Errorf("of before: %v", err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if err := k.member.Cookie(recorder(), r.WithContext(head.Expect(r.Context(), 0)), k.grant(), ret("https://app.example/")); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Cookie: %v", err)
	}
	if err := k.member.Code(recorder(), r.WithContext(head.Expect(r.Context(), 0)), k.grant(), handedTo(audience)); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Code: %v", err)
	}
	if err := k.member.Parameter(recorder(), r.WithContext(head.Expect(r.Context(), 0)), k.grant(), ret("https://app.example/")); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Parameter: %v", err)
	}
	mine := must(k.member.Create(head.Expect(t.Context(), 1), k.grant()))(t)
	if _, err := k.member.Replace(head.Expect(t.Context(), 0), mine.Refresh, k.grant()); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Replace: %v", err)
	}
	k.mustRefresh(mine.Refresh) // the refusal of a new session does not end the old one
	k.head(moveSec)
	k.mustRefresh(k.create().Refresh)
	k.head(disable)
	if _, err := k.member.Create(t.Context(), k.grant()); !errors.Is(err, session.ErrEnded) {
		t.Errorf("of a disabled user: %v", err)
	}
	if err := k.member.Code(recorder(), r, k.grant(), handedTo(audience)); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Code of a disabled user: %v", err)
	}
	if n := len(k.list()); n != 0 {
		t.Errorf("%d sessions", n)
	}
	// A kind without Pool has no heads, whatever the context says.
	none := newKeeper(t)
	must(none.member.Create(head.Loaded(head.Expect(t.Context(), 5), 7), none.grant()))(t)
}

// TestA10_HeadUnavailable: a head that cannot be read, or does not decode, is 503 everywhere, never an absent head; and
// the session lives on afterwards.
func TestA10_HeadUnavailable(t *testing.T) {
	for _, value := range []string{"null", "{", `{"sec":-1}`} {
		k := newKeeper(t, pooled)
		tokens, code := k.create(), k.memberCode(audience)
		key := head.Key(pool, "u1")
		k.write(store.Item{Key: key, Value: []byte(value)})
		k.told(true)
		if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrEnded) {
			t.Errorf("%s: Refresh: %v", value, err)
		}
		for what, rec := range map[string]*httptest.ResponseRecorder{
			"/token":   k.tokenGrant(tokens.Refresh),
			"/refresh": k.ask("POST", "/refresh", "", "Cookie", k.cookies(tokens)),
			"code":     k.redeemCode(code, audience),
			"guard":    serve(k.member.Require(k.whoami(), session.CheckStore), request("GET", "/", "Cookie", k.cookies(tokens))),
			"bearer":   serve(k.member.Require(k.whoami(), session.CheckStore), request("GET", "/", "Authorization", "Bearer "+tokens.Access)),
		} {
			if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || len(rec.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s, %s: %d %s", value, what, rec.Code, rec.Body)
			}
		}
		if _, err := k.member.Create(t.Context(), k.grant()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: Create: %v", value, err)
		}
		if err := k.sessions.RevokeSubject(t.Context(), "u1"); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: RevokeSubject: %v", value, err)
		}
		if !strings.Contains(k.Log.String(), "head: the row does not decode") {
			t.Errorf("%s: the log does not name the row", value)
		}
		k.wantTold()
		if err := k.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
			t.Errorf("%s: a session cannot be ended: %v", value, err)
		}
	}
}

// Pool is for sessions in a store.
func TestPool_Stateless(t *testing.T) {
	w := newWorld(t)
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "Pool") {
			t.Errorf("panic %q", text)
		}
	}()
	session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "x", Stateless: true, Pool: pool})
}
