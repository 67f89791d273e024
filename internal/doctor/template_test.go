package doctor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readTemplate(t *testing.T, name, text string) *Report {
	t.Helper()
	var r Report
	Template(name, []byte(text), &r)
	r.Sort()
	return &r
}

// TestTemplates_Faults: each change of a sound template plants one fault, which is found by its id alone.
func TestTemplates_Faults(t *testing.T) {
	for _, tc := range []struct{ file, old, new, want string }{
		{"sam.yaml", "", "", ""},
		{"sam.yaml", "Headers: [Authorization]\n              Context", "Headers: [X-Api-Key]\n              Context", "authorizer-source"},
		{"sam.yaml", "Headers: [Authorization]\n              Context", "Headers: [Cookie]\n              Context", "authorizer-cookie"},
		{"sam.yaml", "Headers: [Authorization]\n              Reauth", "Headers: [X-Api-Key]\n              Reauth", "authorizer-source"},
		{"sam.yaml", "Context: [routeKey]", "QueryStrings: [x]", "authorizer-route"},
		{"sam.yaml", "Default: 60", "Default: 3600", "authorizer-ttl"},
		{"sam.yaml", "Default: 60", "Default: 0", ""},
		{"sam.yaml", `ValidationExpression: "^[Bb]earer .+$"`, "Unused: x", "authorizer-expression"},
		{"sam.yaml", "Header: Authorization", "Header: X-Token", "authorizer-source"},
		{"sam.yaml", "[route.request.header.Cookie]", "[$request.header.Authorization]", "authorizer-websocket"},
		{"sam.yaml", "      Name: ws\n", "      Name: ws\n      AuthorizerResultTtlInSeconds: 60\n", "authorizer-websocket"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, Action: 'ssm:Get*', Resource: !Sub 'arn:x:${AWS::Region}'}}]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}}]", ""},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Deny, Action: '*', Resource: '*'}}]", ""},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{SSMParameterReadPolicy: {ParameterName: app/prod/auth/keys}}]", "authorizer-keys"},
		{"sam.yaml", "Resource: !Sub arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/app/prod/auth/keys/*", "Resource: '*'", "role-wide"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[AdministratorAccess]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[!Sub 'arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess']", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "arn:aws:iam::aws:policy/SecretsManagerReadWrite", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[AmazonSSMReadOnlyAccess]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[AWSXRayDaemonWriteAccess, AmazonDynamoDBReadOnlyAccess, arn:aws:iam::aws:policy/job-function/ViewOnlyAccess]", ""},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, Action: 'ssm:GetParameterHistory', Resource: 'arn:x'}}]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, Action: ['kms:ReEncrypt*'], Resource: 'arn:x'}}]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, NotAction: 'iam:*', Resource: '*'}}]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, NotAction: ['ssm:*', 'kms:*', 'secretsmanager:*'], Resource: '*'}}]", ""},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[{Statement: {Effect: Allow, Action: 'ssm:GetParameter', NotResource: 'arn:x'}}]", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[!Ref Wide]\n  Wide: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Statement: {Effect: Allow, Action: 'kms:*', Resource: 'arn:x'}}}}", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[]\n      Role: !GetAtt Own.Arn\n  Own: {Type: AWS::IAM::Role, Properties: {ManagedPolicyArns: ['arn:aws:iam::aws:policy/PowerUserAccess']}}", "authorizer-keys"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[]\n  Other: {Type: AWS::IAM::Role, Properties: {ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']}}", "role-wide"},
		{"sam.yaml", "[AWSLambdaBasicExecutionRole]", "[]\n  Other: {Type: AWS::IAM::Role, Properties: {Policies: [{PolicyDocument: {Statement: {Effect: Allow, Action: 'ssm:Get*', NotResource: 'arn:x'}}}]}}", "role-wide"},
		{"sam.yaml", "AttributeName: expiry", "AttributeName: ttl", "table-ttl"},
		{"sam.yaml", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "table-recovery"},
		{"sam.yaml", "      DeletionProtectionEnabled: true\n", "", "table-deletion"},
		{"sam.yaml", "KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]\n      TimeToLiveSpecification: {AttributeName: expiry, Enabled: true}", "KeySchema: [{AttributeName: id, KeyType: HASH}]", ""},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "POSTERN_DEV: 1", "dev-variable"},
		{"sam.yaml", "!Sub https://${Domain}/auth", "http://localhost:8080/auth", "dev-variable"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "GITHUB_CLIENT_SECRET: 6e1b9c2f8a7d", "plain-secret"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "ANY: '{{resolve:secretsmanager:name}}'", "plain-secret"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "POSTERN_STORE: postgres://postern:correct-horse@db.internal/postern", "plain-secret"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "POSTERN_STORE: !Sub 'postgres://postern:${Password}@db.internal/postern'", ""},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "DATABASE: 'postgres://postern@db.internal/postern?sslmode=verify-full'", ""},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "DB_PASSWORD: 'correct$horse{9}'", "plain-secret"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "<<: [{A: b}, {GITHUB_CLIENT_SECRET: 6e1b9c2f8a7d}]", "plain-secret"},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "GITHUB_CLIENT_SECRET: !Ref Given", ""},
		{"sam.yaml", "POSTERN_VAULT: !Sub ssm:/app/${Stage}/auth/keys", "GITHUB_CLIENT_SECRET_NAME: GITHUB_CLIENT_SECRET", ""},
		{"sam.yaml", "LogGroupName: !Sub \"/aws/lambda/${Authorizer}\", ", "", "log-retention"},
		{"sam.yaml", "Properties: {RetentionInDays: 30}", "Properties: {}", "log-retention"},
		{"sam.yaml", "AllowOrigins: [https://app.example.com]", "AllowOrigins: ['*']", "template-cors"},
		{"sam.yaml", `"'https://app.example.com'"`, `"'*'"`, "template-cors"},
		{"sam.yaml", "CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6", "cdn-cache"},
		{"sam.yaml", "CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "ForwardedValues: {QueryString: true}", "cdn-cache"},
		{"sam.yaml", "CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "MaxTTL: 0, DefaultTTL: 0, ForwardedValues: {QueryString: true}", ""},

		{"serverless.yml", "", "", ""},
		{"serverless.yml", "[$request.header.Authorization, $context.routeKey]", "$request.header.Authorization", "authorizer-route"},
		{"serverless.yml", "[$request.header.Authorization, $context.routeKey]", "[$request.header.X, $context.routeKey]", "authorizer-source"},
		{"serverless.yml", "type: token, resultTtlInSeconds: 60", "type: request, identitySource: method.request.header.Cookie", "authorizer-cookie"},
		{"serverless.yml", "type: token, resultTtlInSeconds: 60, identityValidationExpression", "type: token, other", "authorizer-expression"},
		{"serverless.yml", "{name: verify, identitySource: [route.request.querystring.token]}", "verify", "authorizer-websocket"},
		{"serverless.yml", "  verify:\n    handler: bootstrap", "  verify:\n    handler: bootstrap\n    iamRoleStatements: [{Effect: Allow, Action: ['kms:Sign'], Resource: 'arn:aws:kms:x'}]", "authorizer-keys"},
		{"serverless.yml", "  httpApi:\n    cors", "  iam: {role: {statements: [{Effect: Allow, Action: '*', Resource: '*'}]}}\n  httpApi:\n    cors", "authorizer-keys"},
		{"serverless.yml", "  httpApi:\n    cors", "  iam: {role: {managedPolicies: ['arn:aws:iam::aws:policy/AdministratorAccess']}}\n  httpApi:\n    cors", "authorizer-keys"},
		{"serverless.yml", "  logRetentionInDays: 30\n", "", "log-retention"},
		{"serverless.yml", "allowedOrigins: [https://app.example.com]", "allowedOrigins: ['*']", "template-cors"},
		{"serverless.yml", "origin: https://app.example.com", "origin: '*'", "template-cors"},
		{"serverless.yml", "GOOGLE_CLIENT_SECRET_NAME: GOOGLE_CLIENT_SECRET", "GOOGLE_CLIENT_SECRET: GOCSPX-0123456789", "plain-secret"},
		{"serverless.yml", "GOOGLE_CLIENT_SECRET_NAME: GOOGLE_CLIENT_SECRET", "DATABASE: 'redis://:${param:password}@cache.internal'", ""},
		{"serverless.yml", "AttributeName: expiry", "AttributeName: other", "table-ttl"},

		{"plan.json", "", "", ""},
		{"plan.json", `, "$context.routeKey"`, "", "authorizer-route"},
		{"plan.json", `"$request.header.Authorization", `, "", "authorizer-source"},
		{"plan.json", `, "identity_validation_expression": "^[Bb]earer .+$"`, "", "authorizer-expression"},
		{"plan.json", `"role": "shop-auth"`, `"role": "shop-authorizer"`, "authorizer-keys"},
		{"plan.json", `arn:aws:ssm:eu-west-1:1:parameter/app/prod/auth/keys/*`, `*`, "role-wide"},
		{"plan.json", `"child_modules": [{"resources": [`, `"child_modules": [{"resources": [{"address": "x.authorizer", "mode": "managed", "type": "aws_iam_role_policy_attachment", "values": {"role": "shop-authorizer", "policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}},`, "authorizer-keys"},
		{"plan.json", `"child_modules": [{"resources": [`, `"child_modules": [{"resources": [{"address": "x.authorizer", "mode": "managed", "type": "aws_iam_role_policy_attachment", "values": {"role": "shop-authorizer", "policy_arn": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}},`, ""},
		{"plan.json", `"child_modules": [{"resources": [`, `"child_modules": [{"resources": [{"address": "x.authorizer", "mode": "managed", "type": "aws_iam_role_policy_attachments_exclusive", "values": {"role_name": "shop-authorizer", "policy_arns": ["arn:aws:iam::aws:policy/AmazonSSMFullAccess"]}},`, "authorizer-keys"},
		{"plan.json", `"child_modules": [{"resources": [`, `"child_modules": [{"resources": [{"address": "x.authorizer", "mode": "managed", "type": "aws_iam_policy_attachment", "values": {"roles": ["shop-authorizer"], "policy_arn": "arn:aws:iam::aws:policy/PowerUserAccess"}},`, "authorizer-keys"},
		{"plan.json", `"child_modules": [{"resources": [`, `"child_modules": [{"resources": [{"address": "x.authorizer", "mode": "managed", "type": "aws_iam_role", "values": {"name": "shop-authorizer", "managed_policy_arns": ["arn:aws:iam::aws:policy/SecretsManagerReadWrite"]}},`, "authorizer-keys"},
		{"plan.json", `"enabled": true}], "point`, `"enabled": false}], "point`, "table-ttl"},
		{"plan.json", `"deletion_protection_enabled": true`, `"deletion_protection_enabled": false`, "table-deletion"},
		{"plan.json", `"retention_in_days": 30`, `"retention_in_days": 0`, "log-retention"},
		{"plan.json", `"https://app.example.com"`, `"*"`, "template-cors"},
		{"plan.json", `4135ea2d-6df8-44a3-9df3-4b5a84be39ad`, `658327ea-f89d-4fab-a63d-7e88639e58f6`, "cdn-cache"},
		{"plan.json", `"POSTERN_ISSUER": "https://auth.example.com/auth"`, `"DB_PASSWORD": "correct horse"`, "plain-secret"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", tc.file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), tc.old) == 0 {
			t.Fatalf("%s has no %q", tc.file, tc.old)
		}
		changed := strings.Replace(string(text), tc.old, tc.new, 1)
		r := readTemplate(t, tc.file, changed)
		if got := strings.Join(ids(r), " "); got != tc.want {
			t.Errorf("%s, %q for %q: found %q, want %q: %+v", tc.file, tc.new, tc.old, got, tc.want, r.Findings)
		}
		// The same as JSON, with the long forms of the functions.
		doc, err := parseTemplate([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		long, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if again := readTemplate(t, tc.file, string(long)); strings.Join(ids(again), " ") != tc.want {
			t.Errorf("%s as JSON, %q for %q: %+v", tc.file, tc.new, tc.old, again.Findings)
		}
	}
}

// TestTemplates_Hostile: nothing in a file makes the check fail or run on.
func TestTemplates_Hostile(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for n := 1; n < 12; n++ {
		before := "*a" + string(rune('0'+n-1))
		bomb += "a" + string(rune('0'+n)) + ": &a" + string(rune('0'+n)) + " [" + strings.TrimSuffix(strings.Repeat(before+", ", 10), ", ") + "]\n"
	}
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "list": "[1, 2]", "JSON cut": `{"Resources": {`, "nothing of ours": "a: 1", "aliases": strings.ReplaceAll(bomb, "a:", "a:"),
		"a loop": "a: &a [*a]\nResources: *a\n", "deep": strings.Repeat("[", 100_000), "deep flow": "Resources: " + strings.Repeat("{a: ", 5000) + "1" + strings.Repeat("}", 5000),
		"deep plan":   `{"planned_values":{"root_module":` + strings.Repeat(`{"child_modules":[`, 3000) + strings.Repeat(`]}`, 3000) + `}}`,
		"wrong types": "Resources: {A: 1, B: [x], C: {Type: [x], Properties: 7}, D: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {Authorizers: [1]}}}, E: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: {a: b}}}}",
		"escapes":     "Resources: {\"\\e[31mX\": {Type: AWS::Serverless::SimpleTable}}",
	} {
		r := readTemplate(t, "file", text)
		for _, f := range r.Findings {
			if strings.Contains(f.Where+f.Seen, "\x1b") {
				t.Errorf("%s: %q", name, f.Where)
			}
		}
		if len(r.Findings) == 0 && name != "wrong types" && name != "deep plan" {
			t.Errorf("%s: no finding", name)
		}
		if r.Failed() && name != "escapes" && name != "wrong types" && strings.Join(ids(r), " ") != "template-unreadable" {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// TestTemplates_OurOwn: the templates of infra have no finding but one. Their authorizers answer the same for every
// route, so that the route key need not be an identity source.
func TestTemplates_OurOwn(t *testing.T) {
	for _, pattern := range []string{"../../infra/sam/*.yaml", "../../infra/serverless/*.yml", "../../infra/serverless/example/*.yml", "../../infra/sam/example/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := readTemplate(t, file, string(text))
			if found := strings.Join(ids(r), " "); found != "" && found != "authorizer-route" {
				t.Errorf("%s: %+v", file, r.Findings)
			}
		}
	}
}

// FuzzTemplate: no file makes it panic.
func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"sam.yaml", "serverless.yml", "plan.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		var r Report
		Template("file", text, &r)
	})
}
