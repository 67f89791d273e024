package postern

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// A Keeper is the handler of a provider, or of a factor, that keeps credentials of its users, such as passwords.
type Keeper interface {
	// Credentials names the credentials that a user has here. A credential that takes the place of another has another
	// name.
	Credentials(ctx context.Context, userID string) ([]string, error)
}

// A frozen account is one in which a change of an address was undone, or an event stopped by the link of its notice.
// The ways to sign in that came between the event and that are refused, because the thief who caused the event may have
// made them. What is added later was added by somebody who signed in by a way from before the event.
//
// A freezeRow is what is refused, sealed. The head of the user says whether there is a freeze.
type freezeRow struct {
	Denied []string `json:"denied"`           // names of ways
	Resets bool     `json:"resets,omitempty"` // a mailbox that is not refused resets the password
}

func (a *Auth) freezeKey(userID string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: "freeze"}
}

func (a *Auth) readFreeze(ctx context.Context, userID string) (f freezeRow, item store.Item, err error) {
	key := a.freezeKey(userID)
	items, err := a.store.Get(ctx, key)
	if err != nil {
		return f, item, unavailable(err)
	}
	if len(items) == 0 {
		return f, store.Item{Key: key}, nil
	}
	if err := a.openRow(ctx, items[0], &f); err != nil {
		return f, item, unavailable(fmt.Errorf("postern: the row of a freeze does not open: %w", err))
	}
	return f, items[0], nil
}

// The names of ways to sign in, in the rows of changes and freezes.
func wayOfMail(address string) string  { return head.Hash("mail", address) }
func wayOfIdentity(id Identity) string { return head.Hash("identity", id.Issuer, id.Subject) }

func wayOfCredential(flow, name string) string { return head.Hash("credential", flow, name) }

// waysNow names the ways to sign in that a user has, except mailboxes: the identities and credentials of providers that
// are configured, and factors.
func (a *Auth) waysNow(ctx context.Context, userID string) (all []string, err error) {
	ids, err := a.identitiesOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, ok := a.flows[id.Provider]; ok {
			all = append(all, wayOfIdentity(id))
		}
	}
	flows := slices.Clone(a.order)
	for _, k := range a.factors {
		if !k.way && !k.info.Backup { // a backup is asked for beside another factor alone
			flows = append(flows, k.flow)
		}
	}
	for _, flow := range flows {
		ways, err := a.waysAt(ctx, flow, userID)
		if err != nil {
			return nil, err
		}
		all = append(all, ways...)
	}
	return all, nil
}

// waysAt names the credentials that a user has at a provider or factor.
func (a *Auth) waysAt(ctx context.Context, flow, userID string) (ways []string, err error) {
	s, found := a.flows[flow]
	if !found {
		return nil, nil
	}
	k, ok := s.handler.(Keeper)
	if !ok {
		return nil, nil
	}
	names, err := k.Credentials(ctx, userID)
	if err != nil {
		return nil, unavailable(fmt.Errorf("postern: reading credentials: %w", err))
	}
	for _, name := range names {
		ways = append(ways, wayOfCredential(flow, name))
	}
	return ways, nil
}

// trustedWays is waysNow without those that a freeze refuses.
func (a *Auth) trustedWays(ctx context.Context, userID string, h head.Head) ([]string, error) {
	all, err := a.waysNow(ctx, userID)
	if err != nil || !h.Frozen {
		return all, err
	}
	f, _, err := a.readFreeze(ctx, userID)
	return slices.DeleteFunc(all, f.denies), err
}

func (f freezeRow) denies(way string) bool { return slices.Contains(f.Denied, way) }

// trusted reports whether somebody signs in to a frozen account by a way that the freeze accepts. Of the credentials at
// a provider that does not say which was shown, all must be from before the change. Before the factors are asked for,
// it is enough that there is such a factor.
func (a *Auth) trusted(ctx context.Context, f freezeRow, in *SignIn, p Person, asked bool) (bool, error) {
	first := []string{wayOfIdentity(in.Identity)}
	var err error
	switch in.Identity.Issuer {
	case MailIssuer:
		first = nil
		if verifiedMail(p, in.Identity.Subject) { // else it is a former address
			first = []string{wayOfMail(in.Identity.Subject)}
		}
	case "":
		if name := head.ShownCredential(ctx); name != "" {
			first = []string{wayOfCredential(in.Identity.Provider, name)}
		} else {
			first, err = a.waysAt(ctx, in.Identity.Provider, in.UserID)
		}
	}
	if err != nil || len(first) > 0 && !slices.ContainsFunc(first, f.denies) {
		return err == nil, err
	}
	for _, k := range a.factors {
		if k.info.Backup || asked && !slices.Contains(in.Authentication.Factors, k.name) {
			continue
		}
		ways, err := a.waysAt(ctx, k.flow, in.UserID)
		if err != nil || len(ways) > 0 && !slices.ContainsFunc(ways, f.denies) {
			return err == nil, err
		}
	}
	return false, nil
}

// thawed lets a sign-in to a frozen account pass by a way that is not refused. It is called before the factors are
// asked for, and after: asked is true. If the user has none of the refused ways any more, it ends the freeze.
func (a *Auth) thawed(ctx context.Context, in *SignIn, p Person, h head.Head, asked bool) error {
	if !h.Frozen {
		return nil
	}
	f, item, err := a.readFreeze(ctx, in.UserID)
	if err != nil {
		return err
	}
	ok, err := a.trusted(ctx, f, in, p, asked)
	switch {
	case err != nil:
		return err
	case item.Version == "":
		return unavailable(fmt.Errorf("postern: the row of a freeze is missing: restore it from a backup of the store"))
	case !ok:
		return Deny("account_frozen", "A change of this account was undone. Please sign in with a way that you had before the change, "+
			"such as your password or an account at another site, or ask the people who run this site.")
	case !asked:
		return nil
	}
	ways, err := a.waysNow(ctx, in.UserID)
	if err != nil {
		return err
	}
	for _, address := range p.Addresses {
		if address.Verified {
			ways = append(ways, wayOfMail(address.Value))
		}
	}
	if !slices.ContainsFunc(ways, f.denies) {
		h.Frozen = false
		_ = a.store.Write(ctx, h.Put(), store.Delete(item.Key, item.Version)) // best effort: the next sign-in ends the freeze
	}
	return nil
}

func verifiedMail(p Person, value string) bool {
	return slices.ContainsFunc(p.Addresses, func(a Address) bool { return a.Type == "email" && a.Verified && a.Value == value })
}

// thaw ends a freeze: the person says that all ways to sign in are theirs.
func (a *Auth) thaw(w http.ResponseWriter, r *http.Request, _ string) error {
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	if !h.Frozen {
		return nil
	}
	ctx := r.Context()
	_, item, err := a.readFreeze(ctx, l.subject)
	if err != nil {
		return err
	}
	before, err := a.snapshot(ctx, l.subject)
	if err != nil {
		return err
	}
	h.Frozen = false
	changes := []store.Change{h.Added().Put()}
	if item.Version != "" {
		changes = append(changes, store.Delete(item.Key, item.Version))
	}
	if err := a.writeOrChanged(ctx, changes...); err != nil {
		return err
	}
	a.emitOf(ctx, Event{Name: "account unfrozen", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	n := noticeFree
	n.before = before
	a.notifyOf(ctx, l.subject, n)
	return nil
}
