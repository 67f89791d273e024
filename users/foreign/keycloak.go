package foreign

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/posternauth/postern/password/hash"
)

// keycloakUser is a user in a realm's export (kc.sh export), where each credential has its hash. A
// partial export from the administration console has no users.
//
//   - https://www.keycloak.org/server/importExport
//   - https://www.keycloak.org/docs-api/latest/rest-api/#UserRepresentation
type keycloakUser struct {
	ID          str                  `json:"id"`
	Username    str                  `json:"username"`
	Email       str                  `json:"email"`
	Verified    flag                 `json:"emailVerified"`
	First       str                  `json:"firstName"`
	Last        str                  `json:"lastName"`
	Enabled     *flag                `json:"enabled"`
	Created     when                 `json:"createdTimestamp"`
	Attributes  map[string][]str     `json:"attributes"`
	Credentials []keycloakCredential `json:"credentials"`
	Federated   []struct {
		Provider str `json:"identityProvider"`
		UserID   str `json:"userId"`
	} `json:"federatedIdentities"`
	RealmRoles     []str            `json:"realmRoles"`
	ClientRoles    map[string][]str `json:"clientRoles"`
	Groups         []str            `json:"groups"`
	Actions        []str            `json:"requiredActions"`
	Service        str              `json:"serviceAccountClientId"`
	FederationLink str              `json:"federationLink"`
	Users          json.RawMessage  `json:"users"` // of a realm
}

type keycloakCredential struct {
	Type           str `json:"type"`
	SecretData     str `json:"secretData"`
	CredentialData str `json:"credentialData"`
}

func readKeycloak(c *conversion, raw []byte, r *Record) error {
	var u keycloakUser
	if err := decode(raw, &u); err != nil {
		return err
	}
	if u.Users != nil {
		return fmt.Errorf("%w: it is a list of realms: export one of them", ErrFormat)
	}
	if r.ID = string(u.ID); r.ID == "" { // an import file written by hand can lack it; a user name is unique in a realm
		r.ID = string(u.Username)
	}
	if u.Service != "" {
		return fmt.Errorf("%w: it is the service account of a client", ErrRecord)
	}
	r.Name = string(join(u.First, u.Last))
	if !strings.Contains(string(u.Username), "@") { // a realm can take the address as user name
		r.Username = string(u.Username)
	}
	r.mail(u.Email, bool(u.Verified))
	r.Disabled, r.Created = u.Enabled != nil && !bool(*u.Enabled), u.Created.time()
	if locale := u.Attributes["locale"]; len(locale) == 1 {
		r.Locale = string(locale[0])
		delete(u.Attributes, "locale")
	}
	if len(u.Attributes) > 0 {
		data, err := json.Marshal(u.Attributes)
		if err != nil {
			return ErrRecord
		}
		r.Profile = r.dataOf(data, "the attributes") // the person may be allowed to write some of them
	}
	for _, role := range u.RealmRoles {
		if !strings.HasPrefix(string(role), "default-roles-") { // each user of the realm has it
			r.Roles = append(r.Roles, string(role))
		}
	}
	for _, f := range u.Federated {
		c.identity(r, "", f.Provider, f.UserID) // the name of a provider is the administrator's choice
	}
	for _, lost := range []struct {
		there bool
		what  string
	}{
		{len(u.ClientRoles) > 0, "roles of clients are not carried over"},
		{len(u.Groups) > 0, "groups are not carried over"},
		{len(u.Actions) > 0, "required actions are not carried over"},
		{u.FederationLink != "", "the password is not carried over: it is in an LDAP or another user store"},
	} {
		if lost.there {
			r.note("%s", lost.what)
		}
	}
	for _, cred := range u.Credentials {
		if cred.Type != "password" {
			r.note("the second factor or passkey is not carried over: the person sets one up anew")
			continue
		}
		if err := r.password(hash.ImportKeycloak(string(cred.CredentialData), string(cred.SecretData))); err != nil {
			return err
		}
	}
	return nil
}
