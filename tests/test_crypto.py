"""Keys and authenticated encryption: known answers, and that nothing opens what it must not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemed import crypto

CHEAP = crypto.Effort(64, 1, 4)


def test_nothing_else_imports_cryptography() -> None:
    package = Path(crypto.__file__).parent
    users = set()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "cryptography" for name in names):
                users.add(path.name)
    assert users == {"crypto.py"}


def test_keys_are_derived_as_ever() -> None:
    # A change here makes every store unreadable.
    salt = bytes(range(16))
    assert crypto.passphrase_key("Passphrase", salt, CHEAP).hex() == PASSPHRASE_KEY
    assert crypto.derive(b"k" * 32, b"purpose", b"salt").hex() == DERIVED_KEY


PASSPHRASE_KEY = "e311937b314773feb57f7e6363625d29e23c1f7496fcece7a2f59710ff188c20"
DERIVED_KEY = "40f93b9899179e50947f30ffcd3151ebf8c817c42e622b6fc887a1a8b4e1299a"


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    salt = bytes(16)
    assert crypto.passphrase_key(composed, salt, CHEAP) == crypto.passphrase_key(
        decomposed, salt, CHEAP
    )
    assert crypto.passphrase_key(composed, salt, CHEAP) != crypto.passphrase_key(
        "cafe au lait", salt, CHEAP
    )


@pytest.mark.parametrize(
    ("memory", "iterations", "lanes"),
    [(8, 1, 4), (1 << 30, 1, 4), (64, 0, 4), (64, 1000, 4), (64, 1, 0), (64, 1, -1)],
)
def test_an_effort_that_no_store_has_is_refused(memory: int, iterations: int, lanes: int) -> None:
    with pytest.raises(ValueError, match="effort"):
        crypto.Effort(memory, iterations, lanes)


@given(text=st.binary(max_size=100), at=st.integers(0, 10_000), bound=st.binary(max_size=10))
def test_what_is_sealed_opens_with_its_key_and_bound_only(
    text: bytes, at: int, bound: bytes
) -> None:
    key = crypto.new_key()
    sealed = crypto.seal(key, text, bound)
    assert crypto.unseal(key, sealed, bound) == text
    bit = at % (len(sealed) * 8)
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    for wrong in (
        (key, bytes(flipped), bound),
        (key, sealed, bound + b"x"),
        (key, sealed[:-1], bound),
        (crypto.new_key(), sealed, bound),
        (key, b"", bound),
    ):
        with pytest.raises(crypto.NotAuthentic):
            crypto.unseal(*wrong)


@given(text=st.binary(max_size=100), at=st.integers(0, 10_000))
def test_what_is_sealed_to_a_public_key_opens_with_its_private_key_only(
    text: bytes, at: int
) -> None:
    private, public = crypto.new_key_pair()
    sealed = crypto.seal_to(public, text, b"bound")
    assert crypto.public_of(private) == public
    assert crypto.unseal_with(private, sealed, b"bound") == text
    bit = at % (len(sealed) * 8)
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    for key, wrong, bound in (
        (private, bytes(flipped), b"bound"),
        (private, sealed, b"another"),
        (private, sealed[:40], b"bound"),
        (private, b"", b"bound"),
        (private, bytes(len(sealed)), b"bound"),  # a point of low order
        (crypto.new_key_pair()[0], sealed, b"bound"),
    ):
        with pytest.raises(crypto.NotAuthentic):
            crypto.unseal_with(key, wrong, bound)


def test_a_frame_opens_in_its_place_only() -> None:
    cipher = crypto.FrameCipher(crypto.new_key())
    sealed = cipher.seal(7, b"text", last=False)
    assert cipher.unseal(7, sealed, last=False) == b"text"
    for number, last in ((6, False), (8, False), (7, True)):
        with pytest.raises(crypto.NotAuthentic):
            cipher.unseal(number, sealed, last=last)


def test_wipe_overwrites() -> None:
    one, other = crypto.new_key(), crypto.new_key()
    crypto.wipe(one, other)
    assert one == other == bytes(32)
