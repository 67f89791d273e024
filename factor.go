package postern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A Factor is the handler of a provider that can be asked for after a first proof: each of Config.Factors is one, and a
// provider of Config.Providers can be one as well, such as a passkey. It serves these steps:
//
//	GET  verify  the form for a sign-in that waits, see [Flow.Waiting]
//	POST verify  checks what the person sent, see [Flow.Guess] and [Flow.Passed]
//	GET  enroll  the page on which a person begins to have the factor, see [Flow.Person] and [Flow.Enroll]
//
// A factor that serves no enroll step has Factors with NoEnroll.
type Factor interface {
	http.Handler

	// Factor describes the factor. The answer is always the same.
	Factor() FactorInfo
}

// A FactorInfo describes a [Factor].
type FactorInfo struct {
	// Methods are the amr values of a session whose person has shown this factor: one of them is there. They are the
	// factor's own: "otp", or "hwk" and "swk".
	Methods []string

	// Backup is a factor that answers where another one is due, and makes none due by itself: recovery codes.
	Backup bool

	// NoEnroll is a factor that a person cannot begin to have while a sign-in waits for it.
	NoEnroll bool

	// Label is the factor for people, after "Use " and "Set up ": "a code from your app". SetUp is the factor after
	// "Set up ", if it is not the same: "recovery codes". Translations look both up, as other texts of pages.
	Label, SetUp string
}

// A Requirement is what Config.RequireFactor demands of a sign-in, beside the factors that the person has.
type Requirement struct {
	// Factor demands a second factor. A person who has none is led to enrol one.
	Factor bool

	// Of demands one of these factors, by their names in the configuration.
	//
	// Defaults to any.
	Of []string

	// NotRemembered refuses a remembered browser in place of the factor.
	NotRemembered bool
}

func (need Requirement) due() bool { return need.Factor || len(need.Of) > 0 }

// A Waiting is a sign-in, or a step-up, that waits for a factor.
type Waiting struct {
	UserID   string
	Methods  []string // amr of the first proof; empty for a step-up
	StepUp   bool     // the person is signed in, and proves again who they are
	Remember bool     // the form may have a field "remember": see [Flow.RememberField]
	State    string   // hidden field "state" of the form
	Others   []Link   // to the other factors that would do
}

// A Passing is a factor that a person has just shown.
type Passing struct {
	// Methods are the amr of the session: "otp".
	Methods []string

	// Changes are the rows of the factor, in the part Flow.Part of the user. They are written together with the end of
	// the waiting sign-in: all or nothing. Each must be on condition of the version that was read, so that a code that
	// was used at the same moment is refused.
	Changes []store.Change

	// Count changes how many of this factor the user has: -1 for a recovery code that is used up.
	Count int

	// Ends ends everything that was minted for the user before: sessions, remembered browsers, what waits.
	Ends bool

	// Event and Notice are those of an [Enrolment], for a use that is worth a mail. They are reported when Changes are
	// written.
	Event  string
	Notice Notice
}

// An Enrolment is a change of the factors of a person.
type Enrolment struct {
	// Count is how many more, or fewer, of this factor the person has by Changes. A change below zero ends everything
	// that was minted for the user before, except the session of this request. A change above zero ends the sessions
	// that have shown no factor, at their next refresh or CheckStore.
	Count int

	// Passkeys is how many more, or fewer, ways in the person has by Changes, for a provider whose credentials are
	// both.
	Passkeys int

	// Changes are the rows of the factor, in the part Flow.Part of the user, and claims elsewhere. They are written
	// together with the counts: all or nothing.
	Changes []store.Change

	// Methods are the amr of the factor, if the person has shown it in this request.
	Methods []string

	// Event is the name of the event, such as "totp added", for the audit log and the history of the person. Notice is
	// the mail about it, see [Flow.Notify]: without a name none is sent.
	Event  string
	Notice Notice
}

// factorSteps is where the factors of Config.Factors are.
const factorSteps = "factors/"

// A factor is one that the configuration has.
type factor struct {
	name  string // in Config.Factors or Config.Providers
	flow  string // the key of Auth.flows
	way   bool   // it is one of Config.Providers, and always one of the person's passkeys
	info  FactorInfo
	label string // after "Use "
	setUp string // after "Set up "
}

func (k factor) shownIn(methods []string) bool {
	return slices.ContainsFunc(k.info.Methods, func(m string) bool { return slices.Contains(methods, m) })
}

// MethodMultiFactor is in the amr of a session whose person has shown two factors (RFC 8176).
const MethodMultiFactor = "mfa"

// notFactors are methods that prove no second factor. A mailbox is none (NIST SP 800-63B section 3.1.3).
var notFactors = []string{methodPassword, "link", "code", "mail", "email", "oidc", "oauth", MethodStepUp, MethodMultiFactor, methodConsole, "user", ""}

// setFactors builds the flows of Config.Factors. Those of Config.Providers exist already.
func (a *Auth) setFactors(c Config) (errs []error) {
	if c.Session == nil {
		if c.Factors != nil || c.RequireFactor != nil || c.Remember != 0 {
			errs = append(errs, errors.New("postern: Factors, RequireFactor and Remember of Config need Config.Session"))
		}
		return errs
	}
	add := func(name, flow string, way bool) {
		f, ok := a.flows[flow].handler.(Factor)
		if !ok {
			if !way && len(a.faults) == 0 {
				errs = append(errs, fmt.Errorf("postern: Config.Factors: the handler of %q is no postern.Factor", name))
			}
			return
		}
		k := factor{name: name, flow: flow, way: way, info: f.Factor()}
		k.label = cmp.Or(c.Labels[name], k.info.Label)
		k.setUp = cmp.Or(c.Labels[name], k.info.SetUp, k.info.Label)
		if len(k.info.Methods) == 0 || slices.ContainsFunc(k.info.Methods, func(m string) bool { return slices.Contains(notFactors, m) }) {
			errs = append(errs, fmt.Errorf("postern: factor %q: its methods %q prove no second factor; a mailbox and a password are none", name, k.info.Methods))
		}
		a.factors = append(a.factors, k)
	}
	for _, name := range a.order {
		if _, ok := a.flows[name].handler.(Factor); ok {
			add(name, name, true)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Factors)) {
		switch err := checkName(name); {
		case err != nil:
			errs = append(errs, err)
			continue
		case c.Providers[name] != nil, name == "continue", name == "code":
			errs = append(errs, fmt.Errorf("postern: Config.Factors: the name %q is taken", name))
			continue
		}
		a.use(&Flow{auth: a, name: factorSteps + name}, c.Factors[name])
		add(name, factorSteps+name, false)
	}
	// A backup needs another factor first, and is for a person who has lost it.
	slices.SortStableFunc(a.factors, func(x, y factor) int {
		switch {
		case x.info.Backup == y.info.Backup:
			return 0
		case x.info.Backup:
			return 1
		}
		return -1
	})
	a.requireFactor, a.rememberFor = c.RequireFactor, c.Remember
	if a.rememberFor == 0 {
		a.rememberFor = rememberLife
	}
	if c.Remember > 400*24*time.Hour { // browsers keep no cookie longer
		errs = append(errs, errors.New("postern: Config.Remember is longer than 400 days"))
	}
	if c.RequireFactor != nil {
		a.session.demand = a.demand
	}
	return errs
}

// counted returns a head with n more of a factor. A passkey is counted where it makes a factor due.
func (k factor) counted(h head.Head, n int) head.Head {
	if k.info.Backup {
		h.Backups = h.Backups.With(k.name, n)
	} else {
		h.Factors = h.Factors.With(k.name, n)
	}
	return h
}

// has reports whether a user can answer with a factor.
func (k factor) has(h head.Head) bool {
	switch {
	case k.way:
		return h.Ways.Passkeys > 0
	case k.info.Backup:
		return h.Backups[k.name] > 0
	}
	return h.Factors[k.name] > 0
}

// demand is the policy: what a sign-in needs beside its first proof. A person who has a factor is asked for it;
// Config.RequireFactor adds to that, and cannot take away.
func (a *Auth) demand(ctx context.Context, p Person, h head.Head, auth session.Authentication) (Requirement, error) {
	need := Requirement{Factor: h.Due()}
	if a.requireFactor == nil {
		return need, nil
	}
	more, err := a.requireFactor(ctx, p, auth)
	if err != nil {
		return need, unavailableUsers("Config.RequireFactor", err)
	}
	for _, name := range more.Of {
		if !slices.ContainsFunc(a.factors, func(k factor) bool { return k.name == name }) {
			return need, fmt.Errorf("postern: Config.RequireFactor asks for %q: the configuration has no factor of this name", name)
		}
	}
	need.Factor = need.Factor || more.due()
	need.Of, need.NotRemembered = more.Of, more.NotRemembered
	return need, nil
}

// met reports whether a session, or a sign-in, satisfies a requirement.
func (need Requirement) met(auth session.Authentication) bool {
	switch {
	case !need.due():
		return true
	case len(need.Of) > 0:
		return slices.ContainsFunc(need.Of, func(name string) bool { return slices.Contains(auth.Factors, name) })
	case auth.Remembered && !need.NotRemembered:
		return true
	}
	return len(auth.Factors) > 0 || slices.Contains(auth.Methods, MethodMultiFactor)
}

// answers returns the factors by which a user can meet a requirement.
func (a *Auth) answers(need Requirement, h head.Head) (list []factor) {
	for _, k := range a.factors {
		if k.has(h) && (len(need.Of) == 0 || slices.Contains(need.Of, k.name)) {
			list = append(list, k)
		}
	}
	return list
}

// begins returns the factors that a user can enrol to meet a requirement.
func (a *Auth) begins(need Requirement) (list []factor) {
	for _, k := range a.factors {
		if !k.info.Backup && !k.info.NoEnroll && (len(need.Of) == 0 || slices.Contains(need.Of, k.name)) {
			list = append(list, k)
		}
	}
	return list
}

// factorOf returns the factor that a flow serves.
func (a *Auth) factorOf(f *Flow) (factor, bool) {
	i := slices.IndexFunc(a.factors, func(k factor) bool { return k.flow == f.name })
	if i < 0 {
		return factor{}, false
	}
	return a.factors[i], true
}

// factorNamed returns a factor by its name in the configuration.
func (a *Auth) factorNamed(name string) (factor, bool) {
	i := slices.IndexFunc(a.factors, func(k factor) bool { return k.name == name })
	if i < 0 {
		return factor{}, false
	}
	return a.factors[i], true
}

// stepOf returns the URL of a step of a factor.
func (a *Auth) stepOf(k factor, step, state string) string {
	to := a.issuer + "/" + k.flow + "/" + step
	if state != "" {
		to += "?state=" + state
	}
	return to
}

func (a *Auth) linkTo(k factor, step, state string) Link {
	text, label := "Use {factor}", k.label
	if step == "enroll" {
		text, label = "Set up {factor}", k.setUp
	}
	return Link{Name: "factor:" + k.name, Text: text, URL: a.stepOf(k, step, state), Mark: a.flows[k.flow].mark, Args: map[string]any{"factor": Phrase(label)}}
}

// proved adds a factor that was shown to the proofs of a sign-in or a session. A first proof by mail is no factor, so
// that the two together are not "mfa".
func proved(auth session.Authentication, k factor, methods []string, at time.Time) session.Authentication {
	next := session.Authentication{Time: at, Methods: slices.Clone(auth.Methods), Factors: slices.Clone(auth.Factors), Remembered: auth.Remembered}
	byMail := slices.ContainsFunc(auth.Methods, func(m string) bool { return m == "link" || m == "code" })
	if !byMail && len(auth.Methods) > 0 && !k.shownIn(auth.Methods) {
		methods = append(slices.Clip(methods), MethodMultiFactor)
	}
	next.Methods = union(next.Methods, methods)
	next.Factors = union(next.Factors, []string{k.name})
	return next
}

// union returns a with the texts of b that it lacks.
func union(a, b []string) []string {
	for _, text := range b {
		if !slices.Contains(a, text) {
			a = append(slices.Clip(a), text)
		}
	}
	return a
}

// factorShown reports whether the methods of a session prove a second factor of this configuration.
func (a *Auth) factorShown(methods []string) bool {
	return slices.Contains(methods, MethodMultiFactor) || slices.ContainsFunc(a.factors, func(k factor) bool { return k.shownIn(methods) })
}

// factorPath reports whether a path below {base} belongs to one of Config.Factors.
func (a *Auth) factorPath(path string) bool {
	rest, ok := strings.CutPrefix(path, "/"+factorSteps)
	name, _, _ := strings.Cut(rest, "/")
	_, found := a.flows[factorSteps+name]
	return ok && found
}
