"""space.md: what members of a space say to each other."""

from crypto import public_key, verify
from log import read_opening
from transport import fixed, integer, struct
from wire import Reader, must, u64, varint

PAYLOAD = 128 << 10

BYTES = (lambda reader: reader.bytes().hex(), lambda text: varint(len(text) // 2) + bytes.fromhex(text))
MESSAGES = [
    struct(mine=integer(64), yours=integer(64)),
    struct(author=fixed(32), opening=BYTES, signature=fixed(64)),
    struct(message=BYTES),
    struct(author=fixed(32), run=fixed(16), seq=integer(64), payload=BYTES, signature=fixed(64)),
]


def read_message(data):
    reader = Reader(data)
    kind = reader.varint(32)
    must(kind < len(MESSAGES), "an unknown number")
    fields = MESSAGES[kind][0](reader)
    reader.end()
    must(len(fields.get("payload", "")) // 2 <= PAYLOAD, "a payload too long")
    return kind, fields


def verify_here(fields, space, exporter, endpoint):
    author = bytes.fromhex(fields["author"])
    read_opening(bytes.fromhex(fields["opening"]), space, author)
    said = b"kith/1 here\n" + space + author + exporter + endpoint
    verify(author, said, bytes.fromhex(fields["signature"]))


def verify_message(fields, space):
    said = b"kith/1 message\n" + space + bytes.fromhex(fields["run"]) + u64(fields["seq"])
    said += bytes.fromhex(fields["payload"])
    verify(bytes.fromhex(fields["author"]), said, bytes.fromhex(fields["signature"]))


def verify_signed(kind, fields, vectors):
    """Verifies what Here and Message sign."""
    space = vectors.bytes("space")
    if kind == 1:
        verify_here(fields, space, vectors.bytes("exporter"), vectors.bytes("endpoint"))
    if kind == 3:
        verify_message(fields, space)


def check(vectors):
    vectors.same("space", public_key(vectors.bytes("admission_seed")))
    vectors.same("author", public_key(vectors.bytes("author_seed")))
    for v in vectors.all("messages"):
        kind, fields = read_message(v.bytes("message"))
        v.same("fields", fields)
        v.same("message", varint(kind) + MESSAGES[kind][1](fields))
        verify_signed(kind, fields, vectors)
    for v in vectors.all("refused"):
        v.refused(read_message, v.bytes("message"))
    for v in vectors.all("unverified"):
        v.refused(verify_signed, *read_message(v.bytes("message")), vectors)
