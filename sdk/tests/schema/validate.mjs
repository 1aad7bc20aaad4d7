// Judges the schemas by ajv, and the AsyncAPI document by AsyncAPI's own parser.
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
  // `x-pii` and the formats of integers are annotations.
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const schema = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const validate = ajv.compile(schema);
  for (const example of schema.examples) {
    if (!validate(example)) fail(`${name}: ${ajv.errorsText(validate.errors)}`);
  }
}
console.log(`ajv: ${names.length} schemas, and their examples, are valid`);

// Its severities: 0 is an error.
const source = readFileSync(join(folder, 'asyncapi.json'), 'utf8');
const { document, diagnostics } = await new Parser().parse(source);
const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 0);
if (!document || errors.length > 0) fail(JSON.stringify(errors, null, 2));

// The parser does not compare examples with payloads in AsyncAPI 3. Payloads are
// schemas of draft 7, whose references are looked up in the whole document.
const { components } = JSON.parse(source);
for (const [name, message] of Object.entries(components.messages)) {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const validate = ajv.compile({ components, allOf: [message.payload] });
  for (const { payload } of message.examples) {
    if (!validate(payload)) fail(`${name}: ${ajv.errorsText(validate.errors)}`);
    if (validate({ ...payload, EventType: 'ANOTHER' })) fail(`${name} takes another event`);
  }
}
console.log(`@asyncapi/parser: ${document.allMessages().length} messages are valid, and by ajv their examples`);
