package magic

import (
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/httperr"
)

// Link signs in with a link in a mail. It panics if the Config is wrong.
func Link(c Config) postern.Provider {
	return provider{config: c.withDefaults(), link: true}
}

// Code signs in with six digits from a mail, typed into the browser that asked. It panics if the Config is wrong.
func Code(c Config) postern.Provider {
	return provider{config: c.withDefaults(), code: true}
}

// Both puts a link and a code into one message; using one uses up the other. It panics if the Config is wrong.
func Both(c Config) postern.Provider {
	return provider{config: c.withDefaults(), link: true, code: true}
}

type provider struct {
	config     Config
	link, code bool
}

// Handler serves authorize and callback.
func (p provider) Handler(f *postern.Flow) http.Handler {
	h := &handler{provider: p, flow: f}
	if h.config.Name == "" {
		if u, err := url.Parse(f.Sessions().Issuer()); err == nil {
			h.config.Name = u.Host
		}
	}
	return h
}

// A handler holds nothing of any request.
type handler struct {
	provider
	flow *postern.Flow
}

func (h *handler) now() time.Time { return h.flow.Sessions().Now() }

// ServeHTTP knows two steps. GET and HEAD change nothing in either.
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
	switch {
	case r.Method != http.MethodPost: // GET or HEAD; others do not get here
		show(w, r)
	case httperr.MediaType(r) != "application/x-www-form-urlencoded":
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
			Text: "Send a form (application/x-www-form-urlencoded)."})
	default:
		act(w, r)
	}
}

// show is what a mailed link opens, and the page after the mail was asked for.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	if h.link && r.URL.Query().Has("token") {
		h.showLink(w, r)
		return
	}
	h.showSent(w, r)
}

// redeem takes what the forms of show send.
func (h *handler) redeem(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.link && r.PostForm.Has("token"):
		h.redeemLink(w, r)
	case h.code && r.PostForm.Has("code"):
		h.redeemCode(w, r)
	default:
		h.flow.Fail(w, r, refusal("invalid_request", "The form is not complete. Please start again.", nil))
	}
}
