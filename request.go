package postern

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/form"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The largest sizes of a request, in bytes.
const (
	maxQuery   = 8 << 10
	maxHeader  = 16 << 10 // all headers except Cookie
	maxCookies = 64 << 10 // as in package session; net/http refuses headers over 1 MiB before any handler runs
	maxPath    = 512
)

// An exchange is the handler's data of one request while a provider serves it. It is in the context of the request,
// never in a Flow or a Provider, which all requests share.
type exchange struct {
	ret      session.Return // of the authorize request, or of the attempt
	asked    bool           // ret was set
	posting  bool           // a POST of a page that is allowed began it, and was passed on as a GET
	purpose  string         // of the attempt that this request begins; empty: a sign-in
	whose    whose          // for whom it begins
	invite   string         // the invitation that it begins with
	aside    bool           // it stands beside the one that the page is for
	again    session.Return // for the link "start again" of an error page
	attempt  *attempt       // after Resume
	leave    func()         // after Resume: the attempt counts as under way until this is called
	counted  bool           // the failure is counted
	used     store.Item     // the item that Resume wrote
	looked   usedLookup     // what the store knew of a finished attempt
	posted   *posted        // the form that a form_post provider sent; nil: none
	finished bool           // Done was called
	reported bool           // the outcome is in the audit log
	addr     netip.Addr     // of the client
	agent    string         // User-Agent of the client, as events have it
	json     bool           // the form came as JSON
	live     live           // the session that Person found
	head     *head.Head     // of the person whom Person found; the session had its Sec
	enroll   *waiting       // the sign-in in which Person found the person
	waiting  *waiting       // after Guess
	asks     *http.Request  // this request
	form     string         // path and query, below the issuer, of the page whose form was sent
	self     string         // the user who is signed in in this browser, or on the way to a session
	setUp    bool           // the sign-in waited until the person had a factor
	guessAt  time.Time      // when Guess counted
}

type exchangeKey struct{}

// newExchange returns the data of a request that begins.
func (a *Auth) newExchange(r *http.Request) *exchange {
	return &exchange{addr: a.clients.Addr(r), agent: text.Line(r.UserAgent(), maxAgent)}
}

// maxAgent is how many bytes of a User-Agent are kept.
const maxAgent = 255

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// bounded refuses a request that is too large, by its headers and URL; it does not read the body. If a browser has too
// many cookies, its attempts are removed so that it can begin again.
func (a *Auth) bounded(w http.ResponseWriter, r *http.Request) error {
	size, cookies := 0, 0
	for name, values := range r.Header {
		for _, v := range values {
			if name == "Cookie" {
				cookies += len(v)
				continue
			}
			size += len(name) + len(v) + 4
		}
	}
	switch {
	case cookies > maxCookies:
		e := &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "request_too_large",
			Text: "Your browser sends too many cookies to this site. Please delete the cookies of this site and try again."}
		if shortcookie.Clear(w, r, a.issuer, a.secure, maxExpired) {
			e.Text = "Too many sign-ins were begun in this browser. They have been removed: please try again. " +
				"If this page comes back, delete the cookies of this site."
		}
		return e
	case size > maxHeader:
		return &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "request_too_large",
			Text: "The headers of the request are too large."}
	case len(r.URL.RawQuery) > maxQuery, len(r.URL.Path) > maxPath:
		return &Error{Status: http.StatusRequestURITooLong, Code: "request_too_large", Text: "The address is too long."}
	case r.ContentLength > form.MaxBody:
		return errTooLarge()
	}
	return nil
}

func errTooLarge() *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "request_too_large", Text: "The request is too large."}
}

// admit reads the parameters of a request into r.Form and r.PostForm and adds an exchange to its context. A body is a
// form, or a flat JSON object, which is read as if it were a form.
func (a *Auth) admit(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	x := a.newExchange(r)
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	x.asks = r
	values, err := form.Parse(r.URL.RawQuery, nil)
	if err != nil {
		return r, badForm(err)
	}
	post := url.Values{}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, form.MaxBody)
		switch t := httperr.MediaType(r); {
		case t == "application/x-www-form-urlencoded":
			if post, err = form.Read(w, r, values); err != nil {
				return r, badForm(err)
			}
		case t == "application/json":
			x.json = true
			if post, err = form.ReadJSON(w, r, values); err != nil {
				return r, badForm(err)
			}
		case t == "" && r.ContentLength == 0 && len(r.Header.Values("Content-Type")) == 0:
		default:
			return r, &Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
				Text: "Send a form (application/x-www-form-urlencoded) or JSON (application/json)."}
		}
	}
	maps.Copy(values, post)
	r.Form, r.PostForm = values, post
	return r, nil
}

// badForm returns the page for an error of package form. The cause goes to the log: a callback fails this way if the
// provider, or a program between, adds a parameter that cannot be read.
func badForm(err error) error {
	text := ""
	switch {
	case errors.Is(err, form.ErrTooMany):
		text = "The request has too many parameters."
	case errors.Is(err, form.ErrEncoding):
		text, err = "The request has a parameter that is wrongly encoded.", fmt.Errorf("%w: it has a bare %% or a semicolon", err)
	case errors.Is(err, form.ErrTwice):
		text = "The request has a parameter more than once."
	case errors.Is(err, form.ErrFlat):
		text = "The request is not one JSON object whose members are texts, numbers or booleans."
	case errors.Is(err, form.ErrText):
		text = "The request has a parameter with characters that are not allowed."
	default:
		return err
	}
	e := badRequest("invalid_request", text)
	e.Err = err
	return e
}

// ours reports whether a POST comes from a page of this site, by the headers Sec-Fetch-Site and Origin of the browser.
// The rule is that of http.CrossOriginProtection, but it compares Origin with the configured URL, scheme included, and
// not with Host, which a proxy may have changed. A request with neither header does not come from a browser, so it
// carries no cookies of a person.
//
// Scripts of Config.Origins may send JSON, because a browser sends a preflight request before it.
func (a *Auth) ours(r *http.Request) bool {
	if httperr.MediaType(r) == "application/json" && a.listed(r) {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Values("Origin")
		return len(origin) == 0 || len(origin) == 1 && origin[0] == a.origin
	}
	return false
}
