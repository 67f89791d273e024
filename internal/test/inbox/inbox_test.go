package inbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/devpage"
	"github.com/posternauth/postern/internal/test/inbox"
)

func get(b *inbox.Inbox, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func TestBounded(t *testing.T) {
	b := inbox.New()
	var senders sync.WaitGroup
	for range 10 {
		senders.Go(func() {
			for range 30 {
				b.Add(inbox.Message{To: "a@example.com"})
			}
		})
	}
	senders.Wait()
	all := b.Messages("")
	if len(all) != inbox.Max || all[0].ID != 300 || all[len(all)-1].ID != 101 {
		t.Errorf("%d messages, %d to %d", len(all), all[0].ID, all[len(all)-1].ID)
	}
}

func TestJSON(t *testing.T) {
	b := inbox.New()
	if w := get(b, "/inbox.json"); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("empty: %s", w.Body)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b.Add(inbox.Message{To: "ada@example.com", Subject: "first", Link: "http://localhost/l", Time: at})
	b.Add(inbox.Message{To: "alan@example.com", Subject: "second"})
	b.Add(inbox.Message{To: "ada@example.com", Subject: "third", Code: "012345"})
	for target, want := range map[string]string{
		"/inbox.json":                     "third second first",
		"/x/y.json?to=ADA%40example.com":  "third first",
		"/inbox.json?to=nobody":           "",
		"/inbox.json?to=alan@example.com": "second",
	} {
		w := get(b, target)
		var got []inbox.Message
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			t.Fatalf("%s: %v: %s", target, err, w.Body)
		}
		subjects := []string{}
		for _, m := range got {
			subjects = append(subjects, m.Subject)
		}
		if strings.Join(subjects, " ") != want {
			t.Errorf("%s: %v", target, subjects)
		}
	}
	if m := b.Messages("")[2]; m.ID != 1 || !m.Time.Equal(at) || m.Link != "http://localhost/l" {
		t.Errorf("%+v", m)
	}
}

func TestPageEscapes(t *testing.T) {
	b := inbox.New()
	const evil = `"><script>alert(1)</script>`
	b.Add(inbox.Message{To: evil, Subject: evil, Text: evil, Code: evil, Link: "https://example.com/?" + evil, HTML: evil})
	for _, link := range []string{"javascript:alert(1)", "data:text/html,x", "//example.com/", "/relative", "https:", "vbscript:x"} {
		b.Add(inbox.Message{Subject: "bad link", Link: link})
	}
	w := get(b, "/inbox")
	if strings.Count(w.Body.String(), "<script") != 1 || strings.Contains(w.Body.String(), "alert(1)<") || strings.Count(w.Body.String(), "<a class=\"button\"") != 1 {
		t.Errorf("page: %s", w.Body)
	}
	for _, query := range []string{"x=", "to="} {
		if w := get(b, "/inbox?"+query+`%22%3E%3Cscript%3E`); strings.Count(w.Body.String(), "<script") != 1 {
			t.Errorf("page: %s", w.Body)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "; script-src 'sha256-") {
		t.Errorf("policy %q", policy)
	}
	for _, name := range []string{"Cache-Control", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy"} {
		if w.Header().Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestHTMLPartIsSandboxed(t *testing.T) {
	b := inbox.New()
	id := b.Add(inbox.Message{HTML: "<b>hello</b>"})
	b.Add(inbox.Message{Text: "plain"})
	if page := get(b, "/inbox").Body.String(); !strings.Contains(page, fmt.Sprintf(`src="/inbox/%d.html"`, id)) {
		t.Errorf("no frame: %s", page)
	}
	w := get(b, fmt.Sprintf("/inbox/%d.html", id))
	policy := w.Header().Get("Content-Security-Policy")
	if w.Body.String() != "<b>hello</b>" || !strings.Contains(policy, "; sandbox ") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
		t.Errorf("%s, policy %q", w.Body, policy)
	}
	for _, name := range []string{"2.html", "9.html", "x.html", ".html"} {
		if w := get(b, "/inbox/"+name); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestMethods(t *testing.T) {
	b := inbox.New()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("POST", "/inbox", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestPage_Newest: the newest message is open, and the others are a line that opens.
func TestPage_Newest(t *testing.T) {
	b := inbox.New()
	b.Site = devpage.Site{Sheet: "/page.css", Menu: []devpage.Link{{Text: "Start", URL: `/?"><script>`}, {Text: "Inbox", URL: "/inbox"}}}
	b.Hint = "Send it to <this> machine."
	b.Add(inbox.Message{To: "ada@example.com", Subject: "first", Text: "one", Code: "111111"})
	b.Add(inbox.Message{To: "ada@example.com", Subject: "second", Text: "two", HTML: "<b>two</b>", Code: "222222", Link: "http://localhost/x"})
	body := get(b, "/inbox?to=ada@example.com").Body.String()
	newest, older, found := strings.Cut(body, `<details class="card older">`)
	if !found || !strings.Contains(newest, "<h2>second</h2>") || !strings.Contains(newest, `<span class="code">222222</span>`) || !strings.Contains(older, "<b>first</b>") {
		t.Errorf("page: %s", body)
	}
	for _, want := range []string{
		`<a href="/?&#34;&gt;&lt;script&gt;">Start</a>`, `<a href="/inbox" aria-current="page">`, `<link rel="stylesheet" href="/page.css">`, "Send it to &lt;this&gt; machine.",
		`<a class="button" href="http://localhost/x">Open the link</a>`, `<a href="/inbox">Show all mail</a>`, `<summary>As text</summary><pre tabindex="0">two</pre>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q: %s", want, body)
		}
	}
}

// TestPage_FromLine: the page shows who sent a message as a mail program does.
func TestPage_FromLine(t *testing.T) {
	for from, want := range map[string]string{
		"<orders@example.com>":   ">From orders@example.com to ada@example.com, <time",
		"Orders <o@example.com>": ">From Orders &lt;o@example.com&gt; to ada@example.com, <time",
		"orders@example.com":     ">From orders@example.com to ada@example.com, <time",
		"":                       ">To ada@example.com, <time",
	} {
		b := inbox.New()
		b.Add(inbox.Message{From: from, To: "ada@example.com"})
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/inbox", nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: no %q: %s", from, want, w.Body)
		}
	}
}
