package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// dump is all that a thief of the store gets.
func (k *keeper) dump() []string {
	k.spy.mu.Lock()
	defer k.spy.mu.Unlock()
	var out []string
	for _, changes := range k.spy.written {
		for _, c := range changes {
			out = append(out, c.Item.Key.Part, c.Item.Key.ID, string(c.Item.Value), c.Item.Version)
		}
	}
	return out
}

// TestS2_StolenStore: nothing in the store opens anything: no stored text, and no part of one, is a token; and with all
// of a row but not the secret no token can be computed.
func TestS2_StolenStore(t *testing.T) {
	k := newKeeper(t)
	k.spy.calm()
	tokens := k.create()
	next := k.rotate(tokens.Refresh)
	code := k.memberCode(audience)
	bought := decode(t, k.redeemCode(k.memberCode(audience), audience))
	if err := k.sessions.Revoke(t.Context(), k.create().SessionID); err != nil {
		t.Fatal(err)
	}
	texts := k.dump()
	all := strings.Join(texts, "\n")
	secrets := map[string]string{
		"access": tokens.Access, "refresh": tokens.Refresh, "next": next.Refresh, "code": code, "a code's refresh": bought["refresh_token"].(string), "a code's access": bought["access_token"].(string),
	}
	for name, secret := range secrets {
		parts := strings.Split(secret, ".")
		if strings.Contains(all, parts[len(parts)-1]) {
			t.Errorf("the store holds the proof of %s", name)
		}
	}
	for _, text := range texts {
		for _, piece := range append(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(`",:{}[] `, r) }), text) {
			if _, err := k.refresh(piece); err == nil {
				t.Errorf("the stored %q refreshes", piece)
			}
			if _, err := k.member.Verify(t.Context(), piece); err == nil {
				t.Errorf("the stored %q verifies", piece)
			}
			if rec := k.redeemCode(piece, audience); rec.Code == 200 {
				t.Errorf("the stored %q redeems", piece)
			}
		}
	}
	// An issuer whose secret has another value, on a copy of the store, makes other tags.
	thief := k.twin(0, func(c *session.Config) {
		c.Secrets = must(keys.StaticSecrets(must(keys.NewSecret("s1", bytes.Repeat([]byte{8}, 32)))(t)))(t)
	})
	if _, err := thief.refresh(next.Refresh); !errors.Is(err, session.ErrRefresh) {
		t.Errorf("a tag of another secret: %v", err)
	}
	// The salt of one row does not go with the tag of another.
	other := k.create()
	mine := k.item(keyOf(next.SessionID))
	yours := k.item(keyOf(other.SessionID))
	yours.Value = mine.Value
	k.write(yours)
	if _, err := k.refresh(other.Refresh); !errors.Is(err, session.ErrRefresh) {
		t.Errorf("a row in the place of another: %v", err)
	}
	k.mustRefresh(next.Refresh)
	if texts == nil || len(all) < 1000 {
		t.Fatal("too little was stored to mean anything")
	}
}

// TestL1_RefreshSecrets: no refresh token, tag or salt in a log, an event, an error or an answer that refuses it.
func TestL1_RefreshSecrets(t *testing.T) {
	k := newKeeper(t)
	var said bytes.Buffer
	tell := func(err error) {
		if err == nil {
			t.Error("no error")
		}
		fmt.Fprintf(&said, "%v %+v %#v\n", err, err, err)
	}
	lost := errors.New("connection lost")
	old := k.create()
	next := k.rotate(old.Refresh)
	third := k.rotate(next.Refresh)
	spoiled := third.Refresh[:len(third.Refresh)-3] + "AAA"
	var row struct{ Salt string }
	if err := json.Unmarshal(k.item(keyOf(old.SessionID)).Value, &row); err != nil || row.Salt == "" {
		t.Fatal(err)
	}
	k.Advance(6 * time.Minute)
	try := func(token string) {
		tell(second(k.refresh(token)))
		for _, rec := range []fmt.Stringer{
			k.ask("POST", "/refresh", "", "Cookie", k.renewal()+"="+token).Body,
			k.ask("POST", "/token", "grant_type=refresh_token&refresh_token="+token).Body,
			k.ask("GET", "/sessions", "", "Cookie", k.renewal()+"="+token).Body,
			k.ask("GET", "/sessions", "", "Authorization", "Bearer "+token).Body,
			serve(k.member.Require(k.whoami()), request("GET", "/?t="+token, "Cookie", k.renewal()+"="+token)).Body,
		} {
			fmt.Fprintln(&said, rec)
		}
	}
	try(spoiled)
	k.spy.calm()
	k.spy.onGet = func(int) error { return lost }
	try(third.Refresh)
	k.spy.calm()
	k.spy.onWrite = fails(false, store.ErrInvalid)
	tell(second(k.refresh(third.Refresh)))
	k.spy.calm()
	k.edit(old.SessionID, func(r map[string]any) { r["n"] = "a text with " + row.Salt })
	try(third.Refresh)
	k.edit(old.SessionID, func(r map[string]any) { r["n"] = 2 })
	try(old.Refresh)
	try(third.Refresh)
	fmt.Fprintf(&said, "%s\n%+v\n%v %+v", k.Log.String(), k.Events.All(), k.member, k.sessions)
	text := said.String()
	for name, secret := range map[string]string{"old": old.Refresh, "next": next.Refresh, "third": third.Refresh, "spoiled": spoiled, "salt": row.Salt} {
		tag := secret[strings.LastIndex(secret, ".")+1:]
		if at := strings.Index(text, tag); at >= 0 {
			t.Errorf("%s is said: ...%s...", name, text[max(0, at-200):min(len(text), at+60)])
		}
	}
	if !strings.Contains(text, "connection lost") || !strings.Contains(text, "session ended") || len(text) < 5000 {
		t.Errorf("%d bytes were said: too little to mean anything", len(text))
	}
}

// TestJ14_RefreshMatrix: a refresh token opens nothing but a refresh of its kind, and nothing else refreshes.
func TestJ14_RefreshMatrix(t *testing.T) {
	k := newKeeper(t)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	member := k.create()
	other := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
	foreign := newKeeper(t, func(c *session.Config) {
		c.Issuer = "https://other.example"
		c.Keys, c.Secrets, c.Store = k.config.Keys, k.config.Secrets, k.spy
	}).create()
	values := map[string]string{
		"member refresh": member.Refresh, "member access": member.Access, "robot refresh": other.Refresh, "robot access": other.Access, "code": k.memberCode(audience),
		"another issuer's refresh": foreign.Refresh, "session id": member.SessionID,
	}
	robotCookie := session.CookieNameOf(robot)
	takers := map[string]func(v string) bool{
		"member access": func(v string) bool { return second(k.member.Verify(t.Context(), v)) == nil },
		"robot access":  func(v string) bool { return second(robot.Verify(t.Context(), v)) == nil },
		"member refresh by cookie": func(v string) bool {
			return serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.renewal()+"="+v)).Code == 200
		},
		"robot refresh by cookie": func(v string) bool {
			return serve(robot.Require(k.whoami()), request("GET", "/", "Cookie", robotCookie+"-refresh="+v)).Code == 200
		},
		"member access by cookie": func(v string) bool {
			return serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.access()+"="+v)).Code == 200
		},
		"member access by header": func(v string) bool {
			return serve(k.member.Require(k.whoami()), request("GET", "/", "Authorization", "Bearer "+v)).Code == 200
		},
		"code": func(v string) bool { return k.redeemCode(v, audience).Code == 200 },
	}
	for name, v := range values {
		for taker, takes := range takers {
			want, _, _ := strings.Cut(taker, " by ")
			if got := takes(v); got != (name == want) {
				t.Errorf("%s shown to %s: taken = %v", name, taker, got)
			}
		}
		if got := second(k.refresh(v)) == nil; got != (name == "member refresh" || name == "robot refresh") {
			t.Errorf("%s shown to Refresh: taken = %v", name, got)
		}
	}
}
