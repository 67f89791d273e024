package session_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/posternauth/postern/session"
)

// An interceptor of RPCs asks for a session outside of HTTP.
func ExampleInspect() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	inspector := session.Inspect(user, []session.Need{session.Scope("orders:read")}, []session.Need{session.Scope("orders:write")})

	ctx := context.Background()
	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1", Scopes: []string{"orders:read"}})
	if err != nil {
		log.Fatal(err)
	}
	v, err := inspector.Token(ctx, tokens.Access)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Session.Subject)
	fmt.Println(v.Unmet[0])
	fmt.Println(v.Unmet[1])
	_, err = inspector.Token(ctx, "a.b")
	fmt.Println(session.Reason(err))
	// Output:
	// u1
	// <nil>
	// session: a need of the route is not met: scope orders:write
	// malformed
}

// A service mesh has verified the token, and a middleware in front of this handler has its claims.
func ExampleKind_GuardVerifiedClaims() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	type verified struct{} // where the code that talks to the mesh has put the payload of the token
	guard := user.GuardVerifiedClaims(func(r *http.Request) (claims []byte, cookie bool, err error) {
		claims, ok := r.Context().Value(verified{}).([]byte)
		if !ok {
			return nil, false, session.ErrMissing
		}
		return claims, false, nil
	})
	h := guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprint(w, "hello ", s.Subject)
	}))
	mesh := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			now := sessions.Now().Unix()
			payload := fmt.Appendf(nil, `{"iss":%q,"aud":"api","sub":"u1","client_id":"web","sid":"s1","jti":"j1","type":"user","iat":%d,"exp":%d,"properties":{}}`,
				sessions.Issuer(), now, now+60)
			r = r.WithContext(context.WithValue(r.Context(), verified{}, payload))
		}
		h.ServeHTTP(w, r)
	})
	for _, path := range []string{"/known", "/unknown"} {
		answer := get(mesh, path, "")
		fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	// Output:
	// 200 hello u1
	// 401 {"error":"unauthorized","error_description":"no token in the request"}
}
