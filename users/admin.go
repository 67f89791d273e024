package users

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/strictjson"
	"github.com/posternauth/postern/session"
)

// adminProof is how old the proof of an administrator may be for a change.
const adminProof = 10 * time.Minute

// Admin returns the administration of the users, for postern.Config.Admin: at {base}/admin, a JSON API for programs and
// a console for people. Administrators have sessions of kind; their scopes say what they may do, see [ScopeRead] and
// the others. A kind of your own with its own cookie keeps the administration apart from the application.
//
// A change needs a proof of who the administrator is that is at most ten minutes old. What a user has, and what a user
// is given, must be within the scopes of the administrator. Nobody changes themselves, and the last administrator
// stays.
func (d *Directory) Admin(kind postern.SessionKind) postern.Administration { return admin{d, kind} }

type admin struct {
	dir  *Directory
	kind postern.SessionKind
}

// An adminCall is a request of an administrator.
type adminCall struct {
	admin
	flow   *postern.Flow
	w      http.ResponseWriter
	r      *http.Request
	actor  postern.Actor
	target string // the id of the user in the path; empty: none
	id     string // of the session or the mail in the path
}

// An adminRoute is a route of the administration.
type adminRoute struct {
	scope string
	fresh bool // a change
	serve func(*adminCall) error
}

// adminRoutes are the routes below {base}/admin by method and path. {id} is a user, {sid} a session.
var adminRoutes = map[string]adminRoute{
	"GET users":                        {ScopeRead, false, (*adminCall).list},
	"POST users":                       {ScopeWrite, true, (*adminCall).create},
	"POST users/invite":                {ScopeWrite, true, (*adminCall).invite},
	"POST users/import":                {ScopeWrite, true, (*adminCall).imports},
	"POST users/{id}/addresses":        {ScopeCredentials, true, (*adminCall).addAddress},
	"GET users/{id}":                   {ScopeRead, false, (*adminCall).show},
	"PATCH users/{id}":                 {ScopeWrite, true, (*adminCall).edit},
	"DELETE users/{id}":                {ScopeDelete, true, bare((*adminCall).remove)},
	"PUT users/{id}/roles":             {ScopeRoles, true, (*adminCall).roles},
	"POST users/{id}/disable":          {ScopeWrite, true, (*adminCall).disable},
	"POST users/{id}/enable":           {ScopeWrite, true, bare((*adminCall).enable)},
	"GET users/{id}/export":            {ScopeExport, true, (*adminCall).export},
	"POST users/{id}/impersonate":      {ScopeImpersonate, true, (*adminCall).impersonate},
	"POST users/{id}/reset-mail":       {ScopeCredentials, true, bare((*adminCall).resetMail)},
	"POST users/{id}/reset-factors":    {ScopeCredentials, true, bare((*adminCall).resetFactors)},
	"POST users/{id}/unlock":           {ScopeCredentials, true, bare((*adminCall).unlock)},
	"POST users/{id}/demand-change":    {ScopeCredentials, true, bare((*adminCall).demandChange)},
	"DELETE users/{id}/password":       {ScopeCredentials, true, bare((*adminCall).removePassword)},
	"DELETE users/{id}/passkeys":       {ScopeCredentials, true, bare((*adminCall).removePasskeys)},
	"DELETE users/{id}/identities":     {ScopeCredentials, true, bare((*adminCall).removeIdentity)},
	"GET users/{id}/history":           {ScopeEvents, false, (*adminCall).history},
	"POST keys/rotate":                 {ScopeKeys, true, bare((*adminCall).rotateKeys)},
	"POST mail/test":                   {ScopeMail, true, (*adminCall).testMail},
	"GET users/{id}/sessions":          {ScopeSessionsRead, false, (*adminCall).sessions},
	"DELETE users/{id}/sessions":       {ScopeSessionsWrite, true, bare((*adminCall).endSessions)},
	"DELETE users/{id}/sessions/{sid}": {ScopeSessionsWrite, true, bare((*adminCall).endSession)},
}

// Handler returns the handler of {base}/admin.
func (a admin) Handler(f *postern.Flow) http.Handler {
	home := f.URL("") // with a slash at the end
	base := home[strings.Index(home, "://")+3:]
	base = base[strings.IndexByte(base, '/'):]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, _ := strings.CutPrefix(r.URL.Path, base)
		c := &adminCall{admin: a, flow: f, w: w, r: r}
		if f.WantsPage(r) {
			if path == strings.TrimSuffix(base, "/") {
				path = ""
			}
			(&console{adminCall: c, home: home}).run(path)
			return
		}
		if err := c.run(path); err != nil && !errors.Is(err, errDone) {
			f.FailJSON(w, r, c.shown(err))
		}
	})
}

var errDone = errors.New("users: the request is answered")

// run finds the route, then checks who asks, then looks at the user. So without the scope every id is answered alike.
func (c *adminCall) run(path string) error {
	parts := strings.Split(path, "/")
	if len(parts) > 1 && parts[0] == "users" && !(len(parts) == 2 && (parts[1] == "invite" || parts[1] == "import")) {
		c.target, parts[1] = parts[1], "{id}"
	}
	if len(parts) > 3 && parts[2] == "sessions" {
		c.id, parts[3] = parts[3], "{sid}"
	}
	pattern := strings.Join(parts, "/")
	route, ok := adminRoutes[strings.Replace(c.r.Method, http.MethodHead, http.MethodGet, 1)+" "+pattern]
	if !ok {
		var allow []string
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if _, is := adminRoutes[method+" "+pattern]; is {
				allow = append(allow, method)
			}
		}
		if len(allow) == 0 {
			return errNotHere
		}
		c.w.Header().Set("Allow", strings.Join(allow, ", "))
		return &postern.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Text: "This address does not answer that kind of request."}
	}
	var proof time.Duration
	if route.fresh {
		proof = adminProof
	}
	if c.actor, ok = c.flow.Actor(c.w, c.r, c.kind, proof); !ok {
		return errDone
	}
	if err := c.permitted(route); err != nil {
		return err
	}
	return route.serve(c)
}

// bare is a route that takes no body: one with anything in it is refused, as the client meant something else.
func bare(serve func(*adminCall) error) func(*adminCall) error {
	return func(c *adminCall) error {
		if c.r.ContentLength != 0 {
			if err := c.flow.ReadJSON(c.w, c.r, &struct{}{}); err != nil {
				return err
			}
		}
		return serve(c)
	}
}

// permitted checks that the actor may use a route.
func (c *adminCall) permitted(route adminRoute) error {
	if !c.may(route.scope) {
		return errScope(route.scope)
	}
	if route.fresh && c.self() && c.r.Method != http.MethodGet {
		return errSelf
	}
	return nil
}

func (c *adminCall) may(scope string) bool { return slices.Contains(c.actor.Scopes, scope) }

// self reports whether the user of the path is the actor.
func (c *adminCall) self() bool {
	return c.target != "" && c.target == c.actor.UserID && c.actor.Pool == c.dir.pool
}

func errScope(scope string) error {
	return &postern.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Text: "You may not do this. It needs the scope {scope}.",
		Args: map[string]any{"scope": scope}}
}

var errNotHere = &postern.Error{Status: http.StatusNotFound, Code: "not_found", Text: "There is nothing at this address."}

// shown returns the answer of an error. Whatever is not an answer is a store that failed.
func (c *adminCall) shown(err error) error {
	var e *postern.Error
	switch {
	case isNoUser(err):
		return errNotHere
	case errors.As(err, &e):
		return err
	case errors.Is(err, postern.ErrTaken):
		return &postern.Error{Status: http.StatusConflict, Code: "address_taken", Text: "This belongs to another user."}
	}
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "The users are not available at this moment. Please try again shortly."}
}

func isNoUser(err error) bool { return errors.Is(err, postern.ErrNoUser) }

// adminUser is a user as administrators see them.
type adminUser struct {
	exported
	Scopes    []string       `json:"scopes"`
	Passwords int            `json:"passwords"`
	Passkeys  int            `json:"passkeys"`
	Factors   map[string]int `json:"factors,omitempty"`
	Version   string         `json:"version"`
}

func (c *adminCall) user(u User) adminUser {
	return adminUser{export(u), append([]string{}, u.Scopes...), u.Passwords, u.Passkeys, u.Factors, u.Version}
}

func (c *adminCall) list() error {
	q := c.r.Form
	limit, err := strconv.Atoi(q.Get("limit"))
	if q.Get("limit") != "" && (err != nil || limit < 1 || limit > maxPage) {
		return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "The limit is a number from 1 to 200."}
	}
	page, err := c.dir.Search(c.r.Context(), Query{Identifier: q.Get("identifier"), Actor: c.actor.UserID, Limit: limit, Cursor: q.Get("cursor")})
	if err != nil {
		return err
	}
	out := struct {
		Users []adminUser `json:"users"`
		Next  string      `json:"next,omitempty"`
	}{[]adminUser{}, page.Next}
	for _, u := range page.Users {
		out.Users = append(out.Users, c.user(u))
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, out)
	return nil
}

func (c *adminCall) show() error {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, c.user(u))
	return nil
}

// invite mails an invitation. The roles must be within the rights of the actor.
func (c *adminCall) invite() error {
	var body struct {
		Address strictjson.Text `json:"address"`
		Roles   []string        `json:"roles"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if err := c.grants(body.Roles); err != nil {
		return err
	}
	ctx := head.Loaded(head.Expect(c.r.Context(), c.actor.Sec), c.actor.Rights) // the rights that were just compared
	_, err := c.flow.Invite(ctx, postern.Invitation{Address: body.Address.Value, Roles: body.Roles, By: c.actor.UserID, Pool: c.actor.Pool})
	if errors.Is(err, postern.ErrInvalid) {
		return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_address", Text: "An invitation needs one mail address."}
	}
	if err != nil {
		return err
	}
	c.done("invited", "")
	return nil
}

func (c *adminCall) edit() error {
	var body struct {
		Name    strictjson.Text `json:"name"`
		Locale  strictjson.Text `json:"locale"`
		Picture strictjson.Text `json:"picture"`
		Profile json.RawMessage `json:"profile"`
		Data    json.RawMessage `json:"data"`
		Version string          `json:"version"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	f := Fields{Name: body.Name.Pointer(), Locale: body.Locale.Pointer(), Picture: body.Picture.Pointer(), Profile: body.Profile, Data: body.Data}
	if err := c.dir.update(c.r.Context(), c.target, body.Version, f, c.deed()); err != nil {
		return err
	}
	c.emit("user changed", "")
	return c.show()
}

func (c *adminCall) deed() Extra { return c.dir.deedOf(c.actor, c.target) }

func (c *adminCall) remove() error {
	if _, err := c.dir.User(c.r.Context(), c.target); err != nil {
		return err // also for a user who was deleted before
	}
	if err := c.dir.Delete(c.r.Context(), c.target, c.deed()); err != nil {
		if _, gone := c.dir.User(c.r.Context(), c.target); !isNoUser(gone) {
			return err
		}
		c.done("user deleted", "not everything is removed: "+err.Error()) // from the first write on; Sweep goes on
		return nil
	}
	c.done("user deleted", "")
	return nil
}

func (c *adminCall) roles() error {
	var body struct {
		Roles []string `json:"roles"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if body.Roles == nil { // an empty list takes all roles away, and no list is a mistake
		return &postern.Error{Status: http.StatusBadRequest, Code: "missing_field", Text: "Please name the roles, in a list."}
	}
	if err := c.dir.SetRoles(c.r.Context(), c.target, body.Roles, c.deed()); err != nil {
		return err
	}
	c.emit("roles changed", strings.Join(body.Roles, " "))
	return c.show()
}

func (c *adminCall) disable() error {
	var body struct {
		Reason strictjson.Text `json:"reason"`
		Until  time.Time       `json:"until"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if body.Reason.Value == "" {
		return &postern.Error{Status: http.StatusBadRequest, Code: "missing_field", Text: "Please give a reason."}
	}
	if err := c.dir.Disable(c.r.Context(), c.target, body.Reason.Value, body.Until, c.deed()); err != nil {
		return err
	}
	c.done("user disabled", "")
	return nil
}

func (c *adminCall) enable() error {
	if err := c.dir.Enable(c.r.Context(), c.target, c.deed()); err != nil {
		return err
	}
	c.done("user enabled", "")
	return nil
}

func (c *adminCall) export() error {
	if err := c.reach(); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := c.dir.Export(c.r.Context(), &b, c.target); err != nil {
		return err
	}
	c.emit("user exported", "")
	c.flow.JSON(c.w, c.r, http.StatusOK, json.RawMessage(b.Bytes()))
	return nil
}

// reach checks that the user is within the rights of the actor.
func (c *adminCall) reach() error {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	if !c.dir.within(c.actor, u.Roles) {
		return errBeyond
	}
	return nil
}

func (c *adminCall) sessions() error {
	if _, err := c.dir.User(c.r.Context(), c.target); err != nil {
		return err
	}
	page, err := c.dir.sessions.List(c.r.Context(), c.target, session.ListOptions{After: c.r.Form.Get("after")})
	switch {
	case errors.Is(err, session.ErrPage):
		return ErrCursor
	case err != nil:
		return err
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, page)
	return nil
}

func (c *adminCall) endSessions() error {
	if err := c.reach(); err != nil {
		return err
	}
	if err := c.dir.endSessions(c.r.Context(), c.target); err != nil {
		return err
	}
	c.done("sessions ended", "")
	return nil
}

// endSession ends a session of the user in the path. A session of another user is as one that does not exist.
func (c *adminCall) endSession() error {
	if err := c.reach(); err != nil {
		return err
	}
	s, err := c.dir.sessions.Find(c.r.Context(), c.id)
	switch {
	case errors.Is(err, session.ErrEnded), err == nil && s.Subject != c.target:
		return errNotHere
	case err != nil:
		return err
	}
	if err := c.dir.sessions.Revoke(c.r.Context(), c.id); err != nil {
		return err
	}
	c.done("sessions ended", "")
	return nil
}

// emit writes the deed into the audit log: who did it, and to whom.
func (c *adminCall) emit(name, reason string) {
	c.flow.Emit(c.r.Context(), c.r, postern.Event{Name: name, Subject: c.actor.UserID, UserID: c.target, SessionID: c.actor.SessionID, Reason: reason, Provider: "admin"})
}

func (c *adminCall) done(name, reason string) {
	c.emit(name, reason)
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
}
