package session

import (
	"context"
	"fmt"
	"time"
)

// end puts the tombstone of a session in its place and reports whether this call did. What the session knew goes; what
// tells a replay from a token that was never issued stays until the session would have ended anyway.
func (s *Sessions) end(ctx context.Context, p *policy, k *kept, why string) (bool, error) {
	put, err := k.put(k.ended(why), p.idle)
	if err != nil {
		return false, err
	}
	won, err := s.commit(ctx, put)
	if won {
		s.Emit(ctx, Event{Name: "session ended", Reason: why, Kind: k.Kind, Subject: k.Subject, SessionID: k.id})
	}
	return won, err
}

func (k *kept) ended(why string) row {
	r := k.row
	r.Ended, r.Grant, r.Data, r.Device, r.Place = why, nil, nil, "", ""
	return r
}

// Revoke ends the session with the given id. Its refresh token is dead when Revoke returns; access tokens that are out
// live until they expire, unless a guard asks [CheckStore]. A session that is over already, or never was, is no error.
// ErrUnavailable: the store could not be had, and the session may live on.
func (s *Sessions) Revoke(ctx context.Context, id string) error {
	return s.revoke(ctx, id, endRevoked)
}

func (s *Sessions) revoke(ctx context.Context, id, why string) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, err := s.load(ctx, id)
		if err != nil || !k.found() || k.Ended != "" {
			return true, err
		}
		p := s.kind(k.Kind)
		if p == nil { // nothing of the policy is needed to end it
			p = &policy{sessions: s}
		}
		return s.end(ctx, p, &k, why)
	})
}

// RevokeSubject ends all sessions of a subject, of every kind of s that keeps sessions: one write for each kind, however
// many sessions there are. Sessions being created or refreshed at that moment are caught too. Errors as Revoke.
func (s *Sessions) RevokeSubject(ctx context.Context, subject string) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	for _, p := range s.policies() {
		if p.stateless {
			continue
		}
		if err := p.revokeSubject(ctx, subject); err != nil {
			return err
		}
	}
	return nil
}

func (p *policy) revokeSubject(ctx context.Context, subject string) error {
	s := p.sessions
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		e, err := s.loadEpoch(ctx, half(p.name, subject))
		if err != nil {
			return false, err
		}
		won, err := s.commit(ctx, e.moved())
		if won {
			s.Emit(ctx, Event{Name: "subject revoked", Kind: p.name, Subject: subject})
		}
		return won, err
	})
}

// RevokeOthers ends all sessions of the subject and kind of a session but that one. Errors as Revoke, and ErrEnded if
// the session to keep is over.
func (s *Sessions) RevokeOthers(ctx context.Context, id string) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, p, err := s.living(ctx, id)
		if err != nil {
			return false, err
		}
		stays := k.row
		stays.Epoch = k.epoch.number + 1
		put, err := k.put(stays, p.idle)
		if err != nil {
			return false, err
		}
		won, err := s.commit(ctx, put, k.epoch.moved())
		if won {
			s.Emit(ctx, Event{Name: "others revoked", Kind: p.name, Subject: k.Subject, SessionID: id})
		}
		return won, err
	})
}

// living loads a session that must be alive.
func (s *Sessions) living(ctx context.Context, id string) (kept, *policy, error) {
	k, err := s.load(ctx, id)
	if err != nil {
		return k, nil, err
	}
	if !k.found() {
		return k, nil, refuse(ErrEnded, "")
	}
	p := s.kind(k.Kind)
	if p == nil {
		return k, nil, ErrKind
	}
	if err := k.verdict(p, s.now()); err != nil {
		return k, nil, err
	}
	return k, p, nil
}

// seenEvery is how often the use of a session is written down, at most.
const seenEvery = time.Hour

// checkStore asks the store whether a session lives: one round trip, and a write an hour. It returns the claims that the
// store holds of it, which take the place of those of the token.
func (p *policy) checkStore(ctx context.Context, id string) (claims string, err error) {
	s := p.sessions
	if s.store == nil {
		return "", fmt.Errorf("%w: KindConfig.CheckStore asks it; set session.Config.Store", ErrStoreRequired)
	}
	k, err := s.loadWith(ctx, id, (*row).glance)
	if err != nil {
		return "", err
	}
	now := s.now()
	if err := k.verdict(p, now); err != nil {
		return "", err
	}
	if k.Kind != p.name {
		return "", ErrKind
	}
	damaged := func(err error) (string, error) {
		return "", s.unavailable(ctx, "store", fmt.Errorf("a row of sessions does not decode: %w", err))
	}
	if p.hasClaims() {
		if claims, err = k.claims(); err != nil {
			return damaged(err)
		}
	}
	if now.UnixMilli()-max(k.At, k.Seen) < seenEvery.Milliseconds() {
		return claims, nil
	}
	if err := k.read(k.item.Value); err != nil {
		return damaged(err)
	}
	seen := k.row
	seen.Seen = now.UnixMilli()
	put, err := k.put(seen, p.idle)
	if err != nil {
		return "", err
	}
	// Whoever was faster has written a later time. A store that reads but does not write is no reason to turn away.
	_, _ = s.commit(ctx, put)
	return claims, nil
}

// canEnd tells what is missing for ending and listing.
func (s *Sessions) canEnd() error {
	if s.store == nil {
		return fmt.Errorf("%w: sessions are ended in a store; set session.Config.Store", ErrStoreRequired)
	}
	return nil
}

var errNoSecrets = fmt.Errorf("%w: refresh tokens need session.Config.Secrets; a keys.Ring has them", ErrNoSigner)

// canKeep tells what is missing for sessions that live in the store.
func (s *Sessions) canKeep() error {
	switch {
	case s.store == nil:
		return fmt.Errorf("%w: set session.Config.Store, or KindConfig.Stateless for sessions that can be neither refreshed nor ended", ErrStoreRequired)
	case s.secrets == nil:
		return errNoSecrets
	case s.signer == nil:
		return fmt.Errorf("%w: give session.Config.Keys a keys.Ring or another keys.Signer", ErrNoSigner)
	}
	return nil
}
