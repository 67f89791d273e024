package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
)

// TestPostgres_PlannedOnce: a read of many keys is not planned again for each call, and looks each key up by both
// columns of the index.
func TestPostgres_PlannedOnce(t *testing.T) {
	db := openPostgres(t, postgres(t))
	db.SetMaxOpenConns(1)
	s := postgresStore(t, db, nil)
	if _, err := db.Exec(`INSERT INTO postern_items (part, id, value, version) SELECT 'p' || i, 'a', '', '1' FROM generate_series(1, 20000) AS i`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("VACUUM ANALYZE postern_items"); err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		keys := make([]store.Key, 3+n%(store.MaxKeys-2))
		for i := range keys {
			keys[i] = store.Key{Part: fmt.Sprint("p", 1+i), ID: "a"}
		}
		if items, err := s.Get(t.Context(), keys...); err != nil || len(items) != len(keys) {
			t.Fatalf("%d items of %d, %v", len(items), len(keys), err)
		}
	}
	var name string
	var generic, custom int
	if err := db.QueryRow(`SELECT name, generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%WITH ORDINALITY%'
AND statement NOT LIKE '%pg_prepared%'`).Scan(&name, &generic, &custom); err != nil {
		t.Fatal(err)
	}
	if generic != 25 || custom != 5 {
		t.Errorf("30 reads were planned %d times and %d times not, want 5 and 25", custom, generic)
	}
	rows, err := db.Query("EXPLAIN EXECUTE " + name + "('{}', '{}', 0)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, "Index Cond: ((part = wanted.part) AND (id = wanted.id))") {
		t.Errorf("the plan does not look up both columns of the key:\n%s", plan)
	}
}
