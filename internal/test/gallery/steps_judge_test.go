package gallery

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// tries are the kinds of items that a refused post may change: what counts guesses and requests.
var tries = regexp.MustCompile(`^(limit/.*|magic/(slot|guesses|\*)|code/code|password/name( day)?|user/(wait|password takes|password tries|\*))$`)

// gains are the kinds of items by which somebody gets in: none of them is made twice by one form.
var gains = []string{"session/*", "addr/claim", "name/claim", "idn/claim", "passkey/owner", "user/user"}

// spent are the kinds of items by which an attempt, or what has waited for a proof, is used up, also where it is
// refused.
var spent = []string{"flow/used", "form/used", "user/passkey"}

// repeats are forms of which each press begins a session, of which the browser keeps the last.
var repeats = map[string]bool{"/admin/session": true, "/admin/users/{id}/impersonate": true}

// optional are fields that a form has and its step can do without, with the reason.
var optional = map[string]string{
	"/admin/users/{id}/edit version":   "it notices that the user changed since the page was drawn; without it the last change counts",
	"/account/address resume":          "it says that what is posted has waited for a fresh proof, and gives nothing",
	"/admin/mail/{mail}/test language": "without it the mail has the language of the page; it goes to the administrator alone",
	"/factors/later later":             "it says not to offer it again",
	"/password/change password":        "a fresh proof stands for it; a form that has the field must have the right one",
}

// onward are forms of people who are signed in already, on the way to the application: whatever is posted leads there.
var onward = []string{"/passkey/offer", "/factors/later"}

// free are hidden fields that hold what a person typed or where they are, and may be anything that fits.
var free = []string{"address", "to", "codes"}

// menus are the pages to which a deed of the account returns.
var menus = []string{"/authorize", "/step-up", "/account", "/account/security", "/account/sessions"}

// judge says what is wrong with the outcome of a probe; empty if nothing is.
func (w *sweep) judge(s *step, f form, good url.Values, p probe, o outcome) string {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	status := o.rec.Code
	for _, k := range o.changed {
		if kind := kindOf(k); !tries.MatchString(kind) && !(slices.Contains(spent, kind) && status >= 400) {
			add("it changed %s", kind)
		}
	}
	opens := p.method != "" && strings.HasPrefix(o.rec.Header().Get("Location"), s.at.Scheme+"://"+s.at.Host+base+"/step-up/code/sent?")
	if o.mails > 0 && !opens { // GET /step-up/code mails a code, with limits
		add("it sent %d mails", o.mails)
	}
	if o.new != nil {
		add("it set the session %q", o.new)
	}
	if o.signedIn && !hasSession(s.browser) && (p.browser == nil || !hasSession(p.browser)) {
		add("the browser is signed in")
	}
	body := o.rec.Body.String()
	if strings.Contains(body, `"access_token"`) {
		add("it gave a token")
	}
	for _, name := range []string{"code", "password", "new_password"} {
		if value := good.Get(name); len(value) > 5 && !strings.Contains(p.body+p.method, url.QueryEscape(value)) && !strings.Contains(p.body, value) && strings.Contains(body, value) {
			add("it shows the right %s", name)
		}
	}
	method, _, _ := strings.Cut(p.method, " ")
	safe := slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, method)
	switch {
	case status >= 500:
		add("it is a fault of the server")
	case status >= 400 && method != "HEAD" && !known()[o.code]:
		add("the code %q is unknown", o.code)
	case status < 400 && !safe && o.code == "" && !w.goesBack(s, f, o):
		add("it is not refused")
	}
	if faults == nil {
		return ""
	}
	return strings.Join(faults, ", ") + ": " + o.String()
}

// goesBack reports whether an answer without an error leads to the same step, or to a sign-in or a fresh proof.
func (w *sweep) goesBack(s *step, f form, o outcome) bool {
	if slices.Contains(onward, s.path(f)) {
		return true
	}
	if o.rec.Code < 300 {
		asks := o.page == "magic.link-elsewhere" && s.page == "magic.link" // it asks whether the link is for this browser
		return (o.page == s.page || asks) && o.rec.Code == http.StatusOK
	}
	to, err := url.Parse(o.rec.Header().Get("Location"))
	if err != nil {
		return false
	}
	path := strings.TrimPrefix(to.Path, "/auth")
	return slices.Contains(menus, path) || path == strings.TrimPrefix(s.at.Path, "/auth")
}

// enough reports whether a body is that of a person who has filled in a form that is sent to the address of f: what it
// does is then right.
func (w *sweep) enough(s *step, f form, good, body url.Values) bool {
	path := s.path(f)
	if f.enough(path, good, body) {
		return true
	}
	for _, other := range w.all {
		if other.path != path {
			continue
		}
		here := maps.Clone(other.good)
		for _, name := range f.named("hidden") {
			here[name] = good[name]
		}
		if other.form.enough(path, other.good, body) || other.form.enough(path, here, body) {
			return true
		}
	}
	return false
}

// enough reports whether a body has all that the form demands, so that its step may be taken.
func (f form) enough(path string, good, body url.Values) bool {
	demands := false
	for _, e := range f.fields {
		_, may := optional[path+" "+e.name]
		proves := e.kind == "hidden" && !slices.Contains(free, e.name) || slices.Contains(secrets, e.name) && e.autocomplete != "new-password"
		switch {
		case may && (!body.Has(e.name) || e.kind == "hidden" && body.Get(e.name) == ""):
		case len(body[e.name]) > 1 || proves && body.Get(e.name) != good.Get(e.name):
			return false
		case !proves && !e.required && e.kind != "hidden":
			continue
		case body.Get(e.name) == "" && good.Get(e.name) != "":
			return false
		}
		demands = true
	}
	if demands || len(f.fields) == 0 {
		return true
	}
	for _, e := range f.fields { // a form that changes what it has
		if body.Has(e.name) {
			return true
		}
	}
	return false
}

// gained counts the items by which somebody gets in that came since a mark, without those in whose place they came.
func (t *tape) gained(mark int) map[string]int {
	count := map[string]int{}
	came, changed := t.created(mark), t.changed(mark)
	for _, k := range changed {
		_, there := t.items[k]
		switch kind := kindOf(k); {
		case !slices.Contains(gains, kind):
		case slices.Contains(came, k):
			count[kind]++
		case !there, kind == "session/*": // it ended
			count[kind]--
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n <= 0 })
	return count
}
