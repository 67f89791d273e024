package users

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern"
)

// isConsolePage reports whether a path is that of a page of the console, to which a sign-in may lead.
func isConsolePage(path string) bool {
	pattern, _, _ := consolePattern(path)
	_, ok := consolePages()[pattern]
	return ok || path == "resume" || path == "leave"
}

// kept are the fields of a form that wait while the actor gives a fresh proof. What confirms a deed is typed anew.
func (c *console) kept() url.Values {
	values := url.Values{}
	for name, v := range c.r.PostForm {
		if name != "confirm" && name != "resume" {
			values[name] = slices.Clone(v)
		}
	}
	return values
}

// resume shows the form that waited, filled as it was. It does nothing.
func (c *console) resume() {
	var ok bool
	if c.actor, ok = c.flow.ActorPage(c.w, c.r, c.kind, 0, c.home+"resume", nil); !ok {
		return
	}
	k, ok, err := c.flow.KeptForm(c.r, c.actor)
	if err != nil {
		c.refuse(err)
		return
	}
	pattern, target, id := consolePattern(k.Path)
	form, known := consoleForms()[pattern]
	if !ok || !known {
		c.lost()
		return
	}
	c.target, c.id = target, id
	page := consolePages()[form.page]
	if !c.may(page.scope) || !c.may(adminRoutes[form.route].scope) {
		c.refuse(errScope(adminRoutes[form.route].scope))
		return
	}
	c.sent = form.name
	opened := c.r
	c.r = opened.Clone(opened.Context())
	c.r.PostForm = k.Values
	p, err := page.show(c)
	c.r = opened
	if err != nil {
		c.refuse(err)
		return
	}
	f := findForm(p, c.url(pattern), k.Values)
	if f == nil { // the page has it no more
		c.redirect(c.url(form.page) + "?done=lost")
		return
	}
	hidden := map[string]string{"resume": k.ID}
	for name, value := range f.Hidden {
		if k.Values.Has(name) { // as it was sent: a user who has changed since is refused
			value = k.Values.Get(name)
		}
		hidden[name] = value
	}
	f.Hidden = hidden
	c.flow.Page(c.w, c.r, postern.Page{
		Name: "admin.resume", Title: p.Title, Args: p.Args, Notice: "Thank you, it is you. Nothing was changed yet.",
		Forms: []postern.Form{*f}, Menu: c.menu(form.page),
		Links: []postern.Link{{Name: "back", Text: "Do not do it", URL: c.url(form.page)}},
	})
}

// lost leads to the console without the form that waited.
func (c *console) lost() {
	menu := c.menu("")
	if len(menu) == 0 {
		c.refuse(errScope(ScopeRead))
		return
	}
	c.redirect(menu[0].URL + "?done=lost")
}

// findForm returns the form of a page with an address, and with the hidden fields of values.
func findForm(p postern.Page, action string, values url.Values) *postern.Form {
	all := slices.Clone(p.Forms)
	for _, s := range p.Sections {
		all = append(all, s.Forms...)
		if s.Table == nil {
			continue
		}
		for _, row := range s.Table.Rows {
			for _, cell := range row {
				if cell.Form != nil {
					all = append(all, *cell.Form)
				}
			}
		}
	}
	for _, f := range all {
		same := func(name string) bool { return name == "version" || values.Get(name) == f.Hidden[name] }
		if f.Action == action && !slices.ContainsFunc(slices.Collect(maps.Keys(f.Hidden)), func(name string) bool { return !same(name) }) {
			return &f
		}
	}
	return nil
}

// leave ends the session of the console.
func (c *console) leave() {
	var ok bool
	if c.actor, ok = c.flow.ActorPage(c.w, c.r, c.kind, 0, c.home+"leave", nil); !ok {
		return
	}
	apart := c.flow.ConsoleApart(c.kind)
	if c.r.Method != http.MethodPost || !apart {
		p := postern.Page{Name: "admin.leave", Title: "Leave the console", Menu: c.menu("leave")}
		if apart {
			p.Text = "Your session of the console ends, and no other one: you stay signed in to the application."
			p.Forms = []postern.Form{{Name: "leave", Action: c.home + "leave", Submit: "Leave the console"}}
		} else {
			p.Text = "The console uses your session of the application. If you sign out, you are signed out of both."
			p.Forms = []postern.Form{{Name: "leave", Action: strings.TrimSuffix(c.home, "admin/") + "account/sign-out", Submit: "Sign out"}}
		}
		c.flow.Page(c.w, c.r, p)
		return
	}
	if err := c.flow.CloseConsole(c.w, c.r, c.actor); err != nil {
		c.refuse(err)
		return
	}
	c.flow.Page(c.w, c.r, postern.Page{
		Name: "admin.left", Title: "You have left the console", Text: "Your session of the console has ended, and no other one. If you share this computer, sign out of the application too.",
		Links: c.toConsole(),
	})
}
