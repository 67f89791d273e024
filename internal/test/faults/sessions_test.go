package faults

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A desk keeps sessions in a store that may have bad luck. Beside it is one with the same keys and the same items whose
// store is well.
type desk struct {
	*testing.T
	memory   *store.Memory
	store    *unlucky
	sessions *session.Sessions
	user     *session.Kind[user]
	steady   *session.Sessions
	known    *session.Kind[user]
	mux      *http.ServeMux
	cookie   string

	tokens []session.Tokens // of the session that everything is about, by generation
	other  session.Tokens   // another of the same person
	jar    map[string]string
	code   string
	made   session.Tokens // by the deed
	list   []session.Info
}

const who = "u1"

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, memory: new(store.Memory), mux: http.NewServeMux(), jar: map[string]string{}}
	d.store = &unlucky{Store: d.memory, leave: func() {}, past: map[store.Key]store.Item{}}
	signing, err := keys.NewSigningKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32)), keys.EdDSA, "k1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.StaticSigner(signing)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret("s1", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	open := func(st store.Store) (*session.Sessions, *session.Kind[user]) {
		s, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: signer, Secrets: secrets, Store: st})
		if err != nil {
			t.Fatal(err)
		}
		return s, session.NewKindConfig(s, session.KindConfig[user]{Name: "user", Access: 2 * time.Hour})
	}
	d.sessions, d.user = open(d.store)
	d.steady, d.known = open(d.memory)
	d.mux.Handle(issuerPath+"/", d.sessions.Handler())
	d.mux.Handle("GET /me", d.user.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), session.CheckStore))
	rec := httptest.NewRecorder()
	d.user.SetCookies(rec, session.Tokens{Access: "x"})
	d.cookie, _, _ = strings.Cut(rec.Header().Get("Set-Cookie"), "=")
	return d
}

const issuerPath = "/auth"

func (d *desk) signIn() session.Tokens {
	d.Helper()
	t, err := d.known.Create(d.Context(), session.Grant[user]{Subject: who, Properties: user{"Ada"}})
	if err != nil {
		d.Fatal(err)
	}
	return t
}

// refreshed goes on to the next generation.
func (d *desk) refreshed() {
	d.Helper()
	pass(40 * time.Second)
	t, err := d.steady.Refresh(d.Context(), d.last().Refresh)
	if err != nil {
		d.Fatal(err)
	}
	d.tokens = append(d.tokens, t)
}

func (d *desk) last() session.Tokens { return d.tokens[len(d.tokens)-1] }

// pass lets time go by, which costs none in a bubble of synctest.
func pass(t time.Duration) { <-time.After(t) }

func (d *desk) end(id string) {
	d.Helper()
	if err := d.steady.Revoke(context.WithoutCancel(d.Context()), id); err != nil {
		d.Fatal(err)
	}
}

// remember keeps all items of the person as they are, for reads that are stale.
func (d *desk) remember() {
	d.Helper()
	half, _, _ := strings.Cut(d.last().SessionID, ".")
	items, _, err := d.memory.List(d.Context(), "session:"+half, "", 100)
	if err != nil {
		d.Fatal(err)
	}
	clear(d.store.past)
	for _, item := range items {
		d.store.past[item.Key] = item
	}
}

// lives reports whether a session does, in truth.
func (d *desk) lives(id string) bool {
	d.Helper()
	in, err := d.steady.Find(d.Context(), id)
	if err != nil && !errors.Is(err, session.ErrEnded) {
		d.Fatal(err)
	}
	return err == nil && in.Ended == ""
}

// verdictOf is the word for how a call of the library ended.
func verdictOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, session.ErrUnavailable):
		return "503"
	case errors.Is(err, session.ErrReuse):
		return "reuse"
	case errors.Is(err, session.ErrEnded):
		return "ended"
	}
	return err.Error()
}

// browse makes a request with the cookies of the jar, and says how it ended. A 503 takes no cookie away.
func (d *desk) browse(ctx context.Context, method, path string, form url.Values) string {
	d.Helper()
	r := httptest.NewRequest(method, "https://app.example"+path, strings.NewReader(form.Encode())).WithContext(ctx)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range d.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	d.mux.ServeHTTP(rec, r)
	cookies := rec.Result().Cookies()
	switch {
	case rec.Code == http.StatusServiceUnavailable && slices.ContainsFunc(cookies, func(k *http.Cookie) bool { return k.MaxAge < 0 }):
		d.Error("a 503 takes cookies away")
	case rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "":
		d.Error("a 503 without Retry-After")
	case strings.Contains(rec.Body.String(), errDisk.Error()):
		d.Errorf("an answer shows the cause: %s", rec.Body)
	}
	for _, k := range cookies {
		if delete(d.jar, k.Name); k.MaxAge >= 0 {
			d.jar[k.Name] = k.Value
		}
	}
	switch a := (&answer{body: rec.Body.String()}); {
	case rec.Code < 300:
		return "ok"
	case rec.Code == http.StatusServiceUnavailable:
		return "503"
	default:
		return a.code()
	}
}

// carry puts tokens into the jar; without an access token, that has expired.
func (d *desk) carry(t session.Tokens) {
	d.jar = map[string]string{d.cookie: t.Access, d.cookie + "-refresh": t.Refresh}
	maps.DeleteFunc(d.jar, func(_, v string) bool { return v == "" })
}

// askCode has an authorization code made.
func (d *desk) askCode() {
	d.Helper()
	rec := httptest.NewRecorder()
	err := d.known.Code(rec, httptest.NewRequest(http.MethodGet, issuer, nil), session.Grant[user]{Subject: who}, returnto.New(app, "", challenge, "api"))
	if err != nil {
		d.Fatal(err)
	}
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil {
		d.Fatal(err)
	}
	d.code = u.Query().Get("code")
}

// moreMisfortunes are those in which somebody else is involved.
var moreMisfortunes = []luck{
	{name: "is used by a rival just before", beaten: true},
	{name: "is used by a rival just after", chased: true},
	{name: "reads what was", stale: true},
}

// TestT3_EveryStoreCallOfASession: whatever becomes of any one call of the store, or of all from one on, whatever is
// done with sessions is done rightly, or not and answered by 503: nobody gets in by a session that is over, nobody is
// told that a session was ended that lives, and no good session is lost.
func TestT3_EveryStoreCallOfASession(t *testing.T) {
	for _, deed := range deeds() {
		t.Run(deed.name, func(t *testing.T) {
			tried := 0
			for _, l := range append(misfortunes, moreMisfortunes...) {
				if l.stale && !deed.writes { // a reader of a stale item is misled; stores must not do that
					continue
				}
				for n := 1; n < 100; n++ {
					struck := false
					synctest.Test(t, func(t *testing.T) { struck = deed.try(newDesk(t), l, n) })
					if !struck {
						break
					}
					tried++
				}
			}
			if tried < len(misfortunes) || tried > 600 {
				t.Errorf("%d accidents were tried", tried)
			}
			t.Logf("%d accidents", tried)
		})
	}
}

// try does a deed with bad luck at call n, and reports whether there was such a call.
func (x deed) try(d *desk, l luck, n int) (struck bool) {
	wrong := func(format string, args ...any) {
		d.Helper()
		d.Errorf("a store that %s at call %d: "+format, append([]any{l.name, n}, args...)...)
	}
	x.before(d)
	rivals := x.rival != nil && (l.beaten || l.chased)
	d.store.rival = func() {
		if rivals {
			x.rival(d)
		}
	}
	jar := maps.Clone(d.jar)
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	d.store.request(cancel)
	d.store.plan(n, l)
	start := time.Now()
	got := x.do(ctx, d)
	if took := time.Since(start); took > patience+6*time.Second {
		wrong("it took %v", took)
	}
	struck = d.store.hasStruck()
	d.store.plan(0, luck{})
	rivals = rivals && struck
	switch {
	case got == x.want:
	case !struck:
		wrong("%q without bad luck, want %q", got, x.want)
	case got == "503" && !maps.Equal(jar, d.jar): // renewed, and then something failed
		renewed(d, "ok", rivals, wrong)
	case got == "503":
	case rivals && (got == "ended" || got == "session_ended" || got == x.beaten):
	default:
		wrong("%q, want %q or 503", got, x.want)
	}
	x.after(d, got, rivals, wrong)
	if x.good && !rivals { // the session that everything is about has come to no harm
		if _, err := d.steady.Refresh(d.Context(), d.last().Refresh); err != nil {
			wrong("%q, and then the session is lost: %v", got, err)
		}
	}
	return struck
}
