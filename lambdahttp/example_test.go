package lambdahttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"

	"github.com/posternauth/postern/lambdahttp"
)

// The whole of a function: the same handler serves with http.ListenAndServe elsewhere.
func ExampleStart() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello,", r.PathValue("name"))
	})
	lambdahttp.Start(mux)
}

// A test of a handler as Lambda would call it: an event in, an answer out.
func ExampleFunction_Invoke() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		fmt.Fprintf(w, "Hello, %s from %s", r.PathValue("name"), r.RemoteAddr)
	})
	f, err := lambdahttp.New(mux, lambdahttp.Config{})
	if err != nil {
		log.Panic(err)
	}
	answer, err := f.Invoke(context.Background(), []byte(`{
		"version": "2.0", "rawPath": "/dev/hello/Ada",
		"headers": {"host": "id.execute-api.eu-west-1.amazonaws.com"},
		"requestContext": {
			"apiId": "id", "domainPrefix": "id", "stage": "dev",
			"http": {"method": "GET", "sourceIp": "203.0.113.9"}
		}
	}`))
	if err != nil {
		log.Panic(err)
	}
	var sent struct {
		StatusCode int
		Cookies    []string
		Body       string
	}
	if err := json.Unmarshal(answer, &sent); err != nil {
		log.Panic(err)
	}
	fmt.Println(sent.StatusCode, sent.Cookies, sent.Body)
	// Output: 200 [seen=1] Hello, Ada from 203.0.113.9:0
}

// One function for requests and for a queue.
func ExampleConfig_fallback() {
	f, err := lambdahttp.New(http.NotFoundHandler(), lambdahttp.Config{
		Logger: slog.Default(),
		Fallback: func(ctx context.Context, event []byte) ([]byte, error) {
			fmt.Printf("queue: %s\n", event) // or lambda.NewHandler of aws-lambda-go, with a typed function
			return []byte("null"), nil
		},
	})
	if err != nil {
		log.Panic(err)
	}
	if _, err := f.Invoke(context.Background(), []byte(`{"Records":[]}`)); err != nil { // f.Start() on Lambda
		log.Panic(err)
	}
	// Output:
	// queue: {"Records":[]}
}

// What an authorizer in front of the function found out about the caller.
func ExampleFrom() {
	f, err := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, ok := lambdahttp.From(r.Context())
		if !ok {
			http.Error(w, "not on Lambda", http.StatusNotImplemented)
			return
		}
		fmt.Println(event.Format, event.Stage, event.SourceIP)
		fmt.Println(event.AuthorizerContext().Claims["sub"])
	}), lambdahttp.Config{})
	if err != nil {
		log.Panic(err)
	}
	_, err = f.Invoke(context.Background(), []byte(`{
		"version": "2.0", "rawPath": "/",
		"requestContext": {
			"stage": "$default", "http": {"method": "GET", "sourceIp": "203.0.113.9"},
			"authorizer": {"jwt": {"claims": {"sub": "u1"}, "scopes": null}}
		}
	}`))
	if err != nil {
		log.Panic(err)
	}
	// Output:
	// http-2.0 $default 203.0.113.9
	// u1
}
