"""Tables as people write them: read as what they are, or refused with the option that settles it."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from kerasrec.cli._dialect import dialect_of
from kerasrec.cli._encoding import encoding_of
from kerasrec.cli._form import Columns, Form
from kerasrec.cli._table import read_ratings
from kerasrec.data import Interactions, _numerals


@pytest.fixture
def table(tmp_path):
    def table(text, name="t.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return tmp_path / name

    return table


def read(path, **form):
    return read_ratings(path, Columns(), Form(**form))


def values(path, **form):
    return read(path, **form).interactions.values.tolist()


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("3,5 2", [3.5, 2]),
            ("3.5 2", [3.5, 2]),
            ("900 1,200 12,345", "1,200"),
            ("900 1.200 12.345", "1.200"),
            ("4.000 3.500", "4.000"),
            ("0,500 1,200", [0.5, 1.2]),
            ("0.512 1.200", [0.512, 1.2]),
            ("1,234,567 12,345", [1234567, 12345]),
            ("1.234.567 12.345", [1234567, 12345]),
            ("1.234,5 12.345", [1234.5, 12345]),
            ("1,234.5 12,345", [1234.5, 12345]),
            ("3,5 1.200", [3.5, 1200]),
            ("1'200 3.5", [1200, 3.5]),
            ("1\u00a0200 3,5", [1200, 3.5]),
            ("1\u202f200,5 7", [1200.5, 7]),
            ("3,5 2.5", "2.5"),
            ("1.234e2 5", [123.4, 5]),
            ("-1,5 +2", [-1.5, 2]),
            (",5 2", [0.5, 2]),
            ("1,23,456 2", "disagrees|not numbers"),
        ],
    )
    @pytest.mark.parametrize("separator", [";", "\t", ","])
    def test_marks(self, table, written, expected, separator):
        rows = [f'u{i}{separator}x{separator}"{number}"' for i, number in enumerate(written.split(" "))]
        path = table("\n".join([separator.join(["user", "item", "rating"]), *rows]))
        if isinstance(expected, str):
            with pytest.raises(ValueError, match=expected):
                values(path)
        else:
            assert values(path, quoting="standard") == pytest.approx(expected)

    def test_options_settle_it(self, table):
        path = table("user;item;plays\na;x;900\nb;x;1,200\nc;x;12,345\n")
        message = "`--decimal` or `--thousands` must say how .* Received: '1,200' in column 'plays'"
        with pytest.raises(ValueError, match=message):
            values(path)
        assert values(path, thousands=",") == [900, 1200, 12345]
        assert values(path, decimal=",") == pytest.approx([900, 1.2, 12.345])
        assert read(path, thousands=",").read_as["thousands"] == "','"

    def test_what_is_no_group_of_three_is_no_number(self, table):
        path = table("user;item;value\na;x;1,5\nb;x;2\n")  # pandas takes it for 15
        message = r"'value' must not have entries that are not numbers\. Received: 1 row of them, first '1,5'"
        with pytest.raises(ValueError, match=message):
            Interactions.from_csv(path, value="value", sep=";", thousands=",")
        assert Interactions.from_csv(path, value="value", sep=";", decimal=",").values.tolist() == [1.5, 2]
        table("user;item;value\na;x;1.234,5\nb;x;\n")
        with pytest.raises(ValueError, match="must not have missing values"):
            Interactions.from_csv(path, value="value", sep=";", decimal=",", thousands=".")

    def test_python_guesses_nothing(self, table):
        path = table("user;item;value\na;x;1,200\n")
        with pytest.raises(ValueError, match="not numbers. Received: 1 row of them, first '1,200'"):
            Interactions.from_csv(path, value="value", sep=";")

    def test_missing_entries_stay_missing(self):
        found = _numerals.parsed(pd.Series(["1.234,5", None, "7"]), ",", ".")
        np.testing.assert_array_equal(found, [1234.5, np.nan, 7])


class TestQuotes:
    """Two bare quotes: everything between them became one id."""

    NAMES = [f"a{i % 5}" for i in range(400)]
    NAMES[7], NAMES[300] = '"open', 'close"'
    ROWS = [f"u{i}\t{name}\t{i % 9 + 1}" for i, name in enumerate(NAMES)]

    def test_all_rows_are_there(self, table):
        path = table("user\titem\tplays\n" + "\n".join(self.ROWS) + "\n", "t.tsv")
        x, _, read_as, *_ = read(path)
        assert (len(x), x.n_users, x.item_ids[x.items].tolist()) == (400, 400, self.NAMES)
        assert read_as["quoting"] == "none"
        with pytest.raises(ValueError, match="Quotes could be text, so `quoting` must be given"):
            Interactions.from_csv(path, value="plays", sep="\t")
        x = Interactions.from_csv(path, value="plays", sep="\t", quoting=3)
        assert x.item_ids[x.items].tolist() == self.NAMES

    def test_commas(self, table):
        path = table(("user\titem\tplays\n" + "\n".join(self.ROWS) + "\n").replace("\t", ","))
        with pytest.raises(ValueError, match="Quotes could be text, so `--quoting` must be given"):
            read(path)
        assert len(read(path, quoting="none").interactions) == 400
        with pytest.raises(ValueError, match="not have ids with tabs or line ends. Received: 'open,8"):
            Interactions.from_csv(path, "user", "item", quotechar='"')
        assert len(read(path, quoting="standard").interactions) == 400 - 293

    @pytest.mark.parametrize(
        "name",
        ['"Weird Al" Yankovic', '"Heroes"', '""Heroes""', '12" mix', 'Say "Yes"', '"', "'til", '"a" "b"'],
    )
    def test_tabs_leave_quotes_where_they_are(self, table, name):
        path = table(f"user\titem\trating\nu1\t{name}\t3\nu2\tplain\t4\nu3\tHeroes\t5\n")
        assert set(read(path).interactions.item_ids) == {name, "plain", "Heroes"}

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ('"Doe, Jane"', "Doe, Jane"),
            ('"say ""yes"""', 'say "yes"'),
            ('12" mix', '12" mix'),
            ('"The Matrix"', "The Matrix"),
        ],
    )
    def test_commas_take_standard_quotes(self, table, field, expected):
        path = table(f"user,item,rating\nu1,{field},3\nu2,plain,4\n")
        assert set(read(path).interactions.item_ids) == {expected, "plain"}
        assert set(Interactions.from_csv(path).item_ids) == {expected, "plain"}

    def test_text_of_several_lines_beside_ids(self, table):
        path = table('user,item,rating,review\nu1,a,3,"good,\nreally ""good"", yes"\nu2,b,4,"a\nb"\n')
        assert read(path).interactions.user_ids.tolist() == ["u1", "u2"]
        assert Interactions.from_csv(path).user_ids.tolist() == ["u1", "u2"]

    def test_rows_swallowed_by_another_column(self, table):
        rows = [f"u{i},i{i},3,{note}" for i, note in enumerate(['"open', "x", "y", 'close"', "z"])]
        path = table("user,item,rating,note\n" + "\n".join(rows) + "\n")
        with pytest.raises(ValueError, match="Quotes could be text, so `quoting` must be given"):
            Interactions.from_csv(path)
        assert len(read(path, quoting="none").interactions) == 5

    def test_quotes_that_fit_no_way(self, table):
        path = table('user,item,rating\nu1,"Doe, Jane",3\nu2,"Weird Al" Yankovic,4\n')
        message = r"Quotes must enclose whole fields; .* line 3 \('u2,\"Weird Al\" Yankovic,4'\)"
        with pytest.raises(ValueError, match=message):
            read(path)
        with pytest.raises(ValueError, match=message):
            Interactions.from_csv(path)
        with pytest.raises(ValueError, match="Quotes must enclose whole fields.* line 2"):
            read(table('user,item,rating\nu1,"a, b,3\nu2,c,4\n'))

    def test_an_id_of_two_lines(self, table):
        path = table('user,item,rating\nu1,"two\nlines",3\nu2,b,4\n')
        with pytest.raises(ValueError, match=r"ids with tabs or line ends. Received: 'two\\nlines'"):
            read(path)
        assert read(path, quoting="standard").interactions.item_ids.tolist() == ["b", "two\nlines"]
        with pytest.raises(ValueError, match="`--quoting` must be standard or none. Received: 'all'"):
            read(path, quoting="all")


WORDS = {
    "cp1252": "Amélie Molière forêt château Besançon naïve garçon",
    "mac_roman": "Amélie Molière forêt château Besançon naïve garçon",
    "cp850": "Amélie Molière forêt château Besançon naïve garçon Élève",
    "cp1250": "Łódź Kraków Wałęsa żółw gęś jaźń Świątek",
    "iso8859_2": "Łódź Kraków Wałęsa żółw gęś jaźń Świątek",
    "cp1251": "Достоевский Каренина преступление наказание Война мир Щепкина Съезд",
    "koi8_r": "Достоевский Каренина преступление наказание Война мир",
    "cp932": "ノルウェイの森 こころ 吾輩は猫である 千と千尋の神隠し となりのトトロ 君の名は",
    "cp1253": "Αθήνα Ελλάδα βιβλίο Καζαντζάκης Θεσσαλονίκη",
}


class TestEncodings:
    @pytest.mark.parametrize(
        "encoding", [*WORDS, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
    )
    def test_words_are_read_as_written(self, table, encoding):
        words = WORDS.get(encoding, "Amélie Łódź Война 森").split()
        path = table(
            "user,item,rating\n" + "".join(f"u{i},{x},3\n" for i, x in enumerate(words)), encoding=encoding
        )
        x, _, read_as, *_ = read(path)
        assert x.item_ids[x.items].tolist() == words
        assert read_as["encoding"] == (encoding if encoding[-3:-1] != "-s" else "utf-8-sig")

    def test_after_a_thousand_lines(self, table):
        rows = [f"u{i},plain,3" for i in range(1500)] + ["x1,Amélie,4", "x2,Besançon,5"]
        path = table("user,item,rating\n" + "\n".join(rows), encoding="latin-1")
        assert read(path).interactions.item_ids.tolist() == ["Amélie", "Besançon", "plain"]
        message = r"`encoding` must be the encoding of .* which is not UTF-8 \(.*byte 0xe9\)"
        with pytest.raises(ValueError, match=message):
            Interactions.from_csv(path, value="rating")

    @pytest.mark.parametrize(
        ("word", "encoding", "readings"),
        [
            ("Molière", "cp1252", "'Molière' as cp1252, 'Moličre' as cp1250"),
            ("Dvořák", "cp1250", "'Dvoøák' as cp1252, 'Dvořák' as cp1250"),
            ("東京", "cp932", "as cp932"),
        ],
    )
    def test_what_reads_as_two_texts_is_refused(self, table, word, encoding, readings):
        path = table(f"user,item,rating\nu1,{word},3\n", encoding=encoding)
        with pytest.raises(ValueError, match="`--encoding` must say how the file is encoded. .*" + readings):
            read(path)
        assert read(path, encoding=encoding).interactions.item_ids.tolist() == [word]

    def test_the_word_that_tells_encodings_apart_is_shown(self, table):
        path = table("user,item,rating\nu1,Été,3\nu2,Molière,4\n", encoding="cp1252")
        with pytest.raises(ValueError, match="reads 'Molière' as cp1252, 'Moličre' as cp1250"):
            read(path)

    def test_numbers_of_the_french(self, table):
        films = ["Amélie", "Être et avoir", "L'Été", "Bœuf & œufs", "Noël", "Ça commence", "Le Dîner", "Cléo"]
        rows = [f"Client n° {i};{film};4,5" for i, film in enumerate(films)]
        x = read(table("user;item;rating\n" + "\n".join(rows), encoding="cp1252")).interactions
        assert x.user_ids[x.users].tolist() == [f"Client n° {i}" for i in range(8)]
        assert x.item_ids[x.items].tolist() == films

    def test_letters_that_are_the_same_in_all(self, table):
        path = table("user,item,rating\nZoë,Amélie,4\n", encoding="cp1250")
        assert read(path).interactions.item_ids.tolist() == ["Amélie"]

    def test_a_large_file_of_few_such_lines(self, table):
        rows = [f"u{i},item number {i} of many,3" for i in range(60_000)]
        rows[59_000] = "u,Amélie,3"
        assert encoding_of(table("user,item,rating\n" + "\n".join(rows), encoding="cp1252")) == "cp1252"


class TestFiles:
    def test_two_colons(self, table):
        path = table("1::1193::5\n1::661::3\n", "ratings.dat")
        with pytest.raises(ValueError, match="first line seems to be data: `--names user,item,...` names"):
            read(path)
        x, _, read_as, *_ = read(path, names="user,item,rating")
        assert x.to_frame().values.tolist() == [[1, 1193, 5], [1, 661, 3]]
        assert read_as["separator"] == "'::'"

    def test_spaces_beside_two_colons(self, table):
        path = table("user::item::rating\n1::x::5\n 1::x::3\n")  # pandas drops the space
        with pytest.raises(ValueError, match="must not begin or end with spaces. Received: .* line 3"):
            read(path)

    def test_names_must_fit(self, table):
        path = table("a\tx\t5\n")
        assert read(path, names="user, item, rating").interactions.user_ids.tolist() == ["a"]
        message = "`--names` must name each column of the file once. Received: 'user,item' for 3 columns"
        with pytest.raises(ValueError, match=message):
            read(path, names="user,item")

    def test_lines_before_the_header(self, table):
        assert values(table("sep=;\nuser;item;rating\na;x;3,5\n")) == [3.5]
        x, _, read_as, *_ = read(table("# of 2024\n# by us, and others\nuser,item,rating\na,x,3\n"))
        assert len(x) == 1 and read_as["left out"] == "2 lines that begin with '#'"
        assert read(table("#user,item,rating\na,x,3\n")).columns["user"] == "#user"
        assert values(table("\n\nuser,item,rating\na,x,3\n")) == [3]
        with pytest.raises(ValueError, match="first line is Excel's: leave it out with `skiprows=1`"):
            Interactions.from_csv(table("sep=;\nuser;item;rating\na;x;3,5\n"))

    def test_separators(self, table):
        assert values(table("user item rating\na x 3\n")) == [3]
        assert values(table("user;item;rating;a,b\nu;x;3;c,d\nv;x;4;c,d\n")) == [3, 4]
        with pytest.raises(ValueError, match="`--separator` must name .* could be split by ',' or ';'"):
            read(table("a;b,c\nu;x,y\n"))
        assert read(table("user\titem\trating\na\tx\t3\n"), separator="\\t").columns["user"] == "user"

    def test_archives(self, tmp_path, table):
        with zipfile.ZipFile(tmp_path / "two.zip", "w") as file:
            file.writestr("a.csv", "user,item,rating\na,x,3\n")
            file.writestr("b.csv", "user,item,rating\nb,x,3\n")
        for load in (read, Interactions.from_csv):
            with pytest.raises(ValueError, match="two.zip' must hold one file; unpack it and name the table"):
                load(tmp_path / "two.zip")
            with pytest.raises(ValueError, match="cut.csv.gz' must be a complete file .* cannot be unpacked"):
                load(table(gzip.compress(b"user,item,rating\n" * 9000)[:-20], "cut.csv.gz"))
            with pytest.raises(ValueError, match="no.csv.gz' must be a complete file .* cannot be unpacked"):
                load(table("user,item,rating\na,x,3\n", "no.csv.gz"))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("t.xlsx", b"PK\x03\x04....", "an Excel workbook: save its sheet as CSV"),
            ("t.csv", b"\xd0\xcf\x11\xe0....", "an old Excel workbook"),
            ("t.json", b'{"user": 1}', "JSON: write it as CSV"),
            ("t.json", b'[{"user": 1}]', "JSON: write it as CSV"),
            ("t.db", b"SQLite format 3\0", "a database: read it in Python with `Interactions.from_sql`"),
            ("t.csv", b"<!doctype html>", "a web page"),
            ("t.csv", b"\0\0user\0\0,item", "a file that is not text"),
            ("t.csv", b"user,item,rating\nu,a\0b,3\n", "a file that is not text"),
            (
                "t.csv",
                gzip.compress(b"user,item,rating\n", mtime=0),
                r"a compressed file, .* must end in \.gz\.",
            ),
            ("t.txt", b"PK\x03\x04....", r"a compressed file, whose name must end in \.zip"),
        ],
    )
    def test_what_is_no_table(self, table, name, content, message):
        with pytest.raises(ValueError, match="must be a table, as CSV or Parquet. Received: " + message):
            read(table(content, name))

    def test_parquet_by_any_name(self, tmp_path):
        frame = pd.DataFrame({"user": [1.0, 2.0], "item": ["NA", "x"], "rating": [3, 4]})
        frame.to_parquet(tmp_path / "t.pq")
        x = read(tmp_path / "t.pq").interactions
        assert x.user_ids.tolist() == [1, 2] and x.item_ids.tolist() == ["NA", "x"]

    def test_chunks(self, table):
        path = table("user,item\na,x\n")
        for option in ({"chunksize": 5}, {"iterator": True}):
            with pytest.raises(ValueError, match="must not be given: the table is read whole. Received:"):
                Interactions.from_csv(path, **option)


class TestIds:
    def test_a_user_called_na(self, table):
        path = table("user,item,rating\nNA,x,3\nnull,x,4\n")
        message = r"'user' must not have missing ids. Received: 2 that may be ids .* first 'NA' .*`--keep-na`"
        with pytest.raises(ValueError, match=message):
            read(path)
        assert read(path, keep_na=True).interactions.user_ids.tolist() == ["NA", "null"]
        with pytest.raises(ValueError, match="keep_default_na=False"):
            Interactions.from_csv(path)
        assert Interactions.from_csv(path, keep_default_na=False).user_ids.tolist() == ["NA", "null"]
        with pytest.raises(ValueError, match="'user' must not have missing ids. Received: 1 row of them"):
            read(table("user,item,rating\n,x,3\nnull,x,4\n"), keep_na=True)

    def test_spaces(self, table):
        path = table("user,item,rating\nA1 ,7 ,3\n A1,8,4\n")
        for load in (read, Interactions.from_csv):
            with pytest.raises(ValueError, match="ids that look the same. Received: 'A1 ' and ' A1'"):
                load(path)
        x = read(path, strip=True).interactions
        assert x.user_ids.tolist() == ["A1"] and x.item_ids.tolist() == [7, 8]

    def test_dates(self, table):
        path = table("user,item,rating,on\na,x,3,24.12.2023\nb,x,3,03.01.2024\n")
        columns = Columns(time="on")
        with pytest.raises(ValueError, match="neither numbers nor ISO 8601.* `--date-format`"):
            read_ratings(path, columns)
        x = read_ratings(path, columns, Form(date_format="%d.%m.%Y")).interactions
        assert x.times.tolist() == [pd.Timestamp("2023-12-24").value, pd.Timestamp("2024-01-03").value]
        message = (
            r"'on' must not have dates in another format than `--date-format %m.%d.%Y`. .* first '24.12.2023'"
        )
        with pytest.raises(ValueError, match=message):
            read_ratings(path, columns, Form(date_format="%m.%d.%Y"))
        with pytest.raises(ValueError, match="`--date-format` must be a date format. Received: '%Q'"):
            read_ratings(path, columns, Form(date_format="%Q"))
        with pytest.raises(ValueError, match="`--date-format` needs a `--time-column`"):
            read(path, date_format="%d.%m.%Y")


def test_the_file_is_read_once_for_its_form(table, monkeypatch):
    path = table("user,item,rating\na,x,3\n")
    dialect_of(path, Form())
    monkeypatch.setattr("kerasrec.cli._dialect.encoding_of", lambda path: 1 / 0)
    assert dialect_of(path, Form()).options == {"sep": ",", "encoding": "utf-8"}


@pytest.mark.slow
def test_the_commands_take_the_options_and_say_what_they_read(run, run_json, fails, tmp_path):
    rows = [f"u{u};i{i};{1 + (u * i) % 4},5" for u in range(9) for i in range(9) if (u + i) % 2]
    (tmp_path / "t.csv").write_text("\n".join(["NA;i0;0,0", *rows]) + "\n")
    form = ["--names", "user,item,rating", "--keep-na", "--separator", ";", "--decimal", ","]
    out = run("train", "t.csv", *form, "--model", "global_bias", "--no-plot").out
    assert "Read as: separator ';', encoding utf-8, decimal ','; the options of the same names" in out
    assert "Zeros: 1 of 41 in 'rating'; if they mean that nobody rated, remove those rows" in out
    found = run_json("evaluate", "model.keras", "t.csv", *form)
    assert found["read_as"]["decimal"] == "','"
    for command in (["train"], ["evaluate", "model.keras"], ["compare"], ["tune"]):
        assert "`--quoting` must be standard or none" in fails(*command, "t.csv", *form, "--quoting", "x")
