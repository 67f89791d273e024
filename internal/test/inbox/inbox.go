// Package inbox catches mail in memory instead of sending it, and shows it: as a page for people, as JSON for scripts.
//
//	box := inbox.New()
//	mux.Handle("/inbox", box)
//	mux.Handle("/inbox.json", box)
//	mux.Handle("/inbox/", box)
//	box.Add(inbox.Message{To: "ada@example.com", Subject: "Sign in", Text: "…", Code: "123456", Time: time.Now()})
//
// Where it is mounted does not matter, the ending of the path decides: .json, .html, or the list. GET /inbox.json
// answers with an array, newest first; ?to=ADDRESS picks the messages to one address, and after=ID the newer ones:
//
//	curl -s localhost:8420/inbox.json?to=ada@example.com | jq -r '.[0].code'
//
// [SMTP] takes mail for it from programs that send it as usual.
//
// Anybody who reaches the page can sign in as anybody: it is for a developer's own machine.
package inbox

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/test/devpage"
)

// Max is how many messages are kept; older ones are dropped.
const Max = 200

// Bounds of what is kept, in bytes. A page shows all of it, so it must stay of a size that a browser likes.
const (
	maxKept   = 4 << 20   // of all messages. Older ones are dropped; the newest stays
	maxText   = 16 << 10  // of the text of a message
	maxHTML   = 128 << 10 // of its HTML. Some mail programs show no more than 102 KiB
	maxHeader = 1 << 10   // of From, To and Subject, each
	maxLink   = 4 << 10
)

// A Message is a mail as it would have been sent.
type Message struct {
	ID      int       `json:"id"`             // given by Add: 1, 2, 3, ...
	From    string    `json:"from,omitempty"` // as its header says; only of mail that came by SMTP
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
	// Site has the pages around the list, and Hint says how mail gets here, in a sentence. Set both before the first
	// request.
	//
	// Defaults to none.
	Site devpage.Site
	Hint string

	mu       sync.Mutex
	last     int
	messages []Message // oldest first
	kept     int       // the bytes of messages
}

// New makes an empty inbox.
func New() *Inbox { return &Inbox{} }

// Add keeps a message and returns its ID. Of a message that is too long it keeps the beginning: 16 KiB of text,
// 128 KiB of HTML, 1 KiB of each header. The oldest messages go when there are more than Max, or 4 MiB in all.
func (b *Inbox) Add(m Message) int {
	m.bound()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.messages = append(b.messages, m)
	b.kept += m.size()
	for len(b.messages) > Max || b.kept > maxKept && len(b.messages) > 1 {
		b.kept -= b.messages[0].size()
		b.messages = slices.Delete(b.messages, 0, 1)
	}
	return m.ID
}

// size returns the bytes of a message.
func (m *Message) size() int {
	return len(m.From) + len(m.To) + len(m.Subject) + len(m.Text) + len(m.HTML) + len(m.Link) + len(m.Code)
}

// bound cuts a message to what is kept of it. Cut text ends with an ellipsis.
func (m *Message) bound() {
	m.From, m.To, m.Subject = cut(m.From, maxHeader), cut(m.To, maxHeader), cut(m.Subject, maxHeader)
	m.Text, m.HTML = cut(m.Text, maxText), cut(m.HTML, maxHTML)
	if len(m.Link) > maxLink {
		m.Link = ""
	}
	m.Code = cut(m.Code, maxHeader)
}

// cut returns a text of at most limit bytes. It copies what it keeps, so that the whole text can be freed.
func cut(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// Messages returns those to an address, or all if it is empty, newest first. Case does not matter.
func (b *Inbox) Messages(to string) []Message {
	messages, _ := b.after(to, 0)
	return messages
}

// after returns the messages to an address whose ID is above id, and the last ID that was given to a message. An id
// that was not given yet is of an inbox before a restart, and counts as 0.
func (b *Inbox) after(to string, id int) ([]Message, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id > b.last {
		id = 0
	}
	found := []Message{}
	for _, m := range slices.Backward(b.messages) {
		if m.ID > id && (to == "" || strings.EqualFold(m.To, to)) {
			found = append(found, m)
		}
	}
	return found, b.last
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
		id, _ := strconv.Atoi(r.URL.Query().Get("after")) // 0 if it is not a number: all messages
		messages, _ := b.after(to, id)
		body, err := json.MarshalIndent(messages, "", "  ")
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
