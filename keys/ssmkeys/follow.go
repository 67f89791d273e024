package ssmkeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/posternauth/postern/internal/ringpack"
)

// errGap is a list with a number missing. A save or a sweep in the middle of the list does that, too.
var errGap = errors.New("ssmkeys: versions are missing")

// checkOpen checks the newest version, whose number is not below the seal: a program from before the number was bound
// saved it, or somebody copied such a version to a later number. What was saved follows the versions below it: it has
// the next number, and the keys and revocations of them.
func (v *Vault) checkOpen(ctx context.Context, heads []head, data []byte) error {
	newest := heads[len(heads)-1]
	if newest.edits > 1 {
		return fmt.Errorf("ssmkeys: %s was overwritten, which Postern never does: look in CloudTrail who did (PutParameter), read its first value (aws ssm get-parameter-history --with-decryption), remove the parameter, and put that value there; only removed, keys that were revoked since the version before are valid again", v.name(newest.number))
	}
	if seen := v.followed.Load(); seen != nil && *seen == newest.version() {
		return nil
	}
	for i := len(heads) - 2; i >= 0; i-- {
		h := heads[i]
		if h.number+1 != heads[i+1].number {
			return fmt.Errorf("%[1]w between %[2]s and %[3]s: look in CloudTrail who did that, and remove %[3]s if it was copied there (PutParameter), or %[2]s if those between were removed (DeleteParameter)", errGap, v.name(h.number), v.name(heads[i+1].number))
		}
		before, bound, err := v.open(ctx, h)
		if ringpack.OtherSeal(err) && h.edits <= 1 {
			continue // sealed anew since
		}
		if err != nil {
			return err
		}
		if !bound && h.edits > 1 {
			return fmt.Errorf("ssmkeys: %s was overwritten, which Postern never does: %s", v.name(h.number), mend)
		}
		if err := follows(before, data); err != nil {
			return fmt.Errorf("ssmkeys: %s is no successor of %s, and was copied there: %w; look in CloudTrail who wrote it (PutParameter), and remove it", v.name(newest.number), v.name(h.number), err)
		}
		if bound {
			break
		}
	}
	version := newest.version()
	v.followed.Store(&version)
	return nil
}

// A ring is what follows reads of a document.
type ring struct {
	Keys, Secrets []entry
	Imported      []entry
}

type entry struct {
	ID                      string
	Created, Revoked, Until time.Time
}

// follows reports why after cannot be a later state of the ring than before.
func follows(before, after []byte) error {
	var old, next ring
	if err := json.Unmarshal(before, &old); err != nil {
		return errors.New("the one before does not parse as a ring")
	}
	if err := json.Unmarshal(after, &next); err != nil {
		return errors.New("it does not parse as a ring")
	}
	if err := entriesFollow(old.Keys, next.Keys); err != nil {
		return err
	}
	if err := entriesFollow(old.Secrets, next.Secrets); err != nil {
		return err
	}
	imported := byID(old.Imported)
	for _, e := range next.Imported {
		if o, ok := imported[e.ID]; !ok || e.Until.After(o.Until) {
			return fmt.Errorf("it has the imported key %q, or has it for longer", e.ID)
		}
	}
	return nil
}

// entriesFollow is follows for keys or for master secrets. A ring forgets dead entries, never the newest that is not
// revoked, and stamps a new one after all that are not.
func entriesFollow(before, after []entry) error {
	next := byID(after)
	var newest entry
	for _, e := range before {
		if n, ok := next[e.ID]; ok && n.Revoked.IsZero() && !e.Revoked.IsZero() {
			return fmt.Errorf("%q is not revoked in it", e.ID)
		}
		if e.Revoked.IsZero() && !e.Created.Before(newest.Created) {
			newest = e
		}
	}
	if _, ok := next[newest.ID]; !ok && newest.ID != "" {
		return fmt.Errorf("it lacks %q", newest.ID)
	}
	known := byID(before)
	for _, e := range after {
		if _, ok := known[e.ID]; !ok && !e.Created.After(newest.Created) {
			return fmt.Errorf("it has %q, which had left the ring", e.ID)
		}
	}
	return nil
}

func byID(entries []entry) map[string]entry {
	all := make(map[string]entry, len(entries))
	for _, e := range entries {
		all[e.ID] = e
	}
	return all
}

// checkRoom refuses a number with more digits than a name has. Nothing is written then.
func (v *Vault) checkRoom(number int) error {
	if len(strconv.Itoa(number)) > digits {
		return fmt.Errorf("ssmkeys: %s has the last number there is: load the ring, and save it under another path", v.name(number-1))
	}
	return nil
}
