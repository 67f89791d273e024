package oidc_test

import (
	"net/url"
	"testing"

	"github.com/posternauth/postern/internal/test/fakeidp"
)

// TestC4_IssOfAPerson: where the issuer is another for each person, as at Microsoft's common, the metadata name none
// that the parameter iss of the callback could equal (RFC 9207). An iss there does not refuse the sign-in: iss and tid
// of the ID token decide.
func TestC4_IssOfAPerson(t *testing.T) {
	for name, iss := range map[string]string{
		"none":                  "",
		"the person's":          microsoftAt + fakeidp.HomeTenant + "/v2.0",
		"the template":          microsoftAt + "{tenantid}/v2.0",
		"that of common itself": microsoftAt + "common/v2.0",
	} {
		t.Run(name, func(t *testing.T) {
			w := microsoft(t, "common")
			b := w.Browser()
			callback, err := url.Parse(b.To("one"))
			if err != nil {
				t.Fatal(err)
			}
			q := callback.Query()
			if q.Del("iss"); iss != "" {
				q.Set("iss", iss)
			}
			callback.RawQuery = q.Encode()
			b.Get(callback.String())
			if done := w.SignIns(); len(done) != 1 || done[0].Identity.Issuer != microsoftAt+fakeidp.HomeTenant+"/v2.0" {
				t.Errorf("signed in as %+v\n%s", done, w.Log())
			}
		})
	}
}
