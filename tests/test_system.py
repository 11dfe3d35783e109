"""`sfml.show_versions`."""

from __future__ import annotations

import io
import subprocess
import sys
from importlib.metadata import version

import sfml


def shown() -> dict[str, str]:
    text = io.StringIO()
    sfml.show_versions(text)
    return dict(line.split(maxsplit=1) for line in text.getvalue().splitlines())


def test_it_shows_what_is_installed():
    assert shown()["numpy"] == version("numpy")
    assert shown()["sfml"] == sfml.__version__
    assert "processors" in shown()["system"]


def test_it_names_dependencies_and_extras_but_not_what_developers_need():
    assert {"tensorflow", "scikit-learn", "lsdb", "matplotlib"} <= shown().keys()
    assert not {"ruff", "pytest", "catboost"} & shown().keys()


def test_a_package_that_is_absent_is_said_to_be(monkeypatch):
    monkeypatch.setattr("sfml.system.requires", lambda name: ["no-such-package>=1"])
    assert shown()["no-such-package"] == "not installed"


def test_it_imports_nothing_of_them():
    program = "import sfml, sys; sfml.show_versions(); print('numpy' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == "False"
