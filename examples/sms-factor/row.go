package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// codeLife is how long a code works.
const codeLife = 5 * time.Minute

// A phoneRow is the number of a user. It is in the part of the user, under "factor:": so Postern writes it together
// with the count of factors, and removes it with the user.
type phoneRow struct {
	Sealed []byte // the number
	Since  time.Time
}

// A codeRow is a code that was sent, without the code.
type codeRow struct {
	MAC    []byte
	Sealed []byte // the number to which it was sent
}

func (h *factor) phone(ctx context.Context, userID string) (row phoneRow, item store.Item, err error) {
	item, err = h.load(ctx, store.Key{Part: h.flow.Part(userID), ID: "factor:" + h.name}, &row)
	return row, item, err
}

// code returns the code for a place: the state of a waiting sign-in, or enrollPlace. A reader of the store learns no
// state.
func (h *factor) code(ctx context.Context, userID, place string) (row codeRow, item store.Item, err error) {
	sum := sha256.Sum256([]byte(place))
	item, err = h.load(ctx, store.Key{Part: h.flow.Part(userID), ID: "factor:" + h.name + ":" + hex.EncodeToString(sum[:])}, &row)
	return row, item, err
}

// load reads a row. An item without a version is one that does not exist, or that has expired.
func (h *factor) load(ctx context.Context, key store.Key, row any) (store.Item, error) {
	items, err := h.flow.Store().Get(ctx, key)
	switch {
	case err != nil:
		return store.Item{}, unavailable(err)
	case len(items) == 0:
		return store.Item{Key: key}, nil
	}
	if err := json.Unmarshal(items[0].Value, row); err != nil {
		return store.Item{}, unavailable(err)
	}
	return items[0], nil
}

// unavailable is the refusal for what is not the person's mistake.
func unavailable(err error) *postern.Error {
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "This is not possible at this moment. Please try again shortly."}
}

// number returns the proved number of a user.
func (h *factor) number(ctx context.Context, userID string) (string, error) {
	row, _, err := h.phone(ctx, userID)
	switch {
	case err != nil:
		return "", err
	case row.Sealed == nil:
		return "", errNone
	}
	return h.open(userID, row.Sealed)
}

// underway reports whether a code was sent that still works.
func (h *factor) underway(ctx context.Context, userID, place string) (bool, error) {
	_, item, err := h.code(ctx, userID, place)
	return item.Version != "", err
}

// send sends a new code, which replaces the one before. It is counted first: for the user, and for the number, which
// others can type too.
func (h *factor) send(ctx context.Context, userID, place, number string) error {
	if err := h.flow.LimitUser(ctx, "sms messages", userID, time.Hour, 5); err != nil {
		return err
	}
	if err := h.flow.Limit(ctx, "number", number, 24*time.Hour, 10); err != nil {
		return err
	}
	_, item, err := h.code(ctx, userID, place)
	if err != nil {
		return err
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%06d", n)
	sealed, err := h.seal(userID, number)
	if err != nil {
		return err
	}
	if item.Value, err = json.Marshal(codeRow{h.mac(userID, place, number, code), sealed}); err != nil {
		return err
	}
	item.Expires = h.flow.Sessions().Now().Add(codeLife)
	put := store.Put(item)
	switch err := h.flow.Store().Write(ctx, put); {
	case errors.Is(err, store.ErrConflict):
		return nil // another request has just sent one
	case err != nil:
		return unavailable(err)
	}
	if err := h.Sender.Send(ctx, number, h.text(code)); err != nil {
		// Without its row, the next request sends another one.
		_ = h.flow.Store().Write(ctx, store.Delete(item.Key, put.Item.Version))
		return unavailable(fmt.Errorf("sms: sending: %w", err))
	}
	return nil
}

// text is the message. By the last line, browsers fill the code in on pages of this site alone (origin-bound one-time
// codes, WICG).
func (h *factor) text(code string) string {
	host := ""
	if u, err := url.Parse(h.flow.URL("")); err == nil {
		host = u.Hostname()
	}
	return fmt.Sprintf("%s is your code for %s. It works for five minutes. We never ask you for it by phone or mail.\n\n@%s #%s", code, h.flow.AppName(), host, code)
}

// compare compares a typed code. It returns the number to which the code was sent, and the change that makes it work no
// more. With errCode the number is empty if there is no code.
func (h *factor) compare(ctx context.Context, userID, place, typed string) (number string, used store.Change, err error) {
	row, item, err := h.code(ctx, userID, place)
	if err == nil && item.Version == "" {
		err = errCode
	}
	if err == nil {
		number, err = h.open(userID, row.Sealed)
	}
	if err != nil {
		return "", used, err
	}
	code := strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(typed)
	if !hmac.Equal(row.MAC, h.mac(userID, place, number, code)) {
		return number, used, errCode
	}
	return number, store.Delete(item.Key, item.Version), nil
}

// mac is what is kept of a code. Each part is written with its length, so that no two lists of parts are alike.
func (h *factor) mac(parts ...string) []byte {
	m := hmac.New(sha256.New, h.Secret.Derive("sms code"))
	for _, p := range append([]string{h.flow.Pool()}, parts...) {
		fmt.Fprintf(m, "%d:%s,", len(p), p)
	}
	return m.Sum(nil)
}

// seal encrypts a number for its user (AES-256-GCM with a random nonce).
func (h *factor) seal(userID, number string) ([]byte, error) {
	gcm, err := h.gcm()
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nil, []byte(number), []byte(h.flow.Part(userID))), nil
}

func (h *factor) open(userID string, sealed []byte) (string, error) {
	gcm, err := h.gcm()
	if err != nil {
		return "", err
	}
	number, err := gcm.Open(nil, nil, sealed, []byte(h.flow.Part(userID)))
	if err != nil {
		return "", unavailable(fmt.Errorf("sms: a number does not open: is SMS.Secret another one? %w", err))
	}
	return string(number), nil
}

func (h *factor) gcm() (cipher.AEAD, error) {
	block, err := aes.NewCipher(h.Secret.Derive("sms number"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
