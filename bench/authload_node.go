package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	loadCallback = "http://localhost:9/callback"
	loadClient   = "bench"
)

// nodeLoad is an authorization server on Node.
type nodeLoad struct {
	base string

	mu    sync.Mutex
	codes map[string]string // mailed, by the address
}

func startNodeServer(name, script, ready string, args ...string) (*authServer, *nodeLoad, error) {
	if err := nodeMissing(); err != nil {
		return nil, nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	n := &nodeLoad{base: "http://localhost:" + port, codes: map[string]string{}}
	cmd := exec.Command("node", append([]string{script, port}, args...)...)
	cmd.Dir, cmd.Stderr, cmd.Env = "node", os.Stderr, append(os.Environ(), "NODE_ENV=production", "NODE_NO_WARNINGS=1")
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for s := bufio.NewScanner(lines); s.Scan(); {
			to, code, _ := strings.Cut(s.Text(), " ")
			n.mu.Lock()
			n.codes[to] = code
			n.mu.Unlock()
		}
	}()
	stop, err := startProcess(cmd, n.base+ready)
	if err != nil {
		return nil, nil, err
	}
	return &authServer{name: name, pid: cmd.Process.Pid, stop: stop}, n, nil
}

func startOpenAuth(string) (*authServer, error) {
	s, n, err := startNodeServer("OpenAuth, memory", "openauth.mjs", "/.well-known/jwks.json", fmt.Sprint(authAccounts), loadPassword)
	if err != nil {
		return nil, err
	}
	s.client = func(worker int) (authClient, error) {
		v, next := newNodeVisitor(), worker
		person := func() int {
			next = (next + 8) % authAccounts
			return next
		}
		password := func(ctx context.Context) (tokens, error) {
			return v.openAuth(ctx, n, "password", func(page string) (string, error) {
				return v.post(ctx, page, url.Values{"email": {loadAddress(person())}, "password": {loadPassword}})
			})
		}
		c, err := v.client(password, n.base+"/me", n.base+"/token")
		c.mailed = func(ctx context.Context) error {
			to := loadAddress(person())
			_, err := v.openAuth(ctx, n, "code", func(page string) (string, error) {
				if _, err := v.post(ctx, page, url.Values{"action": {"request"}, "email": {to}}); err != nil {
					return "", err
				}
				code, err := n.code(ctx, to)
				if err != nil {
					return "", err
				}
				return v.post(ctx, page, url.Values{"action": {"verify"}, "code": {code}})
			})
			return err
		}
		return c, err
	}
	return s, nil
}

// code waits for the code that was mailed to a person, and takes it.
func (n *nodeLoad) code(ctx context.Context, to string) (string, error) {
	for {
		n.mu.Lock()
		code := n.codes[to]
		delete(n.codes, to)
		n.mu.Unlock()
		if code != "" {
			return code, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// openAuth signs in by a provider. submit sends the forms of its page, and returns where they lead.
func (v *nodeVisitor) openAuth(ctx context.Context, n *nodeLoad, provider string, submit func(page string) (string, error)) (t tokens, err error) {
	v.cookies = map[string]string{}
	page, err := v.get(ctx, n.base+"/authorize?"+url.Values{"provider": {provider}, "client_id": {loadClient}, "redirect_uri": {loadCallback}, "response_type": {"code"}}.Encode())
	if err != nil {
		return t, err
	}
	back, err := submit(n.base + strings.TrimPrefix(page, n.base))
	if err != nil {
		return t, err
	}
	return v.redeem(ctx, n.base+"/token", back, "")
}

func startOIDCProvider(string) (*authServer, error) {
	s, n, err := startNodeServer("oidc-provider, memory", "oidc-provider.mjs", "/jwks")
	if err != nil {
		return nil, err
	}
	s.client = func(worker int) (authClient, error) {
		v := newNodeVisitor()
		c, err := v.client(func(ctx context.Context) (tokens, error) { return v.oidcProvider(ctx, n, loadAddress(worker)) }, n.base+"/me", n.base+"/token")
		c.password = nil // its pages take any password
		return c, err
	}
	return s, nil
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// oidcProvider signs in by the pages for development, and gives consent.
func (v *nodeVisitor) oidcProvider(ctx context.Context, n *nodeLoad, login string) (t tokens, err error) {
	v.cookies = map[string]string{}
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	next := n.base + "/auth?" + url.Values{
		"client_id": {loadClient}, "redirect_uri": {loadCallback}, "response_type": {"code"}, "scope": {"openid offline_access"}, "prompt": {"consent"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	for range 12 {
		if strings.HasPrefix(next, loadCallback) {
			return v.redeem(ctx, n.base+"/token", next, verifier)
		}
		to, page, err := v.do(ctx, http.MethodGet, next, nil)
		if err != nil {
			return t, err
		}
		if to == "" { // a page: that of the sign-in, or that of the consent
			form := formAction.FindStringSubmatch(page)
			if form == nil {
				return t, fmt.Errorf("%s has no form: %.300s", next, page)
			}
			prompt := "consent"
			if strings.Contains(page, `name="password"`) {
				prompt = "login"
			}
			if to, err = v.post(ctx, n.base+strings.TrimPrefix(form[1], n.base), url.Values{"prompt": {prompt}, "login": {login}, "password": {"any"}}); err != nil {
				return t, err
			}
		}
		next = n.base + strings.TrimPrefix(to, n.base)
		if strings.HasPrefix(to, loadCallback) {
			next = to
		}
	}
	return t, errors.New("the sign-in has more steps than expected")
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// nodeVisitor has cookies, and follows no redirect by itself.
type nodeVisitor struct {
	http    *http.Client
	cookies map[string]string
}

func newNodeVisitor() *nodeVisitor {
	return &nodeVisitor{http: &http.Client{Transport: &lean{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// client signs in once, and makes the functions that every server has.
func (v *nodeVisitor) client(signIn func(context.Context) (tokens, error), verify, token string) (authClient, error) {
	t, err := signIn(context.Background())
	if err != nil {
		return authClient{}, err
	}
	rotate := func(ctx context.Context) error {
		var next tokens
		err := postForm(ctx, v.http, token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}, "client_id": {loadClient}}.Encode(), &next)
		if err == nil && next.Refresh == "" {
			err = errors.New("no refresh token in the answer")
		}
		t = tokens{cmp.Or(next.Access, t.Access), cmp.Or(next.Refresh, t.Refresh)}
		return err
	}
	return authClient{
		verify: func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, verify, nil)
			if err != nil {
				return err
			}
			r.Header.Set("Authorization", "Bearer "+t.Access)
			return answered(v.http.Do(r))
		},
		refresh: rotate, // they rotate each time
		rotate:  rotate,
		password: func(ctx context.Context) error {
			_, err := signIn(ctx)
			return err
		},
	}, nil
}

// redeem exchanges the code of a redirect.
func (v *nodeVisitor) redeem(ctx context.Context, endpoint, back, verifier string) (t tokens, err error) {
	u, err := url.Parse(back)
	if err != nil {
		return t, err
	}
	code := u.Query().Get("code")
	if code == "" {
		return t, fmt.Errorf("there is no code in %q", back)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {loadCallback}, "client_id": {loadClient}}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	if err = postForm(ctx, v.http, endpoint, form.Encode(), &t); err == nil && t.Access == "" {
		err = errors.New("no access token in the answer")
	}
	return t, err
}

// get and post return where the answer leads.
func (v *nodeVisitor) get(ctx context.Context, url string) (string, error) {
	to, _, err := v.do(ctx, http.MethodGet, url, nil)
	return to, err
}

func (v *nodeVisitor) post(ctx context.Context, url string, form url.Values) (string, error) {
	to, _, err := v.do(ctx, http.MethodPost, url, form)
	return to, err
}

func (v *nodeVisitor) do(ctx context.Context, method, url string, form url.Values) (to, page string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.http.Do(r)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return "", "", err
	}
	if res.StatusCode >= 400 {
		return "", "", fmt.Errorf("%s %s answers %s: %.300s", method, url, res.Status, data)
	}
	return res.Header.Get("Location"), string(data), nil
}
