"""Writes a ResNet with seeded random weights: NAME.mlir and NAME.safetensors.

    python generate.py OUT_DIR [--image-size 224] [--blocks 2,2,2,2] [--width 64]
                       [--classes 1000] [--seed 0] [--name resnet18]

The defaults are ResNet-18 with torchvision's shapes and names: 11.7 million
weights, 46.8 MB. Needs only numpy.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tosa  # noqa: E402


def windows(size, kernel, stride, pad):
    """Begin and end padding of one dimension.

    PyTorch pads both sides alike and drops what the last window does not
    reach. TOSA, and LLVM's verifier with it, wants size + padding - kernel to
    be a multiple of the stride. So the rows that no window reaches are taken
    from the end padding; for 224 that makes the 7x7/2 convolution 3 and 2,
    the 3x3/2 ones 1 and 0. An end of -1 means that the input itself must lose
    its last row: the 1x1/2 convolutions, which have no padding to give."""
    return pad, pad - (size + 2 * pad - kernel) % stride


class ResNet:
    """Builds the function. `power` maps a value to its mean square, estimated
    as if channels were independent; the batch-norm statistics follow it, so
    activations stay near 1 at any depth."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.f = tosa.Function()
        self.power = {}

    def normal(self, *shape, scale=1.0):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def uniform(self, low, high, count):
        return self.random.uniform(low, high, count).astype(np.float32)

    def conv(self, name, x, channels, kernel, stride):
        """He-normal weights, pad kernel // 2."""
        rows = windows(x.shape[1], kernel, stride, kernel // 2)
        columns = windows(x.shape[2], kernel, stride, kernel // 2)
        power = self.power[x.name]
        if min(rows[1], columns[1]) < 0:
            x = self.f.crop(f"{name}.cropped", x, x.shape[1] + min(0, rows[1]), x.shape[2] + min(0, columns[1]))
        pad = [max(0, n) for n in (*rows, *columns)]
        fan_in = kernel * kernel * x.shape[3]
        weight = self.normal(channels, kernel, kernel, x.shape[3], scale=(2 / fan_in) ** 0.5)
        weight = self.f.param(f"{name}.weight", weight)
        y = self.f.conv2d(name, x, weight, stride=stride, pad=pad)
        self.power[y.name] = 2 * power
        return y

    def batch_norm(self, name, x):
        channels, deviation = x.shape[3], self.power[x.name] ** 0.5
        y = self.f.batch_norm(
            name,
            x,
            gamma=self.uniform(0.8, 1.2, channels),
            beta=self.normal(channels, scale=0.1),
            mean=self.normal(channels, scale=0.1 * deviation),
            variance=self.uniform(0.8, 1.25, channels) * np.float32(deviation**2),
        )
        self.power[y.name] = 1.0
        return y

    def relu(self, name, x):
        y = self.f.relu(name, x)
        self.power[y.name] = self.power[x.name] / 2
        return y

    def block(self, name, x, channels, stride):
        y = self.conv(f"{name}.conv1", x, channels, 3, stride)
        y = self.relu(f"{name}.relu1", self.batch_norm(f"{name}.bn1", y))
        y = self.conv(f"{name}.conv2", y, channels, 3, 1)
        y = self.batch_norm(f"{name}.bn2", y)
        projected = stride != 1 or x.shape[3] != channels
        if projected:
            x = self.conv(f"{name}.downsample.0", x, channels, 1, stride)
            x = self.batch_norm(f"{name}.downsample.1", x)
        total = self.f.add(f"{name}.sum", y, x)
        self.power[total.name] = self.power[y.name] + self.power[x.name]
        result = self.relu(f"{name}.relu2", total)
        if not projected:  # x was not negative, so little is cut away
            self.power[result.name] = self.power[total.name]
        return result

    def build(self, image_size, blocks, width, classes):
        x = self.f.image([1, image_size, image_size, 3])
        self.power[x.name] = 1.0
        x = self.relu("relu", self.batch_norm("bn1", self.conv("conv1", x, width, 7, 2)))
        power = self.power[x.name]
        pad = windows(x.shape[1], 3, 2, 1)
        x = self.f.max_pool2d("maxpool", x, kernel=3, stride=2, pad=[*pad, *pad])
        self.power[x.name] = 5 * power  # of the largest of nine normals, against half a normal
        for stage, count in enumerate(blocks):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                x = self.block(f"layer{stage + 1}.{index}", x, width << stage, stride)
        x = self.f.global_avg_pool("avgpool", x)
        # The classifier is a 1x1 convolution: the batch stays in dimension 0.
        weight = self.f.param("fc.weight", self.normal(classes, 1, 1, x.shape[3], scale=x.shape[3] ** -0.5))
        x = self.f.conv2d("fc", x, weight, bias=self.f.param("fc.bias", self.normal(classes, scale=0.1)))
        return self.f.reshape("logits", x, [x.shape[0], classes])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to; made if absent")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--blocks", default="2,2,2,2", help="basic blocks of each stage; a stage doubles the channels")
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="resnet18", help="stem of the two files")
    options = parser.parse_args()
    blocks = [int(n) for n in options.blocks.split(",")]
    net = ResNet(options.seed)
    logits = net.build(options.image_size, blocks, options.width, options.classes)
    options.out.mkdir(parents=True, exist_ok=True)
    comment = (
        f"ResNet with random weights (seed {options.seed}), written by generate.py:\n"
        f"blocks {options.blocks}, width {options.width}, {options.image_size}x{options.image_size} images.\n"
        f"The tensors are in {options.name}.safetensors."
    )
    net.f.write(options.out / options.name, logits, comment)
    print(f"{options.name}: {len(net.f.params)} tensors, {sum(p.size for p in net.f.params.values()):,} values")


if __name__ == "__main__":
    main()
