package session

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/store"
)

// impersonationLife is the longest life of an impersonation, however much it is used.
const impersonationLife = time.Hour

// An actor is who acts as the subject of a session, and what was true of the actor when the session began. The session
// ends when one of these is no longer true. See Grant.ActorSession.
type actor struct {
	Subject string `json:"sub"`
	Session string `json:"sid"` // which must live
	Pool    string `json:"pool,omitempty"`
	Sec     int64  `json:"sec,omitempty"` // of the head of the actor
	Rights  int64  `json:"rights,omitempty"`
}

var errActor = refuse(ErrEnded, "who acted in it is signed out, or the rights of the two have changed")

// actor returns who acts as the subject; empty: the subject does.
func (r *row) actor() string {
	if r.Act == nil {
		return ""
	}
	return r.Act.Subject
}

func (r *row) actorSession() string {
	if r.Act == nil {
		return ""
	}
	return r.Act.Session
}

// impersonates sets the row of a new session to that of an impersonation. It proves nothing about the subject.
func (r *row) impersonates(a *actor) {
	r.Act = a
	r.Grant.AuthTime, r.Grant.Methods, r.Grant.Factors, r.Grant.Remembered = 0, nil, nil, false
	r.Absolute = min(r.Absolute, r.Created+impersonationLife.Milliseconds())
}

// within returns the grant of an impersonation after a change: it says of the subject what it said before, and has no
// scope or role more.
func (b encodedGrant) within(r *row) encodedGrant {
	more := func(have []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(have, name) }
	}
	b.auth = Authentication{}
	b.scopes = slices.DeleteFunc(slices.Clone(b.scopes), more(r.Grant.Scopes))
	b.roles = slices.DeleteFunc(slices.Clone(b.roles), more(r.Grant.Roles))
	return b
}

// actorOf returns the actor of a live session, and the changes that make a write fail unless the session and the head
// are as they were read. The error is ErrEnded if the session has ended or is an impersonation itself.
func (s *Sessions) actorOf(ctx context.Context, a actor) (*actor, []store.Change, error) {
	k, lives, err := s.loadActor(ctx, a)
	switch {
	case err != nil:
		return nil, nil, err
	case !lives:
		return nil, nil, errActor
	}
	checks := []store.Change{store.Check(k.item.Key, k.item.Version)}
	if k.headed {
		checks = append(checks, k.head.Check())
	}
	return &actor{k.Subject, a.Session, a.Pool, k.head.Sec, k.head.Rights}, checks, nil
}

// loadActor reads the session of an actor, and the head of the user whose session it is. lives is false if it has
// ended. Its kind may be unknown to this program, and its issuer another one on the same store.
func (s *Sessions) loadActor(ctx context.Context, a actor) (k record, lives bool, err error) {
	l := lookup{read: (*row).readLiveness, actor: true}
	if a.Pool != "" {
		if a.Subject == "" { // the head has the subject in its key
			if k, err = s.loadAgreed(ctx, a.Session, l); err != nil || !k.found() {
				return k, false, err
			}
			a.Subject = k.Subject
		}
		l.head, l.user = true, head.Key(a.Pool, a.Subject)
	}
	if k, err = s.loadAgreed(ctx, a.Session, l); err != nil {
		return k, false, err
	}
	p := s.kind(k.Kind)
	if p == nil || k.Issuer != s.issuer {
		p = &policy{sessions: s, idle: maxIdle}
	}
	return k, k.verdict(p, s.now()) == nil && k.Act == nil && k.Subject == cmp.Or(a.Subject, k.Subject), nil
}

// findActor finds out whether the actor of an impersonation is as at its beginning.
func (s *Sessions) findActor(ctx context.Context, k *record) error {
	by, lives, err := s.loadActor(ctx, *k.Act)
	k.actorGone = !lives || by.head.Sec != k.Act.Sec || by.head.Rights != k.Act.Rights
	return err
}

// stays returns the checks of actorOf for the write that begins the impersonation of a row, as far as the store can
// write several parts. The error is errActor if the actor is not as before.
func (s *Sessions) stays(ctx context.Context, r *row) ([]store.Change, error) {
	if r.Act == nil {
		return nil, nil
	}
	a, checks, err := s.actorOf(ctx, *r.Act)
	switch {
	case err != nil:
		return nil, err
	case *a != *r.Act:
		return nil, errActor
	case !s.twoParts: // the first refresh or CheckStore compares
		return nil, nil
	}
	return checks, nil
}

// actorVerdict returns errActor for an impersonation that has ended because of its actor, or because the roles of its
// subject changed: they were compared with the actor's when it began.
func (k *record) actorVerdict() error {
	if k.Act != nil && (k.actorGone || k.headed && k.Rights != k.head.Rights) {
		return errActor
	}
	return nil
}

// emitEnded emits the events of the end of a session.
func (s *Sessions) emitEnded(ctx context.Context, k *record, why string) {
	s.Emit(ctx, Event{Name: "session ended", Reason: why, Kind: k.Kind, Subject: k.Subject, SessionID: k.id, Actor: k.actor()})
	if k.Act != nil {
		s.Emit(ctx, Event{Name: "impersonation ended", Reason: why, Kind: k.Kind, Subject: k.Act.Subject, UserID: k.Subject, SessionID: k.id, Actor: k.actor()})
	}
}

var errActorClaim = errors.New("session: act has another form")

// readActor reads the claim act (RFC 8693 section 4.1) and returns its sub. A member beside sub is an error.
func readActor(value string) (sub string, err error) {
	other := false
	err = jose.Object(value, func(name, v string) (err error) {
		if name != "sub" {
			other = true
			return nil
		}
		sub, err = jose.String(v)
		return err
	})
	if err == nil && (other || sub == "") {
		err = errActorClaim
	}
	return sub, err
}
