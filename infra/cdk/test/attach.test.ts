import * as assert from 'node:assert/strict';
import { test } from 'node:test';

import { Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as appsync from 'aws-cdk-lib/aws-appsync';

import { AuthorizerType } from '../lib';
import { gateway } from '../lib/attach';
import { env, graphqlApi, handler, httpApi, restApi, schema, webSocketApi, world } from './world';

const routes = (t: Template) => Object.fromEntries(Object.values(t.findResources('AWS::ApiGatewayV2::Route')).map((r) => [r['Properties'].RouteKey, r['Properties'].AuthorizationType]));

test('the settings are those of package gateway', () => {
  // The Go test compares these lines with the constants of the package.
  console.log(`gateway ${JSON.stringify({ ttl: gateway.ttl.toSeconds(), validation: gateway.identityValidation, rest: gateway.restSource, http: gateway.httpSource, route: gateway.httpRouteSource })}`);
});

test('REST API', () => {
  const w = world();
  const api = restApi(w.apis, handler(w.apis));
  w.auth.attach(api, { open: ['GET /health'], resourceMetadata: 'https://api.example.com/.well-known/oauth-protected-resource', origin: 'https://admin.example.com' });
  api.root.addResource('late').addMethod('POST'); // guarded too
  const t = Template.fromStack(w.apis);
  t.hasResourceProperties('AWS::ApiGateway::Authorizer', {
    Type: 'TOKEN', IdentitySource: 'method.request.header.Authorization', IdentityValidationExpression: gateway.identityValidation, AuthorizerResultTtlInSeconds: 60,
  });
  const paths = Object.fromEntries(Object.entries(t.findResources('AWS::ApiGateway::Resource')).map(([id, r]) => [id, r['Properties'].PathPart]));
  const methods = Object.values(t.findResources('AWS::ApiGateway::Method')).map((m) => m['Properties'])
    .map((p) => `${p.HttpMethod} ${paths[p.ResourceId.Ref] ?? ''} ${p.AuthorizationType} ${p.AuthorizerId ? 'guarded' : 'open'}`).sort();
  assert.deepEqual(methods, ['GET health NONE open', 'GET orders CUSTOM guarded', 'OPTIONS  NONE open', 'OPTIONS health NONE open', 'OPTIONS late NONE open', 'OPTIONS orders NONE open', 'POST late CUSTOM guarded']);
  const header = (name: string) => `gatewayresponse.header.${name}`;
  t.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'UNAUTHORIZED',
    ResponseParameters: {
      [header('Access-Control-Allow-Origin')]: "'https://admin.example.com'", [header('Access-Control-Allow-Credentials')]: "'true'", [header('Vary')]: "'Origin'",
      [header('WWW-Authenticate')]: `'Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'`,
    },
  });
  t.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'ACCESS_DENIED', ResponseParameters: { [header('WWW-Authenticate')]: Match.stringLikeRegexp('error="insufficient_scope", resource_metadata=') },
  });
  for (const type of ['DEFAULT_4XX', 'DEFAULT_5XX']) {
    t.hasResourceProperties('AWS::ApiGateway::GatewayResponse', { ResponseType: type, ResponseParameters: { [header('Access-Control-Allow-Origin')]: "'https://admin.example.com'" } });
  }
  t.hasResourceProperties('AWS::Lambda::Permission', { Principal: 'apigateway.amazonaws.com', SourceArn: { 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('/authorizers/')])] } });
  Template.fromStack(w.stack).hasResourceProperties('AWS::Lambda::Function', { Handler: 'authorizer', Environment: { Variables: { POSTERN_IDENTITY_SOURCES: gateway.restSource } } });
});

test('HTTP API', () => {
  const w = world();
  const fn = handler(w.apis);
  const api = httpApi(w.apis, fn);
  w.auth.attach(api, { open: ['GET /health'] });
  const more = new Stack(w.app, 'More', { env });
  new apigatewayv2.HttpRoute(more, 'Elsewhere', {
    httpApi: api, routeKey: apigatewayv2.HttpRouteKey.with('/elsewhere', apigatewayv2.HttpMethod.GET), integration: new HttpLambdaIntegration('E', handler(more)),
  });
  const t = Template.fromStack(w.apis);
  t.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
    AuthorizerType: 'REQUEST', AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: true, AuthorizerResultTtlInSeconds: 60, IdentitySource: ['$request.header.Authorization'],
  });
  assert.deepEqual(routes(Template.fromStack(more)), { 'GET /elsewhere': 'CUSTOM' });
  assert.deepEqual(routes(t), { 'GET /orders': 'CUSTOM', 'GET /health': 'NONE', 'OPTIONS /orders': 'NONE' });
});

test('HTTP API: policies, scopes, routes, cookies, kinds', () => {
  const w = world();
  const fn = handler(w.apis);
  w.auth.attach(httpApi(w.apis, fn, 'A'), { policies: true, scopes: ['orders:read'], kind: 'partner', ttl: Duration.seconds(30) });
  w.auth.attach(httpApi(w.apis, fn, 'B'), { routes: true });
  w.auth.attach(httpApi(w.apis, fn, 'C'), { cookies: true });
  w.auth.attach(httpApi(w.apis, fn, 'D'));
  const t = Template.fromStack(w.apis), auth = Template.fromStack(w.stack);
  t.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', { EnableSimpleResponses: false, AuthorizerResultTtlInSeconds: 30 });
  t.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', { IdentitySource: ['$request.header.Authorization', '$context.routeKey'] });
  t.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', { AuthorizerResultTtlInSeconds: 0, IdentitySource: Match.absent() });
  auth.resourcePropertiesCountIs('AWS::Lambda::Function', { Handler: 'authorizer' }, 3); // B and D share one
  auth.hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: { POSTERN_KIND: 'partner', POSTERN_SCOPES: 'orders:read', POSTERN_POLICIES: 'true' } } });
  auth.hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: { POSTERN_IDENTITY_SOURCES: 'none', POSTERN_ORIGINS: 'https://app.example.com,https://admin.example.com' } } });
  auth.hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: { POSTERN_IDENTITY_SOURCES: '$request.header.Authorization,$context.routeKey' } } });
});

test('HTTP API: a JWT authorizer waits for the issuer', () => {
  const w = world();
  w.auth.attach(httpApi(w.stack, handler(w.stack)), { authorizer: AuthorizerType.JWT, scopes: ['orders:read'] });
  const t = Template.fromStack(w.stack);
  const [authorizer] = Object.values(t.findResources('AWS::ApiGatewayV2::Authorizer'));
  assert.deepEqual(authorizer?.['Properties'].JwtConfiguration, { Audience: ['api'], Issuer: 'https://auth.example.com/auth' });
  const waits = (authorizer?.['DependsOn'] as string[]).map((id) => t.toJSON().Resources[id].Type);
  for (const type of ['AWS::ApiGatewayV2::ApiMapping', 'AWS::ApiGatewayV2::DomainName', 'AWS::Route53::RecordSet', 'AWS::ApiGatewayV2::Stage', 'AWS::ApiGatewayV2::Route']) {
    assert.ok(waits.includes(type), type);
  }
  t.resourcePropertiesCountIs('AWS::Lambda::Function', { Handler: 'authorizer' }, 0);
  assert.equal(routes(t)['GET /orders'], 'JWT');
});

test('HTTP API: a JWT authorizer refuses what API Gateway cannot check', () => {
  const w = world();
  const api = httpApi(w.apis, handler(w.apis));
  for (const props of [{ kind: 'staff' }, { kind: 'user' }, { ttl: Duration.seconds(30) }, { cookies: true }, { policies: true }, { routes: true }]) {
    assert.throws(() => w.auth.attach(api, { authorizer: AuthorizerType.JWT, ...props }), new RegExp(`JWT cannot check ${Object.keys(props)[0]}: .*leave out authorizer`), JSON.stringify(props));
  }
  assert.throws(() => w.auth.attach(api, { authorizer: AuthorizerType.JWT, scopes: ['orders:read', 'orders:write'] }), /one of orders:read, orders:write, not all: give one scope/);
  w.auth.attach(api, { authorizer: AuthorizerType.JWT, scopes: ['orders:read'], cookies: false });
  const [route] = Object.values(Template.fromStack(w.apis).findResources('AWS::ApiGatewayV2::Route', { Properties: { RouteKey: 'GET /orders' } }));
  assert.deepEqual(route?.['Properties'].AuthorizationScopes, ['orders:read']);
});

test('WebSocket API: only $connect', () => {
  const w = world();
  w.auth.attach(webSocketApi(w.apis), { socketSource: 'route.request.querystring.token' });
  const t = Template.fromStack(w.apis);
  t.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', { AuthorizerType: 'REQUEST', IdentitySource: ['route.request.querystring.token'], AuthorizerResultTtlInSeconds: Match.absent() });
  assert.deepEqual(routes(t), { $connect: 'CUSTOM', send: 'NONE' });
  Template.fromStack(w.stack).hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: { POSTERN_IDENTITY_SOURCES: 'route.request.querystring.token' } } });
});

test('AppSync: in place of the key for everybody, or beside what was chosen', () => {
  const w = world();
  w.auth.attach(graphqlApi(w.apis), { ttl: Duration.seconds(30) });
  const t = Template.fromStack(w.apis);
  t.hasResourceProperties('AWS::AppSync::GraphQLApi', {
    AuthenticationType: 'AWS_LAMBDA', LambdaAuthorizerConfig: { AuthorizerResultTtlInSeconds: 30, AuthorizerUri: Match.anyValue(), IdentityValidationExpression: Match.anyValue() },
  });
  t.resourceCountIs('AWS::AppSync::ApiKey', 0);
  t.hasResourceProperties('AWS::Lambda::Permission', { Principal: 'appsync.amazonaws.com', SourceArn: Match.anyValue() });
  const v = world();
  const iam = new appsync.GraphqlApi(v.apis, 'Iam', {
    name: 'iam', definition: appsync.Definition.fromFile(schema), authorizationConfig: { defaultAuthorization: { authorizationType: appsync.AuthorizationType.IAM } },
  });
  v.auth.attach(iam);
  Template.fromStack(v.apis).hasResourceProperties('AWS::AppSync::GraphQLApi', { AuthenticationType: 'AWS_IAM', AdditionalAuthenticationProviders: [Match.objectLike({ AuthenticationType: 'AWS_LAMBDA' })] });
});

test('several APIs share one authorizer, and stacks depend in one direction', () => {
  const w = world();
  const fn = handler(w.apis);
  w.auth.attach(restApi(w.apis, fn));
  w.auth.attach(httpApi(w.apis, fn));
  const t = Template.fromStack(w.stack); // throws on a cycle of stacks
  t.resourcePropertiesCountIs('AWS::Lambda::Function', { Handler: 'authorizer' }, 1);
  t.hasResourceProperties('AWS::Lambda::Function', { Handler: 'authorizer', Environment: { Variables: { POSTERN_IDENTITY_SOURCES: 'method.request.header.Authorization,$request.header.Authorization' } } });
  assert.deepEqual(w.apis.dependencies.map((s) => s.stackName), ['Auth']);
  assert.deepEqual(w.stack.dependencies, []);
});

test('prefix: the issuer on the API of the application', () => {
  const w = world({ issuer: { domainName: 'api.example.com', api: false } });
  const fn = handler(w.apis);
  w.auth.attach(httpApi(w.apis, fn), { prefix: '/auth' });
  w.auth.attach(restApi(w.apis, fn), { prefix: '/auth' });
  const t = Template.fromStack(w.apis), all = routes(t);
  assert.equal(all['GET /orders'], 'CUSTOM');
  for (const path of ['/auth', '/auth/{proxy+}', '/.well-known/oauth-authorization-server/auth', '/.well-known/openid-configuration/auth', '/.well-known/change-password']) {
    assert.equal(all[`ANY ${path}`], 'NONE', path);
  }
  const open = Object.values(t.findResources('AWS::ApiGateway::Method')).filter((m) => m['Properties'].HttpMethod === 'ANY' && m['Properties'].AuthorizationType === 'NONE');
  assert.equal(open.length, 8);
});

test('mistakes are refused', () => {
  const w = world({ accessLifetime: Duration.minutes(5) });
  const fn = handler(w.apis), http = httpApi(w.apis, fn), rest = restApi(w.apis, fn);
  assert.throws(() => w.auth.attach(http, { ttl: Duration.minutes(10) }), /give 300 s or less/);
  assert.throws(() => world().auth.attach(http, { ttl: Duration.seconds(301) }), /give 300 s or less/); // accessLifetime is an hour
  assert.throws(() => world({ accessLifetime: Duration.seconds(30) }).auth.attach(http), /ttl is 60 s: give 30 s or less/);
  assert.throws(() => w.auth.attach(http, { cookies: true, ttl: Duration.seconds(60) }), /ttl of 0/);
  assert.throws(() => w.auth.attach(http, { prefix: '/login' }), /its path is "\/auth"/);
  assert.throws(() => w.auth.attach(http, { kind: 'User' }), /name of a kind/);
  assert.throws(() => w.auth.attach(rest, { origin: 'https://evil.example' }), /one of the origins/);
  assert.throws(() => w.auth.attach(rest, { authorizer: AuthorizerType.JWT }), /for HTTP APIs/);
});
