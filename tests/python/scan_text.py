"""An independent scan of records for text: reads JSON with Python's own reader and knows nothing of our index.

stdin: {"records": [text, …], "queries": [["word"|"path"|"prefix"|"substring", …arguments], …]}
stdout: for each query, the numbers of the records that match.
"""

import json
import re
import sys
import unicodedata

UUID = re.compile(r"(?<![^\W_])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![^\W_])")


# Behind each of these letters a part of a name ends.
PART = re.compile(r"([a-z0-9](?=[A-Z])|[A-Z](?=[A-Z][a-z]))")


class Number(str):
    """A number as it was written."""


def fold(text):
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def read(text):
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)


def texts(value, path=""):
    """(path, text, is_key) of everything in a record; JSON within strings is opened."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            yield here, key, True
            yield from texts(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, path)
    elif isinstance(value, bool):
        yield path, "true" if value else "false", False
    elif isinstance(value, Number):
        yield path, str(value), False
    elif isinstance(value, str):
        trimmed = value.strip(" \t\r\n")
        if trimmed[:1] + trimmed[-1:] in ("{}", "[]"):
            try:
                yield from texts(read(trimmed), path)
                return
            except ValueError:
                pass
        yield path, value, False


def has_word(text, word):
    text = re.sub(r"\s+", " ", text)
    edge = r"[^\W_]"
    before = f"(?<!{edge})" if re.match(edge, word) and word[0].isascii() else ""
    after = f"(?!{edge})" if re.match(edge, word[-1]) and word[-1].isascii() else ""
    inside = [match.span() for match in UUID.finditer(text)]
    for match in re.finditer(before + re.escape(word) + after, text):
        cuts = [end for end in match.span() if any(low < end < high for low, high in inside)]
        if not cuts:
            return True
    return False


def name_parts(text):
    """The parts of names such as deleteServer, in lower case."""
    for run in re.findall(r"[^\W_]+", text):
        parts = PART.sub(r"\1 ", run).split(" ")
        if run.isascii() and len(run) <= 96 and len(parts) > 1 and 2 * len(run) >= 5 * len(parts) and re.search("[a-z]", run):
            yield from (part.lower() for part in parts)


def matches(raw, parts, folded, query):
    kind, *arguments = query
    if kind == "substring":
        return arguments[0] in raw
    if kind == "word":
        word = fold(arguments[0])
        return any(has_word(text, word) for _, text, _ in folded) or word in parts
    path, value = fold(arguments[0]), fold(arguments[1])
    values = (text for here, text, is_key in folded if here == path and not is_key)
    return any(text.startswith(value) if kind == "prefix" else text == value for text in values)


asked = json.load(sys.stdin)
found = [[] for _ in asked["queries"]]
for number, raw in enumerate(asked["records"]):
    plain = list(texts(read(raw)))
    folded = [(fold(path), fold(text), is_key) for path, text, is_key in plain]
    parts = {part for _, text, _ in plain for part in name_parts(text)}
    for place, query in enumerate(asked["queries"]):
        if matches(raw, parts, folded, query):
            found[place].append(number)
json.dump(found, sys.stdout)
