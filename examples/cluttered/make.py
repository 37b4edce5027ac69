"""Writes resnet8.mlir, the network of this folder.

    python make.py [--out DIR]

Needs only numpy. The file holds no weights: `hlac train` begins with random
ones. Every parameter is an argument with its name in `hla.param`; batch norm
is in its inference form, which `hlac train` turns into the training form.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tosa  # noqa: E402

WIDTHS = [8, 16, 32, 64]  # channels after the first convolution and after each block
COMMENT = """ResNet-8 for examples/cluttered, written by make.py: a first convolution, three residual
blocks that halve the image, a classifier; 76,674 parameters of batch norm, convolutions and classifier."""


def conv(f, name, x, channels, kernel, norm, stride=1):
    """Convolution without bias, then batch norm."""
    weight = f.param(f"{name}.weight", np.zeros([channels, kernel, kernel, x.shape[3]]))
    # A 3x3 window with stride 2 never reaches a last row of padding, and TOSA
    # refuses padding that is not reached.
    before, after = (kernel - 1) // 2, (kernel - stride) // 2
    x = f.conv2d(name, x, weight, stride=stride, pad=(before, after, before, after))
    return f.batch_norm(norm, x, *[np.zeros(channels)] * 4)


def block(f, name, x, channels):
    """Two 3x3 convolutions beside an average of 2x2 and a 1x1 convolution."""
    y = f.relu(f"{name}.relu1", conv(f, f"{name}.conv1", x, channels, 3, f"{name}.bn1", stride=2))
    y = conv(f, f"{name}.conv2", y, channels, 3, f"{name}.bn2")
    x = f.avg_pool2d(f"{name}.half", x, kernel=2, stride=2)
    x = conv(f, f"{name}.shortcut", x, channels, 1, f"{name}.bn3")
    return f.relu(f"{name}.relu2", f.add(f"{name}.sum", y, x))


def network(f):
    x = f.relu("relu1", conv(f, "conv1", f.image([1, 32, 32, 1]), WIDTHS[0], 3, "bn1", stride=2))
    for number, channels in enumerate(WIDTHS[1:], 1):
        x = block(f, f"block{number}", x, channels)
    x = f.global_avg_pool("mean", x)
    # The classifier is a 1x1 convolution, so that the batch stays in dimension 0.
    weight = f.param("fc.weight", np.zeros([10, 1, 1, WIDTHS[-1]]))
    x = f.conv2d("fc", x, weight, bias=f.param("fc.bias", np.zeros(10)))
    return f.reshape("logits", x, [-1, 10])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    function = tosa.Function()
    text = function.text(network(function), COMMENT)
    (parser.parse_args().out / "resnet8.mlir").write_text(text)


if __name__ == "__main__":
    main()
