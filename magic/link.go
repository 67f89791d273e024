package magic

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/posternauth/postern"
)

// openLink finds what a link of the given state and token opens. It only reads.
func (h *handler) openLink(ctx context.Context, state, token string) (tag string, b *box, err error) {
	tag, ok := parseToken(token)
	if !ok || state == "" {
		return "", nil, errNotFound
	}
	b, err = h.find(ctx, tag, hash(state))
	if err != nil {
		return "", nil, err
	}
	if err := b.state(h.now()); err != nil {
		return "", nil, err
	}
	right, err := h.opens(ctx, forLink, b.slot.Link, b.Address, b.slot.Flow, token)
	if err != nil {
		return "", nil, err
	}
	if !right {
		return "", nil, errNotFound
	}
	return tag, b, nil
}

// here reports whether this browser holds the attempt that the link belongs to.
func (h *handler) here(r *http.Request) (bool, error) {
	err := h.flow.Peek(r, nil) // it goes by the state, which led to the slot
	var refused *postern.Error
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return false, nil
	}
	return err == nil, err
}

// onlyHere reports whether links work in the browser alone that asked for them.
func (h *handler) onlyHere() bool { return h.config.SameBrowserOnly || h.flow.RequirePKCE() }

// showLink is what opening the link does: it says whom the button signs in, and where.
func (h *handler) showLink(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	state, token := query.Get("state"), query.Get("token")
	_, b, err := h.openLink(r.Context(), state, token)
	if err != nil {
		h.refuseLink(w, r, err)
		return
	}
	here, err := h.here(r)
	switch {
	case err != nil:
		h.refuseLink(w, r, err)
	case !here && h.onlyHere():
		h.refuseLink(w, r, errElsewhere)
	default:
		h.flow.Page(w, r, h.linkPage(b, state, token, here))
	}
}

// redeemLink is what the button does.
func (h *handler) redeemLink(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	state, token := r.PostForm.Get("state"), r.PostForm.Get("token")
	tag, b, err := h.openLink(ctx, state, token)
	if err != nil {
		h.refuseLink(w, r, err)
		return
	}
	here, err := h.here(r)
	if err != nil {
		h.refuseLink(w, r, err)
		return
	}
	if !here {
		if h.onlyHere() {
			h.refuseLink(w, r, errElsewhere)
			return
		}
		if r.PostForm.Get("browser") != "this" {
			// The person pressed a button that spoke of the asking browser. Say what this one does, and ask again.
			h.flow.Page(w, r, h.linkPage(b, state, token, false))
			return
		}
	}
	if err := h.use(ctx, tag, b); err != nil {
		h.refuseLink(w, r, err)
		return
	}
	h.finish(w, r, b, here, "link")
}

// finish ends the sign-in of a person who has shown control of the mailbox. With the attempt of this browser it leads
// where that asked to; without, it knows nothing of what another browser asked for but the claims, which travel in the link.
func (h *handler) finish(w http.ResponseWriter, r *http.Request, b *box, here bool, method string) {
	ctx := r.Context()
	if here {
		if err := h.flow.Resume(w, r, nil); err != nil {
			h.flow.Fail(w, r, err)
			return
		}
	}
	known, err := h.browser(ctx, r)
	if err == nil {
		known.learn(b.Address, h.now())
		err = h.setBrowser(ctx, w, known)
	}
	if err != nil { // a smaller limit some day, and no reason to turn the person away
		h.config.Logger.WarnContext(ctx, "magic: browser not remembered", slog.String("provider", h.flow.Name()), slog.Any("error", err))
	}
	h.flow.Done(w, r, postern.Identity{
		Issuer:    Issuer,
		Subject:   b.Address,
		Addresses: []postern.Address{{Type: "email", Value: b.Address, Verified: true}},
		Claims:    b.Claims,
	}, method)
}
