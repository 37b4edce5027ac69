"""ONNX Runtime on the same shapes: ResNet-18, batch 1, 224x224, f32, one thread."""

import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
nodes, weights = [], []


def weight(name, shape, fan_in):
    values = (rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)
    weights.append(numpy_helper.from_array(values, name))
    return name


def conv(x, cin, cout, kernel, stride, relu):
    name = f"conv{len(nodes)}"
    w = weight(name + ".weight", (cout, cin, kernel, kernel), cin * kernel * kernel)
    b = weight(name + ".bias", (cout,), cout)
    pad = kernel // 2
    nodes.append(helper.make_node("Conv", [x, w, b], [name], strides=[stride] * 2, pads=[pad] * 4))
    if relu:
        nodes.append(helper.make_node("Relu", [name], [name + ".relu"]))
        return name + ".relu"
    return name


x = conv("image", 3, 64, 7, 2, True)
nodes.append(helper.make_node("MaxPool", [x], ["pool"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
x, channels = "pool", 64
for stage, out in enumerate([64, 128, 256, 512]):
    for block in range(2):
        stride = 2 if stage > 0 and block == 0 else 1
        y = conv(x, channels, out, 3, stride, True)
        y = conv(y, out, out, 3, 1, False)
        if stride != 1 or channels != out:
            x = conv(x, channels, out, 1, stride, False)
        name = f"block{stage}.{block}"
        nodes.append(helper.make_node("Add", [x, y], [name]))
        nodes.append(helper.make_node("Relu", [name], [name + ".relu"]))
        x, channels = name + ".relu", out
nodes.append(helper.make_node("GlobalAveragePool", [x], ["mean"]))
nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
nodes.append(helper.make_node("Gemm", ["flat", weight("fc.weight", (512, 1000), 512), weight("fc.bias", (1000,), 1000)], ["scores"]))
graph = helper.make_graph(
    nodes,
    "resnet18",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224])],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1000])],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
image = rng.standard_normal((1, 3, 224, 224), dtype=np.float32)
times = []
for i in range(int(sys.argv[1]) + 2):
    start = time.perf_counter()
    session.run(None, {"image": image})
    times.append((time.perf_counter() - start) * 1e3)
times = sorted(times[2:])
label = f"peer: ONNX Runtime {onnxruntime.__version__}, f32"
print(f"  {label:<44} {times[len(times) // 2]:8.2f} ms  (fastest {times[0]:.2f})")
