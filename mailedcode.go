package postern

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// A mailed code proves a mailbox in the browser that asked for it. The handler itself mails codes to verify the address
// of a sign-up, for a step-up, before a first factor, and for a new address of an account. The link beside the code
// works in that browser alone, too, so what a person types here can never end in another one: see codelink.go.
const (
	codeDigits  = 8
	codeLife    = 10 * time.Minute // NIST SP 800-63B section 3.1.3.2
	codeTries   = 5
	codePurpose = "mailed code"
)

// The limits of mailed codes. Unknown and known addresses are counted alike, before anything is looked up.
var (
	codeMails   = limit.Rule{Name: "postern mail", Every: time.Hour, Burst: 5}         // to an address
	codeClient  = limit.Rule{Name: "postern mail client", Every: time.Hour, Burst: 20} // asked for by a client
	codeGuesses = limit.Rule{Name: "postern code", Every: 24 * time.Hour, Burst: 30}   // for an address: 30 of 10^8
	codeTyped   = limit.Rule{Name: "postern code client", Every: time.Hour, Burst: 60} // typed by a client
)

// A codeRow is what the store keeps of a mailed code. Without the master secrets it opens nothing.
type codeRow struct {
	MAC   string `json:"mac,omitempty"` // empty: the mail had no code, and none is right
	Tries int    `json:"tries,omitempty"`
	Used  bool   `json:"used,omitempty"`
}

// codeKey is the place of the code of an attempt.
func (a *Auth) codeKey(t *attempt) store.Key {
	return store.Key{Part: "code:" + a.attempts.place(t.ID), ID: "code"}
}

// takeMail counts a mail to an address, before it is known whether one is sent. A user who is signed in is counted
// apart from the address, so that strangers who type it into a form do not keep its owner from a step-up.
func (a *Auth) takeMail(r *http.Request, address, userID string) error {
	buckets := limit.Client(codeClient, a.issuer, a.clients.Addr(r))
	buckets = append(buckets, limit.For(codeMails, a.codeScope(address, userID)))
	return a.take(r.Context(), buckets...)
}

// codeScope is what the limits of codes count for: a user who is signed in, or else an address.
func (a *Auth) codeScope(address, userID string) string {
	if userID != "" {
		return a.issuer + "\x00user\x00" + userID
	}
	return a.issuer + "\x00" + address
}

func (a *Auth) take(ctx context.Context, buckets ...limit.Bucket) error {
	err := limit.TakeAll(ctx, a.store, a.sessions.Now(), buckets...)
	if err == nil || errors.Is(err, limit.ErrLimited) {
		return err
	}
	return unavailable(err)
}

// newCode writes the row of a code for an attempt and an address, and returns the code. Without real it writes a row
// that no code opens, at the same cost.
func (a *Auth) newCode(ctx context.Context, t *attempt, address string, real bool) (string, error) {
	code, err := digits(a.attempts.rand, codeDigits)
	if err != nil {
		return "", err
	}
	mac, err := a.codeMAC(ctx, t, address, code)
	if err != nil {
		return "", unavailable(err)
	}
	row := codeRow{MAC: mac}
	if !real {
		row.MAC = ""
	}
	value, err := json.Marshal(row)
	if err != nil {
		return "", err
	}
	item := store.Item{Key: a.codeKey(t), Value: value, Expires: a.sessions.Now().Add(codeLife)}
	if err := a.store.Write(ctx, store.Put(item)); errors.Is(err, store.ErrConflict) {
		err = a.replaceCode(ctx, item)
		return code, err
	} else if err != nil {
		return "", unavailable(err)
	}
	return code, nil
}

// replaceCode writes the row of a code over that of an earlier mail. A code that was used stays used.
func (a *Auth) replaceCode(ctx context.Context, item store.Item) error {
	var before codeRow
	items, err := a.store.Get(ctx, item.Key)
	if err == nil && len(items) > 0 {
		item.Version = items[0].Version
		err = json.Unmarshal(items[0].Value, &before)
	}
	if err == nil && before.Used {
		return errDeadCode
	}
	if err == nil {
		err = a.store.Write(ctx, store.Put(item))
	}
	if errors.Is(err, store.ErrConflict) {
		return errAtOnce()
	} else if err != nil {
		return unavailable(err)
	}
	return nil
}

func (a *Auth) codeMAC(ctx context.Context, t *attempt, address, code string) (string, error) {
	return seal.MAC(ctx, a.sessions.Secrets(), codePurpose, a.issuer, t.Purpose, t.ID, address, code)
}

var (
	errWrongCode = badRequest("wrong_code", "That is not the code of the mail. Please check it and try again.")
	errDeadCode  = badRequest("expired_code", "This code does not work any more: it is too old, was used, or was typed wrongly too often. "+
		"Please ask for a new one.")
)

// checkCode compares a typed code, once it is counted, and uses it up. Of any number of callers with the right code one
// gets nil.
func (a *Auth) checkCode(r *http.Request, t *attempt, address, typed string) error {
	item, row, err := a.compareCode(r, t, address, typed)
	if err != nil {
		return err
	}
	row.Used = true
	if _, err := a.putCode(r.Context(), item, row); errors.Is(err, store.ErrConflict) {
		return errDeadCode // another request was faster, with this code or a wrong one
	} else if err != nil {
		return err
	}
	return nil
}

// useCode returns the change that uses up a code which was compared, for the write of what the code was asked for.
func (a *Auth) useCode(ctx context.Context, t *attempt) (store.Change, error) {
	item, row, err := a.codeRow(ctx, t)
	if err == nil && row.Used {
		err = errDeadCode
	}
	if err != nil {
		return store.Change{}, err
	}
	row.Used = true
	item.Value, err = json.Marshal(row)
	return store.Put(item), err
}

// endCode makes the code of an earlier mail dead, in whose place another one has come. Best effort: the browser cannot
// send it any more, and only a link would still show it.
func (a *Auth) endCode(ctx context.Context, t *attempt) {
	item, row, err := a.codeRow(ctx, t)
	if err == nil && !row.Used {
		row.Used = true
		_, _ = a.putCode(ctx, item, row)
	}
}

// compareCode compares a typed code, once it is counted. A code that was not used up can be compared again.
func (a *Auth) compareCode(r *http.Request, t *attempt, address, typed string) (item store.Item, row codeRow, err error) {
	ctx := r.Context()
	code := strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' || c == '\u00a0' {
			return -1
		}
		return c
	}, typed)
	if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" {
		return item, row, errWrongCode // not a guess, so it costs none
	}
	buckets := limit.Client(codeTyped, a.issuer, a.clients.Addr(r))
	if err := a.take(ctx, append(buckets, limit.For(codeGuesses, a.codeScope(address, t.Whose.User)))...); err != nil {
		return item, row, err
	}
	err = limit.Retry(ctx, codeTyped.Name, func() (bool, error) {
		var err error
		if item, row, err = a.readCode(ctx, t); err != nil {
			return false, err
		}
		row.Tries++
		item, err = a.putCode(ctx, item, row)
		if errors.Is(err, store.ErrConflict) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return item, row, err
	}
	if row.MAC == "" {
		return item, row, errWrongCode
	}
	switch err := seal.CheckMAC(ctx, a.sessions.Secrets(), codePurpose, row.MAC, a.issuer, t.Purpose, t.ID, address, code); {
	case errors.Is(err, seal.ErrOpen):
		return item, row, errWrongCode
	case err != nil:
		return item, row, unavailable(err)
	}
	return item, row, nil
}

// readCode returns the row of a code that can still be guessed at.
func (a *Auth) readCode(ctx context.Context, t *attempt) (store.Item, codeRow, error) {
	item, row, err := a.codeRow(ctx, t)
	if err == nil && (row.Used || row.Tries >= codeTries) {
		err = errDeadCode
	}
	return item, row, err
}

// codeRow returns the row of a code, whether or not it can still be guessed at.
func (a *Auth) codeRow(ctx context.Context, t *attempt) (store.Item, codeRow, error) {
	var row codeRow
	items, err := a.store.Get(ctx, a.codeKey(t))
	if err != nil {
		return store.Item{}, row, unavailable(err)
	}
	if len(items) == 0 {
		return store.Item{}, row, errDeadCode
	}
	if err := json.Unmarshal(items[0].Value, &row); err != nil {
		return store.Item{}, row, unavailable(fmt.Errorf("postern: the row of a code does not decode: %w", err))
	}
	return items[0], row, nil
}

// putCode writes the row and returns the item with its new version. The error can be store.ErrConflict.
func (a *Auth) putCode(ctx context.Context, item store.Item, row codeRow) (store.Item, error) {
	value, err := json.Marshal(row)
	if err != nil {
		return item, err
	}
	item.Value = value
	put := store.Put(item)
	switch err := a.store.Write(ctx, put); {
	case errors.Is(err, store.ErrConflict):
		return item, err
	case err != nil:
		return item, unavailable(err)
	}
	return put.Item, nil
}

// digits returns n random decimal digits.
func digits(random io.Reader, n int) (string, error) {
	top := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, err := rand.Int(random, top)
	if err != nil {
		return "", fmt.Errorf("postern: reading random bytes: %w", err)
	}
	return fmt.Sprintf("%0*d", n, v), nil
}

// signUpState is what the attempt of a sign-up, or its ticket, keeps beside its purpose.
type signUpState struct {
	Issuer  string            `json:"i"` // MailIssuer or NameIssuer
	Subject string            `json:"s"`
	Fields  map[string]string `json:"f,omitempty"`
}

func (s signUpState) identity() Identity {
	if s.Issuer == MailIssuer {
		return mailIdentity(s.Subject)
	}
	return Identity{Issuer: s.Issuer, Subject: s.Subject}
}

// sendMail sends a mail of the handler itself.
func (a *Auth) sendMail(ctx context.Context, m Mail) error {
	_, err := a.deliverMail(ctx, m)
	return err
}

// deliverMail is sendMail, and reports whether Config.Mail has taken the mail.
func (a *Auth) deliverMail(ctx context.Context, m Mail) (sent bool, err error) {
	if to, err := mailaddr.Parse(m.To); err == nil {
		m.To = to.String() // a table of the program may keep it as a person wrote it
	}
	return (&Flow{auth: a, name: "postern"}).deliver(ctx, m)
}

// partOfUser is the part of the store with the rows of a user.
func (a *Auth) partOfUser(userID string) string { return head.Part(a.session.pool, userID) }
