import pytest

from kerasrec import datasets

# The publisher's dump: Latin-1, semicolons, CRLF, backslashes, a title whose backslash hides its end.
DUMP = {
    "BX-Book-Ratings.csv": (
        b'"User-ID";"ISBN";"Book-Rating"\r\n'
        b'"276725";"034545104X";"0"\r\n'
        b'"276726";"0155061224";"5"\r\n'
        b'"276729";"0155061224";"10"\r\n'
        b'"276729";"078946697X";"8"\r\n'
        b'"276729";" 52165,615\\"2 ";"3"\r\n'
    ),
    "BX-Books.csv": (
        '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-S";"Image-URL-M";"Image-URL-L"\r\n'
        '"0155061224";"Rites of Passage: é; \\"O\\" Is";"Judith Rae";"2001";"Heinle &amp; Heinle";"http://s";"http://m";"http://l"\r\n'
        '"034545104X";"NA";"";"0";"Ballantine";"http://s";"http://m";"http://l"\r\n'
        '"078946697X";"DK Readers (Level 4)\\";Michael Teitelbaum";"2000";"DK Publishing Inc";"http://s";"http://m";"http://l"\r\n'
    ).encode("latin-1"),
    "BX-Users.csv": (
        '"User-ID";"Location";"Age"\r\n'
        '"276725";"tyler, texas, usa";NULL\r\n'
        '"276726";"málaga, n/a, spain";"18"\r\n'
        '"276729";"rijeka, , ";"16"\r\n'
        '"276730";"saint-\\"x, a, b, france";"244"\r\n'
    ).encode("latin-1"),
}
PLAIN = {
    "ratings.csv": b"user,book,rating\n8,0002005018,5\n9,039592720X,7\n9,039592720x,6\n",
    "books.csv": (
        b"book,title,author,year,publisher\n"
        b"0002005018,Clara Callan,Richard Bruce Wright,2001,HarperFlamingo Canada\n"
        b'039592720X,"\\O\\"" Is for Outlaw""",SUE GRAFTON,,W. W. Norton &amp; Co\n'
    ),
    "users.csv": b"user,city,state,country,age\n8,timmins,ontario,canada,\n9,germantown,tennessee,usa,30\n",
}


@pytest.mark.parametrize("place", ["BX-CSV-Dump", "BX-CSV-Dump.zip"])
def test_the_publishers_dump(write, place):
    data = datasets.book_crossing(write(place, DUMP))
    x = data.interactions
    assert x.user_ids[x.users].tolist() == [276726, 276729, 276729, 276729]
    assert x.item_ids[x.items].tolist() == ["0155061224", "0155061224", "078946697X", ' 52165,615"2 ']
    assert x.values.tolist() == [5, 10, 8, 3] and x.times is None
    books = data.items
    assert books.loc["0155061224"].tolist() == [
        'Rites of Passage: é; "O" Is',
        "Judith Rae",
        2001,
        "Heinle & Heinle",
    ]
    assert books.loc["078946697X"].tolist() == [
        "DK Readers (Level 4)",
        "Michael Teitelbaum",
        2000,
        "DK Publishing Inc",
    ]
    assert books.loc["034545104X", "title"] == "NA"
    assert books.loc["034545104X"].isna().tolist() == [False, True, True, False]
    users = data.users
    assert list(users.columns) == ["city", "state", "country", "age"]
    assert users.loc[276725].tolist()[:3] == ["tyler", "texas", "usa"] and users["age"].isna().tolist()[0]
    assert users.loc[276726].isna().tolist() == [False, True, False, False]
    assert users.loc[276726, ["city", "country", "age"]].tolist() == ["málaga", "spain", 18]
    assert users.loc[276729].isna().tolist() == [False, True, True, False]
    assert users.loc[276730].tolist() == ['saint-"x', "a, b", "france", 244]


def test_plain_tables(write):
    data = datasets.book_crossing(write("x", PLAIN))
    x = data.interactions
    assert x.item_ids[x.items].tolist() == ["0002005018", "039592720X", "039592720x"]
    assert data.items["title"].tolist() == ["Clara Callan", '"O" Is for Outlaw']
    assert data.items["publisher"].tolist() == ["HarperFlamingo Canada", "W. W. Norton & Co"]
    assert data.users.loc[9].tolist() == ["germantown", "tennessee", "usa", 30]
    assert data.users["age"].isna().tolist() == [True, False]


def test_real_tables(shared_data):
    data = datasets.book_crossing(shared_data / "book-crossing")
    x = data.interactions
    assert (len(x), x.n_users, x.n_items) == (204_164, 48_299, 18_185)
    assert (x.values.min(), x.values.max()) == (1, 10)
    assert set(x.item_ids) == set(data.items.index) and set(x.user_ids) == set(data.users.index)
    assert data.items.loc["0449003787", "title"] == '"O" Is for Outlaw'
    assert not data.items["title"].str.contains("\\", regex=False).any()
    assert data.users.loc[8, ["city", "state", "country"]].tolist() == ["timmins", "ontario", "canada"]


def test_a_file_that_is_not_the_publishers(write):
    with pytest.raises(ValueError, match=r"books.csv.*none for author, year, publisher"):
        datasets.book_crossing(write("x", {**PLAIN, "books.csv": b"book,title\n1,a\n"}))
    for rating, fault in ((b"", "missing values"), (b"five", "entries that are not numbers")):
        files = {**PLAIN, "ratings.csv": b"user,book,rating\n8,1," + rating + b"\n"}
        with pytest.raises(ValueError, match=f"Column 'value' must not have {fault}"):
            datasets.book_crossing(write("y", files))
