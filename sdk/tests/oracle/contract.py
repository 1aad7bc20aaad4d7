"""The contract of the wire, written a second time.

A plain transcription of the contract's table and codes (README, "The event on
the wire") on top of Python's own JSON reader. It shares no code and no method
with the Rust: that one judges while it reads, this one builds the whole value
and walks it. Where the two differ, one of them is wrong.

Which fault is *the* fault, where a message has several:

1. Syntax first. A body that is not exactly one JSON value is `NOT_JSON`,
   whatever else is wrong before the place where it breaks.
2. A body that is no object and no array with something in it is `NOT_AN_EVENT`,
   and so is an array of more values than events fit into a message. Each element of an array is judged by itself.
3. In an event, the first fault in the order of its text: a key is judged when it
   is read (twice, reserved, too many, badly named), then its value.
4. Then what only the whole event shows: the first absent field in the table's
   order, and last the item's size.
"""

import json
import re
import sys
from decimal import Context

# Numbers have as many digits as they have; none is cut, here either.
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)

REQUIRED = ("Timestamp", "EventType", "ID", "EmitterId", "EmitterType")
# Least and most bytes of UTF-8.
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
# Of the shortest events there are, so many fit into a message of 1 MiB.
SHORTEST = '{"Timestamp":0,"EventType":"A","ID":"a","EmitterId":"a","EmitterType":"a"}'
MAX_PACKED = 1_048_576 // len(SHORTEST)

EXACT = Context(prec=200, Emax=10**9, Emin=-(10**9))


class Refused(Exception):
    """A code, and the path to the place."""

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
    """A number as it was written: its sign, its digits, and the power of ten."""

    TEXT = re.compile(r"(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?)(\d+))?")

    def __init__(self, text):
        sign, whole, fraction, exp_sign, exp = self.TEXT.fullmatch(text).groups()
        fraction = fraction or ""
        digits = (whole + fraction).lstrip("0")
        exp = (exp or "0").lstrip("0") or "0"
        # Beyond this the exact exponent makes no difference: a body has a
        # million digits at most.
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
    """An object: its members in the order of the text, twice where they stand twice."""


def constant(_):
    raise ValueError("no JSON")


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
# Deeper than any level that the table holds, shallower than Python's recursion.
PRUNED = 100


def pruned(text):
    """`text` without what stands deeper than `PRUNED` levels, its syntax checked.

    Python's reader recurses. What it could not reach is judged here, by a
    machine with a stack; whatever is below is behind a `TOO_DEEP` anyway.
    """
    out, stack, pos = [], [], 0
    # value, first (value or end), key, first key (or end), colon, after
    want = "value"
    while True:
        if want == "after" and not stack:
            if text[pos:].strip(" \t\n\r"):
                raise ValueError("no JSON")
            return "".join(out)
        token = TOKEN.match(text, pos)
        if token is None:
            raise ValueError("no JSON")
        pos = token.end()
        kept = len(stack) <= PRUNED
        word = token.group("mark") or token.group("scalar")
        if token.group("scalar"):
            if want in ("key", "first key") and word.startswith('"'):
                want = "colon"
            elif want in ("value", "first"):
                want = "after"
            else:
                raise ValueError("no JSON")
        elif word in "[{" and want in ("value", "first"):
            stack.append(word)
            want = "first" if word == "[" else "first key"
            if len(stack) == PRUNED + 1:
                out.append("0")
            kept = len(stack) <= PRUNED
        elif word in "]}" and stack and stack[-1] == ("[" if word == "]" else "{"):
            if want != "after" and want != ("first" if word == "]" else "first key"):
                raise ValueError("no JSON")
            stack.pop()
            want = "after"
        elif word == "," and want == "after":
            want = "value" if stack[-1] == "[" else "key"
        elif word == ":" and want == "colon":
            want = "value"
        else:
            raise ValueError("no JSON")
        if kept:
            out.append(word)


def depth_bound(text):
    """The most levels that `text` could have."""
    level = most = 0
    for mark in re.findall(r"[\[\]{}]", text):
        if mark in "[{":
            level += 1
            most = max(most, level)
        else:
            level -= 1
    # Brackets in strings may hide levels: count the opening ones alone then.
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


# Escapes of surrogates that are no pair, in text behind which nothing is read.
LONE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<high>))"
    r"|(?P<low>u[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.S,
)


def read(body):
    """The value of a body, or `NOT_JSON`."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        # Python's reader takes a body that starts with a byte order mark, from bytes.
        if depth_bound(text) > PRUNED:
            for escape in LONE.finditer(text):
                if escape.group("high") is not None or escape.group("low"):
                    raise ValueError("a lone surrogate")
            text = pruned(text)
        # `decode` of the decoder skips more white space than JSON has.
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
    """The verdict on a body: one fault of the whole, or a list, one an event.

    An event's is `{"code", "at"}`, or `{"event": fields}`.
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
            # The place is the event: a name like this is shown nowhere.
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
    """A value that DynamoDB can hold, as Python has it. A field's own value is
    on the first level, and what stands in a container one level below it."""
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


# --- DynamoDB's count of an item (developer guide, "Item sizes and formats") ---

MAX_ITEM = 400 * 1024
# What the store may add, counted from the start: `StoredAt` and `ExpiresAt` of
# 12 bytes each, an `IndexKey` of 134, and 21 of a tie-break in the `Timestamp`.
ROOM = len("StoredAt") + 12 + len("ExpiresAt") + 12 + len("IndexKey") + 134 + 21


def item_size(fields):
    return sum(len(k.encode()) + value_size(v) for k, v in fields.items())


def value_size(value):
    """Text: its bytes. Null and booleans: one. Numbers: one, one for every two
    digits before the point and behind it, one for a sign. Lists and maps: three,
    and one for each member."""
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
    """DynamoDB has no empty keys: such a one is a NUL, one of NULs has one more."""
    return len(key.encode()) + (1 if not key.strip("\0") else 0)


# --- what came of it ------------------------------------------------------------


def plain(value):
    """A value as `judge` has it: objects as dictionaries."""
    if is_object(value):
        return {key: plain(member) for key, member in value}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


def of_item(typed):
    """The fields of an item in DynamoDB's JSON."""
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
