package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

const importedRow = "imported"

// An importMark is the row that says where a user came from.
type importMark struct {
	From    string    `json:"from"`
	ID      string    `json:"id"`
	Digest  string    `json:"digest"`  // of the Imported
	Version string    `json:"version"` // of the user row that the import wrote
	At      time.Time `json:"at"`
}

// try imports one user. An error without a reason ends the import.
func (run *importRun) try(ctx context.Context, in Imported) (ImportResult, error) {
	d := run.d
	if in.ID == "" {
		return ImportResult{}, &FieldError{"id", "The id at the other system is missing."}
	}
	userID, err := in.UserID, error(nil)
	if userID == "" {
		if userID, err = d.newID("import "+run.from, in.ID); err != nil {
			return ImportResult{}, err
		}
	} else if !userIDForm(userID) {
		return ImportResult{}, &FieldError{"userID", "A user id has at most 128 visible ASCII characters, and does not begin with c_."}
	}
	r, err := d.importRecord(in)
	if err != nil {
		return ImportResult{UserID: userID}, err
	}
	digest, err := in.digest()
	if err != nil {
		return ImportResult{}, err
	}
	result := ImportResult{UserID: userID}
	err = d.retry(ctx, func(ctx context.Context) (done bool, err error) {
		result, done, err = run.step(ctx, in, userID, r, importMark{From: run.from, ID: in.ID, Digest: digest, At: d.now().UTC()})
		return done, err
	})
	return result, err
}

func (in Imported) digest() (string, error) {
	value, err := json.Marshal(in)
	if err != nil {
		return "", &FieldError{"data", "It is not JSON."}
	}
	return head.Hash(string(value)), nil
}

// step is one try of one user. done is false after a conflict.
func (run *importRun) step(ctx context.Context, in Imported, userID string, r *record, mark importMark) (ImportResult, bool, error) {
	d := run.d
	result := ImportResult{UserID: userID, Outcome: Skipped}
	items, err := d.get(ctx, head.Key(d.pool, userID), d.key(userID, userRow), d.key(userID, importedRow))
	if err != nil {
		return result, false, err
	}
	before, h, rows, err := d.assemble(userID, items)
	switch {
	case h.Gone == head.Deleted:
		result.Reason = "The user was deleted here."
		return result, true, nil
	case errors.Is(err, postern.ErrNoUser):
		result.Outcome = Created
		done, err := run.create(ctx, in, userID, r, mark, h)
		return result, done, err
	case err != nil:
		return result, false, err
	}
	var old importMark
	if item, ok := rows[importedRow]; ok {
		if err := json.Unmarshal(item.Value, &old); err != nil {
			return result, false, fmt.Errorf("users: the mark of an import does not decode: %w", err)
		}
	}
	switch {
	case old.From != mark.From || old.ID != mark.ID:
		return result, true, &FieldError{"userID", "Another user has this id."}
	case old.Digest == mark.Digest:
		return result, true, nil
	case in.NewOnly:
		result.Reason = "The user was imported before, and this record has less of them."
		return result, true, nil
	case old.Version != rows[userRow].Version:
		result.Reason = "The user was changed here since the import."
		return result, true, nil
	}
	result.Outcome = Updated
	done, err := run.update(ctx, userID, before, r, h, rows, mark)
	return result, done, err
}

func (run *importRun) create(ctx context.Context, in Imported, userID string, r *record, mark importMark, h head.Head) (bool, error) {
	n := credentials{passwords: in.Passwords, passkeys: in.Passkeys}
	if in.Changes != nil {
		n.more = in.Changes(userID)
	}
	dr := run.d.newcomer(userID, r, h, n)
	dr.mark = run.marked(userID, mark, "")
	return run.write(ctx, dr, nil, h)
}

func (run *importRun) update(ctx context.Context, userID string, before, r *record, h head.Head, rows map[string]store.Item, mark importMark) (bool, error) {
	next := *r
	next.Created = before.Created
	dr := &draft{id: userID, rec: &next, head: h.Added(), item: rows[userRow]}
	now, had := map[store.Key]bool{}, run.d.claims(before)
	for _, w := range run.d.claims(&next) {
		now[w.key] = true
	}
	if slices.ContainsFunc(had, func(w wanted) bool { return !now[w.key] }) {
		dr.head = dr.head.Moved()
	}
	if !slices.Equal(before.Roles, r.Roles) {
		dr.head.Rights++
	}
	if (before.Disabled != nil) != (r.Disabled != nil) {
		dr.head = dr.head.Moved()
		dr.head.Gone = ""
		if r.Disabled != nil {
			dr.head.Gone = head.Disabled
		}
	}
	dr.mark = run.marked(userID, mark, rows[importedRow].Version)
	return run.write(ctx, dr, before, h)
}

// marked returns the function that makes the mark of an import.
func (run *importRun) marked(userID string, mark importMark, version string) func(string) store.Change {
	return func(userVersion string) store.Change {
		mark.Version = userVersion
		item := store.Item{Key: run.d.key(userID, importedRow), Version: version}
		item.Value, _ = json.Marshal(mark) // texts and times of this millennium always encode
		return store.Put(item)
	}
}

// write writes a draft, or only checks it in a dry run.
func (run *importRun) write(ctx context.Context, dr *draft, before *record, h head.Head) (bool, error) {
	if run.o.within != nil {
		more, err := run.o.within(ctx, dr.id, before, dr.rec)
		if err != nil {
			return false, err
		}
		dr.also = append(dr.also, more...)
	}
	changes, err := run.d.changes(ctx, dr, before, h)
	if err != nil {
		return false, err
	}
	if len(changes) > store.MaxChanges {
		return false, ErrTooMany
	}
	if !run.o.DryRun {
		return run.d.commit(ctx, changes...)
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	for _, w := range run.d.claims(dr.rec) {
		if owner, ok := run.claimed[w.key]; ok && owner != dr.id {
			return false, &takenError{claimName(w.key)}
		}
	}
	for _, w := range run.d.claims(dr.rec) {
		run.claimed[w.key] = dr.id
	}
	return true, nil
}

// importRecord returns the record of a user of another system. What a person only sees is made valid, and what
// identifies a person or gives rights must be valid.
func (d *Directory) importRecord(in Imported) (r *record, err error) {
	now := d.now().UTC()
	r = &record{Name: text.Line(in.Name, maxName), Created: in.Created.UTC(), Updated: now}
	if in.Created.IsZero() {
		r.Created = now
	}
	if y := r.Created.Year(); y < 1970 || y > 9999 {
		return nil, &FieldError{"created", "It is not a time of the years 1970 to 9999."}
	}
	if checkLocale(in.Locale) == nil {
		r.Locale = in.Locale
	}
	if checkPicture(in.Picture) == nil {
		r.Picture = in.Picture
	}
	if in.Username != "" {
		if r.Username, err = d.checkUsername(in.Username); err != nil {
			return nil, err
		}
	}
	for _, a := range in.Addresses {
		if a.Type == "email" && a.Verified {
			if _, err := checkAddress(a.Value); err != nil {
				return nil, err
			}
		}
		if len(r.Addresses) == maxAddresses {
			return nil, ErrTooMany
		}
		r.note(a)
	}
	for _, i := range in.Identities {
		switch {
		case i.Issuer == postern.MailIssuer || i.Issuer == postern.NameIssuer || !identityForm(i):
			return nil, &FieldError{"identities", "An identity has the issuer and the subject of a provider, each of at most 1,024 bytes."}
		case r.findIdentity(i) >= 0:
			continue
		case len(r.Identities) == maxIdentities:
			return nil, ErrTooMany
		}
		r.Identities = append(r.Identities, identity{i.Issuer, i.Subject, i.Provider, r.Created})
	}
	for _, role := range in.Roles {
		if _, ok := d.roles[role]; !ok {
			return nil, ErrRole
		}
	}
	r.Roles = slices.Compact(slices.Sorted(slices.Values(in.Roles)))
	if in.Disabled != nil {
		if len(in.Disabled.Why) > maxWhy {
			return nil, &FieldError{"why", "A reason has at most 1,024 bytes."}
		}
		r.Disabled = &disabled{in.Disabled.At.UTC(), in.Disabled.Why, in.Disabled.Until.UTC()}
		if r.Disabled.At.IsZero() { // the other system does not say since when: here since now
			r.Disabled.At = now
		}
	}
	if r.Data, err = checkJSON("data", in.Data); err != nil {
		return nil, err
	}
	r.Profile, err = checkJSON("profile", in.Profile)
	return r, err
}
