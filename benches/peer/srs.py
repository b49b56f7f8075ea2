#!/usr/bin/env python3
"""Rewrites an SRS of `inferproof srs new` in the format that ezkl reads: both systems prove with the same points.

    python benches/peer/srs.py OURS.srs K PEER.srs

ezkl's own `gen_srs` needs about half a millisecond for each of the 2^K rows, minutes at K = 19. Ours holds the same
points: its layout is in `src/srs/file.rs` and `src/artefact.rs`. Theirs is halo2's `ParamsKZG` as raw memory: K,
powers, Lagrange points, the generator of G2, its multiple by tau; little-endian, in Montgomery form.
"""

import sys

FIELD = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
MONTGOMERY = 2**256 % FIELD
HEADER, DIGEST, G1, G2 = 22, 32, 64, 128
CHUNK = 4096
# The standard generator of G2 as our files spell points of it: x.c1, x.c0, y.c1, y.c0.
G2_GENERATOR = b"".join(number.to_bytes(32, "big") for number in (
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930))


def element(big_endian):
    """A field element: from 32 canonical bytes to 32 bytes of Montgomery form."""
    return (int.from_bytes(big_endian, "big") * MONTGOMERY % FIELD).to_bytes(32, "little")


def elements(data):
    """Every field element of some points."""
    return b"".join(element(data[at:at + 32]) for at in range(0, len(data), 32))


def g2(point):
    """A point of G2; the two halves of a coordinate stand the other way round."""
    x1, x0, y1, y0 = (point[at:at + 32] for at in range(0, G2, 32))
    return elements(x0 + x1 + y0 + y1)


def verifier_part(source):
    """Reads up to the powers of tau; returns the k of the file and tau in G2."""
    source.seek(HEADER)
    part = source.read(int.from_bytes(source.read(4), "little"))
    source.seek(DIGEST, 1)
    k, origin = int.from_bytes(part[:4], "little"), int.from_bytes(part[5:13], "little")
    return k, part[13 + origin:13 + origin + G2]


def copy_points(source, target, count):
    """Rewrites `count` points of G1, a few at a time: at K = 19 there are a million."""
    while count:
        now = min(count, CHUNK)
        target.write(elements(source.read(now * G1)))
        count -= now


def rewrite(source, k, target):
    """Writes ezkl's file for circuits of 2^k rows."""
    largest, tau = verifier_part(source)
    if not 1 <= k <= largest:
        raise SystemExit(f"the SRS serves k of 1 to {largest}, not {k}")
    target.write(k.to_bytes(4, "little"))
    powers = source.tell()
    copy_points(source, target, 1 << k)
    lagrange = powers + ((1 << largest) + 2) * G1
    source.seek(lagrange + ((1 << k) - 2) * G1)
    copy_points(source, target, 1 << k)
    target.write(g2(G2_GENERATOR) + g2(tau))


def main():
    """Parses the command line."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    with open(sys.argv[1], "rb") as source, open(sys.argv[3], "wb") as target:
        rewrite(source, int(sys.argv[2]), target)


if __name__ == "__main__":
    main()
