package postern

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/session"
)

// sessionsPage lists where the person is signed in.
func (a *Auth) sessionsPage(r *http.Request, v accountView) (Page, error) {
	p := Page{Name: "postern.account-sessions", Title: "Where you are signed in"}
	list, next, err := a.sessionsOf(r, v, r.Form.Get("after"))
	if err != nil {
		return p, err
	}
	here, others := Section{Name: "here", Title: "This browser"}, Section{Name: "others", Title: "Other sessions"}
	for _, s := range list {
		if s.Current {
			here.Lines = append(here.Lines, a.sessionLine(s))
		} else {
			others.Lines = append(others.Lines, a.sessionLine(s))
		}
	}
	if len(here.Lines) > 0 {
		here.Forms = []Form{{Name: "sign-out", Action: a.accountURL("sign-out"), Submit: "Sign out"}}
		p.Sections = append(p.Sections, here)
	}
	switch {
	case len(others.Lines) > 0:
		others.Forms = []Form{{Name: "end-sessions", Action: a.accountURL("end-sessions"), Submit: "End all other sessions", Danger: true}}
	case r.Form.Get("after") == "":
		others.Text = "You are signed in nowhere else."
	}
	if next != "" {
		others.Links = []Link{{Name: "next", Text: "More sessions", URL: a.accountURL("sessions?" + url.Values{"after": {next}}.Encode())}}
	}
	p.Sections = append(p.Sections, others)
	return p, nil
}

func (a *Auth) sessionsOf(r *http.Request, v accountView, after string) (list []accountSession, next string, err error) {
	page, err := a.sessions.List(r.Context(), v.live.subject, session.ListOptions{After: after})
	switch {
	case errors.Is(err, session.ErrPage):
		return nil, "", badRequest("invalid_cursor", "There is no such page. Please begin the list again.")
	case err != nil:
		return nil, "", unavailable(err)
	}
	for _, s := range page.Sessions {
		if s.Kind == a.session.name {
			list = append(list, shownTo(s, v.live.id))
		}
	}
	return list, page.Next, nil
}

func (a *Auth) sessionLine(s accountSession) Line {
	l := Line{Label: "{device}", Value: Phrase("Last used {used}"), Note: "Signed in {created} from {address}.",
		Args: map[string]any{"device": deviceOf(s.Device), "used": s.LastUsed, "created": s.Created, "address": a.withPlace(s.Address)}}
	switch {
	case s.Impersonation:
		l.Note = "An administrator acts as you, since {created}."
	case s.Address == "":
		l.Note = "Signed in {created}."
	}
	if !s.Current {
		l.Form = &Form{Name: "end-session", Action: a.accountURL("end-session"), Hidden: map[string]string{"id": s.ID}, Submit: "End the session"}
	}
	return l
}

// deviceOf is the name of a device in a text.
func deviceOf(name string) any {
	if name == "" {
		return Phrase("Unknown device")
	}
	return useragent.Value(name)
}

// endSessionForm is shown again after a step-up.
func (a *Auth) endSessionForm(r *http.Request, v accountView, values url.Values) (Page, error) {
	list, _, err := a.sessionsOf(r, v, "")
	if err != nil {
		return Page{}, err
	}
	for _, s := range list {
		if s.ID == values.Get("id") && !s.Current {
			return Page{Name: "postern.account-end-session", Title: "End a session", Text: "The session ends at once: {device}, last used {used}.",
				Args: map[string]any{"device": deviceOf(s.Device), "used": s.LastUsed}, Links: a.cancel("sessions"),
				Forms: []Form{{Action: a.accountURL("end-session"), Hidden: map[string]string{"id": s.ID}, Submit: "End the session"}}}, nil
		}
	}
	return Page{}, errNotFound()
}

func (a *Auth) doEndSession(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	return "sessions?done=session", a.endSession(w, r, values.Get("id"))
}

func (a *Auth) endSessionsForm(*http.Request, accountView, url.Values) (Page, error) {
	return Page{Name: "postern.account-end-sessions", Title: "End all other sessions", Text: "You stay signed in here, and nowhere else.", Links: a.cancel("sessions"),
		Forms: []Form{{Action: a.accountURL("end-sessions"), Submit: "End all other sessions"}}}, nil
}

func (a *Auth) doEndSessions(w http.ResponseWriter, r *http.Request, _ url.Values) (string, error) {
	return "sessions?done=sessions", a.endOtherSessions(w, r, "")
}

// doSignOut ends the session of this browser. It needs no proof.
func (a *Auth) doSignOut(w http.ResponseWriter, r *http.Request, _ url.Values) (string, error) {
	if err := a.sessions.SignOut(w, r); err != nil {
		return "", unavailable(err)
	}
	a.show(w, r, Page{Name: "postern.signed-out", Title: "You are signed out", Text: "Nobody is signed in here in this browser any more.",
		Args: map[string]any{"app": a.name}, Links: []Link{
			{Name: "sign-in", Text: "Sign in again", URL: a.issuer + "/authorize?" + url.Values{"redirect_uri": {a.accountURL("")}}.Encode()},
			{Name: "application", Text: "Go to {app}", URL: a.redirects.home},
		}})
	return "", errAnswered
}

const historyShown = 50 // events on a page

// historyPage lists what has happened to the account, the newest first.
func (a *Auth) historyPage(r *http.Request, v accountView) (Page, error) {
	p := Page{Name: "postern.account-history", Title: "What has happened"}
	events, err := a.readHistory(r.Context(), v.live.subject)
	if err != nil {
		return p, err
	}
	at := pageOf(r.Form.Get("page"))
	from := min((at-1)*historyShown, len(events))
	to := min(from+historyShown, len(events))
	table := &Table{Columns: []string{"Event", "Time", "With", "Device", "Address"}, Empty: "Nothing yet."}
	for _, e := range events[from:to] {
		var with any
		if e.Provider != "" && e.Provider != flowAdmin {
			with = a.wayOf(e.Provider)
		}
		table.Rows = append(table.Rows, []Cell{{Value: e.Text()}, {Value: e.Time}, {Value: with}, {Value: useragent.Value(deviceName(e.Device))}, {Value: a.withPlace(e.Address)}})
	}
	s := Section{Name: "history", Text: "The newest events of the last {kept}. If one of them was not you, end all other sessions and change your password.",
		Args: map[string]any{"kept": time.Duration(historyLife)}, Table: table}
	if at > 1 {
		s.Links = append(s.Links, Link{Name: "newer", Text: "Newer events", URL: a.accountURL("history?page=" + strconv.Itoa(at-1))})
	}
	if to < len(events) {
		s.Links = append(s.Links, Link{Name: "older", Text: "Older events", URL: a.accountURL("history?page=" + strconv.Itoa(at+1))})
	}
	p.Sections = []Section{s}
	return p, nil
}
