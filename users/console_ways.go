package users

import (
	"strings"

	"github.com/posternauth/postern"
)

// addresses mails a link that gives the user one more address.
func (c *console) addresses(User) (s postern.Section) {
	s = postern.Section{Name: "addresses", Title: "Another address"}
	if c.may(ScopeCredentials) {
		s.Forms = []postern.Form{{
			Name: "addresses", Action: c.url("users/{id}/addresses"), Submit: "Mail the link",
			Text:   "A link is mailed to the address. The user has the address when the link is confirmed.",
			Fields: []postern.Field{{Name: "address", Label: "Mail address", Type: "email", Required: true, Autocomplete: "off", Value: c.typed("addresses", "address", "")}},
		}}
	}
	return s
}

func (c *console) readAddress() (any, error) {
	return map[string]any{"address": c.r.PostForm.Get("address")}, nil
}

// identities lists the accounts at other sites by which the user signs in.
func (c *console) identities(u User) (s postern.Section) {
	s = postern.Section{Name: "identities", Title: "Linked accounts", Table: &postern.Table{Columns: []string{"Provider", "Account", "Linked"}}}
	for _, id := range u.Identities {
		provider := id.Provider
		if provider == "" {
			provider = id.Issuer
		}
		s.Table.Rows = append(s.Table.Rows, []postern.Cell{{Value: provider}, {Value: id.Subject}, {Value: dayOf(id.Linked)}})
		if c.may(ScopeCredentials) {
			s.Forms = append(s.Forms, postern.Form{
				Name: "remove-identity", Action: c.url("users/{id}/remove-identity"), Danger: true,
				Hidden: map[string]string{"issuer": id.Issuer, "subject": id.Subject},
				Args:   map[string]any{"provider": provider, "account": id.Subject}, Submit: "Remove {account} at {provider}",
			})
		}
	}
	return s
}

func (c *console) readIdentity() (any, error) {
	for _, name := range []string{"issuer", "subject"} {
		if c.r.PostForm.Get(name) == "" {
			return nil, errEmpty
		}
		c.r.Form.Set(name, c.r.PostForm.Get(name))
	}
	return nil, nil
}

// signIn is help for a user who cannot sign in. An administrator sees no password and sets none.
func (c *console) signIn(u User) (s postern.Section) {
	s = postern.Section{Name: "sign-in", Title: "Password and second factors"}
	if !c.may(ScopeCredentials) {
		return s
	}
	if c.resets(u) {
		s.Forms = append(s.Forms, postern.Form{Name: "reset-mail", Action: c.url("users/{id}/reset-mail"), Submit: "Mail a reset",
			Text: "Mails the link of a forgotten password. It works once, for 15 minutes."})
	}
	if u.Passwords > 0 {
		s.Forms = append(s.Forms,
			postern.Form{Name: "unlock", Action: c.url("users/{id}/unlock"), Submit: "Unlock the password",
				Text: "Lets the password work again after too many wrong ones."},
			postern.Form{Name: "demand-change", Action: c.url("users/{id}/demand-change"), Submit: "Demand another password",
				Text: "The password does not sign in until the person has changed it. Sessions stay."})
		if c.flow.PasswordAdmin() != nil && c.flow.Pool() == c.dir.pool {
			s.Forms = append(s.Forms, postern.Form{Name: "remove-password", Action: c.url("users/{id}/remove-password"), Danger: true, Submit: "Remove the password",
				Text: "Ends all sessions of the user, and mails a notice."})
		}
	}
	if len(u.Factors) > 0 {
		s.Forms = append(s.Forms, postern.Form{Name: "reset-factors", Action: c.url("users/{id}/reset-factors"), Danger: true, Submit: "Reset the second factors",
			Text: "Removes the apps and the recovery codes of a user who has lost them. Passkeys stay. Ends all sessions, and mails a notice."})
	}
	if u.Passkeys > 0 {
		s.Forms = append(s.Forms, postern.Form{Name: "remove-passkeys", Action: c.url("users/{id}/remove-passkeys"), Danger: true, Submit: "Remove all passkeys",
			Text: "Removes the passkeys and the second factors. Ends all sessions, and mails a notice."})
	}
	return s
}

// resets reports whether a mailed link could give the user another password, or the first one: see [errNoReset].
func (c *console) resets(u User) bool {
	if _, mailbox := u.Email(); !mailbox || u.Disabled != nil || c.flow.PasswordAdmin() == nil || c.flow.Pool() != c.dir.pool {
		return false
	}
	if u.Passwords > 0 {
		return true
	}
	p, err := c.dir.Get(c.r.Context(), u.ID)
	if err != nil {
		return false
	}
	ways, err := c.flow.WaysIn(c.r.Context(), p)
	return err == nil && len(ways) == 0
}

// actAs gives the browser a session in which the actor acts as the user. It is offered where it can work.
func (c *console) actAs(u User) (s postern.Section) {
	s = postern.Section{Name: "impersonate", Title: "Act as this user"}
	can := c.flow.Pool() == c.dir.pool && c.flow.CanImpersonate(c.actor)
	if c.may(ScopeImpersonate) && can && u.Disabled == nil && c.mayActAs(u.Roles, u.Scopes) == nil {
		s.Forms = []postern.Form{{
			Name: "impersonate", Action: c.url("users/{id}/impersonate"), Submit: "Act as the user",
			Text:   "You see the application as the user sees it, for an hour at most. The user finds it in the history of the account.",
			Fields: []postern.Field{{Name: "reason", Label: "Reason", Hint: "For the audit log.", Required: true, MaxLength: 500, Value: c.typed("impersonate", "reason", ""), Autocomplete: "off"}},
		}}
	}
	return s
}

func (c *console) readReason() (any, error) {
	return map[string]any{"reason": strings.TrimSpace(c.r.PostForm.Get("reason"))}, nil
}

// impersonated leads to the application, with the session of the answer.
func (c *console) impersonated(answer *answerOf) {
	for _, cookie := range answer.header.Values("Set-Cookie") {
		c.w.Header().Add("Set-Cookie", cookie)
	}
	c.redirect(c.flow.Home())
}

// leaving exports and deletes a user.
func (c *console) leaving(u User) (s postern.Section) {
	s = postern.Section{Name: "data", Title: "Data"}
	if c.may(ScopeExport) {
		s.Forms = append(s.Forms, postern.Form{Name: "export", Action: c.url("users/{id}/export"), Submit: "Download the data", Text: "What is kept of the user, as JSON. No credential is in it."})
	}
	if c.may(ScopeDelete) {
		s.Forms = append(s.Forms, postern.Form{
			Name: "delete", Action: c.url("users/{id}/delete"), Danger: true, Submit: "Delete the user",
			Text: "The user and everything that is kept of them are removed. This cannot be undone.",
			Fields: []postern.Field{{Name: "confirm", Label: "Type {confirm} to confirm", Args: map[string]any{"confirm": identifierOf(u)}, Required: true, Autocomplete: "off",
				Value: c.typed("delete", "confirm", "")}},
		})
	}
	return s
}

// exported answers with a file.
func (c *console) exported(answer *answerOf) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="user.json"`)
	_, _ = c.w.Write(answer.body.Bytes()) // a client that has gone needs no answer
}

func (c *console) readDelete() (any, error) {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return nil, err
	}
	confirm := identifierOf(u)
	if !c.may(ScopeRead) {
		confirm = u.ID
	}
	if c.r.PostForm.Get("confirm") != confirm {
		return nil, &postern.Error{Code: "confirm_required", Text: "Please type {confirm} to confirm. Nothing was deleted.", Args: map[string]any{"confirm": confirm}}
	}
	return nil, nil
}

func (c *console) deleted(*answerOf) { c.redirect(c.home + "users?done=delete") }
