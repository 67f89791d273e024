package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/dynamostore"
)

// coldMaterial is what the functions of coldstart are given: keys in their environment, and events with good tokens.
type coldMaterial struct {
	env, authEnv, serverEnv                 []string
	authorizerEvent, authEvent, serverEvent []byte
}

func newColdMaterial() (coldMaterial, error) {
	var m coldMaterial
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return m, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return m, err
	}
	signing, err := keys.NewSigningKey(private, keys.EdDSA, "")
	if err != nil {
		return m, err
	}
	// Issuer, audience and kind are those of examples/lambda-authorizer.
	const issuer, audience = "https://api.example.com", "orders"
	token, err := coldToken(signing, session.Config{Issuer: issuer, Audience: audience}, "apikey", time.Hour, map[string]string{"name": "Ada Ltd"})
	if err != nil {
		return m, err
	}
	m.env = []string{
		"PUBLIC_KEY=" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"ISSUER=" + issuer, "AUDIENCE=" + audience, "KEY_ID=" + signing.Public().ID(),
	}
	if m.authorizerEvent, err = json.Marshal(map[string]string{
		"type": "TOKEN", "authorizationToken": "Bearer " + token,
		"methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders",
	}); err != nil {
		return m, err
	}
	if err := m.auth(); err != nil {
		return m, err
	}
	return m, m.server()
}

// server prepares cmd/postern-lambda with infra/postern.toml. Its ring is in a stand-in for the Parameter Store, and is
// made by the first start; the table is not touched. The event asks for the published keys.
func (m *coldMaterial) server() error {
	config, err := filepath.Abs(filepath.Join("..", "infra", "postern.toml"))
	if err != nil {
		return err
	}
	m.serverEnv = []string{
		"POSTERN_CONFIG=" + config, "POSTERN_APP=shop", "POSTERN_STAGE=prod", "POSTERN_ISSUER=https://auth.example.com/auth", "POSTERN_AUDIENCE=api",
		"POSTERN_ORIGINS=https://app.example.com", "POSTERN_REDIRECTS=https://app.example.com/", "POSTERN_STORE=dynamodb:auth",
		"POSTERN_VAULT=ssm:/shop/prod/auth/keys", "POSTERN_SEAL=", "POSTERN_MAIL_FROM=sign-in@example.com",
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_ENDPOINT_URL=" + httptest.NewServer(&oneParameter{}).URL, // until the process ends
	}
	m.serverEvent, err = json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "ANY /auth/{proxy+}", "rawPath": "/auth/.well-known/jwks.json", "rawQueryString": "",
		"headers": map[string]string{"host": "auth.example.com", "accept": "*/*"},
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "auth.example.com", "domainPrefix": "auth", "stage": "$default", "requestId": "r1", "routeKey": "ANY /auth/{proxy+}",
			"http": map[string]string{"method": "GET", "path": "/auth/.well-known/jwks.json", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "curl/8.7.1"},
		},
		"isBase64Encoded": false,
	})
	return err
}

// auth prepares examples/lambda-http. Its ring of keys is in a stand-in for DynamoDB, which the event does not touch
// besides.
func (m *coldMaterial) auth() error {
	const origin = "https://app.example.com"
	endpoint := httptest.NewServer(&oneItem{}).URL // until the process ends
	table, err := dynamostore.New(dynamostore.Config{Table: "auth", Client: dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})})
	if err != nil {
		return err
	}
	sealing := make([]byte, 32)
	rand.Read(sealing) // never fails
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: keys.StoreVault{Store: table, Sealer: keys.MasterKey(sealing)}})
	if err != nil {
		return err
	}
	signing, err := ring.SigningKey(context.Background(), 5*time.Minute)
	if err != nil {
		return err
	}
	token, err := coldToken(signing, session.Config{Issuer: origin + "/auth", Audience: "api"}, "user", 5*time.Minute, map[string]string{"email": "ada@example.com"})
	if err != nil {
		return err
	}
	m.authEnv = []string{
		"ORIGIN=" + origin, "TABLE=auth", "SMTP=mail.example.com:587", "VAULT_KEY=" + base64.StdEncoding.EncodeToString(sealing),
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_ENDPOINT_URL=" + endpoint,
	}
	m.authEvent, err = json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": "/api/me", "rawQueryString": "",
		"headers": map[string]string{"host": "app.example.com", "authorization": "Bearer " + token, "accept": "*/*"},
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "app.example.com", "domainPrefix": "app", "stage": "$default", "requestId": "r1", "routeKey": "$default",
			"http": map[string]string{"method": "GET", "path": "/api/me", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "curl/8.7.1"},
		},
		"isBase64Encoded": false,
	})
	return err
}

// coldToken signs a token of a kind that needs no store to be made.
func coldToken(signing keys.SigningKey, c session.Config, kind string, life time.Duration, properties map[string]string) (string, error) {
	signer, err := keys.StaticSigner(signing)
	if err != nil {
		return "", err
	}
	c.Keys = signer
	sessions, err := session.New(c)
	if err != nil {
		return "", err
	}
	k := session.NewKindConfig(sessions, session.KindConfig[map[string]string]{Name: kind, Stateless: true, Access: life})
	t, err := k.Create(context.Background(), session.Grant[map[string]string]{Subject: "ada", Properties: properties, Scopes: []string{"orders:read"}})
	return t.Access, err
}

// oneParameter answers GetParametersByPath and PutParameter as SSM does, for one parameter.
type oneParameter struct {
	mu   sync.Mutex
	made *struct{ Name, Value, Type string }
}

func (o *oneParameter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Value, Type string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch {
	case in.Value != "":
		o.made = &in
		io.WriteString(w, `{"Version":1}`)
	case o.made == nil:
		io.WriteString(w, `{"Parameters":[]}`)
	default:
		json.NewEncoder(w).Encode(map[string]any{"Parameters": []any{o.made}})
	}
}

// oneItem answers PutItem and GetItem as DynamoDB does, for a table of one item.
type oneItem struct {
	mu   sync.Mutex
	item json.RawMessage
}

func (o *oneItem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Item json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if in.Item != nil {
		o.item = in.Item
		io.WriteString(w, "{}")
		return
	}
	if o.item == nil {
		io.WriteString(w, "{}")
		return
	}
	fmt.Fprintf(w, `{"Item":%s}`, o.item)
}
