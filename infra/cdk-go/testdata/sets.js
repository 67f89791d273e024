// Synthesises an application for each set of props in sets.json: node sets.js SETS CODE OUT. It runs in a compiled
// infra/cdk. The Go tests have the same application.
const fs = require('node:fs');
const path = require('node:path');
const cdk = require('aws-cdk-lib');
const acm = require('aws-cdk-lib/aws-certificatemanager');
const apigateway = require('aws-cdk-lib/aws-apigateway');
const apigatewayv2 = require('aws-cdk-lib/aws-apigatewayv2');
const { HttpLambdaIntegration, WebSocketMockIntegration } = require('aws-cdk-lib/aws-apigatewayv2-integrations');
const appsync = require('aws-cdk-lib/aws-appsync');
const dynamodb = require('aws-cdk-lib/aws-dynamodb');
const kms = require('aws-cdk-lib/aws-kms');
const lambda = require('aws-cdk-lib/aws-lambda');
const logs = require('aws-cdk-lib/aws-logs');
const route53 = require('aws-cdk-lib/aws-route53');
const sns = require('aws-cdk-lib/aws-sns');
const { Auth, AuthorizerType, KeyStore } = require('./dist/lib');

const [sets, code, out] = process.argv.slice(2);
const env = { account: '123456789012', region: 'eu-west-1' };

for (const [name, set] of Object.entries(JSON.parse(fs.readFileSync(sets, 'utf8')))) {
  const app = new cdk.App({ outdir: path.join(out, name) });
  const stack = new cdk.Stack(app, 'Auth', { env }), apis = new cdk.Stack(app, 'Apis', { env });
  const asset = () => lambda.Code.fromAsset(code);
  const seconds = (key) => (set.seconds?.[key] ? { [key]: cdk.Duration.seconds(set.seconds[key]) } : {});
  const made = {
    alarms: () => new sns.Topic(stack, 'Topic', { enforceSSL: true }),
    table: () => dynamodb.TableV2.fromTableName(stack, 'Table', 'sessions'),
    sealKey: () => new kms.Key(stack, 'Key'),
    certificate: () => acm.Certificate.fromCertificateArn(stack, 'Certificate', 'arn:aws:acm:eu-west-1:123456789012:certificate/1'),
    logRetention: () => logs.RetentionDays.ONE_YEAR,
  };
  const has = new Set(set.with ?? []);
  const { certificate, ...extra } = Object.fromEntries(Object.entries(made).filter(([key]) => has.has(key)).map(([key, make]) => [key, make()]));
  const zone = route53.HostedZone.fromHostedZoneAttributes(stack, 'Zone', { hostedZoneId: 'Z0123456789ABCDEFGHIJ', zoneName: 'example.com' });
  const auth = new Auth(stack, 'auth', {
    app: 'shop', stage: 'prod', authFunction: asset(), authorizer: asset(), issuer: { domainName: 'auth.example.com', hostedZone: zone, certificate },
    audience: 'api', origins: ['https://app.example.com', 'https://admin.example.com'], mail: { from: 'sign-in@example.com', identity: 'example.com' },
    ...set.auth, ...extra, ...seconds('accessLifetime'), ...seconds('rotateAfter'), ...(set.auth.keys ? { keys: KeyStore[set.auth.keys] } : {}),
  });
  const fn = new lambda.Function(apis, 'Handler', { runtime: lambda.Runtime.PROVIDED_AL2023, handler: 'api', code: asset() });
  const api = {
    http: () => {
      const a = new apigatewayv2.HttpApi(apis, 'Http');
      a.addRoutes({ path: '/orders/{id}', methods: [apigatewayv2.HttpMethod.GET], integration: new HttpLambdaIntegration('Orders', fn) });
      return a;
    },
    rest: () => {
      const a = new apigateway.RestApi(apis, 'Rest', { cloudWatchRole: false });
      a.root.addMethod('GET', new apigateway.LambdaIntegration(fn));
      return a;
    },
    socket: () => {
      const a = new apigatewayv2.WebSocketApi(apis, 'Socket');
      a.addRoute('$connect', { integration: new WebSocketMockIntegration('Connect') });
      return a;
    },
    graph: () => new appsync.GraphqlApi(apis, 'Graph', { name: 'graph', definition: appsync.Definition.fromFile(path.join(path.dirname(sets), 'schema.graphql')) }),
  };
  for (const a of set.attach) {
    auth.attach(api[a.api](), { ...a.props, ...seconds('ttl'), ...(a.props.authorizer ? { authorizer: AuthorizerType[a.props.authorizer] } : {}) });
  }
  if (has.has('grants')) {
    auth.grantVerify(fn);
    auth.grantIssue(new lambda.Function(stack, 'Issue', { runtime: lambda.Runtime.PROVIDED_AL2023, handler: 'issue', code: asset() }));
  }
  app.synth();
}
