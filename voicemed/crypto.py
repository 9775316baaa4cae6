"""Key derivation and authenticated encryption; the only module that imports `cryptography`.

    passphrase --Argon2id--> key that wraps the master key
    master key --HKDF--> key of the database, of a backup, of the wrapped private key
    public key (X25519) <--seals-- the key of one stream, by a recorder that knows no passphrase
    key of a stream --HKDF--> FrameCipher (AES-256-GCM, one nonce a frame)

Keys are bytearrays, so that `wipe` can overwrite them. Python and OpenSSL make copies of their own
that it cannot reach: it shortens the time that a key lies in memory, no more.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
TAG_BYTES = 16
"What AES-GCM adds to a text."
_NONCE_BYTES = 12


class NotAuthentic(Exception):  # noqa: N818 - reads as the state it names
    """A wrong key, or bytes that were not sealed like this. Callers say what it means."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What one guess of a passphrase costs (Argon2id)."""

    memory: int = 256 * 1024
    "KiB."
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        """Raises ValueError for what no store of ours has, such as a file that wants 1 TB."""
        if not (
            1 <= self.lanes <= 64
            and 8 * self.lanes <= self.memory <= 4 * 1024 * 1024
            and 1 <= self.iterations <= 64
        ):
            raise ValueError("effort out of range")


def new_key() -> bytearray:
    """A random key of 256 bits."""
    return bytearray(secrets.token_bytes(KEY_BYTES))


def wipe(*keys: bytearray) -> None:
    """Overwrite keys that are not needed any more."""
    for key in keys:
        key[:] = bytes(len(key))


def passphrase_key(passphrase: str, salt: bytes, effort: Effort) -> bytearray:
    """The key that a passphrase stands for; takes `effort`, on purpose.

    The same characters give the same key however a keyboard composes them (NFKC).
    """
    typed: Any = bytearray(
        unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
    )
    argon = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=effort.iterations,
        lanes=effort.lanes,
        memory_cost=effort.memory,
    )
    try:
        return bytearray(argon.derive(typed))
    finally:
        wipe(typed)


def derive(secret: bytes | bytearray, purpose: bytes, salt: bytes = b"") -> bytearray:
    """A key for one purpose from a key of full entropy (HKDF-SHA256)."""
    hkdf = HKDF(SHA256(), KEY_BYTES, salt or None, purpose)
    return bytearray(hkdf.derive(secret))


def seal(key: bytearray, text: bytes | bytearray, bound: bytes) -> bytes:
    """Encrypt under a random nonce; `bound` is authenticated with it, and needed to open it.

    For what is sealed seldom: 2**32 times at most under one key.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, bound)


def unseal(key: bytearray, sealed: bytes, bound: bytes) -> bytearray:
    """What `seal` encrypted; raises NotAuthentic."""
    try:
        return bytearray(AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound))
    except (InvalidTag, ValueError) as error:
        raise NotAuthentic from error


class FrameCipher:
    """AES-256-GCM over numbered frames: the STREAM construction (Hoang et al. 2015), as in age.

    The nonce is the frame's number and whether it is the last one, so a frame opens in its place
    only, and a stream that lacks its end is known for that. A number must never seal twice.
    """

    def __init__(self, key: bytearray) -> None:
        self._cipher = AESGCM(key)

    def seal(self, number: int, text: bytes | bytearray, *, last: bool) -> bytes:
        """One frame, longer by TAG_BYTES."""
        return self._cipher.encrypt(_nonce(number, last), text, None)

    def unseal(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """What was sealed with that number as last or not; raises NotAuthentic."""
        try:
            return self._cipher.decrypt(_nonce(number, last), sealed, None)
        except (InvalidTag, ValueError) as error:
            raise NotAuthentic from error


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1, "big") + bytes([last])


def new_key_pair() -> tuple[bytearray, bytes]:
    """A private and a public key (X25519)."""
    private = X25519PrivateKey.generate()
    return bytearray(private.private_bytes_raw()), private.public_key().public_bytes_raw()


def public_of(private: bytearray) -> bytes:
    """The public key that belongs to a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal_to(public: bytes, text: bytes | bytearray, bound: bytes) -> bytes:
    """Encrypt for the owner of a public key; who seals cannot open it again."""
    ephemeral = X25519PrivateKey.generate()
    sender = ephemeral.public_key().public_bytes_raw()
    key = _agreed(ephemeral, X25519PublicKey.from_public_bytes(public), sender + public, bound)
    try:
        # A key of its own for each text, hence one nonce for all.
        return sender + AESGCM(key).encrypt(bytes(_NONCE_BYTES), text, bound)
    finally:
        wipe(key)


def unseal_with(private: bytearray, sealed: bytes, bound: bytes) -> bytearray:
    """What `seal_to` encrypted for this key; raises NotAuthentic."""
    sender, text = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
    try:
        key = _agreed(
            X25519PrivateKey.from_private_bytes(private),
            X25519PublicKey.from_public_bytes(sender),
            sender + public_of(private),
            bound,
        )
        try:
            return bytearray(AESGCM(key).decrypt(bytes(_NONCE_BYTES), text, bound))
        finally:
            wipe(key)
    except (InvalidTag, ValueError) as error:  # ValueError: no point of the curve that counts
        raise NotAuthentic from error


def _agreed(own: X25519PrivateKey, other: X25519PublicKey, keys: bytes, bound: bytes) -> bytearray:
    shared: Any = own.exchange(other)
    return derive(shared, b"voicemed sealed to a public key\0" + bound, salt=keys)
