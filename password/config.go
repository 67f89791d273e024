package password

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
)

// Config configures the provider, and a Service. The zero value works.
type Config struct {
	// Hasher hashes and verifies. A process needs one Hasher: give the same to every provider and Service. On a
	// function, make it with the memory of the function, see hash.Config.
	//
	// Defaults to a Hasher of the zero hash.Config.
	Hasher *hash.Hasher

	// Policy decides which new passwords are good.
	//
	// Defaults to 15 characters and more, without common passwords, and without the name of the application, of its
	// host and of the person.
	Policy *policy.Policy

	// Usernames lets people sign in with a username in place of an address.
	//
	// Defaults to postern.Config.Usernames.
	Usernames bool
}

// New returns the provider of passwords. It needs postern.Config.Session. Mistakes of the Config are found by
// postern.New.
func New(c Config) postern.Provider { return &provider{config: c} }

type provider struct{ config Config }

// Check reports a mistake of the configuration.
func (p *provider) Check() error {
	_, err := p.config.parts()
	return err
}

// parts are what the Config leaves to the defaults.
type parts struct {
	hasher *hash.Hasher
	policy func(names ...string) (*policy.Policy, error)
}

func (c Config) parts() (out parts, err error) {
	if out.hasher = c.Hasher; out.hasher == nil {
		if out.hasher, err = hash.New(hash.Config{}); err != nil {
			return out, fmt.Errorf("password: Config.Hasher: %w", err)
		}
	}
	out.policy = func(names ...string) (*policy.Policy, error) {
		if c.Policy != nil {
			return c.Policy, nil
		}
		return policy.New(policy.Config{Names: names})
	}
	_, err = out.policy()
	return out, err
}

// Users makes postern.New require postern.Config.Session, which says where the users are.
func (p *provider) Users() bool { return true }

// Mark names the picture beside links to the provider.
func (p *provider) Mark() string { return "password" }

// Handler serves the steps of the provider.
func (p *provider) Handler(f *postern.Flow) http.Handler {
	k, err := p.keeper(f)
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, err) })
	}
	h := &handler{keeper: k, flow: f, usernames: p.config.Usernames || f.Usernames()}
	steps := map[string]http.HandlerFunc{
		"GET authorize":  h.ask,
		"POST authorize": h.ask, // for scripts, which cannot navigate
		"POST callback":  h.signIn,
		"POST sign-up":   h.signUp,
		"GET change":     h.askChange,
		"POST change":    h.change,
		"POST set":       h.set,
		"POST remove":    h.remove,
	}
	if f.MailReady() { // without mail nobody can prove a mailbox
		steps["GET forgot"], steps["POST forgot"] = h.askForgot, h.forgot
		steps["GET reset"], steps["POST reset"] = h.showReset, h.reset
	}
	h.Handler = f.Steps(steps)
	return h
}

func (p *provider) keeper(f *postern.Flow) (*keeper, error) {
	own, err := p.config.parts()
	if err != nil {
		return nil, err
	}
	host := ""
	if u, err := url.Parse(f.Sessions().Issuer()); err == nil {
		host = u.Hostname()
	}
	rules, err := own.policy(f.AppName(), host)
	if err != nil {
		return nil, err
	}
	return &keeper{store: f.Store(), sessions: f.Sessions(), pool: f.Pool(), hasher: own.hasher, policy: rules}, nil
}

// A handler serves all requests and keeps nothing of any.
type handler struct {
	http.Handler
	*keeper
	flow      *postern.Flow
	usernames bool
}

var (
	_ postern.Enroller  = (*handler)(nil)
	_ postern.StepUpper = (*handler)(nil)
	_ postern.Keeper    = (*handler)(nil)
	_ postern.Manager   = (*handler)(nil)

	_ postern.WellKnowner = (*handler)(nil)
)

// StepUp says that a password proves again who a person is.
func (h *handler) StepUp() string { return "password" }

// Manage is the step where people change their password, or choose the first.
func (h *handler) Manage() string { return "change" }

// WellKnown leads password managers to the page where the password is changed (W3C, A Well-Known URL for Changing
// Passwords).
func (h *handler) WellKnown() map[string]http.Handler {
	return map[string]http.Handler{"/.well-known/change-password": http.RedirectHandler(h.flow.URL("change"), http.StatusSeeOther)}
}

// Credentials names the password that a user has now. The same password hashed anew has the same name.
func (h *handler) Credentials(ctx context.Context, userID string) ([]string, error) {
	s, err := h.load(ctx, userID, "")
	if err != nil || !s.has() {
		return nil, err
	}
	return []string{"set " + s.row.Set.UTC().Format(time.RFC3339Nano)}, nil
}
