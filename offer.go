package postern

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/shortcookie"
)

// After a sign-in by password or mail a person can be offered a credential that they lack, such as a passkey. The
// session begins first, so whatever happens at the offer, the person is signed in. What waits is only the way to the
// application: the attempt knows it, and the row of a waiting sign-in says whether the credential may still be added.
//
// The proof of this sign-in counts as the fresh proof that an account asks for, where a step-up could be done in the
// same way: after a mail, the person must have nothing stronger than a mailed code.
const (
	forOffer    = "offer"
	offerLife   = 180 * 24 * time.Hour // how long "Not now" is remembered
	offerPeople = 4                    // of one browser who said "Not now"; the oldest gives way
)

// An Offerer is the handler of a provider that offers people its credential after a sign-in in another way. It is a
// [Factor] too.
type Offerer interface {
	// Offer names the step, opened by GET, that shows the offer, see [Flow.OfferedTo]; empty: nothing is offered.
	Offer() string
}

// askOffer makes a sign-in end with a cookie and lead to an offer, if there is one for this person. Otherwise, and
// after a fault, it returns the sign-in as it was: an offer is never a reason to refuse one.
func (a *Auth) askOffer(w http.ResponseWriter, r *http.Request, in *SignIn, h head.Head, how delivery) (*SignIn, delivery) {
	step := a.offerStep()
	if step == "" || how == byTokens || !inBrowser(r) || exchangeOf(r) == nil || exchangeOf(r).setUp {
		return in, how
	}
	offer, err := a.mayOffer(r, in, h)
	var t *attempt
	if err == nil && offer {
		t, err = a.wait(w, r, in, h, waitRow{For: waitOffer})
	}
	if err != nil {
		a.log.LogAttrs(r.Context(), slog.LevelWarn, "postern: a sign-in went on without an offer", slog.Any("cause", err))
	}
	if err != nil || !offer {
		return in, how
	}
	led := *in
	led.Return = returnto.New(step, t.ID, "", "").From(in.Return.Addr())
	return &led, byCookie
}

// offerStep is the URL of the step of the first provider that offers something; empty without one.
func (a *Auth) offerStep() string {
	for _, k := range a.factors {
		if o, ok := a.flows[k.flow].handler.(Offerer); ok && k.way && o.Offer() != "" {
			return a.stepOf(k, o.Offer(), "")
		}
	}
	return ""
}

// mayOffer reports whether a person lacks a passkey, has just given a proof that counts for adding one, and has not
// said "Not now" in this browser.
func (a *Auth) mayOffer(r *http.Request, in *SignIn, h head.Head) (bool, error) {
	auth := in.Authentication
	byMail := slices.ContainsFunc(auth.Methods, func(m string) bool { return m == "link" || m == "code" })
	_, known := a.flows[in.Identity.Provider]
	if h.Ways.Passkeys > 0 || auth.Remembered || !known && in.Identity.Provider != flowSignUp || a.declined(r, in.UserID) {
		return false, nil
	}
	l := live{subject: in.UserID, auth: auth}
	need, err := a.session.due(r.Context(), l, h)
	switch {
	case err != nil:
		return false, err
	case a.fresh(l, need, stepUpLife):
		return byMail || slices.Contains(auth.Methods, methodPassword), nil
	case !byMail || need.due():
		return false, nil
	}
	_, mailed, err := a.proofs(r, l, h)
	return mailed != "", err
}

// OfferedTo returns the person to whom the credential of this provider is offered, by the parameter "state" of the
// request, and the form by which the person goes on without it. Enroll in the same request adds the credential, and
// returns the form by which the person goes on then.
//
// With ok false, OfferedTo has answered the request. If the offer is over, the person goes on to where the sign-in led.
func (f *Flow) OfferedTo(w http.ResponseWriter, r *http.Request) (p Person, later Form, ok bool) {
	a, x := f.auth, exchangeOf(r)
	if a.session == nil || x == nil {
		f.Fail(w, r, errNotFound())
		return p, later, false
	}
	p, wt, err := a.personOffered(w, r)
	if err == nil {
		x.enroll, x.head, x.self = wt, &wt.head, p.ID
		later = *a.offerEnds(wt.attempt)
		later.Name, later.Submit, later.Hidden["later"] = "later", "Not now", "yes"
		return p, later, true
	}
	if !errors.Is(err, errAnswered) {
		if err = a.leaveOffer(w, r, err); err != nil && !errors.Is(err, errAnswered) {
			f.Fail(w, r, err)
		}
	}
	return p, later, false
}

// personOffered returns the person of an offer, who is signed in in this browser.
func (a *Auth) personOffered(w http.ResponseWriter, r *http.Request) (p Person, wt *waiting, err error) {
	if wt, err = a.findWaiting(r, waitOffer); err != nil {
		return p, nil, err
	}
	l, ok := a.session.current(w, r)
	switch {
	case !ok:
		return p, nil, errAnswered
	case l.subject != wt.row.User || l.actor != "":
		return p, nil, errSignedOut()
	}
	p, err = a.comesIn(r.Context(), wt.row.User, wt.head)
	return p, wt, err
}

// offerEnds is the form by which a person leaves an offer.
func (a *Auth) offerEnds(t *attempt) *Form {
	return &Form{Name: "continue", Action: a.issuer + "/" + flowFactors + "/later", Hidden: map[string]string{"state": t.ID}, Submit: "Continue"}
}

// postLater ends an offer. It changes nothing of the session that the browser has, so a second press of the button,
// also one before the answer, or Back, leads on once more.
func (a *Auth) postLater(w http.ResponseWriter, r *http.Request) error {
	t, err := a.attempts.find(r, flowWait)
	if err != nil || t.Purpose != purposeOffer {
		return a.leaveOffer(w, r, err)
	}
	ctx := r.Context()
	if wt, err := a.readWaiting(ctx, t, waitOffer); err == nil { // best effort: the row ends with the attempt in any case
		_ = a.useWaiting(r, wt, wt.head.Check())
	}
	if r.PostForm.Get("later") == "yes" {
		a.decline(w, r, t.Whose.User)
	}
	return a.leaveOffer(w, r, nil)
}

// leaveOffer leads a person from an offer to where the sign-in led. An application gets a code within the ten minutes
// of the attempt: a copy of its cookie is worth nothing later. why is the refusal for a browser in which nobody is
// signed in, and that knows of no sign-in.
func (a *Auth) leaveOffer(w http.ResponseWriter, r *http.Request, why error) error {
	t, err := a.attempts.find(r, flowWait)
	switch {
	case t != nil && t.Purpose != purposeOffer:
		return errPurpose()
	case t != nil && (err == nil || t.Challenge == ""): // the way alone is open to one that is too old
	case a.sessions.SignedIn(r):
		t = &attempt{Target: a.redirects.first}
	default:
		return err
	}
	if t.Challenge == "" {
		return a.leave(w, t)
	}
	if _, ok := a.redirects.match(t.Target); !ok {
		return errReturn()
	}
	c, err := a.present(w, r)
	if err == nil && c.subject != t.Whose.User {
		err = errSignedOut()
	}
	if err != nil {
		if why != nil && refusal(err).Code == "not_signed_in" {
			return why
		}
		return err
	}
	ret := t.ret()
	if addr := a.clients.Addr(r); addr.IsValid() {
		ret = ret.From(addr.String())
	}
	return a.besideCode(w, r, c, ret)
}

// The cookie of those who said "Not now" holds a keyed hash of each, by which nobody else can know who they are. The
// same person has another one at another issuer.

func (a *Auth) offerCookie() *http.Cookie {
	return &http.Cookie{Name: shortcookie.Offer(a.issuer, a.secure), Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

// decliners are the hashes in the cookie of a request, the latest first.
func (a *Auth) decliners(r *http.Request) []string {
	cookies := r.CookiesNamed(a.offerCookie().Name)
	if len(cookies) != 1 || len(cookies[0].Value) > maxCookie/2 {
		return nil
	}
	list := strings.Split(cookies[0].Value, "~")
	return list[:min(len(list), offerPeople)]
}

// declinedBy reports whether a hash is that of a user.
func (a *Auth) declinedBy(ctx context.Context, hash, userID string) (bool, error) {
	err := seal.CheckMAC(ctx, a.sessions.Secrets(), forOffer, hash, a.session.pool, userID)
	if errors.Is(err, seal.ErrOpen) {
		return false, nil
	}
	return err == nil, err
}

// declined reports whether a person said "Not now" in this browser. Where the secrets cannot be read, nothing is
// offered.
func (a *Auth) declined(r *http.Request, userID string) bool {
	return slices.ContainsFunc(a.decliners(r), func(hash string) bool {
		yes, err := a.declinedBy(r.Context(), hash, userID)
		return yes || err != nil
	})
}

// decline remembers "Not now". Best effort: without it the next sign-in offers once more.
func (a *Auth) decline(w http.ResponseWriter, r *http.Request, userID string) {
	hash, err := seal.MAC(r.Context(), a.sessions.Secrets(), forOffer, a.session.pool, userID)
	if err != nil {
		return
	}
	others := slices.DeleteFunc(a.decliners(r), func(hash string) bool {
		yes, err := a.declinedBy(r.Context(), hash, userID)
		return yes || err != nil
	})
	k := a.offerCookie()
	k.Value = strings.Join(append([]string{hash}, others[:min(len(others), offerPeople-1)]...), "~")
	k.MaxAge = int(offerLife / time.Second)
	if len(k.String()) <= maxCookie {
		http.SetCookie(w, k)
	}
}
