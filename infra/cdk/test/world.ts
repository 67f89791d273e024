import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { App, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration, WebSocketMockIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as route53 from 'aws-cdk-lib/aws-route53';
import * as sns from 'aws-cdk-lib/aws-sns';

import { Auth, AuthProps } from '../lib';

export const env = { account: '123456789012', region: 'eu-west-1' };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postern-cdk-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
fs.mkdirSync(path.join(folder, 'code'));
fs.writeFileSync(path.join(folder, 'code', 'bootstrap'), '');
fs.writeFileSync(path.join(folder, 'schema.graphql'), 'type Query { me: String }\n');

export const schema = path.join(folder, 'schema.graphql');
export const code = () => lambda.Code.fromAsset(path.join(folder, 'code'));

export interface World { app: App; stack: Stack; readonly apis: Stack; auth: Auth; topic: sns.Topic }

/** An Auth in one stack, and a second stack for APIs when it is needed. */
export function world(props: Partial<AuthProps> = {}): World {
  const app = new App({ outdir: fs.mkdtempSync(path.join(folder, 'out-')) });
  const stack = new Stack(app, 'Auth', { env });
  const topic = new sns.Topic(stack, 'Topic', { enforceSSL: true });
  const auth = new Auth(stack, 'auth', {
    app: 'shop', stage: 'prod', authFunction: code(), authorizer: code(),
    issuer: { domainName: 'auth.example.com', hostedZone: route53.HostedZone.fromHostedZoneAttributes(stack, 'Zone', { hostedZoneId: 'Z0123456789ABCDEFGHIJ', zoneName: 'example.com' }) },
    audience: 'api', origins: ['https://app.example.com', 'https://admin.example.com'], mail: { from: 'sign-in@example.com', identity: 'example.com' }, alarms: topic,
    ...props,
  });
  let apis: Stack | undefined;
  return { app, stack, auth, topic, get apis() { return apis ??= new Stack(app, 'Apis', { env }); } };
}

export function handler(stack: Stack): lambda.Function {
  return new lambda.Function(stack, 'Handler', { runtime: lambda.Runtime.PROVIDED_AL2023, handler: 'api', code: code() });
}

export function restApi(stack: Stack, fn: lambda.IFunction, id = 'Rest'): apigateway.RestApi {
  const api = new apigateway.RestApi(stack, id, { cloudWatchRole: false, defaultCorsPreflightOptions: { allowOrigins: ['https://app.example.com'] } });
  api.root.addResource('orders').addMethod('GET', new apigateway.LambdaIntegration(fn));
  api.root.addResource('health').addMethod('GET', new apigateway.LambdaIntegration(fn));
  return api;
}

export function httpApi(stack: Stack, fn: lambda.IFunction, id = 'Http'): apigatewayv2.HttpApi {
  const api = new apigatewayv2.HttpApi(stack, id);
  for (const path of ['/orders', '/health']) {
    api.addRoutes({ path, methods: [apigatewayv2.HttpMethod.GET], integration: new HttpLambdaIntegration(`I${path.slice(1)}`, fn) });
  }
  api.addRoutes({ path: '/orders', methods: [apigatewayv2.HttpMethod.OPTIONS], integration: new HttpLambdaIntegration('Options', fn) });
  return api;
}

export function webSocketApi(stack: Stack): apigatewayv2.WebSocketApi {
  const api = new apigatewayv2.WebSocketApi(stack, 'Socket');
  api.addRoute('$connect', { integration: new WebSocketMockIntegration('Connect') });
  api.addRoute('send', { integration: new WebSocketMockIntegration('Send') });
  return api;
}

export function graphqlApi(stack: Stack): appsync.GraphqlApi {
  return new appsync.GraphqlApi(stack, 'Graph', { name: 'graph', definition: appsync.Definition.fromFile(schema) });
}
