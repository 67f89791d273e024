package magic

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/mailaddr"
)

// What is wrong with a link or a code, before it becomes what people see.
var (
	errNotFound  = errors.New("magic: no such link or code")
	errUsed      = errors.New("magic: used")
	errExpired   = errors.New("magic: expired")
	errElsewhere = errors.New("magic: link opened in another browser than the one that asked")
	errTries     = errors.New("magic: no tries left")
	errWrong     = errors.New("magic: wrong code")
	errNoCode    = errors.New("magic: not a code")
	errCrowd     = errors.New("magic: too many requests for one address at once")
)

// refuseLink ends a sign-in whose link does not open.
func (h *handler) refuseLink(w http.ResponseWriter, r *http.Request, err error) {
	var e *postern.Error
	switch {
	case errors.Is(err, errNotFound):
		e = refusal("invalid_link", "This link is not valid. Part of it may be missing, or a newer mail has taken its place.", err)
	case errors.Is(err, errUsed):
		e = refusal("link_used", "This link has been used already. A link works once.", err)
	case errors.Is(err, errExpired):
		e = refusal("link_expired", "This link is too old.", err)
	case errors.Is(err, errElsewhere):
		e = refusal("other_browser", "Open this link in the browser in which you asked for it, or start again in this one.", err)
	default:
		e = general(err)
	}
	h.flow.Fail(w, r, e)
}

// refuseCode shows the form again as long as the code can be guessed at. b is nil if nothing was found.
func (h *handler) refuseCode(w http.ResponseWriter, r *http.Request, b *box, state string, err error) {
	if b == nil {
		b = &box{}
	}
	last := b.slot.Tries >= maxTries
	var e *postern.Error
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, errExpired):
		e = refusal("code_expired", "This code is too old, or a newer mail has taken its place.", err)
	case errors.Is(err, errUsed):
		e = refusal("code_used", "This code has been used already. A code works once.", err)
	case errors.Is(err, errTries), errors.Is(err, errWrong) && last:
		e = refusal("too_many_tries", "That was one wrong code too many. Ask for a new one.", err)
	case errors.Is(err, errWrong):
		e = refusal("invalid_code", "This is not the code from the mail.", err)
	case errors.Is(err, errNoCode):
		e = refusal("invalid_code", "A code has six digits.", err)
	case errors.Is(err, limit.ErrLimited):
		h.limited(r, "guess", b.Address)
		e = general(err)
	default:
		e = general(err)
	}
	if e.Code != "invalid_code" {
		h.flow.Fail(w, r, e)
		return
	}
	h.again(w, r, e, h.codePage(b, state))
}

// refuseMail is for what stands in the way of sending.
func (h *handler) refuseMail(w http.ResponseWriter, r *http.Request, address string, err error) {
	e := general(err)
	switch {
	case errors.Is(err, limit.ErrLimited), errors.Is(err, errCrowd):
		h.limited(r, "mail", address)
	case errors.Is(err, ErrUnavailable):
		e.Text = "Mail cannot be sent right now. Please try again in a few minutes."
	}
	h.flow.Fail(w, r, e)
}

// again shows a form once more, with what was wrong.
func (h *handler) again(w http.ResponseWriter, r *http.Request, e *postern.Error, page postern.Page) {
	if wantsJSON(r) {
		h.flow.Fail(w, r, e)
		return
	}
	h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", Reason: e.Code, Err: e})
	page.Status, page.Code, page.Error = e.Status, e.Code, e.Text
	h.flow.Page(w, r, page)
}

// limited tells the audit log what was limited, and for whom. Fail does not tell it a second time.
func (h *handler) limited(r *http.Request, what, address string) {
	h.flow.Emit(r.Context(), r, postern.Event{Name: "limited", Reason: what, Subject: mask(address)})
}

// general is the refusal of what is not about one link or code: a limit, or a store or keys that do not answer.
func general(err error) *postern.Error {
	var refused *postern.Error
	var limited *limit.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &limited):
		return &postern.Error{
			Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: limited.RetryAfter, Err: err,
			Text: "That was tried too often. Please try again in " + roughly(limited.RetryAfter) + ".",
		}
	case errors.Is(err, errCrowd):
		return &postern.Error{
			Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: time.Second, Err: err,
			Text: "That was tried too often at once. Please try again.",
		}
	}
	return &postern.Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "Signing in is not possible at this moment. Please try again shortly.",
	}
}

func refusal(code, text string, err error) *postern.Error {
	return &postern.Error{Status: http.StatusBadRequest, Code: code, Text: text, Err: err}
}

// mask is an address for pages and the audit log; empty for none.
func mask(address string) string {
	a, err := mailaddr.Parse(address)
	if err != nil {
		return ""
	}
	return a.Mask()
}

// wantsJSON tells a client that is no browser.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "html")
}
