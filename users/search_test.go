package users_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// A page holds the newest users, each once, and the next page goes on after it.
func TestSearch_Pages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 60
		var want []string
		for i := range n {
			w.Advance(time.Minute)
			s := signUp(account(fmt.Sprint(i)))
			s.Time = w.Now()
			want = append(want, must(w.dir.Create(t.Context(), s))(t))
		}
		slices.Reverse(want)
		var got []string
		q := users.Query{Actor: "admin", Limit: 7}
		for pages := 0; ; pages++ {
			page := must(w.dir.Search(t.Context(), q))(t)
			for _, u := range page.Users {
				got = append(got, u.ID)
			}
			if len(page.Users) > 7 || pages > n {
				t.Fatalf("page %d has %d users", pages, len(page.Users))
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the pages have %d users, want %d, newest first", len(got), len(want))
		}
		if all := w.all(); !slices.Equal(all, want) {
			t.Errorf("All returned %d users", len(all))
		}
		if page := must(w.dir.Search(t.Context(), users.Query{Limit: 1000}))(t); len(page.Users) != n || page.Next != "" {
			t.Errorf("one page for all: %d, next %q", len(page.Users), page.Next)
		}
	})
}

func TestSearch_Identifier(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ada := w.create(account("g1", "ada@example.com"))
		w.ok(w.dir.SetUsername(t.Context(), ada, "ada_l", users.Extra{}))
		w.create(account("g2", "bob@example.com"))
		google := account("g1")
		for _, q := range []users.Query{
			{Identifier: "ADA@example.com"}, {Identifier: "ada_l"}, {Identifier: "Ada_L"}, {Identifier: ada}, {Identity: &google},
		} {
			page := must(w.dir.Search(t.Context(), q))(t)
			if len(page.Users) != 1 || page.Users[0].ID != ada || page.Next != "" {
				t.Errorf("%+v finds %+v", q, page)
			}
		}
		for _, text := range []string{"ada", "ada@", "@example.com", "ada@example.co", "g1", "*", "%", "nobody@example.com"} {
			if page := must(w.dir.Search(t.Context(), users.Query{Identifier: text}))(t); len(page.Users) != 0 {
				t.Errorf("%q finds %d users", text, len(page.Users))
			}
		}
	})
}

// A cursor works for its actor and its query alone, and the deleted are on no page.
func TestR6_CursorsAndTheDeleted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var ids []string
		for i := range 12 {
			ids = append(ids, w.create(account(fmt.Sprint(i), fmt.Sprintf("user%d@example.com", i))))
		}
		page := must(w.dir.Search(ctx, users.Query{Actor: "admin", Limit: 5}))(t)
		if page.Next == "" || strings.Contains(page.Next, page.Users[4].ID) {
			t.Fatalf("the cursor is %q", page.Next)
		}
		other := must(users.New(users.Config{Sessions: w.sessions, Pool: w.pool + "2"}))(t)
		for what, err := range map[string]error{
			"another actor": second(w.dir.Search(ctx, users.Query{Actor: "bob", Cursor: page.Next})),
			"no actor":      second(w.dir.Search(ctx, users.Query{Cursor: page.Next})),
			"another query": second(w.dir.Search(ctx, users.Query{Actor: "admin", Identifier: "user1@example.com", Cursor: page.Next})),
			"another pool":  second(other.Search(ctx, users.Query{Actor: "admin", Cursor: page.Next})),
			"changed":       second(w.dir.Search(ctx, users.Query{Actor: "admin", Cursor: page.Next + "A"})),
			"made up":       second(w.dir.Search(ctx, users.Query{Actor: "admin", Cursor: ids[3]})),
			"long":          second(w.dir.Search(ctx, users.Query{Actor: "admin", Cursor: strings.Repeat("x", 1<<20)})),
		} {
			w.want(err, users.ErrCursor)
			_ = what
		}
		w.bury(ids[2])
		w.ok(w.dir.Delete(ctx, ids[7], users.Extra{}))
		for range 2 {
			listed := w.all()
			if len(listed) != 10 || slices.Contains(listed, ids[2]) || slices.Contains(listed, ids[7]) {
				t.Errorf("listed are %d users", len(listed))
			}
			for _, text := range []string{ids[2], ids[7], "user2@example.com", "user7@example.com"} {
				if page := must(w.dir.Search(ctx, users.Query{Identifier: text}))(t); len(page.Users) != 0 {
					t.Errorf("a deleted user is found by %q", text)
				}
			}
			must(w.dir.Sweep(ctx))(t)
		}
	})
}

// An export has what the directory knows of a person, and nothing of the other rows in their part.
func TestR7_ExportHoldsNoSecret(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		id := w.create(account("g1", "ada@example.com"))
		name := "Ada"
		must(w.dir.Update(ctx, id, "", users.Fields{Name: &name, Data: json.RawMessage(`{"plan":"free"}`)}))(t)
		w.ok(w.dir.ReplaceAddress(ctx, id, "ada@example.com", "new@example.com", users.Extra{}))
		w.ok(w.dir.TouchLastSignIn(ctx, id))
		var canaries []string
		for i := range 50 { // rows that other packages keep, by their names and by names that are not known yet
			canary := fmt.Sprintf("canary-%d-%s", i, w.pool)
			canaries = append(canaries, canary)
			row := []string{"password", "totp", "codes", "passkey:x", "slot", "dev:x", "wait:x", "change", "ev:1", "key"}[i%10] + fmt.Sprint(i)
			value, _ := json.Marshal(map[string]string{"hash": canary, "name": canary, "data": canary, "sub": canary})
			w.ok(w.store.Write(ctx, store.Put(store.Item{Key: store.Key{Part: head.Part(w.pool, id), ID: row}, Value: value})))
		}
		var one, all bytes.Buffer
		w.ok(w.dir.Export(ctx, &one, id))
		w.ok(w.dir.ExportAll(ctx, &all))
		if one.String() != all.String() || strings.Count(all.String(), "\n") != 1 {
			t.Errorf("one: %s\nall: %s", &one, &all)
		}
		for _, c := range canaries {
			if strings.Contains(one.String(), c) {
				t.Errorf("the export holds %s", c)
			}
		}
		var line map[string]any
		w.ok(json.Unmarshal(one.Bytes(), &line))
		for key := range line {
			if !slices.Contains([]string{"id", "name", "addresses", "formerAddresses", "identities", "data", "created", "updated", "lastSignIn"}, key) {
				t.Errorf("the export has the member %q", key)
			}
		}
		for _, want := range []string{`"id":"` + id, `"name":"Ada"`, `"value":"new@example.com","verified":true`, `"address":"ada@example.com"`, `"subject":"g1"`, `"data":{"plan":"free"}`} {
			if !strings.Contains(one.String(), want) {
				t.Errorf("the export lacks %s: %s", want, &one)
			}
		}
		w.want(w.dir.Export(ctx, &one, "nobody"), postern.ErrNoUser)
		if err := w.dir.ExportAll(ctx, full{}); !errors.Is(err, errDown) {
			t.Errorf("a writer that fails: %v", err)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errDown }

// A store that fails is an error, and never an empty answer.
func TestReads_StoreFails(t *testing.T) {
	w := newWorld(t)
	id := w.create(account("g1", "ada@example.com"))
	down := w.on(&faulty{Store: w.store, fails: func(int) bool { return true }})
	var b bytes.Buffer
	google := account("g1")
	for what, err := range map[string]error{
		"Find": second(down.Find(t.Context(), mail("ada@example.com"))), "Get": second(down.Get(t.Context(), id)),
		"User": second(down.User(t.Context(), id)), "Search": second(down.Search(t.Context(), users.Query{})),
		"Identifier": second(down.Search(t.Context(), users.Query{Identifier: "ada@example.com"})), "Identity": second(down.Search(t.Context(), users.Query{Identity: &google})),
		"Export": down.Export(t.Context(), &b, id), "ExportAll": down.ExportAll(t.Context(), &b), "Sweep": second(down.Sweep(t.Context())),
		"Create": second(down.Create(t.Context(), signUp(mail("ada@example.com")))), "Delete": down.Delete(t.Context(), id, users.Extra{}),
		"Link": down.Link(t.Context(), id, account("g2")), "Touch": down.TouchLastSignIn(t.Context(), id),
	} {
		if !errors.Is(err, errDown) || errors.Is(err, postern.ErrNoUser) || errors.Is(err, postern.ErrTaken) || !strings.HasPrefix(err.Error(), "users: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
