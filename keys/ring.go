package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// RingConfig says where a [Ring] lives and how it behaves. Only Vault must be set.
type RingConfig struct {
	// Vault keeps the ring. Required.
	Vault Vault

	// Algorithm of the keys the ring makes: RS256, 384, 512, PS256, 384, 512 (all 2048 bits), ES256, ES384, ES512 or
	// EdDSA. It is for new keys: those in the vault keep theirs, so a change takes effect with the next Rotate, or with
	// a Revoke that has to make a key: it has the algorithm of the Ring that revokes, not that of the revoked key.
	//
	// Defaults to RS256, which every gateway accepts and which is the fastest to check.
	Algorithm Algorithm

	// SecretLifetime is how long a master secret is kept after another took over: the longest life of a value that is
	// protected with it. Make it at least the longest idle life of a session. A longer one in the vault stays.
	//
	// Defaults to 90 days.
	SecretLifetime time.Duration

	// ReloadEvery is how old the ring in memory may be when it is used. Nothing runs in the background: a use that
	// finds it older reloads it. If the vault takes more than half a second, that use goes on with the keys in memory,
	// and the reload ends by itself within 5 seconds. This bounds how long a revoked key is accepted here after another
	// process revoked it. At most an hour, because a new key signs after three.
	//
	// Defaults to 5 minutes.
	ReloadEvery time.Duration

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Rand makes master secrets. Private keys always come from the random source of the standard library.
	//
	// Defaults to crypto/rand.Reader.
	Rand io.Reader

	// Logger gets a warning for each reload that failed.
	//
	// Defaults to slog.Default().
	Logger *slog.Logger

	// Replaces is the Ring of the same vault whose place the new one takes in this process, as when a program reads its
	// configuration again. The two share what they saw revoked. Open returns ErrUnavailable if the vault has been
	// emptied since, or set back to a state where a key that Replaces saw revoked is not; Replaces stays usable.
	//
	// Defaults to nil: the first Ring of the process, which believes what the vault holds.
	Replaces *Ring
}

const (
	reloadCooldown = 30 * time.Second // between reloads for unknown kids, and after a failed one
	vaultTimeout   = 5 * time.Second  // of one reload

	// How long a caller waits for a reload, which goes on without it: one that has what it needs, and one that lacks
	// it. API Gateway waits 1.5 s for the documents of an issuer.
	patience     = 500 * time.Millisecond
	longPatience = time.Second
)

// A Ring is a set of signing keys and one of master secrets that many processes share through a [Vault]. It is a
// [Signer] and [Secrets] at once, safe for concurrent use.
//
// What each key does follows from the ages of all of them, so processes agree without talking to each other: a new key
// is published at once, and signs when it is three hours old (the first key of a ring signs at once). It retires two
// hours after the expiry of the last token that it may have signed. Secrets have the same ages as keys.
type Ring struct {
	cfg    RingConfig
	now    func() time.Time
	log    *slog.Logger
	cur    atomic.Pointer[snapshot]
	health atomic.Pointer[health]
	lock   chan struct{} // held while the vault is read or written; a channel, so that waiting ends with the context
	local  bool          // the vault belongs to this process; known after Open
	seen   *seen
}

// seen is what this process has learned of a vault. A Ring shares it with the one that it replaces.
type seen struct {
	began atomic.Bool // the vault had a ring

	// revoked has the time of each revocation that this process has seen, by kid, of keys and master secrets. Nothing
	// is ever dropped: the vault may be set back at any time, also after the key has left the ring. Revocations are
	// rare and made by people who hold the vault; each takes about 200 bytes.
	revoked sync.Map
}

// health is when the vault was last asked, and what came of it.
type health struct {
	tried time.Time // start of the last attempt
	due   time.Time // of the next, when nothing calls for an earlier one
	err   error     // of the last attempt
}

var (
	_ Signer  = (*Ring)(nil)
	_ Secrets = (*Ring)(nil)
)

// Open loads the ring from its vault. If the vault is empty it makes the first key and master secret; of many that do
// so at once one wins, and all have its ring. The error is ErrUnavailable if the vault cannot be read or written.
//
// A ring in a vault of one process ([MemoryVault], a [FileVault] below /tmp, a [StoreVault] over a store.Memory) does
// not work below lambdahttp: there its methods return ErrUnavailable and ErrLocal, unless lambdahttp.Config.AllowLocal
// is set.
//
// Open waits up to 5 seconds for the vault, or until ctx ends. If there is less time, as in a function, pass a
// context with a deadline.
func Open(ctx context.Context, cfg RingConfig) (*Ring, error) {
	if cfg.Vault == nil {
		return nil, errors.New("keys: RingConfig needs a Vault")
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = RS256
	}
	if cfg.SecretLifetime <= 0 {
		cfg.SecretLifetime = 90 * 24 * time.Hour
	}
	if cfg.ReloadEvery <= 0 {
		cfg.ReloadEvery = 5 * time.Minute
	}
	cfg.ReloadEvery = min(cfg.ReloadEvery, time.Hour)
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	r := &Ring{cfg: cfg, now: wallClock(cfg.Now), log: logger(cfg.Logger), lock: make(chan struct{}, 1), seen: &seen{}}
	if cfg.Replaces != nil {
		r.seen, r.cfg.Replaces = cfg.Replaces.seen, nil
	}
	r.health.Store(&health{})
	r.lock <- struct{}{}
	defer func() { <-r.lock }()
	r.cfg.Vault = &openingVault{Vault: cfg.Vault}
	err := r.load(ctx)
	if errors.Is(err, errSetBack) { // or Replaces saw a revocation that is younger than what was loaded
		err = r.load(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.cfg.Vault, r.local = cfg.Vault, r.cfg.Vault.(*openingVault).local
	if s := r.cur.Load(); s == nil || s.secretLifetime() < cfg.SecretLifetime {
		if err := r.edit(ctx, r.begin); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// wallClock drops the monotonic reading: it stands still while a function is frozen, and ages must not.
func wallClock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().Round(0) }
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}

// PublicKey returns the key kid names if it verifies now; see [Verifier]. An unknown kid reloads the ring, but not more
// often than twice a minute. The error is ErrRetired for a key that the ring lists as retired or revoked, and for one
// that this process has ever seen revoked.
func (r *Ring) PublicKey(ctx context.Context, kid string) (*PublicKey, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	s := r.current(ctx)
	if k, ok := s.findKey(kid); ok {
		return k, nil
	}
	if r.ended(s.doc.Keys, kid) {
		return nil, ErrRetired
	}
	s, err := r.again(ctx, s)
	if k, ok := s.findKey(kid); ok {
		return k, nil
	}
	return nil, err
}

// PublicKeys are the keys to publish, the oldest first.
func (r *Ring) PublicKeys(ctx context.Context) ([]*PublicKey, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	return append([]*PublicKey(nil), r.current(ctx).published...), nil
}

// SigningKey returns the key that signs now. A lifetime longer than any before is noted in the vault first, so that the
// key stays published that long, whichever process signed; if that fails the error is ErrUnavailable.
func (r *Ring) SigningKey(ctx context.Context, lifetime time.Duration) (SigningKey, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	s := r.current(ctx)
	if s.signer == nil { // each of the keys was revoked by another process
		if s, _ = r.again(ctx, s); s.signer == nil {
			return nil, fmt.Errorf("%w: no key of the ring may sign; add one with Rotate", ErrUnavailable)
		}
	}
	if lifetime <= s.longest {
		return s.signer, nil
	}
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.release()
	err := r.edit(ctx, func(doc *document, now time.Time) error {
		if _, i, _ := plan(doc.Keys, now); i >= 0 {
			doc.Keys[i].Longest = max(doc.Keys[i].Longest, lifetime)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s = r.cur.Load(); s.signer == nil || s.longest < lifetime {
		return nil, fmt.Errorf("%w: the signing key changed meanwhile; try again", ErrUnavailable)
	}
	return s.signer, nil
}

// Secret returns the named master secret, or the one for new values; see [Secrets].
func (r *Ring) Secret(ctx context.Context, kid string) (Secret, error) {
	if err := r.usable(ctx); err != nil {
		return Secret{}, err
	}
	s := r.current(ctx)
	if v, ok := s.findSecret(kid); ok {
		return v, nil
	}
	if r.ended(s.doc.Secrets, kid) {
		return Secret{}, ErrRetired
	}
	s, err := r.again(ctx, s)
	if v, ok := s.findSecret(kid); ok {
		return v, nil
	}
	return Secret{}, err
}

// current returns the ring as it is now, after a reload if one is due and quick. The first caller that finds one due
// does it, the others go on with what there is.
func (r *Ring) current(ctx context.Context) *snapshot {
	now := r.now()
	if h := r.health.Load(); !now.Before(h.due) || now.Before(h.tried) {
		select {
		case r.lock <- struct{}{}:
			if r.health.Load() == h {
				_ = r.reload(ctx, patience) // the ring at hand stays good
			} else {
				r.release()
			}
		default:
		}
	}
	s := r.cur.Load()
	if !s.covers(now) {
		fresh := s.at(now)
		r.cur.CompareAndSwap(s, fresh)
		s = fresh
	}
	return s
}

// again reloads because old lacks something, unless that was done a moment ago. The error is the answer if the thing is
// still not there: ErrUnknownKey, or ErrUnavailable if the vault could not be asked.
func (r *Ring) again(ctx context.Context, old *snapshot) (*snapshot, error) {
	if h := r.health.Load(); r.recent(h) {
		return r.cur.Load(), h.answer()
	}
	waiting, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	if err := r.acquire(waiting); err != nil {
		return old, err
	}
	if r.recent(r.health.Load()) { // somebody did it while this call waited
		r.release()
	} else if err := r.reload(waiting, longPatience); err != nil {
		return old, err
	}
	return r.cur.Load(), r.health.Load().answer()
}

// reload reads the vault and waits for that no longer than wait. The reload goes on without its caller, because others
// need it too, and ends within vaultTimeout. The caller holds the lock; the reload gives it back. The error, that it is
// not done yet, is ErrUnavailable.
func (r *Ring) reload(ctx context.Context, wait time.Duration) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.release()
		_ = r.load(context.WithoutCancel(ctx)) // logged
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: the vault has not answered within %v", ErrUnavailable, wait)
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the vault: %w", ErrUnavailable, ctx.Err())
	}
}

func (r *Ring) recent(h *health) bool {
	age := r.now().Sub(h.tried)
	return 0 <= age && age < reloadCooldown
}

func (h *health) answer() error {
	if h.err != nil {
		return h.err
	}
	return ErrUnknownKey
}

func (r *Ring) acquire(ctx context.Context) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	select {
	case r.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the vault: %w", ErrUnavailable, ctx.Err())
	}
}

func (r *Ring) release() { <-r.lock }
