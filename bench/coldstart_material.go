package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// coldMaterial is what the functions of coldstart are given: keys in their environment, and events with good tokens.
type coldMaterial struct {
	env, authEnv               []string
	authorizerEvent, authEvent []byte
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
	return m, m.auth()
}

// auth prepares examples/lambda-http, with a table that this event does not touch.
func (m *coldMaterial) auth() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	signing, err := keys.NewSigningKey(private, keys.RS256, "")
	if err != nil {
		return err
	}
	const origin = "https://app.example.com"
	token, err := coldToken(signing, session.Config{Issuer: origin + "/auth", Audience: "api"}, "user", 5*time.Minute, map[string]string{"email": "ada@example.com"})
	if err != nil {
		return err
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	m.authEnv = []string{
		"ORIGIN=" + origin, "TABLE=auth", "SMTP=mail.example.com:587",
		"SIGNING_KEY=" + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"SECRET=" + base64.StdEncoding.EncodeToString(secret),
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any",
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
