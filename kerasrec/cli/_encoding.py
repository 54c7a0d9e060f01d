"""The encoding of a text file, from its byte order mark and its bytes; ambiguous files are refused.

charset-normalizer lists the possible encodings. Its first choice is wrong too often, because the words of a
table are not running text. An encoding is kept only if all words are plausible in it: they have letters of
one script and one language, and no capitals inside words.
"""

import codecs
import re
import unicodedata
from pathlib import Path

from kerasrec._text import opened

_BLOCK = 1 << 20
# Possible separators of the columns.
_BETWEEN = ",;\t| "
_SAMPLE_BYTES = 20_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859_2", "koi8_r", "cp866", "cp850"),
    *("mac_roman", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
# Non-ASCII letters by language, and those of Western languages together, as in a music catalogue.
_LETTERS = (
    *("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúü", "áâãàçéêíóôõúü", "àèéìîòóù", "áéèëíïóöúü", "åäöéü"),
    *("æøåéôòóü", "áðéíóúýþæö", "éèêëáàâäãåçíîñóôöúüøæßœ"),
    *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž"),
    *("çğıöşüâîû\u0307", "ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž", "ëç"),
    *("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),
    *("абвгдђежзијклљмнњопрстћуфхцчџш", "αάβγδεέζηήθιίϊΐκλμνξοόπρσςτυύϋΰφχψωώ"),
)
_LANGUAGES = tuple(map(frozenset, _LETTERS))
# Signs between or next to letters; any other sign belongs to numbers and prices.
_JOINING = frozenset("’‘“”´·«»–—…¡¿ªº®™©")  # noqa: RUF001
_STANDING = frozenset("°€£½²×\u00a0") | _JOINING
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
# These encodings share most letters, so a few words cannot tell them apart.
_NEIGHBOURS = ("cp1252", "cp1250", "cp1254", "iso8859_2")
_ENOUGH = 5
_WORD = re.compile(r"[^\W\d_]+")
_ODD_WORD = re.compile(r"(?=\w*[^\x00-\x7f])\w{2,}")
_WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff01-\uff5e]")


def encoding_of(path: Path) -> str:
    """The encoding of a file: that of its byte order mark, UTF-8 if it is valid, or one found by its words.

    Args:
        path: file; compressed ones are unpacked.

    Raises:
        ValueError: if the encoding is ambiguous; the message has the encodings to choose from.
    """
    with opened(path) as file:
        head = file.read(_BLOCK)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding
        if b"\0" in head:
            return _wide(path, head)
        decoder = codecs.getincrementaldecoder("utf-8")()
        odd = bytearray()
        valid = True
        block, rest = head, b""
        while block:
            try:
                if valid:
                    decoder.decode(block)
            except UnicodeDecodeError:
                valid = False
            if not block.isascii() and len(odd) < _SAMPLE_BYTES:
                *lines, rest = (rest + block).split(b"\n")
                odd += b"\n".join(line for line in lines if not line.isascii())[:_SAMPLE_BYTES] + b"\n"
            block = file.read(_BLOCK)
        if not rest.isascii() and len(odd) < _SAMPLE_BYTES:
            odd += rest
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    if valid:
        return "utf-8"
    if _CONTROLS.search(head):
        raise _no_text(path)
    return _by_words(bytes(odd))


def _wide(path: Path, head: bytes) -> str:
    """UTF-16 without a mark: in a table every second byte is zero."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    if min(even, odd) * 20 < max(even, odd) and any(mark in text for mark in _BETWEEN):
        return encoding
    raise _no_text(path)


def _no_text(path: Path) -> ValueError:
    return ValueError(f"{str(path)!r} must be a table, as CSV or Parquet. Received: a file that is not text.")


def _by_words(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    words = sorted(set(re.findall(rb"[^\x00-\x40\x5b-\x60\x7b-\x7f]*[\x80-\xff][^\x00-\x2f]*", sample)))
    text = b"\n".join(words)[:_SAMPLE_BYTES]
    possible = from_bytes(sample, cp_isolation=list(_CANDIDATES), threshold=0.5, enable_fallback=False)
    named = {name for match in possible for name in match.could_be_from_charset}
    readings: dict[str, str] = {}
    others: dict[str, str] = {}
    for encoding in _CANDIDATES:
        if encoding not in named:
            continue
        try:
            read = text.decode(encoding)
        except UnicodeDecodeError:
            continue
        (readings if _is_text(read) else others).setdefault(read, encoding)
    if len(readings) == 1:
        read, encoding = next(iter(readings.items()))
        if len(set(_ODD_WORD.findall(read))) >= _ENOUGH:
            return encoding
        # A few words may be valid in several languages.
        neighbours = [other for other, its in others.items() if its in _NEIGHBOURS and _are_words(other)]
        if not neighbours:
            return encoding
        readings |= {other: others[other] for other in neighbours}
    shown = list((readings or others).items())[:3]
    words_of = zip(*(read.split("\n") for read, _ in shown), strict=False)
    telling = max(words_of, key=_telling, default=())
    how = ", ".join(
        f"{word[:20]!r} as {encoding}" for word, (_, encoding) in zip(telling, shown, strict=False)
    )
    raise ValueError(
        "`--encoding` must say how the file is encoded. Received: a file that is not UTF-8"
        + (f" and reads {how}." if how else ".")
    )


def _are_words(read: str) -> bool:
    """Whether each word has the letters of a single language."""
    words = _WORD.findall(read)
    return _stand_well(read) and all(_is_word(word) and _of_one_language(word) for word in words)


def _is_text(read: str) -> bool:
    wide = _WIDE.findall(read)
    if wide:
        beside_latin = re.search(rf"[a-z]{_WIDE.pattern}|{_WIDE.pattern}[a-z]", read)
        alone = len(wide) == sum(not char.isascii() for char in read)
        return alone and not beside_latin and _is_east_asian(wide)
    return _stand_well(read) and all(map(_is_word, _WORD.findall(read))) and _of_one_language(read)


def _of_one_language(read: str) -> bool:
    letters = {char for char in read.lower() if char.isalpha() and not char.isascii()}
    return any(letters <= language for language in _LANGUAGES)


def _is_word(word: str) -> bool:
    """Whether a word has one script, `ς` only at its end, and no non-ASCII capital inside."""
    if word.isascii():
        return True
    if "ς" in word[:-1] or word[-1] == "σ":
        return False
    if len({unicodedata.name(char, "?").split()[0] for char in word} - {"COMBINING", "MICRO"}) > 1:
        return False
    pairs = zip(word, word[1:], strict=False)
    return not any(a.islower() and b.isupper() and not (a + b).isascii() for a, b in pairs)


def _stand_well(read: str) -> bool:
    """Whether non-ASCII signs are in plausible places: a currency sign is not inside a word."""
    for found in re.finditer(r"[^\x00-\x7f]", read):
        char, at = found[0], found.start()
        if char.isalpha() and char not in "ªº":
            continue
        if char not in _STANDING:
            return False
        beside = read[max(at - 1, 0) : at] + read[at + 1 : at + 2]
        if char == "°" and read[max(at - 1, 0) : at] in ("n", "N"):  # number, in French, Italian and Spanish
            continue
        if char not in _JOINING and char != "\u00a0" and any(map(str.isalpha, beside)):
            return False
    return True


def _is_east_asian(chars: list[str]) -> bool:
    """Whether nearly all characters are common in one of the languages, by the rows of its standard."""
    kana = any("\u3040" <= char <= "\u30ff" for char in chars)
    hangul = any("\uac00" <= char <= "\ud7a3" for char in chars)
    tables = [("gb2312", 0xB0, 0xD7, not kana and not hangul), ("big5", 0xA4, 0xC6, not kana and not hangul)]
    tables += [("euc_jp", 0xB0, 0xCF, kana and not hangul), ("euc_kr", 0xB0, 0xC8, hangul and not kana)]
    return any(
        fits and 30 * sum(not _common(char, encoding, low, high) for char in chars) <= len(chars)
        for encoding, low, high, fits in tables
    )


def _common(char: str, encoding: str, low: int, high: int) -> bool:
    row = char.encode(encoding, errors="ignore")[:1]
    signs = range(0xA1, 0xA6) if encoding != "big5" else range(0xA1, 0xA4)
    return bool(row) and (low <= row[0] <= high or row[0] in signs)


def _telling(readings: tuple[str, ...]) -> tuple[int, int, int]:
    """A sort key that is largest for the word that shows the difference between encodings best."""
    letters = sum(not char.isascii() for char in readings[0][:20])
    return len({word[:20] for word in readings}), letters, -len(readings[0])
