package testserver

import "testing"

func TestKeepsPrepared(t *testing.T) {
	for version, want := range map[string]bool{
		"PgBouncer 1.18.0\nlibevent 2.1.12-stable\n": false, "PgBouncer 1.20.1\n": false,
		"PgBouncer 1.21.0\n": true, "PgBouncer 1.24.1\n": true, "PgBouncer 2.0.0\n": true,
	} {
		if got, err := keepsPrepared(version); got != want || err != nil {
			t.Errorf("%q: %v, %v", version, got, err)
		}
	}
	if _, err := keepsPrepared("pgbouncer: not found"); err == nil {
		t.Error("a text without a version is accepted")
	}
}
