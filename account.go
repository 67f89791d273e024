package postern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/form"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/strictjson"
)

const flowAccount = "account"

// An accountStep serves one method of a path below {base}/account. id is the last part of the path, if it is variable.
type accountStep func(w http.ResponseWriter, r *http.Request, id string) error

// accountRoutes are the routes below {base}/account. A path that ends in "/" has one variable part behind it.
func (a *Auth) accountRoutes() map[string]map[string]accountStep {
	return map[string]map[string]accountStep{
		"":                   {"GET": a.showAccount, "PATCH": a.editAccount, "DELETE": a.deleteAccount},
		"/sessions":          {"GET": a.listSessions, "DELETE": silent(a.endOtherSessions)},
		"/sessions/":         {"DELETE": silent(a.endSession)},
		"/identities":        {"GET": a.listIdentities},
		"/identities/":       {"POST": a.linkIdentity, "DELETE": silent(a.unlinkIdentity)},
		"/addresses":         {"POST": a.beginAddress},
		"/addresses/confirm": {"POST": a.confirmAddress},
		"/addresses/":        {"DELETE": silent(a.removeAddress)},
		"/browsers":          {"GET": a.listBrowsers, "DELETE": silent(a.forgetBrowsers)},
		"/browsers/":         {"DELETE": silent(a.forgetBrowsers)},
		"/freeze":            {"DELETE": silent(a.thaw)},
		"/history":           {"GET": a.showHistory},
		"/export":            {"GET": a.export},
	}
}

// silent is a step whose success has no body.
func silent(do accountStep) accountStep {
	return func(w http.ResponseWriter, r *http.Request, id string) error {
		if err := do(w, r, id); err != nil {
			return err
		}
		return answerNothing(w)
	}
}

// jsonRoom reports whether every answer to a request is JSON: its path is part of an API.
func (a *Auth) jsonRoom(r *http.Request) bool {
	below, ok := strings.CutPrefix(r.URL.Path, a.base+"/")
	name, _, _ := strings.Cut(below, "/")
	page := below == flowAccount+"/stop" || below == flowAccount+"/undo" || below == flowAccount+"/confirm"
	return a.isAdmin(r.URL.Path) || ok && a.session != nil && name == flowAccount && !page && !a.isAccountPage(r)
}

// accountPaths serves {base}/account and below, as JSON where it is not opened in a browser.
func (a *Auth) accountPaths(w http.ResponseWriter, r *http.Request, path string) {
	if a.isAccountPage(r) {
		a.accountPage(w, r, path)
		return
	}
	err := a.account(w, r, path)
	if err != nil && !errors.Is(err, errAnswered) {
		a.refuseJSON(w, r, err)
	}
}

func (a *Auth) account(w http.ResponseWriter, r *http.Request, path string) error {
	routes, id := a.accountRoutes(), ""
	steps := routes[path]
	if steps == nil {
		cut := strings.LastIndexByte(path, '/') + 1
		if id = path[cut:]; id != "" {
			steps = routes[path[:cut]]
		}
	}
	if steps == nil || strings.HasSuffix(path, "/") {
		return errNotFound()
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve := steps[method]
	if serve == nil {
		allow := []string{}
		for m := range steps {
			allow = append(allow, m)
		}
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return errMethod()
	}
	x := a.newExchange(r)
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	x.asks = r
	values, err := form.Parse(r.URL.RawQuery, nil)
	if err != nil {
		return badForm(err)
	}
	r.Form, r.PostForm = values, nil
	if !a.accountOrigin(r) {
		return errCrossOrigin()
	}
	return serve(w, r, id)
}

// accountOrigin reports whether a request comes from a page of the issuer's origin or of Config.Origins, or from a
// program that is not a browser. The origins of session.Config.Origins are not enough: their pages may use sessions,
// and not accounts.
func (a *Auth) accountOrigin(r *http.Request) bool { return a.listed(r) || a.sameOrigin(r) }

// sameOrigin is accountOrigin without Config.Origins.
func (a *Auth) sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		origin := r.Header.Values("Origin")
		return len(origin) == 0 || len(origin) == 1 && origin[0] == a.origin
	}
	return false
}

// readJSON reads the body of a request into the struct that v points to.
func (a *Auth) readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if httperr.MediaType(r) != "application/json" {
		return &Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Text: "Send JSON (application/json)."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, form.MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge()
		}
		return badRequest("invalid_request", "The request ended too early. Please try again.")
	}
	switch err := strictjson.Decode(body, v); {
	case errors.Is(err, strictjson.ErrUnknown):
		return badRequest("unknown_member", "The request has a member that cannot be set here.")
	case err != nil:
		e := badRequest("invalid_request", "The request cannot be read: {cause}.").with("cause", err.Error())
		e.Err = err
		return e
	}
	return nil
}

// answerJSON answers with a value as JSON.
func answerJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("postern: encoding an answer: %w", err)
	}
	h := w.Header()
	httperr.NoStore(h)
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
	return nil
}

func answerNothing(w http.ResponseWriter) error {
	httperr.NoStore(w.Header())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// refuseJSON answers an error as JSON. A request for a change that needs a fresh proof gets the URL where the proof is
// given.
func (a *Auth) refuseJSON(w http.ResponseWriter, r *http.Request, err error) {
	e := refusal(err)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	level := slog.LevelDebug
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.log.LogAttrs(r.Context(), level, "postern: request refused", slog.String("path", r.URL.Path), slog.Int("status", e.Status),
		slog.String("code", e.Code), slog.Any("cause", e.Err))
	writeRefusal(w, e)
}

// writeRefusal answers a program with an error.
func writeRefusal(w http.ResponseWriter, e *Error) {
	h := w.Header()
	httperr.NoStore(h)
	h.Set("Content-Type", "application/json")
	body, _ := json.Marshal(struct { // texts always encode
		Error       string `json:"error"`
		Description string `json:"error_description"`
		StepUp      string `json:"step_up,omitempty"`
	}{e.Code, httperr.Description(english(e.Text, e.Args)), e.stepUp})
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n'))
}

// owner returns the session of a request and the head of its user, for a read of the account.
func (a *Auth) owner(w http.ResponseWriter, r *http.Request) (live, head.Head, error) {
	l, h, answered, err := a.signedIn(w, r, 0)
	if answered {
		return l, h, errAnswered
	}
	return l, h, err
}

// freshOwner is owner for a change: the proof must be fresh.
func (a *Auth) freshOwner(w http.ResponseWriter, r *http.Request) (live, head.Head, error) {
	l, h, answered, err := a.freshSession(w, r)
	if answered {
		return l, h, errAnswered
	}
	return l, h, err
}

// personOf returns the user of a session that lives.
func (a *Auth) personOf(ctx context.Context, l live) (Person, error) {
	p, err := a.session.users.Get(ctx, l.subject)
	if errors.Is(err, ErrNoUser) {
		return p, errSignedOut()
	}
	if err != nil {
		return p, unavailableUsers("Users.Get", err)
	}
	return p, nil
}
