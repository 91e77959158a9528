"""Pictures of what is final, so that they are drawn once."""

from collections import OrderedDict

MOST_KEPT = 32_000_000  # bytes


class Pictures:
    """The latest that were drawn of what is final, by ETag, so many bytes of them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def get(self, tag: str) -> bytes | None:
        """The picture, if it is kept."""
        if tag in self._kept:
            self._kept.move_to_end(tag)
        return self._kept.get(tag)

    def keep(self, tag: str, picture: bytes) -> None:
        """Keep it; the one that was asked for longest ago makes room."""
        self._size += len(picture) - len(self._kept.get(tag, b""))
        self._kept[tag] = picture
        while self._size > MOST_KEPT:
            self._size -= len(self._kept.popitem(last=False)[1])
