"""The documentation site builds with warnings as errors: links, anchors, cards and docstrings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasrec import zoo

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.packaging
def test_it_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs `pip install 'kerasrec[docs]'`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in zoo.names():
        page = (tmp_path / "site" / "models" / name / "index.html").read_text("utf-8")
        assert zoo.card(name).factory.__name__ in page
    page = (tmp_path / "site" / "api" / "layers" / "index.html").read_text("utf-8")
    assert "kerasrec.layers.DotScore" in page and "n_components" in page
    home = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "fonts.googleapis.com" not in home
