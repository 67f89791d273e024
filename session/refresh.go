package session

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
)

const (
	// grace is how long after a rotation nothing rotates again, and how long the token before the last still answers: a
	// second tab, a second function, a browser whose answer was lost.
	grace = 30 * time.Second
	// skew is how far apart the clocks of two instances may be.
	skew = time.Minute

	refreshPurpose = "refresh/1"
	tagLen         = 43 // of an HMAC-SHA256 in base64url
)

// Why a session ended: the Reason of the event "session ended".
const (
	endReuse    = "reuse"
	endRollback = "store rollback"
	endSignOut  = "sign-out"
	endRevoked  = "revoked"
	endReplaced = "replaced"
	endRenew    = "renew"
	endReplay   = "code replayed"
)

// Refresh trades a refresh token for new tokens of the same session: a new access token with what the session says now,
// and the refresh token to use next, which is the same one until 30 s have passed since the last rotation.
//
// A refresh token is good once, but for the grace: the one before the last is answered for 90 s after it was replaced
// (30 s, and 60 s for clocks that differ) with the same successor each time, so that parallel requests and a lost answer
// sign nobody out. Any older one is a copy: it ends the session for thief and owner alike (RFC 9700 section 4.14.2).
//
// The error is ErrRefresh for what is no refresh token of this issuer, which changes nothing; ErrEnded if the session is
// over: unused for KindConfig.Idle, older than KindConfig.Absolute, ended by somebody; ErrReuse, which is an ErrEnded, if
// a token was used again; ErrUnavailable if keys or store could not be had, upon which the same token may be tried again;
// ErrStoreRequired and ErrNoSigner if this program cannot refresh at all.
func (s *Sessions) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	t, _, err := s.refresh(ctx, refresh, nil, nil)
	return t, err
}

// A ticket is a refresh token taken apart: v1.kid.sid.n.tag.
type ticket struct {
	kid, id, tag string
	number       int64
}

func parseTicket(token string) (t ticket, ok bool) {
	if len(token) > 256 {
		return t, false
	}
	parts := strings.Split(token, ".") // the id has a dot of its own
	if len(parts) != 6 || parts[0] != "v1" {
		return t, false
	}
	n, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/2 || strconv.FormatInt(n, 10) != parts[4] {
		return t, false
	}
	t = ticket{parts[1], parts[2] + "." + parts[3], parts[5], n}
	_, ok = sessionKey(t.id)
	return t, ok && t.kid != "" && base64Text(t.tag, tagLen)
}

func (s *Sessions) tagParts(id string, n int64, salt string) []string {
	return []string{s.issuer, id, strconv.FormatInt(n, 10), salt}
}

// ticketOf is the refresh token of a row: a pure function of it, so that any number of answers are the same.
func (s *Sessions) ticketOf(ctx context.Context, id string, r *row) (string, error) {
	tag, err := seal.Tag(ctx, s.secrets, r.Kid, refreshPurpose, s.tagParts(id, r.Number, r.Salt)...)
	if err != nil {
		return "", s.unavailable(ctx, "secret", err)
	}
	return "v1." + r.Kid + "." + id + "." + strconv.FormatInt(r.Number, 10) + "." + tag, nil
}

// known tells, before the store is asked, whether the secret a ticket names is one of ours.
func (s *Sessions) known(ctx context.Context, t ticket) error {
	_, err := s.secrets.Secret(ctx, t.kid)
	if errors.Is(err, keys.ErrUnknownKey) {
		return ErrRefresh
	}
	if err != nil {
		return s.unavailable(ctx, "secret", err)
	}
	return nil
}

// prove holds a ticket to the row it names.
func (s *Sessions) prove(ctx context.Context, t ticket, salt string) error {
	err := seal.CheckTag(ctx, s.secrets, t.kid, refreshPurpose, t.tag, s.tagParts(t.id, t.number, salt)...)
	if errors.Is(err, seal.ErrOpen) {
		return ErrRefresh
	}
	if err != nil {
		return s.unavailable(ctx, "secret", err)
	}
	return nil
}

// An applicant is the client of a token request, and the scopes it names.
type applicant struct {
	clientID string
	scopes   []string
}

var errScope = errors.New("session: the session does not have that scope")

// refresh is Refresh for a kind, or a client, that the session must be of. It returns the scopes as well.
func (s *Sessions) refresh(ctx context.Context, token string, kind *policy, client *applicant) (t Tokens, scopes []string, err error) {
	if err := s.canKeep(); err != nil {
		return t, nil, err
	}
	ticket, ok := parseTicket(token)
	if !ok {
		return t, nil, ErrRefresh
	}
	if err := s.known(ctx, ticket); err != nil {
		return t, nil, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, err := s.load(ctx, ticket.id)
		if err != nil {
			return false, err
		}
		if !k.found() {
			return false, refuse(ErrEnded, "")
		}
		if err := s.prove(ctx, ticket, k.Salt); err != nil {
			return false, err // of the row nothing changes: whoever guesses ends no session
		}
		p := s.kind(k.Kind)
		switch {
		case p == nil || kind != nil && p != kind:
			return false, ErrKind
		case client != nil && k.Grant != nil && k.Grant.ClientID != client.clientID: // RFC 6749 section 6
			return false, refuse(ErrRefresh, "it was given to another client_id")
		}
		now := s.now()
		if err := k.verdict(p, now); err != nil {
			return false, err
		}
		scopes = k.Grant.Scopes
		if client != nil && slices.ContainsFunc(client.scopes, func(name string) bool { return !slices.Contains(scopes, name) }) {
			return false, errScope // before anything is rotated
		}
		age := now.Sub(time.UnixMilli(k.At)) // negative, if the one who wrote it has a clock that is ahead: within the grace
		switch {
		case ticket.number == k.Number && age <= grace:
			t, err = p.again(ctx, &k)
			return true, err
		case ticket.number == k.Number:
			var done bool
			t, scopes, done, err = p.rotate(ctx, &k, now)
			return done, err
		case ticket.number == k.Number-1 && age <= grace+skew:
			if t, err = p.again(ctx, &k); err == nil {
				s.Emit(ctx, Event{Name: "refresh retried", Kind: p.name, Subject: k.Subject, SessionID: k.id})
			}
			return true, err
		}
		why, verdict := endReuse, refuseFor(ErrReuse, ErrEnded)
		if ticket.number > k.Number { // the store forgot what it had acknowledged
			why, verdict = endRollback, refuse(ErrEnded, "")
		}
		done, err := s.end(ctx, p, &k, why)
		if err == nil && done {
			err = verdict
		}
		return done, err
	})
	if err != nil {
		return Tokens{}, nil, s.ownFault(ctx, err)
	}
	return t, scopes, nil
}

// ownFault keeps a client from being told that its token is bad when the trouble is here: a session that no longer fits
// into a token, say, because of what Renew put there.
func (s *Sessions) ownFault(ctx context.Context, err error) error {
	for _, verdict := range []error{ErrRefresh, ErrEnded, ErrKind, ErrUnavailable} {
		if errors.Is(err, verdict) {
			return err
		}
	}
	return s.unavailable(ctx, "token", err)
}

// answer makes the tokens of a row as it stands.
func (p *policy) answer(ctx context.Context, id string, r *row) (Tokens, error) {
	t, err := p.issue(ctx, r.Grant.blank(r), id, r.Grant.ClientID, time.UnixMilli(r.Absolute))
	if err != nil {
		return Tokens{}, err
	}
	return p.withTicket(ctx, t, id, r)
}

// again is answer for a row that stays as it is. Who wrote it may let it live for longer than this program would.
func (p *policy) again(ctx context.Context, k *kept) (Tokens, error) {
	t, err := p.answer(ctx, k.id, &k.row)
	if err == nil {
		t.RefreshExpires = later(t.RefreshExpires, k.item.Expires)
	}
	return t, err
}

func (p *policy) withTicket(ctx context.Context, t Tokens, id string, r *row) (_ Tokens, err error) {
	if t.Refresh, err = p.sessions.ticketOf(ctx, id, r); err != nil {
		return Tokens{}, err
	}
	t.RefreshExpires = time.UnixMilli(min(r.idleEnd(p.idle), r.Absolute))
	return t, nil
}

// rotate moves a session on to its next refresh token. The tokens are made before the write: a signer that fails must
// not strand a rotation that nobody got the answer of.
func (p *policy) rotate(ctx context.Context, k *kept, now time.Time) (Tokens, []string, bool, error) {
	s := p.sessions
	fail := func(err error) (Tokens, []string, bool, error) { return Tokens{}, nil, false, err }
	secret, err := s.secrets.Secret(ctx, "")
	if err != nil {
		return fail(s.unavailable(ctx, "secret", err))
	}
	next := k.row
	if p.renew != nil {
		next, err = p.renew(ctx, k)
		switch {
		case errors.Is(err, ErrEnded):
			done, err := s.end(ctx, p, k, endRenew)
			if err == nil && done {
				err = refuse(ErrEnded, "")
			}
			return Tokens{}, nil, done, err
		case err != nil:
			return fail(s.unavailable(ctx, "KindConfig.Renew", err))
		}
	}
	next.Number, next.Kid, next.At, next.Seen = k.Number+1, secret.ID, now.UnixMilli(), 0
	before := next.Grant
	grant := *before
	grant.Claims = p.freshen(ctx, k.id, grant.ClientID, grant.blank(&next))
	next.Grant = &grant
	t, err := p.answer(ctx, k.id, &next)
	if errors.Is(err, ErrTooLarge) { // of a claim that has grown; one that does not fit must not end the session
		next.Grant = before
		t, err = p.answer(ctx, k.id, &next)
	}
	if err != nil {
		return fail(err)
	}
	put, err := k.put(next, p.idle)
	if err != nil {
		return fail(err)
	}
	won, err := s.commit(ctx, put)
	if err != nil || !won {
		return fail(err)
	}
	s.Emit(ctx, Event{Name: "session refreshed", Kind: p.name, Subject: k.Subject, SessionID: k.id})
	return t, next.Grant.Scopes, true, nil
}
