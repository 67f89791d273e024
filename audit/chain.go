package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
)

// A line of a file is one JSON object:
//
//	{"seq":7,"prev":"<hash of line 6>","event":"sign-in","time":"…",…,"hash":"<hash of this line>"}
//
// hash is the SHA-256, or with a key the HMAC-SHA256 (RFC 2104), of the bytes of the line before `,"hash":`. So each
// hash covers all lines before it.
const (
	hashSize   = 2 * sha256.Size                // in hex
	hashMember = `,"hash":"`                    // before the hash
	tailSize   = len(hashMember) + hashSize + 2 // and `"}`
	minKey     = 32
	maxLine    = 128 << 10 // more than the largest line: 11 fields of maxField, each byte escaped
)

// A Head is the end of a chain.
type Head struct {
	Seq  uint64 // number of the last record; the first is 1
	Hash string // of the last record, in hex; empty before the first
}

// ParseKey returns the key that s has in hex: at least 32 bytes. White space around it is ignored, so that s can be the
// text of a file. openssl rand -hex 32 makes such a text.
func ParseKey(s string) ([]byte, error) {
	key, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(key) < minKey { // err would contain a part of the key
		return nil, errors.New("audit: the key must be at least 64 hex digits: make one with openssl rand -hex 32")
	}
	return key, nil
}

// hasher returns the hash of the lines of a chain.
func hasher(key []byte) hash.Hash {
	if len(key) == 0 {
		return sha256.New()
	}
	return hmac.New(sha256.New, key)
}

// appendRecord appends the line after h to buf, and returns the new end. entry is a JSON object with members.
func appendRecord(buf []byte, m hash.Hash, h Head, entry []byte) ([]byte, Head) {
	h.Seq++
	start := len(buf)
	buf = append(buf, prefixOf(h.Seq, h.Hash)...)
	buf = append(buf, entry[1:len(entry)-1]...)
	h.Hash = sumOf(m, buf[start:])
	buf = append(buf, hashMember...)
	buf = append(buf, h.Hash...)
	return append(buf, "\"}\n"...), h
}

func prefixOf(seq uint64, prev string) string {
	return `{"seq":` + strconv.FormatUint(seq, 10) + `,"prev":"` + prev + `",`
}

func sumOf(m hash.Hash, body []byte) string {
	m.Reset()
	m.Write(body) // a hash returns no error
	return hex.EncodeToString(m.Sum(nil))
}

// A record is a line that was read.
type record struct {
	Seq   uint64    `json:"seq"`
	Prev  string    `json:"prev"`
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Hash  string    `json:"hash"`
}

// parseRecord reads a line without its line break and checks its hash. The error is a reason, without a place.
func parseRecord(m hash.Hash, line []byte) (record, error) {
	cut := len(line) - tailSize
	if cut < 0 || !bytes.HasPrefix(line[cut:], []byte(hashMember)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return record{}, errors.New("is not a record of an audit log")
	}
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return record{}, errors.New("is not JSON")
	}
	sum := sumOf(m, line[:cut])
	stated := line[cut+len(hashMember) : cut+len(hashMember)+hashSize]
	switch {
	case subtle.ConstantTimeCompare([]byte(sum), stated) == 0:
		return record{}, errors.New("does not have the hash of its text: it was changed, or the key is not that of the log")
	case r.Hash != sum || r.Seq == 0 || !bytes.HasPrefix(line, []byte(prefixOf(r.Seq, r.Prev))):
		return record{}, errors.New("is not in the form that Postern writes")
	}
	return r, nil
}

// follows returns an error unless r is the record after h.
func (r record) follows(h Head) error {
	switch {
	case r.Seq != h.Seq+1:
		return fmt.Errorf("has the number %d after %d: records are missing, or come twice", r.Seq, h.Seq)
	case r.Prev != h.Hash:
		return fmt.Errorf("number %d names another record before it: records were replaced", r.Seq)
	}
	return nil
}
