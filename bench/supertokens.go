package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	golang "github.com/golang-jwt/jwt/v5"
	"github.com/posternauth/postern/keys"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

// superTokens verifies a token in its own form (its claims have other names) with the same key: what its middleware
// does for a request, without the HTTP around it. It signs on a separate server, so there is nothing to compare
// there.
func superTokens(m *material) (peer, error) {
	if m.alg != keys.RS256 { // the only algorithm of its core
		return peer{name: "supertokens-golang"}, nil
	}
	const id = "d-1700000000000"
	token, err := superToken(m, id)
	if err != nil {
		return peer{}, err
	}
	if err := startSuperTokens(m, id); err != nil {
		return peer{}, err
	}
	verify := func(token string) error {
		no := false
		s, err := session.GetSessionWithoutRequestResponse(token, nil, &sessmodels.VerifySessionOptions{AntiCsrfCheck: &no})
		if err != nil {
			return err
		}
		data := s.GetAccessTokenPayload()
		properties, _ := data["properties"].(map[string]any)
		userID, _ := properties["userID"].(string)
		tenantID, _ := properties["tenantID"].(string)
		kind, _ := data["type"].(string)
		list, _ := data["roles"].([]any)
		read := make([]string, len(list))
		for i := range list {
			read[i], _ = list[i].(string)
		}
		return right(kind, User{userID, tenantID}, read)
	}
	bad := *m
	bad.token = token
	spoilt := bad.spoilt()
	return peer{name: "supertokens-golang", verify: func(t string) error {
		if t == m.token {
			return verify(token)
		}
		return verify(spoilt)
	}}, nil
}

func superToken(m *material, id string) (string, error) {
	now := time.Now()
	t := golang.NewWithClaims(golang.SigningMethodRS256, golang.MapClaims{
		"sub": alice.UserID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "tId": "public", "sessionHandle": "8a3f1c0e-5b7d-4e2a-9c61-2f0d7b9e4a55",
		"refreshTokenHash1": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
		"type":              "user", "properties": alice, "roles": roles,
	})
	t.Header["kid"], t.Header["version"] = id, "4"
	return t.SignedString(m.private)
}

// startSuperTokens stands in for its core, which is asked for the keys and the version of its interface. Both live as
// long as the program: the library has one set of them for each process.
func startSuperTokens(m *material, id string) error {
	public, err := keys.NewPublicKey(m.public, m.alg, id)
	if err != nil {
		return err
	}
	jwks, err := keys.JWKS([]*keys.PublicKey{public})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jwks) })
	mux.HandleFunc("/apiversion", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"versions": []string{"2.21", "3.0", "3.1", "4.0", "5.0"}})
	})
	core := httptest.NewServer(mux)
	telemetry := false
	err = supertokens.Init(supertokens.TypeInput{
		Supertokens: &supertokens.ConnectionInfo{ConnectionURI: core.URL},
		AppInfo:     supertokens.AppInfo{AppName: "bench", APIDomain: "https://api.example.com", WebsiteDomain: "https://example.com"},
		RecipeList:  []supertokens.Recipe{session.Init(nil)},
		Telemetry:   &telemetry,
	})
	return errors.Join(err)
}
