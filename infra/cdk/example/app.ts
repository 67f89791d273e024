/**
 * An application with sign-in: the auth server, and an HTTP API and a REST API that need a session.
 *
 *   npm run example -- --context domain=auth.example.com --context zone=Z0123456789ABCDEFGHIJ
 */
import * as path from 'node:path';

import { App, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';

import { Auth, KeyStore } from '../lib';
import { bootstrap } from '../lib/functions';

const app = new App();
const setting = (name: string, fallback: string): string => String(app.node.tryGetContext(name) ?? fallback);
const env = { account: process.env['CDK_DEFAULT_ACCOUNT'] ?? '123456789012', region: process.env['CDK_DEFAULT_REGION'] ?? 'eu-west-1' };
const dist = process.env['POSTERN_DIST'] ?? path.join(__dirname, '..', '..', '..', 'dist'); // of infra/build.sh
const domainName = setting('domain', 'auth.example.com');
const site = domainName.slice(domainName.indexOf('.') + 1);

const authStack = new Stack(app, 'Auth', { env });
const auth = new Auth(authStack, 'auth', {
  app: 'example',
  stage: setting('stage', 'prod'),
  authFunction: lambda.Code.fromAsset(path.join(dist, 'auth.zip')),
  authorizer: lambda.Code.fromAsset(path.join(dist, 'authorizer.zip')),
  issuer: {
    domainName,
    hostedZone: route53.HostedZone.fromHostedZoneAttributes(authStack, 'Zone', { hostedZoneId: setting('zone', 'Z0123456789ABCDEFGHIJ'), zoneName: site }),
  },
  audience: 'api',
  origins: [`https://app.${site}`],
  keys: setting('keys', 'ssm') as KeyStore,
  ...(setting('seal', '') === '' ? {} : { sealSecret: setting('seal', '') }),
  mail: { from: `sign-in@${site}`, identity: site },
});

const apis = new Stack(app, 'Apis', { env });
const hello = bootstrap(apis, 'Api', {
  code: lambda.Code.fromAsset(path.join(dist, 'api.zip')), handler: 'api', memory: 128, timeout: Duration.seconds(5), description: 'Answers with the session of the caller',
  retention: logs.RetentionDays.THREE_MONTHS, environment: {},
});
auth.grantVerify(hello);

const http = new apigatewayv2.HttpApi(apis, 'Http');
http.addRoutes({ path: '/me', methods: [apigatewayv2.HttpMethod.GET], integration: new HttpLambdaIntegration('Me', hello) });
http.addRoutes({ path: '/health', methods: [apigatewayv2.HttpMethod.GET], integration: new HttpLambdaIntegration('Health', hello) });
auth.attach(http, { open: ['GET /health'] });

const rest = new apigateway.RestApi(apis, 'Rest', { endpointTypes: [apigateway.EndpointType.REGIONAL], cloudWatchRole: false });
rest.root.addResource('me').addMethod('GET', new apigateway.LambdaIntegration(hello, { allowTestInvoke: false }));
auth.attach(rest);

app.synth();
