package passkey_test

import (
	"encoding/json"
	"testing"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/virtualkey"
)

// A device is an authenticator that verifies its person.
type device struct {
	virtual.Authenticator
	rp   virtual.RelyingParty
	kind virtual.KeyType
}

func newDevice(change ...func(o *virtual.AuthenticatorOptions)) *device {
	d := &device{virtual.NewAuthenticator(), virtual.RelyingParty{ID: rpID, Name: "Example", Origin: origin}, virtual.KeyTypeEC2}
	for _, f := range change {
		f(&d.Options)
	}
	return d
}

// make answers creation options with a new credential, which the device keeps.
func (d *device) make(t testing.TB, data json.RawMessage) string {
	t.Helper()
	o, err := virtual.ParseAttestationOptions(string(data))
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	c := virtual.NewCredential(d.kind)
	d.Options.UserHandle = []byte(o.UserID)
	d.AddCredential(c)
	return virtualkey.Create(d.rp, d.Authenticator, c, *o)
}

// show answers request options with the newest credential. Its counter goes up.
func (d *device) show(t testing.TB, data json.RawMessage) string {
	t.Helper()
	o, err := virtual.ParseAssertionOptions(string(data))
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	c := &d.Credentials[len(d.Credentials)-1]
	c.Counter++
	return virtual.CreateAssertionResponse(d.rp, d.Authenticator, *c, *o)
}
