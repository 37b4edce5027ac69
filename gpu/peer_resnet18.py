"""The training steps of ResNet-18 in PyTorch: the peer of `hla-run bench`.

    peer_resnet18.py [--batch 256] [--image-size 224] [--steps 30] [--modes eager,compile]
                     [--kinds fine-tune,ternarize] [--precision bf16] [--device cuda]
    peer_resnet18.py --losses --weights resnet18.safetensors --data data.safetensors --steps 2 …

It runs the method of `hlac train` on the same shapes: hyperspherical weights, L_d, straight-through
gradients with S, SGD with momentum, the first convolution and the last layer in float. The thresholds
begin at T(--sparsity) over all layers. channels_last, autocast unless --precision is f32 or tf32, and
the data lies on the device. Prints one JSON object a line: the median, the least and the ninetieth percentile of a
step's time, and the peak of memory that PyTorch took; with --losses the losses of each step instead.
"""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
import torch_ops  # noqa: E402

EPSILON = 1e-4


def per_channel(values):
    return values.view(-1, 1, 1, 1)


def ternary(w, threshold):
    """Eq. 4-5: w cut to {-a, 0, +a}, with unit channels; a channel that would be empty keeps its largest."""
    size = w.abs().flatten(1)
    keep = size > threshold.clamp(min=0)
    keep = keep | ((keep.sum(1, keepdim=True) == 0) & (size == size.amax(1, keepdim=True)))
    scale = per_channel(keep.sum(1).float().rsqrt())
    return w.sign() * keep.view_as(w) * scale


class StraightThrough(torch.autograd.Function):
    """Eq. 9-13: the gradient of a ternary weight, times S = 1 - w^2; that of the threshold is the mean
    of these over the layer, those of zeros left out."""

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
    """A convolution without bias, its filters on the sphere."""

    def __init__(self, kind, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.kind, self.window = kind, {"stride": stride, "padding": kernel // 2}
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)
        self.threshold = nn.Parameter(torch.zeros(1), requires_grad=kind == "ternarize")

    def on_sphere(self):
        return self.weight / per_channel((self.weight.flatten(1).square().sum(1) + EPSILON).sqrt())

    def forward(self, x):
        w = self.on_sphere()
        quantized = ternary(w.detach(), self.threshold.detach())
        loss_aware = ((w * quantized).flatten(1).sum(1) - 1).square().mean()  # Eq. 7
        if self.kind == "ternarize":
            w = StraightThrough.apply(w, self.threshold, quantized)
        return F.conv2d(x, w, **self.window), loss_aware


class Block(nn.Module):
    def __init__(self, kind, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = Ternary(kind, inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = Ternary(kind, outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.ModuleList([Ternary(kind, inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)])

    def forward(self, x):
        y, first = self.conv1(x)
        y, second = self.conv2(F.relu(self.bn1(y)))
        loss_aware = first + second
        if self.downsample is not None:
            x, third = self.downsample[0](x)
            x, loss_aware = self.downsample[1](x), loss_aware + third
        return F.relu(self.bn2(y) + x), loss_aware


class ResNet18(nn.Module):
    """Names are torchvision's, as in examples/resnet."""

    def __init__(self, kind, width=64, classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = []
        for stage, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            first = Block(kind, inputs, outputs, 1 if stage == 0 else 2)
            blocks = nn.ModuleList([first, Block(kind, outputs, outputs, 1)])
            setattr(self, f"layer{stage + 1}", blocks)
            self.stages.append(blocks)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        loss_aware = 0.0
        for blocks in self.stages:
            for block in blocks:
                x, own = block(x)
                loss_aware = loss_aware + own
        return self.fc(x.mean((2, 3))), loss_aware

    def layers(self):
        return [m for m in self.modules() if isinstance(m, Ternary)]

    @torch.no_grad()
    def load(self, path):
        """Values by name; filters there are OHWI."""
        values = torch_ops.read(path)
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        for name, target in own.items():
            if name.endswith("threshold") or name.endswith("num_batches_tracked"):
                continue
            value = values[name]
            target.copy_(value.permute(0, 3, 1, 2).reshape(target.shape) if value.dim() == 4 else value.reshape(target.shape))

    @torch.no_grad()
    def set_thresholds(self, share):
        """T(share), Eq. 8, over all layers."""
        size = torch.cat([layer.on_sphere().abs().flatten() for layer in self.layers()]).sort().values
        rank = int(share * size.numel())
        for layer in self.layers():
            layer.threshold.fill_(size[rank - 1] if rank > 0 else 0.0)


def casts(device, precision):
    """What the forward pass runs under."""
    if precision in ("f32", "tf32"):
        return contextlib.nullcontext()
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16}[precision]
    return torch.autocast(device, dtype=dtype)


class Step:
    """A training step of one kind."""

    def __init__(self, options, kind, mode):
        torch.manual_seed(0)
        device = options.device
        net = ResNet18(kind, options.width, options.classes)
        if options.weights:
            net.load(options.weights)
        net.set_thresholds(options.sparsity)
        self.net = net.to(device=device, memory_format=torch.channels_last)
        decayed = [p for p in net.parameters() if p.dim() > 1]
        spared = [p for p in net.parameters() if p.dim() == 1 and p.requires_grad]
        groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": spared}]
        self.optimizer = torch.optim.SGD(groups, lr=options.lr, momentum=0.9, fused=device == "cuda")
        self.scaler = torch.amp.GradScaler(device, enabled=options.precision == "f16")
        if options.data:
            data = torch_ops.read(options.data)
            images, labels = data["images"].permute(0, 3, 1, 2)[: options.batch], data["labels"][: options.batch]
            self.images, self.labels = images.float().to(device), labels.long().to(device)
            if data["images"].dtype == torch.uint8:
                self.images = self.images / 255
        else:
            shape = [options.batch, 3, options.image_size, options.image_size]
            self.images = torch.randn(shape, device=device)
            self.labels = torch.randint(options.classes, [options.batch], device=device)
        self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.casts, self.weight = casts(device, options.precision), options.loss_aware_weight
        self.forward = self.loss if mode == "eager" else torch.compile(self.loss, mode=options.compile_mode)

    def loss(self, images, labels):
        with self.casts:
            logits, loss_aware = self.net(images)
        loss = F.cross_entropy(logits.float(), labels)
        return loss + self.weight * loss_aware, loss, loss_aware

    def __call__(self):
        objective, loss, loss_aware = self.forward(self.images, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(objective).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach(), loss_aware.detach()


def described(options, kind, mode):
    on_gpu = options.device == "cuda"
    return {
        "library": f"PyTorch {torch.__version__.split('+')[0]} {mode}",
        "mode": mode,
        "step": kind,
        "precision": options.precision,
        "batch": options.batch,
        "image_size": options.image_size,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }


def losses(options, kind, mode):
    step = Step(options, kind, mode)
    steps = [step() for _ in range(options.steps)]
    told = {"loss": [s[0].item() for s in steps], "loss_aware": [s[1].item() for s in steps]}
    return {**described(options, kind, mode), **told}


def measure(options, kind, mode):
    on_gpu = options.device == "cuda"
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    step = Step(options, kind, mode)
    for _ in range(options.warm_up):
        loss, _ = step()
    wait()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        loss, _ = step()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    if not torch.isfinite(loss):
        sys.exit(f"peer_resnet18.py: the loss of {kind}, {mode} is {loss.item()}")
    times.sort()
    n = len(times)
    return {
        **described(options, kind, mode),
        "median_ms": round(times[n // 2], 4),
        "least_ms": round(times[0], 4),
        "p90_ms": round(times[-(-9 * n // 10) - 1], 4),
        "peak_bytes": torch.cuda.max_memory_reserved() if on_gpu else None,
        "loss": round(loss.item(), 5),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--kinds", default="fine-tune,ternarize")
    parser.add_argument("--modes", default="eager,compile")
    parser.add_argument("--compile-mode", default="default")
    parser.add_argument("--precision", default="bf16", choices=["f32", "tf32", "bf16", "f16"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--weights", type=Path, help="safetensors file with the values to begin with")
    parser.add_argument("--data", type=Path, help="safetensors file with images (NHWC) and labels")
    parser.add_argument("--sparsity", type=float, default=0.7, help="share of zeros at the start")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--loss-aware-weight", type=float, default=0.1)
    parser.add_argument("--losses", action="store_true", help="tell losses, not times")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = not options.losses
    torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    for kind in options.kinds.split(","):
        for mode in options.modes.split(","):
            torch._dynamo.reset()
            told = losses if options.losses else measure
            print(json.dumps(told(options, kind, mode)), flush=True)


if __name__ == "__main__":
    main()
