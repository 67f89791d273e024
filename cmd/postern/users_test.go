package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/users"
)

// A usersWorld is a program with a directory in a SQLite file, and its keys in a data folder.
type usersWorld struct {
	t    *testing.T
	s    *session.Sessions
	dir  *users.Directory
	kind *postern.Kind[string]
	base []string // flags that name the program
	data string
}

func newUsersWorld(t *testing.T) *usersWorld {
	t.Helper()
	data := t.TempDir()
	path := filepath.Join(data, "app.db")
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: now, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close(); db.Close() })
	ring, err := folder(data).ring(t.Context(), keys.RingConfig{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(session.Config{Issuer: issuerURL, Audience: "api", Keys: ring, Store: st, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := users.New(users.Config{Sessions: s, AllowUsernames: true, Roles: users.Roles{"editor": {"posts:write"}, "reader": {"posts:read"}}})
	if err != nil {
		t.Fatal(err)
	}
	kind := postern.NewKind(s, dir, session.KindConfig[string]{Name: "user", Idle: time.Hour, Absolute: 24 * time.Hour}, func(p postern.Person) string { return p.Name })
	return &usersWorld{t, s, dir, kind, []string{"--data", data, "--store", "sqlite:" + path, "--issuer", issuerURL}, data}
}

// run runs a command, given as words with | between them, and returns what it prints. It must succeed.
func (w *usersWorld) run(words string) string {
	w.t.Helper()
	out, errs, status := w.call(words)
	if status != statusOK || errs != "" {
		w.t.Fatalf("users %s: %d %s%s", words, status, out, errs)
	}
	return out
}

// refused runs a command that must fail with a status and a text.
func (w *usersWorld) refused(words string, status int, says string) {
	w.t.Helper()
	out, errs, got := w.call(words)
	if got != status || !strings.Contains(errs, says) || !strings.HasPrefix(errs, "postern: ") {
		w.t.Errorf("users %s: %d %s%s\nwant %d %s", words, got, out, errs, status, says)
	}
}

func (w *usersWorld) call(words string) (out, errs string, status int) {
	w.t.Helper()
	args := strings.Split(words, "|")
	return call(w.t, "", append(append([]string{"users", args[0]}, w.base...), args[1:]...)...)
}

// add adds a user with a verified address.
func (w *usersWorld) add(address string, more ...string) users.User {
	w.t.Helper()
	w.run(strings.Join(append([]string{"add", "--verified", "--email", address}, more...), "|"))
	return w.find(address)
}

func (w *usersWorld) find(address string) users.User {
	w.t.Helper()
	id, err := w.dir.Find(w.t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: address})
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := w.dir.User(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// The commands change what the program reads: who a user is, what they may do, and whether they are in.
func TestUsers(t *testing.T) {
	w := newUsersWorld(t)
	if out := w.run("list"); out != "No user in the pool "+issuerURL+".\n" {
		t.Errorf("an empty list: %s", out)
	}
	ada := w.add("Ada@Example.com", "--name", "Ada \u202eLovelace", "--username", "ada", "--role", "editor")
	if ada.Username != "ada" || len(ada.Scopes) != 1 || ada.Scopes[0] != "posts:write" {
		t.Fatalf("%+v", ada)
	}
	google := postern.Identity{Issuer: "https://accounts.google.com", Subject: "7"}
	if err := w.dir.Link(t.Context(), ada.ID, google); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{ada.ID, "ada@example.com", "ada", "7|--subject-of|" + google.Issuer, ada.ID + "|--by|id", "ada|--by|username", "ada@example.com|--by|address"} {
		out := w.run("show|" + who)
		for _, want := range []string{ada.ID, "ada@example.com (email, verified)", "https://accounts.google.com 7", "editor", "active"} {
			if !strings.Contains(out, want) || strings.Contains(out, "\u202e") {
				t.Errorf("show %s does not have %q:\n%s", who, want, out)
			}
		}
	}
	var shown struct {
		ID    string   `json:"id"`
		Roles []string `json:"roles"`
	}
	if out := w.run("show|--json|ada"); json.Unmarshal([]byte(out), &shown) != nil || shown.ID != ada.ID || len(shown.Roles) != 1 || strings.Count(out, "\n") != 1 {
		t.Errorf("show --json: %s", out)
	}

	if out := w.run("roles|ada"); out != ada.ID+" (ada@example.com) has the roles editor.\n" {
		t.Errorf("roles: %s", out)
	}
	w.run("roles|ada|--add|reader|--remove|editor")
	if u := w.find("ada@example.com"); strings.Join(u.Roles, " ") != "reader" {
		t.Errorf("after --add and --remove: %v", u.Roles)
	}
	w.run("roles|ada|--set|editor|--set|reader")
	if out := w.run("roles|--json|ada"); out != `{"id":"`+ada.ID+`","roles":["editor","reader"]}`+"\n" {
		t.Errorf("roles --json: %s", out)
	}
	if out := w.run("roles|ada|--clear"); !strings.HasSuffix(out, "has no role.\n") || len(w.find("ada@example.com").Roles) != 0 {
		t.Errorf("roles --clear: %s", out)
	}

	grant := session.Grant[string]{Subject: ada.ID, Authentication: session.Authentication{Time: noon, Methods: []string{"link"}}}
	tokens, err := w.kind.Create(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	out := w.run("disable|ada|--why|charge\u202eback|--until|2026-06-01T00:00:00Z")
	if !strings.Contains(out, "is disabled until 2026-06-01 00:00:00 UTC") {
		t.Errorf("disable: %s", out)
	}
	if _, err := w.s.Refresh(t.Context(), tokens.Refresh); session.Reason(err) != "ended" {
		t.Errorf("the session of a disabled user: %v", err)
	}
	if out := w.run("show|ada"); !strings.Contains(out, "disabled until 2026-06-01") || !strings.Contains(out, `charge\u202eback`) {
		t.Errorf("show: %s", out)
	}
	w.run("enable|ada")
	if out := w.run("enable|ada"); !strings.HasSuffix(out, "was not disabled.\n") {
		t.Errorf("enable again: %s", out)
	}
	if u := w.find("ada@example.com"); u.Disabled != nil {
		t.Errorf("after enable: %+v", u.Disabled)
	}
	undo := postern.AddressChange{Old: "new@example.com", New: "ada@example.com", Undo: true}
	if err := errors.Join(w.dir.ReplaceAddress(t.Context(), ada.ID, undo.New, undo.Old, users.Extra{}), w.dir.ChangeAddress(t.Context(), ada.ID, undo)); err != nil {
		t.Fatal(err)
	}
	if out := w.run("show|ada") + w.run("enable|ada"); !strings.Contains(out, "frozen") || w.find("ada@example.com").Frozen {
		t.Errorf("a frozen user: %s", out)
	}

	h, err := head.Get(t.Context(), w.s.Store(), w.s.Issuer(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	h.Ways.Passwords, h.Lock = 1, head.LockPassword
	if err := w.s.Store().Write(t.Context(), h.Put()); err != nil {
		t.Fatal(err)
	}
	w.run("unlock|ada")
	if out := w.run("demand-change|ada"); !strings.HasSuffix(out, "must change the password.\n") {
		t.Errorf("demand-change: %s", out)
	}
	if h, err = head.Get(t.Context(), w.s.Store(), w.s.Issuer(), ada.ID); err != nil || h.Lock != "" || !h.Change {
		t.Errorf("%+v %v", h, err)
	}

	if tokens, err = w.kind.Create(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	w.refused("delete|ada", statusUsage, "add --yes")
	w.find("ada@example.com") // she is there still
	if out := w.run("delete|--yes|ada"); !strings.HasSuffix(out, "is deleted.\n") {
		t.Errorf("delete: %s", out)
	}
	if _, err := w.s.Refresh(t.Context(), tokens.Refresh); session.Reason(err) != "ended" {
		t.Errorf("the session of a deleted user: %v", err)
	}
	w.refused("show|ada", statusNo, "there is no user ada in the pool "+issuerURL)
	w.refused("delete|--yes|ada", statusNo, "there is no user ada")
	if out := w.run("delete|--yes|" + ada.ID); !strings.HasSuffix(out, "was deleted before; nothing is left.\n") {
		t.Errorf("delete again: %s", out)
	}
}

// An address that an administrator types is a note. Only --verified makes it a way in.
func TestUsersAdd_Unverified(t *testing.T) {
	w := newUsersWorld(t)
	if out := w.run("add|--email|eve@example.com"); !strings.Contains(out, "Nobody can sign in as this user yet") {
		t.Errorf("add: %s", out)
	}
	if _, err := w.dir.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: "eve@example.com"}); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("found by a note: %v", err)
	}
	if out := w.run("list"); !strings.Contains(out, "(eve@example.com)") {
		t.Errorf("list: %s", out)
	}
	w.refused("show|eve@example.com", statusNo, "An address that is not verified finds nobody")
	w.add("eve@example.com") // the note keeps nobody out
	if out := w.run("add|--json|--verified|--email|bob@example.com"); !strings.Contains(out, `"value":"bob@example.com","verified":true`) {
		t.Errorf("add --json: %s", out)
	}
}

func TestUsers_Mistakes(t *testing.T) {
	w := newUsersWorld(t)
	ada := w.add("ada@example.com")
	for words, want := range map[string]string{
		"add":                           "give --email or --username",
		"add|--verified|--username|bob": "--verified is about the address",
		"add|--email|b@example.com|--role|No Role":             "is not a name of a role",
		"add|--verified|--email|ada@":                          "users add --email: ",
		"add|--email|\u0430da@example.com":                     "users add --email: ",
		"list|--limit=-1":                                      "--limit",
		"show|ada|--by|name":                                   "--by",
		"show|7|--by|id|--subject-of|https://a":                "exclude each other",
		"export|--by|id":                                       "need WHO",
		"disable|ada@example.com|--until|yesterday":            "2026-01-31T12:00:00Z",
		"disable|ada@example.com|--until|2026-05-17":           "2026-01-31T12:00:00Z",
		"disable|ada@example.com|--until|2026-05-17T11:00:00Z": "has passed already",
		"disable|ada@example.com|--kind|Bad":                   "a name is a lower-case letter",
		"roles|ada@example.com|--set|a|--add|b":                "give one of them alone",
		"roles|ada@example.com|--set|a|--clear":                "give one of them alone",
		"roles|ada@example.com|--add|a|--remove|a":             "choose one",
		"roles|ada@example.com|--add|A":                        "is not a name of a role",
		"invite|not an address":                                "is not one mail address",
		"invite|bob@example.com|--role|A":                      "is not a name of a role",
	} {
		w.refused(words, statusUsage, want)
	}
	for words, want := range map[string]string{
		"add|--verified|--email|ada@example.com":          "belongs to another user",
		"add|--username|admin":                            "reserved",
		"show|nobody":                                     "there is no user nobody",
		"show|\u202enobody":                               `there is no user \u202enobody`,
		"show|1|--subject-of|https://accounts.google.com": "there is no user 1 of https://accounts.google.com",
		"disable|nobody":                                  "there is no user nobody",
		"unlock|nobody":                                   "there is no user nobody",
		"enable|nobody":                                   "there is no user nobody",
		"roles|nobody|--add|editor":                       "there is no user nobody",
		"delete|nobody":                                   "there is no user nobody",
		"export|nobody":                                   "there is no user nobody",
		"show|ada@example.com|--pool|other":               "in the pool other",
		"disable|ada@example.com|--why|" + strings.Repeat("x", 1025): "1,024 bytes",
	} {
		w.refused(words, statusNo, want)
	}
	if u := w.find("ada@example.com"); u.Version != ada.Version {
		t.Error("a refused command changed a user")
	}
}

// A username can look like the id of somebody else. A command never chooses between the two.
func TestUsers_UsernameLikeAnID(t *testing.T) {
	w := newUsersWorld(t)
	ada := w.add("ada@example.com")
	eve := w.add("eve@example.com", "--username", ada.ID)
	w.refused("disable|"+ada.ID, statusNo, "choose with --by id or --by username")
	w.run("disable|--by|id|" + ada.ID)
	if w.find("ada@example.com").Disabled == nil || w.find("eve@example.com").Disabled != nil {
		t.Error("the other one is disabled")
	}
	if out := w.run("show|--by|username|" + ada.ID); !strings.Contains(out, eve.ID) {
		t.Errorf("show: %s", out)
	}
}

func TestUsersList_Limit(t *testing.T) {
	w := newUsersWorld(t)
	for _, a := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		w.add(a)
	}
	if out := w.run("list|--limit|2"); strings.Count(out, "@example.com") != 2 || !strings.Contains(out, "There are more: choose --limit") {
		t.Errorf("list: %s", out)
	}
	if out := w.run("list|--limit|3"); strings.Count(out, "@example.com") != 3 || strings.Contains(out, "more") {
		t.Errorf("list: %s", out)
	}
	out := w.run("list|--json|--limit|0")
	if strings.Count(out, "\n") != 3 {
		t.Errorf("list --json: %s", out)
	}
	for line := range strings.Lines(out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("list --json: %s", line)
		}
	}
	if all := w.run("export"); all != out {
		t.Errorf("export: %s", all)
	}
	if one := w.run("export|b@example.com"); strings.Count(one, "\n") != 1 || !strings.Contains(one, "b@example.com") {
		t.Errorf("export of one: %s", one)
	}
}

// The link of an invitation works in the program: the owner of the address signs up with it, with the roles.
func TestUsersInvite(t *testing.T) {
	w := newUsersWorld(t)
	out := w.run("invite|bob@example.com|--role|editor")
	link, text, _ := strings.Cut(out, "\n")
	if !strings.HasPrefix(link, issuerURL+"/authorize?invitation=") || !strings.Contains(text, "Send this link to bob@example.com. It works for seven days, once") {
		t.Fatalf("invite: %s", out)
	}
	token := strings.TrimPrefix(link, issuerURL+"/authorize?invitation=")
	if other := w.run("invite|--json|bob@example.com"); strings.Contains(other, token) || !json.Valid([]byte(other)) || !strings.Contains(other, `"roles":[]`) {
		t.Errorf("invite --json: %s", other)
	}
	raw, err := os.ReadFile(filepath.Join(w.data, "app.db"))
	if err != nil || strings.Contains(string(raw), token) {
		t.Errorf("the store has the link, %v", err)
	}
	auth, err := postern.New(postern.Config{
		Sessions: w.s, Session: w.kind, Redirects: []string{"/"}, Admit: postern.Invited,
		Providers: map[string]postern.Provider{"test": proves("bob@example.com")},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	visit := func(path string, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest("GET", issuerURL+path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		return rec.Result()
	}
	first := visit("/test/authorize?invitation="+token, nil)
	if last := visit("/test/callback?state="+first.Header.Get("X-State"), first.Cookies()); last.StatusCode != http.StatusSeeOther {
		t.Fatalf("the sign-in: %d", last.StatusCode)
	}
	if bob := w.find("bob@example.com"); strings.Join(bob.Roles, " ") != "editor" {
		t.Errorf("%+v", bob)
	}

	_, errs, status := call(t, "", "users", "invite", "--data", t.TempDir(), "--store", w.base[3], "--issuer", issuerURL, "bob@example.com")
	if status != statusNo || !strings.Contains(errs, "there are no keys in") {
		t.Errorf("without keys: %d %s", status, errs)
	}
}

// The data folder of postern dev names the store and the issuer.
func TestUsers_DataFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, errs, status := call(t, "", "users", "list"); status != statusNo || !strings.Contains(errs, "there is no database") {
		t.Errorf("without a folder: %d %s", status, errs)
	}
	d, err := openDev(t.Context(), folder(".postern"), "http://localhost:8420", world{strings.NewReader(""), os.Stdout, os.Stderr, func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if out, errs, status := call(t, "", "users", "add", "--verified", "--email", "ada@example.com"); status != statusOK {
		t.Errorf("add: %d %s%s", status, out, errs)
	}
	if out, errs, status := call(t, "", "users", "list"); status != statusOK || !strings.Contains(out, "ada@example.com") {
		t.Errorf("list: %d %s%s", status, out, errs)
	}
	if out, errs, status := call(t, "", "users", "invite", "bob@example.com"); status != statusOK || !strings.HasPrefix(out, "http://localhost:8420/auth/authorize?invitation=") {
		t.Errorf("invite: %d %s%s", status, out, errs)
	}
}

// proves is a provider that has verified an address.
type proves string

func (p proves) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			id, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			w.Header().Set("X-State", id)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Done(w, r, postern.Identity{Issuer: "https://idp.example", Subject: "1", Addresses: []postern.Address{{Type: "email", Value: string(p), Verified: true}}}, "oauth")
		},
	})
}

// The commands work on every engine that a command line can name.
func TestUsers_Engines(t *testing.T) {
	for name, open := range engines(t) {
		t.Run(name, func(t *testing.T) {
			at, _ := open(t)
			users := func(args ...string) string {
				t.Helper()
				out, errs, status := call(t, "", append([]string{"users", args[0], "--store", at, "--issuer", issuerURL}, args[1:]...)...)
				if status != statusOK {
					t.Fatalf("%v: %d %s%s", args, status, out, errs)
				}
				return out
			}
			users("add", "--verified", "--email", "ada@example.com", "--role", "editor")
			users("import", "--from", "auth0", "--all-unverified", exports+"auth0.ndjson")
			users("disable", "ada@example.com")
			if out := users("list"); !strings.Contains(out, "ada@example.com") || !strings.Contains(out, "disabled") {
				t.Errorf("list: %s", out)
			}
			users("delete", "--yes", "ada@example.com")
			if out := users("list"); strings.Count(out, "\n") != 5 { // a line of names and four imported ones
				t.Errorf("list after: %s", out)
			}
			if _, errs, status := call(t, "", "users", "show", "--store", at, "--issuer", issuerURL, "ada@example.com"); status != statusNo || !strings.Contains(errs, "there is no user") {
				t.Errorf("show after: %d %s", status, errs)
			}
		})
	}
}
