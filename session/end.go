package session

import (
	"context"
	"fmt"
	"time"

	"github.com/posternauth/postern/store"
)

// end marks a session as ended and reports whether this call did so. The session's data is deleted. The fields that
// distinguish a replayed token from a forged one stay until the session would have expired unused, after a theft until
// Absolute. The rows that insert ends expire earlier. Of a session that has ended, it ends what endsWith returns.
func (s *Sessions) end(ctx context.Context, p *policy, k *record, why string) (bool, error) {
	others, x, err := p.endsWith(ctx, k, why)
	if err != nil {
		return false, err
	}
	all := others
	if k.Ended == "" {
		all = append([]record{*k}, others...)
	}
	if len(all) == 0 {
		return true, nil
	}
	gone := tails(all)
	for len(all) > maxEndedAtOnce { // k is in the last write: after an error the person can sign out again
		from := max(maxEndedAtOnce, len(all)-maxEndedAtOnce)
		if won, err := p.endAll(ctx, all[from:], why); err != nil || !won {
			return false, err
		}
		all = all[:from]
	}
	if x != nil {
		left, needed, err := x.without(gone)
		if err != nil {
			return false, err
		}
		if !needed {
			left = store.Check(x.item.Key, x.item.Version)
		}
		return p.endAll(ctx, all, why, left)
	}
	if left, needed := s.leaves(ctx, k, gone); needed {
		if won, err := p.endAll(ctx, all, why, left); won || err != nil {
			return won, err
		}
		// Another session may have begun. What is left in the index counts until crowdOut reads it; it must not hold up
		// an end.
	}
	return p.endAll(ctx, all, why)
}

// leaves returns the change that takes sessions of the subject of k out of its index. It is not needed if they are not
// there, or if the index cannot be read: their rows say that they have ended.
func (s *Sessions) leaves(ctx context.Context, k *record, gone []string) (left store.Change, needed bool) {
	if k.index == nil {
		key := store.Key{Part: k.item.Key.Part, ID: indexID}
		items, err := s.store.Get(ctx, key)
		if err != nil || len(items) == 0 {
			return left, false
		}
		k.index = &items[0]
	}
	var x index
	if k.index.Version == "" || x.read(*k.index) != nil {
		return left, false
	}
	left, needed, err := x.without(gone)
	return left, needed && err == nil
}

// maxEndedAtOnce is how many sessions end in one write.
const maxEndedAtOnce = 20

// endAll ends sessions in one write, if checks hold, and reports whether it did.
func (p *policy) endAll(ctx context.Context, all []record, why string, checks ...store.Change) (bool, error) {
	changes, err := p.endChanges(all, why)
	if err != nil {
		return false, err
	}
	won, err := p.sessions.commit(ctx, append(changes, checks...)...)
	if won {
		for _, k := range all {
			p.sessions.emitEnded(ctx, &k, why)
		}
	}
	return won, err
}

func (p *policy) endChanges(all []record, why string) (changes []store.Change, err error) {
	for _, k := range all {
		put, err := k.put(k.ended(why), p.idle)
		if err != nil {
			return nil, err
		}
		changes = append(changes, put)
	}
	return changes, nil
}

// ended returns the row of the session after its end.
func (k *record) ended(why string) row {
	r := k.row
	r.Ended, r.Grant, r.Data, r.Device, r.Address = why, nil, nil, "", ""
	return r
}

// Revoke ends the session with the given id. When Revoke returns without an error, the session's refresh token no
// longer works. Its access tokens work until they expire, except on routes with [CheckStore]. It is not an error if the
// session has ended already or never existed.
//
// The error is ErrUnavailable if the store is unavailable, and the session may still live then; ErrStoreRequired if
// there is no store.
func (s *Sessions) Revoke(ctx context.Context, id string) error {
	return s.revoke(ctx, id, endRevoked)
}

func (s *Sessions) revoke(ctx context.Context, id, why string) error {
	_, err := s.revokeFound(ctx, id, why)
	return err
}

// revokeFound is revoke, and returns the session as it was found.
func (s *Sessions) revokeFound(ctx context.Context, id, why string) (k record, err error) {
	if err := s.canEnd(); err != nil {
		return k, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		if k, err = s.loadWith(ctx, id, lookup{read: (*row).read, index: true}); err != nil || !k.found() || k.Ended != "" && !k.signsOut(why) {
			return true, err
		}
		p := s.kind(k.Kind)
		if p == nil { // nothing of the policy is needed to end it
			p = &policy{sessions: s, name: k.Kind}
		}
		return s.end(ctx, p, &k, why)
	})
	return k, err
}

// RevokeSubject ends all sessions of a subject, of every kind that is not Stateless. It makes one write for each kind,
// however many sessions there are. It also ends sessions that are being created or refreshed at the same moment. The
// errors are those of Revoke.
//
// For kinds with a Pool it also moves the head of the user, so that everything else that was minted for the user ends
// too, such as a sign-in that is not finished. If the store cannot write the head and the sessions together, it writes
// the head first. After an error, call RevokeSubject again: it ends what is left.
func (s *Sessions) RevokeSubject(ctx context.Context, subject string) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	moved := headMoves{}
	for _, p := range s.policies() {
		if p.stateless {
			continue
		}
		if err := p.revokeSubject(ctx, subject, moved); err != nil {
			return err
		}
	}
	return nil
}

// revokeSubject is RevokeSubject for one kind. It moves the head of the user unless that is among moved.
func (p *policy) revokeSubject(ctx context.Context, subject string, moved headMoves) error {
	s, user := p.sessions, p.userOf(subject)
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		u, err := p.loadSubject(ctx, subject)
		if err != nil {
			return false, err
		}
		changes := []store.Change{u.epoch.moved()}
		_, done := moved[user]
		switch {
		case p.pool == "" || done:
		case s.twoParts:
			changes = append(changes, u.head.Moved().Put())
		default:
			if won, err := s.moveFirst(ctx, user, u.head, moved); err != nil || !won {
				return false, err
			}
		}
		won, err := s.commit(ctx, changes...)
		if won {
			moved.add(user, u.head)
			s.Emit(ctx, Event{Name: "subject revoked", Kind: p.name, Subject: subject})
		}
		return won, err
	})
}

// RevokeOthers keeps the session with the given id, and the one that is paired with it (see [Kind.CodeAndCookies]), and
// ends all other sessions of the same subject and kind. The errors are those of Revoke, ErrEnded if the session to keep
// has ended, and ErrImpersonated if it is an impersonation.
//
// If the kind has a Pool, RevokeOthers moves the head of the user. That also ends the sessions of other kinds of the
// pool and everything else that was minted for the user. If the store cannot write the head and the sessions together
// and the second write fails, the sessions to keep end as well.
func (s *Sessions) RevokeOthers(ctx context.Context, id string) error {
	return s.revokeOthers(ctx, id, headMoves{})
}

// revokeOthers is RevokeOthers. It moves the head of the user unless that is among moved.
func (s *Sessions) revokeOthers(ctx context.Context, id string, moved headMoves) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	var pair []string // the tails of the others that are kept
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, p, err := s.living(ctx, id, store.Key{}, nil)
		var user store.Key
		if p != nil {
			user = p.userOf(k.Subject)
		}
		if err = moved.allow(user, &k, err); err != nil {
			return false, err
		}
		if k.Act != nil {
			return false, ErrImpersonated
		}
		kept, err := p.partners(ctx, &k, pair, func(o *record) bool { return moved.allow(user, o, o.verdict(p, s.now())) == nil })
		if err != nil {
			return false, err
		}
		pair = tails(kept)
		sec, others := k.Sec, []store.Change{k.epoch.moved()}
		if p.pool != "" {
			_, done := moved[user]
			next := k.head.Moved()
			switch {
			case done:
				next = k.head
			case s.twoParts:
				others = append(others, next.Put())
			default:
				if won, err := s.moveFirst(ctx, user, k.head, moved); err != nil || !won {
					return false, err
				}
			}
			sec = next.Sec
		}
		kept = append(kept, k)
		if p.pool != "" && !s.twoParts {
			named, err := p.named(ctx, kept)
			if err != nil {
				return false, err
			}
			others = append(others, named)
		}
		var changes []store.Change
		for _, o := range kept {
			stays := o.row
			stays.Epoch, stays.Sec = k.epoch.number+1, sec
			put, err := o.put(stays, p.idle)
			if err != nil {
				return false, err
			}
			changes = append(changes, put)
		}
		won, err := s.commit(ctx, append(changes, others...)...)
		if won {
			moved.add(user, k.head)
			s.Emit(ctx, Event{Name: "others revoked", Kind: p.name, Subject: k.Subject, SessionID: id})
		}
		return won, err
	})
}

// living loads a session. It returns ErrEnded if the session has ended, and ErrKind if it is of another kind; a nil
// kind allows any. user is the key of the head, or zero if it is not known. With an error of headVerdict it returns the
// session and its kind, too.
func (s *Sessions) living(ctx context.Context, id string, user store.Key, kind *policy) (record, *policy, error) {
	k, err := s.loadHeaded(ctx, id, user)
	if err != nil {
		return k, nil, err
	}
	if !k.found() {
		return k, nil, refuse(ErrEnded, "")
	}
	p := s.kind(k.Kind)
	if p == nil || kind != nil && p != kind {
		return k, nil, ErrKind
	}
	return k, p, k.verdict(p, s.now())
}

// seenEvery is the shortest time between two writes that record the use of a session.
const seenEvery = time.Hour

// checkStore asks the store whether the session of a token lives. That is one read, and at most one write per hour. It
// returns the claims of the stored session, which replace the claims of the token. The error is errRights if the token
// has roles from before the rights of the user changed.
func (p *policy) checkStore(ctx context.Context, c common) (claims string, err error) {
	s := p.sessions
	if s.store == nil {
		return "", fmt.Errorf("%w: CheckStore asks the store; set session.Config.Store", ErrStoreRequired)
	}
	k, err := s.loadWith(ctx, c.id, lookup{read: (*row).readLiveness, head: p.pool != "" || c.actor != "", user: p.userOf(c.subject)})
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
	if k.headed && c.rights != k.head.Rights {
		return "", errRights
	}
	if p.hasClaims() {
		if claims, err = k.claims(); err != nil {
			return "", s.damaged(ctx, err)
		}
	}
	if now.UnixMilli()-k.lastUsed() < seenEvery.Milliseconds() {
		return claims, nil
	}
	if err := k.read(k.item.Value); err != nil {
		return "", s.damaged(ctx, err)
	}
	seen := k.row
	seen.Seen = now.UnixMilli()
	put, err := k.put(seen, p.idle)
	if err != nil {
		return "", err
	}
	// Best effort: on a conflict another request recorded a later time, and a failed write must not fail the check.
	_, _ = s.commit(ctx, put)
	return claims, nil
}
