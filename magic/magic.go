package magic

import (
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern"
)

// Link signs in with a link in a mail. It panics if the Config is wrong.
func Link(c Config) postern.Provider {
	return provider{config: c.withDefaults(), link: true}
}

// Code signs in with six digits from a mail (ten, see Config.WrongCodes), typed into the browser that asked. It panics
// if the Config is wrong.
func Code(c Config) postern.Provider {
	return provider{config: c.withDefaults(), code: true}
}

// Both puts a link and a code into one message. In the browser that asked, using one uses up the other. It panics if
// the Config is wrong.
func Both(c Config) postern.Provider {
	return provider{config: c.withDefaults(), link: true, code: true}
}

type provider struct {
	config     Config
	link, code bool
}

// Mails makes postern.New require a function that sends mail.
func (p provider) Mails() bool { return true }

// Mark names the picture beside links to the provider.
func (p provider) Mark() string { return "mail" }

// Handler serves authorize and callback.
func (p provider) Handler(f *postern.Flow) http.Handler {
	h := &handler{provider: p, flow: f}
	if u, err := url.Parse(f.Sessions().Issuer()); err == nil { // it always is one
		h.site = u.Host
	}
	if h.config.Name == "" {
		h.config.Name = f.AppName()
	}
	return h
}

// A handler serves all requests and keeps nothing of any.
type handler struct {
	provider
	flow *postern.Flow
	site string // the host of the issuer
}

func (h *handler) now() time.Time { return h.flow.Sessions().Now() }

// ServeHTTP serves two steps. GET and HEAD change nothing in either.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var show, act http.HandlerFunc
	switch h.flow.Step(r) {
	case "authorize":
		show, act = h.ask, h.send
	case "callback":
		show, act = h.show, h.redeem
	default:
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusNotFound, Code: "not_found", Text: "There is nothing at this address."})
		return
	}
	if r.Method != http.MethodPost { // GET or HEAD: package postern refuses others
		show(w, r)
		return
	}
	act(w, r)
}

// show is the page that a mailed link opens, and the page after the mail was asked for.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	if h.link && r.URL.Query().Has("token") {
		h.showLink(w, r)
		return
	}
	h.showSent(w, r)
}

// redeem takes the forms of show.
func (h *handler) redeem(w http.ResponseWriter, r *http.Request) {
	err := h.flow.Fields(r, "state", "token", "browser", "code")
	switch {
	case err != nil:
		h.flow.Fail(w, r, err)
	case h.link && r.PostForm.Has("token"):
		h.redeemLink(w, r)
	case h.code && r.PostForm.Has("code"):
		h.redeemCode(w, r)
	default:
		h.flow.Fail(w, r, refusal("invalid_request", "The form is not complete. Please start again.", nil))
	}
}
