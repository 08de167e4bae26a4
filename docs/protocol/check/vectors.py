"""A file of vectors: what was asked of it, and what did not agree."""

import traceback

from wire import Refused

# What stands in vectors for people.
NOTES = {"why", "error", "_comment"}


class Vector:
    """One vector, or the file as a whole: an object of JSON.

    What does not agree is added to `wrong`; the places of what is only accepted or refused, and
    compared with nothing, to `loose`.
    """

    def __init__(self, place, value, wrong, loose):
        self.place, self.value, self.wrong, self.loose = place, value, wrong, loose

    def __getitem__(self, field):
        return self.value[field]

    def bytes(self, field):
        return bytes.fromhex(self.value[field])

    def same(self, field, computed):
        """Compares a field, or with None all of them but the notes, with what it must be."""
        if field is None:
            said = {k: v for k, v in self.value.items() if k not in NOTES}
            computed = {k: v for k, v in computed.items() if k not in NOTES}
        else:
            said = self.value[field]
        computed = plain(computed)
        if said != computed:
            what = f"{self.place}: {field or 'it'}"
            self.wrong.append(f"{what} is {said!r:.200}, and is to be {computed!r:.200}")

    def holds(self, truth):
        if not truth:
            self.wrong.append(f"{self.place}: it is not so")

    def accepted(self, function, *arguments):
        self.loose.add(self.place)
        function(*arguments)

    def refused(self, function, *arguments, because=Refused):
        self.loose.add(self.place)
        try:
            read = function(*arguments)
        except because:
            return
        self.wrong.append(f"{self.place}: it is to be refused, and was read as {read!r:.200}")


class Vectors(Vector):
    """A file of vectors."""

    def __init__(self, name, value):
        super().__init__(name, value, [], set())
        self.count = 0
        self.asked = set(NOTES)

    def __getitem__(self, field):
        self.asked.add(field)
        return self.value[field]

    def bytes(self, field):
        return bytes.fromhex(self[field])

    def same(self, field, computed):
        self.asked.add(field)
        super().same(field, computed)

    def one(self, field):
        self.count += 1
        return Vector(f"{self.place}.{field}", self[field], self.wrong, self.loose)

    def all(self, field):
        """Each of a list."""
        for number, value in enumerate(self[field]):
            self.count += 1
            yield Vector(f"{self.place}.{field}[{number}]", value, self.wrong, self.loose)

    def run(self, check):
        try:
            check(self)
        except Exception:
            self.wrong.append(f"{self.place}: {traceback.format_exc(limit=-3)}")
        for field in self.value.keys() - self.asked:
            self.wrong.append(f"{self.place}: nothing asks for {field}")


def plain(value):
    """Bytes as hex, wherever they stand."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def leaves(value, place):
    """Each value that means something: its place, a function that replaces it, and another value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if key in NOTES:
            continue
        here = f"{place}.{key}" if isinstance(value, dict) else f"{place}[{key}]"
        if isinstance(item, dict | list):
            yield from leaves(item, here)
        else:

            def put(new, value=value, key=key):
                old, value[key] = value[key], new
                return old

            yield here, put, other(item)


def other(item):
    """Another value of the same type, or None."""
    if isinstance(item, bool):
        return not item
    if isinstance(item, int):
        return item + 1
    if isinstance(item, str) and item:
        middle = len(item) // 2
        return item[:middle] + ("1" if item[middle] == "0" else "0") + item[middle + 1 :]
    return None
