"""The whole classifier as the text of a Python file that needs PyTorch and safetensors alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from handloom import __version__
from handloom.exchange.portable import PortableClassifier
from handloom.exchange.torch.code import INDENT, WIDTH
from handloom.exchange.torch.network import spell

HEAD = '''\
"""{title}

Written by Handloom {version}. Its weights are in {weights}, beside this file;
It needs only PyTorch and safetensors.

    from {module} import CLASS_NAMES, load

    classifier = load()
    scores = classifier(pictures)  # uint8 ({shape}) -> ({scores})

On the command line, to print the class of each image in such an array:

    python {module}.py pictures.npy
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("{weights}")
'''

CLASSIFIER = '''\
class Classifier(nn.Module):
    """Images ({shape}), 0..255 -> scores ({scores})."""

    def __init__(self) -> None:
        super().__init__()
{network}

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(normalise(pictures))


def load(weights: str | Path = WEIGHTS) -> Classifier:
    """The trained classifier, in evaluation mode, on the CPU."""
    classifier = Classifier()
    classifier.network.load_state_dict(load_file(weights))
    return classifier.eval()


def main() -> None:
    """Print the class of each image in a .npy file."""
    pictures = torch.from_numpy(np.load(sys.argv[1]))
    with torch.inference_mode():
        scores = load()(pictures.reshape(-1, {sizes}))
    for class_id in scores.argmax(dim=1).tolist():
        print(CLASS_NAMES[class_id])


if __name__ == "__main__":
    main()
'''

NORMALISE = {
    "scale": '''\
def normalise(pictures: Tensor) -> Tensor:
    """Pixels 0..255 -> 0..1."""
    return pictures.float() / 255
''',
    "standard": '''\
def normalise(pictures: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 in each channel, over the training images."""
    mean, std = (
        torch.tensor(values, device=pictures.device)[:, None, None]
        for values in (MEAN, STD)
    )
    return (pictures.float() / 255 - mean) / std
''',
    "per-picture": '''\
def normalise(pictures: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 in each image; zeros where all of its pixels are equal."""
    pixels = pictures.float()
    centred = pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)
    std = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / torch.where(std > 0, std, 1)
''',
}


def module_source(classifier: PortableClassifier, module: str, weights: str) -> str:
    """The file's text; `module` is its name without .py, `weights` that of the file beside it.

    The text is as ruff would format it. Raises ConfigError for a layer without a spelling.
    """
    channels, height, width = classifier.image_shape
    words = {
        "title": _title(classifier),
        "version": __version__,
        "module": module,
        "weights": weights,
        "sizes": f"{channels}, {height}, {width}",
        "shape": f"N, {channels}, {height}, {width}",
        "scores": f"N, {len(classifier.class_names)}",
    }
    network = spell(classifier.network)
    made = "\n".join(network.call.lines(2 * INDENT, before="self.network = "))
    sections = [
        HEAD.format(**words) + "".join(_constants(classifier)),
        *network.definitions,
        NORMALISE[classifier.normalisation.kind],
        CLASSIFIER.format(**words, network=made),
    ]
    return "\n\n".join(sections)


def _title(classifier: PortableClassifier) -> str:
    """The first line, in which no name of a folder can end the docstring."""
    channels, height, width = classifier.image_shape
    name = re.sub(r"[^\w .-]", "_", classifier.name)
    return f"{name}: a classifier of images with {channels} × {height} × {width} pixels."


def _constants(classifier: PortableClassifier) -> Iterator[str]:
    """What the functions of the file look up."""
    yield from _tuple("CLASS_NAMES", [_quoted(name) for name in classifier.class_names])
    normalisation = classifier.normalisation
    if normalisation.kind == "standard":
        yield from _tuple("MEAN", list(map(repr, normalisation.mean)))
        yield from _tuple("STD", list(map(repr, normalisation.std)))


def _tuple(name: str, items: list[str]) -> Iterator[str]:
    """An assignment, on one line if it fits, else an item a line."""
    whole = f"{name} = ({', '.join(items)}{',' if len(items) == 1 else ''})\n"
    if len(whole) <= WIDTH + 1:
        yield whole
    else:
        yield from (f"{name} = (\n", *(f"{INDENT}{item},\n" for item in items), ")\n")


def _quoted(text: str) -> str:
    """A string in double quotes, as formatters prefer it; what JSON escapes, Python reads."""
    return json.dumps(text, ensure_ascii=False)
