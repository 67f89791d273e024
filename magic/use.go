package magic

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/together"
	"github.com/posternauth/postern/store"
)

// A use is what opens a mail, once: the caller has checked the token or the code against this very slot.
type use struct {
	*handler
	tag   string
	b     *slotRecord
	here  bool   // in the browser that asked for the mail
	guess *guess // of a code; nil for a link

	me   string         // names this use in the slot
	mark *store.Change  // marks the attempt, if here; nil if it is written already, or is to be written apart
	back []store.Change // give back the guess; none if it is to be given back apart
}

// end marks the mail as used and, in the browser that asked for it, the attempt: in one Write if the store can. It
// answers an error of the attempt itself. Any other error is for the caller to answer.
func (h *handler) end(w http.ResponseWriter, r *http.Request, u use) (answered bool, err error) {
	u.handler, u.me = h, rand.Text()
	ctx := r.Context()
	if !u.here {
		return false, u.write(ctx)
	}
	var refused error
	ctx = together.With(limit.Proved(ctx), func(ctx context.Context, mark store.Change) error {
		refused = u.writeWith(ctx, mark)
		return refused
	})
	err = h.flow.Resume(w, r.WithContext(ctx), nil)
	if err == nil || refused != nil && !errors.Is(refused, store.ErrConflict) {
		return false, refused
	}
	h.flow.Fail(w, r, err)
	return true, nil
}

// writeWith is write for the browser that asked. mark is the change that marks the attempt; if another has marked it
// already, the error is store.ErrConflict.
func (u *use) writeWith(ctx context.Context, mark store.Change) error {
	s := u.flow.Store()
	if store.WritesTwoParts(s) {
		u.mark = &mark
		if u.guess != nil {
			u.back = u.guess.back()
		}
		return u.write(ctx)
	}
	if err := u.write(ctx); err != nil {
		return err
	}
	return s.Write(ctx, mark)
}

// write marks the mail as used: of any number of callers one gets nil.
//
// A link that another browser uses stays good for the browser that asked: programs that scan mail press buttons, and
// must not use up the sign-in of the person. In each of the two places it works once. Other browsers are counted, see
// elsewhereLimit, in the same Write.
func (u *use) write(ctx context.Context) error {
	for range maxTries + conflicts { // guesses at the code of the same mail may come in between, that often at most
		if err := u.b.state(u.now(), u.here); err != nil {
			return err
		}
		flow := u.b.slot.Flow
		more, err := u.change()
		if err != nil {
			return err
		}
		if err = u.put(ctx, u.b, more...); err != nil {
			// Lost, or left without an answer: the slot says which. An answer that came too late must not keep us from
			// looking.
			look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			mine, err2 := u.look(look, flow)
			cancel()
			switch {
			case err2 != nil && errors.Is(err, store.ErrConflict): // it was the slot's, and says nothing of the attempt
				return err2
			case err2 != nil:
				return errors.Join(err, err2)
			}
			if !mine {
				u.back = nil // another guess may have been counted since: this one is given back apart
				continue
			}
		}
		if u.guess != nil && len(u.back) == 0 {
			u.guess.giveBack(ctx)
		}
		return nil
	}
	return errCrowd
}

// change makes the slot used, and returns the changes to be written with it.
func (u *use) change() (more []store.Change, err error) {
	slot := &u.b.slot
	if !u.here {
		slot.Elsewhere = u.me
		if more, err = u.b.elsewhere.Take(u.now()); errors.Is(err, limit.ErrLimited) {
			err = errManyElsewhere
		}
		return more, err
	}
	slot.Used, slot.Link, slot.Code, slot.Sealed = u.me, "", "", ""
	if more = u.back; u.mark != nil {
		more = append(more, *u.mark)
	}
	return more, nil
}

// look reads the slot of a flow again. It reports whether it was this use that was written. The error is
// store.ErrConflict if another has marked the attempt.
func (u *use) look(ctx context.Context, flow string) (mine bool, err error) {
	if u.b, err = u.find(ctx, u.tag, flow); err != nil {
		return false, err
	}
	if u.b.slot.Used == u.me || u.b.slot.Elsewhere == u.me {
		return true, nil
	}
	if u.mark == nil {
		return false, nil
	}
	marked, err := u.flow.Store().Get(ctx, u.mark.Item.Key)
	if err == nil && len(marked) > 0 {
		err = store.ErrConflict
	}
	return false, err
}
