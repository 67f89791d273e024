package magic

import (
	"errors"
	"net/http"
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
	errNotSent   = errors.New("magic: the mail has no code")
	errCrowd     = errors.New("magic: too many requests for one address at once")

	errUsedElsewhere = errors.New("magic: link used in another browser than the one that asked")
	errManyElsewhere = errors.New("magic: too many links of one address opened in other browsers")
)

// refuseLink ends a sign-in whose link does not open. b is nil if nothing was found.
func (h *handler) refuseLink(w http.ResponseWriter, r *http.Request, b *slotRecord, err error) {
	var e *postern.Error
	switch {
	case errors.Is(err, errNotFound):
		e = refusal("invalid_link", "This link is not valid. Part of it may be missing, or a newer mail has taken its place.", err)
	case errors.Is(err, errUsed):
		e = refusal("link_used", "This link has been used already. A link works once.", err)
		e.Finished = true
	case errors.Is(err, errUsedElsewhere):
		e = refusal("link_used", "This link has been used in another browser already. It still works in the browser in which you asked for it.", err)
		if hasCode(b) {
			e.Text = "This link has been used in another browser already. It still works in the browser in which you asked for it, " +
				"or type the code from the mail there."
		}
	case errors.Is(err, errExpired):
		e = refusal("link_expired", "This link is too old.", err)
	case errors.Is(err, errElsewhere):
		e = refusal("other_browser", "Open this link in the browser in which you asked for it. Or start again in this one.", err)
		if hasCode(b) {
			e.Text = "Open this link in the browser in which you asked for it, or type the code from the mail there. Or start again in this one."
		}
	case errors.Is(err, errManyElsewhere):
		h.limited(r, "elsewhere", b.Address)
		e = refusal("other_browser", "Too many links for this address were used in other browsers today. Open this link in the browser "+
			"in which you asked for it. Or start again in this one.", err)
		if hasCode(b) {
			e.Text = "Too many links for this address were used in other browsers today. Open this link in the browser " +
				"in which you asked for it, or type the code from the mail there. Or start again in this one."
		}
	default:
		e = general(err)
	}
	h.flow.Fail(w, r, e)
}

// hasCode reports whether the asking browser can be signed in by a code as well.
func hasCode(b *slotRecord) bool { return b != nil && b.slot.Code != "" }

// refuseCode shows the form again as long as the code can be guessed at. b is nil if nothing was found.
func (h *handler) refuseCode(w http.ResponseWriter, r *http.Request, a attempt, b *slotRecord, state string, err error) {
	if b == nil {
		b = &slotRecord{}
	}
	last := b.slot.Tries >= maxTries
	var e *postern.Error
	switch {
	case errors.Is(err, errNotFound) && a.Held != nil:
		e = refusal("code_expired", "No new mail was sent for this page, because enough were sent before. You can ask for another mail now.", err)
		if e.RetryAfter = a.Held.wait(h.now()); e.RetryAfter > 0 {
			e.Text = "No new mail was sent for this page, because enough were sent before. You can ask for another mail in {next}."
			e.Args = map[string]any{"next": e.RetryAfter}
		}
	case errors.Is(err, errNotFound), errors.Is(err, errExpired):
		e = refusal("code_expired", "This code is too old, or a newer mail has taken its place.", err)
	case errors.Is(err, errNotSent):
		e = refusal("invalid_code", "This mail has no code. Open the link in it.", err)
	case errors.Is(err, errUsed):
		e = refusal("code_used", "This code has been used already. A code works once.", err)
		e.Finished = true
	case errors.Is(err, errTries), errors.Is(err, errWrong) && last:
		e = refusal("too_many_tries", "That was one wrong code too many. Ask for a new one.", err)
	case errors.Is(err, errWrong):
		e = refusal("invalid_code", "This is not the code from the mail.", err)
	case errors.Is(err, errNoCode):
		e = refusal("invalid_code", "A code has {digits} digits.", err)
		e.Args = map[string]any{"digits": digits(b)}
	case errors.Is(err, limit.ErrLimited):
		h.limited(r, "guess", b.Address)
		e = general(err)
	default:
		e = general(err)
	}
	if e.Code != "invalid_code" || b.slot.Code == "" {
		h.flow.Fail(w, r, e)
		return
	}
	h.again(w, r, e, h.codePage(a, b, state))
}

// refuseMail answers a request for a mail that was not sent.
func (h *handler) refuseMail(w http.ResponseWriter, r *http.Request, address string, err error) {
	e := general(err)
	switch {
	case errors.Is(err, limit.ErrLimited), errors.Is(err, errCrowd):
		what := "mail"
		if denied := new(limit.Error); errors.As(err, &denied) && denied.Rule == ruleTotal {
			what = "total"
		}
		h.limited(r, what, address)
	}
	h.flow.Fail(w, r, e)
}

// again shows a form once more, with the error.
func (h *handler) again(w http.ResponseWriter, r *http.Request, e *postern.Error, page postern.Page) {
	h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", Reason: e.Code, Err: e})
	page = page.WithError(e)
	h.page(w, r, page)
}

// limited emits the event of a limit, with the address it is about. Fail does not emit a second one.
func (h *handler) limited(r *http.Request, what, address string) {
	h.flow.Emit(r.Context(), r, postern.Event{Name: "limited", Reason: what, Subject: mask(address)})
}

// general is the refusal for an error that is not about one link or code: a limit, or a store or keys that do not
// answer.
func general(err error) *postern.Error {
	var refused *postern.Error
	var limited *limit.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &limited):
		return &postern.Error{
			Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: limited.RetryAfter, Err: err,
			Text: "That was tried too often. Please try again in {wait}.", Args: map[string]any{"wait": limited.RetryAfter},
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

// mask returns the address as pages and the audit log show it; empty for none.
func mask(address string) string {
	a, err := mailaddr.Parse(address)
	if err != nil {
		return ""
	}
	return a.Mask()
}
