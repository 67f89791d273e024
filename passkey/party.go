package passkey

import (
	"encoding/json"
	"time"

	"github.com/posternauth/postern"
)

// A party is the relying party: what every ceremony is checked against. Nothing in it comes from a request.
type party struct {
	id, name string
	origins  []string
	algs     []int
	hints    []string
}

// The options of a ceremony are JSON as a browser reads it (sections 5.1.8 and 5.1.9).

type descriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

type requestOptions struct {
	Challenge        string       `json:"challenge"`
	Timeout          int64        `json:"timeout"`
	RPID             string       `json:"rpId"`
	AllowCredentials []descriptor `json:"allowCredentials,omitempty"`
	UserVerification string       `json:"userVerification"`
	Hints            []string     `json:"hints,omitempty"`
}

type entity struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
}

type parameter struct {
	Type string `json:"type"`
	Alg  int    `json:"alg"`
}

type selection struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"`
	UserVerification   string `json:"userVerification"`
}

type creationOptions struct {
	RP                     entity       `json:"rp"`
	User                   entity       `json:"user"`
	Challenge              string       `json:"challenge"`
	PubKeyCredParams       []parameter  `json:"pubKeyCredParams"`
	Timeout                int64        `json:"timeout"`
	ExcludeCredentials     []descriptor `json:"excludeCredentials,omitempty"`
	AuthenticatorSelection selection    `json:"authenticatorSelection"`
	Hints                  []string     `json:"hints,omitempty"`
	Attestation            string       `json:"attestation"`
}

// formData is Form.Data: the argument of navigator.credentials.get or create.
type formData struct {
	PublicKey any    `json:"publicKey"`
	Mediation string `json:"mediation,omitempty"`
}

func (d formData) encode() json.RawMessage {
	data, _ := json.Marshal(d) // texts, numbers and booleans always encode
	return data
}

const (
	required    = "required"
	preferred   = "preferred"
	conditional = "conditional"
)

// request are the options of a ceremony that shows a passkey. Without rows, any passkey of the device may answer.
func (p party) request(c ceremony, verification string, rows []row) requestOptions {
	return requestOptions{
		Challenge: c.Challenge, Timeout: int64(ceremonyLife / time.Millisecond), RPID: p.id, Hints: p.hints,
		UserVerification: verification, AllowCredentials: descriptors(rows),
	}
}

// creation are the options of a ceremony that makes a passkey which the device finds by itself.
func (p party) creation(c ceremony, who entity, rows []row) creationOptions {
	o := creationOptions{
		RP: entity{ID: p.id, Name: p.name}, User: who, Challenge: c.Challenge, Timeout: int64(ceremonyLife / time.Millisecond),
		ExcludeCredentials: descriptors(rows), AuthenticatorSelection: selection{ResidentKey: required, RequireResidentKey: true, UserVerification: required},
		Hints: p.hints, Attestation: "none",
	}
	if c.Silent { // a browser that asks nothing cannot verify the person
		o.AuthenticatorSelection.UserVerification = preferred
	}
	for _, alg := range c.Algs {
		o.PubKeyCredParams = append(o.PubKeyCredParams, parameter{"public-key", alg})
	}
	return o
}

func descriptors(rows []row) (list []descriptor) {
	for _, r := range rows {
		list = append(list, descriptor{"public-key", encoded(r.ID), r.Transports})
	}
	return list
}

// userOf is the user of a new passkey, for the list of the device.
func userOf(handle []byte, name, shown string) entity {
	if shown == "" {
		shown = name
	}
	return entity{ID: encoded(handle), Name: name, DisplayName: shown}
}

// personOf is userOf for a person.
func personOf(handle []byte, p postern.Person) entity {
	name, ok := p.Email()
	switch {
	case ok:
	case p.Username != "":
		name = p.Username
	case p.Name != "":
		name = p.Name
	default:
		name = "account"
	}
	return userOf(handle, name, p.Name)
}
