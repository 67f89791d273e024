import { Arn, ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { acknowledge, acknowledgeWildcards } from './acknowledge';
import { authorizerAlarms, createAlarms } from './alarms';
import { attach, AttachedApi, AttachProps, Attachment } from './attach';
import { bootstrap } from './functions';
import { describe, IssuerApi, issuerApi } from './issuer';

/** Where the issuer is. All tokens and sign-in links contain it, so it is never derived from a generated address. */
export interface IssuerProps {
  /** The host, such as auth.example.com. */
  readonly domainName: string;
  /** The path below which everything is served. @default /auth */
  readonly basePath?: string;
  /** The zone of the host: the record is made there, and a certificate if none is given. @default none */
  readonly hostedZone?: route53.IHostedZone;
  /** A certificate of the host, in this region. @default made with hostedZone; without both, no domain is made here */
  readonly certificate?: acm.ICertificate;
  /** false: the issuer has no API here, and is served by an API that is attached with `prefix`. @default true */
  readonly api?: boolean;
}

/** Who sends the mails of an Auth. */
export interface MailProps {
  /** The address that sends the mails. */
  readonly from: string;
  /** The verified identity of Amazon SES, a domain or an address. */
  readonly identity: string;
}

/** Where the signing keys are. */
export enum KeyStore {
  /** The Parameter Store of AWS Systems Manager, as SecureString. */
  SSM = 'ssm',
  /** The Parameter Store, and each key is sealed by a KMS key first. */
  KMS = 'kms',
  /** AWS Secrets Manager. */
  SECRETS = 'secrets',
}

/** Settings of an Auth. */
export interface AuthProps {
  /** Name of the application, a part of the paths of keys and secrets. */
  readonly app: string;
  /** Stage of the application, a part of the paths of keys and secrets. */
  readonly stage: string;
  /** A zip or a folder with cmd/postern-lambda as `bootstrap`, and postern.toml. The rotator has it too. */
  readonly authFunction: lambda.Code;
  /** A zip or a folder with cmd/postern-authorizer as `bootstrap`. */
  readonly authorizer: lambda.Code;
  /** Where the issuer is. */
  readonly issuer: IssuerProps;
  /** The audience of every session. */
  readonly audience: string;
  /** The origins whose pages may call the issuer, each exactly as a browser sends it. */
  readonly origins: string[];
  /** The addresses that people return to after a sign-in. @default each origin, with a slash */
  readonly redirects?: string[];
  /** The table. @default a new one, which survives the stack */
  readonly table?: dynamodb.ITableV2;
  /** Where the signing keys are. @default KeyStore.SSM */
  readonly keys?: KeyStore;
  /** The symmetric key that seals the signing keys. For KeyStore.KMS. @default a new one, which survives the stack */
  readonly sealKey?: kms.IKey;
  /**
   * Name of the secret that seals the signing keys, 32 bytes in base64, such as POSTERN_VAULT_KEY. `postern secrets set`
   * writes it. Not for KeyStore.KMS. @default none: the service that keeps the keys encrypts them
   */
  readonly sealSecret?: string;
  /** The longest life of an access token. @default 1 hour */
  readonly accessLifetime?: Duration;
  /** Age at which a signing key is replaced. @default 30 days */
  readonly rotateAfter?: Duration;
  /** Memory of the auth function, 512 to 10240 MB. More memory is more processor. @default 1024 */
  readonly memory?: number;
  /** Concurrent executions of the auth function that are reserved for it. @default none */
  readonly reservedConcurrency?: number;
  /** The mails by Amazon SES. @default no mails: then leave the table mail, and providers that send mail, out of postern.toml */
  readonly mail?: MailProps;
  /** How long logs are kept. @default 3 months */
  readonly logRetention?: logs.RetentionDays;
  /** Requests a second to the issuer, from everybody. @default 200 */
  readonly rate?: number;
  /** The topic of the alarms. @default the alarms notify nobody */
  readonly alarms?: sns.ITopic;
  /** Serves the issuer by a REST API with a WAF rule on the rate of an address. HTTP APIs have no WAF. @default false */
  readonly waf?: boolean;
  /** Requests of one address in five minutes that WAF lets through, 10 or more. @default 1000 */
  readonly wafLimit?: number;
}

const name = /^[a-zA-Z][-a-zA-Z0-9]{0,30}$/;

/** The auth server of an application: sign-in, sessions, keys that rotate, and authorizers for its APIs. */
export class Auth extends Construct {
  /** The address of the issuer, such as https://auth.example.com/auth. */
  readonly issuer: string;
  /** The path of the issuer, such as /auth. */
  readonly basePath: string;
  /** The audience of every session. */
  readonly audience: string;
  /** The origins whose pages may call the issuer. */
  readonly origins: string[];
  /** The longest life of an access token. */
  readonly accessLifetime: Duration;
  /** The table of the auth function. */
  readonly table: dynamodb.ITableV2;
  /** The function that serves the issuer. */
  readonly authFunction: lambda.Function;
  /** The function that replaces signing keys. */
  readonly rotator: lambda.Function;
  /** The queue of invocations of the rotator that failed. */
  readonly deadLetterQueue: sqs.Queue;
  /** The API of the issuer. Undefined if issuer.api is false. */
  readonly api?: IssuerApi;
  private readonly authorizers = new Map<string, { fn: lambda.Function; sources: Set<string> }>();
  private readonly retention: logs.RetentionDays;

  constructor(scope: Construct, id: string, private readonly props: AuthProps) {
    super(scope, id);
    check(props);
    this.basePath = props.issuer.basePath ?? '/auth';
    this.issuer = `https://${props.issuer.domainName}${this.basePath}`;
    this.audience = props.audience;
    this.origins = props.origins;
    this.accessLifetime = props.accessLifetime ?? Duration.hours(1);
    this.retention = props.logRetention ?? logs.RetentionDays.THREE_MONTHS;

    this.table = props.table ?? new dynamodb.TableV2(this, 'Table', {
      partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING },
      billing: dynamodb.Billing.onDemand(),
      timeToLiveAttribute: 'expiry',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const sealKey = props.keys === KeyStore.KMS ? props.sealKey ?? new kms.Key(this, 'SealKey', {
      description: `Seals the signing keys of ${this.issuer}`, enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN,
    }) : undefined;
    const environment = this.environment(sealKey);
    const common = { code: props.authFunction, retention: this.retention };
    this.authFunction = bootstrap(this, 'Function', {
      ...common, handler: 'auth', memory: props.memory ?? 1024, timeout: Duration.seconds(10), environment,
      description: `Sign-in and sessions of ${this.issuer}`, concurrency: props.reservedConcurrency,
    });
    this.deadLetterQueue = new sqs.Queue(this, 'Failures', {
      enforceSSL: true, encryption: sqs.QueueEncryption.SQS_MANAGED, retentionPeriod: Duration.days(14),
    });
    this.rotator = bootstrap(this, 'Rotator', {
      ...common, handler: 'rotator', memory: 512, timeout: Duration.minutes(1), failures: this.deadLetterQueue,
      environment: { ...environment, POSTERN_ROTATE: `${(props.rotateAfter ?? Duration.days(30)).toHours()}h` },
      description: `Replaces signing keys of ${this.issuer}`,
    });
    this.schedule();
    this.grantKeys(this.authFunction, sealKey, 'make');
    this.grantSecrets(this.authFunction);
    this.grantKeys(this.rotator, sealKey, 'rotate');
    this.grantSealSecret(this.rotator);
    this.grantTable(this.authFunction);
    if (props.mail) {
      this.grantMail(this.authFunction, props.mail);
    }

    this.api = props.issuer.api === false ? undefined : issuerApi(this, {
      fn: this.authFunction, domainName: props.issuer.domainName, basePath: this.basePath, certificate: props.issuer.certificate,
      hostedZone: props.issuer.hostedZone, retention: this.retention, waf: props.waf ?? false, wafLimit: props.wafLimit ?? 1000, rate: props.rate ?? 200,
    });
    createAlarms(this, {
      topic: props.alarms, issuer: this.issuer, authFunction: this.authFunction, rotator: this.rotator, table: this.table, queue: this.deadLetterQueue,
      api: this.api, rotateAfter: props.rotateAfter ?? Duration.days(30),
    });
    this.acknowledgeFindings();
    describe(this, {
      Issuer: this.issuer, Jwks: `${this.issuer}/.well-known/jwks.json`, Audience: this.audience, TableName: this.table.tableName,
      ...(this.api ? { Address: this.api.address } : {}),
    }, { 'postern:app': props.app, 'postern:stage': props.stage });
  }

  /**
   * Guards an API: each of its routes needs a session, except OPTIONS and those that are named open. Works for
   * RestApi, HttpApi, WebSocketApi ($connect) and GraphqlApi, also of other stacks, and for several APIs.
   */
  attach(api: AttachedApi, props: AttachProps = {}): Attachment {
    return attach(this, api, props);
  }

  /**
   * Lets a function check sessions by itself: it gets the address of the issuer and the audience. Published keys need
   * no right.
   */
  grantVerify(fn: lambda.Function): void {
    fn.addEnvironment('POSTERN_ISSUER', this.issuer);
    fn.addEnvironment('POSTERN_AUDIENCE', this.audience);
  }

  /**
   * Lets a function of yours issue sessions, as the auth function does: with the table, and reading the keys. It may
   * write them only if accessLifetime is more than an hour: a ring is ready for an hour, and notes a longer one before
   * a key signs for it. The auth function makes the keys at its first start, so call it before.
   */
  grantIssue(fn: lambda.Function): void {
    for (const [variable, value] of Object.entries(this.environment(this.sealKey))) {
      fn.addEnvironment(variable, value);
    }
    this.grantTable(fn);
    this.grantKeys(fn, this.sealKey, this.accessLifetime.toSeconds() > 3600 ? 'make' : 'sign');
    this.grantSealSecret(fn);
  }

  /** The variables of a program that issues sessions. */
  get variables(): Record<string, string> {
    return this.environment(this.sealKey);
  }

  private get sealKey(): kms.IKey | undefined {
    return this.props.keys === KeyStore.KMS ? this.props.sealKey ?? this.node.findChild('SealKey') as kms.Key : undefined;
  }

  private environment(sealKey?: kms.IKey): Record<string, string> {
    const { app, stage } = this.props;
    return {
      POSTERN_APP: app,
      POSTERN_STAGE: stage,
      POSTERN_ISSUER: this.issuer,
      POSTERN_AUDIENCE: this.audience,
      POSTERN_ORIGINS: this.origins.join(','),
      POSTERN_REDIRECTS: JSON.stringify(this.props.redirects ?? this.origins.map((o) => `${o}/`)), // an address may have a comma
      POSTERN_STORE: `dynamodb:${this.table.tableName}`,
      POSTERN_VAULT: this.props.keys === KeyStore.SECRETS ? `secrets-manager:${app}/${stage}/auth/keys` : `ssm:/${app}/${stage}/auth/keys`,
      POSTERN_SEAL: sealKey ? `kms:${sealKey.keyArn}` : this.props.sealSecret ? `secret:${this.props.sealSecret}` : '',
      // Without mail there is no variable, so that a configuration that has mail all the same says what is missing.
      ...(this.props.mail ? { POSTERN_MAIL_FROM: this.props.mail.from } : {}),
    };
  }

  /** The authorizer function for some settings. APIs with the same settings share it. @internal */
  _authorizerFunction(settings: Record<string, string>, sources: string[]): lambda.Function {
    const key = JSON.stringify(Object.entries(settings).sort());
    const known = this.authorizers.get(key);
    if (known) {
      sources.forEach((s) => known.sources.add(s));
      known.fn.addEnvironment('POSTERN_IDENTITY_SOURCES', [...known.sources].join(','));
      return known.fn;
    }
    const id = `Authorizer${this.authorizers.size === 0 ? '' : this.authorizers.size + 1}`;
    const fn = bootstrap(this, id, {
      code: this.props.authorizer, handler: 'authorizer', memory: 256, timeout: Duration.seconds(5), retention: this.retention,
      environment: {
        POSTERN_ISSUER: this.issuer, POSTERN_AUDIENCE: this.audience, POSTERN_ACCESS: `${this.accessLifetime.toSeconds()}s`, ...settings,
        ...(sources.length > 0 ? { POSTERN_IDENTITY_SOURCES: sources.join(',') } : {}),
      },
      description: `Checks sessions of ${this.issuer}`,
    });
    authorizerAlarms(this, id, fn, this.props.alarms);
    acknowledge(fn, 'synchronous', 'tracing');
    this.authorizers.set(key, { fn, sources: new Set(sources) });
    return fn;
  }

  /** Invokes the rotator once a day, at no exact time. It may invoke this one function. */
  private schedule(): void {
    const group = new scheduler.CfnScheduleGroup(this, 'ScheduleGroup');
    const role = new iam.Role(this, 'ScheduleRole', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account, 'aws:SourceArn': group.attrArn } },
      }),
    });
    role.addToPolicy(new iam.PolicyStatement({ sid: 'Rotate', actions: ['lambda:InvokeFunction'], resources: [this.rotator.functionArn] }));
    role.addToPolicy(new iam.PolicyStatement({ sid: 'Failures', actions: ['sqs:SendMessage'], resources: [this.deadLetterQueue.queueArn] }));
    new scheduler.CfnSchedule(this, 'Schedule', {
      groupName: group.ref,
      description: `Replaces signing keys of ${this.issuer} when they are old enough`,
      scheduleExpression: 'rate(1 day)',
      flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: 60 },
      target: {
        arn: this.rotator.functionArn, roleArn: role.roleArn, deadLetterConfig: { arn: this.deadLetterQueue.queueArn },
        retryPolicy: { maximumEventAgeInSeconds: 12 * 3600, maximumRetryAttempts: 3 },
      },
    }).node.addDependency(role);
  }

  private acknowledgeFindings(): void {
    const { app, stage } = this.props;
    acknowledge(this.authFunction, 'synchronous', 'tracing');
    acknowledge(this.rotator, 'destination', 'tracing');
    acknowledge(this.deadLetterQueue, 'deadLetters', 'redrive');
    const keys = this.props.keys === KeyStore.SECRETS ? `secretsmanager secret:${app}/${stage}/auth/keys-??????` : `ssm parameter/${app}/${stage}/auth/keys/*`;
    acknowledgeWildcards(this.authFunction.role as iam.Role, keys, `ssm parameter/postern/${app}/${stage}/*`);
    acknowledgeWildcards(this.rotator.role as iam.Role, keys);
  }

  private arn(service: string, resource: string, resourceName: string): string {
    return Arn.format({ service, resource, resourceName, arnFormat: ArnFormat.SLASH_RESOURCE_NAME }, Stack.of(this));
  }

  private grantTable(fn: lambda.Function): void {
    fn.addToRolePolicy(new iam.PolicyStatement({
      sid: 'Table',
      actions: ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'].map((a) => `dynamodb:${a}`),
      resources: [this.table.tableArn],
    }));
    if (this.table.encryptionKey) {
      this.table.encryptionKey.grantEncryptDecrypt(fn);
    }
  }

  /**
   * The first boot makes the keys, and the rotator replaces them and removes old versions: a template never has one.
   * `sign` reads the keys alone.
   */
  private grantKeys(fn: lambda.Function, sealKey: kms.IKey | undefined, use: 'sign' | 'make' | 'rotate'): void {
    const { app, stage } = this.props;
    const write = use !== 'sign';
    if (this.props.keys === KeyStore.SECRETS) {
      fn.addToRolePolicy(new iam.PolicyStatement({
        sid: 'Keys',
        actions: ['secretsmanager:GetSecretValue',
          ...(write ? ['secretsmanager:CreateSecret', 'secretsmanager:PutSecretValue', 'secretsmanager:UpdateSecretVersionStage'] : [])],
        // Secrets Manager adds a hyphen and six characters to a name.
        resources: [Arn.format({ service: 'secretsmanager', resource: 'secret', resourceName: `${app}/${stage}/auth/keys-??????`, arnFormat: ArnFormat.COLON_RESOURCE_NAME }, Stack.of(this))],
      }));
    } else {
      fn.addToRolePolicy(new iam.PolicyStatement({
        sid: 'ListKeys', actions: ['ssm:GetParametersByPath'], resources: [this.arn('ssm', 'parameter', `${app}/${stage}/auth/keys`)],
      }));
      fn.addToRolePolicy(new iam.PolicyStatement({
        sid: 'Keys',
        actions: ['ssm:GetParameters', ...(use === 'rotate' ? ['ssm:GetParametersByPath', 'ssm:DeleteParameters'] : [])],
        resources: [this.arn('ssm', 'parameter', `${app}/${stage}/auth/keys/*`)],
      }));
      if (write) {
        fn.addToRolePolicy(new iam.PolicyStatement({
          sid: 'NewKeys', actions: ['ssm:PutParameter'], resources: [this.arn('ssm', 'parameter', `${app}/${stage}/auth/keys/*`)],
          conditions: { StringNotEquals: { 'ssm:Overwrite': 'true' } }, // a version is written once
        }));
      }
    }
    if (sealKey) {
      fn.addToRolePolicy(new iam.PolicyStatement({
        sid: 'Seal', actions: ['kms:Decrypt', ...(write ? ['kms:GenerateDataKey'] : [])], resources: [sealKey.keyArn],
      }));
    }
  }

  /** The secrets of postern.toml, which `postern secrets set` writes. */
  private grantSecrets(fn: lambda.Function): void {
    fn.addToRolePolicy(new iam.PolicyStatement({
      sid: 'Secrets', actions: ['ssm:GetParameters'], resources: [this.arn('ssm', 'parameter', `postern/${this.props.app}/${this.props.stage}/*`)],
    }));
  }

  /** The one secret that a program needs which opens the keys alone. */
  private grantSealSecret(fn: lambda.Function): void {
    const { app, stage, sealSecret } = this.props;
    if (sealSecret) {
      fn.addToRolePolicy(new iam.PolicyStatement({
        sid: 'SealSecret', actions: ['ssm:GetParameters'], resources: [this.arn('ssm', 'parameter', `postern/${app}/${stage}/Secret/${sealSecret}/value`)],
      }));
    }
  }

  private grantMail(fn: lambda.Function, mail: MailProps): void {
    fn.addToRolePolicy(new iam.PolicyStatement({
      sid: 'Mail', actions: ['ses:SendEmail', 'ses:SendRawEmail'], resources: [this.arn('ses', 'identity', mail.identity)],
      conditions: { StringEquals: { 'ses:FromAddress': mail.from } },
    }));
  }
}

/** Refuses settings that would deploy and then let nobody in, or too many. */
function check(p: AuthProps): void {
  const fail = (text: string): never => { throw new Error(`Auth: ${text}`); };
  for (const [field, value] of [['app', p.app], ['stage', p.stage]] as const) {
    if (!name.test(value)) {
      fail(`${field} is ${JSON.stringify(value)}: begin with a letter, then letters, digits and hyphens, at most 31`);
    }
  }
  if (/^(aws|ssm)/i.test(p.app) && p.keys !== KeyStore.SECRETS) {
    fail(`app is ${JSON.stringify(p.app)}: SSM keeps names that begin with aws or ssm for itself; use another, or keys: KeyStore.SECRETS`);
  }
  if (!/^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/.test(p.issuer.domainName)) {
    fail(`issuer.domainName is ${JSON.stringify(p.issuer.domainName)}: write the host alone, such as auth.example.com`);
  }
  if (p.issuer.basePath !== undefined && !/^(\/[a-z0-9_-]+)+$/.test(p.issuer.basePath)) {
    fail(`issuer.basePath is ${JSON.stringify(p.issuer.basePath)}: write a path without a slash at its end, such as /auth`);
  }
  if (p.issuer.api === false && (p.waf || p.issuer.hostedZone || p.issuer.certificate)) {
    fail('issuer.api is false: waf, hostedZone and certificate are for the API that is then not made');
  }
  if (p.audience === '') {
    fail('audience is empty: name the API that the sessions are for');
  }
  if (p.origins.length === 0) {
    fail('origins is empty: list the origins of your pages, such as https://app.example.com');
  }
  for (const origin of p.origins) {
    if (!/^https:\/\/[a-z0-9.-]+(:[0-9]+)?$/.test(origin)) {
      fail(`origins has ${JSON.stringify(origin)}: write each exactly as a browser sends it, such as https://app.example.com; there are no wildcards`);
    }
  }
  for (const redirect of p.redirects ?? []) {
    if (!/^https:\/\/[^*,\s]+$/.test(redirect)) {
      fail(`redirects has ${JSON.stringify(redirect)}: write whole addresses, such as https://app.example.com/`);
    }
  }
  if (p.memory !== undefined && (p.memory < 512 || p.memory > 10240)) {
    fail(`memory is ${p.memory}: hashes of passwords and signatures need 512 MB or more, and Lambda gives at most 10240`);
  }
  if (p.sealKey && p.keys !== KeyStore.KMS) {
    fail('sealKey is for keys: KeyStore.KMS');
  }
  if (p.sealSecret !== undefined && (p.keys === KeyStore.KMS || !/^[A-Za-z][A-Za-z0-9_]{0,127}$/.test(p.sealSecret))) {
    fail(`sealSecret is ${JSON.stringify(p.sealSecret)}: write the name of a secret, such as POSTERN_VAULT_KEY, and not with keys: KeyStore.KMS`);
  }
  const rotate = p.rotateAfter?.toHours() ?? 720;
  if (rotate < 24) {
    fail(`rotateAfter is ${rotate} hours: a key is published three hours before it signs, and the rotator runs once a day; give a day or more`);
  }
}
