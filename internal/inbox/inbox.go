// Package inbox catches mail in memory instead of sending it, and shows it: as a page for people, as JSON for scripts.
//
//	box := inbox.New()
//	mux.Handle("/inbox", box)
//	mux.Handle("/inbox.json", box)
//	mux.Handle("/inbox/", box)
//	box.Add(inbox.Message{To: "ada@example.com", Subject: "Sign in", Text: "…", Code: "123456", Time: time.Now()})
//
// Where it is mounted does not matter, the ending of the path decides: .json, .html, or the list. GET /inbox.json answers with an array, newest
// first; ?to=ADDRESS picks the messages to one address:
//
//	curl -s localhost:8420/inbox.json?to=ada@example.com | jq -r '.[0].code'
//
// Whoever reaches the page can sign in as anybody: it is for a developer's own machine.
package inbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Max is how many messages are kept; older ones are dropped.
const Max = 200

// A Message is a mail as it would have been sent.
type Message struct {
	ID      int       `json:"id"` // given by Add: 1, 2, 3, ...
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html,omitempty"`
	Link    string    `json:"link,omitempty"` // the link to click, if the message has one
	Code    string    `json:"code,omitempty"` // the code to type, if the message has one
	Time    time.Time `json:"time"`
}

// An Inbox keeps the last Max messages. It is an http.Handler and safe for concurrent use.
type Inbox struct {
	// Home is the address of a page that the list links to, if set before the first request. Default: no link.
	Home string

	mu       sync.Mutex
	last     int
	messages []Message // oldest first
}

// New makes an empty inbox.
func New() *Inbox { return &Inbox{} }

// Add keeps a message and returns its ID.
func (b *Inbox) Add(m Message) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.messages = append(b.messages, m)
	if n := len(b.messages) - Max; n > 0 {
		b.messages = slices.Delete(b.messages, 0, n)
	}
	return m.ID
}

// Messages returns those to an address, or all if it is empty, newest first. Case does not matter.
func (b *Inbox) Messages(to string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []Message{}
	for _, m := range slices.Backward(b.messages) {
		if to == "" || strings.EqualFold(m.To, to) {
			found = append(found, m)
		}
	}
	return found
}

// ServeHTTP serves the list, its JSON, and the HTML part of a message at …/ID.html.
func (b *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := path.Base(r.URL.Path)
	to := r.URL.Query().Get("to")
	switch id, isHTML := strings.CutSuffix(name, ".html"); {
	case isHTML:
		b.serveHTML(w, r, id)
	case strings.HasSuffix(name, ".json"):
		body, err := json.MarshalIndent(b.Messages(to), "", "  ")
		if err != nil {
			http.Error(w, "cannot encode the messages", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(append(body, '\n'))
	default:
		b.serveList(w, r, to)
	}
}

// serveHTML shows the HTML part alone, where it can run no script and load nothing.
func (b *Inbox) serveHTML(w http.ResponseWriter, r *http.Request, id string) {
	n, err := strconv.Atoi(id)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	for _, m := range b.Messages("") {
		if m.ID == n && m.HTML != "" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "+
				"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation")
			_, _ = w.Write([]byte(m.HTML))
			return
		}
	}
	http.NotFound(w, r)
}

// webLink returns link if a browser should follow it, or "".
func webLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return link
}
