"""transport.md: frames of the control stream, stream headers, names and tags from the exporter."""

import ipaddress

from blake3 import derive_key, keyed_hash
from wire import Reader, frame, must, u8, unframe, varint

CONTROL_BYTES = 65_536
TAGS = 1_024
PEERS = 32
ADDRESSES = 8
FRAME_BYTES = 196_608


class Incompatible(Exception):
    """The peer speaks another version."""


# Addresses


def read_address(reader):
    family = reader.varint()
    must(family <= 1, "an unknown family")
    ip = ipaddress.ip_address(reader.take(16 if family else 4))
    port = reader.varint(16)
    return f"[{ip}]:{port}" if family else f"{ip}:{port}"


def write_address(text):
    ip, port = text.rsplit(":", 1)
    ip = ipaddress.ip_address(ip.strip("[]"))
    return u8(1 if ip.version == 6 else 0) + ip.packed + varint(int(port))


# What a field of each type is, read and written


def fixed(size):
    return lambda reader: reader.take(size).hex(), bytes.fromhex


def integer(bits):
    return lambda reader: reader.varint(bits), varint


def items(kind, most):
    read, write = kind

    def write_all(values):
        return varint(len(values)) + b"".join(map(write, values))

    return lambda reader: reader.list(read, most), write_all


def struct(**fields):
    def read(reader):
        return {name: read_one(reader) for name, (read_one, _) in fields.items()}

    def write(values):
        return b"".join(write_one(values[name]) for name, (_, write_one) in fields.items())

    return read, write


ADDRESS = (read_address, write_address)
ADDRS = items(ADDRESS, ADDRESSES)
MEETING = struct(space=fixed(32), peer=fixed(32), addrs=ADDRS)
MESSAGES = [
    ("hello", struct(version=integer(16), features=integer(64), run_id=fixed(16), lost=fixed(16))),
    ("enter", struct(tags=items(fixed(32), TAGS))),
    ("introduce", MEETING),
    ("observed", struct(addr=ADDRESS)),
    ("goodbye", struct(code=integer(32), streams=integer(32))),
    ("peers", struct(space=fixed(32), peers=items(struct(id=fixed(32), addrs=ADDRS), PEERS))),
    ("leave", struct(space=fixed(32))),
    ("introduced", MEETING),
]


def read_control(body):
    """The message's name and fields; None for a kind of a newer version."""
    must(len(body) <= CONTROL_BYTES, "too long")
    reader = Reader(body)
    kind = reader.varint(32)
    if kind >= len(MESSAGES):
        return None
    name, (read, _) = MESSAGES[kind]
    if name == "hello" and Reader(reader.data).varint(16) != 1:
        raise Incompatible
    fields = read(reader)
    reader.end()
    return name, fields


def write_control(name, fields):
    kind = [known for known, _ in MESSAGES].index(name)
    return varint(kind) + MESSAGES[kind][1][1](fields)


# Streams

# Whether the header of a stream of this kind names a space: it must, must not, or may.
STREAMS = {1: ("frames", False), 2: ("bulk", True), 3: ("blob", None), 4: ("version", False)}
NO_SPACE = bytes(32)


def read_stream_header(data):
    reader = Reader(data)
    kind = reader.u8()
    must(kind in STREAMS, "an unknown kind")
    name, names_space = STREAMS[kind]
    app, space = reader.take(32), reader.take(32)
    reader.end()
    must(names_space in (None, space != NO_SPACE), "a space where there is none, or none")
    return {"kind": name, "app": app.hex(), "space": None if space == NO_SPACE else space.hex()}


def write_stream_header(header):
    kind = next(kind for kind, (name, _) in STREAMS.items() if name == header["kind"])
    return u8(kind) + bytes.fromhex(header["app"]) + bytes.fromhex(header["space"] or NO_SPACE.hex())


def read_app_frame(data):
    body = unframe(data)
    must(len(body) <= FRAME_BYTES, "too long")
    reader = Reader(body)
    return {"space": reader.take(32).hex(), "payload": reader.data.hex()}


def connection_name(exporter):
    return derive_key("kith/1 connection", exporter)[:16]


def enter_tag(sync_key, exporter, sender):
    return keyed_hash(sync_key, b"kith/1 enter" + exporter + sender)


def check(vectors):
    for v in vectors.all("control"):
        message, fields = read_control(unframe(v.bytes("frame")))
        v.same("message", message)
        v.same("fields", fields)
        v.same("frame", frame(write_control(v["message"], v["fields"])))
    for v in vectors.all("control_skipped"):
        v.holds(read_control(unframe(v.bytes("frame"))) is None)
    for v in vectors.all("control_incompatible"):
        v.refused(read_control, unframe(v.bytes("frame")), because=Incompatible)
    for v in vectors.all("bad_control"):
        v.refused(lambda: read_control(unframe(v.bytes("frame"))))
    for v in vectors.all("stream_headers"):
        v.same(None, {"bytes": v["bytes"], **read_stream_header(v.bytes("bytes"))})
        v.same("bytes", write_stream_header(v.value))
    for v in vectors.all("bad_stream_headers"):
        v.refused(read_stream_header, v.bytes("bytes"))
    for v in vectors.all("app_frames"):
        v.same(None, {"frame": v["frame"], **read_app_frame(v.bytes("frame"))})
        v.same("frame", frame(v.bytes("space") + v.bytes("payload")))
    for v in vectors.all("connection_names"):
        v.same("name", connection_name(v.bytes("exporter")))
    for v in vectors.all("enter_tags"):
        v.same("tag", enter_tag(v.bytes("sync_key"), v.bytes("exporter"), v.bytes("sender")))
