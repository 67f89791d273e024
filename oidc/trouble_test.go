package oidc_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

// TestC7_TroubleAtTheProvider: whatever an endpoint does, the person gets a clear page within six seconds, and the
// other provider works on. The provider is on a real network connection.
func TestC7_TroubleAtTheProvider(t *testing.T) {
	for _, endpoint := range []fakeidp.Endpoint{fakeidp.Discovery, fakeidp.Token, fakeidp.JWKS, fakeidp.UserInfo} {
		for _, trouble := range []fakeidp.Trouble{
			fakeidp.Slow, fakeidp.Drip, fakeidp.Huge, fakeidp.GzipBomb, fakeidp.RedirectLoop, fakeidp.ServerError, fakeidp.NotJSON, fakeidp.Down,
		} {
			t.Run(string(endpoint)+"/"+string(trouble), func(t *testing.T) {
				// Only what must run into the timeout has a short one: a busy machine is no trouble of the provider's.
				timeout := 20 * time.Second
				if trouble == fakeidp.Slow || trouble == fakeidp.Drip {
					t.Parallel()
					timeout = 2 * time.Second
				}
				server := httptest.NewUnstartedServer(nil)
				issuer := "https://" + server.Listener.Addr().String()
				w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
					server.Config.Handler = w.NewIdP(issuer, "ES256")
					server.StartTLS()
					t.Cleanup(server.Close)
					c := config(w)
					c.Issuer, c.HTTPClient, c.Timeout, c.UserInfo = issuer, server.Client(), timeout, true
					c.Algorithms = append(c.Algorithms, "ES256")
					return map[string]postern.Provider{"one": oidc.New(c), "two": oidc.New(config(w))}
				})
				idp := server.Config.Handler.(*fakeidp.IdP)
				idp.SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{endpoint: trouble}, Delay: 20 * time.Second})
				b := w.Browser()
				start := time.Now()
				var a *flowtest.Answer
				if endpoint == fakeidp.Discovery {
					a = b.Get(flowtest.Issuer + "/one/authorize")
				} else {
					a = b.SignIn("one")
				}
				if took := time.Since(start); took > 6*time.Second {
					t.Errorf("took %v", took)
				}
				switch {
				case a.Status == 503 && a.Code() == "provider_unavailable" && a.Header.Get("Retry-After") != "":
				case a.Status == 502 && a.Code() == "provider_error" && (trouble == fakeidp.NotJSON || trouble == fakeidp.RedirectLoop):
				default:
					t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
				}
				if strings.Contains(a.Body, issuer) || strings.Contains(w.Log(), flowtest.Secret) {
					t.Errorf("too much is shown:\n%s\n%s", a.Body, w.Log())
				}
				accepted(t, w, "two")
				if len(w.SignIns()) != 1 {
					t.Errorf("%d sign-ins", len(w.SignIns()))
				}
			})
		}
	}
}

// TestC7_AllCallsTogether: the bound is for all calls of one request, not for each.
func TestC7_AllCallsTogether(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		server.Config.Handler = w.NewIdP(issuer, "RS256")
		server.StartTLS()
		t.Cleanup(server.Close)
		c := config(w)
		c.Issuer, c.HTTPClient, c.Timeout = issuer, server.Client(), 2*time.Second
		return map[string]postern.Provider{"one": oidc.New(c)}
	})
	b := w.Browser()
	to := b.Begin("one")
	server.Config.Handler.(*fakeidp.IdP).SetFaults(fakeidp.Faults{
		Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.Token: fakeidp.Slow, fakeidp.JWKS: fakeidp.Slow}, Delay: 1500 * time.Millisecond,
	})
	if a := b.Get(b.Agree(to)); a.Status != 503 || a.Code() != "provider_unavailable" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestC7_OutageLeavesTheOthersAlone: while one provider stalls, a hundred sign-ins at another do not wait for it.
func TestC7_OutageLeavesTheOthersAlone(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		server.Config.Handler = w.NewIdP(issuer, "ES256")
		server.StartTLS()
		t.Cleanup(server.Close)
		stalled := config(w)
		stalled.Issuer, stalled.HTTPClient, stalled.Timeout = issuer, server.Client(), 2*time.Second
		return map[string]postern.Provider{"one": oidc.New(stalled), "two": oidc.New(config(w))}
	})
	server.Config.Handler.(*fakeidp.IdP).SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{"": fakeidp.Slow}})
	var stalled sync.WaitGroup
	for range 50 {
		stalled.Go(func() {
			if a := w.Browser().Get(flowtest.Issuer + "/one/authorize"); a.Status != 503 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	done := make(chan struct{})
	go func() { stalled.Wait(); close(done) }()
	for range 100 {
		accepted(t, w, "two")
	}
	<-done
	if n := server.Config.Handler.(*fakeidp.IdP).Calls(fakeidp.Discovery); n != 1 {
		t.Errorf("%d discovery calls for 50 people: want one", n)
	}
}

// TestC7_OldMetadataAndKeysServe: once known, a provider whose discovery and keys are down still signs people in.
func TestC7_OldMetadataAndKeysServe(t *testing.T) {
	w := one(t)
	accepted(t, w, "one")
	w.IdP.SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.Discovery: fakeidp.ServerError, fakeidp.JWKS: fakeidp.Down}})
	for range 3 {
		w.Advance(2 * time.Hour)
		accepted(t, w, "one")
	}
	w.IdP.SetFaults(fakeidp.Faults{})
	w.Advance(10 * time.Second)
	before := w.IdP.Calls(fakeidp.Discovery)
	accepted(t, w, "one")
	if w.IdP.Calls(fakeidp.Discovery) != before+1 {
		t.Error("the metadata were not read again")
	}
}

// TestC7_StartsWhileTheProviderIsDown: and signs in once it is up, without a restart.
func TestC7_StartsWhileTheProviderIsDown(t *testing.T) {
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{"": fakeidp.Down}})
	for range 3 {
		if a := w.Browser().Get(flowtest.Issuer + "/one/authorize"); a.Status != 503 || a.Code() != "provider_unavailable" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	w.IdP.SetFaults(fakeidp.Faults{})
	w.Advance(6 * time.Second)
	accepted(t, w, "one")
}

// TestC6_ProviderOnThisMachine: only with AllowInsecure, and then by the client's own transport and plain http.
func TestC6_ProviderOnThisMachine(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		server.Config.Handler = w.NewIdP(issuer, "ES256")
		server.Start()
		t.Cleanup(server.Close)
		c := config(w)
		c.Issuer, c.HTTPClient, c.AllowInsecure, c.UserInfo = issuer, nil, true, true
		c.Algorithms = append(c.Algorithms, "ES256")
		strict := c
		strict.Issuer, strict.AllowInsecure, strict.AllowPrivate = strings.Replace(issuer, "http:", "https:", 1), false, true
		return map[string]postern.Provider{"one": oidc.New(c), "two": oidc.New(strict)}
	})
	idp := server.Config.Handler.(*fakeidp.IdP)
	if a := w.Browser().Get(flowtest.Issuer + "/two/authorize"); a.Status != 502 || !strings.Contains(w.Log(), "not a public address") {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
	if n := idp.Calls(fakeidp.Discovery); n != 0 {
		t.Errorf("%d calls", n)
	}
	accepted(t, w, "one")
	if idp.Calls(fakeidp.Discovery) != 1 || idp.Calls(fakeidp.Token) != 1 || idp.Calls(fakeidp.JWKS) != 1 || idp.Calls(fakeidp.UserInfo) != 1 {
		t.Error("an endpoint was not called once")
	}
}
