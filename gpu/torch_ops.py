"""Functions of hlac's tensor IR in PyTorch: what gpu/check holds programs against.

    torch_ops.py FOLDER [--out torch.safetensors] [--against reference.safetensors] [--rtol 1e-4]

FOLDER has graphs.json and reference.safetensors, as gpu-suite writes them. Each function is computed
node by node, floats in float64 and rounded where a value is of a 16-bit type; gradients are
PyTorch's own. Writes the same tensors FUNCTION/in/NAME and FUNCTION/out/NAME, for `hla-run check`.
With --against it compares with what another evaluator says, and fails if that is far off.
"""

import argparse
import json
import struct
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

DTYPES = {
    "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i1": torch.bool,
    "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64,
}  # fmt: skip
STORED = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool,
    "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
    "U8": torch.uint8, "F64": torch.float64,
}  # fmt: skip
NAMES = {dtype: name for name, dtype in STORED.items()}
RANGES = {torch.int8: 8, torch.int16: 16, torch.int32: 32, torch.int64: 64}


class NotHere(Exception):
    """PyTorch has no such op, or this table does not."""


# ---- safetensors files


def read(path):
    """All tensors of a file, by name."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = STORED[entry["dtype"]]
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=dtype) if end > begin else torch.empty(0, dtype=dtype)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def write(path, tensors):
    """Writes tensors in the order of their names."""
    header, parts, offset = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        # Into a new one: an axis of one element may have any stride, also where all is called contiguous.
        flat = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().flatten())
        data = bytes(flat.view(torch.uint8).numpy())
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


# ---- helpers


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def number(value):
    return float(value) if isinstance(value, str) else value


def centred(attrs, x, name):
    """Without its zero point, which padding does not have."""
    return x - int(number(attrs.get(name, 0)))


def window_pad(x, pad, value=0.0):
    """Pads NCHW by [top, bottom, left, right]."""
    top, bottom, left, right = pad
    return F.pad(x, [left, right, top, bottom], value=value)


def conv(x, w, pad, stride, dilation, groups=1):
    """Of NHWC and OIHW."""
    return nhwc(F.conv2d(window_pad(nchw(x), pad), w, stride=stride, dilation=dilation, groups=groups))


def depthwise_weight(w):
    kh, kw, c, m = w.shape
    return w.permute(2, 3, 0, 1).reshape(c * m, 1, kh, kw)


def over_columns(x, axis):
    """The sum of each slice along an axis."""
    others = [d for d in range(x.dim()) if d != axis]
    # PyTorch takes no axes for all of them.
    return x.sum(others, keepdim=True) if others else x


def kept(w, axis, threshold):
    """Where a ternary weight is not 0: above the threshold, which counts as 0 if it is negative, or the
    first largest of an empty column."""
    size = w.abs().movedim(axis, 0)
    size = size.reshape(size.shape[0], -1)
    size = torch.where(size.isnan(), torch.zeros_like(size), size)  # a NaN is never kept
    keep = size > threshold.clamp(min=0)
    first = F.one_hot(size.argmax(1), size.shape[1]).bool()
    keep = torch.where(keep.any(1, keepdim=True), keep, first)
    moved = w.movedim(axis, 0)
    return keep.view_as(moved).movedim(0, axis)


def ternary(w, axis, threshold):
    keep = kept(w, axis, threshold)
    count = over_columns(keep.long(), axis)
    return torch.where(keep, w.sign(), torch.zeros_like(w)) / count.to(w.dtype).sqrt()


class SteTernarize(torch.autograd.Function):
    """Eq. 9-13."""

    @staticmethod
    def forward(ctx, w, threshold, axis, rescale, rule):
        ctx.save_for_backward(w, threshold)
        ctx.settings = axis, rescale, rule
        return ternary(w, axis, threshold)

    @staticmethod
    def backward(ctx, g):
        w, threshold = ctx.saved_tensors
        axis, rescale, rule = ctx.settings
        if rescale == "weight":
            g = g * (1 - w * w)
        elif rescale == "alpha":
            above = over_columns((w.abs() > threshold).long(), axis)
            g = g * (1 - w * w * above).clamp(min=0)
        signed = {"signed": torch.where(w != 0, g, 0.0), "symmetric": -g * w.sign(), "none": torch.zeros_like(g)}[rule]
        return g, signed.mean().view(1), None, None, None


def gradient_of(function, like, gradient):
    """The derivative of a function of one tensor, at `like`."""
    x = like.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(function(x), x, gradient)
    return found


def saturate(x, dtype):
    bits = RANGES[dtype]
    return x.clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


# ---- the ops, as TOSA 1.0 and the declarations in crates/hla-ir say them


def conv2d(a, x, w, b):
    x, w = centred(a, x, "input_zp"), centred(a, w, "weight_zp")
    return conv(x, nchw(w), a["pad"], a["stride"], a["dilation"]) + b


def depthwise_conv2d(a, x, w, b):
    x, w = centred(a, x, "input_zp"), centred(a, w, "weight_zp")
    return conv(x, depthwise_weight(w), a["pad"], a["stride"], a["dilation"], x.shape[3]) + b


def transpose_conv2d(a, x, w, b):
    x, w = centred(a, x, "input_zp"), centred(a, w, "weight_zp")
    y = F.conv_transpose2d(nchw(x), w.permute(3, 0, 1, 2), stride=a["stride"])
    return nhwc(window_pad(y, a["out_pad"])) + b


def matmul(a, x, y):
    return centred(a, x, "a_zp") @ centred(a, y, "b_zp")


def max_pool2d(a, x):
    if a.get("nan_mode", "PROPAGATE") != "PROPAGATE":
        raise NotHere("NaNs that are ignored")
    # PyTorch pools floats alone; integers of up to 16 bits are exact in one.
    wide = x if x.is_floating_point() else x.float()
    wide = window_pad(nchw(wide), a["pad"], float("-inf"))
    return nhwc(F.max_pool2d(wide, a["kernel"], a["stride"])).to(x.dtype)


def avg_pool2d(a, x):
    if not x.is_floating_point():
        raise NotHere("averages in fixed-point arithmetic")
    total = lambda v: F.avg_pool2d(window_pad(v, a["pad"]), a["kernel"], a["stride"], divisor_override=1)
    return nhwc(total(nchw(x)) / total(torch.ones_like(nchw(x))))


def binary(function):
    return lambda a, x, y: function(x, y)


def unary(function):
    return lambda a, x: function(x)


def extreme(propagate, ignore):
    return lambda a, x, y: (ignore if a.get("nan_mode") == "IGNORE" else propagate)(x, y)


def mul(a, x, y):
    if number(a.get("shift", 0)) != 0:
        raise NotHere("products that are shifted")
    return x * y


def negate(a, x):
    if x.dtype not in (torch.int8, torch.int16):
        return -x
    # With zero points go types that saturate.
    return saturate(int(number(a.get("output_zp", 0))) - centred(a, x.long(), "input1_zp"), x.dtype)


def clamp(a, x):
    low, high = number(a["min_val"]), number(a["max_val"])
    if a.get("nan_mode") == "IGNORE":
        x = torch.where(x.isnan(), torch.full_like(x, low), x)
    return x.clamp(low, high)


def reduced(function):
    def op(a, x):
        if a.get("nan_mode", "PROPAGATE") != "PROPAGATE":
            raise NotHere("NaNs that are ignored")
        return function(x, a["axis"])

    return op


def argmax(a, x):
    if a.get("nan_mode", "PROPAGATE") != "PROPAGATE":
        raise NotHere("NaNs that are ignored")
    return x.argmax(a["axis"])


def pad(a, x):
    pairs = list(zip(a["padding"][::2], a["padding"][1::2]))
    return F.pad(x, [n for pair in reversed(pairs) for n in pair], value=number(a.get("pad_const", 0)))


def slice_(a, x):
    for axis, (start, size) in enumerate(zip(a["start"], a["size"])):
        x = x.narrow(axis, start, size)
    return x


def gather(a, values, indices):
    return values.gather(1, indices.long().unsqueeze(2).expand(-1, -1, values.shape[2]))


def normalize(a, w):
    axis = a.get("axis", 0)
    return w / (over_columns(w.square(), axis) + a.get("epsilon", 1e-4)).sqrt()


def threshold(a, w, share):
    size = w.abs().flatten().sort().values
    rank = (share.float() * size.numel()).item()
    # Neither 0 nor less nor a NaN has a rank; infinity has the last.
    return (size[int(min(rank, size.numel())) - 1] if rank >= 1 else torch.zeros((), dtype=w.dtype)).view(1)


def ste_ternarize(a, w, threshold):
    how = a.get("axis", 0), a.get("rescale", "weight"), a.get("threshold_gradient", "signed")
    return SteTernarize.apply(w, threshold, *how)


def straight_through(a, latent, value, slope=None):
    if slope is not None:
        return latent * slope - (latent * slope).detach() + value.detach()
    return latent - latent.detach() + value


def loss_aware(a, w, threshold):
    axis = a.get("axis", 0)
    fixed = ternary(w.detach(), axis, threshold.detach())
    return (over_columns(w * fixed, axis) - 1).square().mean().view(1)


def softmax_cross_entropy(a, logits, labels):
    inside = (labels >= 0) & (labels < logits.shape[1])
    if not inside.all():
        raise NotHere("labels that are no classes")
    return F.cross_entropy(logits, labels.long(), label_smoothing=a.get("label_smoothing", 0.0)).view(1)


def batch_norm(a, x, scale, offset):
    axes = list(range(x.dim() - 1))
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, keepdim=True, correction=0)
    y = (x - mean) / (variance + a.get("epsilon", 1e-5)).sqrt() * scale.flatten() + offset.flatten()
    return y, mean.reshape(scale.shape), variance.reshape(scale.shape)


def sgd_update(a, p, g, m, rate):
    g = g + a.get("weight_decay", 0.0) * p
    m = a.get("mu", 0.9) * m + g
    return p - rate.flatten() * (g + a.get("mu", 0.9) * m if a.get("nesterov") else m), m


def conv2d_input_grad(a, g, w):
    return gradient_of(lambda x: conv(x, nchw(w), a["pad"], a["stride"], a["dilation"]), g.new_zeros(a["input_shape"]), g)


def conv2d_weight_grad(a, x, g):
    like = g.new_zeros([g.shape[3], *a["kernel"], x.shape[3]])
    return gradient_of(lambda w: conv(x, nchw(w), a["pad"], a["stride"], a["dilation"]), like, g)


def depthwise_conv2d_input_grad(a, g, w):
    apply = lambda x: conv(x, depthwise_weight(w), a["pad"], a["stride"], a["dilation"], w.shape[2])
    return gradient_of(apply, g.new_zeros(a["input_shape"]), g)


def depthwise_conv2d_weight_grad(a, x, g):
    like = g.new_zeros([*a["kernel"], x.shape[3], g.shape[3] // x.shape[3]])
    apply = lambda w: conv(x, depthwise_weight(w), a["pad"], a["stride"], a["dilation"], x.shape[3])
    return gradient_of(apply, like, g)


def scatter_add(a, indices, updates):
    n, w, c = updates.shape
    index = indices.long().unsqueeze(2).expand(-1, -1, c)
    return updates.new_zeros([n, a["rows"], c]).scatter_add(1, index, updates)


def rounded_byte(y):
    """To the nearest of -127 to 127, even in the middle; a NaN gives 0."""
    return y.nan_to_num(nan=0.0).round().clamp(-127, 127)


def ternary_finish(a, sums, scale, bias, residual):
    """What follows the sum of a ternary contraction, its fused multiply-adds rounded to f32."""
    y = (sums * scale + bias).float().double()
    if residual is not None:
        y = (residual.double() * a.get("residual_scale", 1.0) + y).float().double()
    y = y.clamp(number(a.get("min_val", float("-inf"))), number(a.get("max_val", float("inf"))))
    return rounded_byte(y) if a.get("out_type", "f32") == "i8" else y


def ternary_conv2d(a, x, w, scale, bias, residual=None):
    sums = conv(x.double(), nchw(w.double()), a["pad"], a["stride"], a["dilation"])
    return ternary_finish(a, sums, scale, bias, residual)


def ternary_matmul(a, x, w, scale, bias, residual=None):
    return ternary_finish(a, x.double() @ w.double().T, scale, bias, residual)


def codes_of(shape):
    """Rows of 2-bit codes, and the codes of a row."""
    rows = shape[0] if shape else 1
    return rows, max(1, torch.Size(shape[1:]).numel())


def pack(a, values):
    rows, length = codes_of(values.shape)
    codes = torch.where(values < 0, 2, values.int()).reshape(rows, length)
    codes = F.pad(codes, [0, -length % 4]).reshape(rows, -1, 4)
    return (codes << torch.tensor([0, 2, 4, 6])).sum(2).flatten().to(torch.uint8).view(torch.int8)


def unpack(a, packed):
    rows, length = codes_of(a["shape"])
    codes = packed.view(torch.uint8).int().reshape(rows, -1, 1) >> torch.tensor([0, 2, 4, 6]) & 3
    codes = codes.reshape(rows, codes.shape[1] * 4)[:, :length]
    return torch.where(codes == 2, -1, codes).reshape(a["shape"])


def quantized(x, scale):
    """x times the reciprocal of a scale, each rounded to f32."""
    return rounded_byte((x.float() * (1 / scale.float())).double())


def dynamic_quantize(a, x):
    size = x[~x.isnan()].abs()
    largest = size.max() if size.numel() else torch.zeros((), dtype=x.dtype)
    scale = torch.where(largest == 0, torch.ones_like(largest), largest.float() / 127)
    return quantized(x, scale), scale.view(1)


def product(x, axis):
    """Without division, as zeros are none of its business."""
    result = x.select(axis, 0)
    for i in range(1, x.shape[axis]):
        result = result * x.select(axis, i)
    return result.unsqueeze(axis)


OPS = {
    "tosa.conv2d": conv2d, "tosa.depthwise_conv2d": depthwise_conv2d,
    "tosa.transpose_conv2d": transpose_conv2d, "tosa.matmul": matmul,
    "tosa.avg_pool2d": avg_pool2d, "tosa.max_pool2d": max_pool2d,
    "tosa.add": binary(torch.add), "tosa.sub": binary(torch.sub), "tosa.mul": mul,
    "tosa.pow": binary(torch.pow), "tosa.maximum": extreme(torch.maximum, torch.fmax),
    "tosa.minimum": extreme(torch.minimum, torch.fmin), "tosa.equal": binary(torch.eq),
    "tosa.greater": binary(torch.gt), "tosa.greater_equal": binary(torch.ge),
    "tosa.logical_and": binary(torch.logical_and), "tosa.logical_or": binary(torch.logical_or),
    "tosa.logical_not": unary(torch.logical_not), "tosa.select": lambda a, c, x, y: torch.where(c, x, y),
    "tosa.negate": negate, "tosa.abs": unary(torch.abs), "tosa.reciprocal": unary(torch.reciprocal),
    "tosa.rsqrt": unary(torch.rsqrt), "tosa.exp": unary(torch.exp), "tosa.log": unary(torch.log),
    "tosa.tanh": unary(torch.tanh), "tosa.sigmoid": unary(torch.sigmoid), "tosa.erf": unary(torch.erf),
    "tosa.ceil": unary(torch.ceil), "tosa.floor": unary(torch.floor), "tosa.clamp": clamp,
    "tosa.cast": unary(lambda x: x), "tosa.identity": unary(lambda x: x),
    "tosa.reduce_sum": reduced(lambda x, axis: x.sum(axis, keepdim=True)),
    "tosa.reduce_max": reduced(lambda x, axis: x.amax(axis, keepdim=True)),
    "tosa.reduce_min": reduced(lambda x, axis: x.amin(axis, keepdim=True)),
    "tosa.reduce_product": reduced(product), "tosa.argmax": argmax,
    "tosa.reshape": lambda a, x: x.reshape(a["shape"]),
    "tosa.transpose": lambda a, x: x.permute(a["perms"]),
    "tosa.concat": lambda a, *parts: torch.cat(parts, a["axis"]), "tosa.pad": pad, "tosa.slice": slice_,
    "tosa.tile": lambda a, x: x.repeat(a["multiples"]), "tosa.reverse": lambda a, x: x.flip(a["axis"]),
    "tosa.gather": gather, "hla.relayout": unary(lambda x: x),
    "hla.normalize": normalize, "hla.threshold": threshold, "hla.ste_ternarize": ste_ternarize,
    "hla.straight_through": straight_through, "hla.stop_gradient": unary(lambda x: x.detach()),
    "hla.loss_aware": loss_aware, "hla.softmax_cross_entropy": softmax_cross_entropy,
    "hla.batch_norm": batch_norm, "hla.sgd_update": sgd_update,
    "hla.conv2d_input_grad": conv2d_input_grad, "hla.conv2d_weight_grad": conv2d_weight_grad,
    "hla.depthwise_conv2d_input_grad": depthwise_conv2d_input_grad,
    "hla.depthwise_conv2d_weight_grad": depthwise_conv2d_weight_grad,
    "hla.max_pool2d_grad": lambda a, x, g: gradient_of(lambda v: max_pool2d(a, v), x, g),
    "hla.avg_pool2d_grad": lambda a, g: gradient_of(lambda v: avg_pool2d(a, v), g.new_zeros(a["input_shape"]), g),
    "hla.scatter_add": scatter_add,
    "hla.ternarize": lambda a, w: ternary(w, a.get("axis", 0), torch.tensor(a["threshold"], dtype=w.dtype)),
    "hla.ternary_conv2d": ternary_conv2d, "hla.ternary_matmul": ternary_matmul,
    "hla.pack": pack, "hla.unpack": unpack,
    "hla.quantize": lambda a, x: quantized(x, torch.tensor(a["scale"])),
    "hla.dequantize": lambda a, x: x.double() * torch.tensor(a["scale"], dtype=torch.float32).double(),
    "hla.dynamic_quantize": dynamic_quantize,
}  # fmt: skip

# Exact in float64 for what the suite has: products of bytes.
WIDE = {"tosa.conv2d", "tosa.depthwise_conv2d", "tosa.transpose_conv2d", "tosa.matmul"}


def compute(op, attrs, operands, types):
    """The results of a node."""
    function = OPS.get(op)
    if function is None:
        raise NotHere(f"no {op}")
    whole = any(not x.is_floating_point() and x.dtype != torch.bool for x in operands)
    if whole and op in WIDE:
        operands = [x.double() for x in operands]
    results = function(attrs, *operands)
    results = results if isinstance(results, tuple) else (results,)
    return [convert(x, DTYPES.get(dtype), op) for x, (dtype, _) in zip(results, types)]


def convert(x, dtype, op):
    """To the declared type: float64 stands for f32."""
    if dtype is None:
        raise NotHere("a type that PyTorch lacks")
    if dtype == torch.float32:
        return x.double()
    if dtype in (torch.float16, torch.bfloat16):
        return x.to(dtype).double()
    if dtype == torch.bool:
        return x != 0 if x.dtype != torch.bool else x
    if x.is_floating_point():
        if op == "tosa.cast":
            if x.isnan().any():
                raise NotHere("NaN as an integer")
            x = saturate(x.round(), dtype)
        # float64 has no 2^63 - 1.
        return x.to(torch.int64).clamp(*bounds(dtype)).to(dtype) if dtype != torch.int64 else x.to(dtype)
    return x.to(dtype)


def bounds(dtype):
    bits = RANGES[dtype]
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def evaluate(name, graph, tensors):
    """The outputs of a function, in order."""
    values = {}
    for i, label in enumerate(graph["inputs"]):
        x = tensors[f"{name}/in/{label}"]
        if x.is_floating_point():
            x = x.double().requires_grad_(graph["group"] == "vjp")
        values[i] = x
    for node in graph["nodes"]:
        if node["op"] == "tosa.const":
            (result,) = node["results"]
            x = tensors.get(f"{name}/const/{result}")
            if x is None:
                raise NotHere("a constant of a type that safetensors lacks")
            values[result] = x.double() if x.is_floating_point() else x
            continue
        operands = [values[v] for v in node["operands"]]
        values.update(zip(node["results"], compute(node["op"], node["attrs"], operands, node["types"])))
    results = [values[v] for v in graph["results"]]
    gradients = [i for kind, i in graph["gives"] if kind == "gradient"]
    found = {}
    if gradients:
        wanted = [values[i] for i in gradients]
        loss = results[-1].sum()
        # Where nothing is differentiable every gradient is 0.
        grads = torch.autograd.grad(loss, wanted, allow_unused=True) if loss.requires_grad else [None] * len(wanted)
        found = {i: torch.zeros_like(x) if g is None else g for i, x, g in zip(gradients, wanted, grads)}
    return [results[i] if kind == "result" else found[i] for kind, i in graph["gives"]]


def all_outputs(graphs, tensors):
    """Tensors for `hla-run check`, and why functions are not among them."""
    out, missing = {}, {}
    for name, graph in graphs.items():
        try:
            outputs = evaluate(name, graph, tensors)
        except NotHere as why:
            missing[name] = str(why)
            continue
        for label in graph["inputs"]:
            out[f"{name}/in/{label}"] = tensors[f"{name}/in/{label}"]
        for label, x in zip(graph["outputs"], outputs):
            like = tensors[f"{name}/out/{label}"]
            out[f"{name}/out/{label}"] = x.detach().to(like.dtype).reshape(like.shape)
    return out, missing


def far(expected, found, rtol):
    """By how much two tensors differ, as a multiple of what is allowed."""
    if not expected.is_floating_point():
        return 0.0 if torch.equal(expected, found) else float("inf")
    steps = {torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}
    rtol = max(rtol, steps.get(expected.dtype, 0.0))
    a, e = found.double().flatten(), expected.double().flatten()
    same = (a == e) | (a.isnan() & e.isnan())
    largest = e[e.isfinite()].abs().max().item() if e.isfinite().any() else 0.0
    apart = (a - e).abs() / (rtol * (largest + e.abs()) + 1e-300)
    apart = torch.where(same, torch.zeros_like(apart), torch.where(apart.isnan(), torch.full_like(apart, float("inf")), apart))
    return apart.max().item() if apart.numel() else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="[FOLDER/torch.safetensors]")
    parser.add_argument("--against", type=Path, help="compare with these outputs too")
    parser.add_argument("--rtol", type=float, default=1e-4)
    options = parser.parse_args()
    graphs = json.loads((options.folder / "graphs.json").read_text())["graphs"]
    tensors = read(options.folder / "reference.safetensors")
    out, missing = all_outputs(graphs, tensors)
    write(options.out or options.folder / "torch.safetensors", out)
    print(f"PyTorch computes {len(graphs) - len(missing)} of {len(graphs)} functions; the others:")
    for why in sorted(set(missing.values())):
        print(f"  {sum(w == why for w in missing.values()):4} {why}")
    if options.against:
        reference = read(options.against)
        wrong = []
        for name, found in out.items():
            if "/out/" in name and name in reference:
                times = far(reference[name], found, options.rtol)
                if times > 1:
                    wrong.append(f"  {name}: {times:.3g} times what is allowed")
        if wrong:
            sys.exit("\n".join(["PyTorch and the reference differ:", *wrong]))
        print(f"and agrees with {options.against.name}")


if __name__ == "__main__":
    main()
