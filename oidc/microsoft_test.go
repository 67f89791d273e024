package oidc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

const microsoftAt = flowtest.IdP + "/microsoft/"

func microsoft(t *testing.T, tenant string, change ...func(*oidc.Config)) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := config(w)
		c.Issuer = microsoftAt + tenant + "/v2.0"
		for _, f := range change {
			f(&c)
		}
		return map[string]postern.Provider{"one": oidc.Microsoft(tenant, c)}
	})
}

// TestC3_MicrosoftTenants: iss is that of the directory in tid, and the directory one that the tenant lets in.
func TestC3_MicrosoftTenants(t *testing.T) {
	const other = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
	from := func(tenant string) func(map[string]any) {
		return func(c map[string]any) { c["tid"], c["iss"] = tenant, microsoftAt+tenant+"/v2.0" }
	}
	for _, tt := range []struct {
		name, tenant string
		change       func(map[string]any)
		issuer       string // the directory of Identity.Issuer; empty: refused
	}{
		{"any directory", "common", nil, fakeidp.HomeTenant},
		{"another directory", "common", from(other), other},
		{"a personal account", "common", from(fakeidp.ConsumerTenant), fakeidp.ConsumerTenant},
		{"work or school", "organizations", nil, fakeidp.HomeTenant},
		{"another organization", "organizations", from(other), other},
		{"a personal account at organizations", "organizations", from(fakeidp.ConsumerTenant), ""},
		{"a personal account at consumers", "consumers", nil, fakeidp.ConsumerTenant},
		{"work or school at consumers", "consumers", from(other), ""},
		{"one's own", fakeidp.HomeTenant, nil, fakeidp.HomeTenant},
		{"one's own, in capitals", strings.ToUpper(other), nil, other},
		{"another at one's own", fakeidp.HomeTenant, from(other), ""},
		{"a personal account at one's own", fakeidp.HomeTenant, from(fakeidp.ConsumerTenant), ""},
		{"by domain name", "contoso.example", nil, fakeidp.HomeTenant},
		{"another at a domain name", "contoso.example", from(other), ""},
		{"iss of another than tid", "common", func(c map[string]any) { c["tid"] = other }, ""},
		{"tid of another than iss", "common", func(c map[string]any) { c["iss"] = microsoftAt + other + "/v2.0" }, ""},
		{"no tid", "common", func(c map[string]any) { delete(c, "tid") }, ""},
		{"no tid at one's own", fakeidp.HomeTenant, func(c map[string]any) { delete(c, "tid") }, ""},
		{"tid that is a number", "common", func(c map[string]any) { c["tid"] = 1 }, ""},
		{"the template itself", "common", from("{tenantid}"), ""},
		{"tid with a path", "common", from("../../evil.example/aaaaaaaaaaaaaaaaa"), ""},
		{"tid of zeros and slashes", "common", from("00000000-0000-0000-0000-0000000/0000"), ""},
		{"tid in capitals", "common", from(strings.ToUpper(other)), ""},
		{"tid with one capital", "common", from("A" + other[1:]), ""},
		{"tid in capitals at one's own, in capitals", strings.ToUpper(other), from(strings.ToUpper(other)), ""},
		{"tid in capitals at a domain name", "contoso.example", from(strings.ToUpper(other)), ""},
		{"empty tid", "common", from(""), ""},
		{"another cloud", "common", func(c map[string]any) { c["iss"] = "https://login.evil.example/" + fakeidp.HomeTenant + "/v2.0" }, ""},
		{"version 1", "common", func(c map[string]any) { c["iss"] = "https://sts.windows.net/" + fakeidp.HomeTenant + "/" }, ""},
	} {
		w := microsoft(t, tt.tenant)
		w.IdP.SetFaults(fakeidp.Faults{IDToken: tt.change})
		a := w.Browser().SignIn("one")
		done := w.SignIns()
		switch {
		case tt.issuer == "" && (a.Status == 200 || len(done) != 0):
			t.Errorf("%s: signed in as %+v", tt.name, done)
		case tt.issuer != "" && (len(done) != 1 || done[0].Identity.Issuer != microsoftAt+tt.issuer+"/v2.0" || done[0].Identity.Subject != "10001"):
			t.Errorf("%s: %d %s\n%s", tt.name, a.Status, a.Body, w.Log())
		}
	}
}

// TestC3_MicrosoftConsumersByTemplate: were the metadata of consumers to name the template, it would still be them
// alone.
func TestC3_MicrosoftConsumersByTemplate(t *testing.T) {
	w := microsoft(t, "consumers")
	w.Serve("idp.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			w.IdP.ServeHTTP(rw, r)
			return
		}
		rec := httptest.NewRecorder()
		w.IdP.ServeHTTP(rec, r)
		fmt.Fprint(rw, strings.Replace(rec.Body.String(), "/"+fakeidp.ConsumerTenant+"/v2.0", "/{tenantid}/v2.0", 1))
	}))
	if id := accepted(t, w, "one"); id.Issuer != microsoftAt+fakeidp.ConsumerTenant+"/v2.0" {
		t.Errorf("%+v", id)
	}
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) {
		c["tid"], c["iss"] = fakeidp.HomeTenant, microsoftAt+fakeidp.HomeTenant+"/v2.0"
	}})
	if a := w.Browser().SignIn("one"); a.Status != 400 || a.Code() != "invalid_id_token" {
		t.Errorf("work or school: %d %s", a.Status, a.Body)
	}
}

// TestC5_MicrosoftMetadata: a document may name the template, or the directory, and nothing else.
func TestC5_MicrosoftMetadata(t *testing.T) {
	for _, tenant := range []string{"common", "organizations", "consumers", fakeidp.HomeTenant, "contoso.example"} {
		w := microsoft(t, tenant)
		w.IdP.SetFaults(fakeidp.Faults{WrongDiscoveryIssuer: true})
		if a := w.Browser().Get(flowtest.Issuer + "/one/authorize"); a.Status != 502 || a.Code() != "provider_error" {
			t.Errorf("%s: %d %s", tenant, a.Status, a.Body)
		}
	}
}

// TestA2_MicrosoftDomainOwner: xms_edov proves the address of the same token; a directory's own word does not.
func TestA2_MicrosoftDomainOwner(t *testing.T) {
	type absent struct{}
	w := microsoft(t, "common", func(c *oidc.Config) { c.UserInfo = true })
	w.IdP.SetUsers(fakeidp.User{Subject: "1", Email: "ada@example.com", EmailVerified: true})
	for _, tt := range []struct {
		claim  any
		proven bool
	}{
		{true, true}, {"1", true},
		{false, false}, {"0", false}, {"true", false}, {1, false}, {nil, false}, {absent{}, false}, {"", false}, {[]bool{true}, false}, {map[string]any{}, false}, {"yes", false},
	} {
		w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) {
			c["xms_edov"], c["email_verified"] = tt.claim, true // which Microsoft does not send, and an attacker's directory might
			if tt.claim == any(absent{}) {
				delete(c, "xms_edov")
			}
		}})
		id := accepted(t, w, "one")
		if mail, ok := id.Email(); ok != tt.proven || len(id.Addresses) != 1 || id.Addresses[0].Value != "ada@example.com" {
			t.Errorf("%#v: %q %v %+v", tt.claim, mail, ok, id.Addresses)
		}
	}
	// An address that only UserInfo has is not the one xms_edov is about.
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) { c["xms_edov"] = true; delete(c, "email") }})
	if id := accepted(t, w, "one"); len(id.Addresses) != 1 || id.Addresses[0].Verified {
		t.Errorf("%+v", id.Addresses)
	}
	// Nor does it prove a telephone number.
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) {
		c["xms_edov"], c["phone_number"], c["phone_number_verified"] = true, "+4915112345678", true
	}})
	if id := accepted(t, w, "one"); len(id.Addresses) != 2 || !id.Addresses[0].Verified || id.Addresses[1].Verified {
		t.Errorf("%+v", id.Addresses)
	}
}

func TestMicrosoftConfig(t *testing.T) {
	c := oidc.Config{ClientID: "a", ClientSecret: "b"}
	for _, tenant := range []string{"common", "consumers", "organizations", fakeidp.HomeTenant, "contoso.onmicrosoft.com", strings.ToUpper(fakeidp.HomeTenant)} {
		if err := oidc.Microsoft(tenant, c).Check(); err != nil {
			t.Errorf("%s: %v", tenant, err)
		}
	}
	for _, tenant := range []string{"", "a/b", "common/v2.0", "{tenantid}", "a b", "a?b", "a%2fb"} {
		if err := oidc.Microsoft(tenant, c).Check(); err == nil || !strings.Contains(err.Error(), "tenant must be") {
			t.Errorf("%q: %v", tenant, err)
		}
	}
	c.Issuer = "https://login.microsoftonline.us/organizations/v2.0"
	if err := oidc.Microsoft("common", c).Check(); err == nil || !strings.Contains(err.Error(), "must end in /common/v2.0") {
		t.Errorf("%v", err)
	}
}
