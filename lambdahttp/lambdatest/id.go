package lambdatest

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

const (
	defaultRegion  = "us-east-1"
	defaultAccount = "123456789012"
)

// newID returns a random identifier in the form of a UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTrace returns a value of X-Amzn-Trace-Id. It takes the time of the machine, as the tracer does.
func newTrace() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("Root=1-%08x-%s", uint32(time.Now().Unix()), hex.EncodeToString(b[:]))
}

// shortID returns n stable letters for a name, as API Gateway's identifiers look.
func shortID(name string, n int) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(name)) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:n]
}
