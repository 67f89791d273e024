package postern

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	flowFactors = "factors" // no provider can have this name

	// A waiting sign-in takes this many guesses. A new one begins with the first proof.
	waitTries = 5
)

// Guesses at one factor of a user, over all waiting sign-ins. Only wrong ones stay counted.
var (
	factorShort  = limit.Rule{Name: "factor", Every: 15 * time.Minute, Burst: 5}
	factorDay    = limit.Rule{Name: "factor-day", Every: 24 * time.Hour, Burst: 10}
	factorNotice = limit.Rule{Name: "factor-notice", Every: 24 * time.Hour, Burst: 1}
)

// askFactor lets a sign-in wait for a second factor, where one is due. waits reports that the request is answered.
func (a *Auth) askFactor(w http.ResponseWriter, r *http.Request, in *SignIn, p Person, h head.Head) (waits bool, err error) {
	ctx := r.Context()
	if k, ok := a.factorNamed(in.Identity.Provider); ok && slices.Contains(in.Authentication.Methods, MethodMultiFactor) {
		in.Authentication.Factors = union(in.Authentication.Factors, []string{k.name}) // a passkey that verified its user is two in one
	}
	need, err := a.demand(ctx, p, h, in.Authentication)
	asked := need
	if err != nil {
		return false, err
	}
	if !need.met(in.Authentication) && !need.NotRemembered && len(need.Of) == 0 && !in.New {
		if in.Authentication.Remembered, err = a.remembered(r, in.UserID, h); err != nil {
			return false, err
		}
	}
	if need.met(in.Authentication) {
		if in.Authentication.Remembered {
			in.Authentication.Time = time.Time{} // unknown: what was shown today meets no session.Fresh
		}
		return false, nil
	}
	list := a.answers(need, h)
	if len(list) == 0 && len(in.Authentication.Factors) == 0 {
		need = Requirement{Factor: true, NotRemembered: need.NotRemembered}
		list = a.answers(need, h) // the person enrols another one after a factor that they have
	}
	if len(list) == 0 {
		if err := a.thawed(ctx, in, p, h, true); err != nil {
			return false, err
		}
		return true, a.askEnrol(w, r, in, p, h, asked)
	}
	t, err := a.wait(w, r, in, h, waitRow{For: waitFactor, Need: need})
	if err != nil {
		return false, err
	}
	a.sessions.Emit(ctx, Event{Name: "factor asked", UserID: in.UserID, Provider: in.Identity.Provider})
	a.showFactors(w, r, list, t.ID)
	return true, nil
}

// showFactors leads to the only factor, or shows the page that lists them. Backups come last, and are not what a person
// is led to.
func (a *Auth) showFactors(w http.ResponseWriter, r *http.Request, list []factor, state string) {
	first := slices.DeleteFunc(slices.Clone(list), func(k factor) bool { return k.info.Backup })
	switch {
	case len(first) == 0:
		first = list
		fallthrough
	case len(first) == 1:
		a.leadTo(w, r, first[0], "verify", state)
	case wantsJSON(r):
		a.show(w, r, a.factorsPage(list, state))
	default:
		seeOther(w, a.issuer+"/"+flowFactors+"?state="+state)
	}
}

// leadTo leads to a step of a factor. A program gets the page of the step at once.
func (a *Auth) leadTo(w http.ResponseWriter, r *http.Request, k factor, step, state string) {
	if !wantsJSON(r) {
		seeOther(w, a.stepOf(k, step, state))
		return
	}
	u := *r.URL
	u.Path, u.RawQuery = a.base+"/"+k.flow+"/"+step, "state="+state
	x := *exchangeOf(r)
	x.finished, x.attempt = false, nil
	next := r.WithContext(context.WithValue(r.Context(), exchangeKey{}, &x))
	next.URL, next.Method, next.Header = &u, http.MethodGet, r.Header.Clone()
	next.Form, next.PostForm = map[string][]string{"state": {state}}, map[string][]string{}
	// The cookie of the waiting sign-in is only on its way to the client.
	for _, c := range (&http.Response{Header: w.Header()}).Cookies() {
		if c.MaxAge >= 0 {
			next.AddCookie(c)
		}
	}
	a.flows[k.flow].handler.ServeHTTP(w, next)
}

func (a *Auth) factorsPage(list []factor, state string) Page {
	p := Page{Name: "postern.factor", Title: "One more step", Text: "Your account asks for a second proof of who you are."}
	for _, k := range list {
		p.Ways = append(p.Ways, a.linkTo(k, "verify", state))
	}
	return p
}

// listFactors is the page that lists the factors of a waiting sign-in.
func (a *Auth) listFactors(w http.ResponseWriter, r *http.Request) error {
	wt, err := a.findWaiting(r, waitFactor, waitStepUp, waitEnroll)
	if err != nil {
		return err
	}
	if wt.row.For == waitEnroll {
		return a.showEnrol(w, r, wt)
	}
	a.show(w, r, a.factorsPage(a.answersTo(wt), wt.attempt.ID))
	return nil
}

// answersTo returns the factors that end a waiting sign-in. A backup proves nothing in a step-up: it is for a sign-in
// of a person who has lost the factor.
func (a *Auth) answersTo(wt *waiting) []factor {
	list := a.answers(wt.row.Need, wt.head)
	if wt.row.For != waitStepUp {
		return list
	}
	return slices.DeleteFunc(list, func(k factor) bool { return k.info.Backup })
}

// Waiting returns the sign-in, or the step-up, that waits for the factor of this flow, by the parameter "state" of the
// request. The errors are for Fail: there is none, it was used or has expired, the security of the account has changed,
// or it does not wait for this factor.
func (f *Flow) Waiting(r *http.Request) (Waiting, error) {
	wt, _, err := f.waiting(r)
	if err != nil {
		return Waiting{}, err
	}
	return f.waitingOf(wt), nil
}

func (f *Flow) waiting(r *http.Request) (*waiting, factor, error) {
	a := f.auth
	k, ok := a.factorOf(f)
	if !ok {
		return nil, k, fmt.Errorf("postern: provider %q is no factor of the configuration", f.name)
	}
	wt, err := a.findWaiting(r, waitFactor, waitStepUp)
	if err != nil {
		return nil, k, err
	}
	if !slices.ContainsFunc(a.answersTo(wt), func(o factor) bool { return o.name == k.name }) {
		return nil, k, Deny("other_factor", "This sign-in does not wait for that. Please use what it asks for.")
	}
	return wt, k, nil
}

func (f *Flow) waitingOf(wt *waiting) Waiting {
	out := Waiting{UserID: wt.row.User, Methods: wt.row.Methods, StepUp: wt.row.For == waitStepUp, State: wt.attempt.ID}
	if out.StepUp {
		out.Methods = nil
	}
	k, _ := f.auth.factorOf(f)
	out.Remember = f.auth.mayRemember(wt, k)
	for _, o := range f.auth.answersTo(wt) {
		if o.name != k.name {
			out.Others = append(out.Others, f.auth.linkTo(o, "verify", wt.attempt.ID))
		}
	}
	return out
}

// Guess is Waiting for a request in which the person answers. It counts a guess before anything is compared: at most
// five for a waiting sign-in, five in fifteen minutes and ten a day for a factor of a user. Passed takes the count
// back.
func (f *Flow) Guess(r *http.Request) (Waiting, error) {
	wt, k, err := f.waiting(r)
	if err != nil {
		return Waiting{}, err
	}
	a, ctx, x := f.auth, r.Context(), exchangeOf(r)
	buckets := a.factorBuckets(wt.row.User, k)
	x.guessAt = a.sessions.Now()
	if err := a.take(ctx, buckets...); err != nil {
		if errors.Is(err, limit.ErrLimited) {
			a.warnOfGuesses(ctx, wt.row.User, k)
		}
		return Waiting{}, err
	}
	err = limit.Retry(ctx, factorShort.Name, func() (bool, error) {
		if wt, _, err = f.waiting(r); err != nil {
			return false, err
		}
		if wt.row.Tries >= waitTries {
			return false, errTries()
		}
		row := wt.row
		row.Tries++
		put, err := a.putWait(ctx, wt.item, row)
		if err != nil {
			return false, err
		}
		switch err := a.store.Write(ctx, put); {
		case errors.Is(err, store.ErrConflict):
			return false, nil
		case err != nil:
			return false, unavailable(err)
		}
		wt.row, wt.item = row, put.Item
		return true, nil
	})
	if err != nil {
		return Waiting{}, err
	}
	x.waiting = wt
	return f.waitingOf(wt), nil
}

func errTries() *Error {
	return badRequest("too_many_tries", "That was wrong too often. Please sign in again.")
}

func (a *Auth) factorBuckets(userID string, k factor) []limit.Bucket {
	key := "factor\x00" + a.session.pool + "\x00" + userID + "\x00" + k.name
	return []limit.Bucket{limit.For(factorShort, key), limit.For(factorDay, key)}
}

// warnOfGuesses mails that somebody who has the first proof guesses at the second one: once a day.
func (a *Auth) warnOfGuesses(ctx context.Context, userID string, k factor) {
	if limit.Take(ctx, a.store, factorNotice, a.session.pool+"\x00"+userID+"\x00"+k.name, a.sessions.Now()) != nil {
		return
	}
	a.emitOf(ctx, Event{Name: "factor guessed", UserID: userID, Provider: k.name})
	a.notifyOf(ctx, userID, noticeOfGuess(k.name))
}

// Passed ends a waiting sign-in, or a step-up, after Guess and a right answer. It answers the request.
func (f *Flow) Passed(w http.ResponseWriter, r *http.Request, p Passing) {
	a, x := f.auth, exchangeOf(r)
	k, ok := a.factorOf(f)
	if !ok || x == nil || x.waiting == nil {
		f.Fail(w, r, fmt.Errorf("postern: provider %q called Passed without Guess", f.name))
		return
	}
	if slices.Contains(p.Methods, methodConsole) {
		f.Fail(w, r, errOwnMethod(f.name))
		return
	}
	if err := a.passed(w, r, x.waiting, k, p); err != nil && !errors.Is(err, errAnswered) {
		f.Fail(w, r, err)
	}
}

func (a *Auth) passed(w http.ResponseWriter, r *http.Request, wt *waiting, k factor, p Passing) error {
	ctx, x := r.Context(), exchangeOf(r)
	next, guard := wt.head, wt.head.Check()
	if p.Count != 0 || p.Ends {
		if next = next.Added(); p.Ends {
			next.Sec++
		}
		next = k.counted(next, p.Count)
		guard = next.Put()
	}
	if err := a.useWaiting(r, wt, guard, p.Changes...); err != nil {
		return err
	}
	_ = limit.GiveBack(ctx, a.store, x.guessAt, nil, a.factorBuckets(wt.row.User, k)...)
	x.waiting, x.self = nil, wt.row.User
	a.enrolled(ctx, a.flows[k.flow].flow, wt.row.User, Enrolment{Event: p.Event, Notice: p.Notice}, nil)
	now := a.sessions.Now()
	if wt.row.For == waitStepUp {
		a.endFactorStepUp(w, r, wt, k, p)
		return nil
	}
	in := wt.signIn()
	in.Authentication = proved(in.Authentication, k, p.Methods, now)
	if a.mayRemember(wt, k) && r.PostForm.Get("remember") == "yes" {
		a.rememberBrowser(w, r, wt.row.User, next.Sec)
	}
	a.goOn(w, r, wt, in, next.Sec)
	return nil
}

// endFactorStepUp replaces the session that began a step-up, after a factor was shown.
func (a *Auth) endFactorStepUp(w http.ResponseWriter, r *http.Request, wt *waiting, k factor, p Passing) {
	x := exchangeOf(r)
	a.attempts.clear(w, wt.attempt)
	x.attempt = wt.attempt
	in := wt.signIn()
	in.Identity.Provider = k.name
	in.Authentication = session.Authentication{Time: a.sessions.Now(), Methods: slices.Clone(p.Methods), Factors: []string{k.name}}
	x.finished = true
	(&Flow{auth: a, name: k.name}).succeed(w, r, in, func(w http.ResponseWriter, r *http.Request, in *SignIn) error {
		return a.endStepUp(w, r, in, wt.attempt.Whose)
	})
}
