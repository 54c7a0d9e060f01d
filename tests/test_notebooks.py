"""The notebooks of `examples/` run from top to bottom, and show what their text says."""

import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name):
    """Run the cells of a notebook as one program; the values of the last lines."""
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    names, shown = {}, []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or source.startswith("%pip"):
            continue
        *before, last = source.splitlines()
        try:
            value = compile(last, name, "eval")
        except SyntaxError:
            exec(compile(source, name, "exec"), names)
            continue
        exec(compile("\n".join(before), name, "exec"), names)
        shown.append(eval(value, names))
    return names, shown


def test_every_notebook_is_run_here_and_holds_no_output():
    paths = sorted(EXAMPLES.glob("*.ipynb"))
    assert [path.name for path in paths] == ["sequences.ipynb", "start.ipynb"]
    for path in paths:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert code[0]["source"] == ["%pip install -q kerasrec"]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_start(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, shown = run("start.ipynb")
    assert len(shown) >= 6 and (tmp_path / "films.keras").is_file()
    assert shown[-1]["user"].tolist() == ["reader 7"] * 3 + ["reader 8"] * 3
    assert names["reports"]["ease"]["ndcg@10"] > names["reports"]["popularity"]["ndcg@10"]
    assert "Explanation(user 'reader 7'" in capsys.readouterr().out


@pytest.mark.slow
def test_sequences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, shown = run("sequences.ipynb")
    assert shown[-1]["item"].iloc[0] == "room 06"
    # Four of five go on to the next room; three standard deviations of 200 walkers below that.
    assert names["report"]["recall@1"] > 0.8 - 3 * (0.8 * 0.2 / 200) ** 0.5
