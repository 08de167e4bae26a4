"""README.md, Conventions: integers, and how fields are read and written."""


class Refused(Exception):
    """What was read does not follow the pages."""


def must(truth, why):
    """Refuses what is not so."""
    if not truth:
        raise Refused(why)


class Reader:
    """Bytes from outside, read from the front."""

    def __init__(self, data):
        self.data = bytes(data)

    def take(self, count):
        must(count <= len(self.data), "cut short")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def fixed(self, size):
        """An integer of `size` bytes, big-endian."""
        return int.from_bytes(self.take(size), "big")

    def u8(self):
        return self.fixed(1)

    def varint(self, bits=64):
        """Unsigned LEB128 in its shortest form."""
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            must(value < 1 << bits, f"over {bits} bits")
            if byte < 0x80:
                must(byte or not shift, "not in its shortest form")
                return value
            shift += 7
            must(shift < bits, f"over {bits} bits")

    def bytes(self, most=2**64):
        """Bytes with their number in front."""
        count = self.varint()
        must(count <= most, f"more than {most}")
        return self.take(count)

    def list(self, item, most):
        """A list: the number of its items in front."""
        count = self.varint()
        must(count <= most, f"more than {most}")
        return [item(self) for _ in range(count)]

    def end(self):
        must(not self.data, "trailing bytes")


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def u8(value):
    return value.to_bytes(1, "big")


def u32(value):
    return value.to_bytes(4, "big")


def u64(value):
    return value.to_bytes(8, "big")


def frame(body):
    return u32(len(body)) + body


def unframe(data):
    """A frame that stands alone."""
    reader = Reader(data)
    body = reader.take(reader.fixed(4))
    reader.end()
    return body
