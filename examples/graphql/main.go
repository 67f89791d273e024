// Command graphql serves a GraphQL schema whose resolvers know who is asking.
//
//	go run -C examples/graphql .
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/graphql-go/graphql"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// User is what a session of this program knows about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	handler, err := newHandler("http://localhost:8080", func(_ context.Context, m postern.Mail) error {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sign in at http://localhost:8080/auth/link/authorize")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

func newHandler(origin string, send func(context.Context, postern.Mail) error) (http.Handler, error) {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "graphql", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		return nil, err
	}
	user := session.NewKind[User](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/graphql?query=%7Bme%7Bemail%7D%7D"},
		Mail:      send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email()
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			return user.Cookie(w, r, session.Grant[User]{Subject: in.Identity.Key(), Properties: User{Email: email}, Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		return nil, err
	}
	schema, err := newSchema(user)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	// Optional, because a query may ask for public fields as well: the resolvers decide.
	mux.Handle("GET /graphql", user.Optional(query(schema)))
	mux.Handle("POST /graphql", user.Optional(query(schema)))
	return mux, nil
}

var errSignIn = errors.New("sign in first")

// newSchema is
//
//	type Query {
//		me: User          # null for the public
//		orders: [String!] # an error for the public
//	}
func newSchema(user *session.Kind[User]) (graphql.Schema, error) {
	userType := graphql.NewObject(graphql.ObjectConfig{Name: "User", Fields: graphql.Fields{
		"id":    {Type: graphql.NewNonNull(graphql.String), Resolve: field(func(s *session.Session[User]) any { return s.Subject })},
		"email": {Type: graphql.NewNonNull(graphql.String), Resolve: field(func(s *session.Session[User]) any { return s.Properties.Email })},
	}})
	return graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
		"me": {Type: userType, Resolve: func(p graphql.ResolveParams) (any, error) {
			if s, ok := user.From(p.Context); ok { // *session.Session[User], as in any handler
				return s, nil
			}
			return nil, nil
		}},
		"orders": {Type: graphql.NewList(graphql.NewNonNull(graphql.String)), Resolve: func(p graphql.ResolveParams) (any, error) {
			s, ok := user.From(p.Context)
			if !ok {
				return nil, errSignIn
			}
			return []string{"a book for " + s.Properties.Email}, nil
		}},
	}})})
}

func field(of func(*session.Session[User]) any) graphql.FieldResolveFn {
	return func(p graphql.ResolveParams) (any, error) { return of(p.Source.(*session.Session[User])), nil }
}

// query answers GET with a query in the URL and POST with one in JSON.
func query(schema graphql.Schema) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Query     string         `json:"query"`
			Variables map[string]any `json:"variables"`
		}
		q.Query = r.URL.Query().Get("query")
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&q); err != nil {
				http.Error(w, "send a query as JSON", http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		// The context of the request carries the session to the resolvers.
		_ = json.NewEncoder(w).Encode(graphql.Do(graphql.Params{
			Schema: schema, RequestString: q.Query, VariableValues: q.Variables, Context: r.Context(),
		}))
	})
}
