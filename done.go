package postern

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/session"
)

// Done ends a sign-in: it hands the identity to Config.OnSuccess, which answers the request. methods say how the person
// proved it, for the amr of the session (RFC 8176, and Postern's "oidc", "oauth", "link").
//
// After Resume, the way back is the one asked for when the attempt began. Without Resume, it is the one this request
// asks for if it is an authorize request, and else the first of Config.Redirects: a link that is opened in another
// browser never leads to where its requester wanted to go.
//
// An error of OnSuccess becomes a page: Deny and other [*Error] as they say, anything else 500. If OnSuccess returns nil
// and has written nothing, the answer is a redirect (303) to the way back, with the application's state.
func (f *Flow) Done(w http.ResponseWriter, r *http.Request, id Identity, methods ...string) {
	a := f.auth
	x := exchangeOf(r)
	switch {
	case x == nil:
		f.Fail(w, r, errOutside)
		return
	case x.finished:
		a.log.ErrorContext(r.Context(), "postern: a provider called Done twice for one request", "provider", f.name)
		return
	}
	x.finished = true
	if id.Issuer == "" || id.Subject == "" {
		f.Fail(w, r, fmt.Errorf("postern: provider %q gave an identity without Issuer or Subject", f.name))
		return
	}
	ret, err := a.asked(r)
	if x.attempt != nil {
		ret, err = x.attempt.ret(), nil
	}
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	if addr := f.Addr(r); addr.IsValid() {
		ret = ret.From(addr.String())
	}
	id.Provider = f.name
	in := &SignIn{
		Identity: id,
		Auth:     session.Auth{Time: a.authTime(id), Methods: methods},
		Tokens:   id.Tokens,
		Return:   ret,
	}
	answer := &watched{ResponseWriter: w}
	if err := a.onSuccess(answer, r, in); err != nil {
		if answer.written {
			// Too late for a page: tell the log and the audit log alone.
			a.report(r, f, refusal(err), "")
			return
		}
		f.Fail(w, r, err)
		return
	}
	f.Emit(r.Context(), r, Event{Name: eventSignIn, Subject: id.Subject})
	if !answer.written {
		w.Header().Set("Location", back(ret))
		w.WriteHeader(http.StatusSeeOther)
	}
}

// authTime is when the person proved who they are: at a provider that they were signed in to already, that may be long
// ago (OpenID Connect Core section 2, auth_time). What an application asks for with session.Fresh goes by it.
func (a *Auth) authTime(id Identity) time.Time {
	now := a.sessions.Now()
	if id.AuthTime.IsZero() || id.AuthTime.After(now) {
		return now
	}
	return id.AuthTime
}

// back is the way back with the application's state (RFC 6749 section 4.1.2).
func back(ret session.Return) string {
	u, err := url.Parse(ret.Target())
	if err != nil || ret.State() == "" {
		return ret.Target()
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "state=" + url.QueryEscape(ret.State())
	return u.String()
}

// watched knows whether an answer has begun.
type watched struct {
	http.ResponseWriter
	written bool
}

func (w *watched) WriteHeader(status int) {
	w.written = w.written || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Flush and Unwrap keep what http.ResponseController and older code can do with the writer.
func (w *watched) Flush() {
	w.written = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher has no error to give
}

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
