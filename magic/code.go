package magic

import (
	"context"
	"errors"
	"net/http"

	"github.com/posternauth/postern/store"
)

// maxTries is how often a code can be guessed at before it is dead.
const maxTries = 5

// redeemCode takes a code, in the browser that asked for it only.
func (h *handler) redeemCode(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state := r.PostForm.Get("state")
	flow := hash(state)
	code, ok := parseCode(r.PostForm.Get("code"))
	if !ok {
		// No guess, so it costs none.
		b, err := h.find(ctx, a.Tag, flow)
		if err == nil {
			err = errNoCode
		}
		h.refuseCode(w, r, b, state, err)
		return
	}
	b, err := h.charge(ctx, r, a.Tag, flow)
	if err != nil {
		h.refuseCode(w, r, b, state, err)
		return
	}
	right, err := h.opens(ctx, forCode, b.slot.Code, b.Address, flow, code)
	switch {
	case err != nil:
		h.refuseCode(w, r, b, state, err)
		return
	case !right:
		h.refuseCode(w, r, b, state, errWrong)
		return
	}
	if err := h.use(ctx, a.Tag, b); err != nil {
		h.refuseCode(w, r, b, state, err)
		return
	}
	h.finish(w, r, b, true, "code")
}

// charge counts a try, against the address and against the code, in the store and before anything is compared. Whoever
// gets a nil error may compare once. A write without an answer counts as failed: the try may be gone, never free.
func (h *handler) charge(ctx context.Context, r *http.Request, tag, flow string) (*box, error) {
	taken := false
	for range conflicts {
		b, err := h.find(ctx, tag, flow)
		if err != nil {
			return nil, err
		}
		if err := b.state(h.now()); err != nil {
			return b, err
		}
		if b.slot.Tries >= maxTries {
			return b, errTries
		}
		if !taken {
			who, err := h.browser(ctx, r)
			if err == nil {
				err = h.takeGuess(ctx, b.Address, &who)
			}
			if err != nil {
				return b, err
			}
			taken = true
		}
		b.slot.Tries++
		switch err := h.put(ctx, b); {
		case err == nil:
			return b, nil
		case !errors.Is(err, store.ErrConflict):
			return b, err
		}
	}
	return nil, errCrowd
}
