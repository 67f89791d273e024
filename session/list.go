package session

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/store"
)

// Info describes a stored session, for its owner or an administrator. Its JSON names are also those of
// GET {base}/sessions and of "postern sessions", and the columns that the SQL view has are called the same.
type Info struct {
	ID             string
	Kind           string
	Subject        string
	ClientID       string
	Device         string    // see Grant.Device; DeviceName is the short name of it
	Address        string    // see Grant.Address
	Created        time.Time // the sign-in
	LastUsed       time.Time // the last refresh, or the last [CheckStore], which is recorded at most once an hour
	IdleExpiresAt  time.Time // when the session ends if it is not used again
	ExpiresAt      time.Time // when the session ends however much it is used
	Authentication Authentication
	Scopes         []string
	Roles          []string
	AtIssuer       bool     // it is in the cookies of a browser at the issuer's origin, see [Kind.CodeAndCookies]; in a list also if one of Paired is
	Paired         []string // the ids of the other live sessions of its pair, in results of [Sessions.List] alone
	Actor          string   // who acts as the subject, see Grant.ActorSession; empty: the subject
	Ended          string   // why the session ended; empty for a live session and in every result of [Sessions.List]
}

// MarshalJSON writes a session with the names id, kind, sub, client_id, device, device_name, address, created_at,
// last_used_at, idle_expires_at, expires_at, auth_time, amr, scopes, roles, at_issuer, paired, actor and ended. Times
// are RFC 3339, in UTC.
func (i Info) MarshalJSON() ([]byte, error) { return json.Marshal(i.json()) }

// DeviceName returns a short name of Device, such as "Chrome on Linux", if it is the User-Agent of a known browser.
// Otherwise it returns Device as it is.
func (i Info) DeviceName() string {
	browser, system := useragent.Name(i.Device)
	switch {
	case browser == "":
		return i.Device
	case system == "":
		return browser
	}
	return browser + " on " + system
}

type infoJSON struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`
	Subject       string    `json:"sub"`
	ClientID      string    `json:"client_id,omitempty"`
	Device        string    `json:"device,omitempty"`
	DeviceName    string    `json:"device_name,omitempty"`
	Address       string    `json:"address,omitempty"`
	Created       time.Time `json:"created_at"`
	LastUsed      time.Time `json:"last_used_at"`
	IdleExpiresAt time.Time `json:"idle_expires_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	AuthTime      time.Time `json:"auth_time,omitzero"`
	Methods       []string  `json:"amr,omitempty"`
	Scopes        []string  `json:"scopes,omitempty"`
	Roles         []string  `json:"roles,omitempty"`
	AtIssuer      bool      `json:"at_issuer,omitempty"`
	Paired        []string  `json:"paired,omitempty"`
	Actor         string    `json:"actor,omitempty"`
	Ended         string    `json:"ended,omitempty"`
}

func (i Info) json() infoJSON {
	return infoJSON{
		i.ID, i.Kind, i.Subject, i.ClientID, i.Device, i.DeviceName(), i.Address,
		i.Created.UTC(), i.LastUsed.UTC(), i.IdleExpiresAt.UTC(), i.ExpiresAt.UTC(),
		i.Authentication.Time.UTC(), i.Authentication.Methods, i.Scopes, i.Roles, i.AtIssuer, i.Paired, i.Actor, i.Ended,
	}
}

func (k *record) info() Info {
	i := Info{
		ID: k.id, Kind: k.Kind, Subject: k.Subject, Device: k.Device, Address: k.Address, AtIssuer: k.Home, Actor: k.actor(), Ended: k.Ended,
		Created: time.UnixMilli(k.Created), LastUsed: time.UnixMilli(k.lastUsed()), ExpiresAt: time.UnixMilli(k.Absolute),
	}
	i.IdleExpiresAt = k.item.Expires // set by the program that wrote the row; its Idle may differ from this one's
	if k.Grant != nil {
		b := k.Grant.encoded(&k.row)
		i.ClientID, i.Authentication, i.Scopes, i.Roles = k.Grant.ClientID, b.auth, b.scopes, b.roles
	}
	return i
}

// maxPage is the largest number of sessions in a page.
const maxPage = 100

// ListOptions choose a page of a list of sessions.
type ListOptions struct {
	// After is the Next of the previous page.
	//
	// Defaults to the first page.
	After string

	// Limit is the largest number of sessions in the page, from 1 to 100.
	//
	// Defaults to 100.
	Limit int
}

// A ListPage is a part of a list of sessions.
type ListPage struct {
	Sessions []Info `json:"sessions"`
	// Next is the value of ListOptions.After for the next page. It is empty at the end of the list. The last page may
	// have no sessions.
	Next string `json:"next,omitempty"`
}

// List returns a page of the live sessions of a subject, of every kind that is not Stateless. The sessions are sorted
// by the name of the kind, and within a kind the newest is first. The use of a session does not change the order, so no
// session is missed between two pages.
//
// The sessions of a pair (see [Kind.CodeAndCookies]) are one entry, since a person sees one device: ID is that of the
// application's session, if it lives, and Paired has the id of the other. Created is the earliest time of the two;
// LastUsed, IdleExpiresAt and ExpiresAt are the latest.
//
// The error is ErrUnavailable, ErrStoreRequired, or ErrPage if o is not valid.
func (s *Sessions) List(ctx context.Context, subject string, o ListOptions) (ListPage, error) {
	if err := s.canEnd(); err != nil {
		return ListPage{}, err
	}
	var all []holder
	for _, p := range s.policies() {
		if !p.stateless {
			all = append(all, holder{p, subject})
		}
	}
	return s.list(ctx, all, o)
}

// A holder is a subject with sessions of one kind.
type holder struct {
	kind    *policy
	subject string
}

// list is List for several holders, which must be sorted by the name of their kind.
func (s *Sessions) list(ctx context.Context, all []holder, o ListOptions) (ListPage, error) {
	if o.Limit = cmp.Or(o.Limit, maxPage); o.Limit < 1 || o.Limit > maxPage {
		return ListPage{}, fmt.Errorf("%w: Limit is %d, give 1 to %d", ErrPage, o.Limit, maxPage)
	}
	kind, before := "", int64(math.MaxInt64)
	if o.After != "" {
		var err error
		if kind, before, err = parseCursor(o.After); err != nil {
			return ListPage{}, err
		}
	}
	list := []Info{}
	for i, h := range all {
		if h.kind.name < kind {
			continue
		}
		if h.kind.name > kind {
			before = math.MaxInt64
		}
		some, last, err := h.kind.listBefore(ctx, h.subject, before, o.Limit-len(list))
		if err != nil {
			return ListPage{}, err
		}
		list = append(list, some...)
		if last > 0 {
			return ListPage{list, cursor(h.kind.name, last)}, nil
		}
		if len(list) == o.Limit && i+1 < len(all) {
			return ListPage{list, cursor(h.kind.name, 0)}, nil
		}
	}
	return ListPage{list, ""}, nil
}

// cursor returns the Next of a page whose last session has a number in the index of its kind. It holds no secret. It is
// encoded so that programs do not depend on its form.
func cursor(kind string, number int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + "." + strconv.FormatInt(number, 10)))
}

func parseCursor(text string) (kind string, number int64, err error) {
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		var digits string
		kind, digits, _ = strings.Cut(string(plain), ".")
		number, err = strconv.ParseInt(digits, 10, 64)
	}
	if err != nil || !kindName(kind) || number < 0 || cursor(kind, number) != text {
		return "", 0, fmt.Errorf("%w: After is not the next of another page", ErrPage)
	}
	return kind, number, nil
}

// A unit is what a list shows as one: the entries of a pair, or one entry without a pair.
type unit []indexEntry

// units returns the units of the index whose first numbers are below before, the newest first. So the place of a unit
// does not change when a pair gets another session.
func (x *index) units(before int64) (all []unit) {
	at := map[string]int{}
	for _, e := range x.Sessions {
		i, known := at[e.unit()]
		if !known {
			i, all = len(all), append(all, nil)
			at[e.unit()] = i
		}
		all[i] = append(all[i], e)
	}
	all = slices.DeleteFunc(all, func(u unit) bool { return u[0].Number >= before })
	slices.Reverse(all)
	return all
}

// listBefore returns up to limit live sessions whose numbers in the index are below before, the newest first. last is
// the number of the last session that it read, or 0 at the end of the index.
func (p *policy) listBefore(ctx context.Context, subject string, before int64, limit int) (out []Info, last int64, err error) {
	s := p.sessions
	u, err := p.loadSubject(ctx, subject)
	if err != nil {
		return nil, 0, err
	}
	units := u.index.units(before)
	for len(units) > 0 && len(out) < limit {
		some := firstUnits(units, limit-len(out))
		units, last = units[len(some):], some[len(some)-1][0].Number
		rows, err := p.loadEntries(ctx, subject, u, slices.Concat(some...))
		if err != nil {
			return nil, 0, err
		}
		if slices.ContainsFunc(rows, func(k record) bool { return k.ahead() }) {
			// RevokeOthers ran between the two reads: the sessions that it kept have the new epoch, and the new Sec.
			newer, err := p.loadSubject(ctx, subject)
			if err != nil {
				return nil, 0, err
			}
			u.epoch, u.head = newer.epoch, newer.head
		}
		live, now := map[string][]record{}, s.now()
		for _, k := range rows {
			if k.Act != nil {
				if err := s.findActor(ctx, &k); err != nil {
					return nil, 0, err
				}
			}
			if k.epoch, k.head = u.epoch, u.head; k.verdict(p, now) == nil {
				name := cmp.Or(k.Pair, k.item.Key.ID)
				live[name] = append(live[name], k)
			}
		}
		for _, one := range some {
			if all := live[one[0].unit()]; len(all) > 0 {
				out = append(out, listed(all))
			}
		}
	}
	if len(units) == 0 {
		last = 0
	}
	return out, last, nil
}

// firstUnits returns the first of units, as many as one read of the store takes, and up to limit. The first unit may be
// larger than that.
func firstUnits(units []unit, limit int) []unit {
	n, entries := 0, 0
	for n < min(limit, len(units)) && (n == 0 || entries+len(units[n]) <= store.MaxKeys) {
		entries += len(units[n])
		n++
	}
	return units[:n]
}

// listed returns what a list shows of the live sessions of one unit.
func listed(all []record) Info {
	main := slices.IndexFunc(all, func(k record) bool { return !k.Home })
	out := all[max(main, 0)].info()
	for i, k := range all {
		if i == max(main, 0) {
			continue
		}
		in := k.info()
		out.Paired, out.AtIssuer = append(out.Paired, in.ID), out.AtIssuer || in.AtIssuer
		if in.Created.Before(out.Created) {
			out.Created = in.Created
		}
		out.LastUsed, out.IdleExpiresAt = later(out.LastUsed, in.LastUsed), later(out.IdleExpiresAt, in.IdleExpiresAt)
		out.ExpiresAt = later(out.ExpiresAt, in.ExpiresAt)
	}
	return out
}

// Find returns one session of any kind. A session that has ended can still be found until it would have expired; its
// Info.Ended is the reason of the end. The error is ErrEnded if there is no such session, ErrUnavailable or
// ErrStoreRequired.
func (s *Sessions) Find(ctx context.Context, sessionID string) (Info, error) {
	if err := s.canEnd(); err != nil {
		return Info{}, err
	}
	k, err := s.loadHeaded(ctx, sessionID, store.Key{})
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
	if err := k.verdict(p, s.now()); i.Ended == "" && err != nil {
		// By RevokeSubject, RevokeOthers or Config.NotBefore, unless the head ended it or it has expired.
		i.Ended = cmp.Or(headReason(err), endRevoked)
		if now := s.now(); !now.Before(i.IdleExpiresAt) {
			i.Ended = "expired"
		}
	}
	return i, nil
}
