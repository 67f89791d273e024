package gallery

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/store"
)

// An outcome is what a request has done.
type outcome struct {
	rec     *httptest.ResponseRecorder
	page    string
	code    string // of the error
	changed []store.Key
	mails   int
	browser *testworld.Browser // with the cookies of the answer
	new     []string           // session cookies that the answer sets

	signedIn bool // the browser is, after the answer
}

// failed reports whether the answer is a refusal, or the page with an error.
func (o outcome) failed() bool { return o.rec.Code >= 400 || o.code != "" }

func (o outcome) String() string {
	return fmt.Sprintf("%d %s %s to %q, %d mails, session %q, changed %s", o.rec.Code, o.page, o.code, o.rec.Header().Get("Location"), o.mails, o.new, kinds(o.changed))
}

// askForm sends a probe to the address of a form and says what it has done. The state stays as the probe left it.
func (w *sweep) askForm(s *step, f form, p probe) outcome {
	w.posted[s.scene+" "+s.path(f)]++
	return w.ask(s, s.target(f), p)
}

// ask is askForm for any address.
func (w *sweep) ask(s *step, to *url.URL, p probe) outcome {
	browser := p.browser
	if browser == nil {
		browser = s.browser
	}
	browser = browser.Clone()
	browser.NoSameSite = true // SameSite is not what must refuse
	w.asked++
	browser.Addr = fmt.Sprintf("10.%d.%d.%d:4711", 100+w.asked>>16&127, w.asked>>8&255, w.asked&255)
	r := request(to, p)
	mark, mails := w.v.tape.mark(), len(w.v.Mails.All())
	before := maps.Clone(browser.Cookies)
	for name, values := range browser.Header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	o := outcome{rec: browser.Do(r), browser: browser}
	o.page, o.code = o.rec.Header().Get(pageHeader), o.rec.Header().Get(codeHeader)
	var refusal struct {
		Error string `json:"error"`
		Step  string `json:"step"`
	}
	if json.Unmarshal(o.rec.Body.Bytes(), &refusal) == nil {
		o.page, o.code = refusal.Step, refusal.Error
	}
	o.changed, o.mails = w.v.tape.changed(mark), len(w.v.Mails.All())-mails
	for name, value := range browser.Cookies {
		if isSession(name, value) && before[name] != value {
			o.new = append(o.new, name)
		}
	}
	if o.signedIn = hasSession(browser); !o.signedIn && !maps.Equal(before, browser.Cookies) {
		o.signedIn = w.signedIn(browser)
	}
	return o
}

// signedIn reports whether the account answers a browser.
func (w *sweep) signedIn(b *testworld.Browser) bool {
	r := b.Request(http.MethodGet, "https://app.example/auth/account", nil)
	r.Header.Set("Accept", jsonType)
	return b.Clone().Do(r).Code != http.StatusUnauthorized
}

// request is that of a probe.
func request(to *url.URL, p probe) *http.Request {
	method, query, _ := strings.Cut(p.method, " ?")
	if method == "" {
		method = http.MethodPost
	}
	target := *to
	if query != "" {
		target.RawQuery = query
	}
	var body io.Reader
	if p.body != "" {
		body = strings.NewReader(p.body)
	}
	r := httptest.NewRequest(method, target.String(), body)
	if p.kind != "" {
		r.Header.Set("Content-Type", p.kind)
	}
	if method == http.MethodPost {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	} else {
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	for name, values := range p.header {
		if r.Header[name] = values; values == nil {
			delete(r.Header, name)
		}
	}
	return r
}

// isSession reports whether a cookie has a token of a session.
func isSession(name, value string) bool {
	return strings.HasPrefix(value, "eyJ") || strings.HasSuffix(name, "-refresh")
}

// kindOf says what a key is of: of whose or what it is, without hashes.
func kindOf(k store.Key) string {
	part, _, _ := strings.Cut(k.Part, ":")
	id, _, found := strings.Cut(k.ID, ":")
	if part == "session" && id == "*" {
		id = "index"
	}
	if !found && len(id) > 16 {
		id = "*"
	}
	if part == "magic" {
		id, _, _ = strings.Cut(id, " ")
	}
	return part + "/" + id
}

func kinds(keys []store.Key) (all []string) {
	for _, k := range keys {
		all = append(all, kindOf(k))
	}
	slices.Sort(all)
	return all
}

// known are the codes of errors that docs/troubleshooting.md explains.
var known = sync.OnceValue(func() map[string]bool {
	text, err := os.ReadFile(filepath.Join(root, "docs/troubleshooting.md"))
	if err != nil {
		panic(err)
	}
	codes := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		codes[m[1]] = true
	}
	return codes
})
