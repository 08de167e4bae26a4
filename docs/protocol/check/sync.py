"""sync.md: the messages by which two members bring each other up to date."""

from hashlib import sha256

from log import read_checkpoint, read_run, write_checkpoint, write_run
from wire import Reader, must, u64, u8, varint

MESSAGE_BYTES = 266_304
HEADS = 256


def read_flag(reader, most):
    value = reader.u8()
    must(value <= most, "an unknown value")
    return value


def read_runs(reader):
    runs = reader.u8()
    must(runs > 0, "no runs")
    return runs


def read_heads(reader):
    message = {"part": read_flag(reader, 2), "heads": reader.list(read_checkpoint, HEADS)}
    must(all(head["size"] for head in message["heads"]), "a head of size 0")
    return message


def read_want(reader):
    message = {"author": reader.take(32), "at": read_flag(reader, 2)}
    if message["at"] != 1:
        message["index"] = reader.varint()
    if message["at"] == 0:
        has = read_flag(reader, 1)
        message["have"] = reader.take(96) if has else b""
    return message | {"runs": read_runs(reader)}


READERS = {
    0: read_heads,
    1: read_want,
    2: lambda reader: {"author": reader.take(32), "runs": read_runs(reader)},
    3: lambda reader: {"run": read_run(reader)},
    4: lambda reader: {"author": reader.take(32)},
    5: lambda reader: {"digest": reader.take(32)},
    6: lambda reader: {"run": read_run(reader)},
}


def read_message(data):
    must(len(data) <= MESSAGE_BYTES, "too long")
    reader = Reader(data)
    kind = reader.u8()
    must(kind in READERS, "an unknown kind")
    message = {"kind": kind} | READERS[kind](reader)
    reader.end()
    return message


def write_message(message):
    out = u8(message["kind"])
    if message["kind"] == 0:
        out += u8(message["part"]) + varint(len(message["heads"]))
        return out + b"".join(map(write_checkpoint, message["heads"]))
    if message["kind"] in (3, 6):
        return out + write_run(message["run"])
    if message["kind"] == 5:
        return out + message["digest"]
    out += message["author"]
    if message["kind"] == 1:
        out += u8(message["at"])
        out += varint(message["index"]) if "index" in message else b""
        out += u8(1 if message["have"] else 0) + message["have"] if "have" in message else b""
    return out + (u8(message["runs"]) if "runs" in message else b"")


def digest(heads):
    """What Compare says of these logs."""
    heads = sorted(heads, key=lambda head: head["author"])
    said = (head["author"] + u64(head["size"]) + head["root"] for head in heads)
    return sha256(b"".join(said)).digest()


def plain(value):
    """A message as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(value) for key, value in value.items()}
    if isinstance(value, list):
        return [plain(value) for value in value]
    return value.hex() if isinstance(value, bytes) else value


def check(vectors):
    for v in vectors.all("messages"):
        message = read_message(v.bytes("message"))
        v.same("message", write_message(message))
        said = {**message, "run": write_run(message["run"])} if "run" in message else message
        v.same("fields", plain(said))
    for v in vectors.all("refused"):
        v.refused(read_message, v.bytes("message"))
    v = vectors.one("digest")
    heads = [read_checkpoint(Reader(bytes.fromhex(head))) for head in v["heads"]]
    v.same("digest", digest(heads))
