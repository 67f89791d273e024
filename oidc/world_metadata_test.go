package oidc_test

import (
	"testing"
	"time"

	"github.com/posternauth/postern/oidc"
)

// The tests of this file are about metadata as they are in the world, and what a client must be configured with.

// TestProvider_MetadataElsewhere: issuer, address of the metadata and endpoints are three things.
func TestProvider_MetadataElsewhere(t *testing.T) {
	for name, tt := range map[string]struct{ issuer, at string }{
		"Azure AD B2C":     {"https://contoso.b2clogin.com/775527ff-9a37-4307-8b3d-cc311f58d925/v2.0/", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_in/v2.0"},
		"Oracle IDCS":      {"https://identity.oraclecloud.com/", "https://idcs-1.identity.oraclecloud.com"},
		"inside a cluster": {"https://login.example.net/realms/x", "https://keycloak.svc:8443/realms/x"},
		"Nextcloud":        {"https://cloud.example.net", "https://cloud.example.net/index.php"},
		"a bare name":      {"acme.example", "https://acme.example"},
	} {
		o := newOP(t, tt.issuer, tt.at, func(c *oidc.Config) { c.MetadataURL = tt.at + "/.well-known/openid-configuration" })
		if id := o.in(name); id.Issuer != tt.issuer || o.calls["/.well-known/openid-configuration"] != 1 {
			t.Errorf("%s: issuer %q", name, id.Issuer)
		}
		o.issuer = "https://evil.example"
		o.claims = func(c object) { c["iss"] = tt.issuer }
		o.Advance(2 * time.Hour)
		o.in(name + ", the old document serves")

		byHand := newOP(t, tt.issuer, tt.at, func(c *oidc.Config) {
			c.Endpoint = oidc.Endpoint{AuthURL: tt.at + "/authorize", TokenURL: tt.at + "/token", JWKSURL: tt.at + "/jwks"}
		})
		if id := byHand.in(name + ", by hand"); id.Issuer != tt.issuer || byHand.calls["/.well-known/openid-configuration"] != 0 {
			t.Errorf("%s by hand: issuer %q, %v", name, id.Issuer, byHand.calls)
		}
	}
	// A document for another issuer is refused wherever it is.
	o := newOP(t, "https://evil.example", opIssuer, func(c *oidc.Config) {
		c.Issuer, c.MetadataURL = "https://id.example", opIssuer+"/.well-known/openid-configuration"
	})
	o.out("another issuer", "provider_error", "names the issuer")
	// Single endpoints replace those of the document.
	o = plainOP(t, func(c *oidc.Config) { c.Endpoint.TokenURL = opIssuer + "/token" })
	o.document = func(d object) { d["token_endpoint"] = "https://internal.example/token" }
	o.in("an endpoint of our own")
}

func TestProvider_DocumentsOfTheWorld(t *testing.T) {
	for name, f := range map[string]func(object){
		"null everywhere": func(d object) {
			for _, name := range []string{"token_endpoint_auth_methods_supported", "userinfo_endpoint", "authorization_response_iss_parameter_supported",
				"code_challenge_methods_supported", "require_pushed_authorization_requests"} {
				d[name] = nil
			}
		},
		"Issuer beside issuer": func(d object) { d["Issuer"] = "https://other.example" },
		"no methods at all":    func(d object) { d["token_endpoint_auth_methods_supported"] = []string{} },
		"PAR not required":     func(d object) { d["require_pushed_authorization_requests"] = false },
	} {
		o := plainOP(t, nil)
		o.document = f
		o.in(name)
		if !o.basic {
			t.Errorf("%s: the secret was not sent by Basic", name)
		}
	}
	for name, tt := range map[string]struct {
		change object
		reason string
	}{
		"PAR":                     {object{"require_pushed_authorization_requests": true}, "wants PAR"},
		"signed requests":         {object{"require_signed_request_object": true}, "wants signed authorization requests"},
		"private_key_jwt alone":   {object{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}, "set Config.ClientKey"},
		"certificates alone":      {object{"token_endpoint_auth_methods_supported": []string{"tls_client_auth"}}, "takes tls_client_auth and no secret"},
		"a method full of spaces": {object{"token_endpoint_auth_methods_supported": []string{"a b\n"}}, "(unprintable)"},
	} {
		o := plainOP(t, nil)
		o.document = func(d object) {
			for k, v := range tt.change {
				d[k] = v
			}
		}
		o.out(name, "provider_error", tt.reason)
		if o.calls["/token"] != 0 {
			t.Errorf("%s: the secret was sent", name)
		}
	}
	o := plainOP(t, func(c *oidc.Config) { c.AuthMethod = "client_secret_post" })
	o.document = func(d object) { d["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} }
	o.in("metadata that are wrong, and AuthMethod")
	if o.basic || o.asked.Get("client_secret") != "s3cret-canary" {
		t.Errorf("%v", o.asked)
	}
}

// TestProvider_PublicClient: a client without a secret sends its id alone, also where the metadata name methods with
// one.
func TestProvider_PublicClient(t *testing.T) {
	for _, methods := range []any{nil, []string{"client_secret_basic"}, []string{"none"}} {
		o := plainOP(t, func(c *oidc.Config) { c.ClientSecret = "" })
		o.document = func(d object) { d["token_endpoint_auth_methods_supported"] = methods }
		o.in("a public client")
		if o.basic || o.asked.Get("client_id") != "client-1" || o.asked.Has("client_secret") {
			t.Errorf("%v: Authorization header %v, %v", methods, o.basic, o.asked)
		}
	}
}

func TestConfig_Bounds(t *testing.T) {
	for name, c := range map[string]oidc.Config{
		"MetadataURL by http": {MetadataURL: "http://id.example/x"}, "MetadataURL no URL": {MetadataURL: "x"}, "Endpoint by http": {Endpoint: oidc.Endpoint{JWKSURL: "http://id.example/x"}},
		"both":   {MetadataURL: "https://id.example/x", Endpoint: oidc.Endpoint{AuthURL: "https://id.example/x", TokenURL: "https://id.example/x", JWKSURL: "https://id.example/x"}},
		"Leeway": {Leeway: 6 * time.Minute}, "MaxIDToken": {MaxIDToken: 1 << 20}, "MaxIDToken negative": {MaxIDToken: -1}, "Audiences": {Audiences: []string{""}},
		"issuer with a line break": {Issuer: "a\nb", MetadataURL: "https://id.example/x"}, "issuer empty": {Issuer: "-", MetadataURL: "https://id.example/x"},
	} {
		switch c.Issuer {
		case "":
			c.Issuer = opIssuer
		case "-":
			c.Issuer = ""
		}
		c.ClientID = "client-1"
		if err := oidc.New(c).Check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
