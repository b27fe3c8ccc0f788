"""Which messages stand on a page of history. Seqs have no holes, so a page is a span of numbers."""


def span(
    first: int,
    last: int,
    *,
    before_seq: int | None = None,
    after_seq: int | None = None,
    around_seq: int | None = None,
    limit: int,
) -> tuple[int, int]:
    """The lowest and the highest seq of a page; the highest is one less if the page is empty.

    Args:
        first: the first seq that the reader may see; `last + 1` if they see none.
        last: the conversation's last seq.
        before_seq, after_seq, around_seq: at most one of them; without any, the newest page.

    There is more before the page exactly if its lowest seq is above `first`, and more after it exactly if
    its highest is below `last`.
    """
    if after_seq is not None:
        low = _clamp(after_seq + 1, first, last + 1)
        return low, min(low + limit - 1, last)
    if around_seq is not None:
        low = _clamp(around_seq - limit // 2, first, max(first, last - limit + 1))
        return low, min(low + limit - 1, last)
    high = last if before_seq is None else _clamp(before_seq - 1, first - 1, last)
    return max(high - limit + 1, first), high


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
