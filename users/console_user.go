package users

import (
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
)

// userPage shows a user, and what the actor may do about them.
func (c *console) userPage() (postern.Page, error) {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return postern.Page{}, err
	}
	p := postern.Page{Name: "admin.user", Title: "{user}", Args: map[string]any{"user": nameOf(u)}, Lines: profileOf(u)}
	if c.may(ScopeSessionsRead) {
		p.Links = append(p.Links, postern.Link{Name: "sessions", Text: "Sessions", URL: c.url("users/{id}/sessions")})
	}
	if c.may(ScopeEvents) && c.flow.Pool() == c.dir.pool {
		p.Links = append(p.Links, postern.Link{Name: "history", Text: "History", URL: c.url("users/{id}/history")})
	}
	switch {
	case c.self():
		p.Text = "This is your own account. Another administrator can change it here."
	case !c.dir.within(c.actor, u.Roles):
		p.Text = "This user has a role or a right that you do not have, so you can change nothing here."
	}
	for _, s := range []postern.Section{c.profile(u), c.roleBoxes(u), c.addresses(u), c.identities(u), c.signIn(u), c.state(u), c.actAs(u), c.leaving(u)} {
		if p.Text != "" { // the actor may look, and nothing else
			s.Forms = nil
		}
		if len(s.Forms) > 0 || s.Table != nil && len(s.Table.Rows) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	return p, nil
}

// profileOf is what the directory knows of a user.
func profileOf(u User) []postern.Line {
	state := postern.Line{Label: "State", Value: stateOf(u)}
	if d := u.Disabled; d != nil {
		state.Args = map[string]any{"since": d.At, "reason": d.Why, "until": d.Until}
		state.Note = "Since {since}. Reason: {reason}"
		if !d.Until.IsZero() {
			state.Note = "From {since} until {until}. Reason: {reason}"
		}
	}
	lines := []postern.Line{state, {Label: "Name", Value: u.Name}, {Label: "Username", Value: u.Username}}
	for _, a := range u.Addresses {
		line := postern.Line{Label: "Address", Value: a.Value, Note: "Not verified"}
		if a.Verified {
			line.Note = "Verified"
		}
		lines = append(lines, line)
	}
	for _, f := range u.Former {
		lines = append(lines, postern.Line{Label: "Former address", Value: f.Address, Note: "Notices still go to it. It signs nobody in."})
	}
	password, factors := postern.Phrase("None"), 0
	if u.Passwords > 0 {
		password = postern.Phrase("Set")
	}
	for _, n := range u.Factors {
		factors += n
	}
	lines = append(lines, postern.Line{Label: "Language", Value: u.Locale},
		postern.Line{Label: "Roles", Value: strings.Join(u.Roles, ", ")}, postern.Line{Label: "Scopes", Value: strings.Join(u.Scopes, " ")},
		postern.Line{Label: "Password", Value: password}, postern.Line{Label: "Passkeys", Value: u.Passkeys},
		postern.Line{Label: "Second factors", Value: factors, Note: "Recovery codes count too."},
		postern.Line{Label: "Last sign-in", Value: timeOf(u.LastSignIn)}, postern.Line{Label: "Created", Value: timeOf(u.Created)},
		postern.Line{Label: "Id", Value: u.ID})
	return slices.DeleteFunc(lines, func(l postern.Line) bool { return l.Value == "" })
}

func timeOf(t time.Time) any {
	if t.IsZero() {
		return postern.Phrase("Never")
	}
	return t
}

// profile changes what the user is called.
func (c *console) profile(u User) (s postern.Section) {
	s = postern.Section{Name: "profile", Title: "Profile"}
	if c.may(ScopeWrite) {
		s.Forms = []postern.Form{{
			Name: "edit", Action: c.url("users/{id}/edit"), Submit: "Save", Hidden: map[string]string{"version": u.Version},
			Fields: []postern.Field{
				{Name: "name", Label: "Name", Value: c.typed("edit", "name", u.Name), MaxLength: maxName, Autocomplete: "off"},
				{Name: "locale", Label: "Language", Value: c.typed("edit", "locale", u.Locale), MaxLength: maxLocale, Autocomplete: "off", Hint: "Such as en or pt-BR. Mails to the user are in it."},
			},
		}}
	}
	return s
}

func (c *console) readEdit() (any, error) {
	body := map[string]any{"version": c.r.PostForm.Get("version")}
	for _, name := range []string{"name", "locale"} {
		if c.r.PostForm.Has(name) {
			body[name] = c.r.PostForm.Get(name)
		}
	}
	if len(body) == 1 {
		return nil, errEmpty
	}
	return body, nil
}

// errEmpty refuses a form without its fields, such as one that another program sent.
var errEmpty error = &postern.Error{Code: "missing_field", Text: "The form arrived without its fields. Please fill it in again."}

// roleBoxes changes the roles of the user. It offers those that the actor may give.
func (c *console) roleBoxes(u User) (s postern.Section) {
	s = postern.Section{Name: "roles", Title: "Roles"}
	if c.may(ScopeRoles) {
		s.Forms = []postern.Form{{
			Name: "roles", Action: c.url("users/{id}/roles"), Submit: "Save the roles", Hidden: map[string]string{"roles": "all"},
			Text:   "The rights of the user follow at once.",
			Fields: c.roleFields("roles", u.Roles),
		}}
	}
	return s
}

// roleFields are checkboxes of the roles that the actor may give.
func (c *console) roleFields(form string, has []string) (fields []postern.Field) {
	for _, role := range c.grantable() {
		field := "role." + role
		fields = append(fields, postern.Field{Name: field, Label: "Role: {role}", Args: map[string]any{"role": role}, Type: "checkbox", Value: "on",
			Checked: c.ticked(form, field, slices.Contains(has, role))})
	}
	return fields
}

// grantable are the roles within the rights of the actor.
func (c *console) grantable() (roles []string) {
	for role := range c.dir.roles {
		if c.dir.within(c.actor, []string{role}) {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return roles
}

// tickedRoles are the roles of the checkboxes, also those that the actor may not give: the API refuses them.
func (c *console) tickedRoles() []string {
	roles := []string{}
	for name := range c.r.PostForm {
		if role, ok := strings.CutPrefix(name, "role."); ok {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return roles
}

func (c *console) readRoles() (any, error) {
	if c.r.PostForm.Get("roles") == "" { // without a tick the form still has this field
		return nil, errEmpty
	}
	return map[string]any{"roles": c.tickedRoles()}, nil
}

// state disables and enables the user.
func (c *console) state(u User) (s postern.Section) {
	s = postern.Section{Name: "state", Title: "Disable"}
	if u.Disabled != nil {
		s.Title = "Enable"
	}
	if !c.may(ScopeWrite) {
		return s
	}
	if u.Disabled != nil || u.Frozen {
		s.Forms = append(s.Forms, postern.Form{Name: "enable", Action: c.url("users/{id}/enable"), Text: "The user may then sign in again.", Submit: "Enable the user"})
	}
	if u.Disabled != nil && c.sent != "disable" { // refused, because somebody else was faster: it keeps what was typed
		return s
	}
	s.Forms = append(s.Forms, postern.Form{
		Name: "disable", Action: c.url("users/{id}/disable"), Danger: true, Submit: "Disable the user",
		Text: "The user is signed out everywhere at once, and cannot sign in.",
		Fields: []postern.Field{
			{Name: "reason", Label: "Reason", Hint: "For administrators. The user does not see it.", MaxLength: maxWhy, Required: true, Value: c.typed("disable", "reason", ""), Autocomplete: "off"},
			{Name: "until", Label: "Until", Type: "date", Hint: "Until this day begins (UTC). Without a day, until somebody enables the user.", Value: c.typed("disable", "until", "")},
		},
	})
	return s
}

func (c *console) readDisable() (any, error) {
	body := map[string]any{"reason": strings.TrimSpace(c.r.PostForm.Get("reason"))}
	if until := c.r.PostForm.Get("until"); until != "" {
		day, err := time.Parse(time.DateOnly, until)
		if err != nil {
			return nil, errDay
		}
		body["until"] = day
	}
	return body, nil
}

var errDay error = &FieldError{"until", "This is not a day. Write it as 2030-12-31."}
