"""Generated images in the files of real data sets: each class is a pattern of large squares under noise."""

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def images(number: int, shape: tuple[int, ...], *, seed: int) -> tuple[Bytes, Bytes]:
    """`number` images of bytes and their classes, 0 to 9 in turn; classes look alike whatever the seed."""
    squares = np.random.default_rng(0).integers(0, 156, (10, *shape[:-2], 4, 4))
    side = shape[-1] // 4
    patterns = squares.repeat(side, axis=-1).repeat(side, axis=-2)
    classes = np.arange(number, dtype=np.uint8) % 10
    noise = np.random.default_rng(seed).integers(0, 100, (number, *shape))
    return (patterns[classes] + noise).astype(np.uint8), classes


def idx(array: Bytes) -> bytes:
    """The content of an IDX file of bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_fashion_mnist(folder: Path, *, gzipped: bool = True) -> None:
    """600 training and 200 test images in the four files."""
    folder.mkdir(parents=True)
    arrays = (*images(600, (28, 28), seed=1), *images(200, (28, 28), seed=2))
    for name, array in zip(IDX_FILES, arrays, strict=True):
        content = idx(array)
        if gzipped:
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{name}-ubyte").write_bytes(content)


def write_cifar10(folder: Path) -> None:
    """100 training images in the five batches and 100 test images."""
    folder.mkdir(parents=True)
    pixels, classes = images(100, (3, 32, 32), seed=1)
    for number in range(5):
        part = slice(20 * number, 20 * number + 20)
        write_batch(folder / f"data_batch_{number + 1}", pixels[part], classes[part])
    write_batch(folder / "test_batch", *images(100, (3, 32, 32), seed=2))


def write_batch(file: Path, pixels: Bytes, classes: Bytes) -> None:
    """One batch file as Python 2 and its numpy pickled it."""
    with file.open("wb") as stream:
        Python2Pickler(stream, protocol=2).dump(
            {b"batch_label": b"generated", b"data": pixels.reshape(-1, 3072), b"labels": classes.tolist()}
        )


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]  # the pure Python one can be changed
    """Writes bytes as Python 2's str, and numpy's functions, dtypes and flags as the numpy of its day did."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, value: bytes) -> None:
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes

    def save_global(self, value: Any, name: str | None = None) -> None:
        if value is np.empty(0).__reduce__()[0]:
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")
            self.memoize(value)
        else:
            super().save_global(value, name)

    dispatch[type(np.empty(0).__reduce__()[0])] = save_global

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.dtype):
            return np.dtype, (value.str[1:].encode(), 0, 1), (3, b"|", None, None, None, -1, -1, 0)
        return NotImplemented
