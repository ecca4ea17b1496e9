"""Renders the chart for the tests."""

import os
import subprocess

import pytest

from documents import CHART

EXAMPLES = {path.stem: path for path in sorted((CHART / "examples").glob("*.yaml"))}
# The chart with its defaults, and with each example.
VARIANTS = ["defaults", *EXAMPLES]


def pytest_collection_modifyitems(items):
    if os.environ.get("WITHOUT_HELM"):
        for item in items:
            # The folder makes `helm` a keyword of every test.
            if item.get_closest_marker("helm"):
                item.add_marker(pytest.mark.skip(reason="there is no Helm here"))


def pytest_configure(config):
    config.addinivalue_line("markers", "helm: needs the helm command")


def helm_template(variant="defaults", *settings):
    """Runs `helm template` with an example's values and `--set-json` settings."""
    values = [] if variant == "defaults" else ["--values", str(EXAMPLES[variant])]
    for setting in settings:
        values += ["--set-json", setting]
    command = ["helm", "template", "orders", str(CHART), "--namespace", "shop", *values]
    return subprocess.run(command, capture_output=True, text=True, check=False)
