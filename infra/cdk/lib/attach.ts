import { Aspects, Duration, IAspect, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct, IConstruct } from 'constructs';

import { Auth } from './auth';
import { addHttpRoutes, addRestMethods, issuerPaths } from './issuer';

export type AttachedApi = apigateway.RestApi | apigatewayv2.HttpApi | apigatewayv2.WebSocketApi | appsync.GraphqlApi;

/** What checks the sessions of an HTTP API. */
export enum AuthorizerType {
  /** The authorizer function. */
  LAMBDA = 'lambda',
  /**
   * API Gateway itself, without a function. It refuses no session that ended, lets in every kind of session of the
   * issuer, and takes at most one scope.
   */
  JWT = 'jwt',
}

/** Settings of an API that is attached. */
export interface AttachProps {
  /** Serves the issuer by this API as well, below this path, which must be the base path of the issuer. @default not */
  readonly prefix?: string;
  /** The kind of session that is let in. @default user */
  readonly kind?: string;
  /** How long API Gateway keeps an answer, at most 5 minutes. An ended session may be let in that long. @default 1 minute; 0 for cookies */
  readonly ttl?: Duration;
  /** Scopes that every session must have. @default none */
  readonly scopes?: string[];
  /** Routes without a session, such as `GET /health` or `ANY /public/{proxy+}`. OPTIONS is always open. @default none */
  readonly open?: string[];
  /** Reads the session from its cookie as well. API Gateway then keeps no answers. @default false */
  readonly cookies?: boolean;
  /** HTTP APIs: the authorizer answers by a policy. @default a yes or no */
  readonly policies?: boolean;
  /** HTTP APIs: your authorizer has Routes (gateway.Config), so an answer counts for one route. @default false */
  readonly routes?: boolean;
  /** HTTP APIs: what checks the sessions. @default AuthorizerType.LAMBDA */
  readonly authorizer?: AuthorizerType;
  /** WebSocket APIs: where the token is. @default route.request.header.Authorization */
  readonly socketSource?: string;
  /** REST APIs: the origin that may read refusals of the API, one of `origins`. A refusal can name one. @default the first */
  readonly origin?: string;
  /** REST APIs: the metadata of the API (RFC 9728), which refusals name in WWW-Authenticate. @default none */
  readonly resourceMetadata?: string;
}

/** What guards an attached API. */
export interface Attachment {
  /** The id of the authorizer. Undefined for GraphQL. */
  readonly authorizerId?: string;
  /** The function of the authorizer. Undefined for AuthorizerType.JWT. */
  readonly function?: lambda.Function;
}

/** Settings of an authorizer that package gateway recommends: TTL, IdentityValidation, RESTSource, HTTPSource, HTTPRouteSource. */
export const gateway = {
  ttl: Duration.minutes(1),
  identityValidation: '^[Bb][Ee][Aa][Rr][Ee][Rr] +[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+$',
  restSource: 'method.request.header.Authorization',
  httpSource: '$request.header.Authorization',
  httpRouteSource: '$context.routeKey',
} as const;

export function attach(auth: Auth, api: AttachedApi, p: AttachProps): Attachment {
  const fail = (text: string): never => { throw new Error(`Auth.attach: ${text}`); };
  const ttl = p.ttl ?? (p.cookies ? Duration.seconds(0) : gateway.ttl);
  // The issuer has its own setting, session.access in postern.toml, which is not seen here: 5 minutes by default.
  const longest = Math.min(300, auth.accessLifetime.toSeconds());
  if (ttl.toSeconds() > longest) {
    fail(`ttl is ${ttl.toSeconds()} s: give ${longest} s or less, because an answer must not outlive an access token`);
  }
  if (p.cookies && ttl.toSeconds() > 0) {
    fail('cookies need a ttl of 0: a kept answer would let in one person by the cookie of another');
  }
  if (p.prefix !== undefined && p.prefix !== auth.basePath) {
    fail(`prefix is ${JSON.stringify(p.prefix)}, and the issuer is ${auth.issuer}: its path is ${JSON.stringify(auth.basePath)}`);
  }
  if (!/^[a-z][a-z0-9_-]{0,31}$/.test(p.kind ?? 'user')) {
    fail(`kind is ${JSON.stringify(p.kind)}: write the name of a kind of session, such as user`);
  }
  if (p.origin !== undefined && !auth.origins.includes(p.origin)) {
    fail(`origin is ${JSON.stringify(p.origin)}: write one of the origins of the Auth`);
  }
  const http = api instanceof apigatewayv2.HttpApi;
  if (!http && (p.authorizer === AuthorizerType.JWT || p.policies || p.routes)) {
    fail('AuthorizerType.JWT, policies and routes are for HTTP APIs');
  }
  if (p.authorizer === AuthorizerType.JWT) {
    // API Gateway checks the signature, issuer, audience and time of a token, and that it has one of the scopes.
    const ignored = (['kind', 'ttl', 'policies', 'routes', 'cookies'] as const).filter((name) => p[name] !== undefined && p[name] !== false);
    if (ignored.length > 0) {
      fail(`AuthorizerType.JWT cannot check ${ignored.join(', ')}: leave it out, or leave out authorizer, so that the function checks it`);
    }
    if ((p.scopes?.length ?? 0) > 1) {
      fail(`AuthorizerType.JWT lets in sessions that have one of ${(p.scopes ?? []).join(', ')}, not all: give one scope, or leave out authorizer, so that the function checks all`);
    }
  }
  const settings: Record<string, string> = {
    POSTERN_KIND: p.kind ?? 'user',
    ...(p.scopes?.length ? { POSTERN_SCOPES: p.scopes.join(',') } : {}),
    ...(p.policies ? { POSTERN_POLICIES: 'true' } : {}),
    ...(p.cookies ? { POSTERN_IDENTITY_SOURCES: 'none', POSTERN_ORIGINS: auth.origins.join(',') } : {}),
  };
  if (api instanceof apigateway.RestApi) {
    return attachRest(auth, api, p, settings, ttl);
  }
  if (http) {
    return attachHttp(auth, api, p, settings, ttl);
  }
  if (p.prefix !== undefined) {
    fail('prefix is for REST and HTTP APIs');
  }
  if (api instanceof apigatewayv2.WebSocketApi) {
    return attachWebSocket(auth, api, p, settings);
  }
  if (p.cookies) {
    fail('AppSync reads no cookies');
  }
  return attachGraphql(auth, api, settings, ttl);
}

/** Lets one authorizer of one API invoke a function. It is in the stack of the API, so stacks depend in one direction. */
function permit(scope: Construct, fn: lambda.Function, principal: string, sourceArn: string): lambda.CfnPermission {
  return new lambda.CfnPermission(scope, 'PosternPermission', {
    action: 'lambda:InvokeFunction', functionName: fn.functionArn, principal, sourceArn,
  });
}

function invocationUri(scope: Construct, fn: lambda.Function): string {
  const stack = Stack.of(scope);
  return `arn:${stack.partition}:apigateway:${stack.region}:lambda:path/2015-03-31/functions/${fn.functionArn}/invocations`;
}

function executeArn(scope: Construct, apiId: string, rest: string): string {
  return Stack.of(scope).formatArn({ service: 'execute-api', resource: apiId, resourceName: rest });
}

function attachRest(auth: Auth, api: apigateway.RestApi, p: AttachProps, settings: Record<string, string>, ttl: Duration): Attachment {
  // TOKEN sees the one header, and API Gateway refuses what is no token without an invocation.
  const fn = auth._authorizerFunction(settings, p.cookies ? [] : [gateway.restSource]);
  const authorizer = new apigateway.CfnAuthorizer(api, 'PosternAuthorizer', {
    name: `postern-${p.kind ?? 'user'}`,
    restApiId: api.restApiId,
    authorizerUri: invocationUri(api, fn),
    authorizerResultTtlInSeconds: ttl.toSeconds(),
    ...(p.cookies ? { type: 'REQUEST' } : {
      type: 'TOKEN', identitySource: gateway.restSource, identityValidationExpression: gateway.identityValidation,
    }),
  });
  permit(api, fn, 'apigateway.amazonaws.com', executeArn(api, api.restApiId, `authorizers/${authorizer.ref}`));
  refusals(auth, api, p);
  if (p.prefix !== undefined) {
    addRestMethods(api, auth.authFunction, p.prefix);
  }
  guard(api, new RestGuard(api, authorizer, open(p)));
  // A deployment is a copy of the API: it must be made again when the authorizer changes.
  api.latestDeployment?.addToLogicalId({ authorizer: [p.kind ?? 'user', p.cookies ?? false, p.scopes ?? [], ttl.toSeconds(), p.open ?? []] });
  api.latestDeployment?.node.addDependency(authorizer);
  return { authorizerId: authorizer.ref, function: fn };
}

/** 401 and 403 that pages can read and clients understand. CORS names one exact origin. */
function refusals(auth: Auth, api: apigateway.RestApi, p: AttachProps): void {
  const origin = p.origin ?? auth.origins[0] as string;
  const metadata = p.resourceMetadata === undefined ? '' : `resource_metadata="${p.resourceMetadata}"`;
  const cors = {
    'Access-Control-Allow-Origin': `'${origin}'`, 'Access-Control-Allow-Credentials': "'true'",
    'Access-Control-Expose-Headers': "'WWW-Authenticate'", Vary: "'Origin'", 'Cache-Control': "'no-store'",
  };
  const challenge = (...parameters: string[]) => `'Bearer${parameters.filter((x) => x !== '').map((x, i) => (i === 0 ? ' ' : ', ') + x).join('')}'`;
  const add = (id: string, type: apigateway.ResponseType, headers: Record<string, string>, body?: string) => api.addGatewayResponse(`Postern${id}`, {
    type, responseHeaders: { ...cors, ...headers }, ...(body === undefined ? {} : { templates: { 'application/json': body } }),
  });
  add('Unauthorized', apigateway.ResponseType.UNAUTHORIZED, { 'WWW-Authenticate': challenge(metadata) }, '{"error":"unauthorized"}');
  add('AccessDenied', apigateway.ResponseType.ACCESS_DENIED, { 'WWW-Authenticate': challenge('error="insufficient_scope"', metadata) }, '{"error":"insufficient_scope"}');
  add('Default4xx', apigateway.ResponseType.DEFAULT_4XX, {});
  add('Default5xx', apigateway.ResponseType.DEFAULT_5XX, {});
}

function attachHttp(auth: Auth, api: apigatewayv2.HttpApi, p: AttachProps, settings: Record<string, string>, ttl: Duration): Attachment {
  if (p.prefix !== undefined) {
    addHttpRoutes(api, api, auth.authFunction, p.prefix);
  }
  if (p.authorizer === AuthorizerType.JWT) {
    const authorizer = new apigatewayv2.CfnAuthorizer(api, 'PosternAuthorizer', {
      apiId: api.apiId, name: `postern-${p.kind ?? 'user'}`, authorizerType: 'JWT', identitySource: [gateway.httpSource],
      jwtConfiguration: { issuer: auth.issuer, audience: [auth.audience] },
    });
    // API Gateway fetches the metadata of the issuer when the authorizer is made.
    authorizer.node.addDependency(...(auth.api?.ready ?? [auth.authFunction]));
    guard(api, new HttpGuard(api.apiId, 'JWT', authorizer, open(p), p.scopes));
    return { authorizerId: authorizer.ref };
  }
  const sources: string[] = p.cookies ? [] : [gateway.httpSource, ...(p.routes ? [gateway.httpRouteSource] : [])];
  const fn = auth._authorizerFunction(settings, sources);
  const authorizer = new apigatewayv2.CfnAuthorizer(api, 'PosternAuthorizer', {
    apiId: api.apiId, name: `postern-${p.kind ?? 'user'}`, authorizerType: 'REQUEST', authorizerUri: invocationUri(api, fn),
    authorizerPayloadFormatVersion: '2.0', enableSimpleResponses: !p.policies, authorizerResultTtlInSeconds: ttl.toSeconds(),
    ...(p.cookies ? {} : { identitySource: sources }),
  });
  permit(api, fn, 'apigateway.amazonaws.com', executeArn(api, api.apiId, `authorizers/${authorizer.ref}`));
  guard(api, new HttpGuard(api.apiId, 'CUSTOM', authorizer, open(p)));
  return { authorizerId: authorizer.ref, function: fn };
}

function attachWebSocket(auth: Auth, api: apigatewayv2.WebSocketApi, p: AttachProps, settings: Record<string, string>): Attachment {
  const source = p.socketSource ?? 'route.request.header.Authorization';
  // The place of the token is a setting of the function, so it is not shared with other APIs.
  const fn = auth._authorizerFunction({ ...settings, POSTERN_IDENTITY_SOURCES: source, ...(/cookie$/i.test(source) ? { POSTERN_ORIGINS: auth.origins.join(',') } : {}) }, []);
  const authorizer = new apigatewayv2.CfnAuthorizer(api, 'PosternAuthorizer', {
    apiId: api.apiId, name: `postern-${p.kind ?? 'user'}`, authorizerType: 'REQUEST', authorizerUri: invocationUri(api, fn), identitySource: [source],
  });
  permit(api, fn, 'apigateway.amazonaws.com', executeArn(api, api.apiId, `authorizers/${authorizer.ref}`));
  guard(api, new HttpGuard(api.apiId, 'CUSTOM', authorizer, (key) => key !== '$connect')); // API Gateway authorizes no other route
  return { authorizerId: authorizer.ref, function: fn };
}

function attachGraphql(auth: Auth, api: appsync.GraphqlApi, settings: Record<string, string>, ttl: Duration): Attachment {
  const fn = auth._authorizerFunction(settings, []);
  const graph = api.node.findAll().find((c): c is appsync.CfnGraphQLApi => c instanceof appsync.CfnGraphQLApi) as appsync.CfnGraphQLApi;
  const lambdaAuthorizerConfig = {
    authorizerUri: fn.functionArn, authorizerResultTtlInSeconds: ttl.toSeconds(),
    // Clients of AppSync send the token with or without Bearer.
    identityValidationExpression: '^([Bb][Ee][Aa][Rr][Ee][Rr] +)?[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+$',
  };
  if (graph.authenticationType === 'API_KEY' && api.node.tryFindChild('DefaultApiKey')) {
    // The L2 construct adds a key for everybody if no way of authorization was chosen.
    api.node.tryRemoveChild('DefaultApiKey');
    graph.authenticationType = 'AWS_LAMBDA';
    graph.lambdaAuthorizerConfig = lambdaAuthorizerConfig;
  } else {
    const others = (graph.additionalAuthenticationProviders ?? []) as appsync.CfnGraphQLApi.AdditionalAuthenticationProviderProperty[];
    graph.additionalAuthenticationProviders = [...others, { authenticationType: 'AWS_LAMBDA', lambdaAuthorizerConfig }];
  }
  permit(api, fn, 'appsync.amazonaws.com', api.arn);
  return { function: fn };
}

/** open returns whether a route needs no session: a preflight has no token. */
function open(p: AttachProps): (key: string) => boolean {
  const keys = new Set([...(p.open ?? []), ...(p.prefix === undefined ? [] : issuerPaths(p.prefix).map((path) => `ANY ${path}`))]);
  return (key) => key.startsWith('OPTIONS ') || keys.has(key);
}

/** Routes may be added later and in other stacks of the application, so they are guarded when all are known. */
function guard(api: IConstruct, aspect: IAspect): void {
  Aspects.of(api.node.root).add(aspect);
}

class HttpGuard implements IAspect {
  constructor(
    private readonly apiId: string, private readonly type: string, private readonly authorizer: apigatewayv2.CfnAuthorizer,
    private readonly open: (key: string) => boolean, private readonly scopes?: string[],
  ) {}

  visit(node: IConstruct): void {
    if (!(node instanceof apigatewayv2.CfnRoute) || node.apiId !== this.apiId || this.open(node.routeKey)) {
      return;
    }
    if (node.authorizationType !== undefined && node.authorizationType !== 'NONE') {
      return; // the application chose another authorizer for it
    }
    node.authorizationType = this.type;
    node.authorizerId = this.authorizer.ref;
    if (this.scopes?.length) {
      node.authorizationScopes = this.scopes;
    }
  }
}

class RestGuard implements IAspect {
  constructor(private readonly api: apigateway.RestApi, private readonly authorizer: apigateway.CfnAuthorizer, private readonly open: (key: string) => boolean) {}

  visit(node: IConstruct): void {
    if (!(node instanceof apigateway.CfnMethod) || node.restApiId !== this.api.restApiId) {
      return;
    }
    const method = node.node.scope;
    const path = method instanceof apigateway.Method ? method.resource.path : '';
    if (this.open(`${node.httpMethod} ${path}`) || (node.authorizationType !== undefined && node.authorizationType !== 'NONE')) {
      return;
    }
    node.authorizationType = 'CUSTOM';
    node.authorizerId = this.authorizer.ref;
  }
}

