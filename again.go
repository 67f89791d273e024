package postern

import (
	"context"
	"errors"
	"net/http"

	"github.com/posternauth/postern/store"
)

// A callback that was finished comes again when a person presses Back, reloads, or clicks twice. Nothing is done a
// second time. A person who is signed in goes on to where the sign-in led; everybody else sees a page that is true for
// each of them. Only for a person who is signed in is the store read, once: a stranger's callbacks cost no read.

// usedAttempt is what the store keeps of a finished attempt.
type usedAttempt struct {
	Flow   string `json:"flow"`
	Target string `json:"to,omitempty"` // where it led
}

// markFailed takes back where a finished attempt led, because it led nowhere. Best effort: without it a person who was
// signed in before goes on as before.
func (a *Auth) markFailed(ctx context.Context, x *exchange) {
	if x == nil || x.attempt == nil || x.used.Version == "" {
		return
	}
	if value, err := a.sealRow(ctx, x.used.Key, usedAttempt{Flow: x.attempt.Flow}); err == nil {
		x.used.Value = value
		_ = a.store.Write(ctx, store.Put(x.used))
	}
	x.used = store.Item{}
}

func usedKey(place string) store.Key { return store.Key{Part: "flow:" + place, ID: "used"} }

// again returns the refusal of a callback whose attempt cannot be opened because it was finished before; otherwise
// why.
//
// It needs no proof that this browser began the attempt, because it gives nothing: no session begins or changes, and
// Target, which the sign-in had from Config.Redirects, is checked against it once more.
func (a *Auth) again(r *http.Request, flow, place string, why error) error {
	var e *Error
	if r.Method != http.MethodGet || !errors.As(why, &e) || e.Code != "invalid_state" && e.Code != "used_state" || !a.sessions.SignedIn(r) {
		return why
	}
	target, found := a.usedTarget(r, flow, place)
	if !found {
		return why
	}
	refused := errUsed()
	refused.onward = target
	return refused
}

// A usedLookup is the answer of usedTarget, which a request needs at two places.
type usedLookup struct {
	flow, place string
	target      string
	found       bool
}

// usedTarget returns where a finished attempt led; empty if it led nowhere. found is false if no such attempt is
// known.
func (a *Auth) usedTarget(r *http.Request, flow, place string) (target string, found bool) {
	x := exchangeOf(r)
	if x == nil || !isState(place) {
		return "", false
	}
	if x.looked.flow != flow || x.looked.place != place {
		target, found = a.readUsed(r.Context(), flow, place)
		x.looked = usedLookup{flow, place, target, found}
	}
	return x.looked.target, x.looked.found
}

func (a *Auth) readUsed(ctx context.Context, flow, place string) (target string, found bool) {
	items, err := a.store.Get(ctx, usedKey(place))
	if err != nil || len(items) == 0 { // the store was not needed to refuse, and is not needed now
		return "", false
	}
	var used usedAttempt
	if a.openRow(ctx, items[0], &used) != nil || used.Flow != flow {
		return "", false
	}
	if target, ok := a.redirects.match(used.Target); ok && used.Target != "" {
		return target, true
	}
	return "", true
}

// afterwards is again for the pages of a provider, which a person sees once more after Back, a reload or a second
// click: the page of a link or code that is used, or whose attempt is finished. A person who is signed in goes on to
// where the sign-in led, or to the first of Config.Redirects if it began in another browser. Programs get the refusal
// as it is.
func (a *Auth) afterwards(r *http.Request, f *Flow, e *Error) *Error {
	if f == nil || e.onward != "" || !e.Finished && e.Code != "invalid_state" || r.Form == nil || wantsJSON(r) ||
		r.Method == http.MethodHead || !a.sessions.SignedIn(r) {
		return e
	}
	target, found := a.usedTarget(r, f.name, a.attempts.placeOf(r))
	switch {
	case !found && !e.Finished:
		return e
	case !found:
		target = a.redirects.first
	case !e.Finished:
		e = errUsed()
	}
	if target == "" {
		return e
	}
	led := *e
	led.onward = target
	return &led
}

// seeOther leads to an address by GET, whatever the method was.
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func errUsed() *Error {
	e := badRequest("used_state", "This sign-in is finished already. If you are not signed in, please start again.")
	e.Finished = true
	return e
}
