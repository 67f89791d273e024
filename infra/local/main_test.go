package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/internal/test/testneed"
)

// printed is what the parts print, at the same time.
type printed struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// TestRun: somebody signs up at the auth function, reads the code in the inbox, and the API lets the token in, and
// nothing else. At the end no part is left.
func TestRun(t *testing.T) {
	testneed.Binary(t, "moto_server", "pip3 install 'moto[server]==5.2.1'")
	t.Chdir("../..")
	p := ports{freePort(t), freePort(t), freePort(t), freePort(t)}
	ctx, stop := context.WithCancel(t.Context())
	var out printed
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, &out, p) }()
	defer func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		case <-time.After(time.Minute):
			t.Error("it does not end")
		}
		for _, port := range []int{p.issuer, p.api, p.inbox, p.aws} {
			if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				conn.Close()
				t.Errorf("port %d is served still", port)
			}
		}
	}()
	api := fmt.Sprintf("http://localhost:%d", p.api)
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		if status, _ := get(t, api+"/health", ""); status == http.StatusOK {
			break
		}
		if len(ended) > 0 || time.Now().After(end) {
			t.Fatalf("the API does not answer:\n%s", out.String())
		}
	}
	if status, body := get(t, api+"/me", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", status, body)
	}
	token := signUp(t, p)
	if status, body := get(t, api+"/me", token); status != http.StatusOK || len(body) < 8 {
		t.Errorf("with a token: %d %s\n%s", status, body, out.String())
	}
	if status, body := get(t, api+"/me", token[:len(token)-4]+"AAAA"); status == http.StatusOK {
		t.Errorf("with a forged token: %s", body)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// get returns 0 while nothing listens.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// signUp walks through the forms of a sign-up and returns the access token.
func signUp(t *testing.T, p ports) string {
	t.Helper()
	const address = "ada@example.com"
	cookies := map[string]string{}
	at, fill := fmt.Sprintf("http://localhost:%d/auth/sign-up", p.issuer), map[string]string{"email": address, "client_id": "cli"}
	for range 6 {
		answer := post(t, at, fill, cookies)
		if answer.AccessToken != "" {
			return answer.AccessToken
		}
		if len(answer.Forms) == 0 {
			t.Fatalf("%s leads nowhere: %+v", at, answer)
		}
		form := answer.Forms[0]
		at, fill = form.URL, form.Hidden
		for _, f := range form.Fields {
			switch f.Name {
			case "email":
				fill[f.Name] = address
			case "password":
				fill[f.Name] = "violet kettle under the seventh bridge"
			case "code":
				_, body := get(t, fmt.Sprintf("http://localhost:%d/inbox.json?to=%s", p.inbox, address), "")
				var mails []inbox.Message
				if err := json.Unmarshal([]byte(body), &mails); err != nil || len(mails) == 0 {
					t.Fatalf("the inbox has %s: %v", body, err)
				}
				fill[f.Name] = mails[0].Code
			}
		}
	}
	t.Fatal("there are more steps than expected")
	return ""
}

type answer struct {
	AccessToken string `json:"access_token"`
	Error       string `json:"error_description"`
	Forms       []struct {
		URL    string            `json:"url"`
		Hidden map[string]string `json:"hidden"`
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	} `json:"forms"`
}

func post(t *testing.T, url string, values, cookies map[string]string) (a answer) {
	t.Helper()
	body, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		cookies[c.Name] = c.Value
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &a); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", url, res.Status, text)
	}
	return a
}

// TestConfiguration: the file is that of the templates, with another sender and for this machine.
func TestConfiguration(t *testing.T) {
	config, err := configuration("../postern.toml", "127.0.0.1:25")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"smtp://127.0.0.1:25": true, "ses:": false, "require_pkce": false, "\nsite ": false, "${POSTERN_VAULT}": true, "totp = true": true} {
		if strings.Contains(config, text) != want {
			t.Errorf("%q in it is %v:\n%s", text, !want, config)
		}
	}
	if _, err := configuration("postern.toml", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
