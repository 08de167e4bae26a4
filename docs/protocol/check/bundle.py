"""bundle.md: names in a bundle, its manifest, and the signed version."""

import io
import re
import tomllib
import unicodedata
import zipfile

import blake3
from crypto import lax_verify, sign, verify
from wire import Reader, must, u64, u8

BUNDLE_SIZE = 64 << 20
MANIFEST_SIZE = 64 << 10
PERMISSIONS = {"camera", "microphone", "location", "invite"}
INTERFACE = 1
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def name_of_file(name):
    """Refuses what can't be the name of a file in a bundle."""
    must(0 < len(name.encode()) <= 255, "empty or too long")
    must(not re.match("[A-Za-z]:", name), "a drive letter")
    must("\\" not in name and all(unicodedata.category(c) != "Cc" for c in name), "a character")
    parts = name.split("/")
    must(all(part not in ("", ".", "..") for part in parts), "it leads elsewhere")
    must(parts[0].lower() != ".kith", "kith's own")


def one_line(text, most):
    text = DIRECTIONS.sub("", text)
    text = "".join(" " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in text)
    text = re.sub(" +", " ", text).strip()
    return text.encode()[:most].decode(errors="ignore").rstrip()


def typed(table, key, kind, default):
    value = table.get(key, default)
    must(type(value) is kind or value is default, f"{key} is of another type")
    return value


def read_manifest(text):
    must(len(text.encode()) <= MANIFEST_SIZE, "too long")
    try:
        manifest = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        must(False, str(error))
    ours = typed(manifest, "kith", dict, {})
    permissions = typed(ours, "permissions", list, [])
    must(all(type(name) is str and name in PERMISSIONS for name in permissions), "a permission")
    interface = typed(ours, "interface", int, 1)
    must(0 <= interface <= INTERFACE, "a newer interface")
    beside = manifest.get("description")
    description = typed(ours, "description", str, "") or (beside if type(beside) is str else "")
    name = typed(manifest, "name", str, "")
    url = typed(manifest, "source_code_url", str, "")
    shown = len(url) <= 500 and re.fullmatch("https?://[!-~]*", url)
    return {
        "name": one_line(name, 64) or None,
        "description": one_line(description, 500),
        "source_code_url": url if shown else None,
        "permissions": sorted(set(permissions)),
        "interface": interface,
    }


# The signed version

SIGNED = b"kith/1 app version\n"


def read_version(data, verify=verify):
    must(len(data) == 145, "another length")
    reader = Reader(data)
    must(reader.u8() == 1, "another format")
    app = reader.take(32)
    version, bundle, size = reader.fixed(8), reader.take(32), reader.fixed(8)
    must(size <= BUNDLE_SIZE, "too large")
    verify(app, SIGNED + data[:81], reader.take(64))
    return {"app": app, "version": version, "bundle": bundle, "size": size}


def sign_version(seed, app, version, bundle, size):
    said = u8(1) + app + u64(version) + bundle + u64(size)
    return said + sign(seed, SIGNED + said)


def check(vectors):
    for v in vectors.all("names"):
        v.accepted(name_of_file, v.value)
    for v in vectors.all("refused_names"):
        v.refused(name_of_file, v.value)
    for v in vectors.all("manifests"):
        read = read_manifest(v["text"])
        v.same(None, {"text": v["text"], **read})
        if read == read_manifest(""):
            # Nothing in it counts, so it may as well say something else.
            v.accepted(read_manifest, v["text"])
    for v in vectors.all("refused_manifests"):
        v.refused(read_manifest, v["text"])
    for v in vectors.all("packed"):
        archive = v.bytes("archive")
        v.same("blake3", blake3.hash(archive))
        v.same("size", len(archive))
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            files = {name: bundle.read(name).decode() for name in bundle.namelist()}
        v.holds(list(files) == sorted(files))
        v.holds(files == {file["path"]: file["text"] for file in v["files"]})
    for v in vectors.all("signed_versions"):
        read = read_version(v.bytes("signed"))
        signed = sign_version(v.bytes("seed"), **read)
        v.same("signed", signed)
        v.same("bundle", read["bundle"])
        v.same("size", read["size"])
        v.same("version", str(read["version"]))
    for v in vectors.all("refused_versions"):
        v.refused(read_version, v.bytes("bytes"))
    for v in vectors.all("versions_of_small_order"):
        read_version(v.bytes("bytes"), lax_verify)
        v.refused(read_version, v.bytes("bytes"))
