// Command example is an application with sign-in, for the AWS CDK in Go: the auth server, and an HTTP API and a REST
// API that need a session. Its templates are those of infra/cdk/example.
//
//	../../build.sh && cdk deploy --all --context domain=auth.example.com --context zone=Z0123456789ABCDEFGHIJ
package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/jsii-runtime-go"

	"github.com/posternauth/postern/infra/cdk-go/posterncdk"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	build(app, settings{
		dist:    cmp.Or(os.Getenv("POSTERN_DIST"), filepath.Join("..", "..", "dist")), // of infra/build.sh
		account: cmp.Or(os.Getenv("CDK_DEFAULT_ACCOUNT"), "123456789012"),
		region:  cmp.Or(os.Getenv("CDK_DEFAULT_REGION"), "eu-west-1"),
	})
	app.Synth(nil)
}

// settings are what the environment says of a deployment. The rest is in the context of the application.
type settings struct {
	dist            string // the folder with auth.zip, authorizer.zip and api.zip
	account, region string
}

func (s settings) code(name string) awslambda.Code {
	return awslambda.Code_FromAsset(jsii.String(filepath.Join(s.dist, name+".zip")), nil)
}

// build adds the stacks Auth and Apis to app, and returns them.
func build(app awscdk.App, s settings) (auth, apis awscdk.Stack) {
	props := &awscdk.StackProps{Env: &awscdk.Environment{Account: &s.account, Region: &s.region}}
	auth = awscdk.NewStack(app, jsii.String("Auth"), props)
	server := authServer(auth, s)

	apis = awscdk.NewStack(app, jsii.String("Apis"), props)
	hello := function(apis, s)
	server.GrantVerify(hello)

	http := awsapigatewayv2.NewHttpApi(apis, jsii.String("Http"), nil)
	for _, name := range []string{"me", "health"} {
		id := strings.ToUpper(name[:1]) + name[1:]
		http.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
			Path: jsii.String("/" + name), Methods: &[]awsapigatewayv2.HttpMethod{awsapigatewayv2.HttpMethod_GET},
			Integration: awsapigatewayv2integrations.NewHttpLambdaIntegration(&id, hello, nil),
		})
	}
	server.Attach(http, &posterncdk.AttachProps{Open: jsii.Strings("GET /health")})

	rest := awsapigateway.NewRestApi(apis, jsii.String("Rest"), &awsapigateway.RestApiProps{
		EndpointTypes: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL}, CloudWatchRole: jsii.Bool(false),
	})
	rest.Root().AddResource(jsii.String("me"), nil).AddMethod(jsii.String("GET"),
		awsapigateway.NewLambdaIntegration(hello, &awsapigateway.LambdaIntegrationOptions{AllowTestInvoke: jsii.Bool(false)}), nil)
	server.Attach(rest, nil)
	return auth, apis
}

// authServer is the auth server, at the host of the context domain in the zone of the context zone.
func authServer(stack awscdk.Stack, s settings) posterncdk.Auth {
	domain := setting(stack, "domain", "auth.example.com")
	_, site, _ := strings.Cut(domain, ".")
	props := &posterncdk.AuthProps{
		App:          jsii.String("example"),
		Stage:        jsii.String(setting(stack, "stage", "prod")),
		AuthFunction: s.code("auth"),
		Authorizer:   s.code("authorizer"),
		Issuer: &posterncdk.IssuerProps{
			DomainName: &domain,
			HostedZone: awsroute53.HostedZone_FromHostedZoneAttributes(stack, jsii.String("Zone"), &awsroute53.HostedZoneAttributes{
				HostedZoneId: jsii.String(setting(stack, "zone", "Z0123456789ABCDEFGHIJ")), ZoneName: &site,
			}),
		},
		Audience: jsii.String("api"),
		Origins:  jsii.Strings("https://app." + site),
		Keys:     posterncdk.KeyStore(strings.ToUpper(setting(stack, "keys", "ssm"))),
		Mail:     &posterncdk.MailProps{From: jsii.String("sign-in@" + site), Identity: &site},
	}
	if seal := setting(stack, "seal", ""); seal != "" {
		props.SealSecret = &seal
	}
	return posterncdk.NewAuth(stack, jsii.String("auth"), props)
}

// setting returns a value of the context, which --context and cdk.json set.
func setting(stack awscdk.Stack, name, fallback string) string {
	if value, ok := stack.Node().TryGetContext(&name).(string); ok {
		return value
	}
	return fallback
}

// function answers with the session of the caller. Its role may write its log alone.
func function(stack awscdk.Stack, s settings) awslambda.Function {
	log := awslogs.NewLogGroup(stack, jsii.String("ApiLog"), &awslogs.LogGroupProps{Retention: awslogs.RetentionDays_THREE_MONTHS})
	role := awsiam.NewRole(stack, jsii.String("ApiRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("Log"), Actions: jsii.Strings("logs:CreateLogStream", "logs:PutLogEvents"), Resources: &[]*string{log.LogGroupArn()},
	}))
	return awslambda.NewFunction(stack, jsii.String("Api"), &awslambda.FunctionProps{
		Runtime:               awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:          awslambda.Architecture_ARM_64(),
		Code:                  s.code("api"),
		Handler:               jsii.String("api"),
		Description:           jsii.String("Answers with the session of the caller"),
		MemorySize:            jsii.Number(128),
		Timeout:               awscdk.Duration_Seconds(jsii.Number(5)),
		Role:                  role,
		LogGroup:              log,
		LoggingFormat:         awslambda.LoggingFormat_JSON,
		ApplicationLogLevelV2: awslambda.ApplicationLogLevel_INFO,
		SystemLogLevelV2:      awslambda.SystemLogLevel_WARN,
	})
}
