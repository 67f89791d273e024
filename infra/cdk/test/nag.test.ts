import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

import { Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

import { AuthProps, KeyStore } from '../lib';
import { world } from './world';

/** The findings of both packs, in the stack of the Auth. */
function findings(props: Partial<AuthProps>, spoil?: (w: ReturnType<typeof world>) => void): string[] {
  const w = world(props);
  w.auth._authorizerFunction({ POSTERN_KIND: 'user' }, []);
  spoil?.(w);
  Validations.of(w.app).addPlugins(new AwsSolutionsChecks(w.app), new ServerlessChecks(w.app));
  try {
    w.app.synth();
  } catch (e) {
    assert.match(String(e), /Validation failed/);
  }
  const report = JSON.parse(fs.readFileSync(path.join(w.app.outdir, 'validation-report.json'), 'utf8'));
  const plugins: { violations?: { ruleName: string; violatingConstructs?: { constructPath?: string }[] }[] }[] = report.pluginReports;
  return plugins.flatMap((p) => p.violations ?? []).flatMap((v) => (v.violatingConstructs ?? []).map((c) => `${v.ruleName} ${c.constructPath}`));
}

for (const [name, props] of Object.entries({ standard: {}, kms: { keys: KeyStore.KMS }, secrets: { keys: KeyStore.SECRETS }, waf: { waf: true } } satisfies Record<string, Partial<AuthProps>>)) {
  test(`cdk-nag has no finding: ${name}`, () => assert.deepEqual(findings(props), []));
}

test('cdk-nag looks: a right on everything is a finding', () => {
  const found = findings({}, (w) => w.auth.authFunction.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:*'], resources: ['*'] })));
  assert.ok(found.some((line) => line.startsWith('AwsSolutions-IAM5')), found.join('\n'));
});
