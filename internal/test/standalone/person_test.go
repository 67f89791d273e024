package standalone

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"
)

const secret = "a lamp and two chairs"

// person is a browser.
type person struct {
	s      *site
	name   string
	client *http.Client
}

func (s *site) person(name string) *person {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &person{s: s, name: name, client: &http.Client{Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is an answer in JSON.
type answer struct {
	status int
	text   string
	Forms  []struct{ Hidden map[string]string }
}

func (a answer) state() string {
	if len(a.Forms) == 0 {
		return ""
	}
	return a.Forms[0].Hidden["state"]
}

// send asks {base} and a path. The status is 0 if nobody answered.
func (p *person) send(method, path string, body map[string]string) answer {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // of texts
	}
	r, err := http.NewRequest(method, p.s.url+"/auth"+path, strings.NewReader(string(text)))
	if err != nil {
		return answer{text: err.Error()}
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	switch {
	case method == http.MethodGet:
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	case body != nil:
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := p.client.Do(r)
	if err != nil {
		return answer{text: err.Error()}
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{text: err.Error()}
	}
	a := answer{status: res.StatusCode, text: string(got)}
	_ = json.Unmarshal(got, &a) // an answer that is not JSON has no forms
	return a
}

// must is send for a status that is known.
func (p *person) must(status int, method, path string, body map[string]string) answer {
	p.s.Helper()
	a := p.send(method, path, body)
	if a.status != status {
		p.s.Fatalf("%s: %s %s: %d, want %d: %s", p.name, method, path, a.status, status, a.text)
	}
	return a
}

// signUp makes an account with a username and a password, and a session.
func (p *person) signUp() {
	p.s.Helper()
	state := p.must(200, "POST", "/sign-up", map[string]string{"username": p.name}).state()
	p.must(200, "POST", "/password/sign-up", map[string]string{"state": state, "password": secret})
}

// signIn begins a session by password.
func (p *person) signIn() {
	p.s.Helper()
	state := p.must(200, "GET", "/password/authorize", nil).state()
	p.must(200, "POST", "/password/callback", map[string]string{"state": state, "identifier": p.name, "password": secret})
}

// refreshes reports whether the session lives, by a new access token.
func (p *person) refreshes() answer { return p.send("POST", "/refresh", nil) }

// keepOn refreshes until done is closed. It returns the answers that a living session does not get.
func (p *person) keepOn(done <-chan struct{}, each time.Duration) (strange []answer) {
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return strange
		case <-tick.C:
			switch a := p.refreshes(); a.status {
			case 200, 502, 503, 0: // 502 and 0: nobody is there
			default:
				strange = append(strange, a)
			}
		}
	}
}
