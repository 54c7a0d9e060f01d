"""The sdist and the wheel hold what the folders hold, and the wheel works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from kerasrec._version import __version__

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[1]
# Where each folder stands in an install.
FOLDERS = {"kerasrec": "kerasrec", "zoo": "kerasrec/zoo", "tuning": "kerasrec/tuning"}

IMPORT_ALL = """
import importlib, pkgutil, sys
import kerasrec
names = [m.name for m in pkgutil.walk_packages(kerasrec.__path__, "kerasrec.", onerror=print)]
for name in ["kerasrec", *names]:
    module = importlib.import_module(name)
    assert module.__file__.startswith(sys.prefix), module.__file__
    print(name)
for name in ("zoo", "tuning"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"the install puts a package called {name} into site-packages")
"""


def run(*command, cwd):
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=outside, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel built from it. Built from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("build")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, folder / "checkout", symlinks=True, ignore=ignored)
    run(sys.executable, "-m", "build", "--outdir", str(folder / "dist"), cwd=folder / "checkout")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return sdist, wheel


def package_files():
    """What an install must have, by its path there."""
    return {
        f"{installed}/{file.relative_to(ROOT / folder).as_posix()}": file
        for folder, installed in FOLDERS.items()
        for parent, folders, names in os.walk(ROOT / folder)  # does not follow the links
        for file in (Path(parent) / name for name in names)
        if "__pycache__" not in file.parts
    }


def test_wheel_has_the_files_of_the_folders(built):
    with zipfile.ZipFile(built[1]) as wheel:
        content = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    expected = package_files()
    assert sorted(content) == sorted(expected)
    for name, file in expected.items():
        assert content[name] == file.read_bytes(), name


def test_wheel_names_its_licence_and_version(built):
    with zipfile.ZipFile(built[1]) as wheel:
        info = f"kerasrec-{__version__}.dist-info"
        assert f"{info}/licenses/LICENSE" in wheel.namelist()
        metadata = wheel.read(f"{info}/METADATA").decode()
        assert wheel.read(f"{info}/entry_points.txt").decode().split() == [
            "[console_scripts]",
            "kerasrec",
            "=",
            "kerasrec.cli:main",
        ]
    assert f"Version: {__version__}\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata


def test_sdist_has_the_sources_once(built):
    with tarfile.open(built[0]) as sdist:
        top = f"kerasrec-{__version__}/"
        names = [member.name.removeprefix(top) for member in sdist if member.isfile()]
    assert len(names) == len(set(names))
    for folder in FOLDERS:
        expected = {
            str(file.relative_to(ROOT))
            for file in package_files().values()
            if file.is_relative_to(ROOT / folder)
        }
        assert expected <= set(names)
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(names)


def test_installed_wheel_imports_outside_the_checkout(built, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run(*pip, "install", "--no-deps", str(built[1]), cwd=tmp_path)
    # The dependencies of this environment, found after the new one's own packages. As the path of a
    # `.pth` file is no site folder, an editable install of the checkout is not found there.
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    imported = run(str(python), "-I", "-c", IMPORT_ALL, cwd=tmp_path).split()
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in package_files()
        if name.endswith(".py")
    }
    assert sorted(imported) == sorted(modules)
    version = run(str(python.parent / "kerasrec"), "--version", cwd=tmp_path)
    assert version.split() == ["kerasrec", __version__]
