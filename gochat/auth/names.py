"""The one spelling under which a name or number is stored and found."""

import re

from gochat.core.errors import InvalidPayload

_USERNAME = re.compile(r"[A-Za-z0-9_.]{3,32}")


def username_in(text: str) -> str | None:
    """A username in lower case; None: nobody can have this name."""
    return text.lower() if _USERNAME.fullmatch(text) else None


def phone_in(text: str) -> str:
    """A phone number, written with its country code in any usual way, as E.164.

    Its length and country must be possible; which numbers are in use is not asked: that changes too often.

    Raises:
        InvalidPayload: it is none.
    """
    # 50 ms of every start, else, for a deployment that may have no numbers.
    import phonenumbers

    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise _not_a_number() from None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise _not_a_number()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _not_a_number() -> InvalidPayload:
    return InvalidPayload(
        "phone: not a phone number with a country code, such as +4930123456.", field="phone"
    )
