package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A session rotates once in 30 seconds, answers the token before the present one for 90, and trades it again later.
func TestRefresh(t *testing.T) {
	k := newKeeper(t)
	first := k.create()
	if first.Refresh == "" || !first.RefreshExpires.Equal(k.Now().Add(7*24*time.Hour)) || !first.Expires.Equal(k.Now().Add(5*time.Minute)) {
		t.Fatalf("tokens %+v", first)
	}
	k.spy.calm()
	seen := map[string]bool{first.Access: true}
	same := func(token, want string, wantID string) {
		t.Helper()
		got := k.mustRefresh(token)
		if got.Refresh != want || got.SessionID != wantID || seen[got.Access] || !got.Expires.Equal(k.Now().Truncate(time.Second).Add(5*time.Minute)) {
			t.Errorf("tokens %+v", got)
		}
		seen[got.Access] = true
		s := must(k.member.Verify(t.Context(), got.Access))(t)
		if s.ID != wantID || s.Subject != "u1" || s.Properties.TenantID != "t1" || strings.Join(s.Scopes, " ") != "orders:read orders:write" ||
			strings.Join(s.Roles, "") != "owner" || strings.Join(s.Authentication.Methods, "") != "oidc" || s.Authentication.Time.IsZero() {
			t.Errorf("session %+v", s)
		}
	}
	same(first.Refresh, first.Refresh, first.SessionID)
	k.Advance(30 * time.Second)
	same(first.Refresh, first.Refresh, first.SessionID)
	if k.spy.writes() != 0 || k.spy.gets != 2 {
		t.Errorf("%d reads and %d writes for two answers within the grace, want 2 and none", k.spy.gets, k.spy.writes())
	}
	k.Advance(time.Millisecond)
	second := k.mustRefresh(first.Refresh)
	if second.Refresh == first.Refresh || second.SessionID != first.SessionID || k.spy.writes() != 1 || k.spy.gets != 3 {
		t.Errorf("after 30 s: %+v, %d reads, %d writes", second, k.spy.gets, k.spy.writes())
	}
	if got := k.told(true); len(got) != 2 || got[1] != "session refreshed" {
		t.Errorf("events %q", got)
	}
	same(second.Refresh, second.Refresh, first.SessionID)
	k.wantTold()
	k.Advance(90 * time.Second)
	same(first.Refresh, second.Refresh, first.SessionID)
	k.wantTold("refresh retried")
	k.Advance(time.Millisecond)
	k.spy.calm()
	third := k.mustRefresh(first.Refresh)
	if number(t, third.Refresh) != 2 || third.SessionID != first.SessionID || k.spy.writes() != 1 || k.spy.gets != 1 {
		t.Errorf("91 s after it was replaced: %+v, %d reads, %d writes", third, k.spy.gets, k.spy.writes())
	}
	k.wantTold("lost answer")
	same(first.Refresh, third.Refresh, first.SessionID)
	k.wantTold("refresh retried")
	same(third.Refresh, third.Refresh, first.SessionID)
	if _, err := k.refresh(second.Refresh); !errors.Is(err, session.ErrReuse) || !errors.Is(err, session.ErrEnded) {
		t.Errorf("the token that was lost: %v", err)
	}
	k.wantTold("session ended: reuse")
	for range 2 { // for both, and told once
		if _, err := k.refresh(second.Refresh); !errors.Is(err, session.ErrReuse) {
			t.Errorf("the lost token of an ended session: %v", err)
		}
		if _, err := k.refresh(third.Refresh); !errors.Is(err, session.ErrReuse) {
			t.Errorf("its good token: %v", err)
		}
	}
	k.wantTold()
}

// Step 1: what cannot be a refresh token of ours costs the store nothing.
func TestRefresh_NotOurs(t *testing.T) {
	k := newKeeper(t)
	good := k.create()
	p := strings.Split(good.Refresh, ".")
	if len(p) != 6 || p[0] != "v1" || p[1] != "s1" || p[2]+"."+p[3] != good.SessionID || p[4] != "0" || len(p[5]) != 43 {
		t.Fatalf("refresh token %q", good.Refresh)
	}
	with := func(i int, v string) string {
		q := strings.Split(good.Refresh, ".")
		q[i] = v
		return strings.Join(q, ".")
	}
	k.spy.calm()
	for name, token := range map[string]string{
		"empty": "", "an access token": good.Access, "a session id": good.SessionID, "other version": with(0, "v2"), "no kid": with(1, ""),
		"unknown kid": with(1, "s2"), "kid in capitals": with(1, "S1"), "short half": with(2, p[2][1:]), "long half": with(2, p[2]+"A"), "half of other characters": with(2, "+"+p[2][1:]),
		"the epoch as a session": with(3, "!"), "a code as a session": with(3, "#"+p[3][1:]), "short tail": with(3, p[3][1:]), "no number": with(4, ""), "negative": with(4, "-1"),
		"signed": with(4, "+0"), "leading zero": with(4, "00"), "hexadecimal": with(4, "0x0"), "too great": with(4, "9223372036854775807"), "out of range": with(4, "92233720368547758070"),
		"a part more": good.Refresh + ".", "a part less": strings.TrimSuffix(good.Refresh, "."+p[5]), "long": good.Refresh + strings.Repeat("A", 257), "a line": good.Refresh + "\n.",
	} {
		if tokens, err := k.refresh(token); !errors.Is(err, session.ErrRefresh) || tokens != (session.Tokens{}) {
			t.Errorf("%s: %+v, %v", name, tokens, err)
		}
	}
	if k.spy.gets != 0 || k.spy.writes() != 0 {
		t.Errorf("the store was asked: %d reads, %d writes", k.spy.gets, k.spy.writes())
	}
	// Step 3: with a bad tag it is read, and nothing changes.
	for name, token := range map[string]string{
		"no tag": with(5, ""), "short": with(5, p[5][1:]), "long": with(5, p[5]+"A"), "another": with(5, strings.Repeat("A", 43)), "tag of another number": with(4, "1"), "of an old one": with(4, "7"),
	} {
		if _, err := k.refresh(token); !errors.Is(err, session.ErrRefresh) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.refresh(with(3, strings.Repeat("A", 22))); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a session that is not there: %v", err)
	}
	if k.spy.writes() != 0 {
		t.Error("a bad tag changed the store")
	}
	k.wantTold()
	k.mustRefresh(good.Refresh)
}

// TestS2_RefreshMutations: of a thousand mutants of a refresh token none is taken, and the session outlives them all.
func TestS2_RefreshMutations(t *testing.T) {
	k := newKeeper(t)
	good, other := k.create(), k.create()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00\xff"
	random := rand.New(rand.NewPCG(3, 4))
	mutants := map[string]bool{}
	for i := range good.Refresh {
		mutants[good.Refresh[:i]] = true                        // truncated
		mutants[good.Refresh[:i]+other.Refresh[i:]] = true      // of two halves
		mutants[good.Refresh+alphabet[i%len(alphabet):]] = true // extended
	}
	for len(mutants) < 1000 {
		m := []byte(good.Refresh)
		at := random.IntN(len(m))
		switch random.IntN(4) {
		case 0:
			m[at] = alphabet[random.IntN(len(alphabet))]
		case 1:
			m[at] ^= 1 << random.IntN(8)
		case 2:
			m = append(m[:at], m[at+1:]...)
		case 3: // the other case
			for i := at; i < min(at+1+random.IntN(8), len(m)); i++ {
				m[i] ^= 0x20
			}
		}
		mutants[string(m)] = true
	}
	delete(mutants, good.Refresh)
	delete(mutants, other.Refresh)
	before := k.item(keyOf(good.SessionID))
	k.spy.calm()
	for m := range mutants {
		if _, err := k.refresh(m); err == nil || errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%q: %v", m, err)
		}
	}
	if len(mutants) < 990 || k.spy.writes() != 0 || k.item(keyOf(good.SessionID)).Version != before.Version {
		t.Errorf("%d mutants, %d writes", len(mutants), k.spy.writes())
	}
	k.wantTold()
	k.mustRefresh(good.Refresh)
}

// Step 2 and the ends of step 6: a store that is away is no verdict, and the token stays good.
func TestRefresh_StoreFails(t *testing.T) {
	lost := errors.New("connection lost")
	for name, c := range map[string]struct {
		get    func(n int) error
		write  func(n int, _ []store.Change) (bool, error)
		want   error
		writes int
		moved  bool // the session went on
	}{
		"cannot be read":           {get: func(int) error { return lost }, want: session.ErrUnavailable},
		"not written, unreadable":  {get: after(1, lost), write: fails(false, lost), want: session.ErrUnavailable, writes: 1},
		"written, unreadable":      {get: after(1, lost), write: fails(true, lost), want: session.ErrUnavailable, writes: 1, moved: true},
		"written, answer lost":     {write: fails(true, lost), writes: 1, moved: true},
		"never written":            {write: fails(false, lost), want: session.ErrUnavailable, writes: 6},
		"conflicts without end":    {write: fails(false, store.ErrConflict), want: session.ErrUnavailable, writes: 6},
		"refused as invalid":       {write: fails(false, store.ErrInvalid), want: session.ErrUnavailable, writes: 1},
		"one conflict":             {write: once(false, store.ErrConflict), writes: 2, moved: true},
		"one that was not written": {write: once(false, lost), writes: 2, moved: true},
		"five conflicts":           {write: first(5, store.ErrConflict), writes: 6, moved: true},
		"written, but too late":    {write: once(true, context.DeadlineExceeded), writes: 1, moved: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKeeper(t)
				token := k.create().Refresh
				k.Advance(time.Minute)
				k.told(true)
				k.spy.calm()
				k.spy.onGet, k.spy.onWrite = c.get, c.write
				got, err := k.refresh(token)
				if !errors.Is(err, c.want) || (err == nil) != (got.Refresh != "") || k.spy.writes() != c.writes {
					t.Fatalf("%+v, %v after %d writes, want %v after %d", got, err, k.spy.writes(), c.want, c.writes)
				}
				if told := k.told(true); err == nil && (len(told) != 1 || told[0] != "session refreshed") || err != nil && len(told) != 0 {
					t.Errorf("events %q", told)
				}
				k.spy.calm()
				again := k.mustRefresh(token)
				if err == nil && again.Refresh != got.Refresh {
					t.Error("the answer to the same token is another")
				}
				if c.moved != (k.spy.writes() == 0) {
					t.Errorf("the session had moved on: %v", !c.moved)
				}
				k.mustRefresh(again.Refresh)
			})
		})
	}
}

func after(n int, err error) func(int) error {
	return func(i int) error {
		if i > n {
			return err
		}
		return nil
	}
}

func fails(apply bool, err error) func(int, []store.Change) (bool, error) {
	return func(int, []store.Change) (bool, error) { return apply, err }
}

func first(n int, err error) func(int, []store.Change) (bool, error) {
	return func(i int, _ []store.Change) (bool, error) {
		if i > n {
			return true, nil
		}
		return false, err
	}
}

func once(apply bool, err error) func(int, []store.Change) (bool, error) {
	return func(i int, _ []store.Change) (bool, error) {
		if i > 1 {
			return true, nil
		}
		return apply, err
	}
}

// A rotation that arrives after it was given up is found by the next try, and answered like any that was lost.
func TestRefresh_LateWrite(t *testing.T) {
	k := newKeeper(t)
	token := k.create().Refresh
	k.Advance(time.Minute)
	k.spy.calm()
	var late []store.Change
	k.spy.onWrite = func(n int, changes []store.Change) (bool, error) {
		late = changes
		return false, errors.New("no answer")
	}
	k.spy.onGet = func(n int) error {
		if n == 3 { // behind the one that looks whether it was written
			return k.spy.Store.Write(t.Context(), late...)
		}
		return nil
	}
	got := k.mustRefresh(token)
	if k.spy.writes() != 1 || k.mustRefresh(token).Refresh != got.Refresh || k.mustRefresh(got.Refresh).Refresh != got.Refresh {
		t.Errorf("%d writes", k.spy.writes())
	}
}

// A signer or secrets that fail strand no rotation: nothing is written.
func TestRefresh_KeysAway(t *testing.T) {
	k := newKeeper(t)
	token := k.create().Refresh
	k.Advance(time.Minute)
	for name, change := range map[string]func(*session.Config){
		"signer":  func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} },
		"secrets": func(c *session.Config) { c.Secrets = brokenSecrets{} },
	} {
		away := k.twin(0, change)
		k.spy.calm()
		if _, err := away.refresh(token); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if k.spy.writes() != 0 {
			t.Errorf("%s: written before it was signed", name)
		}
	}
	if got := k.mustRefresh(token); got.Refresh == token {
		t.Error("not rotated")
	}
}

type brokenSecrets struct{}

func (brokenSecrets) Secret(context.Context, string) (keys.Secret, error) {
	return keys.Secret{}, keys.ErrUnavailable
}

// A session goes on under a new secret at its next rotation, and the token before it is still answered. With the secret
// gone the token is nobody's.
func TestRefresh_SecretRotates(t *testing.T) {
	k := newKeeper(t)
	first := k.create()
	fresh := must(keys.NewSecret("s2", []byte(strings.Repeat("n", 32))))(t)
	old := must(k.config.Secrets.Secret(t.Context(), "s1"))(t)
	both := k.twin(0, func(c *session.Config) { c.Secrets = must(keys.StaticSecrets(fresh, old))(t) })
	if got := both.mustRefresh(first.Refresh); got.Refresh != first.Refresh {
		t.Error("within the grace the answer is another")
	}
	k.Advance(time.Minute)
	second := both.mustRefresh(first.Refresh)
	if !strings.HasPrefix(second.Refresh, "v1.s2.") {
		t.Errorf("token %s", second.Refresh)
	}
	if again := both.mustRefresh(first.Refresh); again.Refresh != second.Refresh {
		t.Error("the token before, under the old secret, is answered otherwise")
	}
	only := k.twin(0, func(c *session.Config) { c.Secrets = must(keys.StaticSecrets(fresh))(t) })
	if got := only.mustRefresh(second.Refresh); got.Refresh != second.Refresh {
		t.Error("another answer")
	}
	if _, err := only.refresh(first.Refresh); !errors.Is(err, session.ErrRefresh) {
		t.Errorf("a token of a secret that is gone: %v", err)
	}
	only.mustRefresh(second.Refresh)
}

// Who cannot keep sessions says what is missing.
func TestRefresh_Requires(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*session.Config)
		want   error
	}{
		"store":   {func(c *session.Config) { c.Store = nil }, session.ErrStoreRequired},
		"secrets": {func(c *session.Config) { c.Secrets = nil }, session.ErrNoSigner},
		"signer": {func(c *session.Config) {
			c.Keys = must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)
		}, session.ErrNoSigner},
	} {
		k := newKeeper(t, c.change)
		if _, err := k.refresh("x"); !errors.Is(err, c.want) {
			t.Errorf("Refresh without %s: %v", name, err)
		}
		if _, err := k.member.Create(t.Context(), k.grant()); !errors.Is(err, c.want) {
			t.Errorf("Create without %s: %v", name, err)
		}
		if err := k.member.Cookie(recorder(), request("GET", "/"), k.grant(), ret(app)); !errors.Is(err, c.want) {
			t.Errorf("Cookie without %s: %v", name, err)
		}
		if err := k.member.Edit(t.Context(), "x", nil); !errors.Is(err, c.want) {
			t.Errorf("Edit without %s: %v", name, err)
		}
		if _, err := k.member.Replace(t.Context(), "x", k.grant()); !errors.Is(err, c.want) {
			t.Errorf("Replace without %s: %v", name, err)
		}
	}
	k := newKeeper(t, func(c *session.Config) { c.Store = nil })
	for name, err := range map[string]error{
		"Revoke": k.sessions.Revoke(t.Context(), "x"), "RevokeSubject": k.sessions.RevokeSubject(t.Context(), "u1"), "RevokeOthers": k.sessions.RevokeOthers(t.Context(), "x"),
		"EditData": k.sessions.EditData(t.Context(), "x", nil), "SignOutEverywhere": k.sessions.SignOutEverywhere(recorder(), request("POST", "/")),
	} {
		if !errors.Is(err, session.ErrStoreRequired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, call := range []func() error{
		func() error { _, err := k.sessions.List(t.Context(), "u1", session.ListOptions{}); return err },
		func() error { _, err := k.sessions.Find(t.Context(), "x"); return err },
		func() error { _, err := k.sessions.Data(t.Context(), "x"); return err },
	} {
		if err := call(); !errors.Is(err, session.ErrStoreRequired) {
			t.Error(err)
		}
	}
}

// A client that leaves while the store writes cuts nobody off from what was written: whether it was is asked with
// another deadline.
func TestRefresh_ClientLeaves(t *testing.T) {
	k := newKeeper(t)
	token := k.create().Refresh
	k.Advance(time.Minute)
	ctx, leave := context.WithCancel(t.Context())
	k.spy.calm()
	k.spy.onWrite = func(int, []store.Change) (bool, error) { // the store commits, and its client gives up
		if err := k.spy.Store.Write(t.Context(), k.spy.written[0]...); err != nil {
			t.Error(err)
		}
		leave()
		return false, ctx.Err()
	}
	next, err := k.sessions.Refresh(ctx, token)
	if err != nil || next.Refresh == token {
		t.Errorf("%v", err)
	}
	k.spy.calm()
	if got := k.mustRefresh(token); got.Refresh != next.Refresh || k.spy.writes() != 0 {
		t.Errorf("%d writes", k.spy.writes())
	}
	k.Advance(time.Minute)
	if _, err := k.sessions.Refresh(ctx, next.Refresh); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("of a client that left before: %v", err)
	}
	k.mustRefresh(next.Refresh)
}
