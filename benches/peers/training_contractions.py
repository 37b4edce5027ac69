"""PyTorch's convolutions of a training step on one thread, for the layers of
crates/hla-cranelift/examples/training_contractions.rs: forward, gradient by the input, by the weight.

python benches/peers/training_contractions.py [FILTER]
"""
import sys
import time

import torch

torch.set_num_threads(1)
LAYERS = [
    ("cluttered 1-8 32²", 128, 32, 1, 8, 3, 1),
    ("cluttered 8-16 32²/2", 128, 32, 8, 16, 3, 2),
    ("cluttered 16-16 16²", 128, 16, 16, 16, 3, 1),
    ("cluttered 8-16 1x1 32²/2", 128, 32, 8, 16, 1, 2),
    ("cluttered 16-32 16²/2", 128, 16, 16, 32, 3, 2),
    ("cluttered 32-32 8²", 128, 8, 32, 32, 3, 1),
    ("cluttered 32-64 8²/2", 128, 8, 32, 64, 3, 2),
    ("cluttered 64-64 4²", 128, 4, 64, 64, 3, 1),
    ("resnet8 1-16 32²", 64, 32, 1, 16, 3, 1),
    ("resnet8 3-16 32²", 64, 32, 3, 16, 3, 1),
    ("resnet8 16-16 32²", 64, 32, 16, 16, 3, 1),
    ("resnet8 16-32 32²/2", 64, 32, 16, 32, 3, 2),
    ("resnet8 32-32 16²", 64, 16, 32, 32, 3, 1),
    ("resnet8 32-64 16²/2", 64, 16, 32, 64, 3, 2),
    ("resnet8 64-64 8²", 64, 8, 64, 64, 3, 1),
    ("resnet8 16-32 1x1 32²/2", 64, 32, 16, 32, 1, 2),
    ("resnet8 128x 16-16 32²", 128, 32, 16, 16, 3, 1),
    ("digits 1-16 8²", 64, 8, 1, 16, 3, 1),
    ("digits 16-32 8²", 64, 8, 16, 32, 3, 1),
    ("digits 32-32 4²", 64, 4, 32, 32, 3, 1),
    ("resnet18 128-128 28²", 2, 28, 128, 128, 3, 1),
    ("resnet18 512-512 7²", 4, 7, 512, 512, 3, 1),
]


def best(run):
    seconds, start = [], time.time()
    while len(seconds) < 5 or time.time() - start < 0.4:
        before = time.thread_time()
        run()
        seconds.append(time.thread_time() - before)
    return min(seconds)


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"{'':26} {'forward':>16} {'by input':>16} {'by weight':>16}   GMAC/s (ms)")
    for name, n, extent, ic, oc, kernel, stride in LAYERS:
        if wanted not in name:
            continue
        x = torch.randn(n, ic, extent, extent)
        w = torch.randn(oc, ic, kernel, kernel)
        b = torch.randn(oc)
        pad = [kernel // 2] * 2
        y = torch.conv2d(x, w, b, stride, pad)

        def backward(mask):
            return torch.ops.aten.convolution_backward(
                y, x, w, None, [stride] * 2, pad, [1, 1], False, [0, 0], 1, mask
            )

        seconds = [
            best(lambda: torch.conv2d(x, w, b, stride, pad)),
            best(lambda: backward([True, False, False])),
            best(lambda: backward([False, True, False])),
        ]
        products = y.numel() * ic * kernel * kernel
        cells = [f"{products / s / 1e9:6.1f} ({s * 1e3:7.3f})" for s in seconds]
        print(f"{name:26} {cells[0]:>16} {cells[1]:>16} {cells[2]:>16}")


main()
