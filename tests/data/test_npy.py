"""Images in .npy files: shapes, dtypes, byte orders, the range rule, and headers that lie."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from handloom.data import read_npy_images
from handloom.errors import DataError, ShapeError


@pytest.fixture
def pictures(rng) -> np.ndarray:
    return rng.integers(0, 256, (6, 4, 4), np.uint8)


@pytest.fixture
def read(tmp_path):
    def save_and_read(array: np.ndarray, **options) -> np.ndarray:
        np.save(tmp_path / "x.npy", array, **options)
        return read_npy_images(tmp_path / "x.npy")

    return save_and_read


def npy_bytes(header: str, body: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin-1") + body


def header(descr: str = "'|u1'", order: str = "False", shape: str = "(1, 2, 2)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("shape", [(6, 16), (6, 4, 4), (6, 4, 4, 1)])
def test_grey_pictures_of_every_shape(read, pictures, shape):
    images = read(pictures.reshape(shape))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, pictures)


def test_colours_move_to_the_front(read, rng):
    array = rng.integers(0, 256, (3, 4, 5, 3), np.uint8)
    np.testing.assert_array_equal(read(array), np.moveaxis(array, -1, 1))


@pytest.mark.parametrize(
    "dtype", ["<u2", ">u2", "<i4", ">i8", "u1", "<f2", ">f4", "<f8", ">f8", "<u8"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_width_byte_order_and_memory_order(read, pictures, dtype, order):
    np.testing.assert_array_equal(read(np.array(pictures, dtype, order=order)), pictures)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version(tmp_path, pictures, version):
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, pictures, version=version)
    np.testing.assert_array_equal(read_npy_images(tmp_path / "x.npy"), pictures)


def test_the_header_of_another_writer(tmp_path):
    text = "{'shape':(1,2,2),'fortran_order':False,'descr':'<f4'}"
    body = np.arange(4, dtype="<f4").tobytes()
    (tmp_path / "x.npy").write_bytes(npy_bytes(text, body))
    assert read_npy_images(tmp_path / "x.npy").tolist() == [[[0, 1], [2, 3]]]


def test_floats_up_to_one_are_scaled_and_rounded(read):
    values = np.array([[0.0, 0.001, 0.5, 1.0]], np.float32)
    assert read(values).tolist() == [[[0, 0], [128, 255]]]  # 0.255 -> 0, 127.5 -> the even 128


def test_floats_beyond_one_are_0_to_255(read):
    values = np.array([[0.0, 0.6, 1.001, 254.6]], np.float32)
    assert read(values).tolist() == [[[0, 1], [1, 255]]]


def test_the_range_is_judged_over_the_whole_file(read):
    values = np.zeros((3000, 2500), np.float32)  # more than one block
    values[0, 0], values[-1, -1] = 0.9, 200.0
    images = read(values)
    assert images[0, 0, 0] == 1
    assert images[-1, -1, -1] == 200


def test_integers_are_never_scaled_and_black_stays_black(read):
    assert read(np.ones((1, 4), np.int64)).max() == 1
    assert read(np.zeros((2, 4))).tolist() == np.zeros((2, 2, 2)).tolist()


@pytest.mark.parametrize(
    ("bad", "dtype"),
    [
        (np.nan, "f4"),
        (np.inf, "f8"),
        (-0.1, "f4"),
        (255.5, "f2"),
        (256, "u2"),
        (-1, "i1"),
        (300, "i8"),
    ],
)
def test_the_first_value_outside_the_range_is_named(read, bad, dtype):
    values = np.zeros((5, 3, 3), dtype)
    values[3, 1, 2] = bad
    values[4, 0, 0] = bad
    with pytest.raises(DataError, match=r"x\.npy: row 3, pixel \(1, 2\) is .*0\.\.1 \(when no"):
        read(values)


def test_the_row_is_counted_from_the_start_of_the_file(read):
    values = np.zeros((3000, 2500), np.float32)
    values[2999, 51] = np.nan
    with pytest.raises(DataError, match=r"row 2999, pixel \(1, 1\) is nan"):
        read(values)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 783), r"rows of 783 pixels, which is not a square image \(27² = 729, 28² = 784\)"),
        ((2, 785), r"rows of 785 pixels"),
        ((784,), r"has the shape \(784,\); images are"),
        (
            (2, 3, 5, 5),
            r"four axes have to be \(N, H, W, C\) with C = 1, 3 or 4; move the channels",
        ),
        ((2, 5, 5, 2), r"C = 1, 3 or 4$"),
        ((1, 1, 1, 1, 1), r"has the shape \(1, 1, 1, 1, 1\)"),
    ],
)
def test_shapes_that_are_no_pictures(read, shape, message):
    with pytest.raises(ShapeError, match=message):
        read(np.zeros(shape, np.uint8))


def test_an_empty_array(read):
    with pytest.raises(DataError, match=r"is empty: its shape is \(0, 28, 28\)"):
        read(np.zeros((0, 28, 28), np.uint8))


@pytest.mark.parametrize(
    ("shape", "body"),
    [("0, 9999999999, 9999999999", b""), ("1, " * 70, b"x")],
    ids=["large", "many"],
)
def test_axes_that_no_array_can_have(tmp_path, shape, body):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape})}}"
    (tmp_path / "x.npy").write_bytes(npy_bytes(header, body))
    with pytest.raises(DataError, match=r"is empty: it declares 0 × 99|with the impossible shape"):
        read_npy_images(tmp_path / "x.npy", allow_empty=True)


def test_objects_are_refused_unread(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was run",))

    np.save(tmp_path / "x.npy", np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(DataError, match="contains Python objects, which only pickle could read"):
        read_npy_images(tmp_path / "x.npy")


def test_structures_are_refused(read):
    with pytest.raises(DataError, match="contains records with several fields"):
        read(np.zeros(3, [("a", "<f4"), ("b", "u1")]))


@pytest.mark.parametrize("dtype", ["c8", "?", "U3", "M8[s]"])
def test_other_types_are_named(read, dtype):
    with pytest.raises(DataError, match=r"contains values of type '.*'; save the images as uint8"):
        read(np.zeros((1, 2, 2), dtype))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a .npy file"),
        (b"\x89PNG\r\n\x1a\n", "is not a .npy file; it looks like a PNG image"),
        (b"PK\3\4 an npz", "it looks like a zip archive"),
        (npy_bytes(header(), version=(9, 1)), r"has the .npy version \(9, 1\)"),
        (npy_bytes(header(shape="(1, 2, 3)"), b"12345"), "1 × 2 × 3 values of uint8, 6 bytes, but "
         "holds 5 after its header"),
        (npy_bytes(header(), b"12345"), "4 bytes, but holds 5"),
        (b"\x93NUMPY\1\0\xff\x00{'descr'", "ends within its header"),
        (b"\x93NUMPY\2\0\x00\x00\xa0\x00{", "declares a header of 10485760 bytes"),
        (npy_bytes("__import__('os').abort()"), "a header that is not a .npy header: .__import__"),
        (npy_bytes("(" * 9000), "not a .npy header"),
        (npy_bytes("{'descr': '|u1', 'descr': '|u1', 'shape': (1,)}"), "not a .npy header"),
        (npy_bytes(header().replace("False,", "False ")), "not a .npy header"),
        (npy_bytes(header(shape="(-1, 2, 2)")), "not a .npy header"),
        (npy_bytes(header(shape="(, 2)")), r"the impossible shape \(, 2\)"),
        (npy_bytes(header(shape=f"({'9' * 5000},)")), "the impossible shape"),
    ],
    ids=lambda value: ascii(value)[:30],
)  # fmt: skip
def test_files_that_lie(tmp_path, data, message):
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_npy_images(tmp_path / "x.npy")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_small_file_cannot_ask_for_much_memory(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy_bytes(header("'<f8'", shape="(4294967296,)")))
    (tmp_path / "y.npy").write_bytes(npy_bytes(header("'<f8'", shape="(134217728, 2)")))
    tracemalloc.start()
    with pytest.raises(DataError, match="34,359,738,368 bytes; at most"):
        read_npy_images(tmp_path / "x.npy")
    with pytest.raises(DataError, match="2147483648 bytes, but holds 0"):
        read_npy_images(tmp_path / "y.npy")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
