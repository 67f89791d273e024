package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// A defect is a request that an adapter people use was seen to get wrong. Gateway and client are simulated: what
// counts is what the handler sees and what the client gets.
type defect struct {
	name    string
	kinds   []lambdatest.APIType
	config  lambdatest.Config // Kind and Routes are filled in
	target  string            // "/" if empty
	header  []string          // "Name: value"
	handler http.HandlerFunc  // answers 200 and "ok" if nil
	right   func(sight) bool
}

// sight is what there was to see.
type sight struct {
	request *http.Request // of the handler, as right needs it
	status  int           // of the client
	header  http.Header
	body    string
}

var (
	everyKind = adapterKinds
	ofHTTP2   = []lambdatest.APIType{lambdatest.HTTPAPI}
	ofURL     = []lambdatest.APIType{lambdatest.FunctionURL}
	ofALB     = []lambdatest.APIType{lambdatest.ALB, lambdatest.ALBMultiValue}
)

// unserved is the worst of them, and rules out the others.
var unserved = defect{name: "an event is not served at all", kinds: everyKind,
	right: func(s sight) bool { return s.status == 200 && s.body == "ok" }}

var defects = []defect{
	unserved,
	{name: "a later WriteHeader changes the status", kinds: everyKind,
		handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); w.WriteHeader(200) },
		right:   func(s sight) bool { return s.status == 401 }},
	{name: "a handler that writes nothing is an error", kinds: everyKind,
		handler: func(http.ResponseWriter, *http.Request) {},
		right:   func(s sight) bool { return s.status == 200 && s.body == "" }},
	{name: "a panic ends the process", kinds: everyKind,
		handler: func(http.ResponseWriter, *http.Request) { panic("boom") },
		right:   func(s sight) bool { return s.status == 500 }},
	{name: "a percent sign in a path is an error", kinds: ofHTTP2, target: "/a%2525b",
		right: func(s sight) bool { return s.status == 200 && s.request.URL.Path == "/a%b" }},
	{name: "a question mark in a path adds a query", kinds: ofHTTP2, target: "/a%253Fadmin=1",
		right: func(s sight) bool {
			return s.status == 200 && s.request.URL.Path == "/a?admin=1" && !s.request.URL.Query().Has("admin")
		}},
	{name: "a hash in a path cuts path and query", kinds: ofHTTP2, target: "/a%23b?c=1",
		right: func(s sight) bool {
			return s.status == 200 && s.request.URL.Path == "/a#b" && s.request.URL.RawQuery == "c=1"
		}},
	{name: "an encoded slash is lost", kinds: ofURL, target: "/a%2Fb",
		right: func(s sight) bool { return s.status == 200 && s.request.URL.EscapedPath() == "/a%2Fb" }},
	{name: "the stage stays in the path", kinds: ofHTTP2, config: lambdatest.Config{Stage: "dev"}, target: "/dev/a",
		right: func(s sight) bool { return s.status == 200 && s.request.URL.Path == "/a" }},
	{name: "cookies are lost or doubled", kinds: everyKind, header: []string{"Cookie: a=1; b=2"},
		right: func(s sight) bool {
			return s.status == 200 && slices.Equal(s.request.Header["Cookie"], []string{"a=1; b=2"})
		}},
	{name: "of two Set-Cookie one is lost", kinds: everyKind,
		handler: func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			w.WriteHeader(http.StatusOK)
		},
		right: func(s sight) bool {
			return s.status == 200 && len((&http.Response{Header: s.header}).Cookies()) == 2
		}},
	{name: "the client chooses its address", kinds: ofALB, header: []string{"X-Forwarded-For: 198.51.100.66"},
		right: func(s sight) bool {
			host, _, err := net.SplitHostPort(s.request.RemoteAddr)
			return s.status == 200 && err == nil && host == "192.0.2.1" // that of httptest
		}},
	{name: "the address has no port", kinds: everyKind,
		right: func(s sight) bool {
			_, _, err := net.SplitHostPort(s.request.RemoteAddr)
			return s.status == 200 && err == nil
		}},
	{name: "the host is empty", kinds: everyKind,
		right: func(s sight) bool { return s.status == 200 && s.request.Host == "example.com" }},
	{name: "a query is encoded twice", kinds: everyKind, target: "/?to=https%3A%2F%2Fa.example%2Fb",
		right: func(s sight) bool { return s.status == 200 && s.request.URL.Query().Get("to") == "https://a.example/b" }},
	{name: "a compressed body is corrupted", kinds: everyKind, config: lambdatest.Config{BinaryMediaTypes: []string{"*/*"}},
		handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/plain")
			zip := gzip.NewWriter(w)
			_, _ = io.WriteString(zip, "hello")
			_ = zip.Close()
		},
		right: func(s sight) bool {
			zip, err := gzip.NewReader(strings.NewReader(s.body))
			if err != nil {
				return false
			}
			plain, err := io.ReadAll(zip)
			return err == nil && string(plain) == "hello"
		}},
}

// look sends the request of a defect through gateway and adapter.
func (d defect) look(kind lambdatest.APIType, a adapter) (s sight, err error) {
	handler := d.handler
	if handler == nil {
		handler = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	}
	f, err := a.of(kind, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.request = r.Clone(context.Background())
		handler(w, r)
	}))
	if err != nil {
		return s, err
	}
	// Func makes a function error of a panic, as Lambda does when it ends the process.
	f = lambdatest.Func(f.Invoke)
	c := d.config
	c.Type = kind
	c.Routes = []lambdatest.Route{{Path: "$default", Function: f}}
	if kind == lambdatest.REST {
		c.Domain = "example.com" // no stage in the path
		c.Routes = []lambdatest.Route{{Path: "/", Function: f}, {Path: "/{proxy+}", Function: f}}
	} else {
		c.BinaryMediaTypes = nil
	}
	g, err := lambdatest.New(c)
	if err != nil {
		return s, err
	}
	r := httptest.NewRequest("GET", "/", nil)
	if d.target != "" {
		r = httptest.NewRequest("GET", d.target, nil)
	}
	for _, h := range d.header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	s.status, s.header, s.body = w.Code, w.Header(), w.Body.String()
	return s, nil
}

// wrongOn are the kinds on which an adapter has a defect, of those that were looked at.
func (d defect) wrongOn(a adapter) (kinds []lambdatest.APIType, of int, err error) {
	for _, kind := range d.kinds {
		s, err := unserved.look(kind, a)
		if err != nil {
			return nil, 0, err
		}
		served := unserved.right(s)
		if served {
			if s, err = d.look(kind, a); err != nil {
				return nil, 0, err
			}
		}
		if served || d.name == unserved.name {
			of++
		}
		if served && (s.request == nil || !d.right(s)) || !served && d.name == unserved.name {
			kinds = append(kinds, kind)
		}
	}
	return kinds, of, nil
}

// printDefects prints which adapter has which defect.
func printDefects(out io.Writer) error {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil { // api-proxy prints to standard output
		defer func(old *os.File) { os.Stdout = old; null.Close() }(os.Stdout)
		os.Stdout = null
	}
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprint(t, "defect")
	for _, a := range adapters {
		fmt.Fprintf(t, "\t%s", a.name)
	}
	fmt.Fprintln(t)
	for _, d := range defects {
		fmt.Fprint(t, d.name)
		for _, a := range adapters {
			wrong, of, err := d.wrongOn(a)
			switch {
			case err != nil:
				return err
			case len(wrong) == 0:
				fmt.Fprint(t, "\tno")
			case len(wrong) == of:
				fmt.Fprint(t, "\tyes")
			default:
				fmt.Fprintf(t, "\ton %s", strings.Trim(strings.ReplaceAll(fmt.Sprintf("%q", wrong), `" "`, ", "), `[]"`))
			}
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := b.WriteTo(out)
	return err
}
