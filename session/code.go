package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

const (
	codeLife    = time.Minute // RFC 6749 section 4.1.2 allows ten
	codeLen     = 43          // of 256 bits in base64url
	codePurpose = "code/1"
)

// Code redirects (303) to ret with a one-time code, which the application redeems at POST {base}/token with its PKCE
// verifier (RFC 6749 section 4.1, RFC 7636). No token passes through a URL: it is the recommended way to a front end
// of another origin, or a native app.
//
// The code has 256 bits, lives 60 s, works once, and only with the redirect_uri, client_id and verifier that belong to
// it. iss goes with it (RFC 9207). The session is made when the code is redeemed, and ended if the code comes a second
// time (RFC 6749 section 4.1.2), since one of the two was not the client it was given to. What ends all sessions of the
// subject, such as [Sessions.RevokeSubject], ends its codes too. Sessions this browser has by cookie are left alone: the
// new one is another application's.
//
// Code needs a Store (ErrStoreRequired), Secrets, and the S256 challenge the application sent to authorize (ErrCode if there was
// none, since without PKCE whoever intercepts the code has the session). Other errors as [Kind.Cookie].
func (k *Kind[T]) Code(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	b, err := erase(g)
	if err != nil {
		return err
	}
	if _, err := back(ret); err != nil {
		return err
	}
	s, ctx := k.sessions, r.Context()
	if err := s.canRedeem(); err != nil {
		return err
	}
	if !challenge(ret.Challenge()) {
		return fmt.Errorf("%w: the sign-in was begun without code_challenge (method S256)", ErrCode)
	}
	code, err := s.random(32)
	if err != nil {
		return err
	}
	b = b.from(r, ret)
	code = half(k.name, b.subject) + "." + code // it lies beside the session it buys
	place, _ := slotKey(code)
	var e epoch
	if !k.stateless {
		if e, err = s.loadEpoch(ctx, half(k.name, b.subject)); err != nil {
			return err
		}
	}
	expires := s.now().Add(codeLife)
	order, err := json.Marshal(order{
		Kind: k.name, Epoch: e.number, Subject: b.subject, Properties: b.properties, Scopes: b.scopes, Roles: b.roles,
		AuthTime: b.auth.Time, Methods: b.auth.Methods, Claims: b.claims.with(nil, false),
		Device: b.device, Place: b.place,
		ClientID: k.client(ret), RedirectURI: ret.Target(), Challenge: ret.Challenge(), Expires: expires,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGrant, err)
	}
	sealed, err := seal.Seal(ctx, s.secrets, codePurpose, order, s.issuer, code)
	if err != nil {
		return s.unavailable(ctx, "secret", err)
	}
	value, err := json.Marshal(slot{Order: sealed})
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := s.store.Write(ctx, store.Put(store.Item{Key: place, Value: value, Expires: expires})); err != nil {
		return s.unavailable(ctx, "store", err)
	}
	return redirect(w, ret, "code", code, "iss", s.issuer)
}

// A slot is what the store keeps of a code. Its key is, in the part of its subject, the hash of the code, and the order is sealed with the code as
// associated data: who reads the store learns neither code nor order, and who writes to it can forge no order.
type slot struct {
	Order string `json:"order,omitempty"`
	Used  string `json:"used,omitempty"` // id of the session it bought
}

// An order is a session that is yet to be made.
type order struct {
	Kind        string          `json:"kind"`
	Epoch       int64           `json:"epoch,omitempty"` // of the subject when the code was made
	Subject     string          `json:"sub"`
	Properties  json.RawMessage `json:"properties"`
	Scopes      []string        `json:"scopes,omitempty"`
	Roles       []string        `json:"roles,omitempty"`
	AuthTime    time.Time       `json:"auth_time"`
	Methods     []string        `json:"amr,omitempty"`
	Claims      claimed         `json:"claims,omitempty"`
	Device      string          `json:"device,omitempty"`
	Place       string          `json:"place,omitempty"`
	ClientID    string          `json:"client_id"`
	RedirectURI string          `json:"redirect_uri"`
	Challenge   string          `json:"challenge"`
	Expires     time.Time       `json:"expires"`
}

// slotKey finds the place of a code; false if it cannot be one.
func slotKey(code string) (store.Key, bool) {
	half, rest, ok := strings.Cut(code, ".")
	if !ok || !base64Text(half, halfLen) || !base64Text(rest, codeLen) {
		return store.Key{}, false
	}
	sum := sha256.Sum256([]byte(code))
	return store.Key{Part: partPrefix + half, ID: codePrefix + base64.RawURLEncoding.EncodeToString(sum[:])}, true
}

// canRedeem tells what is missing for codes.
func (s *Sessions) canRedeem() error {
	switch {
	case s.store == nil:
		return fmt.Errorf("%w: a code must work once; set session.Config.Store", ErrStoreRequired)
	case s.secrets == nil:
		return fmt.Errorf("%w: codes need session.Config.Secrets; a keys.Ring has them", ErrNoSigner)
	case s.signer == nil:
		return fmt.Errorf("%w: give session.Config.Keys a keys.Ring or another keys.Signer", ErrNoSigner)
	}
	return nil
}

// challenge is the form of an S256 challenge: 32 bytes in base64url (RFC 7636 section 4.2).
func challenge(s string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(sum) == sha256.Size && len(s) == 43
}

// A redemption is what a client says at the token endpoint.
type redemption struct{ code, verifier, redirectURI, clientID string }

// redeem trades a code for a session, once. Of any number of redemptions at the same time one wins: the one whose write
// of the tombstone the store accepts, and the session is born in that write. Tokens are signed before, so that a signer
// that fails leaves the code whole.
func (s *Sessions) redeem(ctx context.Context, in redemption) (t Tokens, scopes []string, err error) {
	key, ok := slotKey(in.code)
	if !ok {
		return t, nil, refuse(ErrCode, "unknown or expired")
	}
	var p *policy
	var o order
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		items, err := s.store.Get(ctx, key, store.Key{Part: key.Part, ID: epochID})
		if err != nil {
			return false, s.unavailable(ctx, "store", err)
		}
		e := epoch{item: store.Item{Key: store.Key{Part: key.Part, ID: epochID}}}
		var place store.Item
		for _, item := range items {
			if item.Key == key {
				place = item
			} else if err := e.read(item); err != nil {
				return false, s.unavailable(ctx, "store", err)
			}
		}
		if place.Version == "" {
			return false, refuse(ErrCode, "unknown or expired")
		}
		opened, err := s.open(ctx, place, in, t.SessionID)
		if errors.Is(err, errBought) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		o = opened
		if p = s.kind(o.Kind); p == nil {
			s.log.ErrorContext(ctx, "session: a code is for a kind this program does not have", "kind", o.Kind)
			return false, refuse(ErrCode, "of a kind that is not served here")
		}
		if !p.stateless && o.Epoch != e.number {
			s.Emit(ctx, Event{Name: "code refused", Reason: "revoked", Kind: p.name, Subject: o.Subject})
			return false, refuse(ErrCode, "the sessions of its subject were ended")
		}
		var changes []store.Change
		t, changes, err = p.bought(ctx, o, e)
		if err != nil {
			return false, err
		}
		if place.Value, err = json.Marshal(slot{Used: t.SessionID}); err != nil {
			return false, fmt.Errorf("session: %w", err)
		}
		return s.commit(ctx, append([]store.Change{store.Put(place)}, changes...)...)
	})
	if err != nil {
		return Tokens{}, nil, err
	}
	s.created(ctx, p, o.Subject, t.SessionID)
	return t, o.Scopes, nil
}

// bought makes the session of an order: its tokens, and the changes that make it be.
func (p *policy) bought(ctx context.Context, o order, e epoch) (Tokens, []store.Change, error) {
	b := blank{o.Subject, o.Properties, o.Scopes, o.Roles, Auth{o.AuthTime, o.Methods}, o.Device, o.Place, o.Claims}
	if !p.stateless {
		return p.birth(ctx, b, o.ClientID, e, nil)
	}
	id, err := p.sessions.sessionID(p.name, o.Subject)
	if err != nil {
		return Tokens{}, nil, err
	}
	b.claims = p.freshen(ctx, id, o.ClientID, b)
	t, err := p.issue(ctx, b, id, o.ClientID, time.Time{})
	return t, nil, err
}

var errBought = errors.New("session: the code bought what an earlier try was to buy")

// open reads the order of a slot and holds the redemption to it. mine is the session that an earlier try of the same
// redemption wrote without learning whether it was done.
func (s *Sessions) open(ctx context.Context, item store.Item, in redemption, mine string) (order, error) {
	refused := func(reason, detail string, sid string) (order, error) {
		s.Emit(ctx, Event{Name: "code refused", Reason: reason, SessionID: sid})
		return order{}, refuse(ErrCode, detail)
	}
	var kept slot
	if err := json.Unmarshal(item.Value, &kept); err != nil { // a mistake of the store is no verdict on the code
		return order{}, s.unavailable(ctx, "store", fmt.Errorf("an item of codes does not decode: %w", err))
	}
	if kept.Used != "" && kept.Used == mine {
		return order{}, errBought
	}
	if kept.Used != "" {
		if err := s.revoke(ctx, kept.Used, endReplay); err != nil {
			return order{}, err
		}
		return refused("used", "used before", kept.Used)
	}
	plain, err := seal.Open(ctx, s.secrets, codePurpose, kept.Order, s.issuer, in.code)
	if errors.Is(err, keys.ErrUnavailable) {
		return order{}, s.unavailable(ctx, "secret", err)
	}
	var o order
	if err != nil || json.Unmarshal(plain, &o) != nil {
		return refused("damaged", "unknown or expired", "")
	}
	sum := sha256.Sum256([]byte(in.verifier))
	proof := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case !s.now().Before(o.Expires):
		return refused("expired", "unknown or expired", "")
	case in.clientID != o.ClientID:
		return refused("client", "it was given to another client_id", "")
	case in.redirectURI != o.RedirectURI: // RFC 6749 section 4.1.3: identical
		return refused("redirect_uri", "it was given to another redirect_uri", "")
	case subtle.ConstantTimeCompare([]byte(proof), []byte(o.Challenge)) != 1:
		return refused("verifier", "code_verifier does not fit the code_challenge", "")
	}
	return o, nil
}
