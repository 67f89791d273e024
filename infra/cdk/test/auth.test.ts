import * as assert from 'node:assert/strict';
import { test } from 'node:test';

import { Duration } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import * as lambda from 'aws-cdk-lib/aws-lambda';

import { AuthProps, KeyStore } from '../lib';
import { code, handler, world } from './world';

const standard = world();
standard.auth.attach(new apigatewayv2.HttpApi(standard.apis, 'Http'));
const template = Template.fromStack(standard.stack);

/** The policies of the role of a function, as one list of statements. */
function statements(t: Template, handlerName: string): { Action: string | string[]; Resource: unknown; Condition?: unknown; Sid?: string }[] {
  const [fn] = Object.values(t.findResources('AWS::Lambda::Function', { Properties: { Handler: handlerName } }));
  const role = fn?.['Properties'].Role['Fn::GetAtt'][0];
  const r = t.toJSON().Resources[role];
  assert.equal(r.Properties.ManagedPolicyArns, undefined, 'managed policies');
  const policies = Object.values(t.findResources('AWS::IAM::Policy')).filter((p) => p['Properties'].Roles.some((x: { Ref: string }) => x.Ref === role));
  return policies.flatMap((p) => p['Properties'].PolicyDocument.Statement);
}

const actions = (t: Template, name: string) => statements(t, name).flatMap((s) => s.Action).sort();

test('auth function', () => {
  template.hasResourceProperties('AWS::Lambda::Function', {
    Handler: 'auth', Runtime: 'provided.al2023', Architectures: ['arm64'], MemorySize: 1024, Timeout: 10,
    LoggingConfig: { LogFormat: 'JSON', SystemLogLevel: 'WARN', ApplicationLogLevel: 'INFO', LogGroup: Match.anyValue() },
    Environment: {
      Variables: {
        POSTERN_APP: 'shop', POSTERN_STAGE: 'prod', POSTERN_ISSUER: 'https://auth.example.com/auth', POSTERN_AUDIENCE: 'api',
        POSTERN_ORIGINS: 'https://app.example.com,https://admin.example.com', POSTERN_REDIRECTS: '["https://app.example.com/","https://admin.example.com/"]',
        POSTERN_STORE: { 'Fn::Join': ['', ['dynamodb:', { Ref: Match.stringLikeRegexp('Table') }]] },
        POSTERN_VAULT: 'ssm:/shop/prod/auth/keys', POSTERN_SEAL: '', POSTERN_MAIL_FROM: 'sign-in@example.com',
      },
    },
  });
  template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90 });
  for (const memory of [256, 511, 10241]) {
    assert.throws(() => world({ memory }), /512 MB or more, and Lambda gives at most 10240/);
  }
  const small = world({ memory: 512, reservedConcurrency: 5 });
  Template.fromStack(small.stack).hasResourceProperties('AWS::Lambda::Function', { Handler: 'auth', MemorySize: 512, ReservedConcurrentExecutions: 5 });
});

test('authorizer function: no key, no table, only its log', () => {
  template.hasResourceProperties('AWS::Lambda::Function', {
    Handler: 'authorizer', Runtime: 'provided.al2023', Architectures: ['arm64'], MemorySize: 256, Timeout: 5,
    Environment: { Variables: { POSTERN_ISSUER: 'https://auth.example.com/auth', POSTERN_AUDIENCE: 'api', POSTERN_KIND: 'user', POSTERN_ACCESS: '3600s', POSTERN_IDENTITY_SOURCES: '$request.header.Authorization' } },
  });
  assert.deepEqual(actions(template, 'authorizer'), ['logs:CreateLogStream', 'logs:PutLogEvents']);
});

test('rights of the auth function and the rotator', () => {
  assert.deepEqual(actions(template, 'auth'), [
    'dynamodb:BatchGetItem', 'dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem',
    'logs:CreateLogStream', 'logs:PutLogEvents', 'ses:SendEmail', 'ses:SendRawEmail',
    'ssm:GetParameters', 'ssm:GetParameters', 'ssm:GetParametersByPath', 'ssm:PutParameter',
  ]);
  assert.deepEqual(actions(template, 'rotator'), [
    'logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage',
    'ssm:DeleteParameters', 'ssm:GetParameters', 'ssm:GetParametersByPath', 'ssm:GetParametersByPath', 'ssm:PutParameter',
  ]);
  for (const name of ['auth', 'rotator', 'authorizer']) {
    for (const s of statements(template, name)) {
      assert.notEqual(JSON.stringify(s.Resource), '"*"', `${name}: ${JSON.stringify(s)}`);
    }
  }
  const mail = statements(template, 'auth').find((s) => s.Sid === 'Mail');
  assert.deepEqual(mail?.Condition, { StringEquals: { 'ses:FromAddress': 'sign-in@example.com' } });
  assert.match(JSON.stringify(mail?.Resource), /ses:eu-west-1:123456789012:identity\/example\.com/);
});

test('the rotator reads no secret but the one that seals the keys', () => {
  const secrets = (t: Template, name: string) => JSON.stringify(statements(t, name)).match(/parameter\/postern\/[^"]*/g);
  assert.equal(secrets(template, 'rotator'), null);
  const sealed = Template.fromStack(world({ sealSecret: 'POSTERN_VAULT_KEY' }).stack);
  assert.deepEqual(secrets(sealed, 'rotator'), ['parameter/postern/shop/prod/Secret/POSTERN_VAULT_KEY/value']);
  assert.deepEqual(secrets(sealed, 'auth'), ['parameter/postern/shop/prod/*']);
  for (const Handler of ['auth', 'rotator']) {
    sealed.hasResourceProperties('AWS::Lambda::Function', { Handler, Environment: { Variables: Match.objectLike({ POSTERN_SEAL: 'secret:POSTERN_VAULT_KEY' }) } });
  }
  assert.throws(() => world({ sealSecret: 'secret:X' }), /write the name of a secret/);
  assert.throws(() => world({ sealSecret: 'X', keys: KeyStore.KMS }), /not with keys: KeyStore.KMS/);
});

test('rotator and schedule', () => {
  template.hasResourceProperties('AWS::Lambda::Function', { Handler: 'rotator', Environment: { Variables: Match.objectLike({ POSTERN_ROTATE: '720h', POSTERN_VAULT: 'ssm:/shop/prod/auth/keys' }) } });
  template.hasResourceProperties('AWS::Scheduler::Schedule', {
    ScheduleExpression: 'rate(1 day)', FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 60 },
    Target: { DeadLetterConfig: { Arn: Match.anyValue() }, RetryPolicy: { MaximumRetryAttempts: 3 } },
  });
  template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 2, DestinationConfig: { OnFailure: { Destination: Match.anyValue() } } });
  template.hasResourceProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true, MessageRetentionPeriod: 1209600 });
  assert.throws(() => world({ rotateAfter: Duration.hours(3) }), /a day or more/);
});

test('the role of the schedule is for schedules of its group alone', () => {
  template.hasResourceProperties('AWS::Scheduler::Schedule', { GroupName: { Ref: Match.stringLikeRegexp('ScheduleGroup') } });
  template.hasResourceProperties('AWS::IAM::Role', {
    AssumeRolePolicyDocument: Match.objectLike({ Statement: [Match.objectLike({
      Principal: { Service: 'scheduler.amazonaws.com' },
      Condition: { StringEquals: { 'aws:SourceAccount': '123456789012', 'aws:SourceArn': { 'Fn::GetAtt': [Match.stringLikeRegexp('ScheduleGroup'), 'Arn'] } } },
    })] }),
  });
});

test('table', () => {
  template.hasResource('AWS::DynamoDB::GlobalTable', {
    DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain',
    Properties: {
      BillingMode: 'PAY_PER_REQUEST', KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }, { AttributeName: 'sk', KeyType: 'RANGE' }],
      TimeToLiveSpecification: { AttributeName: 'expiry', Enabled: true },
      Replicas: [{ DeletionProtectionEnabled: true, PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } }],
    },
  });
});

test('issuer: routes, discovery addresses, domain, one address', () => {
  const keys = Object.values(template.findResources('AWS::ApiGatewayV2::Route')).map((r) => r['Properties']);
  assert.deepEqual(keys.map((r) => r.RouteKey).sort(), [
    'ANY /.well-known/change-password', 'ANY /.well-known/oauth-authorization-server/auth', 'ANY /.well-known/openid-configuration/auth',
    'ANY /.well-known/passkey-endpoints', 'ANY /.well-known/webauthn', 'ANY /auth', 'ANY /auth/.well-known/{proxy+}', 'ANY /auth/{proxy+}',
  ]);
  assert.ok(keys.every((r) => r.AuthorizationType === 'NONE'));
  template.hasResourceProperties('AWS::ApiGatewayV2::Api', { ProtocolType: 'HTTP', DisableExecuteApiEndpoint: true, CorsConfiguration: Match.absent() });
  template.hasResourceProperties('AWS::ApiGatewayV2::DomainName', { DomainName: 'auth.example.com' });
  template.hasResourceProperties('AWS::CertificateManager::Certificate', { DomainName: 'auth.example.com', ValidationMethod: 'DNS' });
  template.hasResourceProperties('AWS::Route53::RecordSet', { Name: 'auth.example.com.', Type: 'A' });
  template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
    DefaultRouteSettings: { ThrottlingRateLimit: 200, ThrottlingBurstLimit: 400 }, AccessLogSettings: { Format: Match.not(Match.stringLikeRegexp('path"|queryString')) },
  });
  const deep = Template.fromStack(world({ issuer: { domainName: 'example.com', basePath: '/v1/auth' } }).stack);
  deep.hasResourceProperties('AWS::ApiGatewayV2::Route', { RouteKey: 'ANY /.well-known/oauth-authorization-server/v1/auth' });
  deep.resourceCountIs('AWS::ApiGatewayV2::DomainName', 0);
  Template.fromStack(world({ issuer: { domainName: 'example.com', api: false } }).stack).resourceCountIs('AWS::ApiGatewayV2::Api', 0);
});

test('WAF: a REST API with a rule on the rate of an address', () => {
  const t = Template.fromStack(world({ waf: true, wafLimit: 300 }).stack);
  t.resourceCountIs('AWS::ApiGatewayV2::Api', 0);
  t.hasResourceProperties('AWS::WAFv2::WebACL', { Scope: 'REGIONAL', Rules: [Match.objectLike({ Statement: { RateBasedStatement: { Limit: 300, AggregateKeyType: 'IP' } } })] });
  t.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
  const paths = Object.values(t.findResources('AWS::ApiGateway::Resource')).map((r) => r['Properties'].PathPart);
  for (const part of ['.well-known', 'oauth-authorization-server', 'openid-configuration', 'change-password', 'passkey-endpoints', 'webauthn', 'auth', '{proxy+}']) {
    assert.ok(paths.includes(part), part);
  }
});

test('keys: ssm, kms and secrets, and never one in the template', () => {
  const kms = Template.fromStack(world({ keys: KeyStore.KMS }).stack);
  kms.hasResource('AWS::KMS::Key', { DeletionPolicy: 'Retain', Properties: { EnableKeyRotation: true } });
  kms.hasResourceProperties('AWS::Lambda::Function', {
    Handler: 'auth', Environment: { Variables: { POSTERN_VAULT: 'ssm:/shop/prod/auth/keys', POSTERN_SEAL: { 'Fn::Join': ['', ['kms:', Match.anyValue()]] } } },
  });
  assert.deepEqual(actions(kms, 'rotator').filter((a) => a.startsWith('kms:')), ['kms:Decrypt', 'kms:GenerateDataKey']);
  const secrets = Template.fromStack(world({ keys: KeyStore.SECRETS }).stack);
  secrets.hasResourceProperties('AWS::Lambda::Function', { Handler: 'auth', Environment: { Variables: { POSTERN_VAULT: 'secrets-manager:shop/prod/auth/keys' } } });
  for (const name of ['auth', 'rotator']) { // as infra/iam.md lists them
    assert.deepEqual(actions(secrets, name).filter((a) => /^(ssm|secretsmanager|kms):/.test(a)), [
      'secretsmanager:CreateSecret', 'secretsmanager:GetSecretValue', 'secretsmanager:PutSecretValue', 'secretsmanager:UpdateSecretVersionStage',
      ...(name === 'auth' ? ['ssm:GetParameters'] : []), // the secrets of postern.toml
    ]);
  }
  for (const t of [template, kms, secrets]) {
    t.resourceCountIs('AWS::SSM::Parameter', 0);
    t.resourceCountIs('AWS::SecretsManager::Secret', 0);
  }
});

test('alarms', () => {
  const found = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((a) => a['Properties']);
  assert.ok(found.every((a) => a.AlarmActions.length === 1 && a.AlarmDescription.length > 40));
  const names = found.flatMap((a) => (a.MetricName ? [a.MetricName] : a.Metrics.flatMap((m: { MetricStat?: { Metric: { MetricName: string } } }) => m.MetricStat?.Metric.MetricName ?? []))).sort();
  assert.deepEqual(names, [
    '5xx', 'ApproximateNumberOfMessagesVisible', 'Duration', 'Duration', 'Errors', 'Errors', 'KeyAgeSeconds', 'ReadThrottleEvents', 'RotatorFailures',
    'SignInFailures', 'SignIns', 'Throttles', 'Throttles', 'WriteThrottleEvents',
  ]);
  template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'KeyAgeSeconds', Namespace: 'Postern', Dimensions: [{ Name: 'Issuer', Value: 'https://auth.example.com/auth' }], Threshold: 37 * 86400, TreatMissingData: 'breaching' });
  template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'Duration', ExtendedStatistic: 'p99' });
  for (const [Namespace, dimension] of [['AWS/Lambda', 'FunctionName'], ['Postern', 'Issuer']]) {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'Errors', Namespace, Dimensions: [Match.objectLike({ Name: dimension })], Threshold: 5 });
  }
  template.hasResourceProperties('AWS::CloudWatch::Alarm', { Metrics: Match.arrayWith([Match.objectLike({ Expression: Match.stringLikeRegexp('FILL\\(bad, 0\\) / \\(FILL\\(good') })]) });
  for (const a of found) { // a metric without a datapoint is a zero in each sum
    for (const { Expression: text } of (a.Metrics ?? []) as { Expression?: string }[]) {
      assert.doesNotMatch((text ?? '').replace(/FILL\([a-z]+, 0\)/g, '').replace('IF', ''), /[a-z]/, text);
    }
  }
});

test('outputs and tags', () => {
  const outputs = Object.values(template.findOutputs('*')).map((o) => o['Value']);
  for (const value of ['https://auth.example.com/auth', 'https://auth.example.com/auth/.well-known/jwks.json', 'api']) {
    assert.ok(outputs.includes(value), value);
  }
  template.hasResourceProperties('AWS::Lambda::Function', { Handler: 'auth', Tags: Match.arrayWith([{ Key: 'postern:app', Value: 'shop' }, { Key: 'postern:stage', Value: 'prod' }]) });
  Annotations.fromStack(standard.stack).hasNoError('*', Match.anyValue());
});

test('grantVerify', () => {
  const w = world();
  w.auth.grantVerify(handler(w.apis));
  Template.fromStack(w.apis).hasResourceProperties('AWS::Lambda::Function', { Handler: 'api', Environment: { Variables: { POSTERN_ISSUER: 'https://auth.example.com/auth', POSTERN_AUDIENCE: 'api' } } });
  Template.fromStack(w.apis).resourceCountIs('AWS::IAM::Policy', 0);
});

test('grantIssue: the keys to read, and to write where tokens live longer than a new key is ready for', () => {
  const issue = (props: Partial<AuthProps>) => {
    const w = world(props);
    w.auth.grantIssue(new lambda.Function(w.stack, 'Issue', { runtime: lambda.Runtime.PROVIDED_AL2023, handler: 'issue', code: code() }));
    const [policy] = Object.entries(Template.fromStack(w.stack).findResources('AWS::IAM::Policy')).filter(([id]) => id.startsWith('Issue')).map(([, r]) => r);
    const all = policy?.['Properties'].PolicyDocument.Statement as { Sid: string; Action: string | string[]; Resource: unknown }[];
    return { t: Template.fromStack(w.stack), statements: all, actions: all.filter((s) => s.Sid !== 'Table').flatMap((s) => s.Action).sort() };
  };
  const hour = issue({}), longer = issue({ accessLifetime: Duration.hours(8) });
  hour.t.hasResourceProperties('AWS::Lambda::Function', { Handler: 'issue', Environment: { Variables: { POSTERN_VAULT: 'ssm:/shop/prod/auth/keys' } } });
  assert.deepEqual(hour.actions, ['ssm:GetParameters', 'ssm:GetParametersByPath']);
  assert.deepEqual(longer.actions, ['ssm:GetParameters', 'ssm:GetParametersByPath', 'ssm:PutParameter']);
  assert.deepEqual(issue({ sealSecret: 'POSTERN_VAULT_KEY' }).actions, ['ssm:GetParameters', 'ssm:GetParameters', 'ssm:GetParametersByPath']);
  assert.deepEqual(issue({ keys: KeyStore.KMS }).actions, ['kms:Decrypt', 'ssm:GetParameters', 'ssm:GetParametersByPath']);
  assert.deepEqual(issue({ keys: KeyStore.SECRETS }).actions, ['secretsmanager:GetSecretValue']);
  // The Go test opens a ring with these rights, and signs.
  const keys = (of: typeof hour) => ({ Type: 'AWS::IAM::Policy', Properties: { Statement: of.statements.filter((s) => s.Sid !== 'Table') } });
  console.log(`issue ${JSON.stringify({ Resources: { Hour: keys(hour), Longer: keys(longer) } })}`);
});

test('without mail there is no variable of the sender, and no right to send', () => {
  const t = Template.fromStack(world({ mail: undefined }).stack);
  for (const Handler of ['auth', 'rotator']) {
    t.hasResourceProperties('AWS::Lambda::Function', { Handler, Environment: { Variables: { POSTERN_MAIL_FROM: Match.absent(), POSTERN_APP: 'shop' } } });
  }
  assert.ok(actions(t, 'auth').every((a) => !a.startsWith('ses:')));
});

test('settings that would let in nobody, or too many, are refused', () => {
  for (const [props, want] of [
    [{ origins: ['*'] }, /exactly as a browser sends it/],
    [{ app: 'ssmshop' }, /SSM keeps names/],
    [{ origins: ['https://*.example.com'] }, /no wildcards/],
    [{ origins: ['https://app.example.com/'] }, /exactly as a browser sends it/],
    [{ origins: ['http://app.example.com'] }, /exactly as a browser sends it/],
    [{ origins: [] }, /origins is empty/],
    [{ redirects: ['https://app.example.com/*'] }, /whole addresses/],
    [{ app: 'a/b' }, /app is/],
    [{ stage: '' }, /stage is/],
    [{ audience: '' }, /audience is empty/],
    [{ issuer: { domainName: 'https://auth.example.com' } }, /the host alone/],
    [{ issuer: { domainName: 'auth.example.com', basePath: '/auth/' } }, /without a slash at its end/],
    [{ issuer: { domainName: 'auth.example.com', api: false }, waf: true }, /is then not made/],
  ] as const) {
    assert.throws(() => world(props as never), want, JSON.stringify(props));
  }
});
