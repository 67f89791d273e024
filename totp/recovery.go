package totp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/words"
	"github.com/posternauth/postern/store"
)

// A recoveryRow has the codes of a user that are not used.
type recoveryRow struct {
	Codes []string  `json:"codes"` // a MAC of each: see package seal
	Made  time.Time `json:"made"`
}

// A recovery is the handler of recovery codes.
type recovery struct {
	http.Handler
	keeper
}

var _ postern.Factor = (*recovery)(nil)

func newRecovery(k keeper) *recovery {
	h := &recovery{keeper: k}
	h.Handler = k.flow.Steps(map[string]http.HandlerFunc{
		"GET verify":  h.ask,
		"POST verify": h.verify,
		"GET enroll":  h.offer,
		"POST enroll": h.renew,

		"POST download": h.download,
		"GET status":    h.status,
	})
	return h
}

// Factor describes the factor.
func (h *recovery) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"recovery"}, Backup: true, Label: "a recovery code", SetUp: "recovery codes"}
}

// Manage is the step where people see how many codes are left.
func (h *recovery) Manage() string { return "status" }

var errNoRecoveryCode = refusal(http.StatusBadRequest, "invalid_code", "That is not a recovery code. A recovery code has four groups of four letters and digits.")

// ask shows the form of a sign-in that waits for a factor.
func (h *recovery) ask(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Waiting(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, h.askPage(wt))
}

func (h *recovery) askPage(wt postern.Waiting) postern.Page {
	return postern.Page{
		Name: "recovery.verify", Title: "Enter a recovery code", Text: "Type one of the recovery codes that you have kept. It works once, and everybody else who is signed in to your account will be signed out.",
		Forms: []postern.Form{{
			Action: h.flow.URL("verify"), Hidden: map[string]string{"state": wt.State},
			Fields: []postern.Field{{Name: "code", Label: "Recovery code", Autocomplete: "off", MaxLength: 40, Required: true}},
		}},
		Links: wt.Others,
	}
}

// verify compares a recovery code, and uses it up.
func (h *recovery) verify(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "code"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	code, ok := readRecoveryCode(r.PostForm.Get("code"))
	if !ok {
		wt, err := h.flow.Waiting(r)
		if err != nil {
			h.flow.Fail(w, r, err)
			return
		}
		h.again(w, r, h.askPage(wt), errNoRecoveryCode)
		return
	}
	wt, err := h.flow.Guess(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	change, left, err := h.spend(r.Context(), wt.UserID, code)
	switch {
	case errors.Is(err, errWrongCode):
		h.wrong(w, r, wt, h.askPage(wt))
		return
	case err != nil:
		h.flow.Fail(w, r, failure(err))
		return
	}
	h.flow.Passed(w, r, postern.Passing{
		Methods: h.Factor().Methods, Changes: []store.Change{change}, Count: -1, Ends: true,
		Event: "recovery code used", Notice: noticeUsed(left),
	})
}

// remaining says how many codes are left, and that they are few. It has the value "remaining".
func remaining(left int) string {
	switch {
	case left == 0:
		return "No recovery code is left. Make new ones."
	case left <= recoveryLow:
		return "{remaining, plural, one {One recovery code is left. Make new ones.} other {Only # recovery codes are left. Make new ones.}}"
	}
	return "{remaining, plural, one {# recovery code is left.} other {# recovery codes are left.}}"
}

// spend compares the code of a user, and returns the change that makes it work no more and how many are left.
func (h *recovery) spend(ctx context.Context, userID, code string) (change store.Change, left int, err error) {
	var row recoveryRow
	now, err := h.load(ctx, userID, &row)
	switch {
	case err != nil:
		return change, 0, err
	case !now.has():
		return change, 0, errChanged
	}
	secrets, err := h.secrets(ctx)
	if err != nil {
		return change, 0, err
	}
	found := -1
	for i, mac := range row.Codes { // all of them: the time does not depend on which it is
		switch err := seal.CheckMAC(ctx, secrets, forRecovery, mac, h.flow.Pool(), userID, h.name, code); {
		case err == nil:
			found = i
		case !errors.Is(err, seal.ErrOpen):
			return change, 0, fmt.Errorf("totp: comparing a recovery code: %w", err)
		}
	}
	if found < 0 {
		return change, 0, errWrongCode
	}
	row.Codes = slices.Delete(row.Codes, found, found+1)
	change, err = put(now.item, row)
	return change, len(row.Codes), err
}

// holder returns the person of the request and their codes. With a maxAge, the person must have a factor: codes alone
// are none.
func (h *recovery) holder(w http.ResponseWriter, r *http.Request, maxAge time.Duration) (p postern.Person, row recoveryRow, now state, ok bool) {
	if p, ok = h.flow.Person(w, r, maxAge); !ok {
		return p, row, now, false
	}
	now, err := h.load(r.Context(), p.ID, &row)
	if err == nil && maxAge > 0 && !now.other {
		err = refusal(http.StatusConflict, "no_factor", "Recovery codes stand in for another proof, such as an authenticator app. Set that up first.")
	}
	if err != nil {
		h.flow.Fail(w, r, failure(err))
		return p, row, now, false
	}
	return p, row, now, true
}

// status shows how many codes are left. For programs the answer is in the arguments of the page.
func (h *recovery) status(w http.ResponseWriter, r *http.Request) {
	if _, row, now, ok := h.holder(w, r, 0); ok {
		page := h.statusPage(row, now)
		page.Links = h.flow.AccountLink(r)
		h.flow.Page(w, r, page)
	}
}

func (h *recovery) statusPage(row recoveryRow, now state) postern.Page {
	n := len(row.Codes)
	page := postern.Page{Name: "recovery.status", Title: "Recovery codes", Args: map[string]any{"remaining": n}}
	page.Text = "With a recovery code you can sign in without your authenticator app."
	form := postern.Form{Action: h.flow.URL("enroll"), Submit: "Make recovery codes"}
	if now.item.Version != "" {
		page.Text = words.Paragraphs(page.Text, remaining(n), "New codes replace all old ones.")
		form.Submit = "Make new codes"
	}
	if now.has() {
		page.Args["made"] = row.Made
		page.Lines = []postern.Line{{Label: "Made", Value: postern.Date(row.Made)}}
	}
	page.Forms = []postern.Form{form}
	return page
}

// offer is the page with the button that makes codes.
func (h *recovery) offer(w http.ResponseWriter, r *http.Request) {
	_, row, now, ok := h.holder(w, r, proofAge)
	if !ok {
		return
	}
	page := h.statusPage(row, now)
	if state := r.Form.Get("state"); state != "" { // of a sign-in that waits until the person has a factor
		page.Forms[0].Hidden = map[string]string{"state": state}
	}
	h.flow.Page(w, r, page)
}

// renew gives the person new codes, and shows them once.
func (h *recovery) renew(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, _, now, ok := h.holder(w, r, proofAge)
	if !ok {
		return
	}
	codes, change, err := h.fresh(r.Context(), p.ID, now.item)
	if err != nil {
		h.flow.Fail(w, r, failure(err))
		return
	}
	next, err := h.flow.Enroll(w, r, postern.Enrolment{
		Count: recoveryCount - now.count, Changes: []store.Change{change}, Event: "recovery codes made", Notice: noticeMade(),
	})
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	page := postern.Page{
		Name: "recovery.codes", Title: "Your recovery codes", App: h.app,
		Text: "Keep these codes where you find them without your phone: in a password manager, or printed on paper. Each works once. They are not shown again, and older ones do not work any more.",
	}
	for i, code := range codes {
		page.Lines = append(page.Lines, postern.Line{Label: "Code {n}", Value: code, Args: map[string]any{"n": i + 1}})
	}
	page.Forms = []postern.Form{{Name: "download", Action: h.flow.URL("download"), Hidden: map[string]string{"codes": strings.Join(codes, " ")},
		Submit: "Download as a text file", Download: true}}
	if next != nil {
		page.Forms = append(page.Forms, *next)
	}
	page.Links = h.flow.AccountLink(r)
	h.flow.Page(w, r, page)
}

// fresh returns new codes, and the change that replaces the old ones by them.
func (h *recovery) fresh(ctx context.Context, userID string, item store.Item) (codes []string, change store.Change, err error) {
	secrets, err := h.secrets(ctx)
	if err != nil {
		return nil, change, err
	}
	row := recoveryRow{Made: h.flow.Sessions().Now().UTC()}
	for range recoveryCount {
		code := newRecoveryCode()
		mac, err := seal.MAC(ctx, secrets, forRecovery, h.flow.Pool(), userID, h.name, code)
		if err != nil {
			return nil, change, fmt.Errorf("totp: the MAC of a code: %w", err)
		}
		row.Codes, codes = append(row.Codes, mac), append(codes, grouped(code, "-"))
	}
	change, err = put(item, row)
	return codes, change, err
}
