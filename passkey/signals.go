package passkey

import "encoding/json"

// The signals are Page.Data: what the script passes to the signal methods of the browser (section 5.1.10), so that the
// list of the device follows that of the account. Not every browser has them.

type signals struct {
	Unknown  *unknownCredential   `json:"signalUnknownCredential,omitempty"`
	Accepted *acceptedCredentials `json:"signalAllAcceptedCredentials,omitempty"`
	Details  *userDetails         `json:"signalCurrentUserDetails,omitempty"`
}

type unknownCredential struct {
	RPID         string `json:"rpId"`
	CredentialID string `json:"credentialId"`
}

type acceptedCredentials struct {
	RPID   string   `json:"rpId"`
	UserID string   `json:"userId"`
	IDs    []string `json:"allAcceptedCredentialIds"`
}

type userDetails struct {
	RPID        string `json:"rpId"`
	UserID      string `json:"userId"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

func (s signals) encode() json.RawMessage {
	data, _ := json.Marshal(s) // texts always encode
	return data
}
