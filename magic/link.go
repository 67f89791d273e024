package magic

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/posternauth/postern"
)

// openLink finds the mail of a link, given its state and token. here is the browser that asked for it. It only reads.
func (h *handler) openLink(ctx context.Context, state, token string, here bool) (tag string, b *slotRecord, err error) {
	tag, ok := parseToken(token)
	if !ok || state == "" {
		return "", nil, errNotFound
	}
	b, err = h.find(ctx, tag, hash(state))
	if err != nil {
		return "", nil, err
	}
	if b.slot.Used != "" { // it has no token to compare any more
		return "", nil, errUsed
	}
	right, err := h.opens(ctx, forLink, b.slot.Link, b.Address, b.slot.Flow, token)
	if err != nil {
		return "", nil, err
	}
	if !right {
		return "", nil, errNotFound
	}
	return tag, b, b.state(h.now(), here)
}

// here reports whether this browser holds the attempt that the link belongs to.
func (h *handler) here(r *http.Request) (bool, error) {
	err := h.flow.Peek(r, nil) // which goes by the state, as the slot does
	var refused *postern.Error
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return false, nil
	}
	return err == nil, err
}

// onlyHere reports whether links work only in the browser that asked for them.
func (h *handler) onlyHere() bool { return h.config.SameBrowserOnly || h.flow.RequirePKCE() }

// showLink is the page that a link opens: it names who the button signs in, and in which browser.
func (h *handler) showLink(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	state, token := query.Get("state"), query.Get("token")
	here, err := h.here(r)
	if err != nil {
		h.refuseLink(w, r, nil, err)
		return
	}
	_, b, err := h.openLink(r.Context(), state, token, here)
	switch {
	case err != nil:
		h.refuseLink(w, r, b, err)
	case !here && h.onlyHere():
		h.refuseLink(w, r, b, errElsewhere)
	case !here && b.elsewhere.Left(h.now()) == 0:
		h.refuseLink(w, r, b, errManyElsewhere)
	default:
		h.page(w, r, h.linkPage(b, state, token, here))
	}
}

// redeemLink is what the button does.
func (h *handler) redeemLink(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	state, token := r.PostForm.Get("state"), r.PostForm.Get("token")
	here, err := h.here(r)
	if err != nil {
		h.refuseLink(w, r, nil, err)
		return
	}
	tag, b, err := h.openLink(ctx, state, token, here)
	switch {
	case err != nil:
		h.refuseLink(w, r, b, err)
		return
	case !here && h.onlyHere():
		h.refuseLink(w, r, b, errElsewhere)
		return
	case !here && r.PostForm.Get("browser") != "this":
		// The button was that of the asking browser's page. Show what it does in this browser, and ask again.
		h.page(w, r, h.linkPage(b, state, token, false))
		return
	}
	answered, err := h.end(w, r, use{tag: tag, b: b, here: here})
	switch {
	case err != nil:
		h.refuseLink(w, r, b, err)
	case !answered:
		h.finish(w, r, b, "link")
	}
}

// finish ends the sign-in of a person who has shown control of the mailbox. In the browser that asked, it leads where
// the attempt asked to, which end has resumed. Another browser has nothing of that but the claims, which are kept with
// the mail.
func (h *handler) finish(w http.ResponseWriter, r *http.Request, b *slotRecord, method string) {
	ctx := r.Context()
	known, err := h.browser(ctx, r)
	if err == nil {
		known.learn(b.Address, h.now())
		err = h.setBrowser(ctx, w, known)
	}
	if err != nil { // costs a smaller limit some day, and is not a reason to turn the person away
		h.config.Logger.WarnContext(ctx, "magic: browser not remembered", slog.String("provider", h.flow.Name()), slog.Any("error", err))
	}
	h.flow.Done(w, r, postern.Identity{
		Issuer:    Issuer,
		Subject:   b.Address,
		Addresses: []postern.Address{{Type: "email", Value: b.Address, Verified: true}},
		Params:    b.Claims,
	}, method)
}
