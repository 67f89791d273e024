package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/store"
)

const (
	tokenType = "at+jwt" // RFC 9068 section 2.1
	// backdate is taken off iat: gateways such as the JWT authorizer of Amazon's HTTP APIs allow no leeway, and refuse
	// a token from a clock that is ahead of theirs.
	backdate = 30 * time.Second
	// maxCookie is what browsers keep of a cookie, all in all (RFC 6265 section 6.1).
	maxCookie = 4096
)

// Create makes a session of g and returns its tokens. The access token is a JWT (RFC 9068) with the claims iss, aud, sub,
// client_id, iat, exp, jti, sid, type, properties and, if granted, scope, roles, auth_time, amr and claims; iat is 30 s early for
// verifiers whose clock is late. Values of g go nowhere but where they belong: nothing in Properties becomes a claim.
// Unless the kind is stateless, the session is written to the store and has a refresh token.
//
// The error is ErrGrant if g is not valid, ErrTooLarge if the token would not fit into a cookie (about 2 KiB of
// properties do), ErrStoreRequired if the session could not be kept, ErrNoSigner if the keys can only verify,
// ErrUnavailable if no key could be had or the store did not take the session.
func (k *Kind[T]) Create(ctx context.Context, g Grant[T]) (Tokens, error) {
	b, err := erase(g)
	if err != nil {
		return Tokens{}, err
	}
	return k.create(ctx, b, k.sessions.clientID)
}

func (p *policy) create(ctx context.Context, b blank, clientID string) (t Tokens, err error) {
	s := p.sessions
	if p.stateless {
		id, err := s.sessionID(p.name, b.subject)
		if err != nil {
			return Tokens{}, err
		}
		b.claims = p.freshen(ctx, id, clientID, b)
		if t, err = p.issue(ctx, b, id, clientID, time.Time{}); err != nil {
			return Tokens{}, err
		}
		s.created(ctx, p, b.subject, id)
		return t, nil
	}
	if err := s.canKeep(); err != nil {
		return Tokens{}, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		e, err := s.loadEpoch(ctx, half(p.name, b.subject))
		if err != nil {
			return false, err
		}
		var changes []store.Change
		t, changes, err = p.birth(ctx, b, clientID, e, nil)
		if err != nil {
			return false, err
		}
		won, err := s.commit(ctx, changes...)
		return won, err
	})
	if err != nil {
		return Tokens{}, err
	}
	s.created(ctx, p, b.subject, t.SessionID)
	return t, nil
}

func (s *Sessions) created(ctx context.Context, p *policy, subject, id string) {
	s.Emit(ctx, Event{Name: "session created", Kind: p.name, Subject: subject, SessionID: id})
}

// birth makes the tokens of a new session and the changes that make it be: its row, provided that nobody ends all
// sessions of the subject at the same time.
func (p *policy) birth(ctx context.Context, b blank, clientID string, e epoch, data json.RawMessage) (Tokens, []store.Change, error) {
	s := p.sessions
	fail := func(err error) (Tokens, []store.Change, error) { return Tokens{}, nil, err }
	id, err := s.sessionID(p.name, b.subject)
	if err != nil {
		return fail(err)
	}
	salt, err := s.random(32)
	if err != nil {
		return fail(err)
	}
	secret, err := s.secrets.Secret(ctx, "")
	if err != nil {
		return fail(s.unavailable(ctx, "secret", err))
	}
	b.claims = p.freshen(ctx, id, clientID, b)
	now := s.now()
	key, _ := sessionKey(id)
	k := kept{id: id, item: store.Item{Key: key}}
	r := row{
		Kind: p.name, Subject: b.subject, Device: b.device, Place: b.place, Grant: b.saved(clientID),
		Created: now.UnixMilli(), At: now.UnixMilli(), Absolute: now.Add(p.absolute).UnixMilli(),
		Kid: secret.ID, Salt: salt, Epoch: e.number, Data: data,
	}
	t, err := p.answer(ctx, id, &r)
	if err != nil {
		return fail(err)
	}
	put, err := k.put(r, p.idle)
	if err != nil {
		return fail(err)
	}
	return t, []store.Change{put, store.Check(e.item.Key, e.item.Version)}, nil
}

// issue signs an access token of the session with the given id; until, unless zero, is when the session ends.
func (p *policy) issue(ctx context.Context, b blank, id, clientID string, until time.Time) (Tokens, error) {
	expires := p.sessions.now().Add(p.access).Truncate(time.Second)
	if !until.IsZero() && until.Before(expires) {
		expires = until.Truncate(time.Second)
	}
	return p.sign(ctx, b, id, clientID, expires)
}

// sign is issue with the time at which the token is to expire.
func (p *policy) sign(ctx context.Context, b blank, id, clientID string, expires time.Time) (Tokens, error) {
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
	return Tokens{SessionID: id, Access: access, Expires: expires}, nil
}

// payload writes the claims by hand; only the properties know types.
func (p *policy) payload(b blank, id, jti, clientID string, issued, expires time.Time) []byte {
	s := p.sessions
	buf := make([]byte, 0, 512+len(b.properties))
	buf = appendString(append(buf, `{"iss":`...), s.issuer)
	buf = appendString(append(buf, `,"aud":`...), s.audience)
	buf = appendString(append(buf, `,"sub":`...), b.subject)
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
			buf = append(buf, scope...) // scopeToken leaves nothing to escape
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

// encodeProperties is json.Marshal without the escapes for HTML, which only make a token longer.
func encodeProperties(v any) (json.RawMessage, error) { return encodeJSON("Properties", v) }

func encodeJSON(what string, v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrGrant, what, err)
	}
	raw := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	// A verifier reads strictly; what it would refuse must not be signed.
	if err := jose.Valid(string(raw)); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrGrant, what, err)
	}
	return raw, nil
}

// sessionID returns a new id: a name of kind and subject, so that what is stored of one person's sessions lies together,
// and 128 random bits.
func (s *Sessions) sessionID(kind, subject string) (string, error) {
	tail, err := s.random(16)
	if err != nil {
		return "", err
	}
	return half(kind, subject) + "." + tail, nil
}

// half is the first half of the ids of a subject's sessions. No kind has a | in its name.
func half(kind, subject string) string {
	sum := sha256.Sum256([]byte(kind + "|" + subject))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:halfLen]
}

// random returns n random bytes in base64url.
func (s *Sessions) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return "", fmt.Errorf("session: Config.Rand: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// unavailable wraps an error of keys or store. It is no fault of the request, so it is logged where it happens.
func (s *Sessions) unavailable(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil { // otherwise it is the client who left
		s.log.ErrorContext(ctx, "session: "+what+" unavailable", "error", err)
	}
	switch Reason(err) {
	case "other", "unavailable", "too_large":
	default: // a hook may return an error of this package; nobody must take it for our verdict on the token
		err = errors.New(err.Error())
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
