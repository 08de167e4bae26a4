"""log.md: entries, their tree, checkpoints, openings, encryption, runs."""

import base64
from hashlib import sha256

import crypto
from crypto import public_key, sign, verify
from wire import Reader, must, u32, u64, u8, varint

PAYLOAD = 131_072
BODY = 131_113
OPENING = 162
LARGEST = 2**53 - 1
RUN_ENTRIES = 1_024
RUN_WEIGHT = 262_144
ENTRY_WEIGHT = 64
RUN_BYTES = 266_240
NOTE_BYTES = 4_096

# Entry


def write_header(entry):
    must(entry["lamport"] <= LARGEST and entry["time_ms"] <= LARGEST, "a number over 2^53 - 1")
    must(entry["length"] <= BODY, "a body too long")
    numbers = u64(entry["lamport"]) + u64(entry["time_ms"]) + u32(entry["epoch"])
    return u8(1) + numbers + u32(entry["length"]) + entry["hash"]


def read_header(data):
    reader = Reader(data)
    must(reader.u8() == 1, "an unknown version")
    entry = {"lamport": reader.fixed(8), "time_ms": reader.fixed(8), "epoch": reader.fixed(4)}
    entry |= {"length": reader.fixed(4), "hash": reader.take(32)}
    reader.end()
    write_header(entry)
    return entry


def body_aad(space, author, epoch):
    return b"kith/1 entry" + space + author + u32(epoch)


def seal_body(key, nonce, plain, space, author, epoch):
    if epoch == 0:
        return plain
    return nonce + crypto.seal(key, nonce, plain, body_aad(space, author, epoch))


def open_body(key, sent, space, author, epoch):
    """The kind and the payload."""
    if epoch:
        reader = Reader(sent)
        nonce = reader.take(24)
        sent = crypto.open_sealed(key, nonce, reader.data, body_aad(space, author, epoch))
    reader = Reader(sent)
    kind = reader.u8()
    must(kind <= 5, "of a later version: kept, and not shown")
    must(len(reader.data) <= PAYLOAD, "a payload too long")
    return kind, reader.data


# Opening


def admission_text(space, author, previous):
    return b"kith/1 admit\n" + space + author + previous


def continuation_text(space, author, previous):
    return b"kith/1 continue\n" + space + previous + author


def read_opening(body, space, author):
    """The author that is continued, or None."""
    reader = Reader(body)
    must(reader.u8() == 0, "not an opening")
    admission = reader.take(64)
    continues = reader.u8()
    must(continues <= 1, "an unknown flag")
    previous = reader.take(32) if continues else b""
    if continues:
        verify(previous, continuation_text(space, author, previous), reader.take(64))
    verify(space, admission_text(space, author, previous), admission)
    reader.end()
    return previous or None


def write_opening(admission_seed, space, author, previous_seed=None):
    previous = public_key(previous_seed) if previous_seed else b""
    body = u8(0) + sign(admission_seed, admission_text(space, author, previous))
    if not previous_seed:
        return body + u8(0)
    return body + u8(1) + previous + sign(previous_seed, continuation_text(space, author, previous))


# Tree


def leaf_hash(leaf):
    return sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return sha256(b"\1" + left + right).digest()


def largest_power(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def tree_root(leaves):
    """RFC 6962, section 2.1, of the leaves' hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = largest_power(len(leaves))
    return node_hash(tree_root(leaves[:k]), tree_root(leaves[k:]))


def inclusion_proof(index, leaves):
    """Section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = largest_power(len(leaves))
    if index < k:
        return inclusion_proof(index, leaves[:k]) + [tree_root(leaves[k:])]
    return inclusion_proof(index - k, leaves[k:]) + [tree_root(leaves[:k])]


def consistency_proof(size, leaves, whole=True):
    """Section 2.1.2."""
    if size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    k = largest_power(len(leaves))
    if size <= k:
        return consistency_proof(size, leaves[:k], whole) + [tree_root(leaves[k:])]
    return consistency_proof(size - k, leaves[k:], False) + [tree_root(leaves[:k])]


class Range:
    """A compact range: the size, and the peaks by falling size."""

    def __init__(self, size=0, peaks=()):
        self.size, self.peaks = size, list(peaks)

    @staticmethod
    def read(reader, size):
        return Range(size, [reader.take(32) for _ in range(size.bit_count())])

    def append(self, leaf):
        """Adds a leaf's hash: it joins each peak that is as large as what it has become."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha256(b"").digest()
        *peaks, root = self.peaks
        for peak in reversed(peaks):
            root = node_hash(peak, root)
        return root

    def write(self):
        return u64(self.size) + b"".join(self.peaks)


# Checkpoint


def origin(space, author):
    return f"kith/1/{space.hex()}/{author.hex()}"


def checkpoint_text(space, author, size, root):
    return f"{origin(space, author)}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def key_id(space, author):
    return sha256(origin(space, author).encode() + b"\n\x01" + author).digest()[:4]


def verifier_key(space, author):
    key = base64.b64encode(b"\1" + author).decode()
    return f"{origin(space, author)}+{key_id(space, author).hex()}+{key}"


def write_note(space, author, size, root, signature):
    signed = base64.b64encode(key_id(space, author) + signature).decode()
    line = f"\n\u2014 {origin(space, author)} {signed}\n"
    return checkpoint_text(space, author, size, root).decode() + line


def read_note(note, space, author):
    """The size and the root of a note that the author signed."""
    must(len(note.encode()) <= NOTE_BYTES, "too long")
    text, found, lines = note.rpartition("\n\n")
    must(found and lines.endswith("\n"), "no signed note")
    signatures = [read_signature(line) for line in lines[:-1].split("\n")]
    ours = [s for name, id, s in signatures if (name, id) == (origin(space, author), key_id(space, author))]
    must(len(ours) == 1 and len(ours[0]) == 64, "not exactly one signature by the author")
    fields = (text + "\n").split("\n")
    must(len(fields) == 4 and fields[1].isdecimal() and fields[1].isascii(), "not a checkpoint")
    size, root = int(fields[1]), strict_base64(fields[2])
    must(str(size) == fields[1] and size < 2**64 and len(root) == 32, "not a checkpoint")
    must((text + "\n").encode() == checkpoint_text(space, author, size, root), "another origin")
    verify(author, (text + "\n").encode(), ours[0])
    return size, root


def read_signature(line):
    """The name of who signed, the key's id, and the signature."""
    dash, _, rest = line.partition(" ")
    name, found, signed = rest.partition(" ")
    must(dash == "\u2014" and found, "not a signature")
    signed = strict_base64(signed)
    return name, signed[:4], signed[4:]


def strict_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        must(False, "not base64")
    must(base64.b64encode(data).decode() == text, "spare bits")
    return data


def read_checkpoint(reader):
    checkpoint = {"author": reader.take(32), "size": reader.fixed(8), "root": reader.take(32)}
    return checkpoint | {"signature": reader.take(64)}


def write_checkpoint(checkpoint):
    size = u64(checkpoint["size"])
    return checkpoint["author"] + size + checkpoint["root"] + checkpoint["signature"]


def verify_checkpoint(checkpoint, space):
    said = (checkpoint["author"], checkpoint["size"], checkpoint["root"])
    verify(checkpoint["author"], checkpoint_text(space, *said), checkpoint["signature"])


# Run


def unzigzag(n):
    """The delta, modulo 2^64."""
    return n >> 1 ^ -(n & 1)


def zigzag(delta):
    delta = (delta + 2**63) % 2**64 - 2**63
    return (delta << 1 ^ delta >> 63) % 2**64


def read_entry(reader, before):
    lamport = (before["lamport"] + unzigzag(reader.varint())) % 2**64
    time_ms = (before["time_ms"] + unzigzag(reader.varint())) % 2**64
    packed = reader.varint()
    length, new_epoch, absent = packed >> 2, packed >> 1 & 1, packed & 1
    epoch = reader.varint(32) if new_epoch else before["epoch"]
    must(not new_epoch or epoch != before["epoch"], "an epoch that is not new")
    must(length <= BODY, "a body too long")
    body = None if absent else reader.take(length)
    hash = reader.take(32) if absent else sha256(body).digest()
    entry = {"lamport": lamport, "time_ms": time_ms, "epoch": epoch, "length": length}
    entry |= {"hash": hash, "body": body}
    return entry | {"header": write_header(entry)}


class Ignored(Exception):
    """A run that does not join what is held, or adds nothing to it: nobody's fault."""


NOTHING_BEFORE = {"lamport": 0, "time_ms": 0, "epoch": 0}


def read_run(reader):
    """Reads a run, which takes all that is left."""
    must(len(reader.data) <= RUN_BYTES, "a run too long")
    must(reader.u8() == 1, "an unknown version")
    run = {"author": reader.take(32), "start": reader.varint(), "base": None, "entries": []}
    has_base = reader.u8()
    must(has_base <= 1, "an unknown flag")
    if has_base:
        must(run["start"] > 0, "a base of nothing")
        base = {"range": Range.read(reader, run["start"]), "signature": reader.take(64)}
        run["base"] = base | {"opening": reader.bytes(OPENING)}
    count = reader.varint()
    must(1 <= count <= RUN_ENTRIES, "no entries, or too many")
    before, weight = NOTHING_BEFORE, 0
    for _ in range(count):
        before = read_entry(reader, before)
        run["entries"].append(before)
        weight += before["length"] + ENTRY_WEIGHT
    must(weight <= RUN_WEIGHT, "a run too heavy")
    size = run["start"] + count
    must(size < 2**64, "a size over 64 bits")
    run["checkpoint"] = {"author": run["author"], "size": size, "root": reader.take(32)}
    run["checkpoint"]["signature"] = reader.take(64)
    reader.end()
    return run


def write_run(run):
    out = u8(1) + run["author"] + varint(run["start"]) + u8(1 if run["base"] else 0)
    if run["base"]:
        base = run["base"]
        out += b"".join(base["range"].peaks) + base["signature"]
        out += varint(len(base["opening"])) + base["opening"]
    out += varint(len(run["entries"]))
    before = NOTHING_BEFORE
    for entry in run["entries"]:
        out += varint(zigzag(entry["lamport"] - before["lamport"]))
        out += varint(zigzag(entry["time_ms"] - before["time_ms"]))
        new_epoch = entry["epoch"] != before["epoch"]
        out += varint(entry["length"] << 2 | new_epoch << 1 | (entry["body"] is None))
        out += varint(entry["epoch"]) if new_epoch else b""
        out += entry["hash"] if entry["body"] is None else entry["body"]
        before = entry
    return out + run["checkpoint"]["root"] + run["checkpoint"]["signature"]


def verify_run(run, space, held=None):
    """Verifying a run, case 1 and 2: returns the compact range that the log has then.

    `held` is the compact range that is held, from a signed head; None where nothing is.
    """
    author = run["author"]
    start = run["start"]
    if held is None:
        held = Range()
        if run["base"]:
            held = Range(start, run["base"]["range"].peaks)
            said = {"author": author, "size": start, "root": held.root()}
            verify_checkpoint(said | {"signature": run["base"]["signature"]}, space)
            read_opening(run["base"]["opening"], space, author)
        else:
            first = run["entries"][0]
            if start:
                raise Ignored
            must(first["epoch"] == 0 and first["body"] is not None, "no opening")
            read_opening(first["body"], space, author)
    if not start <= held.size < start + len(run["entries"]):
        raise Ignored
    after = Range(held.size, held.peaks)
    for entry in run["entries"][held.size - start :]:
        after.append(leaf_hash(entry["header"]))
    must(after.root() == run["checkpoint"]["root"], "the entries lead to another root")
    verify_checkpoint(run["checkpoint"], space)
    return after


# Forks


def verify_fork(first, second, run, space):
    """Refuses what does not prove that the author of two checkpoints signed two histories."""
    verify_checkpoint(first, space)
    verify_checkpoint(second, space)
    must(first["author"] == second["author"], "two authors")
    small, large = sorted((first, second), key=lambda checkpoint: checkpoint["size"])
    if run is None:
        must(small["size"] == large["size"] and small["root"] != large["root"], "one history")
        return
    must(small["size"] < large["size"], "it needs no run")
    must(run["checkpoint"] == large and run["start"] <= small["size"], "another run")
    peaks = Range()
    if run["base"]:
        peaks = Range(run["start"], run["base"]["range"].peaks)
        said = {"author": run["author"], "size": peaks.size, "root": peaks.root()}
        verify_checkpoint(said | {"signature": run["base"]["signature"]}, space)
    else:
        must(run["start"] == 0, "it stands on nothing")
    roots = {peaks.size: peaks.root()}
    for entry in run["entries"]:
        peaks.append(leaf_hash(entry["header"]))
        roots[peaks.size] = peaks.root()
    must(roots[large["size"]] == large["root"], "the entries lead elsewhere")
    must(roots[small["size"]] != small["root"], "one history")


# Vectors


def check_entries(vectors, space, author):
    for v in vectors.all("headers"):
        body = v.bytes("body")
        header = write_header({**v.value, "length": len(body), "hash": sha256(body).digest()})
        v.same("header", header)
        v.same("leaf_hash", leaf_hash(header))
        read = read_header(header)
        v.same(None, {**v.value, **{k: read[k] for k in ("lamport", "time_ms", "epoch")}})
    key = vectors.bytes("read_key")
    for v in vectors.all("bodies"):
        plain = u8(v["kind"]) + v.bytes("payload")
        nonce = v.bytes("nonce") if v["epoch"] else b""
        v.same("sent", seal_body(key, nonce, plain, space, author, v["epoch"]))
        kind, payload = open_body(key, v.bytes("sent"), space, author, v["epoch"])
        v.same("kind", kind)
        v.same("payload", payload)


def check_openings(vectors, space, author):
    for v in vectors.all("openings"):
        previous = vectors.bytes("previous_seed") if v["previous"] else None
        v.same("previous", previous and public_key(previous))
        v.same("body", write_opening(vectors.bytes("admission_seed"), space, author, previous))
        v.same("previous", read_opening(v.bytes("body"), space, author))


def check_trees(vectors):
    for v in vectors.all("trees"):
        leaves = [bytes.fromhex(leaf) for leaf in v["leaf_hashes"]]
        peaks = Range()
        for leaf in leaves:
            peaks.append(leaf)
        v.same("root", tree_root(leaves))
        v.same("root", peaks.root())
        v.same("compact_range", peaks.write())
        v.same("inclusion_proofs", [inclusion_proof(i, leaves) for i in range(len(leaves))])
        proofs = [consistency_proof(i, leaves) for i in range(1, len(leaves) + 1)]
        v.same("consistency_proofs_from_1", proofs)


def check_checkpoint(vectors, space, author):
    v = vectors.one("checkpoint")
    root = v.bytes("root")
    text = checkpoint_text(space, author, v["size"], root)
    signature = sign(vectors.bytes("author_seed"), text)
    v.same("origin", origin(space, author))
    v.same("text", text.decode())
    v.same("verifier_key", verifier_key(space, author))
    v.same("signature", signature)
    v.same("note", write_note(space, author, v["size"], root, signature))
    v.same("size", read_note(v["note"], space, author)[0])
    wire = {"author": author, "size": v["size"], "root": root, "signature": signature}
    v.same("wire", write_checkpoint(wire))
    verify_checkpoint(read_checkpoint(Reader(v.bytes("wire"))), space)


def check_runs(vectors, space, author):
    held = None
    for v in vectors.all("runs"):
        run = read_run(Reader(v.bytes("run")))
        v.same("run", write_run(run))
        v.same("start", run["start"])
        v.same("checkpoint", write_checkpoint(run["checkpoint"]))
        hexed = [{k: e[k] and e[k].hex() for k in ("body", "header")} for e in run["entries"]]
        v.same("entries", hexed)
        base = run["base"]
        if base:
            head = base["range"].write() + base["signature"]
            base = {"head": head.hex(), "opening": base["opening"].hex()}
        v.same("base", base)
        must(run["author"] == author, "another author")
        reached = verify_run(run, space, None if run["base"] or not run["start"] else held)
        held = held or reached


def check(vectors):
    space, author = vectors.bytes("space"), vectors.bytes("author")
    vectors.same("space", public_key(vectors.bytes("admission_seed")))
    vectors.same("author", public_key(vectors.bytes("author_seed")))
    check_entries(vectors, space, author)
    check_openings(vectors, space, author)
    check_trees(vectors)
    check_checkpoint(vectors, space, author)
    check_runs(vectors, space, author)
