package users

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
)

// The console is the administration for people: pages of the reads of the API, and forms of its deeds. A form becomes
// the request of the API that it stands for, and the API decides. Nothing is decided here a second time.

// A console is a request of a person.
type console struct {
	*adminCall
	home string // the URL of {base}/admin, with a slash at the end

	sent string // the name of the form that was sent and refused; empty: none
}

// A consolePage is a page, by its path below {base}/admin.
type consolePage struct {
	scope string // empty: any scope of the administration
	show  func(*console) (postern.Page, error)
}

// A consoleForm is a form, by the path to which it is sent.
type consoleForm struct {
	page  string // of the form
	name  string // of the form on the page
	route string // of the API

	// read returns the body for the API: nil for none. It may set the query of c.r.
	read func(*console) (any, error)

	// done answers after the deed. Nil: it leads to the page, with the notice of the name.
	done func(*console, *answerOf)
}

func consolePages() map[string]consolePage {
	return map[string]consolePage{
		"users":               {ScopeRead, (*console).listPage},
		"users/new":           {ScopeWrite, (*console).newPage},
		"users/invite":        {ScopeWrite, (*console).invitePage},
		"users/{id}":          {ScopeRead, (*console).userPage},
		"users/{id}/sessions": {ScopeSessionsRead, (*console).sessionsPage},
		"users/{id}/history":  {ScopeEvents, (*console).historyPage},
		"sessions":            {ScopeSessionsRead, (*console).findSessions},
		"history":             {ScopeEvents, (*console).findHistory},
		"keys":                {ScopeKeys, (*console).keysPage},
		"mail":                {ScopeMail, (*console).mailsPage},
		"mail/{mail}":         {ScopeMail, (*console).mailPage},
		"mail/{mail}/html":    {ScopeMail, (*console).htmlPart},
		"mail/{mail}/text":    {ScopeMail, (*console).textPart},
		"settings":            {ScopeRead, (*console).settingsPage},
	}
}

func consoleForms() map[string]consoleForm {
	user, sessions := "users/{id}", "users/{id}/sessions"
	return map[string]consoleForm{
		"users":                      {"users/new", "create", "POST users", (*console).readCreate, (*console).created},
		"users/invite":               {"users/invite", "invite", "POST users/invite", (*console).readInvite, nil},
		"users/{id}/edit":            {user, "edit", "PATCH users/{id}", (*console).readEdit, nil},
		"users/{id}/roles":           {user, "roles", "PUT users/{id}/roles", (*console).readRoles, nil},
		"users/{id}/disable":         {user, "disable", "POST users/{id}/disable", (*console).readDisable, nil},
		"users/{id}/enable":          {user, "enable", "POST users/{id}/enable", nil, nil},
		"users/{id}/addresses":       {user, "addresses", "POST users/{id}/addresses", (*console).readAddress, nil},
		"users/{id}/remove-identity": {user, "remove-identity", "DELETE users/{id}/identities", (*console).readIdentity, nil},
		"users/{id}/reset-mail":      {user, "reset-mail", "POST users/{id}/reset-mail", nil, nil},
		"users/{id}/reset-factors":   {user, "reset-factors", "POST users/{id}/reset-factors", nil, nil},
		"users/{id}/unlock":          {user, "unlock", "POST users/{id}/unlock", nil, nil},
		"users/{id}/demand-change":   {user, "demand-change", "POST users/{id}/demand-change", nil, nil},
		"users/{id}/remove-password": {user, "remove-password", "DELETE users/{id}/password", nil, nil},
		"users/{id}/remove-passkeys": {user, "remove-passkeys", "DELETE users/{id}/passkeys", nil, nil},
		"users/{id}/impersonate":     {user, "impersonate", "POST users/{id}/impersonate", (*console).readReason, (*console).impersonated},
		"users/{id}/export":          {user, "export", "GET users/{id}/export", nil, (*console).exported},
		"users/{id}/delete":          {user, "delete", "DELETE users/{id}", (*console).readDelete, (*console).deleted},
		"users/{id}/sessions/end":    {sessions, "end-all", "DELETE users/{id}/sessions", nil, nil},

		"users/{id}/sessions/{sid}/end": {sessions, "end", "DELETE users/{id}/sessions/{sid}", nil, nil},
		"keys/rotate":                   {"keys", "rotate", "POST keys/rotate", nil, nil},
		"mail/test":                     {"mail", "test", "POST mail/test", nil, nil},
		"mail/{mail}/test":              {"mail/{mail}", "send", "POST mail/test", (*console).readMail, (*console).mailed},
	}
}

// consolePattern returns the path with {id} for the id of a user, {sid} for that of a session, and {mail} for the key
// of a mail, which is in the place of a session.
func consolePattern(path string) (pattern, user, session string) {
	parts := strings.Split(path, "/")
	if len(parts) > 2 && parts[0] == "mail" && parts[1] != "" && parts[2] != "" {
		return strings.Join(append([]string{"mail/{mail}"}, parts[3:]...), "/"), "", parts[1] + "." + parts[2]
	}
	if len(parts) > 1 && parts[0] == "users" && parts[1] != "" && !(len(parts) == 2 && (parts[1] == "invite" || parts[1] == "new")) {
		user, parts[1] = parts[1], "{id}"
	}
	if len(parts) == 5 && parts[2] == "sessions" && parts[3] != "" {
		session, parts[3] = parts[3], "{sid}"
	}
	return strings.Join(parts, "/"), user, session
}

// run finds the page or the form before it looks who asks: an address that is none is answered alike for everybody.
func (c *console) run(path string) {
	var pattern string
	pattern, c.target, c.id = consolePattern(path)
	page, isPage := consolePages()[pattern]
	form, isForm := consoleForms()[pattern]
	switch {
	case path == "" && c.r.Method != http.MethodPost:
		c.first()
	case path == "session":
		c.flow.OpenConsole(c.w, c.r, c.kind, strings.TrimSuffix(c.home, "/"), consoleScopes...)
	case strings.HasPrefix(path, "session/") && isConsolePage(path[len("session/"):]):
		c.flow.OpenConsole(c.w, c.r, c.kind, c.home+path[len("session/"):], consoleScopes...)
	case path == "resume" && c.r.Method != http.MethodPost:
		c.resume()
	case path == "leave":
		c.leave()
	case isForm && c.r.Method == http.MethodPost:
		c.send(form)
	case isPage && c.r.Method != http.MethodPost:
		c.open(pattern, page)
	case isPage || isForm || path == "":
		allow := "GET, HEAD"
		if !isPage && path != "" {
			allow = "POST"
		}
		c.w.Header().Set("Allow", allow)
		c.flow.FailPage(c.w, c.r, postern.Page{Links: c.toConsole()}, errMethodHere)
	default:
		c.flow.FailPage(c.w, c.r, postern.Page{Links: c.toConsole()}, errNotHere)
	}
}

// url returns the URL of a path of the console, with the ids of this request.
func (c *console) url(pattern string) string {
	return c.home + strings.NewReplacer("{id}", c.target, "{sid}", c.id, "{mail}", mailPath(c.id)).Replace(pattern)
}

// first leads to the first page that the actor may see.
func (c *console) first() {
	var ok bool
	if c.actor, ok = c.flow.ActorPage(c.w, c.r, c.kind, 0, strings.TrimSuffix(c.home, "/"), nil); !ok {
		return
	}
	// Another issuer leads back to here from a step-up, whatever page it was for.
	if _, waits, err := c.flow.KeptForm(c.r, c.actor); err == nil && waits {
		c.redirect(c.home + "resume")
		return
	}
	menu := c.menu("")
	if len(menu) == 0 {
		c.refuse(errNoConsole)
		return
	}
	c.redirect(menu[0].URL)
}

func (c *console) redirect(to string) { c.flow.LeadOn(c.w, to) }

// refuse answers with a page that has the refusal alone.
func (c *console) refuse(err error) {
	c.flow.FailPage(c.w, c.r, postern.Page{Links: c.back()}, c.shown(err))
}

// back is the way out of a refusal. Somebody without a console goes to their account or to the application.
func (c *console) back() []postern.Link {
	if len(c.menu("")) == 0 {
		return nil
	}
	return c.toConsole()
}

func (c *console) toConsole() []postern.Link {
	return []postern.Link{{Name: "console", Text: "Go to the console", URL: strings.TrimSuffix(c.home, "/")}}
}

// open shows a page.
func (c *console) open(pattern string, page consolePage) {
	var ok bool
	if c.actor, ok = c.flow.ActorPage(c.w, c.r, c.kind, 0, c.url(pattern), nil); !ok {
		return
	}
	if !c.may(page.scope) {
		c.refuse(errScope(page.scope))
		return
	}
	p, err := page.show(c)
	switch {
	case errors.Is(err, errDone):
		return
	case err != nil:
		c.refuse(err)
		return
	}
	p.Menu = c.menu(pattern)
	p.Notice = notices[c.flow.TakeNotice(c.w, c.r)]
	c.flow.Page(c.w, c.r, p)
}

// send does what a form asks for, by the route of the API.
func (c *console) send(form consoleForm) {
	route, page := adminRoutes[form.route], c.url(form.page)
	var proof time.Duration
	if route.fresh {
		proof = adminProof
	}
	var ok bool
	if c.actor, ok = c.flow.ActorPage(c.w, c.r, c.kind, proof, page, c.kept()); !ok {
		return
	}
	if may, err := c.flow.UseForm(c.r, c.actor); err != nil {
		c.refuse(err)
		return
	} else if !may { // the button was pressed twice
		c.redirect(page + "?done=lost")
		return
	}
	answer, err := c.do(form, route)
	var e *postern.Error
	fault := err != nil && (!errors.As(err, &e) || e.Status >= http.StatusInternalServerError)
	c.flow.EndForm(c.w, c.r, fault)
	switch {
	case err != nil:
		c.again(form, err)
	case answer.status >= http.StatusBadRequest: // a guard has answered
		answer.copyTo(c.w)
	case form.done != nil:
		form.done(c, answer)
	default:
		c.redirect(page + "?" + url.Values{"done": {form.name}}.Encode())
	}
}

// do sends the form to the route of the API, as the request that a program would send.
func (c *console) do(form consoleForm, route adminRoute) (*answerOf, error) {
	answer := &answerOf{header: http.Header{}, status: http.StatusOK}
	method, _, _ := strings.Cut(form.route, " ")
	typed := c.r
	c.r = typed.Clone(typed.Context())
	defer func() { c.r = typed }()
	c.r.Method = method
	c.r.Form = url.Values{}
	c.r.Header.Set("Content-Type", "application/json")
	c.r.Header.Set("Accept", "application/json")
	// Who may not do it gets the same answer, whatever was typed.
	if err := c.permitted(route); err != nil {
		return nil, c.shown(err)
	}
	var body any
	if form.read != nil {
		var err error
		if body, err = form.read(c); err != nil {
			return nil, c.shown(err)
		}
	}
	c.r.Body, c.r.ContentLength = http.NoBody, 0
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, c.shown(err)
		}
		c.r.Body, c.r.ContentLength = io.NopCloser(bytes.NewReader(encoded)), int64(len(encoded))
	}
	call := *c.adminCall
	call.w = answer
	err := route.serve(&call)
	c.target = call.target // of a user who was made
	if err != nil && !errors.Is(err, errDone) {
		return nil, c.shown(err)
	}
	return answer, nil
}

// again shows the page of a form with the refusal. The form keeps what was typed.
func (c *console) again(form consoleForm, refused error) {
	page := consolePages()[form.page]
	if !c.may(page.scope) {
		c.refuse(refused)
		return
	}
	c.sent = form.name
	p, err := page.show(c)
	if err != nil { // the user is gone, for example
		c.refuse(refused)
		return
	}
	p.Menu = c.menu(form.page)
	c.flow.FailPage(c.w, c.r, p, refused)
}

// typed returns the value of a field of a form: as it was sent, if this form was refused.
func (c *console) typed(form, field, value string) string {
	if c.sent == form {
		return c.r.PostForm.Get(field)
	}
	return value
}

// ticked is typed for a checkbox.
func (c *console) ticked(form, field string, checked bool) bool {
	if c.sent == form {
		return c.r.PostForm.Get(field) != ""
	}
	return checked
}

// An answerOf is the answer of the API to a form.
type answerOf struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerOf) Header() http.Header         { return a.header }
func (a *answerOf) WriteHeader(status int)      { a.status = status }
func (a *answerOf) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answerOf) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // a client that has gone needs no answer
}

var errNoConsole = &postern.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Text: "You have no right to administer anything here."}

var errMethodHere = &postern.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Text: "This address does not answer that kind of request."}

// consoleScopes are the scopes with which somebody has a console.
var consoleScopes = []string{ScopeRead, ScopeWrite, ScopeRoles, ScopeExport, ScopeDelete, ScopeCredentials, ScopeImpersonate, ScopeSessionsRead, ScopeSessionsWrite,
	ScopeEvents, ScopeKeys, ScopeMail}
