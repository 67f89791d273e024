// Checks a file against the schema of OpenAPI, with the validator of another project.
import { Validator } from '@seriousme/openapi-schema-validator'

const validator = new Validator()
const result = await validator.validate(process.argv[2])
if (!result.valid || validator.version !== '3.1') {
	console.error(validator.version, JSON.stringify(result.errors, null, 2))
	process.exit(1)
}
