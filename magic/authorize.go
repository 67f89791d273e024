package magic

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/useragent"
)

// An attempt is what the asking browser keeps, sealed: where to find what was sent to it.
type attempt struct {
	Tag  string `json:"tag"`
	Flow string `json:"flow,omitempty"` // of the browser's earlier mail, if that one counts for this attempt too
	Held *held  `json:"held,omitempty"` // no mail was sent
}

// held says why an attempt has no new mail: as many as are allowed were sent.
type held struct {
	To   string `json:"to"`   // the address
	Next int64  `json:"next"` // when another mail can be sent, Unix milliseconds

	// Query is the one of authorize, to begin again with. It is left out if it is too long for a cookie.
	Query string `json:"query,omitempty"`
}

const maxHeldQuery = 448 // bytes

// mail returns which mail belongs to the attempt of the given state.
func (a attempt) mail(state string) string {
	if a.Flow != "" {
		return a.Flow
	}
	return hash(state)
}

// ask shows the form. It sends nothing: fetching a page must not cause a mail.
func (h *handler) ask(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if _, err := claims(query); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p := h.askPage(query, h.hinted(r))
	h.flow.Autofill(w, r, &p)
	h.page(w, r, p)
}

// hinted is the address that an authorize request names; empty if it names none.
func (h *handler) hinted(r *http.Request) string {
	typed := r.URL.Query().Get("email")
	if typed == "" {
		typed = h.flow.LoginHint(r)
	}
	if _, err := mailaddr.ParseTyped(typed); err != nil {
		return ""
	}
	return typed
}

// send sends the mail.
func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	carried, err := claims(r.URL.Query())
	if err == nil {
		err = h.flow.Fields(r, "email")
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if !r.PostForm.Has("email") { // and twice it does not get here
		h.flow.Fail(w, r, refusal("invalid_request", "The form is not complete: send one email address (email).", nil))
		return
	}
	typed := r.PostForm.Get("email")
	to, err := mailaddr.ParseTyped(typed)
	if err != nil {
		h.refuseAddress(w, r, typed, err)
		return
	}
	state, err := h.mailTo(w, r, to.String(), carried)
	if err != nil {
		h.refuseMail(w, r, to.String(), err)
		return
	}
	h.sent(w, state)
}

// mailTo begins an attempt and mails what ends it. It checks all limits before it does other work, and counts before it
// mails. Nothing it does depends on the owner of the address.
func (h *handler) mailTo(w http.ResponseWriter, r *http.Request, address string, carried map[string]string) (state string, err error) {
	ctx := r.Context()
	b, err := h.browser(ctx, r)
	if err != nil {
		return "", err
	}
	tag, err := h.tag(ctx, address)
	if err != nil {
		return "", err
	}
	p := h.newMailing(r, tag, address, b)
	if err := p.admit(ctx); err != nil {
		return "", err
	}
	b.ask(address, h.now())
	if p.held() {
		return p.hold(ctx, w, b)
	}
	if state, err = h.flow.Start(w, r, attempt{Tag: tag}); err != nil {
		return "", err
	}
	now := h.now()
	m := content{
		to: address, name: h.config.Name, site: h.site, life: h.config.Life, time: now.UTC(), claims: carried,
		device: postern.Phrase(useragent.Device(r.UserAgent())), language: h.flow.Language(r),
	}
	s := slot{
		Flow: hash(state), Browser: hash(b.ID), Known: b.knows(address, now), Until: now.Add(h.config.Life).UnixMilli(),
	}
	l := sealedPart{Address: address, Device: m.device, Claims: carried, Query: rest(asked(r)), Sent: now.UnixMilli()}
	if err := h.fill(ctx, tag, state, p.hardened(), &m, &s, &l); err != nil {
		return "", err
	}
	if err := p.keep(ctx, s, l); err != nil {
		return "", err
	}
	if err := h.setBrowser(ctx, w, b); err != nil {
		return "", err
	}
	return state, h.flow.Mail(ctx, compose(m))
}

// fill makes the link and the code. The mail gets them in clear, the slot as MACs. hardened leaves the code out if
// there is a link, and makes it longer if there is none.
func (h *handler) fill(ctx context.Context, tag, state string, hardened bool, m *content, s *slot, l *sealedPart) error {
	if h.link {
		token, err := newToken(h.config.Rand, tag)
		if err != nil {
			return err
		}
		if s.Link, err = h.mac(ctx, forLink, m.to, s.Flow, token); err != nil {
			return err
		}
		m.link = h.flow.URL("callback") + "?" + url.Values{"state": {state}, "token": {token}}.Encode()
	}
	if h.code && !(hardened && h.link) {
		l.Digits = codeDigits
		if hardened {
			l.Digits = longDigits
		}
		code, err := newCode(h.config.Rand, l.Digits)
		if err != nil {
			return err
		}
		if s.Code, err = h.mac(ctx, forCode, m.to, s.Flow, code); err != nil {
			return err
		}
		m.code = code
	}
	return nil
}

// sent answers the POST by a redirect, so that loading the page again sends nothing again.
func (h *handler) sent(w http.ResponseWriter, state string) {
	httperr.NoStore(w.Header())
	w.Header().Set("Location", h.flow.URL("callback")+"?"+url.Values{"state": {state}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// asked is the query of authorize with the parameters that were posted in place of it, as JSON clients do.
func asked(r *http.Request) url.Values {
	query := r.URL.Query()
	for name, values := range r.PostForm {
		if name != "email" && reserved(name) {
			query[name] = values
		}
	}
	return query
}

// rest is the query of authorize without the address, to begin again with.
func rest(query url.Values) string {
	query = url.Values(http.Header(query).Clone())
	query.Del("email")
	query.Del("login_hint")
	return query.Encode()
}

func (h *handler) againURL(query string) string {
	if query == "" {
		return h.flow.URL("authorize")
	}
	return h.flow.URL("authorize") + "?" + query
}

// refuseAddress shows the form again.
func (h *handler) refuseAddress(w http.ResponseWriter, r *http.Request, typed string, err error) {
	text := "This is not an email address."
	var why *mailaddr.Error
	if errors.As(err, &why) {
		text = why.Text
	}
	if len(typed) > mailaddr.MaxLength {
		typed = ""
	}
	h.again(w, r, refusal("invalid_email", text, err), h.askPage(asked(r), typed))
}
