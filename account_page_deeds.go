package postern

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A deed is what a form of the account pages does: POST {base}/account/{name}.
type deed struct {
	menu   string   // the page of the menu to which it belongs
	fields []string // what the person typed or chose. It is kept over a step-up
	page   bool     // the form has a page for itself, at the same path
	fresh  bool     // that page needs a fresh proof before it is shown
	fixed  bool     // nothing is kept over a step-up: the person types it anew

	// form is the page with the form, filled with values.
	form func(r *http.Request, v accountView, values url.Values) (Page, error)

	// do does it. It returns where the person goes on: the name of a page, which may have a query. With errAnswered it
	// has answered the request.
	do func(w http.ResponseWriter, r *http.Request, values url.Values) (next string, err error)
}

// accountDeeds are the deeds by name.
func (a *Auth) accountDeeds() map[string]deed {
	return map[string]deed{
		"profile":        {fields: []string{"name", "locale", "picture"}, page: true, form: a.profileForm, do: a.doProfile},
		"end-session":    {menu: "sessions", fields: []string{"id"}, form: a.endSessionForm, do: a.doEndSession},
		"end-sessions":   {menu: "sessions", form: a.endSessionsForm, do: a.doEndSessions},
		"sign-out":       {do: a.doSignOut},
		"address":        {fields: []string{"address", "id"}, page: true, form: a.addressForm, do: a.doAddress},
		"code":           {fields: []string{"code", "token"}, page: true, form: a.codeForm, do: a.doCode},
		"remove-address": {fields: []string{"id"}, form: a.removeAddressForm, do: a.doRemoveAddress},

		"thaw":            {menu: "security", form: a.thawForm, do: a.doThaw},
		"link":            {menu: "security", fields: []string{"provider"}, page: true, form: a.linkForm, do: a.doLink},
		"unlink":          {menu: "security", fields: []string{"id"}, form: a.unlinkForm, do: a.doUnlink},
		"forget-browser":  {menu: "security", fields: []string{"id"}, do: a.doForgetBrowser},
		"forget-browsers": {menu: "security", do: a.doForgetBrowsers},

		"delete": {fields: []string{"confirm"}, page: true, fresh: true, fixed: true, form: a.deleteForm, do: a.doDelete},
	}
}

// accountNotices are what a page says after a deed, by the parameter done; see leadOn.
var accountNotices = map[string]string{
	"profile":  "Your profile was changed.",
	"address":  "Your addresses were changed.",
	"removed":  "The address was removed.",
	"thaw":     "Every way to sign in works again.",
	"unlinked": "The account at the other site was unlinked.",
	"browser":  "The browser is not remembered any more.",
	"browsers": "No browser is remembered any more.",
	"session":  "The session was ended.",
	"sessions": "All other sessions were ended.",
	"lost":     "Nothing was changed: what you typed is not kept any more. Please do it again.",
}

// postDeed does what a form asks for. After it the browser opens a page anew, so that a reload repeats nothing.
func (a *Auth) postDeed(w http.ResponseWriter, r *http.Request, name string, d deed) error {
	if exchangeOf(r).json {
		return &Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Text: "Send a form (application/x-www-form-urlencoded)."}
	}
	values := url.Values{}
	for _, field := range d.fields {
		if r.PostForm.Has(field) {
			values.Set(field, r.PostForm.Get(field))
		}
	}
	if id := r.PostForm.Get("resume"); id != "" {
		first, err := a.useResume(w, r, id)
		if err != nil {
			return a.accountRefused(w, r, d.menu, err)
		}
		if !first { // the button was pressed twice
			seeOther(w, a.accountURL(d.menu))
			return nil
		}
	}
	next, err := d.do(w, r, values)
	switch {
	case errors.Is(err, errAnswered):
		return errAnswered
	case err != nil:
		return a.deedRefused(w, r, name, d, values, err)
	}
	a.accountForms().forget(w, r)
	a.leadOn(w, a.accountURL(next))
	return nil
}

// deedRefused shows why a deed was refused, beside the form with what was typed. If a fresh proof is missing, the form
// waits until the person comes back from the step-up.
func (a *Auth) deedRefused(w http.ResponseWriter, r *http.Request, name string, d deed, values url.Values, err error) error {
	e := refusal(err)
	switch {
	case e.stepUp != "" && d.fixed:
		return a.accountRefused(w, r, name, err)
	case e.stepUp != "":
		if kept := a.keepForm(w, r, name, values); kept != nil {
			return a.accountRefused(w, r, d.menu, kept)
		}
		return a.accountRefused(w, r, "resume", err)
	case e.Status >= http.StatusInternalServerError:
		a.accountForms().unuse(r)
		return a.accountRefused(w, r, d.menu, err)
	case e.Code == "not_signed_in", e.Code == "impersonated":
		return a.accountRefused(w, r, d.menu, err)
	}
	if e.Status == http.StatusNotFound {
		gone := *e
		gone.Text = "That is not part of your account any more."
		e = &gone
	}
	v, err := a.accountViewer(w, r, false)
	if err != nil {
		return a.accountRefused(w, r, d.menu, err)
	}
	build := func(r *http.Request, v accountView) (Page, error) { return d.form(r, v, values) }
	if !d.page {
		build = a.accountPages()[strings.TrimSuffix("/"+d.menu, "/")].build
	}
	p, err := build(r, v)
	if err != nil {
		return a.accountRefused(w, r, d.menu, err)
	}
	retryAfter(w, e)
	a.accountForms().forget(w, r)
	a.showAccountPage(w, r, d.menu, p.WithError(e))
	return nil
}

func retryAfter(w http.ResponseWriter, e *Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// cancel is the link of a form's page that leads back without doing anything.
func (a *Auth) cancel(menu string) []Link {
	return []Link{{Name: "account", Text: "Back to your account", URL: a.accountURL(menu)}}
}
