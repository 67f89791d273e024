package auth0test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/provision"
)

// The client of every tenant.
const (
	ClientID     = "auth0test-client"
	ClientSecret = "auth0test-client-secret-which-no-error-repeats"
	Connection   = "Username-Password-Authentication"
)

// A User is a user of the tenant.
type User struct {
	ID          string         `json:"user_id"`
	Email       string         `json:"email"`
	Verified    bool           `json:"email_verified"`
	Name        string         `json:"name,omitempty"`
	AppMetadata map[string]any `json:"app_metadata,omitempty"`

	Connection string   `json:"-"`
	Password   string   `json:"-"`
	Roles      []string `json:"-"` // ids
	Mailed     bool     `json:"-"` // the tenant sent a mail to verify the address
}

// A Tenant is an Auth0 tenant on this machine. It is safe for concurrent use.
type Tenant struct {
	// Permissions are those of the client. Change them before the first call.
	Permissions []string
	// TokenLife is how long a token works. Defaults to 24 hours, as at Auth0.
	TokenLife time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time

	server *httptest.Server
	mu     sync.Mutex
	users  []*User
	roles  map[string]string    // id -> name
	tokens map[string]time.Time // token -> expiry
	issued int
	calls  []string
	limit  []func(w http.ResponseWriter) // answers of the next calls of the Management API
	before func(r *http.Request)
}

// New starts a tenant without users. Its client has the permissions that provision.Auth0 needs.
func New() *Tenant {
	t := &Tenant{
		Permissions: []string{"read:users", "create:users", "update:users"}, TokenLife: 24 * time.Hour, Now: time.Now,
		roles: map[string]string{}, tokens: map[string]time.Time{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", t.token)
	mux.HandleFunc("GET /api/v2/users-by-email", t.management("read:users", t.byEmail))
	mux.HandleFunc("POST /api/v2/users", t.management("create:users", t.create))
	mux.HandleFunc("POST /api/v2/users/{id}/roles", t.management("update:users", t.assign))
	t.server = httptest.NewServer(mux)
	return t
}

// Close stops the tenant.
func (t *Tenant) Close() { t.server.Close() }

// URL is where the tenant is.
func (t *Tenant) URL() string { return t.server.URL }

// Config returns the configuration of provision.NewAuth0 for this tenant.
func (t *Tenant) Config(roles map[string]string) provision.Auth0Config {
	return provision.Auth0Config{
		Domain: t.server.URL, ClientID: ClientID, ClientSecret: ClientSecret, Connection: Connection,
		Roles: roles, AllowInsecure: true, Now: t.Now,
	}
}

// AddRole makes a role and returns its id.
func (t *Tenant) AddRole(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := "rol_" + rand.Text()[:16]
	t.roles[id] = name
	return id
}

// AddUser makes a user, as a sign-up does. Without an ID it gets one.
func (t *Tenant) AddUser(u User) User {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.add(u)
}

func (t *Tenant) add(u User) User {
	if u.ID == "" {
		u.ID = fmt.Sprintf("auth0|%024x", len(t.users)+1)
	}
	if u.Connection == "" {
		u.Connection = Connection
	}
	t.users = append(t.users, &u)
	return u
}

// Verify marks the address of a user as verified, as the link in the tenant's mail does.
func (t *Tenant) Verify(userID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.users {
		if u.ID == userID {
			u.Verified = true
		}
	}
}

// Users returns copies of the users.
func (t *Tenant) Users() []User {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []User
	for _, u := range t.users {
		c := *u
		c.Roles = slices.Clone(u.Roles)
		out = append(out, c)
	}
	return out
}

// Tokens returns how many tokens the tenant has issued.
func (t *Tenant) Tokens() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issued
}

// Calls returns the method and path of each call of the Management API that was answered, in order.
func (t *Tenant) Calls() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls)
}

// Limit answers the next n calls of the Management API with 429. retryAfter is the header Retry-After in seconds; if it
// is empty, only X-RateLimit-Reset says when calls are possible again, in one second.
func (t *Tenant) Limit(n int, retryAfter string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		t.limit = append(t.limit, func(w http.ResponseWriter) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.Header().Set("X-RateLimit-Limit", "10")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", fmt.Sprint(t.Now().Add(time.Second).Unix()))
			fail(w, http.StatusTooManyRequests, "Global limit has been reached", "too_many_requests")
		})
	}
}

// Fail answers the next n calls of the Management API with 503.
func (t *Tenant) Fail(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		t.limit = append(t.limit, func(w http.ResponseWriter) {
			fail(w, http.StatusServiceUnavailable, "Service unavailable", "")
		})
	}
}

// Before calls f at the beginning of each call of the Management API, for tests of races. f may use the tenant.
func (t *Tenant) Before(f func(r *http.Request)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before = f
}

// RevokeTokens makes all tokens invalid, as a rotation of the signing key does.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.tokens)
}

func (t *Tenant) token(w http.ResponseWriter, r *http.Request) {
	form := func(name string) string { return r.PostFormValue(name) }
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var body map[string]string
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			body = nil
		}
		form = func(name string) string { return body[name] }
	}
	oauth := func(status int, code, description string) {
		write(w, status, map[string]string{"error": code, "error_description": description})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case form("grant_type") != "client_credentials":
		oauth(http.StatusForbidden, "unauthorized_client", "Grant type '"+form("grant_type")+"' not allowed for the client.")
	case form("client_id") != ClientID || form("client_secret") != ClientSecret:
		oauth(http.StatusUnauthorized, "access_denied", "Unauthorized")
	case form("audience") != t.server.URL+"/api/v2/":
		oauth(http.StatusForbidden, "access_denied", "Service not enabled within domain: "+form("audience"))
	default:
		t.issued++
		token := "auth0test." + rand.Text()
		t.tokens[token] = t.Now().Add(t.TokenLife)
		write(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": int(t.TokenLife / time.Second), "scope": strings.Join(t.Permissions, " "),
		})
	}
}

// management checks the token and the permission of a call.
func (t *Tenant) management(permission string, next func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		before := t.before
		t.mu.Unlock()
		if before != nil {
			before(r)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if len(t.limit) > 0 {
			answer := t.limit[0]
			t.limit = t.limit[1:]
			answer(w)
			return
		}
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		until, known := t.tokens[token]
		switch {
		case !known:
			fail(w, http.StatusUnauthorized, "Invalid token", "")
		case !t.Now().Before(until):
			fail(w, http.StatusUnauthorized, "Expired token received for JSON Web Token validation", "")
		case !slices.Contains(t.Permissions, permission):
			fail(w, http.StatusForbidden, "Insufficient scope, expected any of: "+permission, "insufficient_scope")
		default:
			t.calls = append(t.calls, r.Method+" "+r.URL.Path)
			next(w, r)
		}
	}
}

func (t *Tenant) byEmail(w http.ResponseWriter, r *http.Request) {
	email := r.URL.Query().Get("email")
	if !strings.Contains(email, "@") {
		fail(w, http.StatusBadRequest, "Query validation error: 'Object didn't pass validation for format email: "+email+"' on property email", "invalid_query_string")
		return
	}
	list := []User{}
	for _, u := range t.users {
		if u.Email == email { // exactly, as Auth0 compares
			list = append(list, *u)
		}
	}
	write(w, http.StatusOK, list)
}

func (t *Tenant) create(w http.ResponseWriter, r *http.Request) {
	var body struct {
		User
		Connection  string `json:"connection"`
		Password    string `json:"password"`
		VerifyEmail *bool  `json:"verify_email"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "Invalid request payload JSON format", "invalid_body")
		return
	}
	switch {
	case body.Connection != Connection:
		fail(w, http.StatusBadRequest, "The connection does not exist", "inexistent_connection")
		return
	case len(body.Password) < 8:
		fail(w, http.StatusBadRequest, "PasswordStrengthError: Password is too weak", "invalid_password")
		return
	}
	u := body.User
	u.Email, u.Connection, u.Password = strings.ToLower(u.Email), body.Connection, body.Password
	for _, other := range t.users {
		if other.Connection == u.Connection && other.Email == u.Email {
			fail(w, http.StatusConflict, "The user already exists.", "auth0_idp_error")
			return
		}
	}
	// A mail is sent unless verify_email says otherwise or the address is verified.
	u.Mailed = !u.Verified && (body.VerifyEmail == nil || *body.VerifyEmail)
	write(w, http.StatusCreated, t.add(u))
}

func (t *Tenant) assign(w http.ResponseWriter, r *http.Request) {
	var body struct{ Roles []string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil || len(body.Roles) == 0 {
		fail(w, http.StatusBadRequest, "Payload validation error: 'Missing required property: roles'.", "invalid_body")
		return
	}
	i := slices.IndexFunc(t.users, func(u *User) bool { return u.ID == r.PathValue("id") })
	if i < 0 {
		fail(w, http.StatusNotFound, "The user does not exist.", "inexistent_user")
		return
	}
	for _, id := range body.Roles {
		if t.roles[id] == "" {
			fail(w, http.StatusNotFound, "Role not found.", "role_not_found")
			return
		}
	}
	t.users[i].Roles = slices.Compact(slices.Sorted(slices.Values(append(t.users[i].Roles, body.Roles...))))
	w.WriteHeader(http.StatusNoContent)
}

// fail writes an error as the Management API does.
func fail(w http.ResponseWriter, status int, message, code string) {
	body := map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message}
	if code != "" {
		body["errorCode"] = code
	}
	write(w, status, body)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}
