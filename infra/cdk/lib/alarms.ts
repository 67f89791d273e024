import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { IssuerApi } from './issuer';

export interface AlarmSettings {
  readonly topic?: sns.ITopic | undefined;
  readonly issuer: string;
  readonly authFunction: lambda.Function;
  readonly rotator: lambda.Function;
  readonly table: dynamodb.ITableV2;
  readonly queue: sqs.Queue;
  readonly api: IssuerApi | undefined;
  readonly rotateAfter: Duration;
}

const minutes5 = Duration.minutes(5);

/** A metric that the functions write, in the embedded metric format. */
function metric(issuer: string, metricName: string, statistic: string, period = minutes5): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace: 'Postern', metricName, dimensionsMap: { Issuer: issuer }, statistic, period });
}

function alarm(scope: Construct, topic: sns.ITopic | undefined, id: string, props: cloudwatch.AlarmProps): void {
  const a = new cloudwatch.Alarm(scope, `Alarm${id}`, { treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING, ...props });
  if (topic) {
    a.addAlarmAction(new actions.SnsAction(topic));
  }
}

/** The alarms of an Auth. Each description says what to look at first. */
export function createAlarms(scope: Construct, s: AlarmSettings): void {
  const add = (id: string, props: cloudwatch.AlarmProps) => alarm(scope, s.topic, id, props);
  const serverError = s.api?.httpApi?.metricServerError({ period: minutes5, statistic: 'Sum' })
    ?? s.api?.restApi?.metricServerError({ period: minutes5, statistic: 'Sum' });
  if (serverError) {
    add('ServerErrors', {
      metric: serverError, threshold: 5, evaluationPeriods: 1, comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      alarmDescription: `${s.issuer} answers 5xx: look into the log of the auth function, then at the table.`,
    });
  }
  add('AuthErrors', { // a function that is killed writes no metric of its own
    metric: s.authFunction.metricErrors({ period: minutes5, statistic: 'Sum' }), threshold: 5, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'The auth function fails or reaches its time limit: look into its log, then at the table.',
  });
  add('Errors', {
    metric: metric(s.issuer, 'Errors', 'Sum'), threshold: 5, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'The auth function or an authorizer failed, not counting bad tokens: look into their logs.',
  });
  add('Throttles', {
    metric: s.authFunction.metricThrottles({ period: minutes5, statistic: 'Sum' }), threshold: 1, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'Lambda refuses sign-ins: raise the concurrency of the account or of the auth function.',
  });
  add('Slow', {
    metric: s.authFunction.metricDuration({ period: minutes5, statistic: 'p99' }), threshold: 3000, evaluationPeriods: 3,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    alarmDescription: 'One sign-in of a hundred takes over 3 s: give the auth function more memory, and look at the table.',
  });
  for (const [id, metricName] of [['ReadThrottles', 'ReadThrottleEvents'], ['WriteThrottles', 'WriteThrottleEvents']] as const) {
    add(id, {
      metric: s.table.metric(metricName, { period: minutes5, statistic: 'Sum' }), threshold: 1, evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      alarmDescription: 'DynamoDB throttles the table: look for one key that takes many requests.',
    });
  }
  const days = Math.ceil(s.rotateAfter.toDays({ integral: false })) + 7;
  add('KeyAge', {
    metric: metric(s.issuer, 'KeyAgeSeconds', 'Maximum', Duration.days(1)), threshold: days * 86400, evaluationPeriods: 2,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.BREACHING, // a rotator that is dead reports no age
    alarmDescription: `The signing key is older than ${days} days, or the rotator does not report: look into its log and the queue of failures.`,
  });
  add('RotatorFailures', {
    metric: metric(s.issuer, 'RotatorFailures', 'Sum', Duration.days(1)), threshold: 1, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'A rotation failed: the old key goes on signing. Look into the log of the rotator.',
  });
  add('DeadLetters', {
    metric: s.queue.metricApproximateNumberOfMessagesVisible({ period: minutes5, statistic: 'Maximum' }), threshold: 1, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'The schedule could not invoke the rotator: the message in the queue has the reason.',
  });
  add('SignInFailures', {
    metric: new cloudwatch.MathExpression({
      // A few failures of a quiet night are no rate. No sign-in writes no zero: without FILL, five minutes in which all
      // fail would have no sum.
      expression: 'IF(FILL(good, 0) + FILL(bad, 0) >= 20, 100 * FILL(bad, 0) / (FILL(good, 0) + FILL(bad, 0)), 0)', label: 'failed sign-ins, percent', period: minutes5,
      usingMetrics: { good: metric(s.issuer, 'SignIns', 'Sum'), bad: metric(s.issuer, 'SignInFailures', 'Sum') },
    }),
    threshold: 50, evaluationPeriods: 3, comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    alarmDescription: 'More than half of the sign-ins fail: a provider or the mail is down, or somebody tries passwords.',
  });
}

/** The alarms of an authorizer function. Its errors are in the metric Errors: Lambda counts each bad token as one. */
export function authorizerAlarms(scope: Construct, id: string, fn: lambda.Function, topic?: sns.ITopic): void {
  alarm(scope, topic, `${id}Throttles`, {
    metric: fn.metricThrottles({ period: minutes5, statistic: 'Sum' }), threshold: 1, evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    alarmDescription: 'Lambda refuses invocations of the authorizer, so APIs answer 500: raise the concurrency of the account.',
  });
  alarm(scope, topic, `${id}Slow`, {
    metric: fn.metricDuration({ period: minutes5, statistic: 'p99' }), threshold: 1500, evaluationPeriods: 3,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    alarmDescription: 'The authorizer takes over 1.5 s of its 5 s: look whether the issuer publishes its keys quickly.',
  });
}
