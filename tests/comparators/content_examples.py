"""Pictures and archives, made."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping

from PIL import Image

from crossfade.comparison import Change, Severity

Named = set[tuple[str, Change, Severity]]


def drawn(size: tuple[int, int] = (200, 100), mode: str = "RGB") -> Image.Image:
    """A picture with something on it everywhere."""
    width, height = size
    picture = Image.new(mode, size)
    for x in range(width):
        for y in range(0, height, 2):
            picture.putpixel((x, y), (x * 255 // width, y * 255 // height, (x + y) % 256))
    return picture


def with_block(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The picture with a block of it inverted in colour."""
    changed = picture.copy()
    changed.paste(tuple(255 - level for level in changed.getpixel((box[0], box[1]))), box)
    return changed


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def answer(picture: bytes, **more: object) -> bytes:
    """What the browser's API prints."""
    return json.dumps({"success": True, "screenshot_base64": base64.b64encode(picture).decode(), **more}).encode()


def tarred(files: Mapping[str, bytes], *, mtime: int = 0, mode: int = 0o644) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(body), mtime, mode
            archive.addfile(entry, io.BytesIO(body))
    return file.getvalue()


def gzipped(content: bytes, *, mtime: int = 0, level: int = 9) -> bytes:
    return gzip.compress(content, level, mtime=mtime)


def zipped(files: Mapping[str, bytes], *, year: int = 2020) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), body)
    return file.getvalue()
