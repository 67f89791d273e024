package postern_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// The events of one moment stand in the order in which they happened, newest first.
func TestHistory_OrderInOneMoment(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	want := []string{}
	for i := range 12 {
		name := "Ada " + string(rune('a'+i))
		if w := b.json("PATCH", "/account", `{"name":"`+name+`"}`); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := b.json("GET", "/account/export", ""); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		want = append(want, "account_exported", "account_changed")
	}
	var got []string
	for _, e := range decoded[struct{ Events []struct{ Event string } }](t, b.json("GET", "/account/history", "")).Events {
		got = append(got, e.Event)
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the history is %q", got)
	}
}

// TestHistory_Device: the account page, its JSON, the console and the audit log have the device of an event. Whatever a
// client calls itself is a text there.
func TestHistory_Device(t *testing.T) {
	h := newConsole(t)
	_, boss := h.person("boss", "chief")
	hostile := `<script>alert(1)</script>"><img src=x onerror=alert(1)>`
	for name, c := range map[string]struct{ agent, kept, shown string }{
		"browser": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"},
		"none":    {"", "", ""},
		"hostile": {hostile, hostile, html.EscapeString(hostile)},
		"hidden":  {"Tool\u202e/1\r\n\x00 \xff 2", "Tool/1 2", "Tool/1 2"},
		"long":    {strings.Repeat("€", 1000), strings.Repeat("€", 85), strings.Repeat("€", 85)},
	} {
		t.Run(name, func(t *testing.T) {
			b := h.browser()
			b.Header.Set("User-Agent", c.agent)
			who := at(name, name+"@example.com", true)
			h.signIn(b, who)
			kept := decoded[struct {
				Events []struct{ Event, Device, Address string }
			}](t, b.json("GET", "/account/history", "")).Events
			if len(kept) < 2 {
				t.Fatalf("%+v", kept)
			}
			for _, e := range kept {
				if e.Device != c.kept || e.Address == "" {
					t.Errorf("%q, want %q: %+v", e.Device, c.kept, e)
				}
			}
			cell := `<td>` + c.shown + `</td>`
			for where, w := range map[string]*httptest.ResponseRecorder{
				"account": b.open("/account/history"), "console": boss.page("GET", "/admin/users/"+h.idOf(b)+"/history", nil),
			} {
				body := strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(w.Body.String())
				if w.Code != http.StatusOK || strings.Count(body, cell) != len(kept) || strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
					t.Errorf("%s: %d, want %d times %s\n%s", where, w.Code, len(kept), cell, body)
				}
			}
			logged := false
			for _, e := range h.Events.All() {
				if e.Name == "sign-in" && e.Subject == who.Subject {
					logged = e.Agent == c.kept
				}
			}
			if !logged {
				t.Errorf("the event has another agent than %q", c.kept)
			}
		})
	}
}
