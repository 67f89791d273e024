package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// checkClaims checks the claims that a gate needs, and renews those that are due, if it can. others means that the
// session fails another need already: then nothing is renewed. give hands a new access token to the client.
func (g *gate) checkClaims(ctx context.Context, session checkedSession, give giver, others bool) (unmet, error) {
	now, c := g.now(), session.common()
	failed, due := judgeAll(g.claims, c.claims, now)
	if len(due) == 0 || others || g.policy.stateless {
		return failed, nil
	}
	p := g.policy
	if p.sessions.canKeep() != nil {
		// A token that is younger than a rotation is as new as a refresh can make it: no client runs in a circle.
		for _, n := range failed {
			if n.told.Message == wrongValue || now.Sub(c.issued.Add(backdate)) <= grace {
				return failed, nil
			}
		}
		return nil, stale{failed}
	}
	if g.stored && !slices.ContainsFunc(due, func(n ClaimNeed) bool { return n.fact.fetch != nil }) {
		return failed, nil // the store was asked a moment ago
	}
	text, t, err := p.renewClaims(ctx, c, due, give != nil)
	if err != nil {
		return nil, err
	}
	if t.Access != "" && give != nil {
		give(t)
	}
	session.setClaims(text)
	failed, _ = judgeAll(g.claims, text, g.now())
	return failed, nil
}

// judgeAll checks the text of a session's claims against needs. due are those for which to look for a newer value.
func judgeAll(needs []ClaimNeed, text string, now time.Time) (failed unmet, due []ClaimNeed) {
	for _, n := range needs {
		a, found := findClaim(text, n.fact.name)
		wrong, worth := n.judge(a, found, now)
		if wrong != "" {
			failed = append(failed, n.failed(wrong, a, now))
		}
		if worth {
			due = append(due, n)
		}
	}
	return failed, due
}

// renewClaims looks for newer values in the store, fetches those that are still due, and writes them. It returns the
// claims as they are then. If sign is set and the token of the request has not expired, it also returns tokens with
// these claims, which expire with that token.
func (p *policy) renewClaims(ctx context.Context, c common, due []ClaimNeed, sign bool) (text string, t Tokens, err error) {
	s, id, expires := p.sessions, c.id, c.expires
	// One request of a session fetches; the others wait and find in the store what it wrote.
	unlock, err := p.fetching.lock(ctx, id)
	if err != nil {
		return "", t, s.unavailable(ctx, "claim", err)
	}
	defer unlock()
	fetched := make(claimed)
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		old, _, err := s.living(ctx, id, p.userOf(c.subject), p)
		if err != nil {
			return false, err
		}
		b := old.Grant.encoded(&old.row)
		changed := make(claimed)
		for _, n := range due {
			a, found := b.claims[n.fact.name]
			if _, worth := n.judge(a, found, s.now()); !worth || n.fact.fetch == nil {
				continue
			}
			a, found = fetched[n.fact.name]
			if !found {
				if a.value, err = n.fact.fetch(ctx, id, old.Grant.ClientID, b); err != nil {
					return false, s.unavailable(ctx, "claim "+n.fact.name, err)
				}
				a.at = s.now().Unix()
				fetched[n.fact.name] = a
			}
			changed[n.fact.name] = a
		}
		b.claims = b.claims.with(changed, false)
		text = b.claims.text()
		if t = (Tokens{}); len(changed) > 0 || sign {
			// Also without sign: claims that do not fit into a token must not be written.
			if t, err = p.sign(ctx, b, id, old.Grant.ClientID, expires); errors.Is(err, ErrTooLarge) {
				return false, s.unavailable(ctx, "claim", err)
			} else if err != nil {
				return false, err
			}
		}
		if !sign || !s.now().Before(expires) {
			t = Tokens{}
		}
		if len(changed) == 0 {
			return true, nil
		}
		next, grant := old.row, *old.Grant
		grant.Claims, next.Grant = b.claims, &grant
		put, err := old.put(next, p.idle)
		if err != nil {
			return false, err
		}
		return s.commit(ctx, put)
	})
	if err != nil {
		return "", Tokens{}, err
	}
	return text, t, nil
}

// freshen fetches the claims that are missing or older than MaxAge, for tokens that are about to be made. If a fetch
// fails, the claim stays as it is: the routes that need it will refuse.
func (p *policy) freshen(ctx context.Context, id, clientID string, b encodedGrant) claimed {
	s := p.sessions
	out := b.claims.with(nil, false)
	s.mu.RLock()
	facts := p.claimSpecs
	s.mu.RUnlock()
	for _, f := range facts {
		a, found := out[f.name]
		if f.fetch == nil || found && (f.maxAge == 0 || a.age(s.now()) <= f.maxAge) {
			continue
		}
		value, err := f.fetch(ctx, id, clientID, b)
		if err != nil {
			s.log.ErrorContext(ctx, "session: claim not fetched", "claim", f.name, "kind", p.name, "error", err)
			continue
		}
		out = out.with(claimed{f.name: {value, s.now().Unix()}}, false)
	}
	return out
}

// stale is the error for claims that a refresh could renew.
type stale struct{ unmet }

func (s stale) Unwrap() error { return ErrNeed }

// queue is one lock for each of many keys.
type queue struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func (q *queue) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		q.mu.Lock()
		before, busy := q.busy[key]
		if !busy {
			done := make(chan struct{})
			if q.busy == nil {
				q.busy = make(map[string]chan struct{})
			}
			q.busy[key] = done
			q.mu.Unlock()
			return func() {
				q.mu.Lock()
				delete(q.busy, key)
				q.mu.Unlock()
				close(done)
			}, nil
		}
		q.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
