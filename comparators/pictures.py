"""Pictures compared by what is seen: pixels by block, and a hash of the look. Runs where it can be killed."""

import io
import warnings
from typing import TYPE_CHECKING

from crossfade.comparison import Change, Severity

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS = 4_000_000  # of one picture, decoded
GRID = 10  # blocks a side, in the small picture of what differs
# Of 255: below it are the traces of another encoder or of smoothed edges, which nobody sees.
UNSEEN = 24
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
# What converts to four channels of eight bits without a loss; anything deeper could hide a difference.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_HEADS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")


def is_picture(content: bytes) -> bool:
    """Whether the first bytes are a picture's."""
    return content.startswith(_HEADS)


def compare_pictures(old: bytes, new: bytes) -> tuple[Change, Severity, str, str] | None:
    """How two different pictures differ, and what to show of each. None: at least one cannot be judged by its look.

    What is shown is sizes, hashes and a map of blocks: nothing that stood in a picture can be read from it.
    """
    one, other = _decoded(old), _decoded(new)
    # Of two formats the first bytes differ: whoever asked for a PNG cannot do with a JPEG, however it looks.
    if one is None or other is None or old[:2] != new[:2]:
        return None
    if one.size != other.size:
        return Change.SIZE, Severity.CONTENT, _described(one), _described(other)
    seen = map_of_blocks(one, other)
    if "#" not in seen:
        return Change.VALUE, Severity.COSMETIC, _described(one), _described(other)
    return Change.VALUE, Severity.CONTENT, f"{_described(one)} {seen}", f"{_described(other)} {seen}"


def map_of_blocks(one: "Image", other: "Image") -> str:
    """Rows of a grid from the top, `#` where a pixel differs visibly. The pictures are RGBA and of one size."""
    from PIL import ImageChops

    bands = ImageChops.difference(one, other).split()
    worst = bands[0]
    for band in bands[1:]:
        worst = ImageChops.lighter(worst, band)
    visible = worst.point(lambda level: 255 if level > UNSEEN else 0)
    width, height = visible.size
    across, down = min(GRID, width), min(GRID, height)
    return "/".join(
        "".join(
            "#"
            if visible.crop(
                (
                    column * width // across,
                    row * height // down,
                    (column + 1) * width // across,
                    (row + 1) * height // down,
                )
            ).getbbox()
            else "."
            for column in range(across)
        )
        for row in range(down)
    )


def look(picture: "Image") -> int:
    """A perceptual hash of 64 bits (dHash): whether each of 8 x 8 spots is brighter than the one to its left."""
    grey = picture.convert("L").resize((9, 8))
    levels = grey.tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (levels[row * 9 + column + 1] > levels[row * 9 + column])
    return bits


def _described(picture: "Image") -> str:
    return f"{picture.width}x{picture.height} look {look(picture):016x}"


def _decoded(content: bytes) -> "Image | None":
    from PIL import Image, ImageOps  # 50 ms to import, and most processes never see a picture

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a picture that is too big; the size is looked at below
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            # Of an animation only the first picture would be compared.
            if picture.width * picture.height > PIXELS or picture.mode not in _MODES or _frames(picture) != 1:
                return None
            upright = ImageOps.exif_transpose(picture)
            return upright.convert("RGBA")
    except Exception:
        # An edge: decoders raise whatever they like at bytes written by strangers. It is then no picture.
        return None


def _frames(picture: "Image") -> int:
    return int(getattr(picture, "n_frames", 1))
