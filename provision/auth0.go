package provision

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

// Auth0Config is the configuration of NewAuth0. Domain, ClientID, ClientSecret and Roles are required.
//
// The client is a machine-to-machine application of the tenant, authorized for the Auth0 Management API with these
// permissions and no other: read:users, create:users, update:users. update:users is the one that gives roles.
type Auth0Config struct {
	// Domain is that of the tenant, such as "example.eu.auth0.com". A custom domain does not serve the Management API.
	Domain string

	ClientID     string
	ClientSecret string

	// Roles are the roles that can be given, by the name in a Grant, with the id of the role at Auth0, which begins
	// with "rol_".
	Roles map[string]string

	// Connection is the database in which new users are made.
	//
	// Defaults to "Username-Password-Authentication".
	Connection string

	// TrustSenderAddresses makes new users with a verified address. Set it only if the sender has checked that the
	// person reads the mailbox.
	//
	// Defaults to false: Auth0 mails the new user, who verifies the address.
	TrustSenderAddresses bool

	// Pending keeps the roles if the only account with the address has not verified it. Call Redeem at each sign-in to
	// give them.
	//
	// Defaults to nil: Upsert returns ErrUnverified, and the sender tries again.
	Pending *Pending

	// MaxWait is how long a call waits if Auth0 answers with 429. If Auth0 asks for a longer pause, the call fails.
	//
	// Defaults to 3 seconds.
	MaxWait time.Duration

	// Timeout bounds one call.
	//
	// Defaults to 5 seconds.
	Timeout time.Duration

	// HTTPClient, if set, has the transport of all calls, for a proxy. It then decides which addresses may be reached.
	//
	// Defaults to public addresses only.
	HTTPClient *http.Client

	// AllowInsecure lets Domain be a URL of this machine, also with http, for auth0test.
	AllowInsecure bool

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// Auth0 gives roles to the users of an Auth0 tenant, through its Management API. It is safe for concurrent use.
type Auth0 struct {
	c     Auth0Config
	base  string // URL of the tenant, without a slash at the end
	http  *http.Client
	token tokenCache
	sleep func(context.Context, time.Duration) error // for tests
}

// Auth0User is a user of a tenant, as far as roles need to know it.
type Auth0User struct {
	ID       string // such as "auth0|507f1f77bcf86cd799439020"
	Verified bool   // the person proved the address
	Ours     bool   // Create made the user, so only the owner of the mailbox can get in
}

// NewAuth0 returns a client. It makes no call.
func NewAuth0(c Auth0Config) (*Auth0, error) {
	a := &Auth0{c: c, base: strings.TrimSuffix(c.Domain, "/"), sleep: sleep}
	if !strings.Contains(a.base, "://") {
		a.base = "https://" + a.base
	}
	if u, err := url.Parse(a.base); err != nil || fetch.CheckURL(a.base, c.AllowInsecure) != nil || u.Path != "" || u.RawQuery != "" {
		return nil, errors.New(`provision: Auth0Config.Domain: set the tenant's domain alone, such as "example.eu.auth0.com"`)
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return nil, errors.New("provision: Auth0Config: ClientID and ClientSecret are required")
	}
	if err := checkRoles(slices.Collect(maps.Keys(c.Roles))); err != nil {
		return nil, fmt.Errorf("provision: Auth0Config.Roles: %w", err)
	}
	for name, id := range c.Roles {
		if !strings.HasPrefix(id, "rol_") || !text.Visible(id) {
			return nil, fmt.Errorf(`provision: Auth0Config.Roles: the id of the role %q does not begin with "rol_"`, name)
		}
	}
	if c.MaxWait < 0 || c.Timeout < 0 {
		return nil, errors.New("provision: Auth0Config: a limit is negative")
	}
	a.c.Roles = maps.Clone(c.Roles)
	a.c.Connection = cmp.Or(c.Connection, "Username-Password-Authentication")
	a.c.MaxWait = cmp.Or(c.MaxWait, 3*time.Second)
	if c.Now == nil {
		a.c.Now = time.Now
	}
	a.http = fetch.Client(fetch.Options{AllowLoopback: c.AllowInsecure, Timeout: cmp.Or(c.Timeout, 5*time.Second), HTTPClient: c.HTTPClient})
	return a, nil
}

// Upsert implements Users. The roles go to each account of the tenant that verified the address, and to an account
// that Create made. An account that somebody else made with the address, and did not verify, gets none: it may not
// belong to the owner of the mailbox. If there is only such an account, Upsert keeps the roles in Auth0Config.Pending
// or returns ErrUnverified.
func (a *Auth0) Upsert(ctx context.Context, g Grant) (Result, error) {
	for _, role := range g.Roles {
		if a.c.Roles[role] == "" {
			return Result{}, fmt.Errorf("%w: Auth0Config.Roles does not have a role of the grant", ErrRefused)
		}
	}
	owners, err := a.owners(ctx, g.Email)
	if err != nil {
		return Result{}, err
	}
	var out Result
	if len(owners) == 0 {
		id, err := a.Create(ctx, g)
		switch {
		case err == nil:
			out.Created, owners = true, []string{id}
		case errors.Is(err, errExists): // another request made the user, or somebody signed up with the address
			if owners, err = a.owners(ctx, g.Email); err != nil {
				return Result{}, err
			}
		default:
			return Result{}, err
		}
	}
	if len(owners) == 0 {
		return a.keep(ctx, g)
	}
	for _, id := range owners {
		if err := a.AddRoles(ctx, id, g.Roles...); err != nil {
			return Result{}, err
		}
	}
	out.UserID = owners[0]
	return out, nil
}

// keep is for a grant whose only account has not verified the address.
func (a *Auth0) keep(ctx context.Context, g Grant) (Result, error) {
	if a.c.Pending == nil {
		return Result{}, ErrUnverified
	}
	if err := a.c.Pending.Add(ctx, g.Email, g.Roles...); err != nil {
		return Result{}, err
	}
	// The person may have verified the address since the look-up above, and Redeem found nothing then.
	owners, err := a.owners(ctx, g.Email)
	if err != nil {
		return Result{}, err
	}
	if len(owners) > 0 {
		return Result{UserID: owners[0]}, a.Redeem(ctx, g.Email)
	}
	return Result{Pending: true}, nil
}

// Redeem gives the roles that wait for an address in Auth0Config.Pending to the accounts that verified it. Call it
// with the verified address of a person who signs in through Auth0.
func (a *Auth0) Redeem(ctx context.Context, email string) error {
	if a.c.Pending == nil {
		return nil
	}
	return a.c.Pending.Redeem(ctx, []string{email}, func(ctx context.Context, roles []string) error {
		owners, err := a.owners(ctx, email)
		if err != nil {
			return err
		}
		if len(owners) == 0 {
			return ErrUnverified
		}
		for _, id := range owners {
			if err := a.AddRoles(ctx, id, roles...); err != nil {
				return err
			}
		}
		return nil
	})
}

// owners returns the ids of the accounts that belong to the owner of the mailbox.
func (a *Auth0) owners(ctx context.Context, email string) ([]string, error) {
	list, err := a.FindByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, u := range list {
		if u.Verified || u.Ours {
			ids = append(ids, u.ID)
		}
	}
	return ids, nil
}

// madeBy is the member of app_metadata that marks a user of Create. Only the Management API writes app_metadata, so
// nobody can set it at a sign-up.
const madeBy = "postern_provisioned"

// FindByEmail returns the accounts with an address, also those that did not verify it. It calls GET
// /api/v2/users-by-email, with the permission read:users.
func (a *Auth0) FindByEmail(ctx context.Context, email string) ([]Auth0User, error) {
	addr, err := mailaddr.Parse(email) // Auth0 stores addresses in lower case and compares exactly
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var list []struct {
		ID       string                     `json:"user_id"`
		Email    string                     `json:"email"`
		Verified bool                       `json:"email_verified"`
		App      map[string]json.RawMessage `json:"app_metadata"`
	}
	query := url.Values{"email": {addr.String()}, "fields": {"user_id,email,email_verified,app_metadata"}, "include_fields": {"true"}}
	answer, err := a.call(ctx, http.MethodGet, "/api/v2/users-by-email?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("provision: find the user at Auth0: %w", err)
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		return nil, errors.New("provision: find the user at Auth0: the answer is not a list of users")
	}
	var out []Auth0User
	for _, u := range list {
		if u.ID == "" || !strings.EqualFold(u.Email, addr.String()) {
			return nil, errors.New("provision: find the user at Auth0: the answer has a user with another address")
		}
		out = append(out, Auth0User{ID: u.ID, Verified: u.Verified, Ours: string(u.App[madeBy]) == "true"})
	}
	return out, nil
}

// Create makes a user in Auth0Config.Connection with the address of g, and returns the id. The user has a random
// password that nobody knows: the person sets one with "forgot password". It calls POST /api/v2/users, with the
// permission create:users. Calling it again returns an error, since the address is taken; Upsert handles that.
func (a *Auth0) Create(ctx context.Context, g Grant) (string, error) {
	addr, err := mailaddr.Parse(g.Email)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	body := map[string]any{
		"connection":     a.c.Connection,
		"email":          addr.String(),
		"email_verified": a.c.TrustSenderAddresses,
		"verify_email":   !a.c.TrustSenderAddresses,
		"password":       rand.Text() + rand.Text() + "-a1", // 260 bits, and all classes that a password policy can want
		"app_metadata":   map[string]bool{madeBy: true},
	}
	// Somebody typed the name at the sender, maybe of another person. It goes with an address that the sender checked.
	if g.Name != "" && a.c.TrustSenderAddresses {
		body["name"] = g.Name
	}
	answer, err := a.call(ctx, http.MethodPost, "/api/v2/users", body)
	if err != nil {
		return "", fmt.Errorf("provision: create the user at Auth0: %w", err)
	}
	var made struct {
		ID string `json:"user_id"`
	}
	if err := json.Unmarshal([]byte(answer), &made); err != nil || made.ID == "" {
		return "", errors.New("provision: create the user at Auth0: the answer has no user_id")
	}
	return made.ID, nil
}

// AddRoles gives roles of Auth0Config.Roles to a user. A role that the user has already stays. It calls POST
// /api/v2/users/{id}/roles, with the permission update:users.
func (a *Auth0) AddRoles(ctx context.Context, userID string, roles ...string) error {
	ids := make([]string, 0, len(roles))
	for _, role := range roles {
		id := a.c.Roles[role]
		if id == "" {
			return fmt.Errorf("%w: Auth0Config.Roles does not have a role of the grant", ErrRefused)
		}
		ids = append(ids, id)
	}
	if userID == "" || len(ids) == 0 {
		return fmt.Errorf("%w: a user and a role are needed", ErrRefused)
	}
	_, err := a.call(ctx, http.MethodPost, "/api/v2/users/"+url.PathEscape(userID)+"/roles", map[string][]string{"roles": ids})
	if err != nil {
		return fmt.Errorf("provision: give the roles at Auth0: %w", err)
	}
	return nil
}
