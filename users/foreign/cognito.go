package foreign

import (
	"encoding/json"
	"strings"
)

// cognitoUser is a user in the output of `aws cognito-idp list-users`.
//
//   - https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html
//   - https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool.html
type cognitoUser struct {
	Username   str
	Enabled    *flag
	UserStatus str
	Created    when `json:"UserCreateDate"`
	Attributes []struct{ Name, Value str }
	MFAOptions rows
}

// cognitoIdentity is an element of the attribute "identities", which is JSON in a text.
type cognitoIdentity struct {
	UserID       str `json:"userId"`
	ProviderName str `json:"providerName"`
	ProviderType str `json:"providerType"`
}

func readCognito(c *conversion, raw []byte, r *Record) error {
	var u cognitoUser
	if err := decode(raw, &u); err != nil {
		return err
	}
	values := map[string]str{}
	for _, a := range u.Attributes {
		values[string(a.Name)] = a.Value
	}
	if u.Attributes == nil { // a row of CSV: the columns are the attributes
		if err := decode(raw, &values); err != nil {
			return err
		}
		u.Username = values["cognito:username"]
	}
	// sub is the id of the user in tokens. A pool can take addresses as user names, which people change.
	r.ID = string(values["sub"])
	if r.ID == "" {
		r.ID = string(u.Username)
	}
	if r.Name = string(values["name"]); r.Name == "" {
		r.Name = string(join(values["given_name"], values["family_name"]))
	}
	r.Locale, r.Picture = string(values["locale"]), string(values["picture"])
	var verified, phoneVerified flag
	for name, to := range map[string]*flag{"email_verified": &verified, "phone_number_verified": &phoneVerified} {
		if err := to.UnmarshalJSON(quote(values[name])); err != nil {
			return err
		}
	}
	r.mail(values["email"], bool(verified))
	r.phone(values["phone_number"], bool(phoneVerified))
	r.Disabled, r.Created = u.Enabled != nil && !bool(*u.Enabled), u.Created.time()
	if err := c.cognitoIdentities(r, values["identities"]); err != nil {
		return err
	}
	switch name := string(u.Username); {
	case values["preferred_username"] != "":
		r.Username = string(values["preferred_username"])
	case name != r.ID && !strings.Contains(name, "@") && !strings.HasPrefix(name, "+") && u.UserStatus != "EXTERNAL_PROVIDER":
		r.Username = name
	}
	switch u.UserStatus {
	case "COMPROMISED", "ARCHIVED":
		r.Disabled = true
		r.note("the user is disabled here, since its status at Cognito is %s", u.UserStatus)
	}
	if len(u.MFAOptions) > 0 {
		r.note("the second factor is not carried over: the person sets one up anew")
	}
	custom := map[string]str{}
	for name, v := range values {
		if strings.HasPrefix(name, "custom:") && v != "" {
			custom[name] = v
		}
	}
	data, _ := json.Marshal(custom) // texts always encode
	// People can write custom attributes unless every app client forbids it.
	r.Profile = r.dataOf(data, "the custom attributes")
	return nil
}

func (c *conversion) cognitoIdentities(r *Record, v str) error {
	if v == "" {
		return nil
	}
	var list []cognitoIdentity
	if err := json.Unmarshal([]byte(v), &list); err != nil {
		return ErrRecord
	}
	for _, i := range list {
		c.identity(r, i.ProviderType, i.ProviderName, i.UserID)
	}
	return nil
}

func quote(s str) []byte {
	b, _ := json.Marshal(string(s)) // a text always encodes
	return b
}
