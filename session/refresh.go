package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
)

const (
	refreshPurpose = "refresh/1"
	tagLen         = 43 // of an HMAC-SHA256 in base64url
)

// The values of Reason in the event "session ended".
const (
	endReuse    = "reuse"
	endRollback = "store rollback"
	endSignOut  = "sign-out"
	endRevoked  = "revoked"
	endReplaced = "replaced"
	endRenew    = "renew"
	endReplay   = "code replayed"
	endCrowded  = "too many"
	endSecurity = "security"
	endGone     = "gone"
	endActor    = "actor"
)

// Refresh trades a refresh token for new tokens of the same session: an access token with the present state of the
// session, and the refresh token to use next.
//
// A session has one current refresh token. Refresh replaces it by a new one, at most every 30 s: within 30 s of the
// last replacement, the answer has the current token itself. Parallel requests and lost answers sign nobody out,
// because the token before the current one still works:
//
//   - For 90 s after the replacement (30 s, and 60 s for clocks that differ) it is answered with the current token.
//   - Later it is traded for a new token, because the earlier answer was lost. If that answer is lost too, the same
//     token can be sent again. The token of the lost answer no longer works; if it is used after all, it counts as a
//     copy.
//
// Every other old token is a copy. Its use ends the session, for the thief and the owner alike (RFC 9700 section
// 4.14.2).
//
// The error is
//
//   - ErrRefresh if the text is not a refresh token of this issuer; nothing has changed then. [Reason] returns
//     "unknown_key" if the token names a secret that this program does not have,
//   - ErrEnded if the session is over: unused for KindConfig.Idle, older than KindConfig.Absolute, or ended by a call,
//   - ErrReuse, which also matches ErrEnded, if a copy was used,
//   - ErrUnavailable if the keys or the store are unavailable; the same token may be tried again,
//   - ErrStoreRequired or ErrNoSigner if this program is not configured to refresh.
func (s *Sessions) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	return s.refresh(ctx, refresh, nil, nil)
}

// parse reads a refresh token and finds the secret that it names, before the store is asked. It returns ErrRefresh if
// the token is not one of this issuer.
func (s *Sessions) parse(ctx context.Context, token string) (refreshToken, error) {
	t, ok := parseRefreshToken(token)
	if !ok {
		return t, ErrRefresh
	}
	return t, s.known(ctx, t)
}

// known returns ErrRefresh if the secret that a token names has ended, and errUnknownSecret if this program never had
// it. In the second case the session may live: another process may have the secret.
func (s *Sessions) known(ctx context.Context, t refreshToken) error {
	_, err := s.secrets.Secret(ctx, t.kid)
	switch {
	case errors.Is(err, keys.ErrRetired):
		return ErrRefresh
	case errors.Is(err, keys.ErrUnknownKey):
		s.warnUnknownKey(ctx)
		return errUnknownSecret
	case err != nil:
		return s.unavailable(ctx, "secret", err)
	}
	return nil
}

var errUnknownSecret = refuseFor(ErrRefresh, errUnknownKey)

// prove checks the tag of a token with the salt of the row that the token names.
func (s *Sessions) prove(ctx context.Context, t refreshToken, salt string) error {
	err := seal.CheckTag(ctx, s.secrets, t.kid, refreshPurpose, t.tag, s.tagParts(t.id, t.user, t.number, salt)...)
	if errors.Is(err, seal.ErrOpen) {
		return refuseFor(ErrRefresh, errForged)
	}
	if err != nil {
		return s.unavailable(ctx, "secret", err)
	}
	return nil
}

// A tokenClient is the client of a token request, and the scopes that the request names.
type tokenClient struct {
	clientID string
	scopes   []string
}

var errScope = errors.New("session: the session does not have that scope")

// refresh is Refresh, with the kind and the client that the session must have. nil allows any.
func (s *Sessions) refresh(ctx context.Context, token string, kind *policy, client *tokenClient) (t Tokens, err error) {
	if err := s.canKeep(); err != nil {
		return t, err
	}
	presented, err := s.parse(ctx, token)
	if err != nil {
		return t, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, p, err := s.proven(ctx, presented, kind)
		if headReason(err) != "" {
			return s.endByHead(ctx, p, &k, err)
		}
		if err != nil {
			return false, err
		}
		if client != nil && k.Grant.ClientID != client.clientID { // RFC 6749 section 6
			return false, refuse(ErrRefresh, "it was given to another client_id")
		}
		if client != nil && slices.ContainsFunc(client.scopes, func(name string) bool { return !slices.Contains(k.Grant.Scopes, name) }) {
			return false, errScope // before anything is rotated
		}
		now := s.now()
		use := k.useOf(presented.number, now)
		switch use {
		case useCurrent, useRetried:
			done := true
			if p.rightsMoved(&k) {
				t, done, err = p.reload(ctx, &k)
			} else {
				t, err = p.again(ctx, &k)
			}
			if err == nil && done && use == useRetried {
				s.Emit(ctx, Event{Name: "refresh retried", Kind: p.name, Subject: k.Subject, SessionID: k.id, Actor: k.actor()})
			}
			return done, err
		case useRotates, useLost:
			var done bool
			t, done, err = p.rotate(ctx, &k, presented.number, now)
			return done, err
		}
		return s.endFor(ctx, p, &k, use)
	})
	if err != nil {
		return Tokens{}, s.ownFault(ctx, err)
	}
	return t, nil
}

// proven loads the session of a refresh token and checks that the token belongs to it, that the session lives, and that
// it is of the kind; a nil kind allows any. A wrong tag changes nothing, so that a guess cannot end a session.
func (s *Sessions) proven(ctx context.Context, t refreshToken, kind *policy) (record, *policy, error) {
	k, err := s.loadBy(ctx, t, true)
	if err != nil {
		return k, nil, err
	}
	p := s.kind(k.Kind)
	if p == nil || kind != nil && p != kind {
		return k, nil, ErrKind
	}
	return k, p, k.verdict(p, s.now())
}

// loadBy loads the session of a refresh token and checks that the token belongs to it. The cause of the error is
// errForged if it does not, or if there is no such session. With headed it reads the head of the user, too.
func (s *Sessions) loadBy(ctx context.Context, t refreshToken, headed bool) (record, error) {
	salt, attacked := s.forgery.salts.Get(t.id, s.now())
	if attacked {
		if err := s.prove(ctx, t, salt); err != nil {
			return record{}, err
		}
	}
	l := lookup{read: (*row).read, head: headed}
	if headed {
		l.user = t.head()
	}
	k, err := s.loadWith(ctx, t.id, l)
	if err != nil {
		return k, err
	}
	if !k.found() {
		return k, refuseFor(ErrEnded, errForged)
	}
	err = s.prove(ctx, t, k.Salt)
	if errors.Is(err, errForged) {
		s.forgery.salts.Put(t.id, k.Salt, s.now().Add(forgedEvery))
	}
	return k, err
}

// endFor ends a session because a copy of a token was used, or because the store lost a write.
func (s *Sessions) endFor(ctx context.Context, p *policy, k *record, use tokenUse) (bool, error) {
	done, err := s.end(ctx, p, k, use.reason())
	if err == nil && done {
		err = use.verdict()
	}
	return done, err
}

// ownFault turns an error of this program into ErrUnavailable, so that the client does not throw away a good token. For
// example, OnRefresh may have added so much that the session no longer fits into a token.
func (s *Sessions) ownFault(ctx context.Context, err error) error {
	for _, verdict := range []error{ErrRefresh, ErrEnded, ErrKind, ErrUnavailable} {
		if errors.Is(err, verdict) {
			return err
		}
	}
	return s.unavailable(ctx, "token", err)
}

// answer makes the tokens of a row. It changes nothing.
func (p *policy) answer(ctx context.Context, id string, r *row) (Tokens, error) {
	t, err := p.issue(ctx, r.Grant.encoded(r), id, r.Grant.ClientID, time.UnixMilli(r.Absolute))
	if err != nil {
		return Tokens{}, err
	}
	return p.withRefreshToken(ctx, t, id, r)
}

// again is answer for a row that was read from the store. The program that wrote it may have a longer Idle than this
// one; the later end counts.
func (p *policy) again(ctx context.Context, k *record) (Tokens, error) {
	t, err := p.answer(ctx, k.id, &k.row)
	if err == nil {
		t.RefreshExpires = later(t.RefreshExpires, k.item.Expires)
	}
	return t, err
}

func (p *policy) withRefreshToken(ctx context.Context, t Tokens, id string, r *row) (_ Tokens, err error) {
	if t.Refresh, err = p.refreshTokenOf(ctx, id, r); err != nil {
		return Tokens{}, err
	}
	t.RefreshExpires = time.UnixMilli(min(r.idleEnd(p.idle), r.Absolute))
	return t, nil
}

// A tokenUse classifies a presented refresh token of a session that lives.
type tokenUse int

const (
	useCurrent    tokenUse = iota // the current token, within the grace: answered without a write
	useRotates                    // the current token, later: traded for the next one
	useRetried                    // the token before the current one, within the grace: answered without a write
	useLost                       // the token before the current one, later: its answer was lost, so it is traded again
	useReuse                      // an older token, or the token of a lost answer: a copy
	useRolledBack                 // a token newer than the row: the store lost a write that it had acknowledged
)

// useOf classifies the token with a number. If the writer's clock is ahead, the age is negative, which is within the
// grace.
func (r *row) useOf(number int64, now time.Time) tokenUse {
	age := now.Sub(time.UnixMilli(r.At))
	switch {
	case number > r.Number:
		return useRolledBack
	case number == r.Number && age <= grace:
		return useCurrent
	case number == r.Number:
		return useRotates
	case number != r.Prev:
		return useReuse
	case age <= grace+skew:
		return useRetried
	}
	return useLost
}

// copied reports whether this use ends the session.
func (u tokenUse) copied() bool { return u == useReuse || u == useRolledBack }

// reason is the Reason of the event that ends a session because of this use.
func (u tokenUse) reason() string {
	if u == useRolledBack {
		return endRollback
	}
	return endReuse
}

// verdict is the error of the request that ends a session because of this use.
func (u tokenUse) verdict() error {
	if u == useRolledBack {
		return refuse(ErrEnded, "")
	}
	return refuseFor(ErrReuse, ErrEnded)
}
