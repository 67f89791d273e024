import { Stack, Token, Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/**
 * Every finding of cdk-nag (packs AwsSolutions and Serverless) that is meant, and why. There is no other place with
 * one. A finding that is not here fails the tests.
 */
export const findings = {
  tracing: {
    id: 'Serverless::Serverless-LambdaTracing',
    reason: 'X-Ray needs rights on every resource (xray:PutTraceSegments on *). Traces are OpenTelemetry, a setting of postern.toml.',
  },
  synchronous: {
    id: 'Serverless::Serverless-LambdaDLQ',
    reason: 'API Gateway invokes this function synchronously and answers its failure: there is no event to keep.',
  },
  destination: {
    id: 'Serverless::Serverless-LambdaDLQ',
    reason: 'Events that failed go to the failure destination, which is the same queue and adds the reason.',
  },
  deadLetters: { id: 'AwsSolutions::AwsSolutions-SQS3', reason: 'This queue is the dead-letter queue itself.' },
  redrive: { id: 'Serverless::Serverless-SQSRedrivePolicy', reason: 'This queue is the dead-letter queue itself.' },
  open: { id: 'AwsSolutions::AwsSolutions-APIG4', reason: 'People sign in here, so the issuer is open. Each of its routes checks what it needs.' },
  cognito: { id: 'AwsSolutions::AwsSolutions-COG4', reason: 'Postern is the issuer: there is no Cognito user pool.' },
  validation: { id: 'AwsSolutions::AwsSolutions-APIG2', reason: 'The function checks every request strictly. API Gateway has no model of forms.' },
  execution: { id: 'AwsSolutions::AwsSolutions-APIG6', reason: 'Execution logs hold codes and tokens. The access log has routes and statuses.' },
  xray: { id: 'Serverless::Serverless-APIGWXrayEnabled', reason: 'Traces are OpenTelemetry, a setting of postern.toml.' },
} as const;

const wildcards = 'The names below this path are made by the function: versions of the key ring, and secrets that postern.toml names.';

/** Acknowledges findings on a construct and everything in it. */
export function acknowledge(node: IConstruct, ...which: (keyof typeof findings)[]): void {
  Validations.of(node).acknowledge(...which.map((name) => findings[name]));
}

/** Acknowledges that a role may use all parameters or secrets with a beginning. */
export function acknowledgeWildcards(node: IConstruct, ...resources: string[]): void {
  const stack = Stack.of(node);
  const place = (value: string, pseudo: string) => (Token.isUnresolved(value) ? `<AWS::${pseudo}>` : value);
  Validations.of(node).acknowledge(...resources.map((resource) => {
    const [service, rest] = resource.split(' ') as [string, string];
    const arn = `arn:<AWS::Partition>:${service}:${place(stack.region, 'Region')}:${place(stack.account, 'AccountId')}:${rest}`;
    return { id: `AwsSolutions::AwsSolutions-IAM5[Resource::${arn}]`, reason: wildcards };
  }));
}
