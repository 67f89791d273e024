package cdkgo_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsappsync"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/posternauth/postern/infra/cdk-go/posterncdk"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// set is one set of props of testdata/sets.json. testdata/sets.js reads the same file.
type set struct {
	Auth    posterncdk.AuthProps
	With    []string           // props that are constructs or constants
	Seconds map[string]float64 // props that are durations
	Attach  []struct {
		API   string
		Props posterncdk.AttachProps
	}
}

func (s set) has(name string) bool { return slices.Contains(s.With, name) }

func (s set) duration(name string) awscdk.Duration {
	if n, ok := s.Seconds[name]; ok {
		return awscdk.Duration_Seconds(&n)
	}
	return nil
}

func readSets(t *testing.T) map[string]set {
	t.Helper()
	data, err := os.ReadFile("testdata/sets.json")
	if err != nil {
		t.Fatal(err)
	}
	var sets map[string]set
	if err := json.Unmarshal(data, &sets); err != nil {
		t.Fatal(err)
	}
	return sets
}

// world is the application of a set: an Auth in one stack, and APIs in another.
type world struct {
	app         awscdk.App
	stack, apis awscdk.Stack
	code        string
	auth        posterncdk.Auth
	handler     awslambda.Function
}

// newCode returns the path of a folder with a program.
func newCode(t *testing.T) string {
	t.Helper()
	code := t.TempDir()
	if err := os.WriteFile(filepath.Join(code, "bootstrap"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return code
}

func newWorld(t *testing.T, s set, code string) *world {
	t.Helper()
	env := &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("123456789012"), Region: jsii.String("eu-west-1")}}
	w := &world{app: awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())}), code: code}
	w.stack = awscdk.NewStack(w.app, jsii.String("Auth"), env)
	w.apis = awscdk.NewStack(w.app, jsii.String("Apis"), env)
	props := s.Auth
	props.App, props.Stage, props.Audience = or(props.App, "shop"), or(props.Stage, "prod"), or(props.Audience, "api")
	props.AuthFunction, props.Authorizer = w.asset(), w.asset()
	if props.Origins == nil {
		props.Origins = jsii.Strings("https://app.example.com", "https://admin.example.com")
	}
	props.Mail = &posterncdk.MailProps{From: jsii.String("sign-in@example.com"), Identity: jsii.String("example.com")}
	props.AccessLifetime, props.RotateAfter = s.duration("accessLifetime"), s.duration("rotateAfter")
	w.make(s, &props)
	w.auth = posterncdk.NewAuth(w.stack, jsii.String("auth"), &props)
	w.handler = w.function(w.apis, "Handler", "api")
	for _, a := range s.Attach {
		a.Props.Ttl = s.duration("ttl")
		w.auth.Attach(w.api(t, a.API), &a.Props)
	}
	if s.has("grants") {
		w.auth.GrantVerify(w.handler)
		w.auth.GrantIssue(w.function(w.stack, "Issue", "issue"))
	}
	return w
}

// make makes the constructs that a set has among its props, in the order of testdata/sets.js.
func (w *world) make(s set, props *posterncdk.AuthProps) {
	if s.has("alarms") {
		props.Alarms = awssns.NewTopic(w.stack, jsii.String("Topic"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	}
	if s.has("table") {
		props.Table = awsdynamodb.TableV2_FromTableName(w.stack, jsii.String("Table"), jsii.String("sessions"))
	}
	if s.has("sealKey") {
		props.SealKey = awskms.NewKey(w.stack, jsii.String("Key"), nil)
	}
	if s.has("logRetention") {
		props.LogRetention = awslogs.RetentionDays_ONE_YEAR
	}
	if props.Issuer == nil {
		props.Issuer = &posterncdk.IssuerProps{DomainName: jsii.String("auth.example.com")}
		props.Issuer.HostedZone = awsroute53.HostedZone_FromHostedZoneAttributes(w.stack, jsii.String("Zone"), &awsroute53.HostedZoneAttributes{
			HostedZoneId: jsii.String("Z0123456789ABCDEFGHIJ"), ZoneName: jsii.String("example.com"),
		})
	}
	if s.has("certificate") {
		props.Issuer.Certificate = awscertificatemanager.Certificate_FromCertificateArn(w.stack, jsii.String("Certificate"),
			jsii.String("arn:aws:acm:eu-west-1:123456789012:certificate/1"))
	}
}

func (w *world) asset() awslambda.Code { return awslambda.Code_FromAsset(&w.code, nil) }

func (w *world) function(stack awscdk.Stack, id, handler string) awslambda.Function {
	return awslambda.NewFunction(stack, &id, &awslambda.FunctionProps{Runtime: awslambda.Runtime_PROVIDED_AL2023(), Handler: &handler, Code: w.asset()})
}

// api makes an API of a type, with one route.
func (w *world) api(t *testing.T, kind string) any {
	t.Helper()
	switch kind {
	case "http":
		a := awsapigatewayv2.NewHttpApi(w.apis, jsii.String("Http"), nil)
		a.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
			Path: jsii.String("/orders/{id}"), Methods: &[]awsapigatewayv2.HttpMethod{awsapigatewayv2.HttpMethod_GET},
			Integration: awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Orders"), w.handler, nil),
		})
		return a
	case "rest":
		a := awsapigateway.NewRestApi(w.apis, jsii.String("Rest"), &awsapigateway.RestApiProps{CloudWatchRole: jsii.Bool(false)})
		a.Root().AddMethod(jsii.String("GET"), awsapigateway.NewLambdaIntegration(w.handler, nil), nil)
		return a
	case "socket":
		a := awsapigatewayv2.NewWebSocketApi(w.apis, jsii.String("Socket"), nil)
		a.AddRoute(jsii.String("$connect"), &awsapigatewayv2.WebSocketRouteOptions{
			Integration: awsapigatewayv2integrations.NewWebSocketMockIntegration(jsii.String("Connect"), nil),
		})
		return a
	case "graph":
		return awsappsync.NewGraphqlApi(w.apis, jsii.String("Graph"), &awsappsync.GraphqlApiProps{
			Name: jsii.String("graph"), Definition: awsappsync.Definition_FromFile(jsii.String("testdata/schema.graphql")),
		})
	}
	t.Fatalf("no API of type %q", kind)
	return nil
}

func or(value *string, fallback string) *string {
	if value == nil {
		return &fallback
	}
	return value
}
