"""One run of the search for settings, in PyTorch: the method of `hlac train`, written a second time.

    python search.py --data out --quantizer hla --lambda 0.1 --threshold-start 0.8

Prints a line of JSON. Needs torch, numpy and the data that `cargo run -p
cluttered -- out` writes. Every run trains float weights first; --weights
keeps them in a file (made if there is none), so that runs share them. One
thread, about three seconds an epoch of 20,000 images.
"""

import argparse
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))
from train_peer import WIDTHS, per_channel, ternary  # noqa: E402

EPSILON = 1e-4


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--images", type=int, default=20_000, help="the first so many training images")
    add("--weights", type=Path, help="float weights: read, or trained and written")
    add("--seed", type=int, default=0)
    add("--batch", type=int, default=128)
    add("--shift", type=int, default=3)
    add("--float-epochs", type=int, default=12)
    add("--float-lr", type=float, default=0.1)
    add("--quantizer", choices=["float", "hla", "ste", "twn", "ttq"], default="hla")
    add("--more-epochs", type=int, default=22, help="of float, ste, twn and ttq; stage 2 of hla")
    add("--t1", type=float, default=0.3)
    add("--t2", type=float, default=0.7)
    add("--t-step", type=float, default=0.04)
    add("--epochs-per-t", type=float, default=1.0)
    add("--settle-epochs", type=int, default=0, help="more epochs at t2, under the same cosine and growth")
    add("--lambda", dest="weight", type=float, nargs="+", default=[1.0], help="of L_d in stage 1: one, or first and last")
    add("--ternary-lambda", dest="ternary_weight", type=float, nargs="+", default=[1.0])
    add("--lr", type=float, nargs="+", default=[0.05], help="of stage 1: one, or first and last")
    add("--ternary-lr", type=float, default=0.05)
    add("--threshold-start", type=float, help="default t2 + 0.1")
    add("--threshold", choices=["learned", "fixed", "sparsity"], default="learned")
    add("--threshold-scope", choices=["layer", "global"], default="layer")
    add("--threshold-gradient", choices=["signed", "symmetric"], default="signed")
    add("--rescale", choices=["weight", "alpha", "none"], default="weight")
    add("--sparsity", type=float, help="of ste, twn and ttq; the last two have a rule of their own without it")
    return parser.parse_args()


# Data.


def load(path, count=None):
    data = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:start])
    images, labels = (np.frombuffer(data[start:][slice(*header[k]["data_offsets"])], t) for k, t in [("images", "u1"), ("labels", "<i4")])
    images = torch.tensor(images.reshape(-1, 1, 32, 32)[:count])
    return images, torch.tensor(labels[:count].astype(np.int64))


def pixels(images):
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


def shifted(images, by, generator):
    """Black comes in from outside."""
    if not by:
        return images
    down, across = torch.randint(0, 2 * by + 1, [2, len(images), 1, 1], generator=generator)
    rows = torch.arange(32)
    item = torch.arange(len(images))[:, None, None]
    return F.pad(images[:, 0], [by] * 4)[item, down + rows[:, None], across + rows][:, None]


# The method.


def threshold(w, t):
    """Eq. 8."""
    sizes = w.abs().flatten().sort().values
    rank = min(len(sizes), math.floor(t * len(sizes)))
    return sizes[rank - 1] if rank > 0 else sizes.new_zeros(())


class StraightThrough(torch.autograd.Function):
    """`value`; gradient to w: g times slope; to the threshold: Eq. 13."""

    @staticmethod
    def forward(ctx, w, limit, value, slope, rule):
        ctx.save_for_backward(w, slope)
        ctx.rule = rule
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        w, slope = ctx.saved_tensors
        gradient = gradient * slope
        sign = (w != 0) if ctx.rule == "signed" else -w.sign()
        return gradient, (gradient * sign).mean().view(1), None, None, None


class Layer(nn.Module):
    """A convolution of a residual block."""

    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.window = {"stride": stride, "padding": kernel // 2}
        self.v = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_normal_(self.v)
        self.threshold = nn.Parameter(torch.zeros(1))
        self.positive, self.negative = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.mode, self.weight_of_loss = "float", 0.0

    @property
    def w(self):
        if self.mode in ("float", "twn", "ttq"):
            return self.v
        return self.v / per_channel((self.v.flatten(1).square().sum(1) + EPSILON).sqrt())

    def limit(self, w):
        if self.sparsity is not None:
            return threshold(w, self.sparsity)
        return 0.7 * w.abs().mean() if self.mode == "twn" else 0.05 * w.abs().max()

    def quantized(self, w):
        now, ones = w.detach(), torch.ones_like(w)
        if self.mode == "ste":
            return StraightThrough.apply(w, self.threshold, ternary(now, self.threshold.detach()), ones, "signed")
        if self.mode == "hla":
            value = ternary(now, self.threshold.detach())
            alpha = per_channel(value.abs().flatten(1).amax(1))
            slope = {"weight": 1 - now**2, "alpha": (1 - (now / alpha) ** 2).clamp(min=0), "none": ones}[self.rescale]
            return StraightThrough.apply(w, self.threshold, value, slope, self.rule)
        limit = self.limit(now)
        plus, minus = (now > limit).float(), (now < -limit).float()
        if self.mode == "twn":
            kept = plus + minus
            return StraightThrough.apply(w, self.threshold, (plus - minus) * (now.abs() * kept).sum() / kept.sum(), ones, "signed")
        slope = plus * self.positive.detach() + minus * self.negative.detach() + (1 - plus - minus)
        return plus * self.positive - minus * self.negative + (w - now) * slope

    def forward(self, x):
        w = self.w
        if self.weight_of_loss:
            self.loss_aware = (self.cosines(w, self.threshold.detach()) - 1).square().mean()  # Eq. 7
        return F.conv2d(x, w if self.mode in ("float", "sphere") else self.quantized(w), **self.window)

    @staticmethod
    def cosines(w, limit):
        return (w * ternary(w.detach(), limit)).flatten(1).sum(1)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = Layer(inputs, outputs, 3, stride=2), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = Layer(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.shortcut, self.bn3 = Layer(inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.bn3(self.shortcut(F.avg_pool2d(x, 2))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, WIDTHS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTHS[0])
        self.blocks = nn.Sequential(*[Block(*pair) for pair in zip(WIDTHS, WIDTHS[1:])])
        self.fc = nn.Linear(WIDTHS[-1], 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


# Training.


class Training:
    def __init__(self, o):
        self.o = o
        torch.manual_seed(o.seed)
        self.generator = torch.Generator().manual_seed(o.seed)
        self.train, self.test = load(o.data / "train.safetensors", o.images), load(o.data / "test.safetensors")
        self.net = Net().to(memory_format=torch.channels_last)
        self.layers = [layer for layer in self.net.modules() if isinstance(layer, Layer)]
        for layer in self.layers:
            layer.sparsity, layer.rescale, layer.rule = o.sparsity, o.rescale, o.threshold_gradient

    def set_mode(self, mode):
        for layer in self.layers:
            layer.mode = mode

    @torch.no_grad()
    def onto_sphere(self):
        for layer in self.layers:
            layer.v /= per_channel(layer.v.flatten(1).norm(dim=1))

    @torch.no_grad()
    def set_thresholds(self, t):
        common = threshold(torch.cat([layer.w.flatten() for layer in self.layers]), t)
        for layer in self.layers:
            layer.threshold.fill_(common if self.o.threshold_scope == "global" else threshold(layer.w, t))

    def run(self, epochs, rates, weights=(0.0,), each_epoch=None, each_step=None):
        """Rates fall along one cosine; the weight of L_d grows geometrically."""
        thresholds = [layer.threshold for layer in self.layers]
        others = [p for name, p in self.net.named_parameters() if not name.endswith(".threshold")]
        groups = [
            {"params": [p for p in others if p.dim() > 1], "weight_decay": 1e-4},
            {"params": [p for p in others if p.dim() == 1]},
            {"params": thresholds if self.o.threshold == "learned" else []},
        ]
        optimizer = torch.optim.SGD([g for g in groups if g["params"]], lr=1, momentum=0.9)
        images, labels = self.train
        steps = len(images) // self.o.batch
        for epoch in range(epochs):
            if each_epoch:
                each_epoch(epoch)
            order = torch.randperm(len(images), generator=self.generator)
            for step in range(steps):
                if each_step:
                    each_step()
                done = (epoch + step / steps) / epochs
                for group in optimizer.param_groups:
                    group["lr"] = rates[-1] + (rates[0] - rates[-1]) * (1 + math.cos(math.pi * done)) / 2
                weight = weights[0] and weights[0] * (weights[-1] / weights[0]) ** done
                for layer in self.layers:
                    layer.weight_of_loss = weight
                batch = order[step * self.o.batch :][: self.o.batch]
                scores = self.net(pixels(shifted(images[batch], self.o.shift, self.generator)))
                loss = F.cross_entropy(scores, labels[batch])
                if weight:
                    loss = loss + weight * sum(layer.loss_aware for layer in self.layers)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    @torch.no_grad()
    def accuracy(self):
        self.net.eval()
        hits = sum((self.net(pixels(x)).argmax(1) == y).sum().item() for x, y in zip(*[part.split(500) for part in self.test]))
        self.net.train()
        return round(100 * hits / len(self.test[1]), 3)

    @torch.no_grad()
    def zeros(self):
        values = [layer.quantized(layer.w) for layer in self.layers]
        return round(100 * sum((v == 0).sum().item() for v in values) / sum(v.numel() for v in values), 2)

    @torch.no_grad()
    def cosine(self, t):
        self.set_mode("sphere")
        means = [Layer.cosines(layer.w, threshold(layer.w, t)).mean().item() for layer in self.layers]
        return round(sum(means) / len(means), 4)

    @torch.no_grad()
    def estimate_again(self, batches=40):
        norms = [norm for norm in self.net.modules() if isinstance(norm, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        for batch in self.train[0].split(self.o.batch)[:batches]:
            self.net(pixels(batch))
        for norm in norms:
            norm.momentum = 0.1


def float_weights(training, o):
    if o.weights and o.weights.exists():
        training.net.load_state_dict(torch.load(o.weights))
        return
    training.run(o.float_epochs, [o.float_lr, 0.0])
    if o.weights:
        torch.save(training.net.state_dict(), o.weights)


def hla(training, o, result):
    training.onto_sphere()
    training.set_mode("sphere")
    ts = np.arange(o.t1, o.t2 + 1e-6, o.t_step)
    epochs = round(len(ts) * o.epochs_per_t) + o.settle_epochs

    def next_t(epoch):
        training.set_thresholds(ts[min(int(epoch / o.epochs_per_t), len(ts) - 1)])

    training.run(epochs, o.lr, o.weight, each_epoch=next_t if o.epochs_per_t else None)
    result["stage_1"] = training.accuracy()
    result["cosine"] = training.cosine(o.t2)
    training.set_thresholds(o.t2 + 0.1 if o.threshold_start is None else o.threshold_start)
    training.set_mode("hla")
    result["cut"] = training.accuracy()
    each_step = (lambda: training.set_thresholds(o.sparsity)) if o.threshold == "sparsity" else None
    training.run(o.more_epochs, [o.ternary_lr, 0.0], o.ternary_weight, each_step=each_step)


def plain(training, o):
    training.set_mode(o.quantizer)
    if o.quantizer == "ste":
        training.onto_sphere()
        training.run(o.more_epochs, [o.ternary_lr, 0.0], each_step=lambda: training.set_thresholds(o.sparsity))
        return
    for layer in training.layers if o.quantizer == "ttq" else []:
        w, limit = layer.v.detach(), layer.limit(layer.v.detach())
        layer.positive.data.fill_(w[w > limit].mean())
        layer.negative.data.fill_(-w[w < -limit].mean())
    training.run(o.more_epochs, [o.ternary_lr, 0.0])


def main():
    o = options()
    torch.set_num_threads(1)
    training, result = Training(o), {}
    float_weights(training, o)
    result["start"] = training.accuracy()
    if o.quantizer == "float":
        training.run(o.more_epochs, [o.ternary_lr, 0.0])
    elif o.quantizer == "hla":
        hla(training, o, result)
    else:
        plain(training, o)
    result["zeros"] = 0 if o.quantizer == "float" else training.zeros()
    result["end"] = training.accuracy()
    training.estimate_again()
    result["end_estimated"] = training.accuracy()
    arguments = {name: value for name, value in vars(o).items() if not isinstance(value, Path)}
    print(json.dumps({**result, **arguments}))


if __name__ == "__main__":
    main()
