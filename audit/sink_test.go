package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/session"
)

// TestLog_Line: one line an event, with the names that are documented and the time of the event.
func TestLog_Line(t *testing.T) {
	var b bytes.Buffer
	log, err := audit.NewLog(audit.LogConfig{Logger: logTo(&b)})
	if err != nil {
		t.Fatal(err)
	}
	e := event("u")
	e.Agent = "Evil\n{\"msg\":\"audit\"}\x1b[2J\u202e" + strings.Repeat("é", 2000)
	log.Event(t.Context(), e)
	log.Event(t.Context(), session.Event{Name: "sign-in", Time: start})
	all := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(all) != 2 {
		t.Fatalf("%d lines", len(all))
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(all[0]), &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"actor", "address", "agent", "error", "event", "kind", "level", "msg", "provider", "reason", "session", "subject", "time", "user"}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("the names are %q", names)
	}
	if a := got["agent"]; !strings.HasPrefix(a, `Evil {"msg":"audit"}[2Jé`) || len(a) > 1024 {
		t.Errorf("the agent is %q", a)
	}
	if all[1] != `{"time":"2026-11-28T12:00:00Z","level":"INFO","msg":"audit","event":"sign-in"}` {
		t.Errorf("the short line is %s", all[1])
	}
}

// TestLog_Level: a logger that drops the level gets nothing.
func TestLog_Level(t *testing.T) {
	var b bytes.Buffer
	log, err := audit.NewLog(audit.LogConfig{Logger: logTo(&b), Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	log.Event(t.Context(), event("u"))
	if b.Len() != 0 {
		t.Errorf("got %s", b.String())
	}
}

// failing is a sink whose Close fails.
type failing struct{ audit.Sink }

var errFailing = errors.New("cannot close")

func (failing) Close() error { return errFailing }

// TestAll: each sink gets each event, and each is closed.
func TestAll(t *testing.T) {
	var a, b bytes.Buffer
	first, _ := audit.NewLog(audit.LogConfig{Logger: logTo(&a)})
	second, _ := audit.NewLog(audit.LogConfig{Logger: logTo(&b)})
	file := newFile(t, audit.FileConfig{Path: logPath(t)})
	all := audit.All(failing{first}, second, file)
	all.Event(t.Context(), event("u"))
	if a.Len() == 0 || a.String() != b.String() || file.Head().Seq != 2 {
		t.Errorf("got %q, %q and %+v", a.String(), b.String(), file.Head())
	}
	if err := all.Close(); !errors.Is(err, errFailing) {
		t.Errorf("Close: %v", err)
	}
	if file.Event(t.Context(), event("u")); file.Stats().Lost != 1 {
		t.Error("the last sink is not closed")
	}
	audit.All().Event(t.Context(), event("u"))
}
