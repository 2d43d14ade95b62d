"""One image file: every kind of PNG, JPEG, BMP and GIF, against Pillow; and what is refused."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from handloom.data import read_picture
from handloom.errors import DataError


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_declaring(width: int, height: int) -> bytes:
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = zlib.compress(bytes(100))
    chunks = (png_chunk(b"IHDR", ihdr), png_chunk(b"IDAT", idat), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def grey(rng) -> np.ndarray:
    return rng.integers(0, 256, (9, 7), np.uint8)


@pytest.fixture
def read(tmp_path):
    def write_and_read(data: bytes, **options) -> np.ndarray:
        (tmp_path / "x.img").write_bytes(data)
        return read_picture(tmp_path / "x.img", **options)

    return write_and_read


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_lossless_grey_pictures_are_exact(read, grey, kind):
    picture = read(encoded(Image.fromarray(grey), kind))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, grey)


def test_a_jpeg_is_near_what_pillow_sees(read):
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
    data = encoded(Image.fromarray(smooth), "JPEG")
    seen = np.asarray(Image.open(io.BytesIO(data)), int)
    assert np.abs(read(data).astype(int) - seen).max() <= 2


def test_colours_come_as_red_green_blue_planes(read, rng):
    colour = rng.integers(0, 256, (5, 6, 3), np.uint8)
    data = encoded(Image.fromarray(colour))
    np.testing.assert_array_equal(read(data, mode="RGB"), colour.transpose(2, 0, 1))
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read(data) - luma).max() <= 1


def test_a_grey_picture_in_colour_mode_has_three_equal_planes(read, grey):
    planes = read(encoded(Image.fromarray(grey)), mode="RGB")
    np.testing.assert_array_equal(planes, np.stack([grey] * 3))


def test_16_bits_keep_the_upper_8(read):
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    assert read(encoded(Image.fromarray(deep))).tolist() == [[0, 0, 1, 255]]


def test_palettes_and_single_bits_are_looked_up(read, grey):
    bits = Image.fromarray(grey).convert("1")
    np.testing.assert_array_equal(read(encoded(bits)), np.asarray(bits, np.uint8) * 255)
    palette = Image.fromarray(grey).convert("P")
    np.testing.assert_array_equal(read(encoded(palette)), grey)


def test_transparent_pictures_are_laid_on_white(read):
    ink = np.zeros((1, 3, 4), np.uint8)  # black everywhere, seen only where alpha is
    ink[0, :, 3] = [0, 255, 51]
    data = encoded(Image.fromarray(ink))
    assert read(data).tolist() == [[255, 0, 204]]
    assert read(data, mode="RGB").shape == (3, 1, 3)


def test_cmyk_and_animations_are_read(read, grey):
    cmyk = Image.fromarray(np.full((8, 8, 3), 128, np.uint8)).convert("CMYK")
    assert np.abs(read(encoded(cmyk, "JPEG")).astype(int) - 128).max() < 8
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read(animation), grey)


def test_the_note_of_a_camera_turns_the_picture(read):
    half = np.zeros((16, 24), np.uint8)
    half[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    picture = read(encoded(Image.fromarray(half), "JPEG", exif=exif))
    assert picture.shape == (24, 16)
    assert picture[:, -4:].min() > 200
    assert picture[:, :4].max() < 50


def test_a_single_pixel_is_a_picture(read):
    assert read(encoded(Image.new("L", (1, 1), 7))).tolist() == [[7]]


def test_stretching(read):
    blocks = np.kron(np.array([[0, 200], [100, 50]], np.uint8), np.ones((4, 4), np.uint8))
    data = encoded(Image.fromarray(blocks))
    assert read(data, size=(2, 2)).tolist() == [[0, 200], [100, 50]]  # areas, averaged
    assert read(data, size=(28, 14)).shape == (28, 14)
    assert read(data, size=(28, 14), mode="RGB").shape == (3, 28, 14)
    np.testing.assert_array_equal(read(data, size=(8, 8)), blocks)


@pytest.mark.parametrize("width_height", [(20_000, 20_000), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_too_many_or_no_pixels_are_refused_before_decoding(read, width_height):
    width, height = width_height
    gif = b"GIF89a" + struct.pack("<HHBBB", min(width, 60_000), min(height, 60_000), 0, 0, 0)
    bmp = b"BM" + bytes(12) + struct.pack("<Iii", 40, width, -height) + bytes(32)
    sof = struct.pack(">BHH", 8, min(height, 60_000), min(width, 60_000)) + b"\x01\x01\x11\x00"
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">H", len(sof) + 2) + sof + b"\xff\xd9"
    tracemalloc.start()
    started = time.perf_counter()
    for data in (png_declaring(width, height), bmp, gif, jpeg):
        with pytest.raises(
            DataError, match=r"x\.img is \d+ × \d+ pixels; images of 1 to 16,777,216"
        ):
            read(data)
    assert time.perf_counter() - started < 1
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_damaged_pictures_say_what_is_wrong(read, grey, capfd):
    png = encoded(Image.fromarray(grey))
    flipped = bytearray(png)
    flipped[45] ^= 0xFF
    jpeg = encoded(Image.fromarray(grey), "JPEG")
    for data, message in [
        (png[:-20], "incomplete or damaged image: it ends too early"),
        (png[:10], "it ends too early"),
        (bytes(flipped), "its 'IDAT' chunk fails the checksum"),
        (png_declaring(300, 300), "it cannot be decoded"),
        (jpeg[:-40], "it ends too early"),
        (jpeg[:4] + b"\0\0" + jpeg[6:], "its segments do not follow each other"),
        (encoded(Image.fromarray(grey), "BMP")[:-9], "it cannot be decoded"),
        (encoded(Image.fromarray(grey), "GIF")[:-9], "it cannot be decoded"),
        (b"BM", "it ends too early"),
    ]:
        with pytest.raises(
            DataError,
            match=f"x.img is an incomplete or damaged image.*{message}|x.img is an {message}",
        ):
            read(data)
    assert "OpenCV" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "image$"),
        (b"<svg>", "a web page"),
        (b"RIFF....WEBP", "image$"),
        (b"\x80\x04x", "pickle"),
    ],
)
def test_other_formats_are_refused(read, data, found):
    with pytest.raises(DataError, match=f"is not a PNG, JPEG, BMP or GIF image.*{found}|{found}"):
        read(data)
