package session

import (
	"encoding/json"
	"strconv"

	"github.com/posternauth/postern/internal/jose"
)

// readLiveness reads the members of a row that decide whether the session lives, which is all that [CheckStore] needs,
// by the same rules as read: three times as fast.
func (r *row) readLiveness(value []byte) error {
	salted := false
	err := jose.FoldedObject(string(value), func(name, v string) (err error) {
		switch name {
		case "iss":
			r.Issuer, err = jose.String(v)
		case "kind":
			r.Kind, err = jose.String(v)
		case "sub":
			r.Subject, err = jose.String(v)
		case "created":
			r.Created, err = strconv.ParseInt(v, 10, 64)
		case "at":
			r.At, err = strconv.ParseInt(v, 10, 64)
		case "seen":
			r.Seen, err = strconv.ParseInt(v, 10, 64)
		case "absolute":
			r.Absolute, err = strconv.ParseInt(v, 10, 64)
		case "n":
			r.Number, err = strconv.ParseInt(v, 10, 64)
		case "prev":
			r.Prev, err = strconv.ParseInt(v, 10, 64)
		case "epoch":
			r.Epoch, err = strconv.ParseInt(v, 10, 64)
		case "sec":
			r.Sec, err = strconv.ParseInt(v, 10, 64)
		case "rights":
			r.Rights, err = strconv.ParseInt(v, 10, 64)
		case "act":
			err = json.Unmarshal([]byte(v), &r.Act)
		case "ended":
			r.Ended, err = jose.String(v)
		case "grant":
			if v != "null" {
				r.granted = v
			}
		case "salt":
			salted = v != `""`
		}
		return err
	})
	if err != nil {
		return err
	}
	if !salted || !r.whole() || r.Ended == "" && r.granted == "" {
		return errDamaged
	}
	return nil
}

// claims is the text of the claims of a row that readLiveness read.
func (r *row) claims() (text string, err error) {
	err = jose.FoldedObject(r.granted, func(name, v string) error {
		if name == "claims" {
			text = v
		}
		return nil
	})
	return text, err
}

// whole reports whether a row has the members that every row has, and that they fit together.
func (r *row) whole() bool {
	return r.Issuer != "" && r.Kind != "" && r.Subject != "" && r.Created > 0 && r.Absolute > 0 && r.Prev >= -1 && r.Prev < r.Number
}
