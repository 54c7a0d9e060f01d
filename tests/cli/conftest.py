import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasrec.cli.app import app


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(list(map(str, arguments)))
        captured = capsys.readouterr()
        return SimpleNamespace(status=ended.value.code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def run_json(run):
    """Run the command for its JSON document."""

    def run_json(*arguments):
        done = run(*arguments, "--json")
        assert done.status == 0, done.err
        return json.loads(done.out)

    return run_json


@pytest.fixture
def fails(run):
    """Run the command for the one line that it ends with."""

    def fails(*arguments, status=2):
        done = run(*arguments)
        assert done.status == status
        *_, line = done.err.splitlines()
        assert line.startswith("Error: ")
        assert "Traceback" not in done.err
        return line.removeprefix("Error: ")

    return fails


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A table with text ids, every third pair of 20 customers and 12 products: its path and odd columns."""
    rows = [(user, item) for user in range(20) for item in range(12) if (user + item) % 3 == 0]
    lines = ["Customer-ID;when;Produktnummer;Händler;Punkte"]
    lines += [
        f"cust {user:02d};2024-01-{item + 1:02d};P-{item}é;Orléans;{1 + (user * item) % 9 / 2:.1f}".replace(
            ".", ","
        )
        for user, item in rows
    ]
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="latin-1", newline="")
    return [str(path), "--item-column", "Produktnummer", "--value-column", "Punkte"]


@pytest.fixture(scope="session")
def trained(shop):
    """A model file beside that table, and what `train` said about it."""
    out = Path(shop[0]).with_name("model.keras")
    settings = ["--epochs", "3", "--set", "n_components=4", "--out", str(out), "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit):
        app(["train", *shop, *settings])
    return out, json.loads(said.getvalue())
