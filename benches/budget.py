"""The time that ResNet-18's 3x3 layers take at the speeds of sparse additions measured by hand.

Speeds are GMAC/s of one Zen 4 core at 20 % non-zero weights, i16 lanes of 128 bits, for each shape
of layer (docs/speeds.md): the sum of the layers' times is the mark to be compared with.
"""

import sys

# Channels, extent, speed.
SHAPES = [(64, 56, 184), (128, 28, 167), (256, 14, 116), (512, 7, 135)]

total = 0.0
macs = 0
for stage, (channels, extent, speed) in enumerate(SHAPES):
    full = channels * channels * 9 * extent * extent
    # Four 3x3 layers a stage; the first of a later stage has half the input channels.
    layers = 4 if stage == 0 else 3.5
    total += layers * full / speed / 1e9
    macs += layers * full
own = float(sys.argv[1])
label = "sum of the sparse-add speeds, 3x3 layers"
print(f"  {label:<44} {total * 1e3:8.2f} ms  ({macs / 1e9:.2f} GMAC)  hlac takes {own / total / 1e3:.2f} of it")
