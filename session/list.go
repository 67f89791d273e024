package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

// Info is what may be shown of a session to the one whose it is, and to an administrator.
type Info struct {
	ID       string
	Kind     string
	Subject  string
	ClientID string
	Device   string    // see Grant.Device
	Place    string    // see Grant.Place
	Created  time.Time // the sign-in
	Seen     time.Time // the last refresh, or the last [CheckStore], which is written at most once an hour
	Expires  time.Time // if it is not used again
	Absolute time.Time // whether it is used or not
	Auth     Auth
	Scopes   []string
	Roles    []string
	Ended    string // why, of a session that was ended and could still be asked for; [Sessions.List] has none of these
}

func (k *kept) info() Info {
	i := Info{
		ID: k.id, Kind: k.Kind, Subject: k.Subject, Device: k.Device, Place: k.Place, Ended: k.Ended,
		Created: time.UnixMilli(k.Created), Seen: time.UnixMilli(max(k.At, k.Seen)), Absolute: time.UnixMilli(k.Absolute),
	}
	i.Expires = k.item.Expires // when the one who wrote the row meant it to end, whatever this program would say
	if k.Grant != nil {
		b := k.Grant.blank(&k.row)
		i.ClientID, i.Auth, i.Scopes, i.Roles = k.Grant.ClientID, b.auth, b.scopes, b.roles
	}
	return i
}

// List returns the live sessions of a subject, of every kind of s that keeps sessions, the one used last first. The error
// is ErrUnavailable or ErrStoreRequired.
func (s *Sessions) List(ctx context.Context, subject string) ([]Info, error) {
	if err := s.canEnd(); err != nil {
		return nil, err
	}
	var all []Info
	for _, p := range s.policies() {
		if p.stateless {
			continue
		}
		some, err := p.list(ctx, subject)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	lastUsedFirst(all)
	return all, nil
}

func lastUsedFirst(list []Info) {
	slices.SortFunc(list, func(a, b Info) int { return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID)) })
}

func (p *policy) list(ctx context.Context, subject string) ([]Info, error) {
	s := p.sessions
	e, err := s.loadEpoch(ctx, half(p.name, subject))
	if err != nil {
		return nil, err
	}
	part := e.item.Key.Part
	var rows []kept
	moved := false
	for after := afterCodes; after != ""; {
		var items []store.Item
		items, after, err = s.store.List(ctx, part, after, 200)
		if err != nil {
			return nil, s.unavailable(ctx, "store", err)
		}
		for _, item := range items {
			k := kept{id: part[len(partPrefix):] + "." + item.Key.ID, item: item, epoch: e}
			if err := k.read(item.Value); err != nil {
				return nil, s.unavailable(ctx, "store", fmt.Errorf("a row of sessions does not decode: %w", err))
			}
			if k.Kind == p.name && k.Subject == subject {
				rows, moved = append(rows, k), moved || k.Epoch > e.number
			}
		}
	}
	if moved { // RevokeOthers came in between: the session that it kept is of the new epoch
		if e, err = s.loadEpoch(ctx, half(p.name, subject)); err != nil {
			return nil, err
		}
	}
	out, now := []Info{}, s.now()
	for _, k := range rows {
		if k.epoch = e; k.verdict(p, now) == nil {
			out = append(out, k.info())
		}
	}
	lastUsedFirst(out)
	return out, nil
}

// Find returns one session, of whatever kind, alive or, for as long as it would have lived, ended: Info.Ended then says
// why. ErrEnded if there is none; other errors as List.
func (s *Sessions) Find(ctx context.Context, sessionID string) (Info, error) {
	if err := s.canEnd(); err != nil {
		return Info{}, err
	}
	k, err := s.load(ctx, sessionID)
	if err != nil {
		return Info{}, err
	}
	if !k.found() {
		return Info{}, refuse(ErrEnded, "")
	}
	p := s.kind(k.Kind)
	if p == nil {
		p = &policy{sessions: s, idle: maxIdle}
	}
	i := k.info()
	if i.Ended == "" && k.verdict(p, s.now()) != nil {
		i.Ended = endRevoked // together with all others of the subject, or by Config.NotBefore; the times say if by age
		if now := s.now(); !now.Before(i.Expires) {
			i.Ended = "expired"
		}
	}
	return i, nil
}
