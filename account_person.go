package postern

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/strictjson"
)

// An AccountEditor is a Users in which people can change what they are called: PATCH {base}/account. It may return an
// [*Error] to refuse a value; other errors are answered with 503.
type AccountEditor interface {
	// Profile returns what the person has written about themselves, as JSON. The application should not trust it.
	Profile(ctx context.Context, userID string) (json.RawMessage, error)

	// EditAccount changes what is not nil.
	EditAccount(ctx context.Context, userID string, e AccountEdit) error
}

// An AccountEdit is what a person may change about themselves without a proof of anything. A nil field stays as it is.
type AccountEdit struct {
	Name    *string
	Locale  *string
	Picture *string         // https URL, or empty
	Profile json.RawMessage // JSON null removes it
}

// A Manager is the handler of a provider, or of a factor, whose credential people can change in their account.
type Manager interface {
	// Manage returns the step of the provider where the credential is changed, such as "change".
	Manage() string
}

// accountJSON is the answer of {base}/account.
type accountJSON struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Username  string            `json:"username,omitempty"`
	Locale    string            `json:"locale,omitempty"`
	Picture   string            `json:"picture,omitempty"`
	Profile   json.RawMessage   `json:"profile,omitempty"`
	Addresses []addressJSON     `json:"addresses"`
	Roles     []string          `json:"roles"`
	Scopes    []string          `json:"scopes"`
	Ways      waysJSON          `json:"ways"`
	Factors   []factorJSON      `json:"factors"`
	Frozen    bool              `json:"frozen,omitempty"` // a change was undone: some ways are refused
	Links     map[string]string `json:"links"`
}

type addressJSON struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Value    string `json:"value"`
	Verified bool   `json:"verified"`
}

// waysJSON counts the ways to sign in by kind.
type waysJSON struct {
	Passwords  int `json:"passwords"`
	Passkeys   int `json:"passkeys"`
	Identities int `json:"identities"`
	Addresses  int `json:"addresses"`
	Usernames  int `json:"usernames"`
}

func addressID(userID string, a Address) string {
	return head.Hash("address", userID, a.Type, a.Value)[:22]
}

func (a *Auth) showAccount(w http.ResponseWriter, r *http.Request, _ string) error {
	l, h, err := a.owner(w, r)
	if err != nil {
		return err
	}
	return a.answerAccount(w, r, l, h)
}

func (a *Auth) answerAccount(w http.ResponseWriter, r *http.Request, l live, h head.Head) error {
	out, err := a.accountOf(r.Context(), l, h)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, out)
}

func (a *Auth) accountOf(ctx context.Context, l live, h head.Head) (out accountJSON, err error) {
	p, err := a.personOf(ctx, l)
	if err != nil {
		return out, err
	}
	out = accountJSON{
		ID: p.ID, Name: p.Name, Username: p.Username, Locale: p.Locale, Picture: p.Picture,
		Addresses: []addressJSON{}, Roles: append([]string{}, p.Roles...), Scopes: append([]string{}, p.Scopes...),
		Factors: a.factorsOf(h), Links: a.accountLinks(),
	}
	for _, address := range p.Addresses {
		out.Addresses = append(out.Addresses, addressJSON{addressID(p.ID, address), address.Type, address.Value, address.Verified})
	}
	ids, err := a.identitiesOf(ctx, p.ID)
	if err != nil {
		return out, err
	}
	out.Ways, out.Frozen = waysOf(p, h, len(ids)), h.Frozen
	if editor, ok := a.session.users.(AccountEditor); ok {
		if out.Profile, err = editor.Profile(ctx, p.ID); err != nil {
			return out, unavailableUsers("Users.Profile", err)
		}
	}
	return out, nil
}

// waysOf counts what the head knows, and what only the application's own table knows.
func waysOf(p Person, h head.Head, identities int) waysJSON {
	w := waysJSON{Passwords: h.Ways.Passwords, Passkeys: h.Ways.Passkeys, Identities: identities}
	if p.Username != "" {
		w.Usernames = 1
	}
	for _, a := range p.Addresses {
		if a.Type == "email" && a.Verified {
			w.Addresses++
		}
	}
	return w
}

// identitiesOf returns the identities of a user, and none if Users cannot list them.
func (a *Auth) identitiesOf(ctx context.Context, userID string) ([]Identity, error) {
	lister, ok := a.session.users.(IdentityLister)
	if !ok {
		return nil, nil
	}
	ids, err := lister.Identities(ctx, userID)
	switch {
	case errors.Is(err, ErrNoUser):
		return nil, errSignedOut()
	case err != nil:
		return nil, unavailableUsers("Users.Identities", err)
	}
	return a.named(ids), nil
}

// named gives the identities that have no Provider the name of the first provider with their issuer. The system from
// which they were imported did not know it.
func (a *Auth) named(ids []Identity) []Identity {
	ids = slices.Clone(ids)
	for i := range ids {
		for _, name := range a.order {
			if s := a.flows[name]; ids[i].Provider == "" && s.issues != nil && s.issues(ids[i].Issuer) {
				ids[i].Provider = name
			}
		}
	}
	return ids
}

// accountLinks are the URLs of what a person can do, by name. That of a credential is the name of its provider.
func (a *Auth) accountLinks() map[string]string {
	links := map[string]string{"step_up": a.issuer + "/step-up"}
	for path, steps := range a.accountRoutes() {
		if steps["GET"] != nil && path != "" {
			links[path[1:]] = a.issuer + "/account" + path
		}
	}
	for _, name := range a.names {
		if m, ok := a.flows[name].handler.(Manager); ok {
			links[name] = a.issuer + "/" + name + "/" + m.Manage()
		}
	}
	return links
}

func (a *Auth) editAccount(w http.ResponseWriter, r *http.Request, _ string) error {
	editor, ok := a.session.users.(AccountEditor)
	if !ok {
		return errNotFound()
	}
	// Only these: what an administrator or a proof sets is not a member.
	var body struct {
		Name    strictjson.Text `json:"name"`
		Locale  strictjson.Text `json:"locale"`
		Picture strictjson.Text `json:"picture"`
		Profile json.RawMessage `json:"profile"`
	}
	if err := a.readJSON(w, r, &body); err != nil {
		return err
	}
	l, h, err := a.changePerson(w, r, editor, AccountEdit{body.Name.Pointer(), body.Locale.Pointer(), body.Picture.Pointer(), body.Profile})
	if err != nil {
		return err
	}
	return a.answerAccount(w, r, l, h)
}

// changePerson changes what the person is called.
func (a *Auth) changePerson(w http.ResponseWriter, r *http.Request, editor AccountEditor, edit AccountEdit) (live, head.Head, error) {
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return l, h, err
	}
	switch err := editor.EditAccount(head.Bind(r.Context(), l.subject, h.Sec), l.subject, edit); {
	case errors.Is(err, ErrNoUser):
		return l, h, errSignedOut()
	case err != nil:
		return l, h, unavailableUsers("Users.EditAccount", err)
	}
	a.emitOf(r.Context(), Event{Name: "account changed", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return l, h, nil
}
