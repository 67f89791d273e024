package postern

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The pages that ask for a mailed code, of a sign-up, a step-up and an enrolment. The answer to a form leads to them by
// GET, so that reload and Back do not send the form again.

const (
	pathSignUpCode = "/sign-up/code"
	pathCredential = "/sign-up/credential"
	pathStepUpCode = "/step-up/code/sent"
	pathEnrolCode  = "/factors/code"
)

// codeWait is how long a person waits before they can ask for another mail with a code.
const codeWait = 30 * time.Second

// showStep answers the form that began an attempt: a browser goes to the page of the attempt, a program gets the page.
func (a *Auth) showStep(w http.ResponseWriter, r *http.Request, path string, t *attempt, p Page) {
	if wantsJSON(r) {
		a.show(w, r, p)
		return
	}
	seeOther(w, a.issuer+path+"?"+url.Values{"state": {t.ID}}.Encode())
}

// codePage asks for a mailed code, or for another mail. The forms go to path and again.
func (a *Auth) codePage(t *attempt, name, path, again, address string) Page {
	hidden := func() map[string]string { return map[string]string{"state": t.ID} }
	return Page{
		Name: name, Title: "Check your mail", Args: map[string]any{"address": address, "life": codeLife, "wait": codeWait, "digits": codeDigits},
		Text: "We sent a mail to {address}. Enter its code here, or open its link in this browser. They work for {life}, once.\n\n" +
			"No mail? Look among the unwanted ones, too. You can ask for another code {wait} after the last one.",
		Forms: []Form{
			{Name: "code", Action: a.issuer + path, Hidden: hidden(), Submit: "Continue", Fields: []Field{{
				Name: "code", Label: "{digits}-digit code", InputMode: "numeric", Autocomplete: "one-time-code", MaxLength: 12, Required: true,
			}}},
			{Name: "again", Action: a.issuer + again, Hidden: hidden(), Submit: "Send another code"},
		},
	}
}

// askAgain shows a page with a code's form once more, after a refusal that another try, another code or some patience
// can mend. It returns every other error.
func (a *Auth) askAgain(w http.ResponseWriter, r *http.Request, p Page, err error) error {
	e := refusal(err)
	if wantsJSON(r) {
		return err
	}
	switch e.Code {
	case "wrong_code":
		p.Forms[0].Fields[0].Invalid = true
	case "expired_code":
		p.Text, p.Forms = "", p.Forms[1:]
	case "rate_limited":
		if e.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
		}
	default:
		return err
	}
	if e.Code != "wrong_code" {
		a.report(r, nil, e, "")
	}
	a.show(w, r, p.WithError(e))
	return errAnswered
}

// mayMailAgain refuses a mail that is asked for too early after the last one of an attempt.
func (a *Auth) mayMailAgain(ctx context.Context, t *attempt) error {
	item, _, err := a.codeRow(ctx, t)
	switch left := item.Expires.Add(codeWait - codeLife).Sub(a.sessions.Now()); {
	case errors.Is(err, errDeadCode): // there was none
		return nil
	case err != nil:
		return err
	case left > 0:
		return tooEarly(left, errors.New("the last mail was sent just now"))
	}
	return nil
}

// errLater turns the refusal of a limit into one that says when the next mail can be sent.
func errLater(err error) error {
	if e := refusal(err); err != nil && e.Code == "rate_limited" {
		return tooEarly(e.RetryAfter, err)
	}
	return err
}

func tooEarly(left time.Duration, cause error) *Error {
	left = (left + time.Second - 1).Truncate(time.Second)
	return &Error{Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: left, Err: cause,
		Text: "Another code can be sent in {next}.", Args: map[string]any{"next": left}}
}

// codeAttempt returns the attempt of a room whose code was mailed. The links of an error page lead to where it leads.
func (a *Auth) codeAttempt(r *http.Request, flow, purpose string, members ...string) (*attempt, signUpState, error) {
	var own signUpState
	if err := knownMembers(r, append(members, "state")...); err != nil {
		return nil, own, err
	}
	t, err := a.attempts.find(r, flow)
	if t != nil {
		exchangeOf(r).again = t.ret()
	}
	if err != nil {
		return nil, own, err
	}
	if err := json.Unmarshal(t.Provider, &own); t.Purpose != purpose || err != nil {
		return nil, own, errPurpose()
	}
	path := pathSignUpCode
	if flow == flowStepUp {
		path = pathStepUpCode
	}
	exchangeOf(r).form = path + "?state=" + t.ID
	return t, own, nil
}

func (a *Auth) signUpCodePage(t *attempt, address string) Page {
	p := a.codePage(t, "postern.sign-up-code", pathSignUpCode, pathSignUpCode+"/again", address)
	p.Links = []Link{
		{Name: "change", Text: "Wrong address? Change it", URL: a.issuer + "/sign-up/change?" + url.Values{"state": {t.ID}}.Encode()},
		{Name: "sign-in", Text: "I have an account", URL: withQuery(a.issuer+"/authorize", signUpQuery(t))},
	}
	return p
}

// signUpQuery is the query of the request that an attempt began with.
func signUpQuery(t *attempt) string {
	q := query(t.ret())
	if t.Invite != "" {
		q.Set("invitation", t.Invite)
	}
	return q.Encode()
}

func withQuery(to, query string) string {
	if query == "" {
		return to
	}
	return to + "?" + query
}

func (a *Auth) showSignUpCode(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowSignUp, purposeSignUp)
	if err != nil {
		return err
	}
	a.show(w, r, a.signUpCodePage(t, own.Subject))
	return nil
}

// showSignUpChange is the form of a sign-up with what was typed, for a person who typed a wrong address.
func (a *Auth) showSignUpChange(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowSignUp, purposeSignUp)
	if err != nil {
		return err
	}
	typed := url.Values{"email": {own.Subject}}
	for name, value := range own.Fields {
		typed.Set(name, value)
	}
	a.show(w, r, a.signUpPage(r, signUpForm{query: signUpQuery(t), typed: typed}))
	return nil
}

// postSignUpCode takes the code of a sign-up, and then lets the person choose a credential here.
func (a *Auth) postSignUpCode(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowSignUp, purposeSignUp, "code", "token")
	if err != nil {
		return err
	}
	if err := a.checkSent(r, pathSignUpCode, t, own.Subject); err != nil {
		return a.askAgain(w, r, a.signUpCodePage(t, own.Subject), err)
	}
	a.attempts.clear(w, t)
	return a.giveTicket(w, r, t.ret(), t.Invite, own)
}

// postSignUpAgain mails another code, as a new attempt: a mail has its whole time.
func (a *Auth) postSignUpAgain(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowSignUp, purposeSignUp)
	if err != nil {
		return err
	}
	if err = a.mayMailAgain(r.Context(), t); err == nil {
		exchangeOf(r).invite = t.Invite
		err = errLater(a.signUpAddress(w, r, t.ret(), own, t))
	}
	if err != nil {
		return a.askAgain(w, r, a.signUpCodePage(t, own.Subject), err)
	}
	return nil
}

func (a *Auth) stepUpCodePage(t *attempt, address string) Page {
	p := a.codePage(t, "postern.step-up-code", pathStepUpTyped, "/step-up/code/again", address)
	q := query(t.ret())
	q.Set("max_age", strconv.FormatInt(t.Whose.MaxAge, 10))
	p.Links = []Link{{Name: "back", Text: "Back", URL: withQuery(a.issuer+"/step-up", q.Encode())}}
	return p
}

// mailStepUp mails a code to a verified address of a person who has nothing else to prove themselves with.
func (a *Auth) mailStepUp(w http.ResponseWriter, r *http.Request) error {
	ret, err := a.returnFor(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead { // it would send a mail
		return errMethod()
	}
	if !opensPage(r) {
		return errNotAPage()
	}
	return a.stepUpMail(w, r, ret, maxAgeOf(r), nil)
}

// stepUpMail mails the code of a step-up. before is the attempt in whose place this one comes; nil: none.
func (a *Auth) stepUpMail(w http.ResponseWriter, r *http.Request, ret session.Return, maxAge int64, before *attempt) error {
	l, h, answered, err := a.stepUpOf(w, r)
	if answered {
		return errAnswered
	}
	if err != nil {
		return err
	}
	_, address, err := a.proofs(r, l, h)
	if err != nil {
		return err
	}
	if address == "" || before != nil && before.Whose.User != l.subject {
		return errNotFound()
	}
	if err := a.takeMail(r, address, l.subject); err != nil {
		return err
	}
	x := exchangeOf(r)
	x.whose = whose{User: l.subject, Session: l.id, Sec: h.Sec, MaxAge: maxAge}
	t, err := a.beginOwn(w, r, ret, flowStepUp, purposeStepUp, signUpState{Issuer: MailIssuer, Subject: address})
	if err != nil {
		return err
	}
	code, err := a.newCode(r.Context(), t, address, true)
	if err != nil {
		return err
	}
	link, err := a.linkOfCode(r, pathStepUpTyped, t, address, code)
	if err != nil {
		return err
	}
	if err := a.sendMail(r.Context(), a.verifyMail(r, address, code, link, "postern.step-up", forStepUpText)); err != nil {
		return err
	}
	if before != nil {
		a.attempts.clear(w, before)
		a.endCode(r.Context(), before)
	}
	a.showStep(w, r, pathStepUpCode, t, a.stepUpCodePage(t, address))
	return nil
}

// showStepUpCode is the page of a step-up whose code was mailed. The address is shown to its person alone.
func (a *Auth) showStepUpCode(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowStepUp, purposeStepUp)
	if err != nil {
		return err
	}
	l, _, answered, err := a.stepUpOf(w, r)
	switch {
	case answered:
		return errAnswered
	case err != nil:
		return err
	case l.subject != t.Whose.User:
		return errPurpose()
	}
	a.show(w, r, a.stepUpCodePage(t, own.Subject))
	return nil
}

func (a *Auth) postStepUpCode(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowStepUp, purposeStepUp, "code", "token")
	if err != nil {
		return err
	}
	if err := a.checkSent(r, pathStepUpTyped, t, own.Subject); err != nil {
		return a.askAgain(w, r, a.stepUpCodePage(t, own.Subject), err)
	}
	a.attempts.clear(w, t)
	exchangeOf(r).attempt = t
	(&Flow{auth: a, name: flowStepUp}).finish(w, r, mailIdentity(own.Subject), "", false, []string{"code"})
	return nil
}

// postStepUpAgain mails another code, as a new attempt.
func (a *Auth) postStepUpAgain(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.codeAttempt(r, flowStepUp, purposeStepUp)
	if err != nil {
		return err
	}
	if err = a.mayMailAgain(r.Context(), t); err == nil {
		err = errLater(a.stepUpMail(w, r, t.ret(), t.Whose.MaxAge, t))
	}
	if errors.Is(err, errAnswered) || err == nil {
		return err
	}
	return a.askAgain(w, r, a.stepUpCodePage(t, own.Subject), err)
}

func (a *Auth) enrolTypedPage(t *attempt, address string) Page {
	p := a.codePage(t, "postern.enroll-code-typed", pathEnrolCode, pathEnrolCode, address)
	p.Links = []Link{{Name: "sign-in", Text: "Start again", URL: withQuery(a.issuer+"/authorize", query(t.ret()).Encode())}}
	return p
}

// enrolAddress returns the sign-in of a request that waits for an enrolment, and the address that gets its code. The
// address is empty if the person has proved enough.
func (a *Auth) enrolAddress(r *http.Request) (wt *waiting, address string, err error) {
	wt, err = a.findWaiting(r, waitEnroll)
	if err != nil || wt.row.Proved {
		return wt, "", err
	}
	p, err := a.comesIn(r.Context(), wt.row.User, wt.head)
	if err != nil {
		return wt, "", err
	}
	address, ok := p.Email()
	if !ok || a.mail == nil {
		return wt, "", errChanged()
	}
	return wt, address, nil
}

// showEnrolCode is the page on which the code before an enrolment is typed.
func (a *Auth) showEnrolCode(w http.ResponseWriter, r *http.Request) error {
	wt, address, err := a.enrolAddress(r)
	if err != nil {
		return err
	}
	if address == "" {
		return a.showEnrol(w, r, wt)
	}
	a.show(w, r, a.enrolTypedPage(wt.attempt, address))
	return nil
}

// postEnrolCode mails the code before an enrolment, or takes it.
func (a *Auth) postEnrolCode(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	wt, address, err := a.enrolAddress(r)
	if err != nil {
		return err
	}
	if address == "" {
		return a.showEnrol(w, r, wt)
	}
	page := a.enrolTypedPage(wt.attempt, address)
	exchangeOf(r).form = pathEnrolCode + "?state=" + wt.attempt.ID
	if !r.PostForm.Has("code") && !r.PostForm.Has("token") {
		if err := a.mailEnrolCode(r, wt, address); err != nil {
			return a.askAgain(w, r, page, err)
		}
		a.showStep(w, r, pathEnrolCode, wt.attempt, page)
		return nil
	}
	if err := a.checkSent(r, pathEnrolCode, wt.attempt, address); err != nil {
		return a.askAgain(w, r, page, err)
	}
	row := wt.row
	row.Proved = true
	put, err := a.putWait(ctx, wt.item, row)
	if err != nil {
		return err
	}
	switch err := a.store.Write(ctx, put, wt.head.Check()); {
	case errors.Is(err, store.ErrConflict):
		return errAtOnce()
	case err != nil:
		return unavailable(err)
	}
	wt.row = row
	if wantsJSON(r) {
		return a.showEnrol(w, r, wt)
	}
	seeOther(w, a.issuer+"/"+flowFactors+"?state="+wt.attempt.ID)
	return nil
}

func (a *Auth) mailEnrolCode(r *http.Request, wt *waiting, address string) error {
	if err := a.mayMailAgain(r.Context(), wt.attempt); err != nil {
		return err
	}
	if err := a.takeMail(r, address, wt.row.User); err != nil {
		return errLater(err)
	}
	code, err := a.newCode(r.Context(), wt.attempt, address, true)
	if err != nil {
		return err
	}
	link, err := a.linkOfCode(r, pathEnrolCode, wt.attempt, address, code)
	if err != nil {
		return err
	}
	return a.sendMail(r.Context(), a.verifyMail(r, address, code, link, "postern.enroll", forEnrollText))
}
