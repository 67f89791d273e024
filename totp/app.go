package totp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// proofAge is how old a proof may be for a change of the factors.
const proofAge = 10 * time.Minute

// An appRow is the app of a user.
type appRow struct {
	Seed  string    `json:"seed"` // sealed for its user
	Last  int64     `json:"last"` // the step of the last code: no code up to it is accepted
	Since time.Time `json:"since"`
}

// An app is the handler of authenticator apps.
type app struct {
	http.Handler
	keeper
}

var (
	_ postern.Factor = (*app)(nil)
	_ postern.Keeper = (*app)(nil)
)

func newApp(k keeper) *app {
	h := &app{keeper: k}
	h.Handler = k.flow.Steps(map[string]http.HandlerFunc{
		"GET verify":  h.ask,
		"POST verify": h.verify,
		"GET enroll":  h.begin,
		"POST enroll": h.enroll,
		"GET status":  h.status,
		"POST remove": h.remove,
	})
	return h
}

// Factor describes the factor.
func (h *app) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"otp"}, Label: "a code from your app"}
}

// Manage is the step where people see and remove the app.
func (h *app) Manage() string { return "status" }

// Credentials names the app that a user has.
func (h *app) Credentials(ctx context.Context, userID string) ([]string, error) {
	var row appRow
	now, err := h.load(ctx, userID, &row)
	if err != nil || !now.has() {
		return nil, err
	}
	return []string{"since " + row.Since.UTC().Format(time.RFC3339Nano)}, nil
}

var (
	errNoCode    = refusal(http.StatusBadRequest, "invalid_code", "That is not a code. A code of your app has six digits.")
	errWrongCode = refusal(http.StatusBadRequest, "wrong_code", "That code is not right. A code works once: if you have used it already, wait for the next one.")
)

func codeField() postern.Field {
	return postern.Field{Name: "code", Label: "{digits}-digit code", Args: map[string]any{"digits": digits}, Autocomplete: "one-time-code", InputMode: "numeric", MaxLength: 20, Required: true}
}

// ask shows the form of a sign-in that waits for a code.
func (h *app) ask(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Waiting(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, h.askPage(wt))
}

func (h *app) askPage(wt postern.Waiting) postern.Page {
	form := postern.Form{
		Action: h.flow.URL("verify"), Hidden: map[string]string{"state": wt.State}, Fields: []postern.Field{codeField()},
	}
	if wt.Remember {
		form.Fields = append(form.Fields, h.flow.RememberField())
	}
	return postern.Page{Name: "totp.verify", Title: "Enter a code from your app", Text: "Open your authenticator app and type the code that it shows for {app}.",
		Args: map[string]any{"app": h.app}, Forms: []postern.Form{form}, Links: wt.Others}
}

// verify compares a code.
func (h *app) verify(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "code", "remember"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	code, ok := readCode(r.PostForm.Get("code"))
	if !ok {
		wt, err := h.flow.Waiting(r)
		if err != nil {
			h.flow.Fail(w, r, err)
			return
		}
		h.again(w, r, h.askPage(wt), errNoCode)
		return
	}
	wt, err := h.flow.Guess(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	change, err := h.spend(r.Context(), wt.UserID, code)
	switch {
	case errors.Is(err, errWrongCode):
		h.wrong(w, r, wt, h.askPage(wt))
	case err != nil:
		h.flow.Fail(w, r, failure(err))
	default:
		h.flow.Passed(w, r, postern.Passing{Methods: h.Factor().Methods, Changes: []store.Change{change}})
	}
}

// spend compares the code of a user, and returns the change that makes it work no more.
func (h *app) spend(ctx context.Context, userID, code string) (store.Change, error) {
	var row appRow
	now, err := h.load(ctx, userID, &row)
	switch {
	case err != nil:
		return store.Change{}, err
	case !now.has():
		return store.Change{}, errChanged
	}
	secrets, err := h.secrets(ctx)
	if err != nil {
		return store.Change{}, err
	}
	seed, err := seal.Open(ctx, secrets, forSeed, row.Seed, h.flow.Pool(), userID, h.name)
	if err != nil {
		return store.Change{}, fmt.Errorf("totp: the seed of a user does not open: %w", err)
	}
	step, ok := match(seed, code, h.flow.Sessions().Now(), row.Last)
	if !ok {
		return store.Change{}, errWrongCode
	}
	row.Last = step
	return put(now.item, row)
}

// wrong answers a wrong guess.
func (k keeper) wrong(w http.ResponseWriter, r *http.Request, wt postern.Waiting, p postern.Page) {
	k.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", UserID: wt.UserID, Reason: errWrongCode.Code})
	k.again(w, r, p, errWrongCode)
}

// status shows whether the person has an app. For programs the answer is in the arguments of the page.
func (h *app) status(w http.ResponseWriter, r *http.Request) {
	p, ok := h.flow.Person(w, r, 0)
	if !ok {
		return
	}
	var row appRow
	now, err := h.load(r.Context(), p.ID, &row)
	if err != nil {
		h.flow.Fail(w, r, failure(err))
		return
	}
	page := postern.Page{Name: "totp.status", Title: "Authenticator app"}
	if !now.has() {
		page.Text = "You have no authenticator app for this account."
		page.Ways = []postern.Link{{Name: "enroll", Text: "Set up an app", URL: h.flow.URL("enroll")}}
	} else {
		page.Text = "A code from your authenticator app is asked for when you sign in."
		page.Args = map[string]any{"since": row.Since}
		page.Lines = []postern.Line{{Label: "In use since", Value: postern.Date(row.Since)}}
		page.Forms = []postern.Form{{Name: "remove", Action: h.flow.URL("remove"), Submit: "Remove the app", Danger: true}}
	}
	page.Links = h.flow.AccountLink(r)
	h.flow.Page(w, r, page)
}

// remove takes the app from the person. Everybody else who is signed in to the account is signed out.
func (h *app) remove(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, ok := h.flow.Person(w, r, proofAge)
	if !ok {
		return
	}
	now, err := h.load(r.Context(), p.ID, &appRow{})
	switch {
	case err != nil:
		h.flow.Fail(w, r, failure(err))
		return
	case !now.has():
		h.flow.Fail(w, r, refusal(http.StatusConflict, "no_factor", "This account has no authenticator app."))
		return
	}
	_, err = h.flow.Enroll(w, r, postern.Enrolment{
		Count: -now.count, Changes: []store.Change{store.Delete(now.item.Key, now.item.Version)},
		Event: "totp removed", Notice: noticeRemoved(),
	})
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, postern.Page{Name: "totp.removed", Title: "Done", Text: "The app was removed. Everybody else who was signed in to your account was signed out.", Links: h.flow.AccountLink(r)})
}
