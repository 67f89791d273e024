package provision

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/text"
)

// A Scheme is the way in which a sender proves that a delivery comes from it. Stripe, GitHub, StandardWebhooks and
// Token make schemes.
type Scheme interface {
	// Key reads one of WebhookConfig.Secrets. Webhook calls it once for each of them.
	Key(secret string) ([]byte, error)

	// Verify returns an error unless the delivery was made with one of the keys. It compares in constant time.
	Verify(r *http.Request, body []byte, keys [][]byte) (Proof, error)
}

// A Proof is what a scheme knows of a delivery beyond its body.
type Proof struct {
	ID   string    // of the delivery, as the sender signed it; empty if it signs none
	Time time.Time // of the delivery, as the sender signed it; zero if it signs none
}

// Limits of a delivery's proof.
const (
	minSecret     = 16 // bytes
	maxSignatures = 16 // of a delivery: one for each secret of a rotation
	maxHeader     = 4 << 10
)

var errSignature = errors.New("provision: the signature is missing or wrong")

// Stripe returns the scheme of Stripe and of the services that copied it: the header Stripe-Signature with t= and
// v1=, an HMAC-SHA256 of the time and the body. The secret is the whole string that begins with "whsec_". The id of
// the delivery is the member "id" of the body.
//
// See https://docs.stripe.com/webhooks, "Verify webhook signatures manually".
func Stripe() Scheme { return stripe{} }

type stripe struct{}

func (stripe) Key(secret string) ([]byte, error) { return plainKey(secret) }

func (stripe) Verify(r *http.Request, body []byte, keys [][]byte) (Proof, error) {
	value, err := oneHeader(r, "Stripe-Signature")
	if err != nil {
		return Proof{}, err
	}
	var at string
	var given [][]byte
	for part := range strings.SplitSeq(value, ",") {
		name, v, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			if at != "" {
				return Proof{}, errSignature
			}
			at = v
		case "v1": // other versions are weaker or of tests
			if mac, err := hex.DecodeString(v); err == nil {
				given = append(given, mac)
			}
		}
	}
	sent, err := unixSeconds(at)
	if err != nil {
		return Proof{}, err
	}
	if err := checkMACs([]string{at, ".", string(body)}, given, keys); err != nil {
		return Proof{}, err
	}
	var event struct{ ID string }
	_ = json.Unmarshal(body, &event) // without an id, a hash of the body is the id
	return Proof{ID: event.ID, Time: sent}, nil
}

// GitHub returns the scheme of GitHub: the header X-Hub-Signature-256, an HMAC-SHA256 of the body. GitHub signs
// neither a time nor the id of the delivery. So a hash of the body is the id, and a delivery that somebody sends again
// later is answered as the first one, as long as WebhookConfig.Keep remembers it.
//
// See https://docs.github.com/webhooks, "Validating webhook deliveries".
func GitHub() Scheme { return github{} }

type github struct{}

func (github) Key(secret string) ([]byte, error) { return plainKey(secret) }

func (github) Verify(r *http.Request, body []byte, keys [][]byte) (Proof, error) {
	value, err := oneHeader(r, "X-Hub-Signature-256")
	if err != nil {
		return Proof{}, err
	}
	encoded, ok := strings.CutPrefix(value, "sha256=")
	mac, err := hex.DecodeString(encoded)
	if !ok || err != nil {
		return Proof{}, errSignature
	}
	return Proof{}, checkMACs([]string{string(body)}, [][]byte{mac}, keys)
}

// StandardWebhooks returns the scheme of the Standard Webhooks specification 1.0.0, with symmetric keys: the headers
// webhook-id, webhook-timestamp and webhook-signature. A secret is "whsec_" and base64 of 24 to 64 bytes.
//
// See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
func StandardWebhooks() Scheme { return standard{} }

type standard struct{}

func (standard) Key(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New(`the secret must be "whsec_" and base64 of 24 to 64 bytes`)
	}
	return key, nil
}

func (standard) Verify(r *http.Request, body []byte, keys [][]byte) (Proof, error) {
	id, err1 := oneHeader(r, "Webhook-Id")
	at, err2 := oneHeader(r, "Webhook-Timestamp")
	value, err3 := oneHeader(r, "Webhook-Signature")
	if err := errors.Join(err1, err2, err3); err != nil {
		return Proof{}, errSignature
	}
	// A dot in the id could move text between the id and the body without another signature.
	if strings.Contains(id, ".") || !text.Visible(id) {
		return Proof{}, errSignature
	}
	sent, err := unixSeconds(at)
	if err != nil {
		return Proof{}, err
	}
	var given [][]byte
	for part := range strings.SplitSeq(value, " ") {
		version, encoded, _ := strings.Cut(part, ",")
		if version != "v1" { // v1a is the asymmetric one
			continue
		}
		if mac, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			given = append(given, mac)
		}
	}
	return Proof{ID: id, Time: sent}, checkMACs([]string{id, ".", at, ".", string(body)}, given, keys)
}

// Token returns the scheme for senders that sign nothing, such as Gumroad: a secret in the URL to which they post.
// from reads it from the request:
//
//	mux.Handle("POST /hooks/gumroad/{token}", hook)
//	provision.Token(func(r *http.Request) string { return r.PathValue("token") })
//
// A URL is written to logs, and a reader of a log could invent events. So Webhook wants WebhookConfig.Confirm with this
// scheme, which asks the sender whether the event is true.
func Token(from func(r *http.Request) string) Scheme { return token{from} }

type token struct{ from func(r *http.Request) string }

func (token) Key(secret string) ([]byte, error) { return plainKey(secret) }

func (t token) Verify(r *http.Request, _ []byte, keys [][]byte) (Proof, error) {
	// Hashes have the same length, so that the comparison does not show the length of the secret.
	given := sha256.Sum256([]byte(t.from(r)))
	ok := false
	for _, key := range keys {
		want := sha256.Sum256(key)
		ok = hmac.Equal(want[:], given[:]) || ok
	}
	if !ok {
		return Proof{}, errSignature
	}
	return Proof{}, nil
}

// checkMACs returns an error unless one of the given MACs is HMAC-SHA256 of the parts under one of the keys. It
// compares each with each, so that its time does not show which one was right.
func checkMACs(parts []string, given, keys [][]byte) error {
	if len(given) > maxSignatures {
		return errSignature
	}
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		for _, p := range parts {
			mac.Write([]byte(p))
		}
		want := mac.Sum(nil)
		for _, g := range given {
			ok = hmac.Equal(want, g) || ok
		}
	}
	if !ok {
		return errSignature
	}
	return nil
}

// oneHeader returns the value of a header that must be there once.
func oneHeader(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxHeader {
		return "", errSignature
	}
	return values[0], nil
}

func unixSeconds(s string) (time.Time, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || len(s) > 11 || s[0] == '0' {
		return time.Time{}, errSignature
	}
	return time.Unix(int64(n), 0), nil
}

func plainKey(secret string) ([]byte, error) {
	if len(secret) < minSecret || len(secret) > 512 || !text.Printable(secret) {
		return nil, fmt.Errorf("the secret must have %d to 512 characters of ASCII: make a random one", minSecret)
	}
	return []byte(secret), nil
}
