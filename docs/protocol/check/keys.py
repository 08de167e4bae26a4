"""keys.md: apps, spaces and their keys, links and invitations."""

import base64
import ipaddress
import re
from urllib.parse import quote, unquote_to_bytes

from blake3 import derive_key
from bundle import name_of_file
from crypto import public_key
from wire import Reader, Refused, must, u8

LINK_LENGTH = 300
ADDRESSES = 8


# Spaces


def derive_space(app, secret):
    m = app + secret
    space = {k: derive_key(f"kith/1 space {k}", m) for k in ("admission", "read", "sync", "meeting")}
    space["space"] = public_key(space["admission"])
    return space


def public_secret(app):
    return derive_key("kith/1 public space", app)


def bundled_seed(name):
    return derive_key("kith/1 bundled app", name.encode())


# Base64url without padding, its spare bits zero


def to_text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text):
    must(re.fullmatch("[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    must(to_text(data) == text, "spare bits")
    return data


# Invitations


def read_address(reader):
    kind = reader.u8()
    must(kind in (4, 6), "an unknown kind of address")
    ip = ipaddress.ip_address(reader.take(4 if kind == 4 else 16))
    port = reader.fixed(2)
    nowhere = ip.is_unspecified or ip.is_multicast or (kind == 6 and ip.is_link_local)
    must(port and not nowhere, "an address at which nobody can be reached")
    return f"{ip}:{port}" if kind == 4 else f"[{ip}]:{port}"


def write_address(text):
    ip, port = text.rsplit(":", 1)
    ip = ipaddress.ip_address(ip.strip("[]"))
    return u8(ip.version) + ip.packed + int(port).to_bytes(2, "big")


def read_invitation(data):
    reader = Reader(data)
    must(reader.u8() == 1, "an unknown version")
    flags = reader.u8()
    must(flags < 8, "unknown flags")
    must(flags & 5 != 5, "two destinations")
    invitation = {
        "destination": {0: "app", 1: "space", 4: "public space"}[flags & 5],
        "secret": reader.take(32).hex() if flags & 1 else None,
        "inviter": None,
    }
    if flags & 2:
        inviter = {"endpoint": reader.take(32).hex(), "addresses": []}
        while reader.data:
            must(len(inviter["addresses"]) < ADDRESSES, "too many addresses")
            address = read_address(reader)
            must(address not in inviter["addresses"], "an address twice")
            inviter["addresses"].append(address)
        invitation["inviter"] = inviter
    reader.end()
    return invitation


def write_invitation(invitation):
    inviter = invitation["inviter"]
    flags = {"app": 0, "space": 1, "public space": 4}[invitation["destination"]]
    out = u8(1) + u8(flags | (2 if inviter else 0))
    out += bytes.fromhex(invitation["secret"] or "")
    if inviter:
        out += bytes.fromhex(inviter["endpoint"])
        out += b"".join(map(write_address, inviter["addresses"]))
    return out


# Links

# RFC 3986's pchar and "/", without what is percent-encoded.
PATH_CHARACTERS = "!$&'()*+,;=:@/"


def read_link(link):
    link = link.strip()
    must(len(link) <= LINK_LENGTH and link.isascii(), "too long, or not ASCII")
    match = re.fullmatch("(?i:kith)://([^/#]*)(?:/([^#]*))?(?:#(.*))?", link)
    must(match, "not a kith link")
    app, path, invitation = match.groups()
    path = path or ""
    app = from_text(app)
    must(len(app) == 32, "not an app's id")
    safe = re.escape(PATH_CHARACTERS)
    must(re.fullmatch(f"([A-Za-z0-9._~{safe}-]|%[0-9A-Fa-f]{{2}})*", path), "a character of the path")
    must("%2f" not in path.lower(), "an encoded slash")
    try:
        path = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    if path:
        name_of_file(path)
    raw = None if invitation is None else from_text(invitation)
    read = {"destination": "app", "secret": None, "inviter": None} if raw is None else read_invitation(raw)
    return {"app": app.hex(), "path": path, "invitation": raw and raw.hex(), **read}


def write_link(parts):
    link = f"kith://{to_text(bytes.fromhex(parts['app']))}/{quote(parts['path'], PATH_CHARACTERS)}"
    if parts["invitation"] is not None:
        link += "#" + to_text(write_invitation(parts))
    return link


def check_keys(vectors):
    for v in vectors.all("spaces"):
        derived = derive_space(v.bytes("app"), v.bytes("secret"))
        for name, key in derived.items():
            v.same(name, key)
    for v in vectors.all("public_spaces"):
        v.same("secret", public_secret(v.bytes("app")))
        v.same("space", derive_space(v.bytes("app"), v.bytes("secret"))["space"])
    for v in vectors.all("bundled_apps"):
        v.same("seed", bundled_seed(v["name"]))
        v.same("public_key", public_key(v.bytes("seed")))
        v.same("app", to_text(v.bytes("public_key")))


def check_links(vectors):
    for v in vectors.all("valid"):
        v.same(None, {"link": v["link"], **read_link(v["link"])})
        v.same("link", write_link(v.value))
    for v in vectors.all("spellings"):
        v.same("canonical", write_link(read_link(v["link"])))
    for v in vectors.all("invalid"):
        v.refused(read_link, v["link"])
