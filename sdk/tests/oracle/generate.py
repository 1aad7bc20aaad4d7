"""Generates random messages that are valid, or almost valid.

A grammar generates an event with a few faults, or with valid but unusual values.
Sometimes the text is damaged afterwards. An input depends only on the seed and its
number, so every input can be generated again.
"""

import random

BASE = {
    "Timestamp": "1596719980.5",
    "EventType": '"EVENT_TEST"',
    "ID": '"53877b2e"',
    "EmitterId": '"6b04fd08"',
    "EmitterType": '"USER"',
}
OPTIONAL = ["Data", "EventId", "Version", "CorrelationId", "CausationId", "TraceParent"]
STRANGE_NAMES = [
    "StoredAt", "ExpiresAt", "IndexKey", "__proto__", "constructor", "id", "_", "a.b-c",
    "a'b", 'a"b', "", "é", "x" * 255, "x" * 256, "9a", "a b", "-a", "Data ", "\0", "Timestamp\0",
    "' OR '1'='1", "toString", "a/b", "a~b",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "0.0", "-0.0", "0e999999999999999999999", "1", "-1", "1e0", "1E+2", "10e-1", "1.0",
    "1.50", "9999999999", "9999999999.999999999", "9999999999.9999999999", "10000000000", "1e10",
    "1596719980123", "1596719980.123456789", "1596719980.1234567891", "1596719980.1234567890",
    "1.596719980e9", "159671998000e-2", "65535", "65536", "65535.0", "65535.5", "6.5535e4", "0.1e1",
    "1e-9", "1e-10", "1e125", "9.99e125", "1e126", "1e-130", "1e-131", "0.1e-129", "99e124", "-1e126",
    "9.9999999999999999999999999999999999999e125", "9.99999999999999999999999999999999999999e125",
    "12345678901234567890123456789012345678", "123456789012345678901234567890123456789",
    "1234567890123456789012345678901234567800000", "0." + "0" * 129 + "1", "0." + "0" * 130 + "1",
    "1" + "0" * 125, "1" + "0" * 126, "1e400", "1e-400", "-1e-400", "1e99999999999999999999999",
    "1e-99999999999999999999999", "4.9e-324", "0.1", "18446744073709551616", "-9223372036854775809",
]  # fmt: skip
NO_NUMBERS = ["+1", "01", "1.", ".1", "1e", "-", "NaN", "Infinity", "-Infinity", "0x1", "1_0", "--1", "1e1.5", "１"]
CHARACTERS = [
    "a", "Z", "0", " ", "_", "é", "\u2028", "\ufeff", "\ufffe", "\uffff", "\ufffd", "\U0001f600", "\U0010ffff",
    "\0", "\x1f", "\x7f", "\x80", "\n", "\t", '"', "\\", "/", "~", "'", "{", "}", "[", ",", ":", "#", "\u202e",
]  # fmt: skip
TOKENS = [
    "{", "}", "[", "]", ",", ":", '"', "\\", "null", "true", "false", "0", "-", "e", ".", "\\u", "\\ud800",
    "\\udc00", "/*", "//", "\ufeff", "\0", "\u00a0", "\x0b", "'", "NaN", '""', '"ID"', ",,", "[]", "{}", "\\u0000",
]  # fmt: skip


def body(seed, number):
    """The input with this number."""
    chance = random.Random(f"{seed} {number}")
    text = message(chance)
    while chance.random() < 0.15:
        text = damaged(chance, text)
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.02:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + bytes([chance.randrange(256)]) + data[at + chance.randrange(2) :]
    return data


def message(chance):
    if chance.random() < 0.15:
        events = [
            event(chance) if chance.random() < 0.85 else value(chance, 2)
            for _ in range(chance.choice([0, 1, 1, 2, 3, 5]))
        ]
        return space(chance) + "[" + space(chance) + ",".join(events) + "]" + space(chance)
    if chance.random() < 0.02:
        return value(chance, 2)
    return space(chance) + event(chance) + space(chance)


def event(chance):
    members = [(name, text) for name, text in BASE.items()]
    if chance.random() < 0.8:
        members.append(("Data", container(chance, 0, True)))
    for name in OPTIONAL[1:]:
        if chance.random() < 0.15:
            members.append((name, fitting(chance, name)))
    # Usually one thing is strange; sometimes none or several are.
    for _ in range(chance.choice([0, 0, 1, 1, 1, 2, 4])):
        strange(chance, members)
    if chance.random() < 0.4:
        chance.shuffle(members)
    return object_of(chance, members)


def fitting(chance, name):
    if name == "Version":
        return str(chance.randrange(1, 65536))
    return quoted(chance, "".join(chance.choices("abc-0", k=chance.randrange(1, 20))))


def strange(chance, members):
    what = chance.randrange(9)
    at = chance.randrange(len(members))
    name = members[at][0]
    if what == 0:
        del members[at]
        if not members:
            members.append(("ID", '"x"'))
    elif what == 1:
        members[at] = (name, value(chance, 2))
    elif what == 2:
        members.insert(chance.randrange(len(members) + 1), (name, members[at][1]))
    elif what == 3:
        extra = chance.choice(STRANGE_NAMES)
        members.insert(chance.randrange(len(members) + 1), (extra, value(chance, 2)))
    elif what == 4:
        members[at] = (name, chance.choice(NUMBERS))
    elif what == 5:
        limit = {"EmitterType": 256, "EventType": 128, "EventId": 128}.get(name, 2048)
        size = limit + chance.randrange(-2, 3)
        members[at] = (name, quoted(chance, chance.choice(["E", "é"]) * size))
    elif what == 6:
        for i in range(chance.choice([1, 19, 20, 21])):
            members.append((f"x{i}", value(chance, 1)))
    elif what == 7:
        members[at] = (name, quoted(chance, event_type(chance)))
    else:
        depth = chance.choice([5, 29, 30, 31, 32, 33, 60, 400])
        opened = "".join(chance.choices(["[", '{"a":', '[1,', '{"":0,"b":'], k=depth))
        closed = "".join("]" if part == "[" else "}" for part in reversed([c for c in opened if c in "[{"]))
        members.append(("Data" if chance.random() < 0.5 else "deep", opened + "0" + closed))


def event_type(chance):
    return "".join(chance.choices("AZ09_a-", weights=[6, 3, 2, 2, 3, 0.3, 0.3], k=chance.randrange(0, 8)))


def value(chance, depth):
    kind = chance.randrange(10)
    if kind < 3:
        return chance.choice(NUMBERS)
    if kind < 6 or depth <= 0:
        return string(chance)
    if kind == 6:
        return chance.choice(["null", "true", "false"])
    if kind == 7 and chance.random() < 0.1:
        return chance.choice(NO_NUMBERS)
    return container(chance, depth - 1, chance.random() < 0.5)


def container(chance, depth, is_object):
    count = chance.choice([0, 1, 1, 2, 3, 14])
    values = [value(chance, depth) for _ in range(count)]
    if not is_object:
        return "[" + (space(chance) + ",").join(values) + space(chance) + "]"
    keys = [chance.choice(["a", "b", "", "\0", "k", *STRANGE_NAMES, f"k{i}"]) for i in range(count)]
    if chance.random() < 0.7:
        keys = [f"{key}{i}" if i else key for i, key in enumerate(keys)]
    return object_of(chance, list(zip(keys, values)))


def object_of(chance, members):
    texts = [
        f"{space(chance)}{quoted(chance, key)}{space(chance)}:{space(chance)}{text}"
        for key, text in members
    ]
    return "{" + (space(chance) + ",").join(texts) + space(chance) + "}"


def string(chance):
    if chance.random() < 0.5:
        return quoted(chance, "".join(chance.choices(CHARACTERS, k=chance.randrange(0, 12))))
    return chance.choice(['""', '"bar"', '"EVENT_TEST"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\/\\b\\f"'])


def quoted(chance, text):
    """A JSON string. Sometimes characters are escaped that need no escape."""
    more = 0.05 if chance.random() < 0.1 else 0
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character < " " or (more and chance.random() < more):
            units = character.encode("utf-16-be", "surrogatepass").hex()
            units = units if chance.random() < 0.5 else units.upper()
            out.extend("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def space(chance):
    return "" if chance.random() < 0.95 else chance.choice([" ", "\n", "\r\n", "\t", "  "])


def damaged(chance, text):
    at = chance.randrange(len(text) + 1)
    length = chance.choice([1, 1, 2, 8, len(text)])
    what = chance.randrange(5)
    if what == 0:
        return text[:at] + text[at + length :]
    if what == 1:
        return text[:at] + chance.choice(TOKENS) + text[at:]
    if what == 2:
        return text[:at] + text[at : at + length] + text[at:]
    if what == 3:
        return text[:at] + chance.choice(TOKENS) + text[at + length :]
    return text[:at] + chr(chance.choice([chance.randrange(128), chance.randrange(0xD800)])) + text[at + 1 :]
