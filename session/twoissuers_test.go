package session_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestT6_TwoIssuersOnOneStore: of two issuers with one store, one ring, equal kinds, equal subjects and equal audiences
// neither lists, finds, ends, edits, redeems, refreshes or checks a session of the other, by whatever it is given.
func TestT6_TwoIssuersOnOneStore(t *testing.T) {
	a := newKeeper(t)
	b := a.twin(0, func(c *session.Config) { c.Issuer = "https://api.example.com/tenant" })
	if half, _, _ := strings.Cut(a.create().SessionID, "."); strings.HasPrefix(b.create().SessionID, half) {
		t.Error("the sessions of both lie in one part")
	}
	mine := b.create()
	code := b.memberCode(audience)
	id := mine.SessionID
	before := a.dumpPart(mine.SessionID)
	nothing := func(*session.Grant[User]) error { t.Error("asked to change it"); return nil }
	for what, err := range map[string]error{
		"Refresh":      second(a.refresh(mine.Refresh)),
		"Replace":      second(a.member.Replace(t.Context(), mine.Refresh, a.grant())),
		"Edit":         a.member.Edit(t.Context(), id, nothing),
		"Merge":        second(a.member.Merge(t.Context(), &session.Session[User]{ID: id, Subject: "u1", Expires: a.Now().Add(time.Minute)}, nothing)),
		"Find":         second(a.sessions.Find(t.Context(), id)),
		"Data":         second(a.sessions.Data(t.Context(), id)),
		"EditData":     a.sessions.EditData(t.Context(), id, func(json.RawMessage) (json.RawMessage, error) { t.Error("asked"); return nil, nil }),
		"RevokeOthers": a.sessions.RevokeOthers(t.Context(), id),
	} {
		if !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrRefresh) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := a.sessions.Revoke(t.Context(), id); err != nil { // as for one that never was
		t.Error(err)
	}
	if err := a.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Error(err)
	}
	if _, err := a.member.Verify(t.Context(), mine.Access, session.CheckStore); session.Reason(err) != "issuer" {
		t.Errorf("Verify: %v", err)
	}
	for name, rec := range map[string]int{
		"token":   a.redeemCode(code, audience).Code,
		"grant":   a.ask("POST", "/token", "grant_type=refresh_token&refresh_token="+mine.Refresh).Code,
		"session": a.ask("DELETE", "/sessions/"+id, "", "Authorization", "Bearer "+a.create().Access).Code,
		"revoke":  a.ask("POST", "/revoke", "token="+mine.Refresh).Code, // 200, as for what is not a token
		"signout": a.ask("POST", "/signout", "", "Authorization", "Bearer "+mine.Refresh).Code,
		"cookie":  a.ask("POST", "/signout", "", "Cookie", a.cookies(mine), "Sec-Fetch-Site", "same-origin").Code,
	} {
		if want := map[string]int{"token": 400, "grant": 400, "session": 404, "revoke": 200, "signout": 204, "cookie": 204}[name]; rec != want {
			t.Errorf("%s: %d, want %d", name, rec, want)
		}
	}
	for _, in := range a.list() {
		if in.ID == id {
			t.Error("listed")
		}
	}
	if after := a.dumpPart(id); after != before {
		t.Errorf("the other issuer's rows changed:\n%s\n%s", before, after)
	}
	if len(b.list()) != 2 || b.redeemCode(code, audience).Code != 200 {
		t.Error("its own issuer lost something")
	}
	// A used code of the other ends nothing of it, and counts as forged.
	if rec := a.redeemCode(code, audience); rec.Code != 400 || len(b.list()) != 3 {
		t.Errorf("a used code: %d, %d sessions", rec.Code, len(b.list()))
	}
	for range 100 {
		a.redeemCode(code, audience)
	}
	if rec := a.redeemCode(code, audience); rec.Code != 429 || len(b.list()) != 3 {
		t.Errorf("a used code for the 102nd time: %d", rec.Code)
	}
	// The row names its issuer: also where it lies in the place of a session of the other, it is not there.
	item := a.item(keyOf(id))
	item.Key, item.Version = keyOf(a.create().SessionID), a.item(keyOf(a.list()[0].ID)).Version
	a.write(item)
	if _, err := a.sessions.Find(t.Context(), a.list()[0].ID); err != nil {
		t.Errorf("a session beside it: %v", err)
	}
	half, tail := item.Key.Part[len("session:"):], item.Key.ID
	if _, err := a.sessions.Find(t.Context(), half+"."+tail); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a row of the other in the place of one: %v", err)
	}
	b.mustRefresh(mine.Refresh)
}

// dumpPart is what the store holds in the part of a session.
func (k *keeper) dumpPart(id string) string {
	k.t.Helper()
	items, _, err := k.spy.Store.List(k.t.Context(), keyOf(id).Part, "", store.MaxList)
	if err != nil {
		k.t.Fatal(err)
	}
	var b strings.Builder
	for _, item := range items {
		b.WriteString(item.Key.ID + " " + string(item.Value) + " " + item.Version + "\n")
	}
	return b.String()
}

// TestT6_PartsDiffer: no two triples of issuer, kind and subject share a part, also where their texts run together or
// differ only in letter case or a space (OpenAuth's finding O14).
func TestT6_PartsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, c := range [][3]string{
		{issuer, "guest", "s1"}, {issuer, "guests", "1"}, {issuer, "guest", "s|1"}, {issuer, "gue", "sts1"}, {issuer + "s", "guest", "1"},
		{issuer, "g", "uests1"}, {issuer + "/guest", "s", "1"}, {issuer, "guest", "\u0003s1"}, {issuer + "|guest", "guest", "s1"},
		{issuer, "guest", "S1"}, {issuer, "guest", "s1 "}, {issuer, "guest", "ada@example.com"}, {issuer, "guest", "ünï"},
	} {
		k := newKeeper(t, func(conf *session.Config) { conf.Issuer = strings.ReplaceAll(c[0], "|", "-") })
		kind := session.NewKind[User](k.sessions, c[1])
		made := must(kind.Create(t.Context(), session.Grant[User]{Subject: strings.ReplaceAll(c[2], "\u0003", "~")}))(t)
		half, _, _ := strings.Cut(made.SessionID, ".")
		if other, taken := seen[half]; taken {
			t.Errorf("%q and %s share a part", c, other)
		}
		seen[half] = strings.Join(c[:], ", ")
	}
}
