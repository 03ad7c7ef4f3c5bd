"""What is kept sealed inside of other values."""

from msgspec import Struct


class Sealed(Struct, frozen=True):
    """A secret part of an option, wherever in it: it is resealed, checked and forgotten with the webhook's secrets."""

    sealed: str
