"""Reads rendered manifests and asks questions about them."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from conftest import helm_template


@cache
def release(variant="defaults", *settings):
    """Returns the resources of the rendered chart."""
    done = helm_template(variant, *settings)
    assert done.returncode == 0, done.stderr
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource]


TESTS = Path(__file__).resolve().parent
# The plural names of the custom resources that the chart makes, as in the names of the files that define them.
CUSTOM_KINDS = ["scaledobjects", "triggerauthentications", "servicemonitors", "prometheusrules", "httproutes"]
CONTROLLER_KINDS = ["connections", "workerdeployments"]
# A plain `=` is a value of its own in YAML 1.1; the definitions mean the text.
yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", yaml.SafeLoader.construct_yaml_str)


def of_kind(resources, *kinds):
    return [resource for resource in resources if resource["kind"] in kinds]


def named(resources, kind, name):
    found = [resource for resource in of_kind(resources, kind) if resource["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def workloads(resources):
    """Returns what makes pods. A WorkerDeployment does so by a controller of Temporal."""
    return of_kind(resources, "Deployment", "StatefulSet", "WorkerDeployment")


def pods(resources):
    """Yields the name, the metadata and the spec of every pod or pod template."""
    for resource in workloads(resources):
        template = resource["spec"]["template"]
        yield resource["metadata"]["name"], template["metadata"], template["spec"]
    for resource in of_kind(resources, "Pod"):
        yield resource["metadata"]["name"], resource["metadata"], resource["spec"]


def component(metadata):
    return metadata["labels"]["app.kubernetes.io/component"]


def selects(selector, labels):
    """Returns whether `matchLabels` of a selector fit the labels."""
    assert set(selector) == {"matchLabels"}, selector
    return selector["matchLabels"].items() <= labels.items()


@cache
def custom_resource_files():
    """Returns the files of the pinned modules that define the chart's custom resources."""
    files = []
    for module in os.environ["CRD_MODULES"].split():
        done = subprocess.run(
            ["go", "mod", "download", "-json", module], check=True, capture_output=True, text=True, cwd="/"
        )
        folder = Path(json.loads(done.stdout)["Dir"])
        for place in ("config/crd/bases", "config/crd/standard", "example/prometheus-operator-crd"):
            files += [path for kind in CUSTOM_KINDS for path in (folder / place).glob(f"*_{kind}.yaml")]
    if source := os.environ.get("WORKER_CONTROLLER_SOURCE"):
        folder = Path(source) / "helm/temporal-worker-controller-crds/templates"
        found = [path for kind in CONTROLLER_KINDS for path in folder.glob(f"*_{kind}.yaml")]
        assert len(found) == len(CONTROLLER_KINDS), f"{folder} has {found}"
        return files + found
    return [*files, TESTS / "worker_controller.yaml"]


@cache
def custom_resource_schemas():
    """Returns the schema of each custom resource by (apiVersion, kind)."""
    schemas = {}
    for path in custom_resource_files():
        for definition in yaml.safe_load_all(path.read_text()):
            if definition:
                spec = definition["spec"]
                for version in spec["versions"]:
                    kind = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                    schemas[kind] = strict(version["schema"]["openAPIV3Schema"])
    return schemas


def strict(schema):
    """Returns the schema with unknown fields refused, as the API server does with strict field validation."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    closed = "properties" in schema and "additionalProperties" not in schema
    if closed and schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        # Metadata has only a type here, and Kubernetes' own rules.
        schema["additionalProperties"] = False
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
    return schema


def validate_custom_resource(resource):
    schema = custom_resource_schemas()[resource["apiVersion"], resource["kind"]]
    jsonschema.Draft7Validator(schema).validate(resource)
