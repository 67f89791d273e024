package oidc

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// FuzzAppleName: whatever a browser sends as user, the sign-in goes on, and only a name that can be shown comes of it.
func FuzzAppleName(f *testing.F) {
	f.Add(`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.com"}`)
	f.Add(`{"name":{"firstName":"\u0000\n"}}`)
	f.Add(`{"name":null}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, user string) {
		id := postern.Identity{Issuer: "https://appleid.apple.com", Subject: "1"}
		if err := appleName(authcode.Login{Form: url.Values{"user": {user}}}, nil, &id); err != nil {
			t.Fatal(err)
		}
		if len(id.Name) > maxName || strings.ContainsFunc(id.Name, unicode.IsControl) || strings.TrimSpace(id.Name) != id.Name || id.Name != "" && !json.Valid([]byte(user)) {
			t.Fatalf("name %q", id.Name)
		}
		if id.Subject != "1" || id.Issuer != "https://appleid.apple.com" || len(id.Addresses) != 0 || id.Params != nil {
			t.Fatalf("%+v", id)
		}
	})
}

// FuzzMicrosoftTenant: whatever tid says, the issuer that comes of it is a directory of the cloud, and one let in.
func FuzzMicrosoftTenant(f *testing.F) {
	f.Add("common", "9188040d-6c67-4c5b-b112-36a304b66dad")
	f.Add("organizations", "11111111-2222-4333-8444-555555555555")
	f.Add("consumers", "../../evil.example/aaaaaaaaaaaaaaaaa")
	f.Add("11111111-2222-4333-8444-555555555555", "{tenantid}")
	const cloud = "https://login.microsoftonline.com"
	f.Fuzz(func(t *testing.T, tenant, tid string) {
		m := directory{tenant: tenant, cloud: cloud}
		payload, err := json.Marshal(map[string]string{"sub": "1", "tid": tid})
		if err != nil {
			t.Fatal(err)
		}
		for _, documented := range []string{m.url(template), m.url(tenant), m.url(consumers)} {
			if !m.documents(documented) {
				continue
			}
			c, err := readClaims(string(payload), false)
			if err != nil {
				continue
			}
			issuer, err := m.issuer(documented, c)
			if err != nil {
				continue
			}
			id := strings.TrimSuffix(strings.TrimPrefix(issuer, cloud+"/"), "/v2.0")
			switch {
			case !isTenant(id) || issuer != cloud+"/"+id+"/v2.0" || strings.Trim(id, "0123456789abcdefABCDEF-") != "":
				t.Fatalf("issuer %q", issuer)
			case tenant == "organizations" && id == consumers, tenant == "consumers" && id != consumers, isTenant(tenant) && !strings.EqualFold(id, tenant):
				t.Fatalf("%s lets in %s", tenant, issuer)
			}
		}
	})
}
