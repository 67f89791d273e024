import { CfnOutput, Duration, Tags } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';
import * as targets from 'aws-cdk-lib/aws-route53-targets';
import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import { Construct, IDependable } from 'constructs';

import { acknowledge } from './acknowledge';

/** The paths of an issuer, of which each takes every method. Clients look for metadata before and after its path. */
export function issuerPaths(basePath: string): string[] {
  return [
    basePath,
    `${basePath}/{proxy+}`,
    `${basePath}/.well-known/{proxy+}`,
    `/.well-known/oauth-authorization-server${basePath}`,
    `/.well-known/openid-configuration${basePath}`,
    '/.well-known/change-password',
    '/.well-known/passkey-endpoints',
    '/.well-known/webauthn',
  ];
}

/** Adds the paths of the issuer to an HTTP API, open to everybody. */
export function addHttpRoutes(scope: Construct, api: apigatewayv2.IHttpApi, fn: lambda.IFunction, basePath: string): apigatewayv2.HttpRoute[] {
  const integration = new HttpLambdaIntegration('Issuer', fn);
  return issuerPaths(basePath).map((path, i) => new apigatewayv2.HttpRoute(scope, `Route${i}`, {
    httpApi: api,
    routeKey: apigatewayv2.HttpRouteKey.with(path, apigatewayv2.HttpMethod.ANY),
    integration,
    authorizer: new apigatewayv2.HttpNoneAuthorizer(),
  }));
}

/** Adds the paths of the issuer to a REST API, open to everybody. */
export function addRestMethods(api: apigateway.RestApi, fn: lambda.IFunction, basePath: string): apigateway.Method[] {
  const integration = new apigateway.LambdaIntegration(fn, { allowTestInvoke: false });
  return issuerPaths(basePath).map((path) => {
    let resource: apigateway.IResource = api.root;
    for (const part of path.split('/').filter((p) => p !== '')) {
      resource = resource.getResource(part) ?? resource.addResource(part);
    }
    return resource.addMethod('ANY', integration, { authorizationType: apigateway.AuthorizationType.NONE });
  });
}

export interface IssuerApiSettings {
  readonly fn: lambda.IFunction;
  readonly domainName: string;
  readonly basePath: string;
  readonly certificate?: acm.ICertificate | undefined;
  readonly hostedZone?: route53.IHostedZone | undefined;
  readonly retention: logs.RetentionDays;
  readonly waf: boolean;
  readonly wafLimit: number;
  readonly rate: number;
}

/** The API of the issuer: an HTTP API, or with `waf` a REST API. */
export interface IssuerApi {
  /** What must exist before the issuer answers at its address. */
  readonly ready: IDependable[];
  /** What a DNS record of the host, or a domain made elsewhere, leads to. */
  readonly address: string;
  /** Undefined with `waf`. */
  readonly httpApi?: apigatewayv2.HttpApi;
  /** Undefined without `waf`. */
  readonly restApi?: apigateway.RestApi;
}

/** The API of the issuer: an HTTP API, or a REST API with WAF. CORS is answered by the function, which has the origins. */
export function issuerApi(scope: Construct, s: IssuerApiSettings): IssuerApi {
  const certificate = s.certificate ?? (s.hostedZone && new acm.Certificate(scope, 'Certificate', {
    domainName: s.domainName, validation: acm.CertificateValidation.fromDns(s.hostedZone),
  }));
  return s.waf ? restIssuer(scope, s, certificate) : httpIssuer(scope, s, certificate);
}

function httpIssuer(scope: Construct, s: IssuerApiSettings, certificate?: acm.ICertificate): IssuerApi {
  const api = new apigatewayv2.HttpApi(scope, 'Api', {
    createDefaultStage: false,
    disableExecuteApiEndpoint: certificate !== undefined, // the issuer has one address
  });
  const ready: IDependable[] = addHttpRoutes(api, api, s.fn, s.basePath);
  let address = '';
  const stage = new apigatewayv2.HttpStage(scope, 'Stage', {
    httpApi: api,
    stageName: '$default',
    autoDeploy: true,
    throttle: { rateLimit: s.rate, burstLimit: 2 * s.rate },
    accessLogSettings: {
      destination: new apigatewayv2.LogGroupLogDestination(new logs.LogGroup(scope, 'AccessLog', { retention: s.retention })),
      // The route, and neither the path nor the query: both can hold codes and tokens.
      format: apigateway.AccessLogFormat.custom(JSON.stringify({
        requestId: '$context.requestId', time: '$context.requestTime', route: '$context.routeKey', status: '$context.status',
        milliseconds: '$context.responseLatency', error: '$context.integrationErrorMessage',
      })),
    },
  });
  if (certificate) {
    const domain = new apigatewayv2.DomainName(scope, 'Domain', { domainName: s.domainName, certificate });
    const mapping = new apigatewayv2.ApiMapping(scope, 'Mapping', { api, domainName: domain, stage });
    ready.push(domain, mapping);
    address = domain.regionalDomainName;
    if (s.hostedZone) {
      ready.push(alias(scope, s.hostedZone, s.domainName,
        new targets.ApiGatewayv2DomainProperties(domain.regionalDomainName, domain.regionalHostedZoneId)));
    }
  }
  ready.push(stage);
  acknowledge(api, 'open');
  return { ready, address: certificate ? address : api.apiEndpoint, httpApi: api };
}

function restIssuer(scope: Construct, s: IssuerApiSettings, certificate?: acm.ICertificate): IssuerApi {
  const api = new apigateway.RestApi(scope, 'Api', {
    endpointTypes: [apigateway.EndpointType.REGIONAL],
    disableExecuteApiEndpoint: certificate !== undefined,
    binaryMediaTypes: ['*/*'], // the pages have pictures and compressed files
    cloudWatchRole: false,
    deployOptions: {
      throttlingRateLimit: s.rate,
      throttlingBurstLimit: 2 * s.rate,
      accessLogDestination: new apigateway.LogGroupLogDestination(new logs.LogGroup(scope, 'AccessLog', { retention: s.retention })),
      accessLogFormat: apigateway.AccessLogFormat.custom(JSON.stringify({
        requestId: '$context.requestId', time: '$context.requestTime', route: '$context.resourcePath', status: '$context.status',
        milliseconds: '$context.responseLatency', error: '$context.integrationErrorMessage',
      })),
    },
  });
  const ready: IDependable[] = addRestMethods(api, s.fn, s.basePath);
  let address = '';
  if (certificate) {
    const domain = new apigateway.DomainName(scope, 'Domain', {
      domainName: s.domainName, certificate, endpointType: apigateway.EndpointType.REGIONAL, securityPolicy: apigateway.SecurityPolicy.TLS_1_2,
    });
    ready.push(domain, domain.addBasePathMapping(api));
    address = domain.domainNameAliasDomainName;
    if (s.hostedZone) {
      ready.push(alias(scope, s.hostedZone, s.domainName, new targets.ApiGatewayDomain(domain)));
    }
  }
  acknowledge(api, 'open', 'cognito', 'validation', 'execution', 'xray');
  ready.push(api.deploymentStage, rateRule(scope, api, s.wafLimit));
  return { ready, address: certificate ? address : api.url, restApi: api };
}

function alias(scope: Construct, zone: route53.IHostedZone, recordName: string, target: route53.IAliasRecordTarget): route53.ARecord {
  return new route53.ARecord(scope, 'Record', { zone, recordName, target: route53.RecordTarget.fromAlias(target) });
}

/** Refuses an address that sends more requests than the limit in five minutes. */
function rateRule(scope: Construct, api: apigateway.RestApi, limit: number): wafv2.CfnWebACLAssociation {
  const metric = (name: string) => ({ cloudWatchMetricsEnabled: true, sampledRequestsEnabled: false, metricName: name });
  const acl = new wafv2.CfnWebACL(scope, 'WebAcl', {
    scope: 'REGIONAL',
    defaultAction: { allow: {} },
    visibilityConfig: metric('PosternIssuer'),
    rules: [{
      name: 'rate',
      priority: 0,
      action: { block: { customResponse: { responseCode: 429 } } },
      statement: { rateBasedStatement: { limit, aggregateKeyType: 'IP', evaluationWindowSec: Duration.minutes(5).toSeconds() } },
      visibilityConfig: metric('PosternRate'),
    }],
  });
  return new wafv2.CfnWebACLAssociation(scope, 'WebAclAssociation', { resourceArn: api.deploymentStage.stageArn, webAclArn: acl.attrArn });
}

/** Outputs and tags of an Auth. */
export function describe(scope: Construct, outputs: Record<string, string>, tags: Record<string, string>): void {
  for (const [name, value] of Object.entries(outputs)) {
    new CfnOutput(scope, name, { value });
  }
  for (const [name, value] of Object.entries(tags)) {
    Tags.of(scope).add(name, value);
  }
}
