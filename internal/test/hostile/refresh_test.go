package hostile

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/posternauth/postern/session"
)

// mutants are what becomes of a good value by one mistake, and values that were never any good. None of them is good.
func mutants(good string) (list []string) {
	for i := range len(good) {
		for _, put := range []string{"", " ", ".", "=", "%2e", "\x00", "\x7f", "é", "\xff", good[i:i+1] + good[i:i+1]} {
			list = append(list, good[:i]+put+good[i+1:])
		}
		list = append(list, good[:i], good[i:][1:])
	}
	for _, frame := range []string{" %s", "%s ", "\t%s", "%s.", ".%s", "%s=", "%s==", `"%s"`, "Bearer %s", "%s\n", "%s\r\nX-Injected: 1", "%s;", "%s,", "%[1]s.%[1]s", "%[1]s %[1]s", "%s\x00", "\ufeff%s", "%s#", "../%s", "%s/..", "%s?x=1"} {
		list = append(list, fmt.Sprintf(frame, good))
	}
	list = append(list, strings.ToUpper(good), strings.ToLower(good), url.QueryEscape(" "+good), strings.ReplaceAll(good, ".", "..."), strings.ReplaceAll(good, ".", "\u2024"),
		".", "..", "...", ".....", "null", "undefined", "true", "0", "-1", "{}", "[]", `{"$ne":null}`, "' OR 1=1 --", "*", "!", "#", "$", "%00", "%", "%zz",
		"\u202e", "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", strings.Repeat("A", 1<<10), strings.Repeat("A.", 8<<10), strings.Repeat("é", 8<<10))
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == good || s == "" })
}

// hostileTickets are refresh tokens that must not be taken.
func hostileTickets(good string, more ...string) []string {
	part := strings.Split(good, ".") // v1, kid, two halves of an id, number, tag
	list := mutants(good)
	with := func(i int, value string) string {
		p := slices.Clone(part)
		p[i] = value
		return strings.Join(p, ".")
	}
	for _, n := range []string{"1", "2", "00", "01", "-0", "+0", "-1", "0x0", "0e0", "0.0", "1_0", "٠", "０", "NaN", "2147483648", "4294967296", "4611686018427387903", "4611686018427387904",
		"9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 100), strings.Repeat("0", 100)} {
		list = append(list, with(4, n))
	}
	for _, v := range []string{"v0", "v2", "V1", "v01", "1", "", "v1v1"} {
		list = append(list, with(0, v))
	}
	for _, kid := range []string{"", "s2", "S1", "es256", "s1 ", "../s1", "*", "\x00", strings.Repeat("s", 200)} {
		list = append(list, with(1, kid))
	}
	for _, half := range []string{"", strings.Repeat("A", 15), strings.Repeat("A", 16), strings.Repeat("A", 17), "!", "#", strings.Repeat("/", 16), strings.Repeat("+", 16)} {
		list = append(list, with(2, half))
	}
	for _, tail := range []string{"", "!", "#" + strings.Repeat("A", 43), strings.Repeat("A", 21), strings.Repeat("A", 22), strings.Repeat("A", 23), strings.Repeat("!", 22)} {
		list = append(list, with(3, tail))
	}
	for _, tag := range []string{"", "AA", strings.Repeat("A", 42), strings.Repeat("A", 43), strings.Repeat("A", 44), strings.Repeat("_", 43), part[5] + "A", strings.ToUpper(part[5])} {
		list = append(list, with(5, tag))
	}
	for i, c := range part[5] { // each character of the tag is another one
		other := "A"
		if c == 'A' {
			other = "B"
		}
		list = append(list, with(5, part[5][:i]+other+part[5][i+1:]))
	}
	list = append(list, more...)
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == good || s == "" })
}

var (
	ticketForm = regexp.MustCompile(`^v1\.s1\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22}\.(0|[1-9][0-9]{0,18})\.[A-Za-z0-9_-]{43}$`)
	idForm     = regexp.MustCompile(`^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22}$`)
)

// wellFormed reports whether a value could be a refresh token, so that the store must be asked.
func wellFormed(ticket string) bool {
	m := ticketForm.FindStringSubmatch(ticket)
	if m == nil {
		return false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return err == nil && n < 1<<62
}

// otherSecret reports whether a value could be a refresh token of a process that has other secrets. Its session may
// live, so nothing of it is taken away while the store has it.
func otherSecret(ticket string) bool {
	parts := strings.SplitN(ticket, ".", 3)
	return len(parts) == 3 && parts[1] != "s1" && kidForm.MatchString(parts[1]) && wellFormed(parts[0]+".s1."+parts[2])
}

var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// A resident is a house in which somebody has a session.
type resident struct {
	*house
	tokens session.Tokens
	values []string // that must appear nowhere
}

func newResident(t *testing.T) *resident {
	t.Helper()
	h := newHouse(t, newForge(t))
	tokens := must(h.user.Create(context.Background(), session.Grant[User]{Subject: "u1"}))(t)
	return &resident{h, tokens, []string{tokens.Access, tokens.Refresh, tokens.Refresh[strings.LastIndexByte(tokens.Refresh, '.')+1:]}}
}

// calls sends a request and returns its calls of the store.
func (h *resident) calls(r *http.Request) (w *httptest.ResponseRecorder, reads, writes int) {
	reads, writes = h.store.reads, h.store.writes
	h.log.Reset()
	w = httptest.NewRecorder()
	h.auth.ServeHTTP(w, r)
	return w, h.store.reads - reads, h.store.writes - writes
}

// maxCookies is how many bytes of cookies the handler reads; a request with more is answered 431.
const maxCookies = 64 << 10

// quiet fails if an answer or the log contains the input or a stored value.
func (h *resident) quiet(what string, w *httptest.ResponseRecorder, shown string) {
	h.Helper()
	told := fmt.Sprint(w.Header(), w.Body, h.log.String())
	for _, secret := range append([]string{shown}, h.values...) {
		if len(secret) >= 20 && strings.Contains(told, secret) {
			h.Errorf("%s %.80q: %.300q", what, shown, told)
		}
	}
	if w.Header().Get("X-Injected") != "" || w.Header().Get("Cache-Control") != "no-store" {
		h.Errorf("%s %.80q: headers %v", what, shown, w.Header())
	}
}

// lives fails unless the session goes on as if nothing had happened.
func (h *resident) lives() {
	h.Helper()
	if t, err := h.sessions.Refresh(context.Background(), h.tokens.Refresh); err != nil || t.Refresh != h.tokens.Refresh {
		h.Errorf("the session has changed: %v", err)
	}
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest("POST", issuer+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// TestS2_HostileRefreshTokens shows more than a thousand values to everybody who takes a refresh token. All are refused
// by a plain 4xx, those that cannot be one without a call to the store; nothing is written, nothing leaks, and the
// session that they look like lives on. A value that another process with other secrets may prove gets 503.
func TestS2_HostileRefreshTokens(t *testing.T) {
	h := newResident(t)
	list := hostileTickets(h.tokens.Refresh, h.tokens.Access, h.tokens.SessionID, h.code(), newForge(t).good())
	list = append(list, strings.Repeat("A.", maxCookies/2))
	asked, forgedBefore := 0, false
	for i, s := range list {
		want, count := 0, 0 // reads of the store, and what it takes to count a forged token
		if wellFormed(s) || otherSecret(s) {
			want, count = 1, 1
			asked++
		}
		ofLive := strings.Contains(s, "."+h.tokens.SessionID+".")
		if ofLive && wellFormed(s) && forgedBefore { // the salt of the session is remembered then
			want = 0
		}
		elsewhere := ofLive && otherSecret(s)
		from := fmt.Sprintf("198.51.%d.%d:1", i/250, i%250) // one client is limited sooner
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {audience}, "refresh_token": {s}}
		status, code := http.StatusBadRequest, `"error":"invalid_grant"`
		switch {
		case len(s) >= maxCookies: // larger than a form may be, too
			status, code = http.StatusRequestEntityTooLarge, `"error":"request_too_large"`
		case strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s):
			code = `"error":"invalid_request"` // no parameter of a form may have these
		case elsewhere:
			status, code = http.StatusServiceUnavailable, `"error":"temporarily_unavailable"`
		}
		r := post("/token", form.Encode())
		r.RemoteAddr = from
		w, reads, writes := h.calls(r)
		if w.Code != status || !strings.Contains(w.Body.String(), code) || reads != want+count || writes != count || len(w.Header()["Set-Cookie"]) != 0 {
			t.Errorf("/token %.80q: %d %s, %d reads, %d writes", s, w.Code, w.Body, reads, writes)
		}
		h.quiet("/token", w, s)
		if ofLive && wellFormed(s) {
			want, forgedBefore = 0, true
		}

		if strings.Contains(s, ";") || strings.Trim(s, " \t") != s {
			continue // another cookie, or the good one in a coat
		}
		for _, path := range []string{"/refresh", "/signout", "/signout/everywhere", "/sessions"} {
			r := post(path, "")
			r.RemoteAddr = from
			if path == "/sessions" {
				r.Method = "GET"
			}
			r.Header["Cookie"] = []string{"__Host-user-refresh=" + s}
			w, reads, writes := h.calls(r)
			status, code, want, count := http.StatusUnauthorized, `"error":"session_ended"`, want, count
			switch {
			case len(s) >= maxCookies:
				status, code = http.StatusRequestHeaderFieldsTooLarge, `"error":"request_too_large"`
			case otherSecret(s) && path != "/refresh" && path != "/signout": // guards
				code, want, count = `"error":"try_refresh"`, 0, 0
			case elsewhere:
				status, code = http.StatusServiceUnavailable, `"error":"temporarily_unavailable"`
			case path == "/signout":
				status, code = http.StatusNoContent, "" // who has no session is signed out
			}
			if w.Code != status || !strings.Contains(w.Body.String(), code) || reads != want+count || writes != count {
				t.Errorf("%s %.80q: %d %s, %d reads, %d writes", path, s, w.Code, w.Body, reads, writes)
			}
			if cleared := len(w.Header()["Set-Cookie"]) > 0; cleared != (status < 402 && (path == "/refresh" || path == "/signout")) {
				t.Errorf("%s %.80q: cookies %q", path, s, w.Header()["Set-Cookie"])
			}
			h.quiet(path, w, s)
		}
	}
	h.lives()
	if len(list) < 1000 || asked < 50 || asked > len(list)/2 {
		t.Errorf("%d values, %d of which could be tokens", len(list), asked)
	}
	t.Logf("%d values, %d of which could be tokens", len(list), asked)
}

// TestS2_HostileRefreshRequests: requests that are wrong around a token that is good.
func TestS2_HostileRefreshRequests(t *testing.T) {
	h := newResident(t)
	good := url.QueryEscape(h.tokens.Refresh)
	for body, status := range map[string]int{
		"grant_type=refresh_token&client_id=" + audience:                                                          400,
		"grant_type=refresh_token&client_id=" + audience + "&refresh_token=":                                      400,
		"grant_type=refresh_token&client_id=other&refresh_token=" + good:                                          400,
		"grant_type=refresh_token&client_id=" + audience + "&refresh_token=" + good + "&refresh_token=" + good:    400,
		"grant_type=refresh_token&client_id=" + audience + "&scope=admin&refresh_token=" + good:                   400,
		"grant_type=refresh_token&grant_type=authorization_code&client_id=" + audience + "&refresh_token=" + good: 400,
		"grant_type=Refresh_Token&client_id=" + audience + "&refresh_token=" + good:                               400,
		"grant_type=password&username=ada&password=x":                                                             400,
		"refresh_token=" + good:                400,
		"grant_type=refresh_token&%zz=" + good: 400,
		"grant_type=refresh_token&client_id=" + audience + "&refresh_token=" + good + strings.Repeat("&a=b", 100): 400,
		"grant_type=refresh_token&client_id=" + audience + "&refresh_token=" + strings.Repeat("A", 64<<10):        413,
	} {
		w, _, writes := h.calls(post("/token", body))
		if w.Code != status || writes != 0 || strings.Contains(w.Body.String(), "access_token") {
			t.Errorf("%.120s: %d %s, %d writes", body, w.Code, w.Body, writes)
		}
		h.quiet("/token", w, h.tokens.Refresh)
	}
	for name, change := range map[string]func(*http.Request){
		"a query instead of a body": func(r *http.Request) { r.URL.RawQuery = "grant_type=refresh_token&refresh_token=" + good },
		"two cookies": func(r *http.Request) {
			r.Header["Cookie"] = []string{"__Host-user-refresh=" + h.tokens.Refresh + "; __Host-user-refresh=" + h.tokens.Refresh}
		},
		"two Cookie headers": func(r *http.Request) {
			r.Header["Cookie"] = []string{"__Host-user-refresh=" + h.tokens.Refresh, "__Host-user-refresh=x"}
		},
		"no prefix":        func(r *http.Request) { r.Header.Set("Cookie", "user-refresh="+h.tokens.Refresh) },
		"a Bearer":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+h.tokens.Refresh) },
		"the access token": func(r *http.Request) { r.Header.Set("Cookie", "__Host-user-refresh="+h.tokens.Access) },
		"another site": func(r *http.Request) {
			r.Header.Set("Cookie", "__Host-user-refresh="+h.tokens.Refresh)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		},
		"the origin null": func(r *http.Request) {
			r.Header.Set("Cookie", "__Host-user-refresh="+h.tokens.Refresh)
			r.Header.Set("Origin", "null")
		},
		"text/plain": func(r *http.Request) {
			r.Header.Set("Cookie", "__Host-user-refresh="+h.tokens.Refresh)
			r.Header.Set("Content-Type", "text/plain")
		},
		"64 KiB of cookies": func(r *http.Request) {
			r.Header.Set("Cookie", "a="+strings.Repeat("b", 64<<10)+"; __Host-user-refresh="+h.tokens.Refresh)
		},
		"GET": func(r *http.Request) {
			r.Method = "GET"
			r.Header.Set("Cookie", "__Host-user-refresh="+h.tokens.Refresh)
		},
	} {
		r := post("/refresh", "")
		change(r)
		w, reads, writes := h.calls(r)
		if w.Code < 400 || w.Code > 499 || reads != 0 || writes != 0 {
			t.Errorf("%s: %d %s, %d reads, %d writes", name, w.Code, w.Body, reads, writes)
		}
		h.quiet(name, w, h.tokens.Refresh)
	}
	h.lives()
}

// TestS2_HostileSessionIDs shows a thousand values where a session id belongs. A person who is signed in can end no
// session by them, and learns of none: an id of somebody else is as unknown as one of nobody.
func TestS2_HostileSessionIDs(t *testing.T) {
	h := newResident(t)
	ctx := context.Background()
	other := must(h.user.Create(ctx, session.Grant[User]{Subject: "u2"}))(t)
	key := must(h.apikey.Create(ctx, session.Grant[User]{Subject: "u1"}))(t)
	half, tail, _ := strings.Cut(h.tokens.SessionID, ".")
	list := append(mutants(h.tokens.SessionID), other.SessionID, key.SessionID, other.Refresh, h.tokens.Refresh, h.tokens.Access,
		half+".!", half+".#"+strings.Repeat("A", 43), half+"."+strings.Repeat("A", 22), strings.Repeat("A", 16)+"."+tail, other.SessionID[:16]+"."+tail, half+other.SessionID[16:])
	for i, c := range h.tokens.SessionID {
		if c != '.' {
			other := map[bool]string{true: "B", false: "A"}[c == 'A']
			list = append(list, h.tokens.SessionID[:i]+other+h.tokens.SessionID[i+1:], h.tokens.SessionID[:i]+"_"+h.tokens.SessionID[i+1:])
		}
	}
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == h.tokens.SessionID })
	asked := 0
	var unknown string
	for _, id := range list {
		want := 1 // whether the one who asks is signed in
		if idForm.MatchString(id) {
			want = 2
			asked++
		}
		r := httptest.NewRequest("DELETE", issuer+"/sessions/x", nil)
		r.URL.Path, r.URL.RawPath = r.URL.Path[:len(r.URL.Path)-1]+id, ""
		r.Header.Set("Authorization", "Bearer "+h.tokens.Access)
		w, reads, writes := h.calls(r)
		if unknown == "" {
			unknown = w.Body.String()
		}
		if len(id) >= 1<<10 { // more than the handler lets in
			if w.Code != http.StatusRequestURITooLong || reads != 0 || writes != 0 {
				t.Errorf("%.80q: %d %s, %d reads, %d writes", id, w.Code, w.Body, reads, writes)
			}
			continue
		}
		if w.Code != http.StatusNotFound || w.Body.String() != unknown || writes != 0 {
			t.Errorf("%.80q: %d %s, %d writes", id, w.Code, w.Body, writes)
		}
		if reads != want {
			t.Errorf("%.80q: %d reads, want %d", id, reads, want)
		}
		h.quiet("/sessions/", w, id)

		r.Header.Del("Authorization")
		if w, reads, writes := h.calls(r); w.Code != http.StatusUnauthorized || reads != 0 || writes != 0 {
			t.Errorf("%.80q, for a stranger: %d %s, %d reads, %d writes", id, w.Code, w.Body, reads, writes)
		}
		for name, call := range map[string]func() error{
			"Revoke": func() error { return h.sessions.Revoke(ctx, id) },
			"Find": func() error {
				if _, err := h.sessions.Find(ctx, id); err == nil {
					return fmt.Errorf("there is one")
				}
				return nil
			},
		} {
			if id == other.SessionID || id == key.SessionID {
				continue // the application itself may
			}
			reads, writes := h.store.reads, h.store.writes
			if err := call(); err != nil || h.store.writes != writes || h.store.reads-reads != want-1 {
				t.Errorf("%s of %.80q: %v, %d reads, %d writes", name, id, err, h.store.reads-reads, h.store.writes-writes)
			}
		}
	}
	h.lives()
	for _, alive := range []session.Tokens{other, key} {
		if _, err := h.sessions.Refresh(ctx, alive.Refresh); err != nil {
			t.Errorf("another session has ended: %v", err)
		}
	}
	if len(list) < 500 || asked < 50 || asked > len(list)/2 {
		t.Errorf("%d values, %d of which could be ids", len(list), asked)
	}
	t.Logf("%d values, %d of which could be ids", len(list), asked)
}
