"""Makes vectors/log-edges.json: what a log may just be, and what it must not be.

    python3 docs/protocol/check/edges.py

writes it anew. What is right in it was signed here, and what is wrong was made from that; kith's own
tests read both.
"""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

import log
from crypto import public_key, sign
from wire import u8, u32, u64, varint

ADMISSION, AUTHOR, PREVIOUS, OTHER, READ = (bytes([n]) * 32 for n in (0x61, 0x62, 0x63, 0x64, 0x65))
NONCE = bytes([0x66]) * 24
SPACE, WHO, ELSEWHERE = public_key(ADMISSION), public_key(AUTHOR), public_key(OTHER)
TIME = 1_790_000_000_000
# The order of Ed25519's group: a signature's second half plus this verifies where it isn't compared.
L = 2**252 + 27742317777372353535851937790883648493


def malleable(signature):
    s = int.from_bytes(signature[32:], "little") + L
    return signature[:32] + s.to_bytes(32, "little")


def put(data, at, new):
    """The bytes with others in their place."""
    return data[:at] + new + data[at + len(new) :]


def cases(field, **named):
    return [{"why": why.replace("_", " "), field: value} for why, value in named.items()]


# Headers, bodies, openings


def headers():
    good = log.write_header(entry(b"x"))
    return cases(
        "header",
        another_version=put(good, 0, u8(2)),
        a_lamport_clock_of_2_to_the_53=put(good, 1, u64(2**53)),
        a_time_of_2_to_the_53=put(good, 9, u64(2**53)),
        a_body_of_131_114_bytes=put(good, 21, u32(log.BODY + 1)),
        a_byte_is_missing=good[:-1],
        a_byte_too_many=good + b"\0",
    )


def bodies():
    def sealed(plain, space=SPACE, author=WHO, epoch=1):
        return log.seal_body(READ, NONCE, plain, space, author, epoch)

    good = sealed(b"\1{}")
    found = cases(
        "sent",
        another_epoch=sealed(b"\1{}", epoch=2),
        another_space=sealed(b"\1{}", space=ELSEWHERE),
        another_author=sealed(b"\1{}", author=ELSEWHERE),
        a_changed_nonce=put(good, 0, b"\0"),
        a_changed_kind=put(good, 24, bytes([good[24] ^ 1])),
        a_changed_tag=put(good, len(good) - 1, bytes([good[-1] ^ 1])),
        a_tag_cut_short=good[:-1],
        a_nonce_cut_short=good[:23],
        without_a_kind=sealed(b""),
        a_kind_of_a_later_version=sealed(b"\6"),
    )
    return [{"epoch": 1} | case for case in found] + [
        {"epoch": 0, "why": "without a kind", "sent": b""},
        {"epoch": 0, "why": "a kind of a later version", "sent": b"\6{}"},
    ]


def openings():
    good = log.write_opening(ADMISSION, SPACE, WHO)
    continues = log.write_opening(ADMISSION, SPACE, WHO, PREVIOUS)
    previous = public_key(PREVIOUS)
    admission = sign(ADMISSION, log.admission_text(SPACE, WHO, previous))
    return cases(
        "body",
        empty=b"",
        another_kind=put(good, 0, u8(1)),
        a_flag_of_2=put(good, 65, u8(2)),
        a_byte_too_many=good + b"\0",
        a_byte_is_missing=continues[:-1],
        for_another_author=log.write_opening(ADMISSION, SPACE, ELSEWHERE),
        by_another_space=log.write_opening(OTHER, SPACE, WHO),
        for_another_space=log.write_opening(ADMISSION, ELSEWHERE, WHO),
        a_signature_that_was_changed_without_the_key=put(good, 1, malleable(good[1:65])),
        the_previous_author_left_out=put(continues[:66], 65, b"\0"),
        a_previous_author_whom_the_admission_does_not_name=put(continues, 1, good[1:65]),
        another_previous_author=put(continues, 66, ELSEWHERE),
        continued_by_somebody_else=u8(0)
        + admission
        + u8(1)
        + previous
        + sign(OTHER, log.continuation_text(SPACE, WHO, previous)),
        continued_in_another_space=u8(0)
        + admission
        + u8(1)
        + previous
        + sign(PREVIOUS, log.continuation_text(ELSEWHERE, WHO, previous)),
    )


# Runs


def entry(body, lamport=1, time_ms=TIME, epoch=0, absent=False):
    header = {"lamport": lamport, "time_ms": time_ms, "epoch": epoch, "length": len(body)}
    header |= {"hash": sha256(body).digest(), "body": None if absent else body}
    return header


OPENING = log.write_opening(ADMISSION, SPACE, WHO)
FIRST = [entry(OPENING), entry(b"\1{}", 2)]
MORE = [entry(b"\1[]", 3), entry(b"\4x", 4), entry(b"\1null", 5)]


def range_of(entries):
    peaks = log.Range()
    for one in entries:
        peaks.append(log.leaf_hash(log.write_header(one)))
    return peaks


def signed(entries, space=SPACE, seed=AUTHOR, size=None):
    """The root of these entries, and the author's signature of it."""
    root = range_of(entries).root()
    size = len(entries) if size is None else size
    return root, sign(seed, log.checkpoint_text(space, WHO, size, root))


def base_of(before, opening=OPENING):
    return {"range": range_of(before), "signature": signed(before)[1], "opening": opening}


def run(entries, before=(), base=None, end=None):
    """A run of entries behind others; `end` is its root and signature."""
    before = list(before)
    root, signature = end or signed(before + entries)
    checkpoint = {"author": WHO, "root": root, "signature": signature}
    made = {"author": WHO, "start": len(before), "base": base}
    return made | {"entries": entries, "checkpoint": checkpoint}


def held_before(named):
    """Cases of runs by name, each with how many entries of FIRST are held before."""
    return [{"why": why, "held": held, "run": log.write_run(made)} for why, (held, made) in named.items()]


def runs_accepted():
    epochs = [entry(b"\4", 3, epoch=epoch) for epoch in (1, 1, 0, 7, 2**32 - 1, 0)]
    small = entry(b"", 3, epoch=1)
    edges = {
        "no body": (2, run([entry(b"", 3)], FIRST)),
        "a body of any kind": (2, run([entry(OPENING, 3), entry(b"\xff", 4)], FIRST)),
        "clocks that stand still and go back": (2, run([entry(b"\4", 2), entry(b"\4", 0, 0)], FIRST)),
        "the greatest clocks": (2, run([entry(b"\4", 2**53 - 1, 2**53 - 1)], FIRST)),
        "epochs that come and go": (2, run(epochs, FIRST)),
        "absent bodies of the greatest length": (2, run([absent(131_008), absent(131_008)], FIRST)),
        "1,024 entries": (2, run([small] * 1_024, FIRST)),
        "entries that are held already": (2, run(FIRST + MORE)),
        "a base that is not needed": (2, run(MORE, FIRST, base_of(FIRST))),
        "a base, and nothing held": (0, run(MORE, FIRST, base_of(FIRST))),
    }
    return held_before(edges)


def absent(length):
    return entry(b"", 3) | {"length": length, "hash": bytes(32), "body": None}


def runs_refused():
    """Runs that do not decode."""
    good = log.write_run(run(MORE, FIRST))
    based = log.write_run(run(MORE, FIRST, base_of(FIRST)))
    unchecked = {"end": (bytes(32), bytes(64))}
    start, count, first = 33, 35, 36
    clock = len(varint(2 * 3))
    size = first + clock + len(varint(2 * TIME))

    def encoded(*entries):
        return log.write_run(run(list(entries), FIRST, **unchecked))

    return cases(
        "run",
        empty=b"",
        another_version=put(good, 0, u8(2)),
        a_start_not_in_shortest_form=good[:start] + b"\x82\0" + good[start + 1 :],
        a_flag_of_2=put(good, 34, u8(2)),
        a_base_of_nothing=based[:start] + b"\0\1" + based[35 + 32 :],
        a_base_with_a_peak_too_few=based[:35] + based[35 + 32 :],
        a_base_with_an_opening_of_163_bytes=log.write_run(run(MORE, FIRST, base_of(FIRST, bytes(163)))),
        no_entries=good[:count] + b"\0" + good[-96:],
        an_entry_too_few=put(good, count, b"\4"),
        an_entry_too_many=put(good, count, b"\2"),
        entries_1_025=encoded(*[entry(b"", 3)] * 1_025),
        a_clock_below_0=good[:first] + b"\1" + good[first + clock :],
        a_clock_of_2_to_the_53=good[:first] + varint(2**54) + good[first + clock :],
        a_delta_not_in_shortest_form=good[:first] + b"\x86\0" + good[first + clock :],
        a_delta_of_65_bits=good[:first] + b"\xff" * 9 + b"\2" + good[first + clock :],
        a_time_of_2_to_the_53=good[: first + clock] + varint(2**54) + good[size:],
        a_new_epoch_that_is_not_new=good[:size] + varint(3 << 2 | 2) + b"\0" + good[size + 1 :],
        an_epoch_of_33_bits=good[:size] + varint(3 << 2 | 2) + varint(2**32) + good[size + 1 :],
        a_body_of_131_114_bytes=good[:count]
        + b"\1"
        + good[first:size]
        + varint(131_114 << 2 | 1)
        + bytes(32 + 96),
        too_heavy_with_absent_bodies=too_heavy(good[:count]),
        a_size_of_65_bits=good[:start] + varint(2**64 - 1) + good[start + 1 :],
        a_byte_is_missing=good[:-1],
        a_byte_too_many=good + b"\0",
    )


def too_heavy(before):
    """Two entries whose absent bodies weigh one byte more than a run may."""
    first = varint(2 * 3) + varint(2 * TIME) + varint(131_008 << 2 | 1) + bytes(32)
    second = b"\0\0" + varint(131_009 << 2 | 1) + bytes(32)
    return before + b"\2" + first + second + bytes(96)


def runs_wrong():
    """Runs that decode and do not verify."""
    changed = [MORE[0], entry(b"\4y", 4), MORE[2]]
    root, signature = end = signed(FIRST + MORE)
    swapped = [MORE[1], MORE[0], MORE[2]]
    stranger = entry(log.write_opening(ADMISSION, SPACE, ELSEWHERE))
    other_peak = base_of(FIRST) | {"range": log.Range(2, [bytes(32)])}
    in_epoch = [FIRST[0] | {"epoch": 1}, FIRST[1]]
    wrong = {
        "a changed body": (2, run(changed, FIRST, end=(root, signature))),
        "a changed clock": (2, run([MORE[0] | {"lamport": 4}, *MORE[1:]], FIRST, end=(root, signature))),
        "two entries in another order": (2, run(swapped, FIRST, end=end)),
        "the last entry left out": (2, run(MORE[:2], FIRST, end=(root, signature))),
        "another root": (2, run(MORE, FIRST, end=(bytes(32), signature))),
        "signed by somebody else": (2, run(MORE, FIRST, end=signed(FIRST + MORE, seed=OTHER))),
        "signed for another space": (2, run(MORE, FIRST, end=signed(FIRST + MORE, space=ELSEWHERE))),
        "signed for another size": (2, run(MORE, FIRST, end=signed(FIRST + MORE, size=6))),
        "a signature that was changed without the key": (
            2,
            run(MORE, FIRST, end=(root, malleable(signature))),
        ),
        "the opening is absent": (0, run([FIRST[0] | {"body": None}, FIRST[1]])),
        "the opening is in epoch 1": (0, run(in_epoch)),
        "the first entry is no opening": (0, run([entry(b"\1{}"), FIRST[1]])),
        "the opening admits somebody else": (0, run([stranger])),
        "a base with another signature": (0, run(MORE, FIRST, base_of(FIRST) | {"signature": bytes(64)})),
        "a base with another peak": (0, run(MORE, FIRST, other_peak)),
        "a base with no opening": (0, run(MORE, FIRST, base_of(FIRST, b""))),
    }
    return held_before(wrong)


def runs_ignored():
    """Runs that are nobody's fault, and bring nothing."""
    ignored = {
        "nothing is held, and no base": (0, run(MORE, FIRST)),
        "a gap": (2, run(MORE[1:], FIRST + MORE[:1])),
        "nothing new": (2, run(FIRST)),
    }
    return held_before(ignored)


# Forks


def checkpoint(entries, seed=AUTHOR):
    root, signature = signed(entries, seed=seed)
    return {"author": WHO, "size": len(entries), "root": root, "signature": signature}


def forks():
    """Two checkpoints and a run, and whether they prove that their author forked."""
    other = [entry(b"\4other", 3)]
    small, large, whole = checkpoint(FIRST + other), checkpoint(FIRST + MORE), FIRST + MORE
    based = run(MORE, FIRST, base_of(FIRST))
    just = run(MORE[1:], whole[:3], base_of(whole[:3]))
    behind = run(MORE[2:], whole[:4], base_of(whole[:4]))
    changed = based | {"entries": [MORE[0], entry(b"\4y", 4), MORE[2]]}
    forged = base_of(FIRST) | {"signature": bytes(64)}
    elsewhere = large | {"author": ELSEWHERE}
    elsewhere["signature"] = sign(OTHER, log.checkpoint_text(SPACE, ELSEWHERE, 5, large["root"]))
    same_size = checkpoint(FIRST + other * 3)
    found = [
        ("two of one size", True, large, same_size, None),
        ("a run with a base", True, small, large, based),
        ("the larger one first", True, large, small, based),
        ("a run from the beginning", True, small, large, run(whole)),
        ("a base of just the smaller size", True, small, large, just),
        ("one checkpoint twice", False, large, large, None),
        ("two sizes and no run", False, small, large, None),
        ("two of one size and a run to the first", False, large, same_size, based),
        ("two of one size and a run to the second", False, same_size, large, based),
        ("one history", False, checkpoint(whole[:3]), large, based),
        ("two authors", False, large, elsewhere, None),
        ("the first is not signed", False, checkpoint(FIRST + other, OTHER), large, based),
        ("the second is not signed", False, large, checkpoint(FIRST + other * 3, OTHER), None),
        ("the run ends before the larger", False, small, large, run(MORE[:2], FIRST, base_of(FIRST))),
        ("the run begins behind the smaller", False, small, large, behind),
        ("a changed entry", False, small, large, changed),
        ("a run that stands on nothing", False, small, large, run(MORE, FIRST)),
        ("a base that is not signed", False, small, large, run(MORE, FIRST, forged)),
    ]
    return [
        {
            "why": why,
            "proves": proves,
            "first": log.write_checkpoint(first),
            "second": log.write_checkpoint(second),
            "run": made and log.write_run(made),
        }
        for why, proves, first, second, made in found
    ]


# Notes


def notes():
    root, signature = signed(FIRST)
    good = log.write_note(SPACE, WHO, 2, root, signature)
    line = good.split("\n\n")[1]
    witness = "\u2014 witness.example/w " + "AAAA" * 17 + "\n"

    def with_text(text, seed=AUTHOR):
        signed_text = log.base64.b64encode(log.key_id(SPACE, WHO) + sign(seed, text.encode())).decode()
        return f"{text}\n\u2014 {log.origin(SPACE, WHO)} {signed_text}\n"

    text = good.split("\n\n")[0] + "\n"
    digit = text.split("\n")[2]
    spare = digit[:-2] + chr(ord(digit[-2]) + 1) + "="
    refused = cases(
        "note",
        without_its_last_newline=good[:-1],
        a_size_with_a_zero_in_front=with_text(text.replace("\n2\n", "\n02\n")),
        a_size_with_a_sign=with_text(text.replace("\n2\n", "\n+2\n")),
        a_root_with_spare_bits=with_text(text.replace(digit, spare)),
        a_root_of_31_bytes=with_text(text.replace(digit, log.base64.b64encode(bytes(31)).decode())),
        an_extension_line=with_text(text + "more\n"),
        lines_that_end_as_on_windows=with_text(text.replace("\n", "\r\n")),
        capitals_in_the_origin=with_text(text.replace(WHO.hex(), WHO.hex().upper())),
        another_author=with_text(text.replace(WHO.hex(), ELSEWHERE.hex())),
        another_space=with_text(text.replace(SPACE.hex(), ELSEWHERE.hex())),
        two_signatures_by_the_author=good + line,
        a_witness_alone=text + "\n" + witness,
        a_signature_of_something_else=good.replace("\n2\n", "\n3\n"),
        signed_by_somebody_else=with_text(text, OTHER),
        a_line_that_is_no_signature=good + "hello\n",
        over_4_096_bytes=good + witness * 50,
    )
    return [{"note": good + witness}, {"note": text + "\n" + witness + line}], refused


@cache
def make():
    accepted, refused = notes()
    return {
        "_comment": "Written by docs/protocol/check/edges.py. `held`: entries that are held before.",
        "space": SPACE,
        "author": WHO,
        "read_key": READ,
        "first": log.write_run(run(FIRST)),
        "refused_headers": headers(),
        "refused_bodies": bodies(),
        "refused_openings": openings(),
        "notes": accepted,
        "refused_notes": refused,
        "runs": runs_accepted(),
        "refused_runs": runs_refused(),
        "wrong_runs": runs_wrong(),
        "ignored_runs": runs_ignored(),
        "forks": forks(),
    }


def check(vectors):
    space, author = vectors.bytes("space"), vectors.bytes("author")
    vectors.same(None, make())
    first = log.read_run(log.Reader(vectors.bytes("first")))
    held = {0: None, 2: log.verify_run(first, space)}
    for v in vectors.all("refused_headers"):
        v.refused(log.read_header, v.bytes("header"))
    for v in vectors.all("refused_bodies"):
        v.refused(log.open_body, vectors.bytes("read_key"), v.bytes("sent"), space, author, v["epoch"])
    for v in vectors.all("refused_openings"):
        v.refused(log.read_opening, v.bytes("body"), space, author)
    for v in vectors.all("notes"):
        log.read_note(v["note"], space, author)
    for v in vectors.all("refused_notes"):
        v.refused(log.read_note, v["note"], space, author)
    for v in vectors.all("runs"):
        log.verify_run(log.read_run(log.Reader(v.bytes("run"))), space, held[v["held"]])
    for v in vectors.all("refused_runs"):
        v.refused(log.read_run, log.Reader(v.bytes("run")))
    for v in vectors.all("wrong_runs"):
        v.refused(log.verify_run, log.read_run(log.Reader(v.bytes("run"))), space, held[v["held"]])
    for v in vectors.all("ignored_runs"):
        run = log.read_run(log.Reader(v.bytes("run")))
        v.refused(log.verify_run, run, space, held[v["held"]], because=log.Ignored)
    for v in vectors.all("forks"):
        first, second = (log.read_checkpoint(log.Reader(v.bytes(name))) for name in ("first", "second"))
        run = log.read_run(log.Reader(v.bytes("run"))) if v["run"] else None
        if v["proves"]:
            log.verify_fork(first, second, run, space)
        else:
            v.refused(log.verify_fork, first, second, run, space)


if __name__ == "__main__":
    from vectors import plain

    file = Path(__file__).parent.parent / "vectors/log-edges.json"
    file.write_text(json.dumps(plain(make()), indent=2, ensure_ascii=False) + "\n")
