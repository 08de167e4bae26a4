"""README.md, Conventions: keys, signatures, encryption. BLAKE3 has a file of its own."""

import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blake3 import MASK
from wire import Refused, must

P = 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D763CBA2B4FD83D706A1A76C7
# The y of each point whose order divides 8: of orders 1, 2, 4 and 8.
SMALL_ORDER = {1, P - 1, 0, ORDER_8, P - ORDER_8}


def public_key(seed):
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def lax_verify(key, message, signature):
    """RFC 8032, section 5.1.7, without a look at the points' orders."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("the signature is wrong") from None


def verify(key, message, signature):
    """Strictly: neither the key nor R of small order, and both in their one spelling."""
    for point in key, signature[:32]:
        y = int.from_bytes(point, "little") % 2**255
        must(y < P, "a point that is not canonical")
        must(y not in SMALL_ORDER, "a point of small order")
    lax_verify(key, message, signature)


def rounds(v):
    """The 20 rounds of ChaCha, on its 16 words."""

    def quarter(a, b, c, d):
        for x, y, z, bits in (a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7):
            v[x] = (v[x] + v[y]) & MASK
            n = v[z] ^ v[x]
            v[z] = (n << bits | n >> 32 - bits) & MASK

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def hchacha20(key, nonce):
    """The key of ChaCha20 from the first 16 bytes of XChaCha20's nonce."""
    v = [*CONSTANTS, *struct.unpack("<8I4I", key + nonce)]
    rounds(v)
    return struct.pack("<8I", *v[:4], *v[12:])


def file_keystream(key, offset, length):
    """Of a file's key: counter mode, anew for each group of 16 KiB."""
    group, out = 16 * 1024, b""
    for number in range(offset // group, -(-(offset + length) // group)):
        counter = struct.pack(">IQI", 0, number, 2)
        stream = Cipher(algorithms.AES256(key), modes.CTR(counter)).encryptor()
        out += stream.update(bytes(group))
    return out[offset % group :][:length]


def xchacha(key, nonce):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def seal(key, nonce, plain, aad):
    cipher, nonce = xchacha(key, nonce)
    return cipher.encrypt(nonce, plain, aad)


def open_sealed(key, nonce, sealed, aad):
    cipher, nonce = xchacha(key, nonce)
    try:
        return cipher.decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Refused("the body is not what was encrypted") from None
