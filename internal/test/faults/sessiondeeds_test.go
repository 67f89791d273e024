package faults

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A deed is something done with sessions, while the store may have bad luck.
type deed struct {
	name   string
	before func(*desk)                         // while all is well
	do     func(context.Context, *desk) string // says how it ended
	want   string                              // what is right; 503 is, too, if the store did something
	good   bool                                // the session lives on, whatever happens
	writes bool                                // a read that is stale shows when it is written
	rival  func(*desk)                         // what somebody else does meanwhile; nil: nothing
	beaten string                              // what is right as well, if a rival was there
	after  func(d *desk, got string, rivals bool, wrong func(string, ...any))
}

type report = func(string, ...any)

func nothing(*desk, string, bool, report) {}

// with makes a session, with some steps after it.
func with(steps ...func(*desk)) func(*desk) {
	return func(d *desk) {
		d.tokens = []session.Tokens{d.signIn()}
		for _, step := range steps {
			step(d)
		}
	}
}

func (d *desk) endIt()    { d.end(d.last().SessionID) }
func (d *desk) addOther() { d.other = d.signIn() }
func (d *desk) touch()    { d.setData(`"touched"`) }
func (d *desk) carryAll() { d.carry(d.last()) }
func (d *desk) later()    { pass(40 * time.Second) }
func (d *desk) expire()   { pass(3 * time.Hour); d.carry(session.Tokens{Refresh: d.last().Refresh}) }
func (d *desk) carryOld() { d.carry(session.Tokens{Refresh: d.tokens[0].Refresh}) }
func (d *desk) buy() {
	if got := d.redeem(d.Context()); got != "ok" {
		d.Fatalf("redeeming: %s", got)
	}
}

func (d *desk) setData(text string) {
	d.Helper()
	err := d.steady.EditData(d.Context(), d.last().SessionID, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(text), nil })
	if err != nil {
		d.Fatal(err)
	}
}

// rollBack makes the store forget what it did since it was remembered.
func (d *desk) rollBack() {
	d.Helper()
	for key, item := range d.store.past {
		now, err := d.memory.Get(d.Context(), key)
		if err != nil || len(now) != 1 {
			d.Fatal(now, err)
		}
		item.Version = now[0].Version
		if err := d.memory.Write(d.Context(), store.Put(item)); err != nil {
			d.Fatal(err)
		}
	}
}

func (d *desk) redeem(ctx context.Context) string {
	d.Helper()
	return d.browse(ctx, http.MethodPost, issuerPath+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {d.code}, "code_verifier": {verifier}, "client_id": {"api"}, "redirect_uri": {app},
	})
}

// living are the ids of the sessions of the person that live, in truth.
func (d *desk) living() (ids []string) {
	d.Helper()
	all, err := d.steady.List(d.Context(), who, session.ListOptions{})
	if err != nil {
		d.Fatal(err)
	}
	for _, in := range all.Sessions {
		ids = append(ids, in.ID)
	}
	return ids
}

// refresh refreshes the token of a generation, counted from the first, or from the last if negative.
func refresh(generation int) func(context.Context, *desk) string {
	return func(ctx context.Context, d *desk) string {
		if generation < 0 {
			generation += len(d.tokens)
		}
		t, err := d.sessions.Refresh(ctx, d.tokens[generation].Refresh)
		d.made = t
		return verdictOf(err)
	}
}

func browse(method, path string) func(context.Context, *desk) string {
	return func(ctx context.Context, d *desk) string {
		var form url.Values
		if method == http.MethodPost {
			form = url.Values{}
		}
		d.Helper()
		return d.browse(ctx, method, strings.ReplaceAll(path, "OTHER", d.other.SessionID), form)
	}
}

// dead checks that the sessions are over once it was said that they are.
func dead(which ...func(*desk) string) func(*desk, string, bool, report) {
	return func(d *desk, got string, _ bool, wrong report) {
		for _, id := range which {
			if got != "503" && d.lives(id(d)) {
				wrong("%q, but the session lives", got)
			}
		}
	}
}

func it(d *desk) string    { return d.last().SessionID }
func other(d *desk) string { return d.other.SessionID }

// successor checks that the token that came back is the one of the session, n generations after the last.
func successor(n int) func(*desk, string, bool, report) {
	return func(d *desk, got string, rivals bool, wrong report) {
		if got != "ok" || rivals {
			return
		}
		t, err := d.steady.Refresh(d.Context(), d.made.Refresh)
		if err != nil || t.Refresh != d.made.Refresh || n == 0 && t.Refresh != d.last().Refresh {
			wrong("the token that came back is another: %v", err)
		}
	}
}

// stillOver checks that what was over, or is a copy, stays refused when the store is well again.
func stillOver(want string, generation int) func(*desk, string, bool, report) {
	return func(d *desk, _ string, _ bool, wrong report) {
		if got := verdictOf(errorOf(d.steady.Refresh(d.Context(), d.tokens[generation].Refresh))); got != want {
			wrong("afterwards: %q, want %q", got, want)
		}
		if d.lives(it(d)) {
			wrong("afterwards the session lives")
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func deeds() []deed {
	library := []deed{
		{name: "create", before: with(), good: true, rival: (*desk).endIt, want: "ok",
			do: func(ctx context.Context, d *desk) (got string) {
				t, err := d.user.Create(ctx, session.Grant[user]{Subject: who})
				d.made = t
				return verdictOf(err)
			},
			after: func(d *desk, got string, _ bool, wrong report) {
				if n := len(d.living()); n > 2 || got == "ok" && !d.lives(d.made.SessionID) {
					wrong("%q, and %d sessions", got, n)
				}
			}},
		{name: "refresh within the grace", before: with(), do: refresh(-1), want: "ok", good: true, rival: (*desk).endIt, after: successor(0)},
		{name: "refresh", before: with((*desk).remember, (*desk).touch, (*desk).later), do: refresh(-1), want: "ok",
			good: true, writes: true, rival: (*desk).endIt, after: successor(1)},
		{name: "refresh again after a lost answer", before: with((*desk).refreshed), do: refresh(0), want: "ok", good: true, rival: (*desk).endIt, after: successor(0)},
		{name: "use a copy", before: with((*desk).refreshed, (*desk).refreshed), do: refresh(0), want: "reuse", after: stillOver("reuse", 0)},
		{name: "refresh what has ended", before: with((*desk).later, (*desk).remember, (*desk).endIt), do: refresh(-1), want: "ended",
			writes: true, after: stillOver("ended", 0)},
		{name: "refresh what has expired", before: with(func(*desk) { pass(7*24*time.Hour + time.Second) }), do: refresh(-1), want: "ended", after: stillOver("ended", 0)},
		{name: "refresh what the store forgot", before: with((*desk).remember, (*desk).refreshed, (*desk).rollBack), do: refresh(-1), want: "ended",
			after: stillOver("ended", 1)},
		{name: "revoke", before: with((*desk).remember, (*desk).touch), want: "ok", writes: true, rival: (*desk).endIt,
			do:    func(ctx context.Context, d *desk) string { return verdictOf(d.sessions.Revoke(ctx, it(d))) },
			after: dead(it)},
		{name: "revoke the subject", before: with((*desk).addOther), want: "ok", rival: (*desk).endIt,
			do:    func(ctx context.Context, d *desk) string { return verdictOf(d.sessions.RevokeSubject(ctx, who)) },
			after: dead(it, other)},
		{name: "revoke others", before: with((*desk).addOther, (*desk).remember, (*desk).touch), want: "ok", good: true, writes: true, rival: (*desk).endIt,
			do: func(ctx context.Context, d *desk) string { return verdictOf(d.sessions.RevokeOthers(ctx, it(d))) },
			after: func(d *desk, got string, _ bool, wrong report) {
				if got == "ok" && d.lives(other(d)) {
					wrong("the other session lives")
				}
			}},
		{name: "list", before: with((*desk).addOther), want: "ok", good: true, rival: (*desk).endIt,
			do: func(ctx context.Context, d *desk) string {
				page, err := d.sessions.List(ctx, who, session.ListOptions{})
				d.list = page.Sessions
				return verdictOf(err)
			},
			after: func(d *desk, got string, rivals bool, wrong report) {
				if n := len(d.list); got == "ok" && n != 2 && (!rivals || n != 1) {
					wrong("a list of %d", n)
				}
			}},
		{name: "list while others are revoked", before: with((*desk).addOther), want: "ok", good: true,
			rival: func(d *desk) {
				if err := d.steady.RevokeOthers(context.WithoutCancel(d.Context()), it(d)); err != nil {
					d.Fatal(err)
				}
			},
			do: func(ctx context.Context, d *desk) string {
				page, err := d.sessions.List(ctx, who, session.ListOptions{})
				d.list = page.Sessions
				return verdictOf(err)
			},
			after: func(d *desk, got string, _ bool, wrong report) {
				if got == "ok" && !slices.ContainsFunc(d.list, func(in session.Info) bool { return in.ID == it(d) }) {
					wrong("the session that lives is not in the list")
				}
			}},
		{name: "check", before: with((*desk).later), want: "ok", good: true, rival: (*desk).endIt, do: check, after: nothing},
		{name: "check and note that it was seen", before: with(func(*desk) { pass(61 * time.Minute) }), want: "ok", good: true, rival: (*desk).endIt, do: check, after: nothing},
		{name: "check what has ended", before: with((*desk).endIt), want: "ended", do: check, after: dead(it)},
		{name: "check what has ended with all others", before: with(func(d *desk) {
			if err := d.steady.RevokeSubject(d.Context(), who); err != nil {
				d.Fatal(err)
			}
		}), want: "ended", do: check, after: dead(it)},
		{name: "edit data", before: with(func(d *desk) { d.setData(`"old"`) }, (*desk).remember, (*desk).touch), want: "ok", good: true, writes: true, rival: (*desk).endIt,
			do: func(ctx context.Context, d *desk) string {
				return verdictOf(d.sessions.EditData(ctx, it(d), func(old json.RawMessage) (json.RawMessage, error) {
					return json.RawMessage(`["more",` + string(old) + `]`), nil
				}))
			},
			after: func(d *desk, got string, rivals bool, wrong report) {
				if rivals || got != "ok" {
					return
				}
				data, err := d.steady.Data(d.Context(), it(d))
				if err != nil || string(data) != `["more","touched"]` {
					wrong("the data are %s, %v", data, err)
				}
			}},
		{name: "merge", before: with((*desk).remember, (*desk).touch), want: "ok", good: true, writes: true, rival: (*desk).endIt,
			do: func(ctx context.Context, d *desk) string {
				s, err := d.known.Verify(ctx, d.last().Access)
				if err != nil {
					d.Fatal(err)
				}
				d.made, err = d.user.Merge(ctx, s, func(g *session.Grant[user]) error { g.Properties.Name = "Grace"; return nil })
				return verdictOf(err)
			},
			after: func(d *desk, got string, rivals bool, wrong report) {
				if rivals || got != "ok" {
					return
				}
				s, err := d.known.Verify(d.Context(), d.made.Access, session.CheckStore)
				if err != nil || s.Properties.Name != "Grace" || !s.Expires.Equal(d.last().Expires) {
					wrong("merged: %+v, %v", s, err)
				}
				if d.made.Refresh != "" {
					wrong("a refresh token for an access token")
				}
			}},
		{name: "replace", before: with((*desk).remember, (*desk).touch), want: "ok", writes: true, rival: (*desk).endIt,
			do: func(ctx context.Context, d *desk) string {
				var err error
				d.made, err = d.user.Replace(ctx, d.last().Refresh, session.Grant[user]{Subject: who})
				return verdictOf(err)
			},
			after: func(d *desk, got string, rivals bool, wrong report) {
				n := len(d.living()) // the old one or the new one; if the answer is lost, nobody has the new one
				if n > 1 || n == 0 && !rivals || got == "ok" && (!d.lives(d.made.SessionID) || d.lives(it(d))) {
					wrong("%q, and %d sessions", got, n)
				}
			}},
	}
	return append(library, requests()...)
}

func check(ctx context.Context, d *desk) string {
	return verdictOf(errorOf(d.user.Verify(ctx, d.last().Access, session.CheckStore)))
}
