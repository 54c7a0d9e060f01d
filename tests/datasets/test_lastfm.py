import pytest

from kerasrec import datasets

FILES = {
    "user_artists.dat": b"userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t11690\r\n4\t51\t1\r\n",
    "artists.dat": (
        "id\tname\turl\tpictureURL\n"
        '51\t"Weird Al\thttp://www.last.fm/music/a\thttp://a.jpg\n'
        "52\tSigur Rós\thttp://www.last.fm/music/b\t\n"
        "53\tNA\thttp://www.last.fm/music/c\thttp://c.jpg\n"
    ).encode(),
    "tags.dat": "tagID\ttagValue\r\n1\tmetal\r\n2\tchanson française\r\n3\trock|pop\r\n".encode("latin-1"),
    "user_taggedartists.dat": (
        b"userID\tartistID\ttagID\tday\tmonth\tyear\r\n"
        b"2\t51\t1\t1\t4\t2009\r\n2\t51\t3\t1\t4\t2009\r\n4\t51\t3\t1\t4\t2009\r\n4\t52\t2\t1\t4\t2009\r\n"
        b"4\t52\t99\t1\t4\t2009\r\n"
    ),
}


@pytest.mark.parametrize("place", ["hetrec2011-lastfm-2k", "hetrec2011-lastfm-2k.zip"])
def test_the_publishers_files(write, place):
    data = datasets.lastfm(write(place, FILES))
    x = data.interactions
    assert x.user_ids[x.users].tolist() == [2, 2, 4] and x.item_ids[x.items].tolist() == [51, 52, 51]
    assert x.values.tolist() == [13883, 11690, 1] and x.times is None
    assert data.items.index.tolist() == [51, 52, 53]
    assert data.items["title"].tolist() == ['"Weird Al', "Sigur Rós", "NA"]
    assert data.items["tags"].tolist() == ["rock/pop|metal", "chanson française", ""]
    assert data.items["url"].tolist()[0] == "http://www.last.fm/music/a"
    assert data.users.index.tolist() == [2, 4] and data.users.shape[1] == 0


def test_a_missing_file(write):
    files = {name: content for name, content in FILES.items() if name != "tags.dat"}
    with pytest.raises(FileNotFoundError, match=r"'tags.dat' must be in '.*x'\. Received: artists\.dat, "):
        datasets.lastfm(write("x", files))
