"""The JobSet manifest against the schema of JobSet itself, where unknown fields are refused too.

`jobset_v1alpha2.json.xz` is made of `config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml` of
github.com/kubernetes-sigs/jobset (commit 08dfbdf, Apache License 2.0), without its descriptions and defaults:
`python tests/test_jobset.py FILE` writes it anew.
"""

import json
import lzma
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

SCHEMA = Path(__file__).with_name("jobset_v1alpha2.json.xz")
MANIFEST = Path(__file__).parents[1] / "launch" / "jobset.yaml"


def jobset() -> dict:
    (found,) = [one for one in yaml.safe_load_all(MANIFEST.read_text()) if one["kind"] == "JobSet"]
    return found


def errors(document: dict) -> list[str]:
    schema = json.loads(lzma.decompress(SCHEMA.read_bytes()))
    found = jsonschema.Draft7Validator(schema).iter_errors(document)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def test_jobset_takes_the_manifest():
    assert errors(jobset()) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("parallelism", "four", "'four' is not of type 'integer'"),
        ("completion", 4, "Additional properties are not allowed"),
    ],
)
def test_the_schema_refuses_what_jobset_would(path, value, message):
    document = jobset()
    document["spec"]["replicatedJobs"][0]["template"]["spec"][path] = value
    (error,) = errors(document)
    assert message in error


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Turns a structural schema of Kubernetes into one that refuses fields that it does not name."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    words = ("type", "required", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems", "maxLength")
    made = {name: schema[name] for name in words if name in schema}
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if "properties" in schema:
        made["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return made


def write(definition: Path) -> None:
    (version,) = yaml.safe_load(definition.read_text())["spec"]["versions"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # the API server's own
    SCHEMA.write_bytes(lzma.compress(json.dumps(schema, sort_keys=True).encode()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
