package session

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// currentSessionJSON is the session of a request, as its token describes it. The names are those of infoJSON where
// both have a member.
type currentSessionJSON struct {
	ID           string          `json:"id"`
	Kind         string          `json:"kind"`
	Subject      string          `json:"sub"`
	Actor        string          `json:"actor,omitempty"`
	ClientID     string          `json:"client_id"`
	Properties   json.RawMessage `json:"properties"`
	AuthTime     time.Time       `json:"auth_time,omitzero"`
	Methods      []string        `json:"amr,omitempty"`
	Scopes       []string        `json:"scopes,omitempty"`
	Roles        []string        `json:"roles,omitempty"`
	TokenExpires time.Time       `json:"token_expires_at"` // of the access token; a refresh makes a newer one
}

// serveCurrent is GET {base}/session: it answers with the session of the request, or refuses it as a guard does. If
// the request has cookies of several kinds, it answers with the first kind by name, or with the kind that the query
// names.
func (s *Sessions) serveCurrent(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query().Get("kind")
	var gates guard
	for _, p := range s.policies() {
		if wanted == "" || p.name == wanted {
			gates = append(gates, p.plainGate())
		}
	}
	if len(gates) == 0 {
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "there is no such kind of session here (kind)")
		return
	}
	httperr.NoStore(w.Header())
	in, err := gates.pass(w, r)
	if answerLimit(w, limitOf(err)) {
		return
	}
	if err != nil {
		gates.answer(w, r, err)
		return
	}
	c, err := in.session.plain()
	if err != nil {
		s.log.ErrorContext(r.Context(), "session: the properties of a session cannot be encoded", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the session could not be read")
		return
	}
	writeJSON(w, http.StatusOK, currentSessionJSON{
		c.ID, c.Kind, c.Subject, c.Actor, c.ClientID, c.Properties, c.Authentication.Time.UTC(), c.Authentication.Methods, c.Scopes, c.Roles, c.Expires.UTC(),
	})
}
