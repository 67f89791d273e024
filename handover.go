package postern

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

// Chromium checks every redirect that follows a form against the form-action of the page with the form, redirects of
// the application's own landing page included (Content Security Policy Level 3 section 6.4.1.1). A list of origins
// can't help, since nobody knows where a landing page leads. So no redirect follows a form: the answer is a redirect
// (303) to {base}/continue with a ticket, a page of this handler that leads on by a meta refresh and a link. The
// chain ends there, form-action is 'self', and Back repeats nothing.
//
// The ticket is the name of a cookie, which holds the destination, sealed. In another browser, or a second time, the
// URL with the ticket leads nowhere.
const (
	ticketLife  = time.Minute
	maxTickets  = 3       // of one browser at once
	maxTicketsB = 4 << 10 // their bytes together
)

// afterForm returns w and r for a request that may be part of a chain of redirects that began with a form: the writer
// turns redirects into pages, and the parameters are without the mark. For a client that wants JSON, the writer turns
// each redirect of a step into JSON.
func (a *Auth) afterForm(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	if wantsJSON(r) && !a.forPrograms(r.URL.Path) {
		return &pageWriter{ResponseWriter: w, auth: a, request: r}, r
	}
	if r.Method == http.MethodPost {
		// A script that fetches follows redirects without regard to form-action, and can't follow a page.
		if mode := r.Header.Get("Sec-Fetch-Mode"); mode == "" || mode == "navigate" {
			w = &pageWriter{ResponseWriter: w, auth: a, request: r}
		}
		return w, r
	}
	rest, mark, found := cutMark(r.URL.RawQuery)
	if !found {
		return w, r
	}
	u := *r.URL
	u.RawQuery = rest
	r = r.WithContext(r.Context()) // a copy
	r.URL = &u
	// An image or a fetch of another site leads nobody on, and must not fill the browser with tickets.
	if r.Method == http.MethodGet && opensPage(r) && a.isMarked(r, mark) {
		w = &pageWriter{ResponseWriter: w, auth: a, request: r}
	}
	return w, r
}

// A pageWriter answers a redirect by a page that leads there, or by JSON.
type pageWriter struct {
	http.ResponseWriter
	auth     *Auth
	request  *http.Request
	written  bool
	replaced bool // the body of the redirect is dropped
}

func (w *pageWriter) WriteHeader(status int) {
	if status < 200 || w.written {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.written = true
	location := w.Header().Get("Location")
	if status < 300 || status > 399 || location == "" {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.replaced = true
	w.auth.handOver(w.ResponseWriter, w.request, location)
}

func (w *pageWriter) Write(p []byte) (int, error) {
	w.written = true
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Flush and Unwrap keep what http.ResponseController and older code can do with the writer.
func (w *pageWriter) Flush() {
	w.written = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher has no error to give
}

func (w *pageWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handOver answers a form with the way to location.
func (a *Auth) handOver(w http.ResponseWriter, r *http.Request, location string) {
	h := w.Header()
	for _, name := range []string{"Location", "Content-Length", "Content-Type"} {
		h.Del(name)
	}
	h.Set("Referrer-Policy", "no-referrer") // whatever the redirect had: the URL of the form may hold a token
	to, err := a.destination(r, location)
	if err != nil {
		a.fail(w, r, nil, err)
		return
	}
	if wantsJSON(r) {
		httperr.Redirect(w, to.String())
		return
	}
	if a.isOwnPage(to.String()) || a.wantsConsole(r) && originOf(to) == a.origin && a.isAdmin(to.Path) { // it is the end of the chain
		h.Set("Location", to.String())
		httperr.NoStore(h)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	next, err := a.nextAfterForm(w, r, to)
	if err != nil {
		// The sign-in is done, and its cookies are set. The page itself leads on as well; only Back is worse.
		a.log.ErrorContext(r.Context(), "postern: no redirect to the page that leads on", slog.Any("error", err))
		a.showContinue(w, r, to.String())
		return
	}
	h.Set("Location", next)
	httperr.NoStore(h)
	w.WriteHeader(http.StatusSeeOther)
}

// nextAfterForm returns where a form may redirect on its way to a destination: to the destination itself, marked, if
// that is a step of this handler, and else to the page that leads on.
func (a *Auth) nextAfterForm(w http.ResponseWriter, r *http.Request, to *url.URL) (string, error) {
	if !a.isStep(to) {
		return a.issueTicket(w, r, to.String())
	}
	marked := *to
	err := a.mark(r, &marked)
	return marked.String(), err
}

// destination is the absolute URL of a redirect. It becomes a link, so its scheme must not run anything.
func (a *Auth) destination(r *http.Request, location string) (*url.URL, error) {
	if !text.Visible(location) {
		location = escapeInvisible(location)
	}
	base, err := url.Parse(a.origin + r.URL.EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("postern: the URL of a request: %w", err)
	}
	to, err := base.Parse(location)
	if err != nil || to.Scheme == "" || neverRedirect[to.Scheme] {
		return nil, errors.New("postern: a redirect after a form leads to something that is not an address, or not a safe one")
	}
	return to, nil
}

// escapeInvisible percent-encodes what http.Redirect, or the application, left in a Location beyond visible ASCII.
func escapeInvisible(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isStep reports whether u is a page of this handler, by which a chain can go on: the choice of providers or a step
// of one.
func (a *Auth) isStep(u *url.URL) bool {
	if originOf(u) != a.origin {
		return false
	}
	path, ok := strings.CutPrefix(u.Path, a.base+"/")
	name, _, _ := strings.Cut(path, "/")
	_, known := a.flows[name]
	return ok && (path == "authorize" || known)
}

// A ticket is a destination on its way through a cookie.
type ticket struct {
	To      string `json:"to"`
	Created int64  `json:"at"` // Unix milliseconds
}

// ticketPrefix begins the names of the cookies of tickets.
func (a *Auth) ticketPrefix() string { return shortcookie.Tickets(a.issuer, a.secure) }

// ticketName is the name of the cookie that a ticket stands for.
func (a *Auth) ticketName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return a.ticketPrefix() + base64.RawURLEncoding.EncodeToString(sum[:])[:shortcookie.NameLength]
}

// ticketCookie is the cookie of a name, without a value.
func (a *Auth) ticketCookie(name string) *http.Cookie {
	return &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

func (a *Auth) expiredTicket(name string) *http.Cookie {
	cookie := a.ticketCookie(name)
	cookie.MaxAge = -1
	return cookie
}

// openTicket opens the cookie of a ticket. A value that is not a ticket is seal.ErrOpen; other errors are those of the
// secrets.
func (a *Auth) openTicket(r *http.Request, cookie *http.Cookie) (ticket, error) {
	var t ticket
	plain, err := seal.Open(r.Context(), a.sessions.Secrets(), "ticket", cookie.Value, a.issuer, cookie.Name)
	if err == nil && json.Unmarshal(plain, &t) != nil {
		err = seal.ErrOpen
	}
	return t, err
}

// roomForTicket removes the oldest tickets of this browser until another of size bytes fits.
func (a *Auth) roomForTicket(w http.ResponseWriter, r *http.Request, size int) {
	var all []kept
	for _, k := range shortcookie.Named(r, a.ticketPrefix()) {
		t, _ := a.openTicket(r, k) // without a time it is the first to go
		all = append(all, kept{name: k.Name, bytes: len(k.Name) + len(k.Value), created: t.Created, gone: a.expiredTicket(k.Name)})
	}
	makeRoom(w, all, size, maxTickets, maxTicketsB)
}

// ticketBuckets bound the rows of used tickets of one client address. Above the limit a ticket leads on without a
// row, so nobody is refused. Its cookie is removed in any case.
func (a *Auth) ticketBuckets(r *http.Request) []limit.Bucket {
	return limit.Client(limit.Rule{Name: "continue", Every: 10 * time.Minute, Burst: 100}, a.issuer, a.clients.Addr(r))
}

// issueTicket seals the destination into a cookie and returns the address of the page that opens it.
func (a *Auth) issueTicket(w http.ResponseWriter, r *http.Request, to string) (string, error) {
	var random [32]byte
	if _, err := io.ReadFull(a.attempts.rand, random[:]); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(random[:])
	plain, err := json.Marshal(ticket{To: to, Created: a.sessions.Now().UnixMilli()})
	if err != nil {
		return "", err
	}
	cookie := a.ticketCookie(a.ticketName(id))
	if cookie.Value, err = seal.Seal(r.Context(), a.sessions.Secrets(), "ticket", plain, a.issuer, cookie.Name); err != nil {
		return "", err
	}
	cookie.MaxAge = int(ticketLife / time.Second)
	if size := len(cookie.String()); size > maxCookie {
		return "", fmt.Errorf("%d bytes are more than a cookie holds", size)
	}
	a.roomForTicket(w, r, len(cookie.Name)+len(cookie.Value))
	http.SetCookie(w, cookie)
	return a.issuer + "/continue?ticket=" + id, nil
}

// serveContinue is GET {base}/continue: it takes the ticket, once, and leads on.
func (a *Auth) serveContinue(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead { // would use the ticket up, and leads nowhere
		w.Header().Set("Allow", "GET")
		a.fail(w, r, nil, errMethod())
		return
	}
	to, err := a.takeTicket(w, r, r.Form.Get("ticket"))
	switch {
	case err == nil:
		a.showContinue(w, r, to)
	case errors.Is(err, seal.ErrOpen), errors.Is(err, store.ErrConflict):
		a.refuseTicket(w, r)
	default:
		a.fail(w, r, nil, unavailable(err))
	}
}

// refuseTicket is for a page that is loaded again, long after, or in another browser. No sign-in failed by it.
func (a *Auth) refuseTicket(w http.ResponseWriter, r *http.Request) {
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "postern: a ticket of the page that leads on is unknown, used or too old")
	e := badRequest("invalid_ticket", "This page works once, within a minute. If you are signed in, you can close it. Otherwise, please start again.")
	if wantsJSON(r) {
		w.Header().Add("Vary", "Accept")
		httperr.Write(w, e.Status, e.Code, e.Text)
		return
	}
	a.show(w, r, Page{Name: "postern.continue-used", Status: e.Status, Title: "Nothing to continue", Text: e.Text, Args: e.Args, Code: e.Code, Links: a.waysBack(r, nil, e)})
}

// takeTicket returns the destination of a ticket of this browser and marks it as used.
func (a *Auth) takeTicket(w http.ResponseWriter, r *http.Request, id string) (to string, err error) {
	name := a.ticketName(id)
	cookie, err := r.Cookie(name)
	if err != nil {
		return "", seal.ErrOpen
	}
	t, err := a.openTicket(r, cookie)
	if err != nil {
		return "", err
	}
	created := time.UnixMilli(t.Created)
	if age := a.sessions.Now().Sub(created); age < -attemptSkew || age >= ticketLife {
		return "", seal.ErrOpen
	}
	err = limit.TakeAll(r.Context(), a.store, a.sessions.Now(), a.ticketBuckets(r)...)
	if errors.Is(err, limit.ErrLimited) {
		http.SetCookie(w, a.expiredTicket(name))
		return t.To, nil
	}
	if err != nil {
		return "", fmt.Errorf("postern: counting a ticket: %w", err)
	}
	sum := sha256.Sum256([]byte(a.issuer + "\x00" + id))
	err = a.store.Write(r.Context(), store.Put(store.Item{
		Key:     store.Key{Part: "continue:" + base64.RawURLEncoding.EncodeToString(sum[:]), ID: "used"},
		Value:   []byte(`{}`),
		Expires: created.Add(ticketLife + 2*attemptSkew),
	}))
	if err != nil {
		return "", fmt.Errorf("postern: marking a ticket as used: %w", err)
	}
	http.SetCookie(w, a.expiredTicket(name))
	return t.To, nil
}

// showContinue shows the page that leads on.
func (a *Auth) showContinue(w http.ResponseWriter, r *http.Request, to string) {
	p := Page{
		Name: "postern.continue", Title: "Continue to the application",
		Text:  "If nothing happens, use the link.",
		Links: []Link{{Name: "continue", Text: "Continue", URL: to}},
		Next:  to,
	}
	if u, err := url.Parse(to); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		p.Title, p.Args = "Continue to {to}", map[string]any{"to": u.Host}
	}
	a.show(w, r, p)
}
