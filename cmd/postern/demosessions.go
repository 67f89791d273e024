package main

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
)

// sessionRoutes registers what the list of a person's own sessions needs. Its buttons are plain forms, so the page runs
// without scripts; one with scripts would call DELETE /auth/sessions/{id} and its like instead. The guard turns away
// what pages of other origins send, and asks the store, so that a session that was ended can end no other. Who is
// signed out by now is led to the start.
func (d *demo) sessionRoutes(mux *http.ServeMux) {
	for path, do := range map[string]func(http.ResponseWriter, *http.Request, *session.Session[person]){
		"end": d.endSession, "others": d.endOthers, "everywhere": d.endAll,
	} {
		mux.Handle("POST /sessions/"+path, d.user.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, ok := d.user.From(r.Context())
			if !ok {
				d.done(w, nil)
				return
			}
			do(w, r, s)
		}), session.CheckStore))
	}
}

// endSession ends the session that the form names, if it is one of the person who asks.
func (d *demo) endSession(w http.ResponseWriter, r *http.Request, s *session.Session[person]) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	id := r.PostFormValue("id")
	if id == s.ID {
		d.done(w, d.sessions.SignOut(w, r))
		return
	}
	info, err := d.sessions.Find(r.Context(), id)
	switch {
	case errors.Is(err, session.ErrEnded), err == nil && (info.Kind != s.Kind || info.Subject != s.Subject):
		errorPage(w, http.StatusNotFound, "No such session", "It is not one of yours, or it ended long ago.")
		return
	case err == nil:
		err = d.sessions.Revoke(r.Context(), id)
	}
	d.done(w, err)
}

func (d *demo) endOthers(w http.ResponseWriter, r *http.Request, s *session.Session[person]) {
	d.done(w, d.sessions.RevokeOthers(r.Context(), s.ID))
}

func (d *demo) endAll(w http.ResponseWriter, r *http.Request, _ *session.Session[person]) {
	d.done(w, d.sessions.SignOutEverywhere(w, r))
}

// done leads back to the page, which shows what is left.
func (d *demo) done(w http.ResponseWriter, err error) {
	if err != nil { // the library has logged why
		unavailable(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

func unavailable(w http.ResponseWriter) {
	errorPage(w, http.StatusServiceUnavailable, "Not now", "The sessions cannot be reached, so what you asked for may not be done. Go back and try again.")
}

// sessionList is the card with a person's own sessions, the one that asks first.
func (d *demo) sessionList(m *markup, list []session.Info, current string, now time.Time) {
	if i := slices.IndexFunc(list, func(in session.Info) bool { return in.ID == current }); i > 0 {
		own := list[i]
		list = slices.Insert(slices.Delete(list, i, i+1), 0, own)
	}
	m.raw("<section class=\"card\">\n<h2>Your sessions</h2>\n<ul class=\"sessions\">\n")
	for _, in := range list {
		name := cmp.Or(in.DeviceName(), "Unknown device")
		m.raw("<li><div><b>")
		m.text(name)
		m.raw("</b>")
		if in.ID == current {
			m.raw(` <span class="tag">this one</span>`)
		}
		m.raw(`<span class="words">`)
		m.text(sessionWords(in, now))
		m.raw(`</span></div><form method="post" action="/sessions/end"><input type="hidden" name="id" value="`)
		m.text(in.ID)
		m.raw(`"><button class="quiet" aria-label="End the session: `)
		m.text(name + ", signed in " + inWords(in.Created, now))
		m.raw("\">End</button></form></li>\n")
	}
	m.raw("</ul>\n<div class=\"actions\">")
	if len(list) > 1 {
		m.raw(`<form method="post" action="/sessions/others"><button class="quiet">End all others</button></form>`)
	}
	m.raw(`<form method="post" action="/sessions/everywhere"><button class="quiet">Sign out everywhere</button></form></div>
<p class="note">A session that was ended is out at once where a route asks the store, as this page does (<code>session.CheckStore</code>). Elsewhere it is out when its access token expires: five minutes at most. Sign in with a second browser, or a private window, to try it.</p>
</section>
`)
}

// sessionWords describes where a session is used, since when, and how long it may last.
func sessionWords(in session.Info, now time.Time) string {
	words := "Signed in " + inWords(in.Created, now)
	if place, err := netip.ParseAddr(in.Address); err == nil && place.IsLoopback() {
		words += " on this machine"
	} else if in.Address != "" {
		words += " from " + in.Address
	}
	if len(in.Authentication.Methods) > 0 {
		words += ", by " + strings.Join(in.Authentication.Methods, ", ")
	}
	return words + ". Last seen " + inWords(in.LastUsed, now) + ". Ends " + inWords(in.IdleExpiresAt, now) + " if it is not used."
}
