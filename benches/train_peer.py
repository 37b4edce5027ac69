"""The training steps of examples/cluttered in PyTorch eager: the peer of `./x bench train`.

    train_peer.py [--batch 64] [--threads 1] [--steps 30]

Prints one JSON object a line for each kind of step, in the memory format that
is faster: the median time of a step after a warm-up, and the peak of memory
of a process that does nothing else.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = [8, 16, 32, 64]
KINDS = ["float", "fine-tune", "ternarize"]


def per_channel(values):
    return values.view(-1, 1, 1, 1)


def ternary(w, threshold):
    """Eq. 4-5: w cut to {-a, 0, +a}, with unit channels; and a."""
    size = w.abs().flatten(1)
    keep = size > threshold
    keep |= (keep.sum(1, keepdim=True) == 0) & (size == size.amax(1, keepdim=True))
    scale = per_channel(keep.sum(1).float().rsqrt())
    return w.sign() * keep.view_as(w) * scale


class StraightThrough(torch.autograd.Function):
    """Eq. 9-13."""

    @staticmethod
    def forward(ctx, w, threshold, quantized):
        ctx.save_for_backward(w)
        return quantized.clone()

    @staticmethod
    def backward(ctx, gradient):
        (w,) = ctx.saved_tensors
        gradient = gradient * (1 - w * w)
        return gradient, (gradient * (w != 0)).mean().view(1), None


class Ternary(nn.Module):
    """A convolution without bias; on the sphere unless `kind` is float."""

    def __init__(self, kind, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.kind, self.window = kind, {"stride": stride, "padding": kernel // 2}
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)
        self.threshold = nn.Parameter(torch.full([1], 0.6 * (inputs * kernel**2) ** -0.5))

    def forward(self, x):
        if self.kind == "float":
            return F.conv2d(x, self.weight, **self.window)
        w = self.weight / per_channel((self.weight.flatten(1).square().sum(1) + 1e-4).sqrt())
        quantized = ternary(w.detach(), self.threshold.detach())
        self.loss_aware = ((w * quantized).flatten(1).sum(1) - 1).square().mean()  # Eq. 7
        if self.kind == "ternarize":
            w = StraightThrough.apply(w, self.threshold, quantized)
        return F.conv2d(x, w, **self.window)


class Block(nn.Module):
    def __init__(self, kind, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = Ternary(kind, inputs, outputs, 3, stride=2), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = Ternary(kind, outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.shortcut, self.bn3 = Ternary(kind, inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.bn3(self.shortcut(F.avg_pool2d(x, 2))))


class ResNet8(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, WIDTHS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTHS[0])
        self.blocks = nn.Sequential(*[Block(kind, *pair) for pair in zip(WIDTHS, WIDTHS[1:])])
        self.fc = nn.Linear(WIDTHS[-1], 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def measure(kind, memory_format, batch, threads, steps):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = ResNet8(kind).to(memory_format=memory_format)
    layers = [layer for layer in net.modules() if isinstance(layer, Ternary)]
    decayed = [p for p in net.parameters() if p.dim() > 1]
    spared = [p for p in net.parameters() if p.dim() == 1 and (kind == "ternarize" or p.shape != (1,))]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": spared}]
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    images = torch.rand(batch, 1, 32, 32).contiguous(memory_format=memory_format)
    labels = torch.randint(10, [batch])
    times = []
    for _ in range(steps + 5):
        start = time.perf_counter()
        loss = F.cross_entropy(net(images), labels)
        if kind != "float":
            loss = loss + sum(layer.loss_aware for layer in layers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times[5:])[steps // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FORMAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, name = options.one
        median = measure(kind, getattr(torch, name), options.batch, options.threads, options.steps)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        library = f"PyTorch {torch.__version__.split('+')[0]} eager"
        result = {"library": library, "step": kind, "threads": options.threads, "batch": options.batch}
        print(json.dumps({**result, "format": name, "milliseconds": round(median, 3), "peak_bytes": peak}))
        return
    for kind in KINDS:
        runs = [
            subprocess.run([sys.executable, *sys.argv, "--one", kind, name], check=True, capture_output=True, text=True)
            for name in ["contiguous_format", "channels_last"]
        ]
        print(min((run.stdout.strip() for run in runs), key=lambda line: json.loads(line)["milliseconds"]), flush=True)


if __name__ == "__main__":
    main()
