"""Validates each schema against its meta-schema, and its examples against the schema."""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

folder = pathlib.Path(sys.argv[1])
paths = sorted(folder.glob("*.schema.json"))
assert paths, f"no schemas in {folder}"
for path in paths:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(
        schema, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert schema["examples"], f"{path.name} has no example"
    for example in schema["examples"]:
        validator.validate(example)
        # A schema that allows everything would also accept the example. Check that the
        # schema rejects the example without each of its required fields.
        for field in schema["required"]:
            broken = {key: value for key, value in example.items() if key != field}
            try:
                validator.validate(broken)
            except ValidationError:
                continue
            sys.exit(f"{path.name} accepts an event without {field}")
print(f"jsonschema: {len(paths)} schemas and their examples are valid")
