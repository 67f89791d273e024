package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/test/inbox"
)

const loadPassword = "violet kettle under the seventh bridge"

func loadAddress(n int) string { return fmt.Sprintf("person%d@example.com", n) }

// loadConfig is what `postern serve` runs with. Tokens are signed as OpenAuth signs them, and the limits of mails are
// out of the way. The second listener serves profiles, which nobody asks for while it is measured. Everything else is
// as by default.
const loadConfig = `
issuer        = "http://%[1]s/auth"
audience      = "api"
redirects     = ["http://127.0.0.1:9/callback"]
token_clients = ["bench"]

[server]
listen           = "%[1]s"
local_listen     = "%[2]s"
trusted_proxies  = ["127.0.0.1"]
client_ip_header = "X-Forwarded-For"
pprof            = true

[store]
url = %[3]q

[keys]
algorithm = "ES256"
vault     = %[4]q
%[5]s

[users]
admit = "open"

[providers.password]
type = "password"

[providers.code]
type        = "magic"
mode        = "code"
per_address = 1000000
per_client  = 1000000
total       = 1000000

[forward_auth]
enabled     = true

[mail]
url             = "smtp://%[6]s"
from            = "no-reply@example.com"
allow_plaintext = true

[audit]
log = false

[log]
level = "warn"
`

// startPostern builds and starts `postern serve`, and signs people up.
func startPostern(folder, store string) (*authServer, error) {
	p, err := newPosternLoad(folder, store)
	if err != nil {
		return nil, err
	}
	cmd := p.command()
	end, err := startProcess(cmd, p.ready())
	if err != nil {
		p.close()
		return nil, err
	}
	s := &authServer{name: "postern serve, " + strings.SplitN(store, ":", 2)[0], pid: cmd.Process.Pid, stop: func() { end(); p.close() }, client: p.client}
	err = p.signUpAll()
	if file, ok := strings.CutPrefix(store, "sqlite:"); ok && err == nil {
		p.aged = &tokenQueue{}
		err = p.aged.fill(context.Background(), rotations, file, p.base, p.seal)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// newPosternLoad builds `postern serve`, writes its configuration, makes its tables and starts a mail server.
func newPosternLoad(folder, store string) (*posternLoad, error) {
	binary := folder + "/postern"
	if out, err := exec.Command("go", "build", "-C", "..", "-o", binary, "./cmd/postern").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	public, err := freeAddress()
	if err != nil {
		return nil, err
	}
	local, err := freeAddress()
	if err != nil {
		return nil, err
	}
	mail, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	vault, seal := "store", `seal = "secret:VAULT_KEY"`
	if store == "memory" {
		vault, seal = "memory", ""
	}
	key := make([]byte, 32)
	rand.Read(key)
	environment := append(os.Environ(), "VAULT_KEY="+base64.StdEncoding.EncodeToString(key))
	ctx, cancel := context.WithCancel(context.Background())
	p := &posternLoad{base: "http://" + public + "/auth", mails: inbox.New(), close: cancel, seal: key}
	p.command = func() *exec.Cmd {
		cmd := exec.Command(binary, "serve", "--config", folder+"/postern.toml")
		cmd.Env, cmd.Stderr = environment, os.Stderr
		return cmd
	}
	go func() { _ = (&inbox.SMTP{Inbox: p.mails}).Serve(ctx, mail) }()

	config := fmt.Sprintf(loadConfig, public, local, store, vault, seal, mail.Addr())
	if err := os.WriteFile(folder+"/postern.toml", []byte(config), 0o600); err != nil {
		p.close()
		return nil, err
	}
	if store != "memory" {
		migrate := exec.Command(binary, "migrate", "--store", store)
		migrate.Env = environment
		if out, err := migrate.CombinedOutput(); err != nil {
			p.close()
			return nil, fmt.Errorf("postern migrate: %w\n%s", err, out)
		}
	}
	return p, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

type posternLoad struct {
	base    string
	mails   *inbox.Inbox
	command func() *exec.Cmd // the server, not started
	close   func()           // ends the mail server
	seal    []byte           // the key of the vault
	aged    *tokenQueue      // nil: in memory, where no other process can make sessions

	mu       sync.Mutex
	visitors int
}

// ready is the address that answers once the server is there.
func (p *posternLoad) ready() string { return p.base + "/.well-known/jwks.json" }

// visitor is somebody without cookies, with another address in another network than the visitors before.
func (p *posternLoad) visitor(client *http.Client) *posternVisitor {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.visitors++
	n := uint32(p.visitors) * 2654435761 // odd, so no two are equal
	return &posternVisitor{client: client, from: fmt.Sprintf("%d.%d.%d.%d", 11+n>>24%200, n>>16&0xff, n>>8&0xff, n&0xff), cookies: map[string]string{}}
}

type posternVisitor struct {
	client  *http.Client
	from    string
	cookies map[string]string
}

// posternAnswer is what any step answers, in JSON.
type posternAnswer struct {
	Step         string `json:"step"`
	RedirectURI  string `json:"redirect_uri"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Forms        []struct {
		URL    string            `json:"url"`
		Hidden map[string]string `json:"hidden"`
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	} `json:"forms"`
}

// call sends JSON, or asks for a page with none.
func (v *posternVisitor) call(ctx context.Context, url string, body map[string]string) (a posternAnswer, err error) {
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return a, err
		}
		method, reader = http.MethodPost, bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return a, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Forwarded-For", v.from)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.client.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(data, &a); err != nil || res.StatusCode != http.StatusOK {
		return a, &badAnswer{url, res.StatusCode, data}
	}
	return a, nil
}

// walk follows the steps until there are tokens. fill fills in the fields of a form by their names.
func (v *posternVisitor) walk(ctx context.Context, a posternAnswer, fill map[string]func() string) (posternAnswer, error) {
	for range 8 {
		var err error
		switch {
		case a.AccessToken != "":
			return a, nil
		case a.RedirectURI != "":
			a, err = v.call(ctx, a.RedirectURI, nil)
		case len(a.Forms) > 0:
			f := a.Forms[0]
			body := map[string]string{}
			for name, value := range f.Hidden {
				body[name] = value
			}
			for _, field := range f.Fields {
				if value := fill[field.Name]; value != nil {
					body[field.Name] = value()
				}
			}
			a, err = v.call(ctx, f.URL, body)
		default:
			return a, fmt.Errorf("the step %q leads nowhere", a.Step)
		}
		if err != nil {
			return a, err
		}
	}
	return a, errors.New("there are more steps than expected")
}

// code returns the code of the newest mail to a person.
func (p *posternLoad) code(n int) func() string {
	return func() string {
		mails := p.mails.Messages(loadAddress(n))
		if len(mails) == 0 {
			return ""
		}
		return mails[0].Code
	}
}

func (p *posternLoad) signUp(n int) error {
	ctx, v := context.Background(), p.visitor(http.DefaultClient)
	a, err := v.call(ctx, p.base+"/sign-up", map[string]string{"email": loadAddress(n), "client_id": "bench"})
	if err != nil {
		return err
	}
	_, err = v.walk(ctx, a, map[string]func() string{
		"email": func() string { return loadAddress(n) }, "code": p.code(n), "password": func() string { return loadPassword },
	})
	return err
}

func (p *posternLoad) signUpAll() error {
	for n := range authAccounts {
		if err := p.signUp(n); err != nil {
			return fmt.Errorf("sign-up of %s: %w", loadAddress(n), err)
		}
	}
	return nil
}

func (p *posternLoad) client(worker int) (authClient, error) {
	client := &http.Client{Transport: &lean{}}
	next := worker
	person := func() int {
		next = (next + 8) % authAccounts
		return next
	}
	password := func(ctx context.Context) (posternAnswer, error) {
		v := p.visitor(client)
		a, err := v.call(ctx, p.base+"/password/authorize", map[string]string{"client_id": "bench"})
		if err != nil {
			return a, err
		}
		return v.walk(ctx, a, map[string]func() string{
			"identifier": func() string { return loadAddress(person()) }, "password": func() string { return loadPassword },
		})
	}
	first, err := password(context.Background())
	if err != nil {
		return authClient{}, err
	}
	access, refresh := first.AccessToken, first.RefreshToken
	trade := func(ctx context.Context, token string) (a posternAnswer, err error) {
		err = postForm(ctx, client, p.base+"/token", "grant_type=refresh_token&refresh_token="+token, &a)
		if err == nil && a.RefreshToken == "" {
			err = errors.New("no refresh token in the answer")
		}
		return a, err
	}
	c := authClient{
		verify: func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/verify", nil)
			if err != nil {
				return err
			}
			r.Header.Set("Authorization", "Bearer "+access)
			r.Header.Set("X-Forwarded-Method", "GET")
			r.Header.Set("X-Forwarded-Uri", "/orders")
			return answered(client.Do(r))
		},
		refresh: func(ctx context.Context) error {
			a, err := trade(ctx, refresh)
			access, refresh = cmp.Or(a.AccessToken, access), cmp.Or(a.RefreshToken, refresh)
			return err
		},
		password: func(ctx context.Context) error {
			_, err := password(ctx)
			return err
		},
		mailed: func(ctx context.Context) error {
			n, v := person(), p.visitor(client)
			a, err := v.call(ctx, p.base+"/code/authorize", map[string]string{"email": loadAddress(n), "client_id": "bench"})
			if err != nil {
				return err
			}
			_, err = v.walk(ctx, a, map[string]func() string{"code": p.code(n)})
			return err
		},
	}
	if p.aged != nil {
		c.rotate = func(ctx context.Context) error {
			old, err := p.aged.take()
			if err != nil {
				return err
			}
			a, err := trade(ctx, old)
			if err == nil && a.RefreshToken == old {
				err = errors.New("the refresh token was not rotated")
			}
			p.aged.put(a.RefreshToken, time.Now())
			return err
		}
	}
	return c, nil
}

// badAnswer is the error of an answer that was not expected.
type badAnswer struct {
	url    string
	status int
	body   []byte
}

func (e *badAnswer) Error() string {
	return fmt.Sprintf("%s answers %d: %.300s", e.url, e.status, e.body)
}

// answered returns an error for any status but 200, and reads the body.
func answered(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = &badAnswer{res.Request.URL.String(), res.StatusCode, data}
	}
	return err
}

// postForm posts a form, and decodes the JSON of the answer.
func postForm(ctx context.Context, client *http.Client, url, form string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return &badAnswer{url, res.StatusCode, data}
	}
	return json.Unmarshal(data, into)
}
