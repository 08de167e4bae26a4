"""BLAKE3, as its paper says. In full, since blob.md needs the inner nodes of its tree."""

import struct
from functools import cache

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED_HASH, CONTEXT, MATERIAL = (1 << bit for bit in range(7))
CHUNK, BLOCK = 1024, 64
MASK = 0xFFFFFFFF


def mix(v, a, b, c, d, x, y):
    v[a] = (v[a] + v[b] + x) & MASK
    n = v[d] ^ v[a]
    v[d] = (n >> 16 | n << 16) & MASK
    v[c] = (v[c] + v[d]) & MASK
    n = v[b] ^ v[c]
    v[b] = (n >> 12 | n << 20) & MASK
    v[a] = (v[a] + v[b] + y) & MASK
    n = v[d] ^ v[a]
    v[d] = (n >> 8 | n << 24) & MASK
    v[c] = (v[c] + v[d]) & MASK
    n = v[b] ^ v[c]
    v[b] = (n >> 7 | n << 25) & MASK


def compress(value, block, counter, flags):
    """The new chaining value, 32 bytes."""
    m = struct.unpack("<16I", block.ljust(BLOCK, b"\0"))
    v = [*struct.unpack("<8I", value), *IV[:4], counter & MASK, counter >> 32, len(block), flags]
    for _ in range(7):
        mix(v, 0, 4, 8, 12, m[0], m[1])
        mix(v, 1, 5, 9, 13, m[2], m[3])
        mix(v, 2, 6, 10, 14, m[4], m[5])
        mix(v, 3, 7, 11, 15, m[6], m[7])
        mix(v, 0, 5, 10, 15, m[8], m[9])
        mix(v, 1, 6, 11, 12, m[10], m[11])
        mix(v, 2, 7, 8, 13, m[12], m[13])
        mix(v, 3, 4, 9, 14, m[14], m[15])
        m = [m[i] for i in PERMUTATION]
    return struct.pack("<8I", *(v[i] ^ v[i + 8] for i in range(8)))


PLAIN_KEY = struct.pack("<8I", *IV)


def parent(pair, flags=0, key=PLAIN_KEY):
    """The value of a node from those of its two children."""
    return compress(key, pair, 0, flags | PARENT)


def left_size(size):
    """How many bytes stand under the left child of a node over `size` bytes."""
    return CHUNK << ((size - 1) // CHUNK).bit_length() - 1


def subtree(data, first_chunk=0, flags=0, key=PLAIN_KEY, root=0):
    """The value of a node over `data`, whose first chunk has this number; `root` is ROOT at the root."""
    if len(data) > CHUNK:
        left = left_size(len(data))
        pair = subtree(data[:left], first_chunk, flags, key)
        pair += subtree(data[left:], first_chunk + left // CHUNK, flags, key)
        return parent(pair, flags | root, key)
    value = key
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
    for number, block in enumerate(blocks):
        first = CHUNK_START if number == 0 else 0
        last = CHUNK_END | root if number == len(blocks) - 1 else 0
        value = compress(value, block, first_chunk, flags | first | last)
    return value


@cache
def hash(data):
    return subtree(data, root=ROOT)


def keyed_hash(key, data):
    return subtree(data, 0, KEYED_HASH, key, ROOT)


def derive_key(context, material):
    key = subtree(context.encode(), 0, CONTEXT, root=ROOT)
    return subtree(material, 0, MATERIAL, key, ROOT)
