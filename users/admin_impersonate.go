package users

import (
	"net/http"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/strictjson"
)

var (
	errEqual = &postern.Error{Status: http.StatusForbidden, Code: "beyond_rights",
		Text: "This user has the same rights as you. You act only as somebody who has less."}
	errElsewhere = &postern.Error{Status: http.StatusConflict, Code: "other_directory",
		Text: "The users of this directory do not sign in here."}
)

// impersonate begins a session in which the administrator acts as the user of the path.
func (c *adminCall) impersonate() error {
	var body struct {
		Reason strictjson.Text `json:"reason"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if c.flow.Pool() != c.dir.pool {
		return errElsewhere
	}
	return c.flow.Impersonate(c.w, c.r, c.actor, postern.Impersonation{UserID: c.target, Reason: body.Reason.Value, Allow: func(p postern.Person) error {
		return c.mayActAs(p.Roles, p.Scopes)
	}})
}

// mayActAs refuses a user who has a right that the administrator does not have, or all of the administrator's.
func (c *adminCall) mayActAs(roles, scopes []string) error {
	switch {
	case !c.dir.within(c.actor, roles):
		return errBeyond
	case !slices.ContainsFunc(c.actor.Scopes, func(s string) bool { return !slices.Contains(scopes, s) }):
		return errEqual
	}
	return nil
}
