package gallery

import (
	"html"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/internal/test/virtualkey"
)

// A step is a page that a person was shown, with all that the person and the browser have at that moment.
type step struct {
	scene      string
	page, code string // Page.Name, and the code of an error
	at         *url.URL
	body       string
	forms      []form
	browser    *testworld.Browser
	mark       int // the state of the store
	now        time.Time
	mailed     string // the code of the newest mail
	who        person // a copy
	knows      knowledge
}

var recoveryCode = regexp.MustCompile(`\b[A-Za-z0-9]{4}(?:-[A-Za-z0-9]{4}){3}\b`)

// note remembers the page that is shown, and what a person learns from it.
func (p *person) note() {
	if key := otpauth.FindString(p.body); key != "" {
		p.knows.app = html.UnescapeString(key)
	}
	if p.header.Get(pageHeader) == "recovery.codes" {
		p.knows.recovery = recoveryCode.FindAllString(p.body, -1)
	}
	if p.v.tape == nil {
		return
	}
	s := step{page: p.header.Get(pageHeader), code: p.header.Get(codeHeader), at: p.at, body: p.body, forms: formsOf(p.body), browser: p.Browser.Clone(),
		mark: p.v.tape.mark(), now: p.v.Now(), who: *p, knows: *p.knows}
	for _, m := range slices.Backward(p.v.Mails.All()) {
		if s.mailed = m.Arg("code"); s.mailed != "" {
			break
		}
	}
	s.who.device.Credentials = slices.Clone(p.device.Credentials)
	s.who.trail = nil
	p.trail = append(p.trail, s)
}

// post is what the form of a step sends when a person has filled it in well. serial makes new names and addresses.
func (s *step) post(f form, fixture *person, serial int) url.Values {
	values := maps.Clone(f.values)
	for _, e := range f.fields {
		if e.kind == "checkbox" || e.kind == "button" || values.Get(e.name) != "" && !slices.Contains([]string{"identifier", "email", "address", "username", "picture"}, e.name) {
			continue
		}
		if v := s.value(f, e, fixture, serial); v != "" || e.required {
			values.Set(e.name, v)
		}
	}
	return values
}

func (s *step) value(f form, e field, fixture *person, serial int) string {
	p, n := &s.who, strconv.Itoa(serial)
	switch e.name {
	case "code":
		switch {
		case strings.HasPrefix(s.page, "totp."):
			return codeAt(p, s.knows.app, p.v.Now())
		case strings.HasPrefix(s.page, "recovery.") && len(s.knows.recovery) > 0:
			return s.knows.recovery[0]
		}
		return s.mailed
	case "password":
		if s.page == "password.new" {
			return next
		}
		return good
	case "new_password":
		return next
	case "identifier":
		return fixture.knows.address
	case "email", "address":
		return "fresh." + n + "@example.com"
	case "username":
		return "fresh." + n
	case "confirm":
		return s.knows.address
	case "credential":
		return s.credential(f, fixture)
	case "picture":
		return "https://example.com/picture.png"
	case "name", "reason":
		return "Ada"
	}
	return ""
}

// credential is the answer of an authenticator to the options of a form.
func (s *step) credential(f form, fixture *person) string {
	if o, err := virtual.ParseAttestationOptions(f.options); err == nil && strings.Contains(f.options, "pubKeyCredParams") {
		device := virtual.NewAuthenticator()
		device.Options.UserHandle = []byte(o.UserID)
		return virtualkey.Create(party, device, virtual.NewCredential(virtual.KeyTypeEC2), *o)
	}
	o, err := virtual.ParseAssertionOptions(f.options)
	if err != nil {
		return ""
	}
	device := s.who.device
	if len(device.Credentials) == 0 || s.page == "passkey.sign-in" {
		device = fixture.device
	}
	key := device.Credentials[0]
	key.Counter += 5
	return virtual.CreateAssertionResponse(party, device, key, *o)
}

// named are the values of the fields of a form that are of some kind.
func (f form) named(kind string) (names []string) {
	for _, e := range f.fields {
		if e.kind == kind && !slices.Contains(names, e.name) {
			names = append(names, e.name)
		}
	}
	return names
}

// secrets are fields whose value proves something.
var secrets = []string{"code", "password", "credential", "confirm"}

// signature says what kind of form it is: what it is for and which fields it has.
func (s *step) signature(f form) string {
	names := slices.Sorted(maps.Keys(f.names))
	if s.path(f) == "/language" {
		return "/language " + strings.Join(names, ",") // every page has it
	}
	return s.page + " " + s.path(f) + " " + strings.Join(names, ",") + " " + f.values.Get("choice")
}

var (
	mailInPath    = regexp.MustCompile(`/admin/mail/.+/test$`)
	userInPath    = regexp.MustCompile(`/users/[a-z0-9]{26}`)
	sessionInPath = regexp.MustCompile(`/sessions/[^/]+/end`)
)

// path is where a form is sent to, without the ids of users and sessions and the names of mails.
func (s *step) path(f form) string {
	path := strings.TrimPrefix(s.target(f).Path, "/auth")
	path = mailInPath.ReplaceAllString(path, "/admin/mail/{mail}/test")
	return sessionInPath.ReplaceAllString(userInPath.ReplaceAllString(path, "/users/{id}"), "/sessions/{sid}/end")
}

func (s *step) target(f form) *url.URL {
	if f.action == "" {
		return s.at
	}
	to, err := s.at.Parse(f.action)
	if err != nil {
		panic(flowtest.Issuer + ": " + f.action)
	}
	return to
}
