package users

import (
	"errors"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/session"
)

// sessionsPage lists the sessions of a user, and ends them.
func (c *console) sessionsPage() (postern.Page, error) {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return postern.Page{}, err
	}
	page, err := c.dir.sessions.List(c.r.Context(), c.target, session.ListOptions{After: c.r.Form.Get("after")})
	switch {
	case errors.Is(err, session.ErrPage):
		return postern.Page{}, ErrCursor
	case err != nil:
		return postern.Page{}, err
	}
	p := postern.Page{Name: "admin.sessions", Title: "Sessions of {user}", Args: map[string]any{"user": c.called(u)}, Links: c.around("sessions")}
	list := postern.Section{Name: "list", Table: &postern.Table{Columns: []string{"Device", "Address", "Kind", "Signed in", "Last used", "Ends", "End"}, Empty: "There are no sessions."}}
	ends := c.may(ScopeSessionsWrite) && !c.self() && c.dir.within(c.actor, u.Roles)
	if !ends {
		list.Table.Columns = list.Table.Columns[:6]
	}
	for _, s := range page.Sessions {
		kind := postern.Phrase("Their own")
		if s.Actor != "" {
			kind = "Impersonation"
		}
		device := useragent.Value(s.DeviceName())
		if device == "" {
			device = postern.Phrase("Unknown device")
		}
		row := []postern.Cell{{Value: device}, {Value: s.Address}, {Value: kind}, {Value: s.Created}, {Value: s.LastUsed}, {Value: s.ExpiresAt}}
		if ends {
			row = append(row, postern.Cell{Form: &postern.Form{Name: "end", Action: c.url("users/{id}/sessions/") + url.PathEscape(s.ID) + "/end", Danger: true, Submit: "End the session"}})
		}
		list.Table.Rows = append(list.Table.Rows, row)
	}
	if page.Next != "" {
		list.Links = append(list.Links, postern.Link{Name: "next", Text: "More sessions", URL: c.url("users/{id}/sessions") + "?" + url.Values{"after": {page.Next}}.Encode()})
	}
	if ends && len(page.Sessions) > 0 {
		list.Forms = append(list.Forms, postern.Form{Name: "end-all", Action: c.url("users/{id}/sessions/end"), Danger: true, Submit: "End all sessions",
			Text: "Signs the user out everywhere."})
	}
	p.Sections = []postern.Section{list}
	return p, nil
}

// historyPage shows the events of the account of a user.
func (c *console) historyPage() (postern.Page, error) {
	if c.flow.Pool() != c.dir.pool {
		return postern.Page{}, errElsewhere
	}
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return postern.Page{}, err
	}
	events, err := c.flow.History(c.r.Context(), c.target)
	if err != nil {
		return postern.Page{}, err
	}
	list := postern.Section{Name: "list", Table: &postern.Table{Columns: []string{"Event", "Time", "By", "Device", "Address"}, Empty: "Nothing has happened in the last 90 days."}}
	for _, e := range events {
		var by any = e.Provider
		if e.Provider == "admin" {
			by = postern.Phrase("An administrator")
		}
		list.Table.Rows = append(list.Table.Rows, []postern.Cell{{Value: e.Text()}, {Value: e.Time}, {Value: by},
			{Value: useragent.Value(session.Info{Device: e.Device}.DeviceName())}, {Value: e.Address}})
	}
	return postern.Page{
		Name: "admin.history", Title: "History of {user}", Args: map[string]any{"user": c.called(u)},
		Text:     "What happened to the account in the last 90 days. The audit log of the program has the rest.",
		Links:    c.around("history"),
		Sections: []postern.Section{list},
	}, nil
}

// called is what a user is called on a page for those who may not read users: the id, as in the JSON of the API.
func (c *console) called(u User) string {
	if !c.may(ScopeRead) {
		return u.ID
	}
	return nameOf(u)
}

// around are the links of a page about a user: to the user, and to the search of other ones.
func (c *console) around(page string) []postern.Link {
	links := []postern.Link{{Name: "search", Text: "Another user", URL: c.home + page}}
	if c.may(ScopeRead) {
		links = append([]postern.Link{{Name: "user", Text: "Back to the user", URL: c.url("users/{id}")}}, links...)
	}
	return links
}

// findSessions leads to the sessions of a user. There is no list of the sessions of all users: a store keeps them by
// user, and a list of all would read every row of it.
func (c *console) findSessions() (postern.Page, error) {
	return c.find(postern.Page{Name: "admin.find-sessions", Title: "Sessions", Text: "Find the sessions of a user."}, "sessions")
}

// findHistory leads to the history of a user.
func (c *console) findHistory() (postern.Page, error) {
	return c.find(postern.Page{Name: "admin.find-history", Title: "History", Text: "Find what has happened to a user."}, "history")
}

// find shows the search of a user, or leads to the page about the one that was found. Who may not read users gives an
// id, and learns nothing of an address.
func (c *console) find(p postern.Page, page string) (postern.Page, error) {
	field := postern.Field{Name: "identifier", Label: "Id of the user", Value: c.r.Form.Get("identifier"), Autocomplete: "off", Required: true}
	if c.may(ScopeRead) {
		field.Label, field.Hint = "Address, username or id", "As a whole: there is no search by a part of it."
	}
	p.Forms = []postern.Form{{Name: "search", Action: c.home + page, Get: true, Submit: "Search", Fields: []postern.Field{field}}}
	if field.Value == "" {
		return p, nil
	}
	var found []User
	if c.may(ScopeRead) {
		list, err := c.dir.Search(c.r.Context(), Query{Identifier: field.Value, Actor: c.actor.UserID})
		if err != nil {
			return p, err
		}
		found = list.Users
	} else if u, err := c.dir.User(c.r.Context(), field.Value); err == nil {
		found = []User{u}
	} else if !isNoUser(err) {
		return p, err
	}
	if len(found) == 0 {
		p.Sections = []postern.Section{{Name: "list", Text: "No user was found."}}
		return p, nil
	}
	c.redirect(c.home + "users/" + url.PathEscape(found[0].ID) + "/" + page)
	return p, errDone
}
