import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.core.errors import InvalidPayload
from gochat.core.limits import Limits
from gochat.core.text import (
    MEDIA_TYPE_BYTES,
    NAME_BYTES,
    URL_BYTES,
    check_bytes,
    check_data,
    line,
    link,
    media_type,
    shows_nothing,
)

BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
FILLERS = "\u115f\u1160\u3164\uffa0\u2800\ufffc"
"""Letters and signs by Unicode, and nothing to see."""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def reason(error: pytest.ExceptionInfo[InvalidPayload]) -> object:
    assert error.value.field == "title"
    assert error.value.details is not None
    return error.value.details["reason"]


class TestLine:
    @pytest.mark.parametrize(
        "name",
        [
            "Anna", "Zoë O'Brien-Müller 3rd", "Ἀθηνᾶ", "Анна", "anna_42!", "محمد علی", "נועה",
            "สมชาย", "李小龍",
            "김민준", "さくら", "राम", "க்ஷ", "Ngọc", "e\u0301a", "👋🏽 Hi", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇦🇹",
            "1️⃣ first", "❤️", "☺︎", "©️ Anna",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "می\u200cخواهم",  # Persian is not written without the non-joiner
            "क्\u200dष",
            "葛\U000e0100城",  # of two ways to write this name, the one that its owner has
            "C++ \u200fעברית", "\u200eעברית",
            "ᠮᠣᠩ\u180b",
            "a\u00a0b\u3000c",
        ],
    )  # fmt: skip
    def test_names_as_people_have_them(self, name: str) -> None:
        assert line(name, "title") == name

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("a\0b", "control"), ("a\nb", "control"), ("a\r\nb", "control"), ("a\tb", "control"),
            ("a\x7fb", "control"), ("a\x85b", "control"), ("a\u2028b", "control"), ("a\u2029",
            "control"),
            ("\x1b[2J", "control"),
            ("photo\u202egpj.exe", "bidi"), ("\u202dx", "bidi"), ("a\u2066b\u2069", "bidi"),
            ("\u2067x", "bidi"),
            ("an\u200bna", "invisible"), ("\ufeffanna", "invisible"), ("an\u00adna", "invisible"),
            ("an\u2060na", "invisible"), ("an\u200dna", "invisible"), ("anna\u200c", "invisible"),
            ("анна\u200d", "invisible"), ("anna\ufe0f", "invisible"), ("anna\u200e", "invisible"),
            ("anna\u3164", "invisible"), ("\u115fanna", "invisible"), ("anna\u2800", "invisible"),
            ("an\u034fna", "invisible"), ("anna\U000e0061", "invisible"), ("anna\u180e",
            "invisible"),
            ("anna\u200f", "invisible"), ("anna\u061c", "invisible"),
            ("\u200danna", "invisible"), ("👋\U000e0061", "invisible"), ("م\u200c", "invisible"),
        ],
    )  # fmt: skip
    def test_what_is_no_name(self, name: str, why: str) -> None:
        with pytest.raises(InvalidPayload) as refused:
            line(name, "title")
        assert reason(refused) == why

    @pytest.mark.parametrize("blank", ["", "  ", "\n\t ", "\u3000", "\u00a0", "\u0301", "\ufe0f"[:0]])
    def test_blanks_around_it_go_and_what_shows_nothing_is_empty(self, blank: str) -> None:
        assert line(blank, "title") == ""
        assert line("  Anna \n", "title") == "Anna"

    @given(TEXTS)
    def test_what_is_kept_is_visible_in_one_line_and_kept_again(self, text: str) -> None:
        try:
            kept = line(text, "title")
        except InvalidPayload:
            return
        assert line(kept, "title") == kept
        assert len(kept.splitlines()) <= 1
        assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in kept)
        assert not any(unicodedata.bidirectional(char) in BIDI for char in kept)
        assert kept == "" or not shows_nothing(kept)

    @given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters=FILLERS), min_size=1))
    def test_letters_numbers_and_signs_of_any_script_are_names(self, text: str) -> None:
        assert line(text, "title") == text


class TestNothing:
    @pytest.mark.parametrize(
        "text",
        [
            " \u200b", " \u0301", "\x7f",
            "", " ", "\n\n", "\0", "\x01\x02", "\u200b", "\u200d\u200d", "\u2060\ufeff",
            "\u0301", "\u0301\u0302 \u200b",
            "\u2800\u2800", "\u3164", "\u115f\u1160", "\u200e\u200f", "\u202e", "\ufe0f",
            "\u20dd", "\u00ad", "\u180e",
            "\U000e0041", "\ufffc", "\u3000\u2003", "\U000e0100",
        ],
    )  # fmt: skip
    def test_what_nobody_sees(self, text: str) -> None:
        assert shows_nothing(text)
        assert not shows_nothing(text + "." + text)

    @pytest.mark.parametrize("text", ["x", " 👋", "\u200b.", "\u0301x", "。", "1️⃣", "🏳️", "\ufffd", "\u202eא"])
    def test_what_somebody_sees(self, text: str) -> None:
        assert not shows_nothing(text)

    @given(TEXTS)
    def test_letters_numbers_signs_are_seen_and_blanks_are_not(self, text: str) -> None:
        seen = any(
            (unicodedata.category(char)[0] in "LNPS" and char not in FILLERS)
            or unicodedata.category(char) == "Mc"
            for char in text
        )
        if seen:
            assert not shows_nothing(text)
        if not text.strip():
            assert shows_nothing(text)


class TestLink:
    @pytest.mark.parametrize(
        ("url", "kept"),
        [
            ("https://a.example", None), ("http://a.example:8080/b?c=d#e", None),
            ("https://[::1]:8/x", None),
            ("https://user@a.example/", None), ("https://a.example?x", None),
            ("https://例え.jp/é", None),
            ("HTTPS://A.example/B", "https://A.example/B"), ("Http://a.example",
            "http://a.example"),
        ],
    )  # fmt: skip
    def test_links(self, url: str, kept: str | None) -> None:
        assert link(url, "title") == (kept or url)

    @pytest.mark.parametrize(
        "url",
        [
            "", "https://", "https:///path", "https://?q", "https://#f", "https://:80/",
            "https://user@/x", "https:a",
            "javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ftp://a.example",
            "//a.example", "a.example",
            "https://a b/", "https://a.example/a b", "https://a.example/\n",
            "https://a.example/\0", "https://[x]/",
            "https://a.example/\u202egpj.exe", "https://a.exa\u200bmple/", " https://a.example",
            "https://a.example ",
            "https://a.example:port/", "https://a.example\\@b.example/\u2028",
        ],
    )  # fmt: skip
    def test_what_is_no_link(self, url: str) -> None:
        with pytest.raises(InvalidPayload) as refused:
            link(url, "title")
        assert reason(refused) == "no_link"

    def test_its_length_is_counted_in_bytes(self) -> None:
        whole = "https://a.example/" + "é" * ((URL_BYTES - 18) // 2)
        assert len(whole.encode()) == URL_BYTES
        assert link(whole, "title") == whole
        with pytest.raises(InvalidPayload) as refused:
            link(whole + "x", "title")
        assert reason(refused) == "too_long"


class TestMediaType:
    @pytest.mark.parametrize(
        "text",
        [
            "image/png", "audio/ogg; codecs=opus", 'video/mp4; codecs="avc1.42E01E, mp4a.40.2"',
            "text/plain;charset=utf-8",
            "application/vnd.api+json", "image/svg+xml",
            "text/plain; charset=UTF-8; format=flowed", "x-a/x-b", 'a/b;c="\\""',
        ],
    )  # fmt: skip
    def test_media_types(self, text: str) -> None:
        assert media_type(text, "title") == text

    @pytest.mark.parametrize(
        "text",
        [
            "", "image", "image/", "/png", "image/png;", "image/png; codecs", "image/png; =x",
            "a/b/c", "a b/c", "image/png\n",
            'a/b; c="', "a/b; c=d e", "ä/b", "a/b; c=\"\0\"", "image/png,image/gif",
        ],
    )  # fmt: skip
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(InvalidPayload) as refused:
            media_type(text, "title")
        assert reason(refused) == "no_media_type"


def test_how_long_links_names_and_media_types_are() -> None:
    assert (URL_BYTES, NAME_BYTES, MEDIA_TYPE_BYTES) == (2_048, 255 * 4, 255)
    longest = "a/b;c=" + "d" * (MEDIA_TYPE_BYTES - 6)
    assert media_type(longest, "title") == longest
    with pytest.raises(InvalidPayload) as refused:
        media_type(longest + "d", "title")
    assert reason(refused) == "too_long"


@pytest.mark.parametrize(("data", "fits"), [(None, True), ("éé", True), ("ééx", False)])
def test_data_is_bounded_in_bytes(data: str | None, fits: bool) -> None:
    if fits:
        check_data(data, Limits(data=4))
        return
    with pytest.raises(InvalidPayload) as refused:
        check_data(data, Limits(data=4))
    assert refused.value.details == {"reason": "too_long", "limit": 4}


def test_names_are_bounded_in_bytes() -> None:
    check_bytes("👋" * (NAME_BYTES // 4), NAME_BYTES, "title")
    with pytest.raises(InvalidPayload):
        check_bytes("👋" * (NAME_BYTES // 4) + "x", NAME_BYTES, "title")
