package cdkgo_test

import (
	"regexp"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/posternauth/postern/infra/cdk-go/posterncdk"
)

// TestAuth_Refuses: props that the construct refuses are a panic with its error.
func TestAuth_Refuses(t *testing.T) {
	code := newCode(t)
	for want, s := range map[string]set{
		`^Auth: origins has "\*": write each exactly as a browser sends it`: {Auth: posterncdk.AuthProps{Origins: jsii.Strings("*")}},
		`^Auth: memory is 256: .*512 MB or more`:                            {Auth: posterncdk.AuthProps{Memory: jsii.Number(256)}},
		`^Auth: app is "a/b"`:                                               {Auth: posterncdk.AuthProps{App: jsii.String("a/b")}},
		`^Auth: issuer.domainName is .* write the host alone`:               {Auth: posterncdk.AuthProps{Issuer: &posterncdk.IssuerProps{DomainName: jsii.String("https://a.example.com")}}},
		`No such enum member: 'VAULT'`:                                      {Auth: posterncdk.AuthProps{Keys: "VAULT"}},
		`^Auth: sealKey is for keys: KeyStore.KMS`:                          {With: []string{"sealKey"}},
		`^Auth: rotateAfter is 1 hours: .* give a day or more`:              {Seconds: map[string]float64{"rotateAfter": 3600}},
	} {
		t.Run(want, func(t *testing.T) { panics(t, want, func() { newWorld(t, s, code) }) })
	}
}

// TestAuth_RefusesNil: props that are nil are a panic with an error, a required property that is nil with a text.
func TestAuth_RefusesNil(t *testing.T) {
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Auth"), nil)
	panics(t, "parameter props is required", func() { posterncdk.NewAuth(stack, jsii.String("auth"), nil) })
	defer func() {
		if text, ok := recover().(string); !ok || text != "Field posterncdk.AuthProps.App is required, but has nil value" {
			t.Errorf("%q is the text of the panic", text)
		}
	}()
	posterncdk.NewAuth(stack, jsii.String("auth"), &posterncdk.AuthProps{})
}

func TestAttach_Refuses(t *testing.T) {
	w := newWorld(t, set{}, newCode(t))
	http, socket := w.api(t, "http"), w.api(t, "socket")
	for want, call := range map[string]func(){
		`ttl is 600 s: give 300 s or less`: func() {
			w.auth.Attach(http, &posterncdk.AttachProps{Ttl: awscdk.Duration_Minutes(jsii.Number(10))})
		},
		`AuthorizerType.JWT, policies and routes are for HTTP APIs`: func() {
			w.auth.Attach(socket, &posterncdk.AttachProps{Authorizer: posterncdk.AuthorizerType_JWT})
		},
		`parameter api must be one of the allowed types`: func() { w.auth.Attach(w.stack, nil) },
		`parameter api is required`:                      func() { w.auth.Attach(nil, nil) },
		`parameter fn is required`:                       func() { w.auth.GrantVerify(nil) },
	} {
		t.Run(want, func(t *testing.T) { panics(t, want, call) })
	}
}

// panics checks that a call panics with an error of a text.
func panics(t *testing.T, want string, call func()) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if err, ok := r.(error); !ok || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%T %v, want a panic with the error %q", r, r, want)
		}
	}()
	call()
}
