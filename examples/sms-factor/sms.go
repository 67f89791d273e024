package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// A Sender sends a text message to a phone.
type Sender interface {
	Send(ctx context.Context, number, text string) error
}

// An SMS is a second factor: a code by text message. It is a postern.Provider for postern.Config.Factors.
type SMS struct {
	Sender Sender

	// Secret seals the numbers and makes the MACs of the codes. Keep it as long as the numbers are kept. The secrets of
	// Postern change, and a number must still open for a person who was away for a year.
	Secret keys.Secret

	// Prefixes are the calling codes to which codes are sent, such as "+41". Without a list, a thief can make the
	// program send to numbers that cost much.
	Prefixes []string
}

// Check reports a mistake of the configuration.
func (c SMS) Check() error {
	if c.Sender == nil || c.Secret.ID == "" || len(c.Prefixes) == 0 {
		return errors.New("sms: set Sender, Secret and Prefixes")
	}
	return nil
}

// Users makes postern.New require postern.Config.Session.
func (c SMS) Users() bool { return true }

// Handler serves the steps of the factor.
func (c SMS) Handler(f *postern.Flow) http.Handler {
	h := &factor{SMS: c, flow: f, name: strings.TrimPrefix(f.Name(), "factors/")}
	h.Handler = f.Steps(map[string]http.HandlerFunc{
		"GET verify":  h.ask,
		"POST verify": h.verify,
		"GET enroll":  h.begin,
		"POST enroll": h.enroll,
		"GET status":  h.status,
		"POST remove": h.remove,
	})
	return h
}

// proofAge is how old a proof may be for a change of the factor.
const proofAge = 10 * time.Minute

type factor struct {
	SMS
	http.Handler
	flow *postern.Flow
	name string // in the configuration
}

// With Factor the handler is one. With Credentials a freeze of the account distinguishes an old number from a new one.
var (
	_ postern.Factor = (*factor)(nil)
	_ postern.Keeper = (*factor)(nil)
)

// Factor describes the factor. RFC 8176 has the method "sms".
func (h *factor) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"sms"}, Label: "a code by SMS"}
}

// Credentials names the number that a user has, without the number.
func (h *factor) Credentials(ctx context.Context, userID string) ([]string, error) {
	row, _, err := h.phone(ctx, userID)
	if err != nil || row.Sealed == nil {
		return nil, err
	}
	return []string{"since " + row.Since.UTC().Format(time.RFC3339Nano)}, nil
}

var (
	errNumber = refusal(http.StatusBadRequest, "invalid_number", "That is not a number to which we send codes. Begin with + and the code of the country.")
	errCode   = refusal(http.StatusBadRequest, "wrong_code", "That is not the code. A code works once, for five minutes, and a newer one replaces it.")
	errHas    = refusal(http.StatusConflict, "has_factor", "This account has a phone number already. To use another one, remove it first.")
	errNone   = refusal(http.StatusConflict, "no_factor", "This account has no phone number.")
)

// ask shows the form of a sign-in that waits for a code, and sends the code if none is on its way.
func (h *factor) ask(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Waiting(r)
	number := ""
	if err == nil {
		number, err = h.number(r.Context(), wt.UserID)
	}
	if err == nil && r.Method == http.MethodGet { // HEAD sends nothing
		var sent bool
		if sent, err = h.underway(r.Context(), wt.UserID, wt.State); err == nil && !sent {
			err = h.send(r.Context(), wt.UserID, wt.State, number)
		}
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, h.askPage(wt, number))
}

func (h *factor) askPage(wt postern.Waiting, number string) postern.Page {
	p := h.codePage("sms.verify", "verify", wt.State, number)
	p.Links = wt.Others
	if wt.Remember {
		p.Forms[0].Fields = append(p.Forms[0].Fields, h.flow.RememberField())
	}
	return p
}

// codePage is a page with two forms: one for the code, and one to get another code.
func (h *factor) codePage(name, step, state, number string) postern.Page {
	hidden, again := map[string]string{}, map[string]string{"again": "yes"}
	if state != "" {
		hidden["state"], again["state"] = state, state
	}
	return postern.Page{
		Name: name, Title: "Enter the code", Text: "We have sent a code to " + masked(number) + ".", Args: map[string]any{"number": masked(number)},
		Forms: []postern.Form{
			{Name: "code", Action: h.flow.URL(step), Hidden: hidden, Submit: "Continue", Fields: []postern.Field{
				{Name: "code", Label: "Code", InputMode: "numeric", Autocomplete: "one-time-code", MaxLength: 20, Required: true},
			}},
			{Name: "again", Action: h.flow.URL(step), Hidden: again, Submit: "Send another code"},
		},
	}
}

// verify compares the code, or sends another one.
func (h *factor) verify(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "code", "again", "remember"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	find := h.flow.Guess // counts a guess before anything is compared
	if r.PostForm.Get("again") != "" {
		find = h.flow.Waiting
	}
	wt, err := find(r)
	number := ""
	if err == nil {
		number, err = h.number(r.Context(), wt.UserID)
	}
	if err == nil && r.PostForm.Get("again") != "" {
		if err = h.send(r.Context(), wt.UserID, wt.State, number); err == nil {
			h.flow.Page(w, r, h.askPage(wt, number))
			return
		}
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	_, used, err := h.compare(r.Context(), wt.UserID, wt.State, r.PostForm.Get("code"))
	switch {
	case errors.Is(err, errCode):
		h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", UserID: wt.UserID, Reason: errCode.Code})
		h.again(w, r, h.askPage(wt, number), errCode)
	case err != nil:
		h.flow.Fail(w, r, err)
	default:
		h.flow.Passed(w, r, postern.Passing{Methods: h.Factor().Methods, Changes: []store.Change{used}})
	}
}

// again shows a page once more, with an error.
func (h *factor) again(w http.ResponseWriter, r *http.Request, p postern.Page, e *postern.Error) {
	p.Status, p.Error, p.Code = e.Status, e.Text, e.Code
	h.flow.Page(w, r, p)
}

func refusal(status int, code, text string) *postern.Error {
	return &postern.Error{Status: status, Code: code, Text: text}
}
