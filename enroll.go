package postern

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A person for whom a factor is due, and who has none, must begin to have one before the session begins. A password
// alone is not enough for that: a thief who has guessed it would add a factor. So the person proves a second
// thing first, unless the sign-in ends a sign-up:
//
//	sign-up, another factor            at once
//	first proof by mail                at once; a notice goes to every verified address before the factor counts
//	password, provider, other          a code that is mailed now to a verified address
//	these, and no verified address     never: an administrator has to help

// askEnrol lets a sign-in wait until the person has a factor.
func (a *Auth) askEnrol(w http.ResponseWriter, r *http.Request, in *SignIn, p Person, h head.Head, need Requirement) error {
	if len(a.begins(need)) == 0 {
		return Deny("factor_unavailable", "Your account needs a second proof that cannot be given here. Please ask the people who run this site.")
	}
	byMail := slices.ContainsFunc(in.Authentication.Methods, func(m string) bool { return m == "link" || m == "code" })
	_, mailbox := p.Email()
	second := in.New || byMail || len(in.Authentication.Factors) > 0
	if h.Due() && len(in.Authentication.Factors) == 0 || !second && (!mailbox || a.mail == nil) {
		return Deny("factor_required", "Your account needs a second proof, and you cannot set one up by yourself. Please ask the people who run this site.")
	}
	row := waitRow{For: waitEnroll, Need: need, Proved: second}
	t, err := a.wait(w, r, in, h, row)
	if err != nil {
		return err
	}
	wt := &waiting{attempt: t, head: h, row: row}
	switch {
	case wantsJSON(r) && wt.row.Proved:
		a.show(w, r, a.enrolPage(wt))
	case wantsJSON(r):
		a.show(w, r, a.enrolCodePage(wt))
	default:
		seeOther(w, a.issuer+"/"+flowFactors+"?state="+t.ID)
	}
	return nil
}

// showEnrol is the page of a sign-in that waits until the person has a factor.
func (a *Auth) showEnrol(w http.ResponseWriter, r *http.Request, wt *waiting) error {
	if !wt.row.Proved {
		a.show(w, r, a.enrolCodePage(wt))
		return nil
	}
	a.show(w, r, a.enrolPage(wt))
	return nil
}

func (a *Auth) enrolPage(wt *waiting) Page {
	p := Page{Name: "postern.enroll", Title: "Set up a second step", Text: "Your account needs a second proof of who you are, beside the first. Please set one up."}
	for _, k := range a.begins(wt.row.Need) {
		p.Ways = append(p.Ways, a.linkTo(k, "enroll", wt.attempt.ID))
	}
	return p
}

func (a *Auth) enrolCodePage(wt *waiting) Page {
	return Page{
		Name: "postern.enroll-code", Title: "Set up a second step",
		Text:  "Your account needs a second proof of who you are. Before you set one up, we send a code to your mail address.",
		Forms: []Form{{Action: a.issuer + "/factors/code", Hidden: map[string]string{"state": wt.attempt.ID}, Submit: "Mail me a code"}},
	}
}

// postContinue ends a sign-in that waited until the person has a factor.
func (a *Auth) postContinue(w http.ResponseWriter, r *http.Request) error {
	wt, err := a.findWaiting(r, waitEnroll)
	if err != nil {
		return err
	}
	if !wt.row.Need.met(wt.signIn().Authentication) {
		return a.showEnrol(w, r, wt)
	}
	if err := a.useWaiting(r, wt, wt.head.Check()); err != nil {
		return err
	}
	a.goOn(w, r, wt, wt.signIn(), wt.row.Sec)
	return nil
}

// enrolling returns the person of a sign-in that waits until they have a factor, if that is what the request's state
// names and they may begin.
func (a *Auth) enrolling(r *http.Request) (*waiting, error) {
	if t, err := a.attempts.find(r, flowWait); err != nil || t.Purpose != purposeWait {
		return nil, nil
	}
	wt, err := a.findWaiting(r, waitEnroll)
	if err != nil {
		return nil, err
	}
	if !wt.row.Proved {
		return nil, Deny("factor_required", "Before you set up a second step, prove that the mail address is yours.")
	}
	return wt, nil
}

// Enroll adds to the factors of the person that Person returned in this request, or takes from them. Of two requests
// that change one user at once, the later one is refused.
//
// On the way to a session, next is the form by which the person goes on, for the page that the provider shows then. It
// is nil for a person who is signed in: this session goes on with a new id, and others end as [Enrolment] says.
func (f *Flow) Enroll(w http.ResponseWriter, r *http.Request, e Enrolment) (next *Form, err error) {
	a, x, ctx := f.auth, exchangeOf(r), r.Context()
	k, ok := a.factorOf(f)
	switch {
	case !ok:
		return nil, fmt.Errorf("postern: provider %q is no factor of the configuration", f.name)
	case x == nil || x.head == nil:
		return nil, errors.New("postern: Enroll without Person in the same request")
	case slices.Contains(e.Methods, methodConsole):
		return nil, errOwnMethod(f.name)
	}
	userID := x.live.subject
	if x.enroll != nil {
		userID = x.enroll.row.User
	}
	limited := limit.For(factorChanges, a.session.pool+"\x00"+userID)
	removes := e.Count < 0 || e.Passkeys < 0 // always possible: a thief who adds and adds must not keep the owner from it
	if !removes {
		if err := a.mayTake(ctx, limited); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err == nil && !removes { // each was a mail; best effort
			_ = limit.TakeAll(ctx, a.store, a.sessions.Now(), limited)
		}
	}()
	h := x.head.Added()
	if e.Count < 0 || e.Passkeys < 0 {
		h = x.head.Moved()
	}
	h = k.counted(h, e.Count)
	h.Ways.Passkeys = max(0, h.Ways.Passkeys+e.Passkeys)
	if e.Count > 0 && !k.info.Backup {
		h.Rights++ // each session is refreshed before it goes on, and ends there if it has shown no factor
	}
	if x.enroll != nil {
		return a.enrollWaiting(r, x.enroll, k, h, e)
	}
	before, err := a.beforeEnrolment(ctx, userID, e)
	if err != nil {
		return nil, err
	}
	if err := a.writeParts(ctx, append([]store.Change{h.Put()}, e.Changes...)); errors.Is(err, store.ErrConflict) {
		return nil, errAtOnce()
	} else if err != nil {
		return nil, unavailable(err)
	}
	a.enrolled(ctx, f, x.live.subject, e, before)
	if r.Header.Get("Authorization") != "" {
		return nil, nil // a program signs in again
	}
	r = r.WithContext(head.Loaded(head.Carry(ctx, x.head.Sec, h.Sec), h.Rights))
	proof := x.live.auth
	if len(e.Methods) > 0 {
		proof = proved(proof, k, e.Methods, proof.Time)
	}
	p, err := a.session.person(ctx, x.live.subject)
	if err == nil {
		err = a.session.replace(w, r, p, proof, session.Return{})
	}
	if err != nil { // signed out, no more
		a.emitOf(ctx, Event{Name: "session not replaced", UserID: x.live.subject, Err: err})
	}
	return nil, nil
}

// enrollWaiting adds a factor on the way to a session.
func (a *Auth) enrollWaiting(r *http.Request, wt *waiting, k factor, h head.Head, e Enrolment) (*Form, error) {
	ctx := r.Context()
	if e.Count < 0 || e.Passkeys < 0 {
		return nil, errPurpose()
	}
	before, err := a.beforeEnrolment(ctx, wt.row.User, e)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(wt.row.Methods, func(m string) bool { return m == "link" || m == "code" }) && !wt.row.New {
		// A thief who reads the mailbox could add a factor: the owner gets the notice first.
		if err := a.notifyFirst(ctx, a.flows[k.flow].flow, wt.row.User, e, before); err != nil {
			return nil, err
		}
		e.Notice = Notice{}
	}
	row := wt.row
	row.Seq = h.Seq
	offered := wt.row.For == waitOffer
	if len(e.Methods) > 0 && !offered { // the session has begun: as in an account, what is new proves nothing
		auth := proved(session.Authentication{Methods: row.Methods, Factors: row.Factors}, k, e.Methods, row.Time)
		row.Methods, row.Factors, row.Time = auth.Methods, auth.Factors, a.sessions.Now()
	}
	put, err := a.putWait(ctx, wt.item, row)
	if err != nil {
		return nil, err
	}
	if err := a.writeParts(ctx, append([]store.Change{put, h.Put()}, e.Changes...)); errors.Is(err, store.ErrConflict) {
		return nil, errAtOnce()
	} else if err != nil {
		return nil, unavailable(err)
	}
	a.enrolled(ctx, a.flows[k.flow].flow, row.User, e, before)
	if offered {
		return a.offerEnds(wt.attempt), nil
	}
	return &Form{Name: "continue", Action: a.issuer + "/factors/continue", Hidden: map[string]string{"state": wt.attempt.ID}, Submit: "Continue"}, nil
}

// Backups returns links to the enroll steps of the backups that the person lacks whom Person returned in this request,
// for the page that says that they have a factor now.
func (f *Flow) Backups(r *http.Request) (links []Link) {
	x := exchangeOf(r)
	if x == nil || x.head == nil {
		return nil
	}
	state := ""
	if x.enroll != nil {
		state = x.enroll.attempt.ID
	}
	for _, k := range f.auth.factors {
		if k.info.Backup && !k.info.NoEnroll && !k.has(*x.head) {
			links = append(links, f.auth.linkTo(k, "enroll", state))
		}
	}
	return links
}

// beforeEnrolment is what the user has before a change of factors, for the notice about it.
func (a *Auth) beforeEnrolment(ctx context.Context, userID string, e Enrolment) (*snapshot, error) {
	if e.Notice.Name == "" {
		return nil, nil
	}
	return a.snapshot(ctx, userID)
}

// enrolled reports a change of factors that is done.
func (a *Auth) enrolled(ctx context.Context, f *Flow, userID string, e Enrolment, before *snapshot) {
	if e.Event != "" {
		a.emitTo(ctx, Event{Name: e.Event, UserID: userID, Provider: f.name}, true)
	}
	if e.Notice.Name != "" {
		n := f.noticeOf(e.Notice)
		n.before = before
		a.notifyOf(ctx, userID, n)
	}
}

// notifyFirst mails a notice that must be on its way before something counts.
func (a *Auth) notifyFirst(ctx context.Context, f *Flow, userID string, e Enrolment, before *snapshot) error {
	if a.mail == nil || e.Notice.Name == "" {
		return Deny("factor_required", "Your account needs a second proof, and you cannot set one up by yourself. Please ask the people who run this site.")
	}
	n := f.noticeOf(e.Notice)
	n.before = before
	if err := a.mailNotice(ctx, userID, n); err != nil {
		return unavailable(fmt.Errorf("postern: the notice of a new factor was not sent: %w", err))
	}
	return nil
}
