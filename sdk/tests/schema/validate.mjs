// Validates the schemas with ajv, and the AsyncAPI document with AsyncAPI's parser.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';

const folder = process.argv[2];
const fail = (message) => {
  console.error(message);
  process.exit(1);
};

const names = readdirSync(folder).filter((name) => name.endsWith('.schema.json'));
if (names.length === 0) fail(`no schemas in ${folder}`);
for (const name of names) {
  // Not strict, because ajv does not know `x-pii` and the formats of integers. Both are
  // annotations.
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const schema = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const validate = ajv.compile(schema);
  for (const example of schema.examples) {
    if (!validate(example)) fail(`${name}: ${ajv.errorsText(validate.errors)}`);
  }
}
console.log(`ajv: ${names.length} schemas and their examples are valid`);

// In the diagnostics of the parser, severity 0 is an error.
const source = readFileSync(join(folder, 'asyncapi.json'), 'utf8');
const { document, diagnostics } = await new Parser().parse(source);
const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 0);
if (!document || errors.length > 0) fail(JSON.stringify(errors, null, 2));

// For AsyncAPI 3, the parser does not check the examples against the payloads, so ajv
// does. Payloads are draft-07 schemas that refer to the components of the document.
const { components } = JSON.parse(source);
for (const [name, message] of Object.entries(components.messages)) {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const validate = ajv.compile({ components, allOf: [message.payload] });
  for (const { payload } of message.examples) {
    if (!validate(payload)) fail(`${name}: ${ajv.errorsText(validate.errors)}`);
    if (validate({ ...payload, EventType: 'ANOTHER' })) fail(`${name} accepts another event type`);
  }
}
console.log(`@asyncapi/parser: ${document.allMessages().length} messages are valid; ajv: their examples are valid`);
