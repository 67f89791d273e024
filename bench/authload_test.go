package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestWhole: a server in a separate process signs people up and in, checks and refreshes, and every task has a figure.
func TestWhole(t *testing.T) {
	var out bytes.Buffer
	if err := whole([]string{"-servers", "postern-memory", "-rounds", "1", "-turn", "100ms", "-workers", "2"}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "postern serve, memory"); n != len(authTasks) || strings.Contains(out.String(), " - ") {
		t.Errorf("%d tasks were measured, want %d:\n%s", n, len(authTasks), out.String())
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
