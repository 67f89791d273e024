package users

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

const minSignUpID = 16 // bytes: 128 bits

// Create makes a user with a verified identity: a provider's, an address or a username. Verified addresses of the
// identity become addresses of the user, others become notes. SignUp.Fields become Data. A role that is not configured
// is left out.
//
// The same SignUp.ID gives the same user. An empty one makes a user at each call. The error is postern.ErrTaken if the
// identity or a verified address belongs to another user, or if the user of this SignUp.ID was deleted. It is a
// FieldError if the identity cannot be one.
func (d *Directory) Create(ctx context.Context, s postern.SignUp) (userID string, err error) {
	return d.CreateWith(ctx, s, nil)
}

// CreateWith is Create with more changes of the store in the same write: the row of a password, for example, which
// SignUp.Passwords counts. At most 10 changes fit.
func (d *Directory) CreateWith(ctx context.Context, s postern.SignUp, changes func(userID string) []store.Change) (userID string, err error) {
	if userID, err = d.newID("sign-up", s.ID); err != nil {
		return "", err
	}
	r, err := d.signUpRecord(s)
	if err != nil {
		return "", err
	}
	n := credentials{passwords: s.Passwords, passkeys: s.Passkeys}
	if changes != nil {
		n.more = changes(userID)
	}
	err = d.insert(ctx, userID, r, n)
	if errors.Is(err, errWas) { // the sign-up is spent
		return "", postern.ErrTaken
	}
	if errors.Is(err, errExists) { // an earlier call with the same SignUp.ID
		found, err := d.Find(ctx, s.Identity)
		switch {
		case errors.Is(err, postern.ErrNoUser), err == nil && found != userID:
			return "", postern.ErrTaken
		case err != nil:
			return "", err
		}
		return userID, nil
	}
	if err != nil {
		return "", err
	}
	return userID, nil
}

// newID returns the id of the user who comes from something with an id: the same for the same, so that a lost answer
// does not make two users. The id of a deleted user is never used again, because its head stays.
func (d *Directory) newID(what, from string) (string, error) {
	id := make([]byte, 16)
	switch {
	case from == "":
		if _, err := io.ReadFull(d.rand, id); err != nil {
			return "", fmt.Errorf("users: Config.Rand: %w", err)
		}
	case what == "sign-up" && len(from) < minSignUpID:
		return "", fmt.Errorf("users: SignUp.ID has %d bytes, at least %d are needed: it must be random", len(from), minSignUpID)
	default:
		sum := sha256.Sum256([]byte(head.Hash("user id", d.pool, what, from)))
		copy(id, sum[:])
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id)), nil
}

// signUpRecord returns the record of a new user.
func (d *Directory) signUpRecord(s postern.SignUp) (*record, error) {
	now := s.Time
	if now.IsZero() {
		now = d.now()
	}
	r := &record{Name: text.Line(s.Name, maxName), Created: now.UTC(), Updated: now.UTC()}
	if r.Name == "" {
		r.Name = text.Line(s.Identity.Name, maxName)
	}
	if checkLocale(s.Locale) == nil {
		r.Locale = s.Locale
	}
	if checkPicture(s.Identity.Picture) == nil {
		r.Picture = s.Identity.Picture
	}
	for _, role := range slices.Concat(s.Roles, d.defaults) {
		if _, ok := d.roles[role]; ok && !slices.Contains(r.Roles, role) {
			r.Roles = append(r.Roles, role)
		}
	}
	if err := d.identify(r, s.Identity); err != nil {
		return nil, err
	}
	for _, a := range s.Identity.Addresses {
		r.note(a)
	}
	if len(s.Fields) > 0 {
		data, _ := json.Marshal(s.Fields) // texts always encode
		var err error
		if r.Data, err = checkJSON("fields", data); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// identify gives the record the identity of a sign-up.
func (d *Directory) identify(r *record, id postern.Identity) (err error) {
	switch id.Issuer {
	case postern.MailIssuer:
		a, err := checkAddress(id.Subject)
		if err != nil {
			return err
		}
		r.Addresses = append(r.Addresses, address{"email", a, true})
	case postern.NameIssuer:
		r.Username, err = d.checkUsername(id.Subject)
	default:
		if !identityForm(id) {
			return &FieldError{"identity", "An identity has an issuer and a subject, each of at most 1,024 bytes."}
		}
		r.Identities = append(r.Identities, identity{id.Issuer, id.Subject, id.Provider, r.Created})
	}
	return err
}

// note adds an address that a provider reported. A mail address that has no canonical form can belong to nobody.
func (r *record) note(a postern.Address) {
	if a.Type == "email" {
		parsed, err := mailaddr.Parse(a.Value)
		if err != nil {
			return
		}
		a.Value = parsed.String()
		if i := r.findAddress(a.Value); i >= 0 {
			r.Addresses[i].Verified = r.Addresses[i].Verified || a.Verified
			return
		}
	} else {
		a.Verified = false // nothing is found by a telephone number
	}
	if len(r.Addresses) < maxAddresses && a.Value != "" && len(a.Value) <= maxName && a.Value == text.Line(a.Value, maxName) {
		r.Addresses = append(r.Addresses, address(a))
	}
}

var (
	errExists = errors.New("users: there is a user with this id")
	errWas    = errors.New("users: the user with this id was deleted")
)

// credentials are what begins to exist together with a user.
type credentials struct {
	passwords, passkeys int
	more                []store.Change
}

// insert writes a new user with claims, head, listing row and credentials, in one write.
func (d *Directory) insert(ctx context.Context, userID string, r *record, n credentials) error {
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		items, err := d.get(ctx, head.Key(d.pool, userID), d.key(userID, userRow))
		if err != nil {
			return false, err
		}
		_, h, _, err := d.assemble(userID, items)
		switch {
		case h.Gone == head.Deleted:
			return false, errWas
		case err == nil:
			return false, errExists
		case !errors.Is(err, postern.ErrNoUser):
			return false, err
		}
		dr := d.newcomer(userID, r, h, n)
		changes, err := d.changes(ctx, dr, nil, h)
		if err != nil {
			return false, err
		}
		return d.commit(ctx, changes...)
	})
}

// newcomer returns the draft of a user who does not exist yet.
func (d *Directory) newcomer(userID string, r *record, h head.Head, n credentials) *draft {
	dr := &draft{id: userID, rec: r, head: h.Added(), item: store.Item{Key: d.key(userID, userRow)}}
	dr.head.Ways.Passwords, dr.head.Ways.Passkeys = n.passwords, n.passkeys
	if r.Disabled != nil {
		dr.head.Gone = head.Disabled
	}
	dr.also = append(slices.Clone(n.more), store.Put(store.Item{Key: d.listKey(userID, r.Created), Value: []byte("{}")}))
	return dr
}
