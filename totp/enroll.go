package totp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/words"
	"github.com/posternauth/postern/store"
)

// enrollLife is how long a picture can be confirmed.
const enrollLife = 15 * time.Minute

// A pending is a seed that is not confirmed. It is nowhere but in the page, sealed for its user.
type pending struct {
	Seed  []byte `json:"seed"`
	Until int64  `json:"until"` // Unix seconds
}

// begin shows a new seed, as a picture and as text.
func (h *app) begin(w http.ResponseWriter, r *http.Request) {
	p, _, ok := h.enrolls(w, r)
	if !ok {
		return
	}
	seed := make([]byte, seedSize)
	rand.Read(seed) // it never fails
	h.show(w, r, p, pending{seed, h.flow.Sessions().Now().Add(enrollLife).Unix()}, nil)
}

// enrolls returns the person who may set up an app: one who has none.
func (h *app) enrolls(w http.ResponseWriter, r *http.Request) (p postern.Person, now state, ok bool) {
	if p, ok = h.flow.Person(w, r, proofAge); !ok {
		return p, now, false
	}
	now, err := h.load(r.Context(), p.ID, &appRow{})
	switch {
	case err != nil:
		h.flow.Fail(w, r, failure(err))
		return p, now, false
	case now.has():
		h.flow.Fail(w, r, refusal(http.StatusConflict, "has_factor", "This account has an authenticator app already. To use another one, remove it first."))
		return p, now, false
	}
	return p, now, true
}

// show is the page with a seed, and with the error of a try to confirm it.
func (h *app) show(w http.ResponseWriter, r *http.Request, p postern.Person, one pending, failed *postern.Error) {
	plain, err := json.Marshal(one)
	if err != nil {
		h.flow.Fail(w, r, fmt.Errorf("totp: %w", err))
		return
	}
	sealed, err := seal.Seal(r.Context(), h.flow.Sessions().Secrets(), forEnroll, plain, h.flow.Pool(), p.ID, h.name)
	if err != nil {
		h.flow.Fail(w, r, failure(fmt.Errorf("totp: sealing: %w", err)))
		return
	}
	uri := address(h.app, account(p), one.Seed)
	figure, err := picture(uri, "QR code for your authenticator app. The key below says the same.")
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	key := grouped(seedText(one.Seed), " ")
	page := postern.Page{
		Name: "totp.enroll", Title: "Set up an authenticator app",
		Text:   "Read this picture with your authenticator app, or type the key into it. Then type the code that the app shows.",
		Args:   map[string]any{"app": h.app, "key": key, "uri": uri},
		Figure: figure,
		Lines:  []postern.Line{{Label: "Key", Value: key}, {Label: "Address of the key", Value: uri}},
		Forms: []postern.Form{{
			Action: h.flow.URL("enroll"), Hidden: map[string]string{"seed": sealed}, Fields: []postern.Field{codeField()}, Submit: "Confirm",
		}},
	}
	if state := r.Form.Get("state"); state != "" { // of a sign-in that waits until the person has a factor
		page.Forms[0].Hidden["state"] = state
	}
	if failed != nil {
		h.again(w, r, page, failed)
		return
	}
	h.flow.Page(w, r, page)
}

var errSeed = refusal(http.StatusBadRequest, "expired_setup", "That was more than fifteen minutes ago, or for another person. Please begin again.")

// opened returns the seed of a form.
func (h *app) opened(ctx context.Context, userID, sealed string) (one pending, err error) {
	plain, err := seal.Open(ctx, h.flow.Sessions().Secrets(), forEnroll, sealed, h.flow.Pool(), userID, h.name)
	switch {
	case errors.Is(err, seal.ErrOpen):
		return one, errSeed
	case err != nil:
		return one, fmt.Errorf("totp: opening: %w", err)
	case json.Unmarshal(plain, &one) != nil || len(one.Seed) != seedSize || h.flow.Sessions().Now().Unix() >= one.Until:
		return one, errSeed
	}
	return one, nil
}

// enroll makes an app count, after a code has shown that it has the seed. That code works no more.
func (h *app) enroll(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if err := h.flow.Fields(r, "state", "seed", "code"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, before, ok := h.enrolls(w, r)
	if !ok {
		return
	}
	one, err := h.opened(ctx, p.ID, r.PostForm.Get("seed"))
	if err != nil {
		h.flow.Fail(w, r, failure(err))
		return
	}
	code, ok := readCode(r.PostForm.Get("code"))
	if !ok {
		h.show(w, r, p, one, errNoCode)
		return
	}
	now := h.flow.Sessions().Now()
	step, ok := match(one.Seed, code, now, 0)
	if !ok {
		h.show(w, r, p, one, errWrongCode)
		return
	}
	change, err := h.first(ctx, p.ID, before.item, appRow{Last: step, Since: now.UTC()}, one.Seed)
	if err != nil {
		h.flow.Fail(w, r, failure(err))
		return
	}
	next, err := h.flow.Enroll(w, r, postern.Enrolment{
		Count: 1 - before.count, Changes: []store.Change{change}, Methods: h.Factor().Methods, Event: "totp added", Notice: noticeAdded(),
	})
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	page := postern.Page{Name: "totp.added", Title: "Your app is set up", Text: "From now on a code of the app is asked for when you sign in."}
	if next == nil {
		page.Text = words.Paragraphs(page.Text, "Browsers that are signed in elsewhere will be asked for it too.")
	} else {
		page.Forms = []postern.Form{*next}
	}
	page.Links = h.flow.Backups(r)
	if len(page.Links) > 0 {
		page.Text = words.Paragraphs(page.Text, "Make recovery codes too: without them and without the app you cannot sign in.")
	}
	page.Links = append(page.Links, h.flow.AccountLink(r)...)
	h.flow.Page(w, r, page)
}

// first returns the change that writes the row of a new app.
func (h *app) first(ctx context.Context, userID string, item store.Item, row appRow, seed []byte) (store.Change, error) {
	secrets, err := h.secrets(ctx)
	if err != nil {
		return store.Change{}, err
	}
	if row.Seed, err = seal.Seal(ctx, secrets, forSeed, seed, h.flow.Pool(), userID, h.name); err != nil {
		return store.Change{}, fmt.Errorf("totp: sealing: %w", err)
	}
	return put(item, row)
}
