package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/users/foreign"
)

const exports = "../../users/foreign/testdata/"

// firebaseHash is what the Firebase console shows for the project of the test vectors.
const firebaseHash = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`

// secretFile writes a file for its owner alone.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signIn signs a person in at the program by password, and reports whether that worked.
func (w *usersWorld) signIn(address, secret string) bool {
	w.t.Helper()
	auth, err := postern.New(postern.Config{
		Sessions: w.s, Session: w.kind, Redirects: []string{"/welcome"}, Providers: map[string]postern.Provider{"password": password.New(password.Config{})},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	b := testworld.NewBrowser(auth)
	page := b.Do(b.Request(http.MethodGet, issuerURL+"/password/authorize", nil)).Body.String()
	_, after, _ := strings.Cut(page, `name="state" value="`)
	state, _, ok := strings.Cut(after, `"`)
	if !ok {
		w.t.Fatalf("no form: %s", page)
	}
	form := url.Values{"state": {state}, "identifier": {address}, "password": {secret}}
	answer := b.Do(b.Request(http.MethodPost, issuerURL+"/password/callback", form))
	return answer.Code == http.StatusSeeOther && len(answer.Result().Cookies()) > 0
}

// An export of each system goes in, people are found by what they have proven there, and passwords work. A dry run
// before says the same and writes nothing, and a second run changes nothing.
func TestUsersImport(t *testing.T) {
	for _, tt := range []struct {
		file, flags      string
		created, unread  int
		passwords        int
		verified, secret string // somebody with a verified address, and their password; empty: none
	}{
		{"auth0.ndjson", "--from|auth0|--accounts|" + exports + "auth0-hashes.ndjson", 4, 0, 2, "ada@example.com", "a"},
		{"better-auth.json", "--from|better-auth|--role|admin=editor", 2, 0, 1, "ada@example.com", "correct horse \ufb01 A\u030a"},
		{"better-auth-user.csv", "--from|better-auth|--accounts|" + exports + "better-auth-account.csv", 2, 0, 1, "ada@example.com", "correct horse \ufb01 A\u030a"},
		{"clerk.csv", "--from|clerk", 3, 0, 2, "ada@example.com", "abc"},
		{"clerk.json", "--from|clerk", 2, 0, 0, "eve@example.com", ""},
		{"cognito.json", "--from|cognito|--issuer-of|acme=https://id.acme.example", 3, 0, 0, "ada@example.com", ""},
		{"cognito.csv", "--from|cognito", 2, 0, 0, "ada@example.com", ""},
		{"firebase.json", "--from|firebase|--firebase-hash|" + secretFile(t, firebaseHash), 3, 0, 1, "ada@example.com", "user1password"},
		{"firebase.csv", "--from|firebase|--firebase-hash|" + secretFile(t, firebaseHash), 2, 0, 1, "ada@example.com", "user1password"},
		{"keycloak.json", "--from|keycloak|--usernames|--role|editor|--issuer-of|google=https://accounts.google.com", 2, 1, 1, "ada@example.com", "test"},
		{"postern.ndjson", "--usernames|--role|editor", 3, 1, 0, "ada@example.com", ""},
		{"supabase.csv", "--from|supabase|--accounts|" + exports + "supabase-identities.csv", 2, 2, 1, "ada@example.com", "abc"},
		{"supabase.json", "--from|supabase|--all-unverified", 1, 0, 0, "", ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			w := newUsersWorld(t)
			report := filepath.Join(t.TempDir(), "report.ndjson")
			words := "import|" + tt.flags + "|--report|" + report + "|" + exports + tt.file
			run := func(words, want string) {
				t.Helper()
				out, errs, status := w.call(words)
				if status != min(tt.unread, 1) || !strings.HasPrefix(out, want) || (errs != "") != (tt.unread > 0) {
					t.Fatalf("%s: %d\n%s%swant %s", words, status, out, errs, want)
				}
			}
			result := func(created, passwords, skipped int) string {
				return strconv.Itoa(created) + " created (" + strconv.Itoa(passwords) + " with a password), 0 updated, " + strconv.Itoa(skipped) +
					" skipped, 0 refused, " + strconv.Itoa(tt.unread) + " not read."
			}
			run(words+"|--dry-run", result(tt.created, tt.passwords, 0)+" Dry run: nothing was written.\n")
			if out := w.run("list"); !strings.HasPrefix(out, "No user") {
				t.Fatalf("after the dry run: %s", out)
			}
			run(words, result(tt.created, tt.passwords, 0)+"\n")
			lines, err := os.ReadFile(report)
			if err != nil || strings.Count(string(lines), "\n") != tt.created+tt.unread || strings.Contains(string(lines), "$") {
				t.Errorf("the report: %s %v", lines, err)
			}
			if tt.verified != "" {
				w.find(tt.verified)
			}
			if tt.secret != "" {
				if !w.signIn(tt.verified, tt.secret) {
					t.Error("the imported password does not sign in")
				}
				if w.signIn(tt.verified, tt.secret+"x") {
					t.Error("a wrong password signs in")
				}
			}
			run(words, result(0, 0, tt.created)+"\n")
		})
	}
}

// Every format can be named, and each has a file in TestUsersImport.
func TestUsersImport_Formats(t *testing.T) {
	for _, f := range foreign.Formats() {
		_, errs, status := call(t, "", "users", "import", "--from", string(f), "--no-passwords", "--data", t.TempDir(), "nowhere")
		if status != statusNo || !strings.Contains(errs, "nowhere") {
			t.Errorf("%s: %d %s", f, status, errs)
		}
		if files, err := filepath.Glob(exports + string(f) + "*"); err != nil || len(files) == 0 {
			t.Errorf("%s has no file", f)
		}
	}
}

// An import that is interrupted goes on with the same command. What was changed here stays, and what the other system
// changed is taken over.
func TestUsersImport_Resumed(t *testing.T) {
	w := newUsersWorld(t)
	path := filepath.Join(t.TempDir(), "users.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const ada, bob, eve = `{"id":"1","name":"Ada","email":"ada@example.com","emailVerified":true}`,
		`{"id":"2","name":"Bob","email":"bob@example.com","emailVerified":true}`, `{"id":"3","name":"Eve","email":"eve@example.com","emailVerified":true}`
	write("[" + ada + "," + bob + "," + eve[:30])
	const words = "import|--from|better-auth|"
	out, errs, status := w.call(words + path)
	if status != statusNo || !strings.HasPrefix(out, "2 created") || !strings.Contains(errs, "is not an export of better-auth, or is cut off") || !strings.Contains(errs, "run the same command again: it goes on") {
		t.Fatalf("a file that is cut off: %d %s%s", status, out, errs)
	}
	write("[" + ada + "," + bob + "," + eve + "]")
	if out := w.run(words + path); !strings.HasPrefix(out, "1 created (0 with a password), 0 updated, 2 skipped") {
		t.Errorf("the second run: %s", out)
	}
	w.run("roles|ada@example.com|--add|editor") // changed here
	write(strings.ReplaceAll("["+ada+","+bob+","+eve+"]", `"name":"`, `"name":"Dr `))
	out = w.run(words + path)
	if !strings.HasPrefix(out, "0 created (0 with a password), 2 updated, 1 skipped") || !strings.Contains(out, "skipped, line 1, 1: The user was changed here since the import.") {
		t.Errorf("after changes on both sides: %s", out)
	}
	if a, b := w.find("ada@example.com"), w.find("bob@example.com"); a.Name != "Ada" || b.Name != "Dr Bob" || len(a.Roles) != 1 {
		t.Errorf("%+v\n%+v", a, b)
	}
	w.run("delete|--yes|eve@example.com")
	if out := w.run(words + path); !strings.Contains(out, "skipped, line 1, 3: The user was deleted here.") && !strings.Contains(out, "The user was deleted here.") {
		t.Errorf("after a deletion: %s", out)
	}
	w.refused("show|eve@example.com", statusNo, "there is no user")

	// Another system with the same ids is another source.
	write(`[{"id":"1","name":"Zoe","email":"zoe@example.com","emailVerified":true}]`)
	if out := w.run(words + path + "|--source|shop"); !strings.HasPrefix(out, "1 created") {
		t.Errorf("another source: %s", out)
	}
	write(`[{"id":"9","name":"Thief","email":"ada@example.com","emailVerified":true}]`)
	out, errs, status = w.call(words + path + "|--json")
	var result struct {
		Refused  int          `json:"refused"`
		Problems []importLine `json:"problems"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != statusNo || result.Refused != 1 || len(result.Problems) != 1 || !strings.Contains(errs, "1 user was not imported") {
		t.Errorf("an address of somebody else: %d %s%s", status, out, errs)
	}
}

// A hostile file changes nobody, shows no control character, and gets a clear end.
func TestUsersImport_Hostile(t *testing.T) {
	w := newUsersWorld(t)
	w.add("ada@example.com")
	report := filepath.Join(t.TempDir(), "report.ndjson")
	for name, tt := range map[string]struct{ from, text, says string }{
		"no text":        {"postern", "\x00\xff\xfe", "is not an export of postern"},
		"empty":          {"auth0", "", ""},
		"another system": {"postern", `{"user_id":"auth0|1","email":"ada@example.com"}`, "1 user was not imported"},
		"huge":           {"auth0", `{"user_id":"` + strings.Repeat("a", 2<<20) + `"}`, "1 user was not imported"},
		"escapes":        {"auth0", `{"user_id":"a\u001b[2J","email":"x@example.com"}`, "1 user was not imported"},
		"a thief":        {"auth0", `{"user_id":"1","email":"ada@example.com","email_verified":true}`, "1 user was not imported"},
		"an owner":       {"postern", `{"id":"c_client","created":"2026-01-01T00:00:00Z"}`, "1 user was not imported"},
		"hostile cost":   {"auth0", `{"user_id":"2","email":"z@example.com","passwordHash":"$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"}`, ""},
		"hostile role":   {"better-auth", `[{"id":"3","email":"y@example.com","role":"ad\u202emin"}]`, ""},
		"deep":           {"better-auth", strings.Repeat("[", 100000), "is not an export of better-auth"},
	} {
		path := secretFile(t, tt.text)
		out, errs, status := w.call("import|--from|" + tt.from + "|--report|" + report + "|" + path)
		if (status != statusOK) != (tt.says != "") || !strings.Contains(errs, tt.says) || strings.ContainsAny(out+errs, "\x1b\x00\u202e") || len(out+errs) > 2000 {
			t.Errorf("%s: %d %s%s", name, status, out, errs)
		}
		if lines, err := os.ReadFile(report); err != nil || strings.ContainsAny(string(lines), "\x1b\x00") {
			t.Errorf("%s: the report: %s %v", name, lines, err)
		}
	}
	for u, err := range w.dir.All(t.Context()) {
		if err != nil || len(u.Roles) > 0 {
			t.Errorf("%+v %v", u, err)
		}
	}
	if out, errs, status := call(t, `{"user_id":"5","email":"in@example.com"}`, append([]string{"users", "import", "--from", "auth0", "-"}, w.base...)...); status != statusOK {
		t.Errorf("standard input: %d %s%s", status, out, errs)
	}
}

// The hash parameters of Firebase are a secret. They come from a file or the environment, and no text repeats them.
func TestUsersImport_FirebaseHash(t *testing.T) {
	w := newUsersWorld(t)
	const file, signer = exports + "firebase.json", "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	w.refused("import|--from|firebase|"+file, statusUsage, "without the hash parameters of the project no password can be verified")
	w.refused("import|--from|auth0|--firebase-hash|x|"+file, statusUsage, "--firebase-hash: it is for --from firebase")
	w.refused("import|--from|firebase|--firebase-hash|nowhere|"+file, statusNo, "nowhere")
	open := secretFile(t, firebaseHash)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	w.refused("import|--from|firebase|--firebase-hash|"+open+"|"+file, statusNo, "can be read by others (mode 0644); make it private (chmod 600)")
	bad := secretFile(t, strings.Replace(firebaseHash, "rounds", "round", 1))
	_, errs, status := w.call("import|--from|firebase|--firebase-hash|" + bad + "|" + file)
	if status != statusUsage || strings.Contains(errs, signer[:10]) || !strings.Contains(errs, "copy them whole") {
		t.Errorf("half of them: %d %s", status, errs)
	}
	if out := w.run("import|--from|firebase|--no-passwords|--dry-run|" + file); !strings.HasPrefix(out, "3 created (0 with a password)") {
		t.Errorf("--no-passwords: %s", out)
	}
	t.Setenv(firebaseHashEnv, firebaseHash)
	if out := w.run("import|--from|firebase|" + file); !strings.HasPrefix(out, "3 created (1 with a password)") || strings.Contains(out, signer[:10]) {
		t.Errorf("by the environment: %s", out)
	}
	if !w.signIn("ada@example.com", "user1password") {
		t.Error("the imported password does not sign in")
	}
}

func TestUsersImport_Mistakes(t *testing.T) {
	w := newUsersWorld(t)
	file := secretFile(t, "")
	for words, want := range map[string]string{
		"import":                                              "expected",
		"import|--from|ldap|" + file:                          "--from must be one of",
		"import|--role|=a|" + file:                            "write THEIRS=OURS",
		"import|--role|a=b|--role|a=c|" + file:                "each role once",
		"import|--role|a=B|" + file:                           "is not a name of a role",
		"import|--issuer-of|google|" + file:                   "write NAME=URL",
		"import|--from|clerk|--accounts|" + file + "|" + file: "clerk has no second file",
	} {
		w.refused(words, statusUsage, want)
	}
	for words, want := range map[string]string{
		"import|nowhere.ndjson":                               "nowhere.ndjson",
		"import|--from|auth0|--accounts|nowhere.json|" + file: "nowhere.json",
		"import|--report|no/such/folder|" + file:              "no/such/folder",
	} {
		w.refused(words, statusNo, want)
	}
	full := "/dev/full"
	if _, err := os.Stat(full); err == nil {
		w.refused("import|--report|"+full+"|"+exports+"postern.ndjson", statusNo, "writing the report")
	}
}

// Ctrl-C ends an import between two users, and the same command goes on.
func TestUsersImport_Interrupted(t *testing.T) {
	w := newUsersWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	line := func(n int) string {
		return `{"user_id":"` + strconv.Itoa(n) + `","email":"a` + strconv.Itoa(n) + `@example.com","email_verified":true}` + "\n"
	}
	var lines []string
	for n := range 200 {
		lines = append(lines, line(n))
	}
	rest := iotest.OneByteReader(strings.NewReader(strings.Join(lines[100:], "")))
	in := io.MultiReader(strings.NewReader(strings.Join(lines[:100], "")), reading(cancel), rest)
	args := append([]string{"users", "import", "--from", "auth0", "-"}, w.base...)
	var out, errs bytes.Buffer
	status := run(ctx, args, world{in, &out, &errs, func() time.Time { return noon }})
	if status != statusNo || !strings.Contains(errs.String(), "the import stopped: context canceled. Run the same command again: it goes on") {
		t.Fatalf("%d %s%s", status, &out, &errs)
	}
	done, _, _ := strings.Cut(out.String(), " ")
	n, err := strconv.Atoi(done)
	if err != nil || n >= 200 {
		t.Fatalf("%s", &out)
	}
	again, text, status := call(t, strings.Join(lines, ""), args...)
	if status != statusOK || !strings.Contains(again, "0 refused, 0 not read") {
		t.Errorf("the second run: %d %s%s", status, again, text)
	}
	if all := w.run("export"); strings.Count(all, "\n") != 200 {
		t.Errorf("%d users", strings.Count(all, "\n"))
	}
}

// reading is an empty reader that calls a function when it is read.
type reading func()

func (f reading) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// A store that fails ends the import, nobody is half imported, and the same command goes on.
func TestUsersImport_StoreFails(t *testing.T) {
	w := newUsersWorld(t)
	db, err := sql.Open("sqlite", sqlstore.DSN(filepath.Join(w.data, "app.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(statement string) {
		t.Helper()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	const words = "import|--from|better-auth|" + exports + "better-auth.json"
	for _, row := range []string{"claim", "user", "password", "imported", "!"} { // the rows of a user, one after another
		exec("CREATE TRIGGER full BEFORE INSERT ON postern_items WHEN NEW.id = '" + row + "' BEGIN SELECT RAISE(ABORT, 'disk full'); END")
		out, errs, status := w.call(words)
		if status != statusNo || strings.Contains(out, "2 created") || !strings.Contains(errs, "the import stopped: ") || !strings.Contains(errs, "disk full") || !strings.Contains(errs, "it goes on") {
			t.Errorf("%s: %d %s%s", row, status, out, errs)
		}
		if _, err := w.dir.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}); !errors.Is(err, postern.ErrNoUser) {
			t.Errorf("%s: half a user: %v", row, err)
		}
		exec("DROP TRIGGER full")
	}
	if out, errs, status := w.call(words); status != statusOK || w.find("ada@example.com").Name != "Ada Lovelace" {
		t.Errorf("after the failure: %d %s%s", status, out, errs)
	}
	if !w.signIn("ada@example.com", "correct horse \ufb01 A\u030a") {
		t.Error("the imported password does not sign in")
	}
}
