"""A second implementation of the wire format, used as an oracle.

This module implements the fields and rejection codes of the wire format
(docs/wire-format.md) on top of Python's JSON reader. It shares no code and no
technique with the Rust decoder: the decoder validates a body while it reads it,
and this module first builds the whole value and then validates it. If the two
differ, one of them is wrong.

If a message has several faults, these rules decide which one is reported:

1. Syntax comes first. A body that is not exactly one JSON value is `NOT_JSON`,
   even if another fault precedes the syntax error.
2. A body is `NOT_AN_EVENT` if it is neither an object nor a non-empty array, or if
   it is an array of more values than events fit into a message. Each element of an
   array is validated separately.
3. Within an event, the first fault in the order of the text is reported. A key is
   validated when it is read (repeated, reserved, too many, invalid name), and then
   its value.
4. Faults of the whole event come last: the first missing field in the order of the
   table, and finally the size of the item.
"""

import json
import re
import sys
from decimal import Context

# Python refuses to convert integers of many digits. Lift this limit: numbers in a body
# may have any number of digits.
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)

REQUIRED = ("Timestamp", "EventType", "ID", "EmitterId", "EmitterType")
# The maximum length of each text field in bytes of UTF-8. The minimum is 1.
TEXTS = {
    "ID": 2048,
    "EmitterId": 2048,
    "EmitterType": 256,
    "EventId": 128,
    "CorrelationId": 128,
    "CausationId": 128,
}
NULL_IS_ABSENT = ("EventId", "Version", "CorrelationId", "CausationId", "TraceParent")
FIELDS = REQUIRED + ("Data",) + NULL_IS_ABSENT
RESERVED = ("StoredAt", "ExpiresAt", "IndexKey")
EVENT_TYPE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
MAX_EXTRA = 20
MAX_LEVELS = 32
# A message of 1 MiB holds at most this many events of the shortest possible form.
SHORTEST = '{"Timestamp":0,"EventType":"A","ID":"a","EmitterId":"a","EmitterType":"a"}'
MAX_PACKED = 1_048_576 // len(SHORTEST)

EXACT = Context(prec=200, Emax=10**9, Emin=-(10**9))


class Refused(Exception):
    """A rejection: its code, and the path to the value at fault."""

    def __init__(self, code, path=()):
        super().__init__(code)
        self.code = code
        self.path = tuple(path)

    def under(self, *steps):
        return Refused(self.code, (*steps, *self.path))

    def verdict(self):
        return {"code": self.code, "at": "".join("/" + escaped(s) for s in self.path)}


def escaped(step):
    return str(step).replace("~", "~0").replace("/", "~1")


# --- JSON ---------------------------------------------------------------------


class Number:
    """A number in full precision: its sign, its digits, and the power of ten."""

    TEXT = re.compile(r"(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?)(\d+))?")

    def __init__(self, text):
        sign, whole, fraction, exp_sign, exp = self.TEXT.fullmatch(text).groups()
        fraction = fraction or ""
        digits = (whole + fraction).lstrip("0")
        exp = (exp or "0").lstrip("0") or "0"
        # The exact value of a larger exponent makes no difference, because a body has
        # at most a million digits.
        power = int(exp) if len(exp) < 12 else 10**12
        if exp_sign == "-":
            power = -power
        power -= len(fraction)
        trimmed = digits.rstrip("0")
        self.zero = not trimmed
        self.digits = trimmed or "0"
        self.power = 0 if self.zero else power + len(digits) - len(trimmed)
        self.negative = sign == "-" and not self.zero

    def adjusted(self):
        """The power of ten of the first digit."""
        return self.power + len(self.digits) - 1

    def storable(self):
        return self.zero or (len(self.digits) <= 38 and -130 <= self.adjusted() <= 125)

    def key(self):
        return (self.negative, self.digits, self.power)

    def __eq__(self, other):
        return isinstance(other, Number) and self.key() == other.key()

    def __hash__(self):
        return hash(self.key())

    def decimal(self):
        sign = 1 if self.negative else 0
        return EXACT.create_decimal((sign, tuple(map(int, self.digits)), self.power))

    def __repr__(self):
        return f"Number({'-' if self.negative else ''}{self.digits}e{self.power})"


class Members(list):
    """An object: its members in the order of the text, including repeated keys."""


def constant(_):
    raise ValueError("not JSON")


DECODER = json.JSONDecoder(
    object_pairs_hook=Members,
    parse_int=Number,
    parse_float=Number,
    parse_constant=constant,
)

STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
TOKEN = re.compile(
    rf"[ \t\n\r]*(?:(?P<scalar>{STRING}|{NUMBER}|true|false|null)|(?P<mark>[\[\]{{}},:]))"
)
# More levels than a table can store, and fewer than Python's recursion limit.
PRUNED = 100


def pruned(text):
    """Checks the syntax of `text`, and replaces values below `PRUNED` levels by 0.

    Python's JSON reader is recursive and fails on deep nesting. This function keeps
    its own stack instead. The removed values cannot change the verdict, because a
    value above them is already `TOO_DEEP`.
    """
    out, stack, pos = [], [], 0
    # The expected token: "value", "first" (a value, or the end of an array), "key",
    # "first key" (a key, or the end of an object), "colon", or "after" (a value).
    want = "value"
    while True:
        if want == "after" and not stack:
            if text[pos:].strip(" \t\n\r"):
                raise ValueError("not JSON")
            return "".join(out)
        token = TOKEN.match(text, pos)
        if token is None:
            raise ValueError("not JSON")
        pos = token.end()
        kept = len(stack) <= PRUNED
        word = token.group("mark") or token.group("scalar")
        if token.group("scalar"):
            if want in ("key", "first key") and word.startswith('"'):
                want = "colon"
            elif want in ("value", "first"):
                want = "after"
            else:
                raise ValueError("not JSON")
        elif word in "[{" and want in ("value", "first"):
            stack.append(word)
            want = "first" if word == "[" else "first key"
            if len(stack) == PRUNED + 1:
                out.append("0")
            kept = len(stack) <= PRUNED
        elif word in "]}" and stack and stack[-1] == ("[" if word == "]" else "{"):
            if want != "after" and want != ("first" if word == "]" else "first key"):
                raise ValueError("not JSON")
            stack.pop()
            want = "after"
        elif word == "," and want == "after":
            want = "value" if stack[-1] == "[" else "key"
        elif word == ":" and want == "colon":
            want = "value"
        else:
            raise ValueError("not JSON")
        if kept:
            out.append(word)


def depth_bound(text):
    """An upper bound for the number of levels in `text`."""
    level = most = 0
    for mark in re.findall(r"[\[\]{}]", text):
        if mark in "[{":
            level += 1
            most = max(most, level)
        else:
            level -= 1
    # Brackets in strings make this count unreliable. If there may be strings, use the
    # number of opening brackets as the bound.
    return most if level == 0 and '"' not in text else text.count("[") + text.count("{")


def no_lone_surrogates(value):
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            value.encode()  # raises a ValueError
        elif isinstance(value, Members):
            for key, member in value:
                key.encode()
                todo.append(member)
        elif isinstance(value, list):
            todo.extend(value)


# Escapes in a text. The groups `high` and `low` match surrogates without a partner.
LONE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<high>))"
    r"|(?P<low>u[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.S,
)


def read(body):
    """The value of a body, or `NOT_JSON`."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        # Decode bytes before parsing: Python's JSON reader would skip a byte order mark
        # in bytes.
        if depth_bound(text) > PRUNED:
            for escape in LONE.finditer(text):
                if escape.group("high") is not None or escape.group("low"):
                    raise ValueError("a lone surrogate")
            text = pruned(text)
        # `DECODER.decode` would skip more kinds of white space than JSON allows.
        value, end = DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\n\r")))
        if text[end:].strip(" \t\n\r"):
            raise ValueError("more than one value")
        no_lone_surrogates(value)
        return value
    except ValueError:
        raise Refused("NOT_JSON") from None


# --- the table ----------------------------------------------------------------


def is_object(value):
    return isinstance(value, Members)


def is_array(value):
    return isinstance(value, list) and not isinstance(value, Members)


def judge(body, message_id="message-id"):
    """The verdict on a body: the fault of the whole body, or a list with one verdict
    per event. A verdict on an event is `{"code", "at"}` or `{"event": fields}`.
    """
    try:
        value = read(body)
        if is_object(value):
            return [event_or_fault(value, message_id)]
        if is_array(value) and 0 < len(value) <= MAX_PACKED:
            return [
                event_or_fault(one, f"{message_id}-{i}") for i, one in enumerate(value)
            ]
        raise Refused("NOT_AN_EVENT")
    except Refused as fault:
        return fault.verdict()


def event_or_fault(value, identity):
    try:
        return {"event": event(value, identity)}
    except Refused as fault:
        return fault.verdict()


def event(value, identity):
    if not is_object(value):
        raise Refused("NOT_AN_EVENT")
    fields, extra, seen = {}, 0, set()
    for key, member in value:
        if key in seen:
            raise Refused("DUPLICATE_KEY", [key])
        seen.add(key)
        if key in RESERVED:
            raise Refused("RESERVED_FIELD", [key])
        if key not in FIELDS:
            # The path is the event, not the key: an invalid name may contain anything,
            # so no error shows it.
            if not NAME.fullmatch(key):
                raise Refused("INVALID_VALUE")
            extra += 1
            if extra > MAX_EXTRA:
                raise Refused("INVALID_VALUE")
        try:
            fields[key] = field(key, member)
        except Refused as fault:
            raise fault.under(key) if fault.code != "TOO_DEEP" else fault
    for key in NULL_IS_ABSENT:
        if fields.get(key, 0) is None:
            del fields[key]
    for key in REQUIRED:
        if key not in fields:
            raise Refused("MISSING_FIELD", [key])
    fields.setdefault("EventId", identity)
    if item_size(fields) + ROOM > MAX_ITEM:
        raise Refused("TOO_LARGE")
    return fields


def field(key, value):
    if value is None and key in NULL_IS_ABSENT:
        return None
    if key == "Timestamp":
        return timestamp(number(value))
    if key == "Version":
        return version(number(value))
    if key == "Data":
        if value is None:
            return None
        if not is_object(value):
            raise Refused("WRONG_TYPE")
        return storable(value, 1)
    if key in FIELDS:
        if not isinstance(value, str):
            raise Refused("WRONG_TYPE")
        size = len(value.encode())
        if key == "EventType":
            good = EVENT_TYPE.fullmatch(value) and size <= 128
        else:
            good = key == "TraceParent" or 1 <= size <= TEXTS[key]
        if not good:
            raise Refused("INVALID_VALUE")
        return value
    return storable(value, 1)


def number(value):
    if not isinstance(value, Number):
        raise Refused("WRONG_TYPE")
    return value


def timestamp(value):
    if not value.zero:
        if value.negative or value.adjusted() > 9 or value.power < -9:
            raise Refused("INVALID_VALUE")
    return value


def version(value):
    whole = value.power >= 0 and value.adjusted() < 6 and not value.negative
    if not whole or not 1 <= value.decimal() <= 65535:
        raise Refused("INVALID_VALUE")
    return value


def storable(value, level):
    """Converts a value to Python, or raises if DynamoDB cannot store it.

    The value of a field is on level 1. The members of a container are one level below
    the container."""
    if level > MAX_LEVELS:
        raise Refused("TOO_DEEP")
    if isinstance(value, Number):
        if not value.storable():
            raise Refused("NUMBER_NOT_STORABLE")
        return value
    if not isinstance(value, list):
        return value
    whole = {} if is_object(value) else []
    for index, member in enumerate(value):
        key, member = member if is_object(value) else (index, member)
        if is_object(value) and key in whole:
            raise Refused("DUPLICATE_KEY", [key])
        try:
            got = storable(member, level + 1)
        except Refused as fault:
            raise fault.under(key) if fault.code != "TOO_DEEP" else fault
        if is_object(value):
            whole[key] = got
        else:
            whole.append(got)
    return whole


# --- the size of an item (DynamoDB developer guide, "Item sizes and formats") ---

MAX_ITEM = 400 * 1024
# The size limit reserves room for what the store may add: `StoredAt` and `ExpiresAt`
# of 12 bytes each, an `IndexKey` of 134 bytes, and 21 bytes for a tie-break in the
# `Timestamp`.
ROOM = len("StoredAt") + 12 + len("ExpiresAt") + 12 + len("IndexKey") + 134 + 21


def item_size(fields):
    return sum(len(k.encode()) + value_size(v) for k, v in fields.items())


def value_size(value):
    """The size of a value in bytes.

    A text has the size of its UTF-8. Null and booleans have 1 byte. A number has 1 byte,
    1 for every two digits before the point, 1 for every two digits after the point, and
    1 for a minus sign. Lists and maps have 3 bytes, and 1 for each member."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Number):
        if value.zero:
            return 1
        count = len(value.digits)
        before = min(max(value.adjusted() + 1, 0), count)
        halves = (before + 1) // 2 + (count - before + 1) // 2
        return 1 + halves + (1 if value.negative else 0)
    if isinstance(value, dict):
        return 3 + sum(1 + key_size(k) + value_size(v) for k, v in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + value_size(v) for v in value)
    return 1


def key_size(key):
    """The size of a key in a map, in bytes.

    DynamoDB rejects empty keys, so the store appends a NUL to a key that is empty or
    consists of NULs."""
    return len(key.encode()) + (1 if not key.strip("\0") else 0)


# --- reading the Rust verdicts ---------------------------------------------------


def plain(value):
    """A value in the form of the verdicts of `judge`: objects are dictionaries."""
    if is_object(value):
        return {key: plain(member) for key, member in value}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


def of_item(typed):
    """The fields of an event, from an item in DynamoDB JSON."""
    fields = {name: of_attribute(value) for name, value in typed.items()}
    for name in RESERVED:
        fields.pop(name, None)
    return fields


def of_attribute(typed):
    ((kind, value),) = typed.items()
    if kind == "N":
        return Number(value)
    if kind == "NULL":
        return None
    if kind == "L":
        return [of_attribute(member) for member in value]
    if kind == "M":
        return {
            key[:-1] if not key.strip("\0") else key: of_attribute(member)
            for key, member in value.items()
        }
    assert kind in ("S", "BOOL"), kind
    return value


def cut_to_nine_decimals(number):
    """A sort key without its tie-break."""
    if number.power >= -9:
        return number
    digits = number.digits[: len(number.digits) + number.power + 9]
    return Number(f"{digits or 0}e-9")
