"""Peers on the same shapes: ResNet-18, batch 1, 224x224, one thread.

    peer.py ROUNDS MILLISECONDS-OF-HLAC
"""

import logging
import os
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

logging.disable(logging.WARNING)
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

image = rng.standard_normal((1, 3, 224, 224), dtype=np.float32)
rounds, own = int(sys.argv[1]), float(sys.argv[2])


def measure(label, run):
    times = []
    for _ in range(rounds + 2):
        start = time.process_time()
        run()
        times.append((time.process_time() - start) * 1e3)
    times = sorted(times[2:])
    middle = times[len(times) // 2]
    print(f"  {'peer: ' + label:<44} {middle:8.2f} ms  (fastest {times[0]:.2f})  {middle / own:.2f}x hlac's time")


def session(data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


version = onnxruntime.__version__
f32 = session(model.SerializeToString())
measure(f"ONNX Runtime {version}, f32", lambda: f32.run(None, {"image": image}))

with tempfile.TemporaryDirectory() as folder:
    plain, quantized = f"{folder}/f32.onnx", f"{folder}/int8.onnx"
    onnx.save(model, plain)
    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.images = iter([{"image": image}])

            def get_next(self):
                return next(self.images, None)

        quantize_static(plain, quantized, Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True)
        int8 = session(quantized)
        measure(f"ONNX Runtime {version}, int8 QDQ", lambda: int8.run(None, {"image": image}))
    except ImportError as error:
        print(f"  peer: ONNX Runtime int8 is missing: {error}")
    try:
        import openvino
    except ImportError:
        print("  peer: OpenVINO is not installed in this Python; its times are missing")
    else:
        for label, path in [("f32", plain), ("int8", quantized)]:
            if os.path.exists(path):
                hints = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
                request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()
                measure(f"OpenVINO {openvino.__version__.split('-')[0]}, {label}", lambda: request.infer([image]))
