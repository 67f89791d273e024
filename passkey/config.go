package passkey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// Config configures the provider. The zero value works for an issuer with a domain.
type Config struct {
	// RPID is the domain for which passkeys are made: that of the issuer, or a parent of it, but not a public suffix.
	// Do not change it later: the passkeys that people have work for this domain alone.
	//
	// Defaults to the host of the issuer.
	RPID string

	// Origins are the origins whose pages may use the passkeys, as a browser sends them: "https://app.example.com".
	// Origins on another domain than RPID need related origins (section 5.11): a browser asks for
	// https://{RPID}/.well-known/webauthn, see postern.Auth.WellKnown.
	//
	// Defaults to the origin of the issuer. Name it too if you set Origins.
	Origins []string

	// Algorithms are what a new passkey may sign with, in the order of preference: "ES256", "EdDSA" and "RS256". A
	// passkey with another one is refused, whatever the browser was offered.
	//
	// Defaults to the three.
	Algorithms []string

	// Hints say which kind of authenticator most people here use, in the order of preference: "client-device", "hybrid"
	// (a phone) and "security-key". A browser may show this kind first.
	//
	// Defaults to none.
	Hints []string

	// Offer offers a passkey to people who have none, once, at the end of a sign-in by password or mail and of a
	// sign-up: the page "passkey.offer". "Not now" is remembered in the browser for 180 days. The person is signed in
	// before the page comes, so nothing there can refuse the sign-in.
	//
	// Defaults to false: a page that nobody asked for would come between the sign-in and the application.
	Offer bool
}

// New returns the provider of passkeys. It needs postern.Config.Session, and a store that writes two parts at once (see
// store.WritesTwoParts). Mistakes of the Config are found by postern.New.
func New(c Config) postern.Provider { return &provider{config: c} }

type provider struct{ config Config }

// algorithms are the COSE numbers of the algorithms (RFC 9053, RFC 8812).
var algorithms = map[string]int{"ES256": -7, "EdDSA": -8, "RS256": -257}

// party returns the relying party that a configuration describes, for an issuer.
func (c Config) party(issuer string) (p party, err error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return p, fmt.Errorf("passkey: the issuer: %w", err)
	}
	p = party{id: c.RPID, origins: slices.Clone(c.Origins), hints: slices.Clone(c.Hints)}
	if p.id == "" {
		p.id = u.Hostname()
	}
	if err := checkDomain(p.id); err != nil {
		return p, fmt.Errorf("passkey: Config.RPID %q: %w", p.id, err)
	}
	own := u.Scheme + "://" + u.Host
	if len(p.origins) == 0 {
		p.origins = []string{own}
	}
	for i, o := range p.origins {
		if err := checkOrigin(o); err != nil {
			return p, fmt.Errorf("passkey: Config.Origins %q: %w", o, err)
		}
		if slices.Contains(p.origins[:i], o) {
			return p, fmt.Errorf("passkey: Config.Origins has %q twice", o)
		}
	}
	switch {
	case !slices.Contains(p.origins, own):
		return p, fmt.Errorf("passkey: Config.Origins lacks %q, the origin of the issuer, where the pages of this package are", own)
	case !slices.ContainsFunc(p.origins, func(o string) bool { return covers(p.id, o) }):
		return p, fmt.Errorf("passkey: Config.RPID %q is neither the host of one of the origins %q nor a parent of it", p.id, p.origins)
	}
	names := c.Algorithms
	if len(names) == 0 {
		names = []string{"ES256", "EdDSA", "RS256"}
	}
	for _, name := range names {
		alg, ok := algorithms[name]
		if !ok || slices.Contains(p.algs, alg) {
			return p, fmt.Errorf("passkey: Config.Algorithms: %q is unknown, or there twice", name)
		}
		p.algs = append(p.algs, alg)
	}
	for i, hint := range c.Hints {
		if !slices.Contains([]string{"client-device", "hybrid", "security-key"}, hint) || slices.Contains(c.Hints[:i], hint) {
			return p, fmt.Errorf("passkey: Config.Hints: %q is unknown, or there twice", hint)
		}
	}
	return p, nil
}

// Users makes postern.New require postern.Config.Session, which says where the users are.
func (p *provider) Users() bool { return true }

// CheckFlow reports a mistake of the configuration.
func (p *provider) CheckFlow(f *postern.Flow) error {
	if !store.WritesTwoParts(f.Store()) {
		return errors.New("passkey: the store cannot write two parts at once, so that two people could have one passkey: use another engine than a Redis Cluster")
	}
	_, err := p.config.party(f.Sessions().Issuer())
	return err
}

// Mark names the picture beside links to the provider.
func (p *provider) Mark() string { return "passkey" }

// Handler serves the steps of the provider.
func (p *provider) Handler(f *postern.Flow) http.Handler {
	rp, err := p.config.party(f.Sessions().Issuer())
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, err) })
	}
	rp.name = f.AppName()
	h := &handler{keeper: &keeper{store: f.Store(), sessions: f.Sessions(), pool: f.Pool()}, flow: f, party: rp, offers: p.config.Offer}
	h.Handler = f.Steps(map[string]http.HandlerFunc{
		"GET authorize":     h.ask,
		"POST authorize":    h.ask, // for scripts, which cannot navigate
		"POST callback":     h.signIn,
		"GET verify":        h.askFactor,
		"POST verify":       h.verify,
		"POST sign-up":      h.signUp,
		"GET enroll":        h.askEnroll,
		"POST enroll":       h.enroll,
		"GET offer":         h.showOffer,
		"POST offer":        h.takeOffer,
		"GET list":          h.list,
		"GET edit":          h.edit,
		"POST rename":       h.rename,
		"POST remove":       h.remove,
		"POST ask":          h.askAlways,
		"GET " + scriptName: serveScript,
	})
	return h
}

// A handler serves all requests and keeps nothing of any.
type handler struct {
	http.Handler
	*keeper
	flow   *postern.Flow
	party  party
	offers bool // Config.Offer
}

var (
	_ postern.Factor      = (*handler)(nil)
	_ postern.Enroller    = (*handler)(nil)
	_ postern.StepUpper   = (*handler)(nil)
	_ postern.Manager     = (*handler)(nil)
	_ postern.Keeper      = (*handler)(nil)
	_ postern.Offerer     = (*handler)(nil)
	_ postern.WellKnowner = (*handler)(nil)
	_ postern.Autofiller  = (*handler)(nil)
)

// Factor describes a passkey that is shown after another proof.
func (h *handler) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"hwk", "swk"}, Label: "your passkey"}
}

// Credentials names the passkeys that a user has.
func (h *handler) Credentials(ctx context.Context, userID string) ([]string, error) {
	s, err := h.load(ctx, userID, "")
	if err != nil {
		return nil, err
	}
	rows, err := h.all(ctx, userID)
	if err != nil {
		return nil, err
	}
	if len(rows) < s.head.Ways.Passkeys { // a list may lag: it must not leave out the newest
		return nil, unavailable(errors.New("passkey: the list of the passkeys of a user is behind"))
	}
	var names []string
	for _, r := range rows {
		names = append(names, h.hash(r.ID))
	}
	return names, nil
}

// StepUp says that a passkey proves again who a person is.
func (h *handler) StepUp() string { return "passkey" }

// Manage is the step where people see their passkeys.
func (h *handler) Manage() string { return "list" }
