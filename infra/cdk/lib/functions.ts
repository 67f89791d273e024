import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

export interface FunctionSettings {
  readonly code: lambda.Code;
  readonly handler: string;
  readonly memory: number;
  readonly timeout: Duration;
  readonly retention: logs.RetentionDays;
  readonly environment: Record<string, string>;
  readonly description: string;
  readonly concurrency?: number | undefined;
  readonly failures?: sqs.IQueue;
}

/** A bootstrap with a role that may write its own log, and nothing else. */
export function bootstrap(scope: Construct, id: string, s: FunctionSettings): lambda.Function {
  const log = new logs.LogGroup(scope, `${id}Log`, { retention: s.retention });
  // AWSLambdaBasicExecutionRole may write every log of the account, so the role is written out.
  const role = new iam.Role(scope, `${id}Role`, { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
  role.addToPolicy(new iam.PolicyStatement({
    sid: 'Log',
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [log.logGroupArn],
  }));
  return new lambda.Function(scope, id, {
    runtime: lambda.Runtime.PROVIDED_AL2023,
    architecture: lambda.Architecture.ARM_64,
    code: s.code,
    handler: s.handler,
    description: s.description,
    memorySize: s.memory,
    timeout: s.timeout,
    role,
    logGroup: log,
    // JSON, so that metrics in the embedded format are read. An application level above INFO would drop them.
    loggingFormat: lambda.LoggingFormat.JSON,
    applicationLogLevelV2: lambda.ApplicationLogLevel.INFO,
    systemLogLevelV2: lambda.SystemLogLevel.WARN,
    environment: s.environment,
    // A schedule invokes asynchronously: the failure of the function itself goes here, after two more tries.
    ...(s.failures === undefined ? {} : { onFailure: failuresTo(s.failures, role), retryAttempts: 2 }),
    ...(s.concurrency === undefined ? {} : { reservedConcurrentExecutions: s.concurrency }),
  });
}

/** A failure destination with the one right that it needs. SqsDestination adds two more. */
function failuresTo(queue: sqs.IQueue, role: iam.Role): lambda.IDestination {
  return {
    bind: () => {
      role.addToPolicy(new iam.PolicyStatement({ sid: 'Failures', actions: ['sqs:SendMessage'], resources: [queue.queueArn] }));
      return { destination: queue.queueArn };
    },
  };
}
