package session_test

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestOneSetOfNames: a session has the same names and values in the JSON of Info, in the answer of GET {base}/sessions
// and in the SQL view.
func TestOneSetOfNames(t *testing.T) {
	db := must(sql.Open("sqlite", sqlstore.DSN(filepath.Join(t.TempDir(), "a.db"))))(t)
	defer db.Close()
	st := must(sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipSweep: true}))(t)
	defer st.Close()
	k := newKeeper(t, func(c *session.Config) { c.Store, c.Now = st, time.Now })
	g := session.Grant[User]{Subject: "u1", Device: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", Address: "192.0.2.1", Roles: []string{"owner"}, Scopes: []string{"pay"},
		Authentication: session.Authentication{Time: time.Unix(1767225600, 0), Methods: []string{"otp"}}}
	made := must(k.member.Create(t.Context(), g))(t)

	var info map[string]any
	if err := json.Unmarshal(must(json.Marshal(must(k.sessions.Find(t.Context(), made.SessionID))(t)))(t), &info); err != nil {
		t.Fatal(err)
	}
	if info["auth_time"] != "2026-01-01T00:00:00Z" || info["id"] != made.SessionID || info["device_name"] != "Chrome on Linux" || len(info) != 15 {
		t.Errorf("Info: %v", info)
	}
	own := decode(t, k.ask("GET", "/sessions", "", "Authorization", "Bearer "+made.Access))["sessions"].([]any)[0].(map[string]any)
	if own["current"] != true {
		t.Errorf("own session: %v", own)
	}
	delete(own, "current")
	if a, b := string(must(json.Marshal(own))(t)), string(must(json.Marshal(info))(t)); a != b {
		t.Errorf("GET /sessions has\n%s\nInfo has\n%s", a, b)
	}
	rows := must(db.Query("SELECT * FROM postern_sessions"))(t)
	defer rows.Close()
	if !rows.Next() {
		t.Fatal("the view is empty")
	}
	names := must(rows.Columns())(t)
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(any)
	}
	if err := rows.Scan(values...); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		got := *values[i].(*any)
		want, known := info[name]
		switch {
		case name == "iss":
			want = issuer
		case name == "ended":
			want = nil // of a session that lives Info leaves it out
		case !known:
			t.Errorf("the view has a column %q, which Info has not", name)
			continue
		case strings.HasSuffix(name, "_at"):
			a, err1 := time.Parse(time.RFC3339Nano, got.(string))
			b, err2 := time.Parse(time.RFC3339Nano, want.(string))
			if err1 != nil || err2 != nil || !a.Equal(b) {
				t.Errorf("%s is %v in the view and %v in Info", name, got, want)
			}
			continue
		}
		if got != want {
			t.Errorf("%s is %v in the view and %v in Info", name, got, want)
		}
	}
}
