"""Class names from a file, in the many forms in which people keep them."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from explain.errors import ModelError, make_printable

_MOST_BYTES = 4 * 2**20
_MOST_LABELS = 100_000
_LONGEST_LABEL = 200

_ADVICE = "Give a text file with one class name a line, or JSON."
_INNER = (
    "id2label",
    "label2id",
    "idx_to_class",
    "class_to_idx",
    "label_names",
    "class_names",
    "classes",
    "names",
    "labels",
    "categories",
)
"""Where files hold the names beside other things: Hugging Face, ImageFolder, timm, YOLO, COCO."""

_HEADINGS = {
    "number": {"id", "ids", "index", "idx", "number", "no", "class_id", "class_index", "class_idx", "label_id", "key"},
    "name": {
        "name",
        "names",
        "label",
        "labels",
        "class",
        "classes",
        "class_name",
        "class_names",
        "classname",
        "label_name",
        "category",
        "categories",
    },
}
"""Words over columns, in small letters with underscores."""

_NUMBERED = re.compile(r"[\"'(]?(\d{1,6})[\"']?(?:\s*[,;:=.)\t]\s*|\s+-\s+|\s+)(?=\S)(.+)", re.ASCII)
_NUMBER_LAST = re.compile(r"(\S.*?)(?:\s*[;:=\t]\s*|\s+)(\d{1,6})", re.ASCII)
_KEY = re.compile(r"(?:names|classes|labels|class_names)\s*[:=]\s*(.*)", re.IGNORECASE)
_PICTURES = {"file", "filename", "file_name", "image", "img", "image_id", "image_name", "path", "filepath"}
"""Words over a column of pictures, in a table that says which picture is of which class."""

_SYNSET = re.compile(r"(n\d{8})[\s,;:]+(\S.*)", re.ASCII)
_STRING = r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\""
_ENTRY = re.compile(rf"(?:(\d{{1,7}})\s*:\s*)?(?:{_STRING})(?:\s*:\s*(\d{{1,7}})(?=\s*[,}}]))?", re.ASCII)
_AMBIGUOUS_FROM = 10
"""So many classes have an order by number (1, 2, …, 10) that is not the one of a folder's names (1, 10, 2, …)."""


def read_labels(data: bytes) -> tuple[str, ...]:
    """Class names from a file, in the order of the classes.

    Read are: one name a line; lines that begin with the class's number; two columns, with or without a heading, one of
    which holds the numbers; JSON, and what Python prints of a list or a dictionary: names, names by number, numbers by
    name. Empty lines are skipped. Numbers are never passed over: where they do not say one order, the file is refused.

    Raises:
        ModelError: it is no such file.
    """
    if len(data) > _MOST_BYTES:
        raise ModelError(f"The label file is larger than 4 MB. {_ADVICE}")
    text = _decode(data)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not all(line.replace("\t", " ").isprintable() for line in lines):
        raise ModelError(f"The label file holds no plain class names. {_ADVICE}")
    if lines[0][0] in "{[" or lines[-1] in ("}", "]", "},", "],"):
        return order_names(_parse_literal(text))
    return _check_names(_read_lines(lines))


def order_names(content: Any) -> tuple[str, ...]:
    """Class names in the order of the classes, of a list of names, a mapping from numbers to names or from names to
    numbers, or a mapping that holds one of these under a name such as `id2label`.

    Raises:
        ModelError: it is none of these, or the numbers do not say one order.
    """
    if isinstance(content, list | tuple):
        return _order_list(content)
    if not isinstance(content, Mapping):
        raise ModelError(f"The label file holds neither a list nor a dictionary of class names. {_ADVICE}")
    inner = next((content[key] for key in _INNER if isinstance(content.get(key), list | tuple | Mapping)), None)
    if inner is not None:
        return order_names(inner)
    keys = [_read_index(key) for key in content]
    values = [_read_index(value) for value in content.values()]
    plain = all(isinstance(value, int) for value in content.values())
    by_number = None not in keys and not (plain and None not in values)
    by_name = None not in values and all(isinstance(key, str) for key in content)
    if by_number and by_name:
        first = [key for key in keys if key is not None]
        second = [value for value in values if value is not None]
        by_number, by_name = _counts_up(first), _counts_up(second)
        if by_number and by_name and first != second:
            raise ModelError(
                "The label file has numbers on both sides, and either could be the classes'. Give the names in the "
                "order of the classes, one a line."
            )
    if by_number:
        return _order_pairs([(key, _name(value)) for key, value in zip(keys, content.values(), strict=True)], False)
    if by_name:
        return _order_pairs([(value, _name(key)) for key, value in zip(content, values, strict=True)], False)
    raise ModelError(
        "The label file is a dictionary, but neither its keys nor its values are the numbers of the classes. Give "
        '{"0": "first", "1": "second"} or one class name a line.'
    )


def _decode(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16, or the Western European encoding of Windows."""
    refusal = f"The label file is no text in UTF-8 or another known encoding. Save it as UTF-8. {_ADVICE}"
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(data) > 3 and len(data) % 2 == 0 and data.count(0) * 3 >= len(data):
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise ModelError(refusal) from None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise ModelError(refusal) from None
    # Signs such as ³ and ¾ among the letters are what other encodings look like when they are read as this one.
    if not all(letter.isalpha() or letter in "‘’“”–—·°" for letter in text if ord(letter) > 127):
        raise ModelError(refusal)
    return text


def _parse_literal(text: str) -> Any:
    """What a JSON file holds, or a list or dictionary of names as Python prints it."""

    def keep_apart(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            raise ModelError(f"The label file has “{make_printable(twice, 60)}” twice as a key. Keep one of them.")
        return content

    try:
        return json.loads(text.lstrip("\ufeff"), object_pairs_hook=keep_apart)
    except ModelError:
        raise
    except (ValueError, RecursionError):
        pass
    entries = list(_ENTRY.finditer(text))
    if not entries or _ENTRY.sub("", text).strip("{}[]()\n\r\t ,"):
        raise ModelError(
            f"The label file starts like JSON or has its brackets, but is neither JSON nor names. {_ADVICE}"
        )
    pairs = [(before or after, _unescape(single or double)) for before, single, double, after in map(_groups, entries)]
    if all(number is None for number, _ in pairs):
        return [name for _, name in pairs]
    return _keep_numbers_apart(pairs)


def _groups(entry: re.Match[str]) -> tuple[str | None, str, str, str | None]:
    return entry[1], entry[2] or "", entry[3] or "", entry[4]


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _keep_numbers_apart(pairs: Sequence[tuple[str | None, str]]) -> dict[str, str]:
    numbers = [number for number, _ in pairs]
    if None in numbers or len({int(number or 0) for number in numbers}) < len(numbers):
        raise ModelError("The label file numbers some classes twice or not at all. Number them from 0 without a gap.")
    return {str(number): name for number, name in pairs}


def _order_list(content: Sequence[Any]) -> tuple[str, ...]:
    """Names of a list: texts, numbers, pairs of a WordNet id and a name, or entries with an id and a name."""
    if content and all(isinstance(entry, Mapping) for entry in content):
        pairs = [(_read_index(entry.get("id")), _name(entry.get("name"))) for entry in content]
        return _order_pairs(pairs, True)
    return _check_names([_name(entry) for entry in content])


def _name(value: Any) -> str:
    """A name as it stands in JSON; ImageNet's file has pairs of a WordNet id and a name."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        value = value[1]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ModelError(
            f"The label file holds what is no class name ({make_printable(repr(value), 40, 40)}). {_ADVICE}"
        )
    return str(value).strip()


def _read_index(value: Any) -> int | None:
    """A whole number, or a text that is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d{1,7}\s*", value, re.ASCII) else None


def _counts_up(numbers: Sequence[int]) -> bool:
    """Whether they are all numbers from 0, or from 1, in any order."""
    return sorted(numbers) in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _order_pairs(pairs: Sequence[tuple[int | None, str]], in_order: bool) -> tuple[str, ...]:
    """Names by their numbers.

    Args:
        pairs: each number with its name.
        in_order: the file's own order means something: numbers from 1 that follow it are believed.

    Raises:
        ModelError: the numbers have gaps, come twice, or do not say one order.
    """
    numbers = [number for number, _ in pairs if number is not None]
    if len(numbers) < len(pairs) or not _counts_up(numbers):
        twice = [number for number, times in Counter(numbers).items() if times > 1]
        why = f"{twice[0]} comes twice" if twice else f"there are {len(pairs):,}"
        if numbers and not twice:
            why += f", numbered from {min(numbers)} to {max(numbers)}"
        raise ModelError(
            f"The label file numbers its classes, but not from 0 without a gap: {why}. Number all classes from 0, or "
            "give the names alone, one a line; where the numbers belong to the names, give a JSON list."
        )
    follows = numbers == sorted(numbers)
    by_text = numbers == sorted(numbers, key=str)
    from_one = min(numbers, default=0) == 1
    # Folders that are called 1 … 10 are classes 1, 10, 2 …: their numbers are names then, and no order.
    unclear = (from_one and not (in_order and follows)) or (in_order and by_text and not follows)
    if unclear and len(numbers) >= _AMBIGUOUS_FROM:
        start = 1 if from_one else 0
        raise ModelError(
            f"The label file numbers its classes from {start} to {max(numbers)}, which can be their order or the names "
            f"of folders, whose order is {start}, {', '.join(sorted(map(str, numbers))[1:3])} … Give the names in the "
            "order of the classes, one a line."
        )
    return _check_names([name for _, name in sorted(pairs, key=lambda pair: pair[0] or 0)])


def _read_lines(lines: list[str]) -> Sequence[str]:
    """Names of a text file, from lines that are not empty."""
    settings = _find_in_settings(lines)
    if isinstance(settings, str):
        return order_names(_parse_literal(settings))
    lines = settings
    if lines and all(line.startswith("- ") for line in lines):
        lines = [line[2:].strip() for line in lines]
    table = _read_table(lines)
    if table is not None:
        return table
    lines = _drop_heading(lines)
    synsets = [_SYNSET.fullmatch(line) for line in lines]
    if all(synsets):
        names = [found[2].strip() for found in synsets if found]
        return names if len(set(names)) == len(names) else lines
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if len(lines) > 1 and all(numbered):
        pairs = [(int(found[1]), _unquote(found[2])) for found in numbered if found]
        numbers, texts = [number for number, _ in pairs], {name for _, name in pairs}
        # “1 star”, “2 stars”, “3 stars”: without their numbers such names would be one.
        in_order = _counts_up(numbers) and numbers == sorted(numbers)
        if len(texts) < len(lines) and (in_order or len(texts) == 1):
            return lines
        return _order_pairs(pairs, True)
    return _read_numbers_last(lines) or [_unquote(line) for line in lines]


def _find_in_settings(lines: list[str]) -> list[str] | str:
    """The lines that hold the names in a file of settings such as YOLO's `data.yaml`, or the list itself as a text; all
    lines where it is no such file.
    """
    at = next((at for at, line in enumerate(lines) if _KEY.fullmatch(line)), None)
    if at is None or not all(re.match(r"[\w.-]+\s*[:=]|#|- |\[", line) for line in lines[:at]):
        return lines
    value = _KEY.fullmatch(lines[at])[1]  # type: ignore[index]
    rest = lines[at + 1 :]
    if value[:1] in ("[", "{"):
        end = next((end for end in range(len(rest) + 1) if "".join([value, *rest[:end]])[-1] in "]}"), len(rest))
        return " ".join([value, *rest[:end]])
    if value or not rest:
        return lines
    kind = next((kind for kind in (r"- .+", r"\d+\s*:.+") if re.fullmatch(kind, rest[0])), None)
    if kind is None:
        return lines if at else rest
    return rest[: next((end for end, line in enumerate(rest) if not re.fullmatch(kind, line)), len(rest))]


def _read_numbers_last(lines: list[str]) -> Sequence[str] | None:
    """Names of lines that end with the class's number (`rose 2`); None where the numbers belong to the names."""
    found = [_NUMBER_LAST.fullmatch(line) for line in lines]
    pairs = [(int(entry[2]), _unquote(entry[1])) for entry in found if entry]
    if len(lines) < 2 or len(pairs) < len(lines) or len({name for _, name in pairs}) < len(lines):
        return None
    return _order_pairs(pairs, True) if _counts_up([number for number, _ in pairs]) else None


def _unquote(line: str) -> str:
    line = line.removesuffix(",") if line[:1] in "\"'" else line
    quoted = len(line) > 2 and line[0] == line[-1] and line[0] in "\"'"
    return line[1:-1].strip() if quoted else line.strip()


def _drop_heading(lines: list[str]) -> list[str]:
    words = [_fold(word) for word in re.split(r"[,;:\t ]", lines[0].rstrip(":")) if word.strip()] if lines else []
    known = _HEADINGS["name"] | _HEADINGS["number"]
    is_heading = len(lines) > 1 and words and all(word in known for word in words)
    return lines[1:] if is_heading else lines


def _fold(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.strip().strip("\"'").casefold())


def _read_table(lines: list[str]) -> Sequence[str] | None:
    """Names of a table of several columns; None where the lines are no table, or its columns are not told apart.

    Many class names hold commas (“tench, Tinca tinca”), so that a table is one whose heading says so, or where one
    column holds the numbers of the classes.
    """
    for delimiter in "\t;,":
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2 or any(len(row) != width for row in rows):
            continue
        heading = [_fold(cell) for cell in rows[0]]
        names = [at for at, word in enumerate(heading) if word in _HEADINGS["name"]]
        numbers = [at for at, word in enumerate(heading) if word in _HEADINGS["number"]]
        if names and any(word in _PICTURES for word in heading):
            raise ModelError(
                "The label file lists pictures, not classes, and their order is not said. Give one class name a line."
            )
        if names or numbers:
            return _read_columns(rows[1:], numbers, names, width)
        if delimiter == "\t" or width == 2:
            counted = [at for at in range(width) if all(_read_index(row[at]) is not None for row in rows)]
            if counted:
                return _read_columns(rows, [], [], width)
        if delimiter == "\t":
            raise ModelError(
                "The label file has several columns, none of which holds the numbers of the classes. Give one class "
                "name a line, or a number and a name."
            )
    return None


def _read_columns(rows: list[list[str]], numbers: list[int], names: list[int], width: int) -> Sequence[str]:
    """Names of a table by their numbers.

    Args:
        rows: without the heading.
        numbers: columns that the heading calls numbers.
        names: columns that it calls names; “label” may stand over numbers too.
        width: how many columns there are.
    """
    if not rows:
        raise ModelError(f"The label file has a heading and no names. {_ADVICE}")
    counted = [at for at in range(width) if all(_read_index(row[at]) is not None for row in rows)]
    counted = [at for at in counted if _counts_up([_read_index(row[at]) or 0 for row in rows])] or counted
    chosen = [at for at in numbers if at in counted] or counted
    if len(chosen) > 1 and len({tuple(int(row[at]) for row in rows) for at in chosen}) > 1:
        raise ModelError(
            "The label file has several columns of numbers, and any could be the classes'. Give the names in the order "
            "of the classes, one a line."
        )
    rest = [at for at in range(width) if at not in chosen[:1]]
    named = [at for at in names if at in rest] or rest
    if len(named) != 1:
        raise ModelError(
            "The label file has several columns that could be the names of the classes. Give a number and a name a "
            "line, or one name a line."
        )
    if not chosen:
        return [row[named[0]] for row in rows]
    return _order_pairs([(int(row[chosen[0]]), row[named[0]]) for row in rows], True)


def _check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if they can be some."""
    if not names or not all(name and name.isprintable() for name in names):
        raise ModelError(f"The label file holds no plain class names. {_ADVICE}")
    if len(names) > _MOST_LABELS or max(map(len, names)) > _LONGEST_LABEL:
        raise ModelError(
            f"The label file has more than {_MOST_LABELS:,} names or one of more than {_LONGEST_LABEL} characters. "
            f"{_ADVICE}"
        )
    return tuple(names)
