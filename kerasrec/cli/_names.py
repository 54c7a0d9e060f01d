"""Columns guessed from their English, German, French or Spanish names."""

import re
import unicodedata
from collections.abc import Sequence

# By side and language, the most likely first.
_NOUNS = {
    "user": {
        "en": "user customer member reviewer visitor viewer reader listener player client account person",
        "de": "kunden kunde kdnr nutzer benutzer mitglieds mitglied kaufer kaeufer leser",
        "fr": "client utilisateur abonne adherent membre acheteur lecteur",
        "es": "cliente usuario miembro socio comprador lector",
    },
    "item": {
        "en": "item movie film book isbn product asin sku ean gtin song track artist album game anime recipe "
        "article video show business restaurant hotel title",
        "de": "artikel artnr produkt buch lied spiel rezept",
        "fr": "article produit livre film chanson morceau jeu recette",
        "es": "articulo producto libro pelicula cancion juego receta",
    },
    "value": {
        "en": "rating ratings score stars overall grade vote value playcount plays count weight quantity qty "
        "amount listens views clicks purchases units",
        "de": "bewertung wertung sterne menge anzahl stuckzahl stueckzahl stuck stueck",
        "fr": "evaluation etoiles quantite qte",
        "es": "valoracion puntuacion calificacion estrellas cantidad unidades",
    },
}
# Words for ratings that mean comments in other languages; they need users and items in the same language.
_MARKS = {"fr": "note", "es": "nota"}
_NUMBERS = "no nr num number nummer numero key code codigo cod ref reference referencia identifiant".split()
# Words next to a noun, the most likely first; among equally likely words the noun decides.
ENDINGS = (["id"], [*_NUMBERS, ""], ["name", "nom", "nombre"])
# In a table of items, `name` is not the column of ids.
IDS = ENDINGS[:2]
_RATED = ("rating", "score", "stars", "bewertung")
# Endings of the names of columns of counts: `listen_count`, but not `discount`.
_COUNTED = "count plays listens purchases orders quantity qty".split()
_CLICKED = "label click clicked isclick isclicked geklickt klick clic clique".split()
_TITLES = "title name titel titre titulo bezeichnung designation".split()


def guessed_column(
    names: Sequence[str],
    side: str,
    endings: Sequence[Sequence[str]] = ENDINGS,
    beside: Sequence[str] = (),
) -> str | None:
    """The column with the most suitable name: `userId`, `User-ID`, `Kunden-Nr.`, `id_article`.

    Args:
        names: names of columns.
        side: `"user"`, `"item"` or `"value"`.
        endings: words that may follow or precede the noun for a user or an item. Defaults to `ENDINGS`.
        beside: names of further columns, which indicate the language. Defaults to `()`.
    """
    by_form = {_form(name): name for name in reversed(names)}
    if side == "value":
        return _value(names, by_form, {_form(name): name for name in beside})
    return _noun(by_form, side, endings, " ".join(_NOUNS[side].values()))


def words_of(name: str) -> list[str]:
    """The words in the name of a column, without accents: `listen_count` and `listenCount` have two."""
    return re.findall(r"[a-z]+", _bare(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)))


def title_column(names: Sequence[str]) -> str | None:
    """The column with the names of the items."""
    for word in _TITLES:
        for name in names:
            if _form(name).endswith(word):
                return name
    return None


def click_column(names: Sequence[str]) -> str | None:
    """The column that marks which of the items shown were clicked.

    Args:
        names: names of columns.
    """
    return next((name for name in names if _form(name) in _CLICKED), None)


def _noun(by_form: dict[str, str], side: str, endings: Sequence[Sequence[str]], nouns: str) -> str | None:
    for alike in endings:
        for noun in nouns.split():
            for ending in alike:
                for form in (noun + ending, ending + noun):
                    if form in by_form:
                        return by_form[form]
    return None


def _value(names: Sequence[str], by_form: dict[str, str], beside: dict[str, str]) -> str | None:
    for noun in " ".join(_NOUNS["value"].values()).split():
        if noun in by_form:
            return by_form[noun]
    for form, name in by_form.items():
        if form.endswith(_RATED):
            return name
    for name in names:
        if words_of(str(name))[-1:] and words_of(str(name))[-1] in _COUNTED:
            return name
    for language, mark in _MARKS.items():
        sides = [_noun(beside, side, ENDINGS, _NOUNS[side][language]) for side in ("user", "item")]
        if mark in by_form and None not in sides:
            return by_form[mark]
    return None


def _form(name: str) -> str:
    return re.sub(r"[\W_]", "", _bare(str(name)))


def _bare(name: str) -> str:
    """Lower-case letters without accents; the degree sign in `N° client` becomes an `o`."""
    apart = unicodedata.normalize("NFKD", name.replace("°", "o").lower())
    return "".join(mark for mark in apart if not unicodedata.combining(mark))
