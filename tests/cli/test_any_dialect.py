"""A table written in any dialect is read back equal or refused, never otherwise."""

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kerasrec.cli._form import Columns
from kerasrec.cli._table import read_ratings
from kerasrec.data import Interactions

FRENCH = "Amélie Molière forêt château Besançon naïve garçon Noël œuvre"
POLISH = "Łódź Kraków Wałęsa żółw gęś jaźń Świątek Paweł"
RUSSIAN = "Достоевский Каренина преступление наказание Война мир Съезд"
WORDS = {
    "cp1252": FRENCH + " Björk Mötley Ágætis Señor Straße",
    "cp1250": POLISH + " Dvořák Škoda Příliš Erdős Müller",
    "iso8859_2": POLISH,
    "cp1251": RUSSIAN,
    "koi8_r": RUSSIAN,
    "cp932": "ノルウェイの森 こころ 吾輩は猫である 千と千尋の神隠し 東京 君の名は",
}
ODD = [
    "7",
    "07",
    "7.0",
    "1e3",
    "a b",
    " a",
    "a ",
    "x,y",
    "x;y",
    "x\ty",
    "x|y",
    "x::y",
    "#1",
    "it's",
    "NA",
    "-0",
    "²",
]
QUOTES = ['12" mix', 'say "yes"', '"open', 'close"', '"', 'a""b']
NUMBERS = ["1", "2", "3.5", "0.25", "900", "1200", "12345", "1234567", "1200.5", "0.125", "4.125", "-1.5"]
DIALECTS = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t", "|", "::"]),
        "quoting": st.sampled_from(["minimal", "all", "none"]),
        "marks": st.sampled_from([".", ",", ".,", ",.", ".'", ",\u00a0", ",\u202f"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", *WORDS]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "before": st.sampled_from(["", "sep=", "# written by hand", "\n"]),
        "packed": st.booleans(),
    }
)


def written(number, marks):
    whole, point, digits = number.partition(".")
    if len(marks) > 1:
        sign = "-" if whole.startswith("-") else ""
        whole = sign + f"{int(whole.lstrip('-')):,}".replace(",", marks[1])
    return whole + (marks[0] + digits if point else "")


def field(text, separator, quoting):
    if quoting == "all" or (quoting == "minimal" and (separator in text or '"' in text)):
        return '"' + text.replace('"', '""') + '"'
    return text


def write(path, rows, dialect):
    """The file as its dialect has it; `None` where it cannot hold the rows."""
    separator, quoting = dialect["separator"], dialect["quoting"]
    if separator == "::" and quoting != "none":
        return None
    lines = [["user", "item", "rating"]]
    lines += [[user, item, written(number, dialect["marks"])] for user, item, number in rows]
    if quoting == "none":
        texts = [text for line in lines for text in line]
        if any(separator in text for text in texts):
            return None
        # These bytes would say that quotes enclose the field.
        if any(text.startswith('"') and (separator != "\t" or text.endswith('"')) for text in texts):
            return None
    before = {"": "", "sep=": f"sep={separator}\n", "\n": "\n"}.get(
        dialect["before"], dialect["before"] + "\n"
    )
    if separator == "::" and before.startswith("sep="):
        return None
    text = before + "".join(
        separator.join(field(x, separator, quoting) for x in line) + "\n" for line in lines
    )
    text = text.replace("\n", dialect["end"])
    try:
        content = text.encode(dialect["encoding"])
    except UnicodeEncodeError:
        return None
    path = path.with_suffix(".csv.gz" if dialect["packed"] else ".csv")
    path.write_bytes(gzip.compress(content, 1) if dialect["packed"] else content)
    return path


def same_id(text, read):
    return (
        read == text if isinstance(read, str) else float(text) == read and text.rstrip("0").rstrip(".") != ""
    )


def check(rows, dialect):
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "t", rows, dialect)
        if path is None:
            return
        try:
            x = read_ratings(path, Columns()).interactions
        except ValueError:
            event("refused")
            return
    event("read")
    read = list(zip(x.user_ids[x.users], x.item_ids[x.items], x.values.tolist(), strict=True))
    assert len(read) == len(rows)
    for (user, item, number), (read_user, read_item, value) in zip(rows, read, strict=True):
        assert same_id(user, read_user) and same_id(item, read_item), (user, item, read_user, read_item)
        assert value == pytest.approx(float(number))


@st.composite
def tables(draw, dialects=DIALECTS):
    dialect = draw(dialects)
    words = WORDS.get(dialect["encoding"], " ".join(WORDS.values())).split()
    texts = st.sampled_from(words + ["anna", "bob", "x1", "x2"]) | st.sampled_from(ODD + QUOTES)
    rows = draw(
        st.lists(
            st.tuples(texts, texts, st.sampled_from(NUMBERS)),
            min_size=1,
            max_size=8,
            unique_by=lambda row: row[:2],
        )
    )
    return rows, dialect


QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=30, **QUIET)
@given(table=tables())
def test_equal_or_refused(table):
    check(*table)


@pytest.mark.slow
@settings(max_examples=1000, **QUIET)
@given(table=tables())
def test_equal_or_refused_at_length(table):
    check(*table)


PLAIN = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t", "|"]),
        "quoting": st.sampled_from(["minimal", "all"]),
        "marks": st.just("."),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "before": st.just(""),
        "packed": st.booleans(),
    }
)


@settings(max_examples=20, **QUIET)
@given(
    dialect=PLAIN,
    rows=st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(FRENCH.split() + ["x,y", 'say "yes"', "x;y"])),
        min_size=1,
        max_size=8,
        unique=True,
    ),
)
def test_plain_dialects_are_never_refused(dialect, rows, tmp_path_factory):
    table = [(f"u{user}", item, "3.5" if user % 2 else "2") for user, item in rows]
    path = write(tmp_path_factory.mktemp("plain") / "t", table, dialect)
    for x in (
        read_ratings(path, Columns()).interactions,
        Interactions.from_csv(path, value="rating", sep=dialect["separator"], encoding=dialect["encoding"]),
    ):
        assert [x.user_ids[u] for u in x.users] == [user for user, *_ in table]
        assert [x.item_ids[i] for i in x.items] == [item for _, item, _ in table]
        assert x.values.tolist() == [float(number) for *_, number in table]
