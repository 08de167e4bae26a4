"""file.md: attachments, sealed blobs, folders."""

import re

import blake3
from crypto import file_keystream
from wire import Reader, must, u8, varint

ATTACHMENTS = 64
NAME, TYPE, PATH, NAMES = 255, 127, 1_024, 64
FILES, BLOBS = 4_194_304, 1_048_576
MANIFEST = 256 << 20
SIZE = 2**53 - 1
PAYLOAD = 131_072
HALF = "[a-z0-9][a-z0-9!#$&^_.+-]*"


# Texts


def utf8(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        must(False, "not UTF-8")


def check_name(name):
    must(0 < len(name.encode()) <= NAME, "empty, or too long")
    must(name not in (".", ".."), "a folder's name")
    must(not re.search(r"[/\\\x00-\x1f\x7f]", name), "a character that no name has")


def check_type(text):
    must(len(text) <= TYPE, "too long")
    must(not text or re.fullmatch(f"{HALF}/{HALF}", text), "not a media type")


def check_path(path):
    must(len(path.encode()) <= PATH, "too long")
    names = path.removesuffix("/").split("/")
    must(len(names) <= NAMES, "too deep")
    for name in names:
        check_name(name)


# Attachments


def read_attachment(reader):
    hash, size, flags = reader.take(32), reader.varint(), reader.u8()
    must(flags < 4, "flags without a meaning")
    folder = flags & 2 != 0
    key = reader.take(32) if flags & 1 else None
    name, kind = utf8(reader.bytes(NAME)), utf8(reader.bytes(TYPE))
    check_name(name)
    check_type(kind)
    must(size <= (MANIFEST if folder else SIZE), "too large")
    must(not (folder and kind), "a folder with a type")
    return {"hash": hash, "size": size, "folder": folder, "key": key, "name": name, "type": kind}


def with_length(text):
    return varint(len(text.encode())) + text.encode()


def write_attachment(a):
    key = bytes.fromhex(a["key"] or "")
    out = bytes.fromhex(a["hash"]) + varint(a["size"])
    out += u8(2 * a["folder"] + bool(key)) + key
    return out + with_length(a["name"]) + with_length(a["type"])


def read_body(plain):
    """The kind, the attachments and the payload of a body of kind 5."""
    reader = Reader(plain)
    must(reader.u8() == 5, "without attachments")
    must(len(reader.data) <= PAYLOAD, "a payload too long")
    kind = reader.u8()
    must(kind in (1, 3, 4), "refused, or of a later version")
    attachments = reader.list(read_attachment, ATTACHMENTS)
    must(attachments, "no attachments")
    return {"kind": kind, "attachments": attachments, "payload": reader.data}


def write_body(body):
    out = u8(5) + u8(body["kind"]) + varint(len(body["attachments"]))
    return out + b"".join(map(write_attachment, body["attachments"])) + bytes.fromhex(body["payload"])


# Sealed blobs


def file_key(read_key, plain):
    return blake3.derive_key("kith/1 file", read_key + blake3.hash(plain))


def apply(key, offset, data):
    return bytes(a ^ b for a, b in zip(data, file_keystream(key, offset, len(data))))


# Folders


def read_blob(reader):
    blob = {"hash": reader.take(32), "size": reader.varint()}
    must(blob["size"] <= SIZE, "too large")
    sealed = reader.u8()
    must(sealed < 2, "a flag that is neither 0 nor 1")
    return blob | {"key": reader.take(32) if sealed else None}


def write_blob(blob):
    key = bytes.fromhex(blob["key"] or "")
    return bytes.fromhex(blob["hash"]) + varint(blob["size"]) + u8(bool(key)) + key


def shared(a, b):
    """How many bytes both begin with."""
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    return count


def read_folder(data):
    must(len(data) <= MANIFEST, "too large")
    reader = Reader(data)
    must(reader.u8() == 1, "another version")
    blobs = reader.list(read_blob, BLOBS)
    files, before, folders, paths = [], b"", set(), set()

    def read_file(reader):
        nonlocal before
        kept = reader.varint()
        must(kept <= len(before), "more is kept than there was")
        path = before[:kept] + reader.bytes(PATH)
        must(path > before, "not in order")
        must(shared(path, before) == kept, "less is kept than both begin with")
        before, path = path, utf8(path)
        check_path(path)
        above = path.removesuffix("/").split("/")[:-1]
        folders.update("/".join(above[: depth + 1]) for depth in range(len(above)))
        paths.add(path.removesuffix("/"))
        flags, size, blob, offset = reader.u8(), reader.varint(), reader.varint(), reader.varint()
        must(flags < 2, "flags without a meaning")
        must(not path.endswith("/") or (flags, size) == (0, 0), "not an empty folder")
        if size:
            must(blob < len(blobs) and offset + size <= blobs[blob]["size"], "not in a blob")
        else:
            must((blob, offset) == (0, 0), "no bytes, and a place")
        return {"path": path, "executable": flags == 1, "size": size, "blob": blob, "offset": offset}

    files = reader.list(read_file, FILES)
    reader.end()
    must(len(paths) == len(files) and not paths & folders, "the folder of another one")
    return {"blobs": blobs, "files": files}


def write_folder(folder):
    out = u8(1) + varint(len(folder["blobs"])) + b"".join(map(write_blob, folder["blobs"]))
    out += varint(len(folder["files"]))
    before = b""
    for file in folder["files"]:
        path = file["path"].encode()
        kept = shared(path, before)
        out += varint(kept) + varint(len(path) - kept) + path[kept:] + u8(file["executable"])
        out += varint(file["size"]) + varint(file["blob"]) + varint(file["offset"])
        before = path
    return out


def check(vectors):
    for v in vectors.all("file_keys"):
        v.same("key", file_key(v.bytes("read_key"), v.bytes("plain")))
    for v in vectors.all("sealed"):
        v.same("sealed", apply(v.bytes("key"), v["offset"], v.bytes("plain")))
    for v in vectors.all("bodies"):
        v.same(None, {"plain": v["plain"], **read_body(v.bytes("plain"))})
        v.same("plain", write_body(v.value))
    for v in vectors.all("refused_bodies"):
        v.refused(read_body, v.bytes("plain"))
    for v in vectors.all("folders"):
        v.same(None, {"bytes": v["bytes"], **read_folder(v.bytes("bytes"))})
        v.same("bytes", write_folder(v.value))
    for v in vectors.all("refused_folders"):
        v.refused(read_folder, v.bytes("bytes"))
    texts = vectors.one("texts")
    for field, function in ("names", check_name), ("types", check_type), ("paths", check_path):
        for text in texts[field]:
            texts.accepted(function, text)
