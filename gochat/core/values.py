"""Values: what nobody changes once it is made."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    import dataclasses

    def value(*, frozen: bool, slots: bool):
        """As `dataclasses.dataclass`, where `frozen` is what mypy sees to: at run time it is not checked.

        Such a check sets every field by a call, and makes a value nine times as dear; each message makes a
        dozen.
        """
        return dataclasses.dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["value"]
