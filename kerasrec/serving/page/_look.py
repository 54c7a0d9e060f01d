"""How users and items of a model are shown: titles, pictures, and a search."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kerasrec.serving._answers import plain
from kerasrec.serving._served import Served

# Allowed beginnings of a picture's address, which exclude `javascript:`.
_PLACES = ("http://", "https://", "data:image/")


class Card(NamedTuple):
    """An item.

    Attributes:
        id: raw id.
        title: str.
        picture: address, or `None`.
        facts: other metadata, by column.
        popularity: int, number of users who like the item.
    """

    id: Any
    title: str
    picture: str | None
    facts: dict[str, Any]
    popularity: int


class Look:
    """Titles, pictures and a search for the users and items of one file.

    Args:
        served: `Served`.
        whole: bool, whether to show only pictures that the metadata contain inline. Defaults to `False`.
    """

    def __init__(self, served: Served, whole: bool = False) -> None:
        self.served = served
        self._places = _PLACES[-1:] if whole else _PLACES

    def card(self, item: Any, with_facts: bool = False) -> Card:
        """The card of a known item."""
        served = self.served
        code = served.code("item", item)
        frame, facts, picture = served.recommender.item_metadata, {}, None
        if frame is not None and served.picture is not None:
            address = frame[served.picture].iloc[code]
            picture = address if isinstance(address, str) and address.startswith(self._places) else None
        if frame is not None and with_facts:
            names = [name for name in served.columns if name not in (served.title, served.picture)]
            facts = {name: plain(frame[name].iloc[code]) for name in names}
        return Card(item, self.titles[code], picture, facts, int(served.popularity[code]))

    @cached_property
    def titles(self) -> list[str]:
        """The title of each item by code, or its id if it has no title."""
        ids = self.served.recommender.item_ids.tolist()
        frame = self.served.recommender.item_metadata
        if frame is None or self.served.title is None:
            return [str(raw) for raw in ids]
        titles = [plain(entry) for entry in frame[self.served.title].tolist()]
        return [
            str(raw) if title in (None, "") else str(title) for raw, title in zip(ids, titles, strict=True)
        ]

    def items(self, text: str, n: int = 20) -> list[Any]:
        """Items whose title or id contains a text, the most popular first."""
        codes = self._item_texts.containing(text)
        best = codes[np.argsort(-self.served.popularity[codes], kind="stable")][:n]
        return list(self.served.recommender.item_ids[best].tolist())

    def users(self, text: str, n: int = 20) -> list[Any]:
        """Users whose id contains a text; without a text, users with the longest histories."""
        ids = self.served.recommender.user_ids
        if not text:
            return list(ids[np.argsort(-np.diff(self.served.starts), kind="stable")[:n]].tolist())
        return list(ids[self._user_texts.containing(text)[:n]].tolist())

    @cached_property
    def _item_texts(self) -> "_Texts":
        ids = self.served.recommender.item_ids.tolist()
        return _Texts([f"{title}\t{raw}" for title, raw in zip(self.titles, ids, strict=True)])

    @cached_property
    def _user_texts(self) -> "_Texts":
        return _Texts([str(raw) for raw in self.served.recommender.user_ids.tolist()])


class _Texts:
    """Many texts joined into one, so that a search takes a millisecond."""

    def __init__(self, texts: list[str]) -> None:
        folded = [text.casefold().replace("\n", " ") for text in texts]
        self.text = "\n".join(folded)
        self.starts = np.concatenate([[0], np.cumsum([len(text) + 1 for text in folded])])

    def containing(self, text: str) -> np.ndarray:
        """Numbers of the texts that contain a text; those that begin with it come first."""
        wanted = text.strip().casefold().replace("\n", " ")
        found: list[int] = []
        place = self.text.find(wanted) if wanted else -1
        while place >= 0:
            number = int(np.searchsorted(self.starts, place, side="right")) - 1
            found.append(number)
            place = self.text.find(wanted, int(self.starts[number + 1]))
        begins = [self.text.startswith(wanted, int(self.starts[number])) for number in found]
        return np.array(found, np.int64)[np.argsort(~np.array(begins, bool), kind="stable")]
