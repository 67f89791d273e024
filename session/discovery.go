package session

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/posternauth/postern/internal/cors"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/keys"
)

// metadata is the document of RFC 8414 section 2 and of OpenID Connect Discovery 1.0 section 3. Both paths serve the
// same document, so that they cannot disagree.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	ResponseModes []string `json:"response_modes_supported"`
	Grants        []string `json:"grant_types_supported"`
	Subjects      []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
	Revocation    string   `json:"revocation_endpoint,omitempty"`
	RevokeAuth    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	IssInResponse bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

func (s *Sessions) serveMetadata(w http.ResponseWriter, r *http.Request) {
	published, ok := s.published(w, r)
	if !ok {
		return
	}
	algorithms := []string{}
	for _, k := range published {
		if a := string(k.Algorithm()); !slices.Contains(algorithms, a) {
			algorithms = append(algorithms, a)
		}
	}
	slices.Sort(algorithms)
	m := metadata{
		Issuer:        s.issuer,
		Authorization: s.issuer + "/authorize",
		Token:         s.issuer + "/token",
		JWKS:          s.issuer + pathJWKS,
		ResponseTypes: []string{"code"},
		ResponseModes: []string{"query"},
		Grants:        s.grants(),
		Subjects:      []string{"public"},
		Algorithms:    algorithms,
		Challenges:    []string{"S256"},
		ClientAuth:    []string{"none"},
		IssInResponse: true,
	}
	if s.canKeep() == nil {
		m.Revocation, m.RevokeAuth = s.issuer+"/revoke", []string{"none"}
	}
	body, _ := json.Marshal(m) // strings cannot fail to encode
	writePublic(w, r, "application/json", body)
}

// grants returns the grant types that this program can serve.
func (s *Sessions) grants() []string {
	if s.canKeep() != nil {
		return []string{"authorization_code"}
	}
	return []string{"authorization_code", "refresh_token"}
}

func (s *Sessions) serveJWKS(w http.ResponseWriter, r *http.Request) {
	published, ok := s.published(w, r)
	if !ok {
		return
	}
	body, err := keys.JWKS(published)
	if err != nil {
		s.log.ErrorContext(r.Context(), "session: keys could not be published", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the keys could not be written")
		return
	}
	writePublic(w, r, "application/jwk-set+json", body)
}

// A publisher lists the keys that may be published. A keys.Signer and the result of keys.Static are publishers.
type publisher interface {
	PublicKeys(ctx context.Context) ([]*keys.PublicKey, error)
}

// publishTimeout is how long a request waits for the keys. It is short because API Gateway waits 1.5 s for the answer.
const publishTimeout = time.Second

// published returns the public keys. If there are none, or the request is not a GET, it answers and returns false.
func (s *Sessions) published(w http.ResponseWriter, r *http.Request) ([]*keys.PublicKey, bool) {
	anyOrigin(w.Header())
	source, ok := s.keys.(publisher)
	switch {
	case cors.Preflight(r):
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		httperr.Method(w, http.MethodGet, http.MethodHead)
	case !ok:
		notFound(w) // a Verifier that cannot list its keys, such as the keys of another issuer
	default:
		ctx, cancel := context.WithTimeout(r.Context(), publishTimeout)
		defer cancel()
		published, err := source.PublicKeys(ctx)
		if err == nil {
			return published, true
		}
		s.log.ErrorContext(r.Context(), "session: keys unavailable", "error", err)
		writeUnavailable(w, err, "the keys could not be read, try again")
	}
	return nil, false
}

// anyOrigin lets pages of every origin read a public document. Browsers send no credentials with "*".
func anyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func writePublic(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	// Short, compared with the hours for which a key is published before its first and after its last signature.
	h.Set("Cache-Control", "public, max-age=300")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}
