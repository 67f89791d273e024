package postern

import (
	"net/http"
	"net/url"

	"github.com/posternauth/postern/internal/shortcookie"
)

// After a form the browser opens a page anew, and the page says once what was done. The parameter done of the page
// names the text. A link of another site can have the parameter too, and would make a person believe that something was
// changed. So only the browser that sent the form shows the text: it has a cookie with the same name, once, for a
// minute. The cookie holds nothing about a person. It is not SameSite=Strict, since a form may go on by way of another
// site, where the person proves who they are.
const (
	doneParameter = "done"
	doneLife      = 60 // seconds
	maxDone       = 64 // bytes of a name
)

func (a *Auth) doneCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: shortcookie.Done(a.issuer, a.secure), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

// leadOn redirects (303) to a page of this handler after a form. If the page has the parameter done, it may show the
// text of that name.
func (a *Auth) leadOn(w http.ResponseWriter, to string) {
	if u, err := url.Parse(to); err == nil && u.Query().Get(doneParameter) != "" {
		http.SetCookie(w, a.doneCookie(u.Query().Get(doneParameter), doneLife))
	}
	seeOther(w, to)
}

// takeDone returns the name of the text that a page shows once, or "" if this browser has sent no form that leads here.
func (a *Auth) takeDone(w http.ResponseWriter, r *http.Request) string {
	name := r.URL.Query().Get(doneParameter)
	if r.Method != http.MethodGet || name == "" || len(name) > maxDone {
		return ""
	}
	cookies := r.CookiesNamed(a.doneCookie("", 0).Name)
	if len(cookies) != 1 || cookies[0].Value != name {
		return ""
	}
	http.SetCookie(w, a.doneCookie("", -1))
	return name
}

// LeadOn redirects (303) to a page of this handler after a form of a console. If the URL has the parameter done, a name
// of at most 64 letters, digits and dashes, that page may say what was done: see [Flow.TakeNotice].
func (f *Flow) LeadOn(w http.ResponseWriter, to string) { f.auth.leadOn(w, to) }

// TakeNotice returns the parameter done of a page, once, in the browser that [Flow.LeadOn] led there within the last
// minute. For every other request it returns "", so that a link of another site cannot say that something was done.
func (f *Flow) TakeNotice(w http.ResponseWriter, r *http.Request) string {
	return f.auth.takeDone(w, r)
}
