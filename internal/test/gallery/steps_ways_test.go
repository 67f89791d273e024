package gallery

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/store"
)

// control posts a form as a person does, and reports if its step is not taken.
func (w *sweep) control(s *step, f form, after probe, browser *testworld.Browser) outcome {
	p := formProbe("as it should be", w.good(s, f))
	p.browser = browser
	o := w.askForm(s, f, p)
	if o.failed() {
		p.name = "as it should be, after: " + after.name
		w.fault(s, f, p, o.String())
	}
	return o
}

// probe posts a form in a way that must do nothing, and then as it should be.
func (w *sweep) probe(s *step, f form, good url.Values, p probe) {
	mark := w.v.tape.mark()
	o := w.askForm(s, f, p)
	if fault := w.judge(s, f, good, p, o); fault != "" {
		w.fault(s, f, p, fault)
	} else if w.left(s, o) {
		w.control(s, f, p, o.browser)
	}
	w.v.tape.back(mark)
}

// search sends a form that is a GET: it changes nothing, whatever it holds.
func (w *sweep) search(s *step, f form) {
	mark := w.v.tape.mark()
	for _, query := range []string{"", "x=1", "identifier", "identifier=", "identifier=%00", "identifier=%ff", "identifier=a&identifier=b", "identifier=" + strings.Repeat("x", 5000), "identifier=%zz",
		"identifier=" + url.QueryEscape(`"><script>`), "limit=-1", "cursor=x"} {
		p := probe{name: "searched for " + query, method: "GET ?" + query}
		if fault := w.judge(s, f, url.Values{}, p, w.askForm(s, f, p)); fault != "" {
			w.fault(s, f, p, fault)
		}
		w.v.tape.back(mark)
	}
	for _, p := range []probe{{name: "posted", body: "identifier=a", kind: formType}, {name: "posted empty", kind: formType}} {
		if fault := w.judge(s, f, url.Values{}, p, w.askForm(s, f, p)); fault != "" {
			w.fault(s, f, p, fault)
		}
		w.v.tape.back(mark)
	}
}

// left reports whether a probe has left a trace, beside the counters of limits, which could be in the way of the step.
func (w *sweep) left(s *step, o outcome) bool {
	traces := slices.DeleteFunc(kinds(o.changed), func(kind string) bool { return strings.HasPrefix(kind, "limit/") })
	return !slices.Contains(traces, "form/used") && (len(traces) > 0 || !maps.Equal(o.browser.Cookies, s.browser.Cookies))
}

// form sweeps a form of a step.
func (w *sweep) form(s *step, f form) {
	good := w.good(s, f)
	if w.done[s.signature(f)] { // another state of the page has the same form
		for _, p := range w.emptied(s, f, good) {
			w.probe(s, f, good, p)
		}
		return
	}
	w.done[s.signature(f)] = true
	mark := w.v.tape.mark()
	w.control(s, f, probe{name: "nothing"}, nil)
	touched := w.v.tape.changed(mark)
	w.v.tape.back(mark)
	for _, p := range slices.Concat(w.emptied(s, f, good), w.foreign(s, f, good), w.altered(s, f, good), w.odd(f, good)) {
		w.probe(s, f, good, p)
	}
	for _, p := range w.wrongBrowsers(s, f) {
		w.inBrowser(s, f, good, p, touched)
	}
	w.again(s, f)
	w.atOnce(s, f)
	w.v.tape.back(mark)
	if hasSession(s.browser) && s.bySession(f) {
		p := formProbe("after the sign-out", good)
		p.browser = w.signOut(s)
		o := w.askForm(s, f, p)
		if fault := w.judge(s, f, good, p, o); fault != "" {
			w.fault(s, f, p, fault)
		}
		w.v.tape.back(mark)
	}
}

// inBrowser posts a form that is filled in well in another browser. Somebody else who is signed in there may do it for
// themselves: nothing of the person is changed, and only sessions of somebody else begin.
func (w *sweep) inBrowser(s *step, f form, good url.Values, p probe, touched []store.Key) {
	mark := w.v.tape.mark()
	o := w.askForm(s, f, p)
	fault := ""
	if hasSession(p.browser) && strings.HasPrefix(p.name, "in the browser") && !o.failed() {
		for _, k := range o.changed {
			if slices.Contains(touched, k) && !strings.HasPrefix(kindOf(k), "limit/") {
				fault = "it changed " + kindOf(k) + " of another person: " + o.String()
			}
		}
		for _, name := range o.new {
			if mine := subjectOf(s.browser.Cookies[name]); mine != "" && mine == subjectOf(o.browser.Cookies[name]) {
				fault = "it set a session of the person: " + o.String()
			}
		}
	} else {
		fault = w.judge(s, f, good, p, o)
	}
	for _, secret := range []string{s.knows.address, "Grace Hopper"} {
		if secret != "" && !strings.Contains(p.body, url.QueryEscape(secret)) && strings.Contains(o.rec.Body.String(), secret) {
			fault += " it shows " + secret
		}
	}
	if fault != "" {
		w.fault(s, f, p, fault)
	}
	w.v.tape.back(mark)
}

// subjectOf is the user of an access token; empty for anything else.
func subjectOf(token string) string {
	parts := strings.Split(token, ".")
	var claims struct {
		Subject string `json:"sub"`
	}
	if len(parts) == 3 {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(raw, &claims)
		}
	}
	return claims.Subject
}

// again posts a form a second time, in the browser after the first answer and in that before it.
func (w *sweep) again(s *step, f form) {
	start := w.v.tape.mark()
	p := formProbe("twice", w.good(s, f))
	first := w.askForm(s, f, p)
	for _, browser := range []*testworld.Browser{first.browser, s.browser} {
		mark := w.v.tape.mark()
		p.browser = browser
		o := w.askForm(s, f, p)
		if got := w.v.tape.gained(mark); o.rec.Code >= 500 || len(got) > 0 && !repeats[s.path(f)] {
			w.fault(s, f, p, o.String()+fmt.Sprint(got))
		}
		w.v.tape.back(mark)
	}
	w.v.tape.back(start)
}

// atOnce posts a form twenty times at once.
func (w *sweep) atOnce(s *step, f form) {
	mark := w.v.tape.mark()
	p := formProbe("twenty times at once", w.good(s, f))
	w.askForm(s, f, p)
	want := w.v.tape.gained(mark)
	w.v.tape.back(mark)
	var all sync.WaitGroup
	answers := make([]int, 20)
	for i := range answers {
		browser := s.browser.Clone()
		all.Go(func() {
			r := request(s.target(f), p)
			for name, values := range browser.Header {
				r.Header[name] = values
			}
			answers[i] = browser.Do(r).Code
		})
	}
	all.Wait()
	got := w.v.tape.gained(mark)
	for kind, n := range got {
		if n > want[kind] && !repeats[s.path(f)] {
			w.fault(s, f, p, fmt.Sprintf("it makes %d of %s, once makes %d: %v", n, kind, want[kind], answers))
		}
	}
	if slices.Max(answers) >= http.StatusInternalServerError {
		w.fault(s, f, p, fmt.Sprint(answers))
	}
	w.v.tape.back(mark)
}

// back posts the forms of the pages before this one once more, as a person does who goes back in the browser: with what
// the browser has now, before and after the step is taken.
func (w *sweep) back(s *step, trail []step) {
	start := w.v.tape.mark()
	for _, f := range s.forms {
		if path := s.path(f); !f.get && path != "/language" && path != "/account/sign-out" {
			o := w.askForm(s, f, formProbe("as it should be", w.good(s, f)))
			w.goBack(s, trail, o.browser, "after "+path, len(w.v.tape.gained(start)) > 0)
			w.v.tape.back(start)
		}
	}
	w.goBack(s, trail, s.browser, "before the next step", false)
	w.v.tape.back(start)
}

// goBack does it. With ended the flow has come to its end: then nothing of it is good any more.
func (w *sweep) goBack(s *step, trail []step, browser *testworld.Browser, when string, ended bool) {
	mark := w.v.tape.mark()
	for i := range trail {
		for _, f := range trail[i].forms {
			path := trail[i].path(f)
			if f.get || path == "/language" || path == "/account/sign-out" {
				continue
			}
			p := formProbe("back from "+s.page+" to "+trail[i].page+" "+when, trail[i].post(f, w.fixture, len(w.all)))
			p.browser = browser
			o := w.askForm(&trail[i], f, p)
			got := w.v.tape.gained(mark)
			if o.rec.Code >= 500 || ended && len(got) > 0 && !repeats[path] || o.rec.Code >= 400 && !known()[o.code] {
				w.fault(&trail[i], f, p, fmt.Sprint(o, got))
			}
			w.v.tape.back(mark)
		}
	}
}

// early posts the forms of a page at the moment of the page before it, with what the browser has then: the fields of
// the page before, and what a person would type. It goes back in time.
func (w *sweep) early(trail []step, s *step) {
	before := &trail[len(trail)-1]
	if slices.ContainsFunc(linksOf(before.body), func(link string) bool {
		to, err := before.at.Parse(link)
		return err == nil && to.Path == s.at.Path
	}) {
		return // the page is not behind a step
	}
	w.v.tape.back(before.mark)
	w.v.Set(before.now)
	hidden := url.Values{}
	var offers, pages []string
	for _, old := range trail {
		pages = append(pages, old.page)
		for _, f := range old.forms {
			offers = append(offers, old.path(f))
			for _, name := range f.named("hidden") {
				hidden[name] = f.values[name]
			}
		}
	}
	for _, f := range s.forms {
		path := s.path(f)
		if f.get || slices.Contains(offers, path) || s.isOpen(f) || s.bySession(f) && hasSession(before.browser) {
			continue
		}
		typed := w.good(s, f)
		body := without(typed, f.named("hidden")...)
		for _, name := range f.named("hidden") {
			if hidden.Has(name) {
				body[name] = hidden[name]
			}
		}
		bodies := []url.Values{body, without(body, "code"), {"state": hidden["state"]}}
		if !typed.Has("token") { // which is in a mail that the person has already
			bodies = append(bodies, typed)
		}
		for _, values := range bodies {
			p := formProbe("at the page before, "+before.page, values)
			p.browser = before.browser
			mark := w.v.tape.mark()
			o := w.askForm(s, f, p)
			if fault := w.judge(s, f, typed, p, o); fault != "" && (o.changed != nil || !slices.Contains(pages, o.page)) {
				w.fault(s, f, p, fault)
			}
			w.v.tape.back(mark)
			w.earlier++
		}
	}
}
