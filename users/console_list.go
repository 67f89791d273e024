package users

import (
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
)

// listPage lists the users, the newest first, or those with an identifier.
func (c *console) listPage() (postern.Page, error) {
	q := c.r.Form
	found, err := c.dir.Search(c.r.Context(), Query{Identifier: q.Get("identifier"), Actor: c.actor.UserID, Cursor: q.Get("cursor")})
	if err != nil {
		return postern.Page{}, err
	}
	list := postern.Section{Name: "list", Table: &postern.Table{
		Columns: []string{"User", "Address", "Roles", "State", "Last sign-in", "Created"}, Empty: "No user was found.",
	}}
	for _, u := range found.Users {
		address, _ := u.Email()
		list.Table.Rows = append(list.Table.Rows, []postern.Cell{
			{Value: nameOf(u), URL: c.home + "users/" + url.PathEscape(u.ID)}, {Value: address}, {Value: strings.Join(u.Roles, ", ")},
			{Value: stateOf(u)}, {Value: dayOf(u.LastSignIn)}, {Value: dayOf(u.Created)},
		})
	}
	if found.Next != "" {
		list.Links = append(list.Links, postern.Link{Name: "next", Text: "Next users", URL: c.home + "users?" + url.Values{"cursor": {found.Next}}.Encode()})
	}
	if q.Get("identifier") != "" || q.Get("cursor") != "" {
		list.Links = append(list.Links, postern.Link{Name: "first", Text: "All users, the newest first", URL: c.home + "users"})
	}
	var links []postern.Link
	if c.may(ScopeWrite) {
		links = []postern.Link{{Name: "new", Text: "New user", URL: c.home + "users/new"}, {Name: "invite", Text: "Invite somebody", URL: c.home + "users/invite"}}
	}
	return postern.Page{
		Name: "admin.users", Title: "Users",
		Forms: []postern.Form{{
			Name: "search", Action: c.home + "users", Get: true, Submit: "Search",
			Fields: []postern.Field{{Name: "identifier", Label: "Address, username or id", Value: q.Get("identifier"), Autocomplete: "off",
				Hint: "As a whole: there is no search by a part of it."}},
		}},
		Links:    links,
		Sections: []postern.Section{list},
	}, nil
}

// nameOf is what a user is called in a list.
func nameOf(u User) string {
	if u.Name != "" {
		return u.Name
	}
	return identifierOf(u)
}

// identifierOf is what the user types to sign in, or the id.
func identifierOf(u User) string {
	address, ok := u.Email()
	switch {
	case u.Username != "":
		return u.Username
	case ok:
		return address
	}
	return u.ID
}

func stateOf(u User) any {
	switch {
	case u.Disabled != nil:
		return postern.Phrase("Disabled")
	case u.Frozen:
		return postern.Phrase("Frozen")
	}
	return postern.Phrase("Active")
}

func dayOf(t time.Time) any {
	if t.IsZero() {
		return postern.Phrase("Never")
	}
	return postern.Date(t)
}
