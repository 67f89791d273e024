package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestWhole: a server in a separate process signs people up and in, checks and refreshes, and every task has a figure,
// except the one that needs sessions of another process.
func TestWhole(t *testing.T) {
	var out bytes.Buffer
	if err := whole([]string{"-servers", "postern-memory", "-rounds", "1", "-turn", "100ms", "-workers", "2"}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "postern serve, memory"); n != len(authTasks)-1 || strings.Contains(out.String(), " - ") {
		t.Errorf("%d tasks were measured, want %d:\n%s", n, len(authTasks)-1, out.String())
	}
}

// TestRotate: a server trades the refresh tokens that were made in its database, each once until it has rested.
func TestRotate(t *testing.T) {
	folder := t.TempDir()
	file := folder + "/postern.db"
	p, err := newPosternLoad(folder, "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	stop, err := startProcess(p.command(), p.ready())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := p.signUp(0); err != nil {
		t.Fatal(err)
	}
	p.aged = &tokenQueue{}
	if err := p.aged.fill(t.Context(), apiece, file, p.base, p.seal); err != nil {
		t.Fatal(err)
	}
	c, err := p.client(authAccounts - 8) // the next person is the one who signed up
	if err != nil {
		t.Fatal(err)
	}
	for n := range apiece {
		if err := c.rotate(t.Context()); err != nil {
			t.Fatalf("rotation %d: %v", n+1, err)
		}
	}
	if err := c.rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "none of the 50 sessions") {
		t.Errorf("a token that has not rested: %v", err)
	}
}

// TestGrowth: the figures by the million are of sessions that work, among rows as they are.
func TestGrowth(t *testing.T) {
	var out bytes.Buffer
	if err := growth([]string{"-engines", "sqlite", "-sessions", "3000", "-rounds", "1", "-times", "5"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, task := range growthTasks {
		if !strings.Contains(out.String(), task.name) {
			t.Errorf("%s was not measured:\n%s", task.name, out.String())
		}
	}
}
