package password

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A Service sets and checks passwords for a program with its own pages. It keeps them where the provider does,
// with the same limits for a user, and no mailed links. It is safe for concurrent use.
//
// Its errors are ErrWrong, ErrChange, a *policy.Error for a new password that is not good, a *hash.BusyError where too
// many are hashed at once, and ErrLimited. Any other error means that the store or the secrets were unavailable.
type Service struct{ keeper *keeper }

var (
	// ErrWrong is the error for a password that is not that of the user, for a user without one, and for a password
	// that is locked after too many wrong ones.
	ErrWrong = errors.New("password: the password is wrong")

	// ErrChange is the error of Check for the right password of a user who must choose a new one first, because an
	// administrator has demanded it.
	ErrChange = errors.New("password: the password must be changed first")

	// ErrLimited is the error of a password that was not compared, because too many were typed. Answer 429.
	ErrLimited = errors.New("password: too many passwords were typed for this user")
)

// NewService returns a Service. pool is that of the directory of users, and the issuer of s where the users are in a
// table of the program. The name of the program is in c.Policy; without one, only lists and lengths count.
func NewService(c Config, s *session.Sessions, pool string) (*Service, error) {
	if s == nil || s.Store() == nil || pool == "" {
		return nil, errors.New("password: NewService needs sessions with a store, and the name of a pool")
	}
	own, err := c.parts()
	if err != nil {
		return nil, err
	}
	rules, err := own.policy()
	if err != nil {
		return nil, err
	}
	return &Service{&keeper{store: s.Store(), sessions: s, pool: pool, hasher: own.hasher, policy: rules}}, nil
}

// Set gives a user a password. It ends all that was issued to the user before, if there was a password before: sign the
// person in again. The caller has made sure who the person is. about is what is known of the user, such as name and
// address, which the password must not consist of.
func (s *Service) Set(ctx context.Context, userID, password string, about ...string) error {
	fresh, err := s.keeper.fresh(ctx, password, about...)
	if err != nil {
		return err
	}
	replaces := false
	for range conflicts {
		now, err := s.keeper.load(ctx, userID, "")
		if err != nil {
			return err
		}
		h := now.head.Added()
		if replaces = now.has(); replaces {
			h = now.head.Moved()
		}
		err = s.keeper.write(ctx, now, fresh, h)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("password: writing the store: %w", err)
		}
		s.keeper.forgive(ctx, now)
		if replaces {
			return s.keeper.sessions.RevokeSubject(ctx, userID)
		}
		return nil
	}
	return fmt.Errorf("password: too many requests write the same user at once; try again")
}

// Check compares the password of a user. It counts the guess first, and gives it back if the password is right. It has
// no limit for a client's address: count that in the handler that calls it.
//
// Begin the session with the context that Check returns. It carries the state of the account in which the password was
// right: if a reset or a change comes in between, Kind.Create and its siblings return session.ErrEnded. After an error
// it is nil.
func (s *Service) Check(ctx context.Context, userID, password string) (context.Context, error) {
	if userID == "" {
		return nil, errors.New("password: Check without a user: use CheckNobody")
	}
	now, err := s.check(ctx, &effort{user: userID, unnamed: true, began: s.keeper.now()}, password)
	if err != nil {
		return nil, err
	}
	return head.Expect(ctx, now.head.Sec), nil
}

// CheckNobody does for a name that no user has what Check does, in the same time. The error is never nil.
func (s *Service) CheckNobody(ctx context.Context, name, password string) error {
	_, err := s.check(ctx, &effort{identifier: name, mail: strings.Contains(name, "@"), began: s.keeper.now()}, password)
	return err
}

func (s *Service) check(ctx context.Context, e *effort, password string) (*state, error) {
	now, err := s.keeper.proveUser(ctx, e, password)
	switch {
	case errors.Is(err, errWrong):
		return nil, ErrWrong
	case errors.Is(err, limit.ErrLimited):
		return nil, ErrLimited
	case err == nil && now.head.Change:
		return nil, ErrChange
	}
	return now, err
}

// Remove removes the password of a user, and ends all that was issued to the user before. The caller has made sure that
// the user has another way in.
func (s *Service) Remove(ctx context.Context, userID string) error {
	for range conflicts {
		now, err := s.keeper.load(ctx, userID, "")
		if err != nil || !now.has() {
			return err
		}
		h := now.head.Moved()
		h.Ways.Passwords, h.Change = 0, false
		if h.Lock == head.LockPassword {
			h.Lock = ""
		}
		err = s.keeper.commit(ctx, h.Put(), store.Delete(now.item.Key, now.item.Version))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("password: writing the store: %w", err)
		}
		return s.keeper.sessions.RevokeSubject(ctx, userID)
	}
	return fmt.Errorf("password: too many requests write the same user at once; try again")
}

// Unlock lets the password of a user work again after too many wrong ones. The caller has made sure who the person is.
func (s *Service) Unlock(ctx context.Context, userID string) error {
	for range conflicts {
		now, err := s.keeper.load(ctx, userID, "")
		if err != nil {
			return err
		}
		if now.head.Lock != head.LockPassword {
			s.keeper.forgive(ctx, now)
			return nil
		}
		now.head.Lock = ""
		err = s.keeper.store.Write(ctx, now.head.Put())
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("password: too many requests write the same user at once; try again")
}
