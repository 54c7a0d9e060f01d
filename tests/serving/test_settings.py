import pytest

from kerasrec.serving import Settings
from kerasrec.serving._extra import require


def test_settings_travel_as_text():
    settings = Settings("a.keras", beside="b.keras", title="title", token="secret", max_k=3, watch=0)
    assert Settings.from_json(settings.to_json()) == settings
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_k": 0}, "`max_k` must be a positive integer. Received: max_k=0."),
        ({"watch": -1}, "`watch` must be seconds, 0 or more. Received: watch=-1."),
        ({"events": "log.txt"}, "`events` must end in .jsonl. Received: 'log.txt'."),
    ],
)
def test_bad_settings(given, said):
    with pytest.raises(ValueError) as error:
        Settings("a.keras", **given)
    assert str(error.value) == said


def test_a_missing_extra_is_named():
    said = r"need additional packages: pip install 'kerasrec\[serve\]'. Received: no not_there."
    with pytest.raises(ValueError, match=said):
        require(["json", "not_there"])
