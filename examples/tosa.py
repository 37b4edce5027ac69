"""Writes TOSA 1.0 text, as LLVM 22 reads it, and safetensors files. Needs only numpy.

A `Function` collects operations in the order they are called. Every trained
tensor becomes an argument that carries its name in `hla.param`; the same
names and shapes go into the safetensors file, so the two always agree.

Layouts are TOSA's: activations NHWC, convolution weights OHWI (output
channel, kernel row, kernel column, input channel), matmul weights [1, K, N].
"""

import json
import math
import struct
from collections import namedtuple
from pathlib import Path

import numpy as np

F32_MAX = "3.40282347E+38"

Value = namedtuple("Value", "name shape")


def tensor(shape, element="f32"):
    return f"tensor<{'x'.join(str(n) for n in [*shape, element])}>"


def ints(values):
    return f"array<i64: {', '.join(str(v) for v in values)}>"


class Function:
    """`func.func @main` under construction. Methods named after TOSA
    operations append them and return their result; `name` is its SSA name."""

    def __init__(self):
        self.arguments = []
        self.constants = {}
        self.body = []
        self.params = {}

    # Arguments and constants.

    def image(self, shape):
        self.arguments.append(f'%image: {tensor(shape)} {{hla.name = "image"}}')
        return Value("%image", tuple(shape))

    def param(self, name, array):
        array = np.ascontiguousarray(array, dtype="<f4")
        assert name not in self.params, name
        self.params[name] = array
        self.arguments.append(f'%{name}: {tensor(array.shape)} {{hla.param = "{name}"}}')
        return Value(f"%{name}", array.shape)

    def constant(self, name, text, shape, element="f32"):
        kind = tensor(shape, element)
        self.constants[name] = f'%{name} = "tosa.const"() {{values = dense<{text}> : {kind}}} : () -> {kind}'
        return Value(f"%{name}", tuple(shape))

    def zero_point(self):
        return self.constant("zero_point", "0.0", [1]).name

    def shape(self, dims):
        """A `!tosa.shape`. -1 stands for "whatever is left"."""
        name = "shape_" + "_".join(str(d).replace("-1", "n") for d in dims)
        self.constants[name] = (
            f"%{name} = tosa.const_shape {{values = dense<{list(dims)}> : tensor<{len(dims)}xindex>}}"
            f" : () -> !tosa.shape<{len(dims)}>"
        )
        return f"%{name}"

    # Operations.

    def emit(self, name, op, operands, attributes, types, shape):
        attributes = f" {{{attributes}}}" if attributes else ""
        self.body.append(
            f"%{name} = tosa.{op} {', '.join(operands)}{attributes} : ({', '.join(types)}) -> {tensor(shape)}"
        )
        return Value(f"%{name}", tuple(shape))

    def conv2d(self, name, x, weight, bias=None, stride=1, pad=(0, 0, 0, 0)):
        """`pad` is top, bottom, left, right."""
        n, h, w, _ = x.shape
        out_c, kh, kw, _ = weight.shape
        if bias is None:  # TOSA always takes one.
            bias = self.constant(f"no_bias_{out_c}", "0.0", [out_c])
        zero = self.zero_point()
        shape = (n, self.extent(h, kh, stride, pad[:2]), self.extent(w, kw, stride, pad[2:]), out_c)
        return self.emit(
            name,
            "conv2d",
            [x.name, weight.name, bias.name, zero, zero],
            f"acc_type = f32, pad = {ints(pad)}, stride = {ints([stride] * 2)}, dilation = {ints([1, 1])}",
            [tensor(x.shape), tensor(weight.shape), tensor(bias.shape), tensor([1]), tensor([1])],
            shape,
        )

    def matmul(self, name, x, weight):
        zero = self.zero_point()
        types = [tensor(x.shape), tensor(weight.shape), tensor([1]), tensor([1])]
        return self.emit(name, "matmul", [x.name, weight.name, zero, zero], "", types, (*x.shape[:2], weight.shape[2]))

    def max_pool2d(self, name, x, kernel, stride, pad=(0, 0, 0, 0)):
        n, h, w, c = x.shape
        shape = (n, self.extent(h, kernel, stride, pad[:2]), self.extent(w, kernel, stride, pad[2:]), c)
        attributes = f"kernel = {ints([kernel] * 2)}, stride = {ints([stride] * 2)}, pad = {ints(pad)}"
        return self.emit(name, "max_pool2d", [x.name], attributes, [tensor(x.shape)], shape)

    def avg_pool2d(self, name, x, kernel, stride):
        """`kernel` is one extent or two."""
        n, h, w, c = x.shape
        kh, kw = [kernel] * 2 if isinstance(kernel, int) else kernel
        zero = self.zero_point()
        shape = (n, self.extent(h, kh, stride, (0, 0)), self.extent(w, kw, stride, (0, 0)), c)
        attributes = f"kernel = {ints([kh, kw])}, stride = {ints([stride] * 2)}, pad = {ints([0] * 4)}, acc_type = f32"
        types = [tensor(x.shape), tensor([1]), tensor([1])]
        return self.emit(name, "avg_pool2d", [x.name, zero, zero], attributes, types, shape)

    def global_avg_pool(self, name, x):
        return self.avg_pool2d(name, x, kernel=x.shape[1:3], stride=1)

    def add(self, name, x, y):
        return self.emit(name, "add", [x.name, y.name], "", [tensor(x.shape), tensor(y.shape)], x.shape)

    def relu(self, name, x):
        attributes = f"min_val = 0.0 : f32, max_val = {F32_MAX} : f32"
        return self.emit(name, "clamp", [x.name], attributes, [tensor(x.shape)], x.shape)

    def batch_norm(self, name, x, gamma, beta, mean, variance, eps=1e-5):
        """Inference form, gamma * (x - mean) * rsqrt(variance + eps) + beta.

        The four vectors become arguments `name`.weight, .bias, .running_mean
        and .running_var, shaped [1, .., 1, C] so that they broadcast."""

        def vector(suffix, values):
            return self.param(f"{name}.{suffix}", np.reshape(values, [1] * (len(x.shape) - 1) + [-1]))

        gamma, beta = vector("weight", gamma), vector("bias", beta)
        mean, variance = vector("running_mean", mean), vector("running_var", variance)
        ones = [1] * len(x.shape)
        eps = self.constant(f"eps_{len(ones)}d", repr(eps) if "." in repr(eps) else f"{eps:.1e}", ones)
        shift = self.constant("no_shift", "0", [1], "i8")  # only integer products are shifted
        big, small = tensor(x.shape), tensor(mean.shape)

        def mul(part, a, b):
            types = [tensor(a.shape), tensor(b.shape), tensor([1], "i8")]
            return self.emit(f"{name}.{part}", "mul", [a.name, b.name, shift.name], "", types, a.shape)

        centred = self.emit(f"{name}.centred", "sub", [x.name, mean.name], "", [big, small], x.shape)
        moved = self.add(f"{name}.var_eps", variance, eps)
        rsqrt = self.emit(f"{name}.rsqrt", "rsqrt", [moved.name], "", [small], mean.shape)
        scaled = mul("scaled", mul("unit", centred, rsqrt), gamma)
        return self.add(name, scaled, beta)

    def reshape(self, name, x, dims):
        """`dims` may hold one -1."""
        rest = -math.prod(x.shape) // math.prod(dims)
        shape = [rest if d == -1 else d for d in dims]
        rank = f"!tosa.shape<{len(dims)}>"
        return self.emit(name, "reshape", [x.name, self.shape(dims)], "", [tensor(x.shape), rank], shape)

    def crop(self, name, x, height, width):
        """The top left corner of every image."""
        size = (x.shape[0], height, width, x.shape[3])
        operands = [x.name, self.shape([0] * 4), self.shape(size)]
        return self.emit(name, "slice", operands, "", [tensor(x.shape)] + ["!tosa.shape<4>"] * 2, size)

    @staticmethod
    def extent(size, kernel, stride, pad):
        span = size + sum(pad) - kernel
        assert span >= 0 and span % stride == 0, "TOSA wants windows that end exactly at the border"
        return span // stride + 1

    # Files.

    def text(self, result, comment):
        lines = [f"// {line}".rstrip() for line in comment.strip().splitlines()]
        arguments = ",\n    ".join(self.arguments)
        lines += [f"func.func @main(\n    {arguments}) -> {tensor(result.shape)} {{"]
        lines += [f"  {line}" for line in [*self.constants.values(), *self.body]]
        lines += [f"  return {result.name} : {tensor(result.shape)}", "}", ""]
        return "\n".join(lines)

    def write(self, stem, result, comment):
        """`stem`.mlir and `stem`.safetensors."""
        stem.with_suffix(".mlir").write_text(self.text(result, comment))
        write_safetensors(stem.with_suffix(".safetensors"), self.params)


def write_safetensors(path, tensors):
    """Eight bytes with the length of the header, the header in JSON, the data.
    The header is padded so that the data starts at a multiple of eight."""
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for array in tensors.values():
            file.write(array.tobytes())


def read_safetensors(path):
    data = Path(path).read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data, "<f4", math.prod(entry["shape"]), start + entry["data_offsets"][0]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
    }
