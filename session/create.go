package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/store"
)

// Create makes a session of g and returns its tokens. The access token is a JWT (RFC 9068) with the claims iss, aud,
// sub, client_id, iat, exp, jti, sid, type and properties and, if g has them, scope, roles, auth_time, amr and claims.
// rights_version counts the changes of the user's roles, if the kind has a Pool and there were any. act names who acts
// as the subject, if g has an ActorSession.
// iat is 30 s in the past, for verifiers whose clock is behind. Properties are encoded inside the claim "properties";
// they cannot set another claim. Unless the kind is stateless, the session is written to the store and has a refresh
// token.
//
// The error is
//
//   - ErrGrant if g is not valid,
//   - ErrTooLarge if the token would not fit into a cookie (about 2 KiB of properties fit),
//   - ErrStoreRequired if the kind needs a store and there is none,
//   - ErrNoSigner if the keys can only verify,
//   - ErrEnded if the kind has a Pool and the user is disabled or deleted, or the security of the account changed
//     after the sign-in began; or if g.ActorSession does not live,
//   - ErrUnavailable if keys or store are unavailable.
func (k *Kind[T]) Create(ctx context.Context, g Grant[T]) (Tokens, error) {
	b, err := encodeGrant(g)
	if err != nil {
		return Tokens{}, err
	}
	return k.create(ctx, b, k.sessions.clientID, record{})
}

// create is Create for a client. The new session takes the place of old in its browser; see endBefore.
func (p *policy) create(ctx context.Context, b encodedGrant, clientID string, old record) (t Tokens, err error) {
	s := p.sessions
	if p.stateless && b.acting.Session != "" {
		return Tokens{}, errActingHere
	}
	if p.stateless {
		id, err := s.sessionID(p.name, b.subject)
		if err != nil {
			return Tokens{}, err
		}
		b.claims = p.freshen(ctx, id, clientID, b)
		if t, err = p.issue(ctx, b, id, clientID, time.Time{}); err != nil {
			return Tokens{}, err
		}
		s.created(ctx, p, &row{Subject: b.subject}, id)
		return t, nil
	}
	if err := s.canKeep(); err != nil {
		return Tokens{}, err
	}
	if b.acting.Session != "" {
		if b.act, _, err = s.actorOf(ctx, b.acting); err != nil {
			return Tokens{}, err
		}
		if b.act.Subject == b.subject && b.act.Pool == p.pool {
			return Tokens{}, fmt.Errorf("%w: nobody acts as themselves", ErrGrant)
		}
	}
	rights, known := p.loadedRights(ctx)
	n, err := p.newRecord(ctx, b, clientID, nil, rights)
	if err != nil {
		return Tokens{}, err
	}
	if b.act == nil {
		n.row.follow(&old.row)
	}
	crowded, err := p.keep(ctx, &n, known, old.item.Key.ID)
	if err != nil {
		return Tokens{}, err
	}
	s.created(ctx, p, &n.row, n.tokens.SessionID)
	p.crowdedOut(ctx, crowded)
	return n.tokens, nil
}

// errActingHere refuses Grant.ActorSession where a session has no row at once.
var errActingHere = fmt.Errorf("%w: ActorSession is for Create and Cookie of a kind that is not Stateless", ErrGrant)

// keep writes a new session. It returns the sessions that ended because the subject had too many. Without known it sets
// the rights of the session to those of the head. old is the second half of the id of a session that has ended for it.
func (p *policy) keep(ctx context.Context, n *newborn, known bool, old string) (crowded []record, err error) {
	s, begins := p.sessions, p.birth(ctx)
	// Each new session writes the index of its subject, so this program writes one at a time.
	unlock, err := p.creating.lock(ctx, n.record.item.Key.Part)
	if err != nil {
		return nil, s.unavailable(ctx, "store", err)
	}
	defer unlock()
	err = s.retryUpTo(ctx, createTries, func(ctx context.Context) (bool, error) {
		u, err := p.loadSubject(ctx, n.row.Subject)
		if err != nil || u.index.has(n.record.item.Key.ID) { // an earlier try was written, but its answer was lost
			return err == nil, err
		}
		if err := begins.check(u.head); err != nil {
			return false, err
		}
		if !known && n.row.Rights != u.head.Rights {
			n.row.Rights = u.head.Rights
			if n.tokens, err = p.answer(ctx, n.record.id, &n.row); err != nil {
				return false, err
			}
		}
		known = true
		var changes []store.Change
		if changes, crowded, err = p.insert(ctx, *n, u, old); err != nil {
			return false, err
		}
		acting, err := s.stays(ctx, &n.row)
		if err != nil {
			return false, err
		}
		if len(changes)+len(acting) <= store.MaxChanges { // else the first refresh or CheckStore compares
			changes = append(changes, acting...)
		}
		return s.commit(ctx, changes...)
	})
	return crowded, err
}

// createTries is how many times the write of a new session is tried. Other programs may create sessions of the same
// subject at the same time.
const createTries = 24

func (s *Sessions) created(ctx context.Context, p *policy, r *row, id string) {
	s.Emit(ctx, Event{Name: "session created", Kind: p.name, Subject: r.Subject, SessionID: id, Actor: r.actor()})
}

// A newborn is a session that is not written yet, and its tokens. insert sets the epoch of its row.
type newborn struct {
	tokens Tokens
	record record
	row    row
}

// newRecord makes the row and the tokens of a new session. It writes nothing. rights are those of the head when the
// roles in b were loaded.
func (p *policy) newRecord(ctx context.Context, b encodedGrant, clientID string, data json.RawMessage, rights int64) (n newborn, err error) {
	s := p.sessions
	id, err := s.sessionID(p.name, b.subject)
	if err != nil {
		return n, err
	}
	salt, err := s.random(32)
	if err != nil {
		return n, err
	}
	secret, err := s.secrets.Secret(ctx, "")
	if err != nil {
		return n, s.unavailable(ctx, "secret", err)
	}
	b.claims = p.freshen(ctx, id, clientID, b)
	now := s.now()
	key, _ := sessionKey(id)
	n.record = record{id: id, item: store.Item{Key: key}}
	n.row = row{
		Issuer: s.issuer, Kind: p.name, Subject: b.subject, Device: b.device, Address: b.address, Grant: b.saved(clientID),
		Created: now.UnixMilli(), At: now.UnixMilli(), Absolute: now.Add(p.absolute).UnixMilli(),
		Prev: -1, Kid: secret.ID, Salt: salt, Data: data, Rights: rights,
	}
	if b.ends != 0 {
		n.row.Absolute = min(n.row.Absolute, b.ends)
	}
	if b.act != nil {
		n.row.impersonates(b.act)
	}
	n.tokens, err = p.answer(ctx, id, &n.row)
	return n, err
}

// issue signs an access token of the session with an id. until is the end of the session; the token expires no later. A
// zero until sets no limit.
func (p *policy) issue(ctx context.Context, b encodedGrant, id, clientID string, until time.Time) (Tokens, error) {
	expires := p.sessions.now().Add(p.access).Truncate(time.Second)
	if !until.IsZero() && until.Before(expires) {
		expires = until.Truncate(time.Second)
	}
	return p.sign(ctx, b, id, clientID, expires)
}

// sign is issue with a given expiry time.
func (p *policy) sign(ctx context.Context, b encodedGrant, id, clientID string, expires time.Time) (Tokens, error) {
	s := p.sessions
	if s.signer == nil {
		return Tokens{}, fmt.Errorf("%w: give session.Config.Keys a keys.Ring or another keys.Signer", ErrNoSigner)
	}
	jti, err := s.random(16)
	if err != nil {
		return Tokens{}, err
	}
	payload := p.payload(b, id, jti, clientID, s.now().Add(-backdate), expires)
	if len(payload) > maxCookie*3/4 {
		return Tokens{}, ErrTooLarge
	}
	key, err := s.signer.SigningKey(ctx, p.access)
	if err != nil {
		return Tokens{}, s.unavailable(ctx, "signing key", err)
	}
	public := key.Public()
	input := jose.SigningInput(string(public.Algorithm()), public.ID(), tokenType, payload)
	signature, err := key.Sign(ctx, input)
	if err != nil {
		return Tokens{}, s.unavailable(ctx, "signature", err)
	}
	access := jose.Compact(input, signature)
	if len(p.accessCookie(access)) > maxCookie {
		return Tokens{}, ErrTooLarge
	}
	return Tokens{SessionID: id, Access: access, Expires: expires, Scope: strings.Join(b.scopes, " "), issued: s.now()}, nil
}

// payload returns the JSON of the claims.
func (p *policy) payload(b encodedGrant, id, jti, clientID string, issued, expires time.Time) []byte {
	s := p.sessions
	buf := make([]byte, 0, 512+len(b.properties))
	buf = appendString(append(buf, `{"iss":`...), s.issuer)
	buf = appendString(append(buf, `,"aud":`...), s.audience)
	buf = appendString(append(buf, `,"sub":`...), b.subject)
	if b.act != nil {
		buf = append(appendString(append(buf, `,"act":{"sub":`...), b.act.Subject), '}')
	}
	buf = appendString(append(buf, `,"client_id":`...), clientID)
	buf = strconv.AppendInt(append(buf, `,"iat":`...), issued.Unix(), 10)
	buf = strconv.AppendInt(append(buf, `,"exp":`...), expires.Unix(), 10)
	buf = appendString(append(buf, `,"jti":`...), jti)
	buf = appendString(append(buf, `,"sid":`...), id)
	buf = appendString(append(buf, `,"type":`...), p.name)
	buf = append(append(buf, `,"properties":`...), b.properties...)
	if len(b.scopes) > 0 { // one string, RFC 9068 section 2.2.3
		buf = append(buf, `,"scope":"`...)
		for i, scope := range b.scopes {
			if i > 0 {
				buf = append(buf, ' ')
			}
			buf = append(buf, scope...) // scopeToken allows no character that JSON must escape
		}
		buf = append(buf, '"')
	}
	buf = appendStrings(buf, `,"roles":`, b.roles)
	if !b.auth.Time.IsZero() {
		buf = strconv.AppendInt(append(buf, `,"auth_time":`...), b.auth.Time.Unix(), 10)
	}
	buf = appendStrings(buf, `,"amr":`, b.auth.Methods)
	if len(b.claims) > 0 {
		buf = b.claims.appendTo(append(buf, `,"claims":`...))
	}
	if b.rights != 0 {
		buf = strconv.AppendInt(append(buf, `,"rights_version":`...), b.rights, 10)
	}
	return append(buf, '}')
}

func appendStrings(buf []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return buf
	}
	buf = append(buf, name...)
	for i, v := range list {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		buf = appendString(append(buf, sep), v)
	}
	return append(buf, ']')
}

// appendString writes s, which must be UTF-8, as a JSON string.
func appendString(buf []byte, s string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c < ' ':
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			buf = append(buf, c)
		}
	}
	return append(buf, '"')
}

// encodeProperties is json.Marshal without the escapes for HTML, which would make tokens longer.
func encodeProperties(v any) (json.RawMessage, error) { return encodeJSON("Properties", v) }

func encodeJSON(what string, v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrGrant, what, err)
	}
	raw := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return raw, readable(what, raw)
}

// enclosing is how many arrays and objects enclose a value of the application in a row, at most: the row, the grant,
// the claims, and the array of one claim.
const enclosing = 4

// readable returns ErrGrant for JSON that the readers of rows and tokens would refuse.
func readable(what string, raw []byte) error {
	if err := jose.ValidInside(string(raw), enclosing); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrGrant, what, err)
	}
	return nil
}
