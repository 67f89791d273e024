package users

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// Sizes of pages.
const (
	defaultPage = 50
	maxPage     = 200
)

// A Query says which users Search returns.
type Query struct {
	// Identifier is a mail address, a username or the id of a user, whole: there is no search by a part. An address
	// finds the user who has verified it, and nobody else.
	//
	// Defaults to empty: all users, newest first.
	Identifier string

	// Identity is an identity of a provider, by Issuer and Subject.
	//
	// Defaults to nil.
	Identity *postern.Identity

	// Actor is who asks: the id of an administrator. A cursor works for its actor alone.
	Actor string

	// Limit is the largest number of users of a page, at most 200.
	//
	// Defaults to 50.
	Limit int

	// Cursor is Page.Next of the page before.
	//
	// Defaults to empty: the first page.
	Cursor string
}

// A Page is a page of users.
type Page struct {
	Users []User
	Next  string // cursor of the next page; empty at the end
}

// Search returns a page of users. Who was created while pages are read may be missing. A deleted user is never in it.
// The error is ErrCursor for a cursor of another actor or query.
func (d *Directory) Search(ctx context.Context, q Query) (Page, error) {
	if q.Identifier != "" || q.Identity != nil {
		if q.Cursor != "" {
			return Page{}, ErrCursor
		}
		users, err := d.exact(ctx, q)
		return Page{Users: users}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	after, err := d.openCursor(ctx, q)
	if err != nil {
		return Page{}, err
	}
	l := d.newLister(after)
	var page Page
	for len(page.Users) < limit {
		ids, err := l.next(ctx, limit-len(page.Users))
		if err != nil {
			return Page{}, err
		}
		if len(ids) == 0 {
			return page, nil
		}
		after = ids[len(ids)-1]
		users, err := d.many(ctx, ids)
		if err != nil {
			return Page{}, err
		}
		page.Users = append(page.Users, users...)
	}
	if l.ended() {
		return page, nil
	}
	page.Next, err = d.sealCursor(ctx, q, after)
	return page, err
}

// All returns all users, newest first. Who is created meanwhile may be missing. It ends with the first error.
func (d *Directory) All(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for l := d.newLister(""); ; {
			ids, err := l.next(ctx, maxPage)
			if err != nil {
				yield(User{}, err)
				return
			}
			if len(ids) == 0 {
				return
			}
			users, err := d.many(ctx, ids)
			if err != nil {
				yield(User{}, err)
				return
			}
			for _, u := range users {
				if !yield(u, nil) {
					return
				}
			}
		}
	}
}

// exact returns the users with an identifier: at most one by each way to read it.
func (d *Directory) exact(ctx context.Context, q Query) ([]User, error) {
	var out []User
	add := func(u User, err error) error {
		switch {
		case errors.Is(err, postern.ErrNoUser):
			return nil
		case err != nil:
			return err
		}
		if len(out) == 0 || out[0].ID != u.ID {
			out = append(out, u)
		}
		return nil
	}
	find := func(id postern.Identity) error {
		userID, err := d.Find(ctx, id)
		if err != nil {
			return add(User{}, err)
		}
		return add(d.User(ctx, userID))
	}
	if q.Identity != nil {
		err := find(*q.Identity)
		return out, err
	}
	if strings.Contains(q.Identifier, "@") {
		err := find(postern.Identity{Issuer: postern.MailIssuer, Subject: q.Identifier})
		if err != nil || len(out) > 0 {
			return out, err
		}
	}
	if err := add(d.User(ctx, q.Identifier)); err != nil {
		return nil, err
	}
	err := find(postern.Identity{Issuer: postern.NameIssuer, Subject: q.Identifier})
	return out, err
}

const rowsOfUser = 3 // that many reads, of MaxKeys in one Get

// many returns the users of listing rows, without those who are deleted.
func (d *Directory) many(ctx context.Context, ids []string) ([]User, error) {
	var out []User
	for len(ids) > 0 {
		n := min(len(ids), store.MaxKeys/rowsOfUser)
		var keys []store.Key
		for _, id := range ids[:n] {
			userID := listUserID(id)
			keys = append(keys, head.Key(d.pool, userID), d.key(userID, userRow), d.key(userID, seenRow))
		}
		items, err := d.get(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for _, id := range ids[:n] {
			userID := listUserID(id)
			r, h, rows, err := d.assemble(userID, items)
			if errors.Is(err, postern.ErrNoUser) {
				continue
			}
			if err != nil {
				return nil, err
			}
			last, err := decodeSeen(rows)
			if err != nil {
				return nil, err
			}
			out = append(out, d.user(userID, r, h, rows[userRow].Version, last))
		}
		ids = ids[n:]
	}
	return out, nil
}

const cursorPurpose = "users/cursor"

func (d *Directory) sealCursor(ctx context.Context, q Query, after string) (string, error) {
	if d.sessions.Secrets() == nil {
		return "", errors.New("users: a list of several pages needs session.Config.Secrets; a keys.Ring has them")
	}
	cursor, err := seal.Seal(ctx, d.sessions.Secrets(), cursorPurpose, []byte(after), d.pool, q.Actor, "all")
	if err != nil {
		return "", fmt.Errorf("users: sealing a cursor: %w", err)
	}
	return cursor, nil
}

func (d *Directory) openCursor(ctx context.Context, q Query) (string, error) {
	if q.Cursor == "" {
		return "", nil
	}
	if d.sessions.Secrets() == nil {
		return "", ErrCursor
	}
	after, err := seal.Open(ctx, d.sessions.Secrets(), cursorPurpose, q.Cursor, d.pool, q.Actor, "all")
	switch {
	case errors.Is(err, seal.ErrOpen):
		return "", ErrCursor
	case err != nil:
		return "", fmt.Errorf("users: opening a cursor: %w", err)
	}
	return string(after), nil
}
