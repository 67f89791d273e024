// Checks CycloneDX documents of version 1.6, given as paths, by the schema that CycloneDX publishes, with no member that
// it does not name.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(process.env.MODULES + '/');
const { Spec, Validation } = require('@cyclonedx/cyclonedx-library');
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
for (const path of process.argv.slice(2)) {
  const found = await validator.validate(await readFile(path, 'utf8'));
  if (found !== null) {
    console.error(path, JSON.stringify(found));
    process.exitCode = 3;
  }
}
