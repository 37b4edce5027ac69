"""Trains the two digit classifiers and writes every file of this folder.

    python make.py [--out DIR] [--only cnn|mlp] [--data-only]

Needs torch, scikit-learn and numpy; about one minute on one core. Same
seed and same versions give the same files.

The shipped weights are float, but close to ternary: they come out of stage 1
of HLA (arXiv 2212.12649). Every layer that the compiler will cut holds
w = v / sqrt(|v|^2 + 1e-4) per output channel, and the loss has the term
L_d = mean_j (1 - w_j . q_j)^2, where q is w cut at the threshold T(t), while
t, the share of zeros, climbs from 0.3 to 0.7. The forward pass stays float
throughout. L_d is of fourth order in the distance, so it loses its grip as w
nears q, and a few percent of distance still cost accuracy. Two phases follow
that are not the paper's: "last" raises the weight of L_d at t = 0.7, "settle"
moves these layers by L_d alone while the rest goes on learning.
"""

import argparse
import json
import math
import platform
import sys
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tosa  # noqa: E402

SEED = 0
SPARSITY = 0.7  # share of zeros at which the compiler cuts by default
STEPS = [0.3 + 0.04 * i for i in range(11)]  # t of stage 1
EPOCHS = {"float": 30, "step": 6, "last": 60, "settle": 40}  # "step": for each t
LAMBDA = {"step": 3.0, "last": 1000.0}  # weight of L_d


# Data.


def load():
    """1,797 images of 8x8 with values 0..1, split 1,347 / 450, equal shares of each digit."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    parts = train_test_split(images, digits.target, test_size=450, stratify=digits.target, random_state=SEED)
    return [torch.tensor(part) for part in parts]  # train x, test x, train y, test y


def jitter(x, generator):
    """Turns, scales and shifts each image a little: +-0.2 rad, +-10 %, +-1 pixel."""
    turn, zoom, *shift = [2 * torch.rand(len(x), generator=generator) - 1 for _ in range(4)]
    zoom, turn = 1 + 0.1 * zoom, 0.2 * turn
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    dx, dy = [0.25 * s for s in shift]
    matrix = torch.stack([cos, -sin, dx, sin, cos, dy], 1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(matrix, x.shape, align_corners=False), align_corners=False)


# Weights on the sphere, and the cut.


def per_channel(values, like):
    return values.view(-1, *[1] * (like.dim() - 1))


def threshold(w, t):
    """T(t): the floor(t * size)-th smallest magnitude of the layer."""
    magnitudes = w.abs().flatten()
    return magnitudes.kthvalue(max(1, math.floor(t * len(magnitudes)))).values


def ternary(w, t, scale="norm"):
    """w cut to {-a, 0, +a}, one a per output channel.

    scale "norm" keeps the length of unit channels, a = 1/sqrt(non-zeros);
    "mean" is the least-squares one, a = mean |w| over the kept entries."""
    size = w.abs().flatten(1)
    keep = size > threshold(w, t)
    keep |= (keep.sum(1, keepdim=True) == 0) & (size == size.amax(1, keepdim=True))
    count = keep.sum(1)
    a = count.rsqrt() if scale == "norm" else (size * keep).sum(1) / count
    return w.sign() * keep.view_as(w) * per_channel(a, w)


class Sphere(nn.Module):
    """A convolution (3x3, pad 1) or a linear layer, without bias, with unit output channels."""

    def __init__(self, *shape, stride=1):
        super().__init__()
        self.v = nn.Parameter(F.normalize(torch.randn(shape).flatten(1)).view(shape))
        self.stride = stride
        self.fixed = None
        self.settling = False

    @property
    def weight(self):
        if self.fixed is not None:
            return self.fixed
        return self.v / per_channel((self.v.flatten(1).square().sum(1) + 1e-4).sqrt(), self.v)

    def forward(self, x):
        w = self.weight.detach() if self.settling else self.weight
        return F.linear(x, w) if w.dim() == 2 else F.conv2d(x, w, stride=self.stride, padding=1)

    def cosines(self, t):
        w = self.weight
        return (w * ternary(w.detach(), t)).flatten(1).sum(1)


def spheres(net):
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, Sphere)}


# The two networks. The compiler leaves the first convolution and the last
# classifier in float, so these are ordinary layers.


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = Sphere(32, 16, 3, 3), nn.BatchNorm2d(32)
        self.conv3, self.bn3 = Sphere(32, 32, 3, 3), nn.BatchNorm2d(32)
        self.conv4, self.bn4 = Sphere(64, 32, 3, 3, stride=2), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.relu(self.bn3(self.conv3(x)) + x)
        x = F.relu(self.bn4(self.conv4(x)))
        return self.fc(x.mean((2, 3)))

    def emit(self, f):
        """The last layer is a 1x1 convolution, as TFLite's converter writes it:
        the batch stays in dimension 0 throughout."""

        def conv(name, x, **window):
            layer, norm = getattr(self, name), name.replace("conv", "bn")
            weight = f.param(f"{name}.weight", layer.weight.detach().permute(0, 2, 3, 1).numpy())
            return batch_norm(f, self, norm, f.conv2d(name, x, weight, **window))

        x = f.image([1, 8, 8, 1])
        x = f.relu("relu1", conv("conv1", x, pad=(1, 1, 1, 1)))
        x = f.relu("relu2", conv("conv2", x, pad=(1, 1, 1, 1)))
        x = f.max_pool2d("pool", x, kernel=2, stride=2)
        x = f.relu("relu3", f.add("sum3", conv("conv3", x, pad=(1, 1, 1, 1)), x))
        # Stride 2 on 4x4 never reaches PyTorch's last row of padding, and TOSA
        # refuses padding that is not reached.
        x = f.relu("relu4", conv("conv4", x, stride=2, pad=(1, 0, 1, 0)))
        x = f.global_avg_pool("mean", x)
        weight = f.param("fc.weight", self.fc.weight.detach().numpy()[:, None, None])
        x = f.conv2d("fc", x, weight, bias=f.param("fc.bias", self.fc.bias.detach().numpy()))
        return f.reshape("logits", x, [x.shape[0], 10])


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.bn1 = Sphere(128, 64), nn.BatchNorm1d(128)
        self.fc2, self.bn2 = Sphere(128, 128), nn.BatchNorm1d(128)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.fc1(x.flatten(1))))
        x = F.relu(self.bn2(self.fc2(x)))
        return self.fc3(x)

    def emit(self, f):
        """Linear layers as PyTorch's exporters write them: rank-3 matmul with
        the batch as rows, in dimension 1, where the -1 keeps it open."""

        def linear(name, x):
            weight = getattr(self, name).weight.detach().numpy().T[None]
            return f.matmul(name, x, f.param(f"{name}.weight", weight))

        x = f.reshape("rows", f.image([1, 8, 8, 1]), [1, -1, 64])
        x = f.relu("relu1", batch_norm(f, self, "bn1", linear("fc1", x)))
        x = f.relu("relu2", batch_norm(f, self, "bn2", linear("fc2", x)))
        x = f.add("biased", linear("fc3", x), f.param("fc3.bias", self.fc3.bias.detach().numpy()[None, None]))
        return f.reshape("logits", x, [-1, 10])


def batch_norm(f, net, name, x):
    norm = getattr(net, name)
    vectors = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
    return f.batch_norm(name, x, *[v.detach().numpy() for v in vectors], eps=norm.eps)


# Training.


def train(net, x, y, generator):
    layers = spheres(net).values()

    def run(epochs, t, weights, rates):
        """One cosine of the learning rate; the weight of L_d grows geometrically over the first half."""
        optimizer = torch.optim.SGD(net.parameters(), lr=rates[0], momentum=0.9, weight_decay=1e-4)
        for epoch in range(epochs):
            done = epoch / epochs
            rate = rates[1] + (rates[0] - rates[1]) * (1 + math.cos(math.pi * done)) / 2
            optimizer.param_groups[0]["lr"] = rate
            weight = weights and weights[0] * (weights[1] / weights[0]) ** min(1, 2 * done)
            for batch in torch.randperm(len(x), generator=generator)[: len(x) // 64 * 64].split(64):
                scores = net(jitter(x[batch], generator))
                loss = F.cross_entropy(scores, y[batch], label_smoothing=0.05)
                if weight:
                    loss = loss + weight * sum((1 - layer.cosines(t)).square().mean() for layer in layers)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    net.train()
    run(EPOCHS["float"], None, None, (0.05, 0.01))
    for t in STEPS:
        run(EPOCHS["step"], t, [LAMBDA["step"]] * 2, (0.025, 0.025))
    run(EPOCHS["last"], SPARSITY, [LAMBDA["step"], LAMBDA["last"]], (0.025, 0.005))
    for layer in layers:
        layer.settling = True
    run(EPOCHS["settle"], SPARSITY, [LAMBDA["last"]] * 2, (0.025, 1e-4))
    net.eval()


@torch.no_grad()
def accuracy(net, x, y):
    return round(100 * (net(x).argmax(1) == y).float().mean().item(), 2)


@torch.no_grad()
def report(net, x, y):
    """Accuracy of the float net, and of the net cut as the compiler cuts it
    (per-layer T(0.7); batch norm keeps the statistics of the float net)."""
    layers = spheres(net)
    for layer in layers.values():
        layer.fixed = layer.weight.clone()
    result = {
        "float_accuracy": accuracy(net, x, y),
        "sparsity": SPARSITY,
        "cut_layers": {
            name: {
                "threshold": round(threshold(layer.fixed, SPARSITY).item(), 6),
                "cosine": round(layer.cosines(SPARSITY).mean().item(), 5),
            }
            for name, layer in layers.items()
        },
        "cut_accuracy": {},
    }
    for scale in ["norm", "mean"]:
        weights = {name: layer.fixed for name, layer in layers.items()}
        for layer in layers.values():
            layer.fixed = ternary(layer.fixed, SPARSITY, scale)
        result["cut_accuracy"][scale] = accuracy(net, x, y)
        for name, layer in layers.items():
            layer.fixed = weights[name]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--only", choices=["cnn", "mlp"])
    parser.add_argument("--data-only", action="store_true", help="write the images and labels, train nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_x, test_x, train_y, test_y = load()
    options.out.mkdir(parents=True, exist_ok=True)
    for part, images, labels in [("train", train_x, train_y), ("test", test_x, test_y)]:
        np.save(options.out / f"{part}-images.npy", images.permute(0, 2, 3, 1).contiguous().numpy())
        np.save(options.out / f"{part}-labels.npy", labels.numpy())
    if options.data_only:
        return

    log = options.out / "train.json"
    results = json.loads(log.read_text()) if log.exists() else {}
    results["versions"] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }
    for name, kind in {"cnn": Cnn, "mlp": Mlp}.items():
        if options.only not in (None, name):
            continue
        torch.manual_seed(SEED)
        net = kind()
        train(net, train_x, train_y, torch.Generator().manual_seed(SEED))
        results[name] = report(net, test_x, test_y)
        print(name, json.dumps(results[name], indent=2))
        with torch.no_grad():
            np.save(options.out / f"expected-{name}.npy", net(test_x).numpy())
        function = tosa.Function()
        comment = f"Digit classifier `{name}`, written by make.py; the trained tensors are in {name}.safetensors."
        function.write(options.out / name, net.emit(function), comment)
    log.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
