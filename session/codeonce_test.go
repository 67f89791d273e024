package session_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The session of a code and the tombstone of the code are one write.
func TestI3_OneWrite(t *testing.T) {
	k := newKeeper(t)
	code := k.memberCode(audience)
	k.spy.calm()
	rec := k.redeemCode(code, audience)
	body := decode(t, rec)
	if rec.Code != 200 || len(body) != 5 || body["refresh_token"] == nil {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if k.spy.writes() != 1 || len(k.spy.written[0]) != 4 || k.spy.gets != 1 {
		t.Fatalf("%d reads, writes %+v", k.spy.gets, k.spy.written)
	}
	ops := map[store.Op]int{}
	for _, c := range k.spy.written[0] {
		ops[c.Op]++
	}
	if ops[store.OpPut] != 3 || ops[store.OpCheck] != 1 {
		t.Errorf("changes %+v", k.spy.written[0])
	}
	s := k.verify(body["access_token"].(string), session.CheckStore)
	if in := must(k.sessions.Find(t.Context(), s.ID))(t); in.ClientID != audience || in.Subject != "u1" {
		t.Errorf("info %+v", in)
	}
	if told := k.told(true); len(told) != 1 || told[0] != "session created" {
		t.Errorf("events %q", told)
	}
}

// TestI3_Replay: a code that its client sends a second time ends what it bought: refresh token and, with CheckStore,
// access token. If that cannot be written, the answer is 503 and the next replay ends it.
func TestI3_Replay(t *testing.T) {
	for _, name := range []string{"as it was", "after it rotated", "first not written"} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			code := k.memberCode(audience)
			body := decode(t, k.redeemCode(code, audience))
			access, refresh := body["access_token"].(string), body["refresh_token"].(string)
			other := k.create()
			if name == "after it rotated" {
				next := k.rotate(refresh)
				access, refresh = next.Access, next.Refresh
			}
			k.told(true)
			if name == "first not written" {
				k.spy.calm()
				k.spy.onWrite = fails(false, errors.New("away"))
				if rec := k.redeemCode(code, audience); rec.Code != 503 {
					t.Errorf("store away: %d %s", rec.Code, rec.Body)
				}
				k.spy.calm()
				k.wantTold()
				k.mustRefresh(refresh)
			}
			for range 2 {
				if rec := k.redeemCode(code, audience); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
					t.Errorf("replay: %d %s", rec.Code, rec.Body)
				}
			}
			k.wantTold("session ended: code replayed", "code refused: used", "code refused: used")
			if _, err := k.refresh(refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
				t.Errorf("the refresh token it bought: %v", err)
			}
			if _, err := k.member.Verify(t.Context(), access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
				t.Errorf("the access token it bought: %v", err)
			}
			k.mustRefresh(other.Refresh)
		})
	}
}

// TestI3_ReplayNeedsTheVerifier: a person who read the URL of the redirect has the code, and neither the verifier nor,
// perhaps, the client. They cannot end the session, before or after other tries, and are answered as for a fresh code.
// The client's own replay still ends it.
func TestI3_ReplayNeedsTheVerifier(t *testing.T) {
	for name, field := range map[string][2]string{
		"client":       {"client_id", "thief"},
		"verifier":     {"code_verifier", s256("x")},
		"redirect_uri": {"redirect_uri", "https://evil.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			code := k.memberCode(audience)
			f := form(code)
			f.Set("client_id", audience)
			f.Set(field[0], field[1])
			fresh := k.ask("POST", "/token", f.Encode())
			body := decode(t, k.redeemCode(code, audience))
			access, refresh := body["access_token"].(string), body["refresh_token"].(string)
			id := k.verify(access).ID
			before := k.dumpPart(id)
			k.told(true)
			k.spy.calm()
			for range 3 {
				rec := k.ask("POST", "/token", f.Encode())
				if rec.Code != 400 || rec.Body.String() != fresh.Body.String() {
					t.Errorf("%d %s, want what a fresh code gets: %s", rec.Code, rec.Body, fresh.Body)
				}
			}
			refused := "code refused: " + name
			k.wantTold(refused, refused, refused)
			if after := k.dumpPart(id); after != before || k.spy.writes() != 0 {
				t.Errorf("%d writes, the rows were\n%s\nand are\n%s", k.spy.writes(), before, after)
			}
			k.verify(access, session.CheckStore)
			k.mustRefresh(refresh)
			k.told(true)
			if rec := k.redeemCode(code, audience); rec.Code != 400 {
				t.Errorf("the client's replay: %d", rec.Code)
			}
			k.wantTold("session ended: code replayed", "code refused: used")
			if _, err := k.refresh(refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("after the client's replay: %v", err)
			}
		})
	}
}

// Of a hundred redemptions of a code at once one wins; the others are replays, so the session of the winner ends. In
// OpenAuth three redemptions at once brought three pairs of tokens (its finding O3).
func TestI3_RaceEndsTheSession(t *testing.T) {
	k := newKeeper(t)
	for range 20 {
		code := k.memberCode(audience)
		var mu sync.Mutex
		var won []string
		var start, done sync.WaitGroup
		start.Add(1)
		for range 100 {
			done.Go(func() {
				start.Wait()
				rec := k.redeemCode(code, audience)
				mu.Lock()
				defer mu.Unlock()
				switch rec.Code {
				case 200:
					won = append(won, decode(t, rec)["refresh_token"].(string))
				case 400, 503: // 503: too many ended it at once
				default:
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
			})
		}
		start.Done()
		done.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of a hundred won", len(won))
		}
		if _, err := k.refresh(won[0]); !errors.Is(err, session.ErrEnded) {
			t.Errorf("what a code bought that was shown a hundred times: %v", err)
		}
	}
	if list := k.list(); len(list) != 0 {
		t.Errorf("%d sessions are left", len(list))
	}
}

// TestS9_Codes: what ends all sessions of a subject ends its codes, issued and in the middle of being redeemed.
func TestS9_Codes(t *testing.T) {
	k := newKeeper(t)
	for name, end := range map[string]func() error{
		"RevokeSubject": func() error { return k.sessions.RevokeSubject(t.Context(), "u1") },
		"RevokeOthers":  func() error { return k.sessions.RevokeOthers(t.Context(), k.create().SessionID) },
	} {
		code := k.memberCode(audience)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		k.told(true)
		if rec := k.redeemCode(code, audience); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
			t.Errorf("a code of before %s: %d %s", name, rec.Code, rec.Body)
		}
		k.wantTold("code refused: revoked")
		if rec := k.redeemCode(k.memberCode(audience), audience); rec.Code != 200 {
			t.Errorf("a code of after %s: %d %s", name, rec.Code, rec.Body)
		}
	}
	code := k.memberCode(audience)
	k.spy.calm()
	k.spy.onWrite = func(n int, _ []store.Change) (bool, error) {
		if n == 1 { // between reading and writing
			if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
				t.Error(err)
			}
		}
		return true, nil
	}
	if rec := k.redeemCode(code, audience); rec.Code != 400 {
		t.Errorf("revoked while it was redeemed: %d %s", rec.Code, rec.Body)
	}
	k.spy.calm()
	if list := k.list(); len(list) != 0 {
		t.Errorf("sessions %+v", list)
	}
	// One session that is ended ends no code: it is of another sign-in.
	born, code := k.create(), k.memberCode(audience)
	if err := k.sessions.Revoke(t.Context(), born.SessionID); err != nil {
		t.Fatal(err)
	}
	if rec := k.redeemCode(code, audience); rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// An answer that is lost and arrives late is the redemption's own, and no replay.
func TestI3_LateWrite(t *testing.T) {
	lost := errors.New("no answer")
	k := newKeeper(t)
	for name, c := range map[string]struct {
		write func(int, []store.Change) (bool, error)
		late  int // before which Get what was not written arrives; 0: never
	}{
		"written, answer lost":   {fails(true, lost), 0},
		"written after a look":   {once(false, lost), 3},
		"not written, then well": {once(false, lost), 0},
	} {
		code := k.memberCode(audience)
		k.told(true)
		k.spy.calm()
		var late []store.Change
		k.spy.onWrite = func(n int, changes []store.Change) (bool, error) {
			late = changes
			return c.write(n, changes)
		}
		k.spy.onGet = func(n int) error {
			if n == c.late {
				return k.spy.Store.Write(t.Context(), late...)
			}
			return nil
		}
		rec := k.redeemCode(code, audience)
		k.spy.calm()
		if rec.Code != 200 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			continue
		}
		body := decode(t, rec)
		k.mustRefresh(body["refresh_token"].(string))
		if told := k.told(true); len(told) != 1 || told[0] != "session created" || body["scope"] != "orders:read orders:write" {
			t.Errorf("%s: events %q, answer %v", name, told, body)
		}
		k.Advance(time.Second)
	}
}
