package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrFlat is the error for a body that is not one flat JSON object.
var ErrFlat = errors.New("the body is not one JSON object whose members are texts, numbers or booleans")

// ParseJSON reads a JSON object as if it were a form. Members are texts, numbers (read as they are written) or
// booleans. The rules of Parse hold for names and values. Two members that differ only in the case of letters are one
// member given twice, because other programs read them so.
func ParseJSON(body []byte, others url.Values) (url.Values, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrFlat
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, ErrFlat
	}
	values, folded := url.Values{}, map[string]bool{}
	for d.More() {
		if len(values)+len(others) == MaxFields {
			return nil, ErrTooMany
		}
		token, err := d.Token()
		if err != nil {
			return nil, ErrFlat
		}
		name, _ := token.(string)
		if token, err = d.Token(); err != nil {
			return nil, ErrFlat
		}
		value, err := flat(token)
		if err != nil {
			return nil, err
		}
		if fold := strings.ToLower(strings.ToUpper(name)); folded[fold] || others.Has(name) {
			return nil, ErrTwice
		} else {
			folded[fold] = true
		}
		if !isJSONText(name) || !isJSONText(value) {
			return nil, ErrText
		}
		values[name] = []string{value}
	}
	return values, nil
}

func flat(token json.Token) (string, error) {
	switch v := token.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", ErrFlat
}

// isJSONText is isText for a decoded text, in which half a surrogate pair has become a replacement character.
func isJSONText(s string) bool { return isText(s) && !strings.ContainsRune(s, utf8.RuneError) }

// ReadJSON is Read for a JSON body.
func ReadJSON(w http.ResponseWriter, r *http.Request, others url.Values) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		return nil, err
	}
	return ParseJSON(body, others)
}
