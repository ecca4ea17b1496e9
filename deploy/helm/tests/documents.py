"""Writes what is derived from the chart and from docs/configuration.md, or compares it with what is there.

    documents.py update     writes the values table of the chart's README, the variables in values.schema.json,
                            and deploy/kubernetes/order-fulfilment.yaml
    documents.py check      names each that isn't up to date
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/order-fulfilment"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
PLAIN = ROOT / "deploy/kubernetes"
TABLE = ("<!-- values: written by `.ci/helm update` -->", "<!-- end of values -->")

# The component that runs a program, by the headings of docs/configuration.md.
PROGRAMS = {
    "temporal-api": "api",
    "founder": "founder",
    "temporal-worker": "worker",
    "fake-stripe-chaos": "provider",
}
# The variables that other values of the chart set.
TEMPORAL = {
    "TASK_QUEUE",
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_SERVER_NAME",
    # Nothing mounts the SDK's file into a pod.
    "TEMPORAL_PROFILE",
    "TEMPORAL_CONFIG_FILE",
}
SOURCES = {"FOUNDER_OFFLINE", "OPENWEATHER_API_KEY"}
SET_BY_CHART = {
    "api": {"LISTEN_ADDR", "SHUTDOWN_GRACE", *TEMPORAL},
    "founder": {"LISTEN_ADDR", "SHUTDOWN_GRACE", *SOURCES},
    "worker": {
        "METRICS_ADDR", "PROVIDER_URL", "SHUTDOWN_GRACE", "MAX_CONCURRENT_ACTIVITIES", *TEMPORAL, *SOURCES,
    },
    "provider": {"LISTEN_ADDR", "SHUTDOWN_GRACE", "LEDGER"},
}


def documented_variables():
    """Returns the rows of docs/configuration.md by component: variable, then meaning."""
    variables = {}
    rows = None
    for line in (ROOT / "docs/configuration.md").read_text().splitlines():
        if line.startswith("## "):
            component = PROGRAMS.get(line[3:].strip())
            rows = variables.setdefault(component, {}) if component else None
        elif rows is not None and (row := re.match(r"\| `([A-Z_]+)` \|[^|]*\| (.*) \|$", line)):
            rows[row[1]] = row[2]
    return variables


def schema_text():
    """Returns the schema with the variables of docs/configuration.md as the only ones that `config` takes."""
    schema = json.loads(SCHEMA.read_text())
    for component, rows in documented_variables().items():
        properties = {
            name: {"type": "string", "minLength": 1, "description": meaning}
            for name, meaning in sorted(rows.items())
            if name not in SET_BY_CHART[component]
        }
        schema["$defs"][f"{component}Config"]["properties"] = properties
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def documented_values(text):
    """Returns (name, default, meaning) of each value in values.yaml; a value without a meaning is a fault."""
    rows, faults = [], []

    def walk(node, prefix, meaning):
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            line = key.start_mark.line
            above = lines[line - 1].strip() if line else ""
            own = above[len("# -- "):] if above.startswith("# -- ") else None
            if own is None and isinstance(value, yaml.MappingNode) and value.value:
                walk(value, f"{name}.", own)
            elif own is None:
                faults.append(f"values.yaml:{line + 1}: {name} has no `# --` comment above it")
            else:
                default = json.dumps(yaml.safe_load(yaml.serialize(value)), ensure_ascii=False)
                rows.append((name, default, own))

    lines = text.splitlines()
    walk(yaml.compose(text), "", None)
    return rows, faults


def readme_text():
    """Returns the README with the table of all values."""
    rows, faults = documented_values((CHART / "values.yaml").read_text())
    if faults:
        raise SystemExit("\n".join(faults))
    table = ["| value | default | meaning |", "|---|---|---|"]
    table += [f"| `{name}` | `{default}` | {meaning.replace('|', chr(92) + '|')} |" for name, default, meaning in rows]
    before, _, rest = README.read_text().partition(TABLE[0])
    after = rest.partition(TABLE[1])[2]
    return f"{before}{TABLE[0]}\n" + "\n".join(table) + f"\n{TABLE[1]}{after}"


def render(*arguments):
    """Returns what `helm template` writes."""
    return subprocess.run(["helm", "template", *arguments], check=True, capture_output=True, text=True).stdout


def plain_text():
    """Returns the manifests for those without Helm: the chart with its defaults, without Helm's own labels."""
    text = render("order-fulfilment", str(CHART), "--namespace", "order-fulfilment", "--skip-tests")
    lines = [
        line for line in text.splitlines()
        if not re.match(r"\s+(helm\.sh/chart|app\.kubernetes\.io/managed-by): ", line)
    ]
    header = "# Written by `.ci/helm update` from the chart with its default values. Change it with kustomization.yaml.\n"
    return header + "\n".join(lines) + "\n"


def derived():
    """Yields each derived file and its right text; the schema comes first, since rendering reads it."""
    yield SCHEMA, schema_text
    yield README, readme_text
    yield PLAIN / "order-fulfilment.yaml", plain_text


def main(mode):
    stale = []
    for path, text in derived():
        text = text()
        if path.exists() and path.read_text() == text:
            continue
        if mode == "update":
            path.write_text(text)
        else:
            stale.append(str(path.relative_to(ROOT)))
    if stale:
        raise SystemExit(f"not up to date: {', '.join(stale)}; run .ci/helm update")


if __name__ == "__main__":
    if sys.argv[1:] not in (["update"], ["check"]):
        raise SystemExit(__doc__)
    main(sys.argv[1])
