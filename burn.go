package postern

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/together"
	"github.com/posternauth/postern/store"
)

// How many attempts of one client address may fail after they were resumed: each has cost a row in the store and, with
// most providers, a request with our client secret. Wider networks get more, see clientip.Networks. What succeeds is
// not counted, so that the people behind one address can all sign in.
const (
	failuresBurst = 100
	failuresEvery = 10 * time.Minute

	// underwayMost bounds the attempts of one client that are under way at once in this process: so many can pass
	// before their failures are counted.
	underwayMost = 256
)

// burn marks an attempt as used, once. Before the mark is written, it checks how many attempts of this client failed
// lately.
func (a *Auth) burn(r *http.Request, t *attempt) *Error {
	ctx := r.Context()
	key := usedKey(a.attempts.place(t.ID))
	if err := a.checkFailures(r, key); err != nil {
		return err
	}
	value, err := a.sealRow(ctx, key, usedAttempt{Flow: t.Flow, Target: t.Target})
	if err != nil {
		return unavailable(fmt.Errorf("postern: marking an attempt as used: %w", err))
	}
	put := store.Put(store.Item{Key: key, Value: value, Expires: attemptGone(t)})
	switch err := together.Write(ctx, a.store, put); {
	case errors.Is(err, store.ErrConflict):
		return errUsed()
	case err != nil:
		return unavailable(fmt.Errorf("postern: marking an attempt as used: %w", err))
	}
	if x := exchangeOf(r); x != nil {
		x.used = put.Item
	}
	return nil
}

// checkFailures refuses an attempt that was used before, or whose client failed too often. It only reads.
func (a *Auth) checkFailures(r *http.Request, used store.Key) *Error {
	x := exchangeOf(r)
	if x == nil || limit.IsProved(r.Context()) {
		return nil
	}
	buckets := a.failures(r)
	// It enters before the counts are read: a request that read them and then waited would not be among those under
	// way.
	client := buckets[0].Key
	leave, ok := a.underway.Enter(client.Part+client.ID, underwayMost)
	if !ok {
		return refusal(&limit.Error{Rule: buckets[0].Rule.Name, RetryAfter: time.Second, Bucket: buckets[0]})
	}
	if err := a.mayFail(r, used, buckets); err != nil {
		leave()
		return err
	}
	x.leave = leave
	return nil
}

// mayFail refuses an attempt that was used before, or one more failure than the buckets have room for.
func (a *Auth) mayFail(r *http.Request, used store.Key, buckets []limit.Bucket) *Error {
	items, err := a.store.Get(r.Context(), append(limit.Keys(buckets...), used)...)
	if err != nil {
		return unavailable(fmt.Errorf("postern: reading an attempt: %w", err))
	}
	for _, item := range items {
		if item.Key == used {
			return errUsed()
		}
	}
	state, err := limit.Decode(items, buckets...)
	if err != nil {
		return unavailable(err)
	}
	if _, err := state.Take(a.sessions.Now()); err != nil {
		return refusal(err)
	}
	return nil
}

// failures are the buckets of a request's client address.
func (a *Auth) failures(r *http.Request) []limit.Bucket {
	return limit.Client(limit.Rule{Name: "callback", Every: failuresEvery, Burst: failuresBurst}, a.issuer, a.clients.Addr(r))
}

// countFailure counts an attempt that failed after it was resumed, and returns the error to answer: e, or 503 if it
// could not be counted. A client that has gone is counted as well.
func (a *Auth) countFailure(r *http.Request, e *Error) *Error {
	x := exchangeOf(r)
	if x == nil || x.leave == nil || x.counted || x.finished && e.Status >= http.StatusInternalServerError {
		return e
	}
	x.counted = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	err := limit.Count(ctx, a.store, a.sessions.Now(), a.failures(r)...)
	if err == nil || errors.Is(err, limit.ErrLimited) || e.Status >= http.StatusInternalServerError {
		return e
	}
	return unavailable(err)
}
