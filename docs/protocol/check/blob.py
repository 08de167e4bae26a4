"""blob.md: groups, the stored tree, encodings, requests and replies."""

from functools import cache

import blake3
from transport import fixed, integer, struct
from wire import Reader, must, varint

GROUP = 16 << 10
RANGES = 64
FRAME_BYTES = 2_048


# The tree


@cache
def content(size):
    return bytes(i % 251 for i in range(size))


@cache
def value(size, start, end, is_root):
    """The value of the node, or group, over these bytes of the vectors' content."""
    flags = blake3.ROOT if is_root else 0
    if end - start <= GROUP:
        return blake3.subtree(content(size)[start:end], start // blake3.CHUNK, root=flags)
    return blake3.parent(pair(size, start, end), flags)


def pair(size, start, end):
    middle = start + blake3.left_size(end - start)
    return value(size, start, middle, False) + value(size, middle, end, False)


def walk(start, end):
    """The nodes above groups and the groups, in pre-order: (start, end) of each."""
    yield start, end
    if end - start > GROUP:
        middle = start + blake3.left_size(end - start)
        yield from walk(start, middle)
        yield from walk(middle, end)


def tree(size):
    nodes = (node for node in walk(0, size) if node[1] - node[0] > GROUP)
    return b"".join(pair(size, *node) for node in nodes)


def encode(size, ranges):
    """What is sent for these ranges of groups: as items, and as bytes."""
    items, sent, pairs = [], b"", 0
    for start, end in walk(0, size):
        first, last = start // GROUP, max(start, end - 1) // GROUP
        wanted = any(first < until and since <= last for since, until in ranges)
        if end - start > GROUP:
            if wanted:
                items.append({"pair": pairs * 64})
                sent += pair(size, start, end)
            pairs += 1
        elif wanted:
            items.append({"bytes": [start, end]})
            sent += content(size)[start:end]
    return items, sent


# Requests and replies


def number_of_groups(size):
    return max(1, -(-size // GROUP))


def read_set(reader):
    """Ranges of groups: [first, past the last]."""
    ranges, at = [], 0
    for gap, length in reader.list(lambda reader: (reader.varint(), reader.varint()), RANGES):
        must(length and (gap or not ranges), "an empty range, or two that touch")
        since = at + gap
        at = since + length
        must(at < 2**64, "past the last number")
        ranges.append([since, at])
    return ranges


def write_set(ranges):
    out, at = varint(len(ranges)), 0
    for since, until in ranges:
        out += varint(since - at) + varint(until - since)
        at = until
    return out


SET = (read_set, write_set)
REQUEST = struct(hash=fixed(32), groups=SET)
REPLIES = [
    ("Absent", struct()),
    ("Busy", struct()),
    ("Here", struct(size=integer(64))),
    ("Partly", struct(size=integer(64), held=SET)),
]


def read_request(data):
    must(len(data) <= FRAME_BYTES, "too long")
    reader = Reader(data)
    request = REQUEST[0](reader)
    reader.end()
    must(request["groups"], "nothing is asked for")
    return request


def read_reply(data):
    must(len(data) <= FRAME_BYTES, "too long")
    reader = Reader(data)
    kind = reader.varint(32)
    must(kind < len(REPLIES), "an unknown reply")
    name, (read, _) = REPLIES[kind]
    fields = read(reader)
    reader.end()
    if name == "Partly":
        groups, held = number_of_groups(fields["size"]), fields["held"]
        must(held and held[-1][1] <= groups and held != [[0, groups]], "not a part of the blob")
    return {"reply": name, **fields}


def write_reply(reply):
    kind = [name for name, _ in REPLIES].index(reply["reply"])
    return varint(kind) + REPLIES[kind][1][1](reply)


def check(vectors):
    vectors.same("content", "byte i is i mod 251")
    for v in vectors.all("blobs"):
        v.same("blake3", value(v["size"], 0, v["size"], True))
        v.same("tree", tree(v["size"]))
    for v in vectors.all("encodings"):
        v.holds(v["groups"][-1][1] <= number_of_groups(v["size"]))
        items, sent = encode(v["size"], v["groups"])
        v.same("items", items)
        v.same("encoding_blake3", blake3.hash(sent))
    for v in vectors.all("requests"):
        if v["valid"]:
            v.same(None, {"bytes": v["bytes"], "valid": True, **read_request(v.bytes("bytes"))})
            v.same("bytes", REQUEST[1](v.value))
        else:
            v.refused(read_request, v.bytes("bytes"))
    for v in vectors.all("replies"):
        if v["reply"]:
            v.same(None, {"bytes": v["bytes"], **read_reply(v.bytes("bytes"))})
            v.same("bytes", write_reply(v.value))
        else:
            v.refused(read_reply, v.bytes("bytes"))
