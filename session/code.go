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
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

const (
	codeLife    = time.Minute // RFC 6749 section 4.1.2 allows ten
	codeLen     = 43          // of 256 bits in base64url
	codePurpose = "code/1"
)

// Code redirects (303) to ret with a one-time code, or answers a client that wants JSON as [Kind.Cookie] does. The
// application redeems the code at POST {base}/token with its PKCE verifier (RFC 6749 section 4.1, RFC 7636). No token
// passes through a URL, so this is the recommended way for a front end of another origin and for a native app.
//
// The code has 256 random bits, lives for 60 s, and works once, with the redirect_uri, client_id and verifier that
// belong to it. The redirect also carries iss (RFC 9207). The session is created when the code is redeemed. If the code
// is sent a second time with the same redirect_uri, client_id and verifier, that session ends (RFC 6749 section 4.1.2),
// because one of the two senders is not the client. Without them a code changes nothing, so a person who only reads the
// URL of the redirect can end no session.
// A call that ends all sessions of the subject, such as [Sessions.RevokeSubject], ends the subject's codes too.
// Sessions that this browser has in cookies do not end: the new session belongs to another application.
//
// Code needs Config.Store (the error is ErrStoreRequired), Config.Secrets (ErrNoSigner), and the S256 challenge that
// the application sent to authorize (ErrCode), since without PKCE anybody who intercepts a code gets a session. The
// other errors are those of [Kind.Cookie].
func (k *Kind[T]) Code(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	b, err := encodeGrant(g)
	if err != nil {
		return err
	}
	if b.acting.Session != "" {
		return errActingHere
	}
	if err := k.sessions.canRedeem(); err != nil {
		return err
	}
	if err := canCode(ret); err != nil {
		return err
	}
	code, err := k.code(k.sessions.withClient(r), b.from(r, ret), ret, codePair{})
	if err != nil {
		return err
	}
	return redirect(w, r, ret, "code", code, "iss", k.sessions.issuer)
}

// canCode checks that a sign-in can lead to ret with a code.
func canCode(ret Return) error {
	if _, err := back(ret); err != nil {
		return err
	}
	if !returnto.IsChallenge(ret.Challenge()) {
		return fmt.Errorf("%w: the sign-in began without code_challenge; send one to authorize (method S256)", ErrCode)
	}
	return nil
}

// code writes the row of a new code, and returns the code.
func (p *policy) code(ctx context.Context, b encodedGrant, ret Return, pair codePair) (string, error) {
	s := p.sessions
	code, err := s.random(32)
	if err != nil {
		return "", err
	}
	code = s.subjectPart(p.name, b.subject) + "." + code // its row is in the same part as the session's
	place, _ := slotKey(code)
	var u subjectRows
	if !p.stateless {
		if u, err = p.loadSubject(ctx, b.subject); err != nil {
			return "", err
		}
		begins := p.birth(ctx)
		if err := begins.check(u.head); err != nil {
			return "", err
		}
	}
	rights, known := p.loadedRights(ctx)
	if !known {
		rights = u.head.Rights
	}
	pair.Ends = b.ends
	expires := s.now().Add(codeLife)
	sealed, err := s.sealFor(ctx, code, codeGrant{
		Kind: p.name, Epoch: u.epoch.number, Sec: u.head.Sec, Rights: rights, Subject: b.subject, Properties: b.properties, Scopes: b.scopes, Roles: b.roles,
		AuthTime: b.auth.Time, Methods: b.auth.Methods, Factors: b.auth.Factors, Remembered: b.auth.Remembered, Claims: b.claims.with(nil, false),
		Device: b.device, Address: b.address, codePair: pair,
		codeBinding: codeBinding{s.clientID, ret.Target(), ret.Challenge(), expires},
	})
	if err != nil {
		return "", err
	}
	value, err := json.Marshal(codeRow{Order: sealed})
	if err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	if err := s.store.Write(ctx, store.Put(store.Item{Key: place, Value: value, Expires: expires})); err != nil {
		return "", s.unavailable(ctx, "store", err)
	}
	return code, nil
}

// A codeRow is the record of a code in the store. Its key is the hash of the code, in the part of the subject. Order is
// the codeGrant, sealed with the issuer and the code as associated data. So a reader of the store learns neither the
// code nor the codeGrant, a writer cannot forge a codeGrant, and the row is of no use to another issuer. After the code
// was redeemed, Order is a codeBinding alone, to check a replay.
type codeRow struct {
	Order string `json:"order,omitempty"`
	Used  string `json:"used,omitempty"` // the id of the session that it was redeemed for
}

// A codeGrant describes the session that a code will be redeemed for.
type codeGrant struct {
	Kind       string          `json:"kind"`
	Epoch      int64           `json:"epoch,omitempty"` // of the subject when the code was made
	Sec        int64           `json:"sec,omitempty"`   // of the head of the user then
	Rights     int64           `json:"rights,omitempty"`
	Subject    string          `json:"sub"`
	Properties json.RawMessage `json:"properties"`
	Scopes     []string        `json:"scopes,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	AuthTime   time.Time       `json:"auth_time"`
	Methods    []string        `json:"amr,omitempty"`
	Factors    []string        `json:"factors,omitempty"`
	Remembered bool            `json:"remembered,omitempty"`
	Claims     claimed         `json:"claims,omitempty"`
	Device     string          `json:"device,omitempty"`
	Address    string          `json:"address,omitempty"`
	codePair
	codeBinding
}

// A codeBinding is what a redemption must match.
type codeBinding struct {
	ClientID    string    `json:"client_id"`
	RedirectURI string    `json:"redirect_uri"`
	Challenge   string    `json:"challenge"`
	Expires     time.Time `json:"expires"`
}

// sealFor encrypts a codeGrant or a codeBinding for the row of a code.
func (s *Sessions) sealFor(ctx context.Context, code string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrGrant, err)
	}
	sealed, err := seal.Seal(ctx, s.secrets, codePurpose, plain, s.issuer, code)
	if err != nil {
		return "", s.unavailable(ctx, "secret", err)
	}
	return sealed, nil
}

// slotKey returns the key of a code in the store, and false for a text that cannot be a code.
func slotKey(code string) (store.Key, bool) {
	half, rest, ok := strings.Cut(code, ".")
	if !ok || !base64Text(half, subjectPartLen) || !base64Text(rest, codeLen) {
		return store.Key{}, false
	}
	sum := sha256.Sum256([]byte(code))
	return store.Key{Part: partPrefix + half, ID: codePrefix + base64.RawURLEncoding.EncodeToString(sum[:])}, true
}

// A redemption holds the parameters that a client sends to the token endpoint.
type redemption struct{ code, verifier, redirectURI, clientID string }

// redeem trades a code for a session, once. A single conditional write marks the code as used and creates the session,
// so of several redemptions at the same time only one succeeds. The tokens are signed before the write, so that the
// code still works if the signer fails.
func (s *Sessions) redeem(ctx context.Context, in redemption) (t Tokens, err error) {
	key, ok := slotKey(in.code)
	if !ok {
		return t, refuse(ErrCode, "unknown or expired")
	}
	var p *policy
	var o codeGrant
	var n newborn
	var crowded, replaced []record
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		items, err := s.store.Get(ctx, append(subjectKeys(key.Part), key)...)
		if err != nil {
			return false, s.unavailable(ctx, "store", err)
		}
		u, err := s.readSubject(ctx, key.Part, items)
		if err != nil {
			return false, err
		}
		var place store.Item
		for _, item := range items {
			if item.Key == key {
				place = item
			}
		}
		if place.Version == "" {
			return false, &refusal{ErrCode, "unknown or expired", errForged}
		}
		opened, err := s.open(ctx, place, in, n.tokens.SessionID)
		if errors.Is(err, errRedeemedBefore) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		o = opened
		if p = s.kind(o.Kind); p == nil {
			s.log.ErrorContext(ctx, "session: a code is for a kind that this program does not have", "kind", o.Kind)
			return false, refuse(ErrCode, "its kind of session is unknown here")
		}
		if !p.stateless && o.Epoch != u.epoch.number {
			s.Emit(ctx, Event{Name: "code refused", Reason: "revoked", Kind: p.name, Subject: o.Subject})
			return false, refuse(ErrCode, "the sessions of its subject were ended")
		}
		if err := s.readHead(ctx, p, &u, o); err != nil {
			return false, err
		}
		if n.tokens.SessionID == "" { // a later try writes the same session
			if n, err = p.sessionOfCode(ctx, o); err != nil {
				return false, err
			}
		}
		joined, out, err := p.joinPair(ctx, o, &n.row, &u)
		if err != nil {
			return false, err
		}
		replaced = out
		sealed, err := s.sealFor(ctx, in.code, o.codeBinding)
		if err != nil {
			return false, err
		}
		if place.Value, err = json.Marshal(codeRow{Order: sealed, Used: n.tokens.SessionID}); err != nil {
			return false, fmt.Errorf("session: %w", err)
		}
		changes := []store.Change{store.Put(place)}
		if !p.stateless {
			some, out, err := p.insert(ctx, n, u, tails(replaced)...)
			if err != nil {
				return false, err
			}
			// A later session of the browser may be crowded out as well, and an item is written once.
			joined = slices.DeleteFunc(joined, func(j store.Change) bool {
				return slices.ContainsFunc(some, func(c store.Change) bool { return c.Item.Key == j.Item.Key })
			})
			changes, crowded = append(append(changes, some...), joined...), out
		}
		return s.commit(ctx, changes...)
	})
	if err != nil {
		return Tokens{}, err
	}
	s.created(ctx, p, &row{Subject: o.Subject}, n.tokens.SessionID)
	for _, k := range replaced {
		s.emitEnded(ctx, &k, endReplaced)
	}
	p.crowdedOut(ctx, crowded)
	return n.tokens, nil
}

// readHead reads the head of the user of a code, if the kind has a Pool. It returns ErrCode if no session may begin for
// the code. The code shows its subject only after it was decrypted, so this is a round trip more.
func (s *Sessions) readHead(ctx context.Context, p *policy, u *subjectRows, o codeGrant) (err error) {
	if p.pool == "" {
		return nil
	}
	if u.head, err = head.Get(ctx, s.store, p.pool, o.Subject); err != nil {
		return s.unavailable(ctx, "store", err)
	}
	begins := birth{p, o.Sec, true}
	if why := begins.check(u.head); why != nil {
		s.Emit(ctx, Event{Name: "code refused", Reason: headReason(why), Kind: p.name, Subject: o.Subject})
		return refuse(ErrCode, "the user is disabled or deleted, or the security of the account has changed")
	}
	return nil
}

// sessionOfCode makes the session that a codeGrant describes. It writes nothing.
func (p *policy) sessionOfCode(ctx context.Context, o codeGrant) (n newborn, err error) {
	b := encodedGrant{o.Subject, o.Properties, o.Scopes, o.Roles, Authentication{o.AuthTime, o.Methods, o.Factors, o.Remembered}, o.Device, o.Address, o.Claims, 0, nil, actor{}, o.Ends}
	if !p.stateless {
		n, err := p.newRecord(ctx, b, o.ClientID, nil, o.Rights)
		n.row.Pair, n.row.Browser, n.row.Beside = o.Pair, o.Browser, o.Beside
		return n, err
	}
	id, err := p.sessions.sessionID(p.name, o.Subject)
	if err != nil {
		return n, err
	}
	b.claims = p.freshen(ctx, id, o.ClientID, b)
	n.tokens, err = p.issue(ctx, b, id, o.ClientID, time.Time{})
	return n, err
}

var errRedeemedBefore = errors.New("session: an earlier try of this request redeemed the code")

// open decrypts the codeGrant of a code and checks the redemption against it. mine is the id of the session that an
// earlier try of the same redemption may have written, where the store's answer was lost. A code that was used before
// ends its session, but only after every other check: nobody else than the client has the verifier.
func (s *Sessions) open(ctx context.Context, item store.Item, in redemption, mine string) (o codeGrant, err error) {
	refused := func(reason, detail string, sid string) (codeGrant, error) {
		s.Emit(ctx, Event{Name: "code refused", Reason: reason, SessionID: sid})
		return codeGrant{}, refuse(ErrCode, detail)
	}
	var kept codeRow
	if err := json.Unmarshal(item.Value, &kept); err != nil { // a fault of the store does not mean that the code is bad
		return o, s.unavailable(ctx, "store", fmt.Errorf("the row of a code does not decode: %w", err))
	}
	if kept.Used != "" && kept.Used == mine {
		return o, errRedeemedBefore
	}
	plain, err := seal.Open(ctx, s.secrets, codePurpose, kept.Order, s.issuer, in.code)
	if errors.Is(err, keys.ErrUnavailable) {
		return o, s.unavailable(ctx, "secret", err)
	}
	if err != nil || json.Unmarshal(plain, &o) != nil { // also a code of another issuer on the same store
		_, _ = refused("damaged", "", "")
		return o, &refusal{ErrCode, "unknown or expired", errForged}
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
	case kept.Used != "":
		if err := s.revoke(ctx, kept.Used, endReplay); err != nil {
			return o, err
		}
		return refused("used", "used before", kept.Used)
	}
	return o, nil
}
