"""What holds without Helm: the schema, the README and the plain manifests as they are in the repository."""

import json

import kubernetes_validate
import pytest
import yaml

import documents
from documents import CHART, PLAIN, README, SCHEMA


def test_the_schema_takes_the_variables_that_the_services_read():
    assert SCHEMA.read_text() == documents.schema_text(), "run .ci/helm update"


def test_the_readme_has_every_value():
    assert README.read_text() == documents.readme_text(), "run .ci/helm update"


def test_a_value_without_a_meaning_is_a_fault():
    rows, faults = documents.documented_values("# -- Meant.\na: 1\nb: {c: 2}\nd: []\n")
    assert rows == [("a", "1", "Meant.")]
    assert faults == [
        "values.yaml:3: b.c has no `# --` comment above it", "values.yaml:4: d has no `# --` comment above it",
    ]


def test_a_variable_is_either_in_the_schema_or_set_by_the_chart():
    for component, rows in documents.documented_variables().items():
        unknown = documents.SET_BY_CHART[component] - rows.keys()
        assert not unknown, f"docs/configuration.md knows no {unknown} of {component}"
    assert set(documents.documented_variables()) == {"api", "founder", "worker", "provider"}


def names(schema, definitions):
    """Yields the path of every value that the schema allows, down to what has no names of its own."""
    for name, value in schema["properties"].items():
        value = definitions[value["$ref"].split("/")[-1]] if "$ref" in value else value
        # These are filled by the user, so the defaults have none of them.
        if value.get("properties") and name not in ("config", "resources"):
            yield from (f"{name}.{inner}" for inner in names(value, definitions))
        else:
            yield name


def is_closed(schema):
    """Returns the places of objects with named members that would let another member in."""
    if isinstance(schema, list):
        return [place for part in schema for place in is_closed(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if "properties" in schema and schema.get("additionalProperties") is not False else []
    return own + [place for part in schema.values() for place in is_closed(part)]


def test_schema_and_defaults_have_the_same_names():
    schema = json.loads(SCHEMA.read_text())
    allowed = set(names(schema, schema["$defs"])) - {"global"}
    rows, _ = documents.documented_values((CHART / "values.yaml").read_text())
    # A value that is documented as a whole has the names of a Kubernetes object.
    assert allowed == {name for name, _, _ in rows}


def test_the_schema_refuses_every_unknown_name():
    assert is_closed(json.loads(SCHEMA.read_text())) == []


def plain_manifests():
    for path in sorted(PLAIN.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from (resource for resource in yaml.safe_load_all(path.read_text()) if resource)


@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
def test_every_plain_manifest_fits_the_schema_of_kubernetes(version):
    kinds = set()
    for resource in plain_manifests():
        kubernetes_validate.validate(resource, version, strict=True)
        kinds.add(resource["kind"])
    assert {"Namespace", "Deployment", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"} <= kinds


def test_kustomize_reads_files_that_are_there():
    kustomization = yaml.safe_load((PLAIN / "kustomization.yaml").read_text())
    assert [name for name in kustomization["resources"] if not (PLAIN / name).is_file()] == []
