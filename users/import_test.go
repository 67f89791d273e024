package users_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func importAll(w *world, o users.ImportOptions, in ...users.Imported) users.Report {
	w.t.Helper()
	return must(w.dir.Import(w.t.Context(), "other", one(in...), o))(w.t)
}

func counts(r users.Report) [4]int { return [4]int{r.Created, r.Updated, r.Skipped, r.Refused} }

func emails(addresses ...string) (out []postern.Address) {
	for _, a := range addresses {
		out = append(out, postern.Address{Type: "email", Value: a, Verified: true})
	}
	return out
}

// An import makes users with all they had, and their credentials in the same write.
func TestImport(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		password := func(id string) []store.Change {
			return []store.Change{store.Put(store.Item{Key: store.Key{Part: head.Part(w.pool, id), ID: "password"}, Value: []byte("{}")})}
		}
		born := testworld.Start.Add(-1000 * 24 * time.Hour)
		in := []users.Imported{
			{ID: "1", Name: " Ada\n", Username: "Ada_L", Locale: "en-GB", Addresses: append(emails("ADA@example.com", "ada@example.com"), postern.Address{Type: "email", Value: "note@example.com"}),
				Identities: []postern.Identity{account("g1"), account("g1")}, Roles: []string{"editor"}, Data: json.RawMessage(`{"a": 1}`), Profile: json.RawMessage(`{"b":2}`), Created: born, Passwords: 1, Changes: password},
			{ID: "2", UserID: "auth0|5f7c8ec7c33c6c004bbafe82", Addresses: emails("bob@example.com"), Disabled: &users.Disabled{At: born, Why: "left"}},
		}
		if r := importAll(w, users.ImportOptions{}, in...); counts(r) != [4]int{2, 0, 0, 0} || len(r.Problems) != 0 {
			t.Fatalf("the report is %+v", r)
		}
		ada := w.found(account("g1"))
		u := w.user(ada)
		if u.Name != "Ada" || u.Username != "ada_l" || u.Locale != "en-GB" || !u.Created.Equal(born) || !slices.Equal(u.Roles, []string{"editor"}) || string(u.Data) != `{"a":1}` || string(u.Profile) != `{"b":2}` {
			t.Errorf("Ada is %+v", u)
		}
		if got := verified(u); !slices.Equal(got, []string{"ada@example.com"}) || len(u.Addresses) != 2 {
			t.Errorf("the addresses are %+v", u.Addresses)
		}
		if w.head(ada).Ways.Passwords != 1 || len(must(w.store.Get(ctx, password(ada)[0].Item.Key))(t)) != 1 {
			t.Error("the password was not written")
		}
		bob := w.user("auth0|5f7c8ec7c33c6c004bbafe82")
		if bob.Disabled == nil || bob.Disabled.Why != "left" || w.head(bob.ID).Gone != head.Disabled || w.found(mail("bob@example.com")) != bob.ID {
			t.Errorf("Bob is %+v", bob)
		}
		w.sound(ada)
		w.sound(bob.ID)

		// Again: the same users.
		if r := importAll(w, users.ImportOptions{}, in...); counts(r) != [4]int{0, 0, 2, 0} || len(r.Problems) != 0 {
			t.Errorf("the second report is %+v", r)
		}
		// The other system has changed both; here somebody has changed Bob.
		name := "Robert"
		must(w.dir.Update(ctx, bob.ID, "", users.Fields{Name: &name}))(t)
		in[0].Name, in[0].Roles, in[0].Addresses = "Ada Lovelace", []string{"reader"}, emails("ada@example.org")
		in[1].Name = "Bobby"
		w.Advance(time.Hour)
		r := importAll(w, users.ImportOptions{}, in...)
		if counts(r) != [4]int{0, 1, 1, 0} || len(r.Problems) != 1 || r.Problems[0].ID != "2" || !strings.Contains(r.Problems[0].Reason, "changed here") {
			t.Errorf("the third report is %+v", r)
		}
		u, h := w.user(ada), w.head(ada)
		if u.Name != "Ada Lovelace" || !slices.Equal(u.Roles, []string{"reader"}) || w.found(mail("ada@example.com")) != "" || w.found(mail("ada@example.org")) != ada {
			t.Errorf("Ada is %+v", u)
		}
		if h.Sec != 1 || h.Rights != 1 || h.Ways.Passwords != 1 {
			t.Errorf("the head is %+v", h)
		}
		if got := w.user(bob.ID).Name; got != name {
			t.Errorf("Bob's name here was overwritten: %q", got)
		}
		w.sound(ada)

		// Who was deleted here does not come back.
		w.ok(w.dir.Delete(ctx, ada, users.Extra{}))
		if r := importAll(w, users.ImportOptions{}, in[0]); counts(r) != [4]int{0, 0, 1, 0} || len(w.all()) != 1 {
			t.Errorf("the report after a deletion is %+v", r)
		}
		if len(w.all()) != 1 {
			t.Errorf("listed are %d", len(w.all()))
		}
	})
}

// What cannot be taken over is refused with a reason, and nothing of it is written. A dry run gives the same report.
func TestImport_Refused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.create(account("g1", "ada@example.com"))
		kept := w.create(mail("kept@example.com"))
		var many []postern.Address
		for i := range 11 {
			many = append(many, emails(fmt.Sprintf("m%d@example.com", i))...)
		}
		bad := map[string]users.Imported{
			"The id at":                   {},
			"The address belongs":         {ID: "1", Addresses: emails("free@example.com", "ada@example.com")},
			"The identity belongs":        {ID: "2", Identities: []postern.Identity{account("g1")}},
			"address: ":                   {ID: "3", Addresses: emails("no address")},
			"username: ":                  {ID: "4", Username: "admin"},
			"identities: ":                {ID: "5", Identities: []postern.Identity{mail("x@example.com")}},
			"too many":                    {ID: "6", Addresses: many},
			"A role":                      {ID: "7", Roles: []string{"owner"}},
			"data: ":                      {ID: "8", Data: json.RawMessage("{")},
			"userID: Another":             {ID: "9", UserID: kept, Addresses: emails("free2@example.com")},
			"userID: A user":              {ID: "10", UserID: "c_client"},
			"created: ":                   {ID: "11", Created: time.Date(1, 1, 1, 1, 1, 1, 1, time.UTC)},
			"The username belongs":        {ID: "13", Username: "grace"},
			"too many addresses, identit": {ID: "14", Changes: func(string) []store.Change { return make([]store.Change, 25) }},
		}
		good := users.Imported{ID: "12", Username: "grace", Addresses: emails("free@example.com")}
		for _, dry := range []bool{true, false} {
			all := []users.Imported{good}
			for _, in := range bad {
				all = append(all, in)
			}
			calls := 0
			r := importAll(w, users.ImportOptions{DryRun: dry, Workers: 1, Each: func(users.ImportResult) { calls++ }}, all...)
			if counts(r) != [4]int{1, 0, 0, len(bad)} || calls != len(all) {
				t.Errorf("dry run %v: the report is %+v after %d calls", dry, r, calls)
			}
			for want, in := range bad {
				if !slices.ContainsFunc(r.Problems, func(p users.ImportResult) bool {
					return p.ID == in.ID && p.Outcome == users.Refused && strings.Contains(p.Reason, want)
				}) {
					t.Errorf("dry run %v: %q is not among the reasons", dry, want)
				}
			}
			if want := map[bool]int{true: 2, false: 3}[dry]; len(w.all()) != want {
				t.Errorf("dry run %v: %d users, want %d", dry, len(w.all()), want)
			}
		}
		for i := range 11 {
			if got := w.found(mail(fmt.Sprintf("m%d@example.com", i))); got != "" {
				t.Errorf("an address of a refused user finds %s", got)
			}
		}
	})
}

// An import that is interrupted goes on where it was, and makes nobody twice.
func TestImport_Resumed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 40
		all := make([]users.Imported, n)
		for i := range all {
			all[i] = users.Imported{ID: fmt.Sprint(i), Addresses: emails(fmt.Sprintf("u%d@example.com", i))}
		}
		f := &faulty{Store: w.store}
		f.after(n / 2)
		r, err := w.on(f).Import(t.Context(), "other", one(all...), users.ImportOptions{})
		if !errors.Is(err, errDown) || r.Created != n/2 {
			t.Errorf("the first part: %+v, %v", r, err)
		}
		if r := importAll(w, users.ImportOptions{}, all...); counts(r) != [4]int{n / 2, 0, n / 2, 0} {
			t.Errorf("the second part: %+v", r)
		}
		if got := w.all(); len(got) != n {
			t.Errorf("%d users", len(got))
		}
		// The file is broken in the middle.
		broken := errors.New("line 3")
		_, err = w.dir.Import(t.Context(), "third", func(yield func(users.Imported, error) bool) {
			_ = yield(users.Imported{ID: "a"}, nil) && yield(users.Imported{}, broken)
		}, users.ImportOptions{})
		w.want(err, broken)
		if _, err := w.dir.Import(t.Context(), "", one(), users.ImportOptions{}); err == nil {
			t.Error("an import from nowhere")
		}
	})
}

// Several imports at once, of the same file, make each user once.
func TestImport_Race(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := make([]users.Imported, 10)
		for i := range all {
			all[i] = users.Imported{ID: fmt.Sprint(i), Addresses: emails(fmt.Sprintf("u%d@example.com", i))}
		}
		reports := make([]users.Report, 5)
		race(len(reports), func(i int) (err error) {
			reports[i], err = w.dir.Import(t.Context(), "other", one(all...), users.ImportOptions{})
			if err != nil {
				t.Error(err)
			}
			return err
		})
		created := 0
		for _, r := range reports {
			created += r.Created
			if r.Refused+r.Updated != 0 {
				t.Errorf("a report is %+v", r)
			}
		}
		if created != len(all) || len(w.all()) != len(all) {
			t.Errorf("%d were created, %d are listed", created, len(w.all()))
		}
	})
}
