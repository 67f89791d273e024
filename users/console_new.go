package users

import "github.com/posternauth/postern"

// newPage makes a user whose address is confirmed by mail.
func (c *console) newPage() (postern.Page, error) {
	fields := []postern.Field{
		{Name: "address", Label: "Mail address", Type: "email", Required: true, Autocomplete: "off", Value: c.typed("create", "address", "")},
		{Name: "name", Label: "Name", Autocomplete: "off", MaxLength: maxName, Value: c.typed("create", "name", "")},
	}
	if c.dir.names {
		fields = append(fields, postern.Field{Name: "username", Label: "Username", Autocomplete: "off", Value: c.typed("create", "username", "")})
	}
	if c.may(ScopeRoles) {
		fields = append(fields, c.roleFields("create", nil)...)
	}
	return postern.Page{
		Name: "admin.create", Title: "New user",
		Text:  "A link is mailed to the address. Nobody signs in as the user before the link is confirmed.",
		Forms: []postern.Form{{Name: "create", Action: c.home + "users", Submit: "Create the user", Fields: fields}},
		Links: []postern.Link{{Name: "users", Text: "Back to the users", URL: c.home + "users"}},
	}, nil
}

func (c *console) readCreate() (any, error) {
	body := map[string]any{"roles": c.tickedRoles()}
	for _, name := range []string{"address", "name", "username"} {
		if v := c.r.PostForm.Get(name); v != "" {
			body[name] = v
		}
	}
	return body, nil
}

func (c *console) created(*answerOf) {
	if c.may(ScopeRead) {
		c.redirect(c.url("users/{id}") + "?done=create")
		return
	}
	c.redirect(c.home + "users/new?done=create")
}

// invitePage mails an invitation.
func (c *console) invitePage() (postern.Page, error) {
	fields := []postern.Field{{Name: "address", Label: "Mail address", Type: "email", Required: true, Autocomplete: "off", Value: c.typed("invite", "address", "")}}
	if c.may(ScopeRoles) {
		fields = append(fields, c.roleFields("invite", nil)...)
	}
	return postern.Page{
		Name: "admin.invite", Title: "Invite somebody",
		Text:  "A link to sign up is mailed to the address. There is no user before the person has followed it.",
		Forms: []postern.Form{{Name: "invite", Action: c.home + "users/invite", Submit: "Mail the invitation", Fields: fields}},
		Links: []postern.Link{{Name: "users", Text: "Back to the users", URL: c.home + "users"}},
	}, nil
}

func (c *console) readInvite() (any, error) {
	return map[string]any{"address": c.r.PostForm.Get("address"), "roles": c.tickedRoles()}, nil
}
