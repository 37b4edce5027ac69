"""Runs cnn.mlir and mlp.mlir through MLIR's own lowering and compares the
logits with PyTorch's. hlac has no part in it.

    python check.py [--count 3] [--suffix -22]

Needs numpy and LLVM's mlir-opt and mlir-runner (22).
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tosa  # noqa: E402

# The tensor program becomes loops over buffers, then LLVM's dialect.
LOWERING = [
    "--tosa-to-linalg-pipeline",
    "--tosa-to-arith",
    "--tosa-to-tensor",
    "--convert-elementwise-to-linalg",
    "--one-shot-bufferize=bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map",
    "--convert-linalg-to-loops",
    "--expand-strided-metadata",
    "--lower-affine",
    "--convert-scf-to-cf",
    "--convert-math-to-llvm",
    "--convert-math-to-libm",
    "--convert-arith-to-llvm",
    "--finalize-memref-to-llvm",
    "--convert-func-to-llvm",
    "--convert-cf-to-llvm",
    "--convert-ub-to-llvm",
    "--reconcile-unrealized-casts",
]


def constant(name, array):
    kind = tosa.tensor(array.shape)
    return f'  {name} = arith.constant dense<"0x{array.astype("<f4").tobytes().hex()}"> : {kind}'


def run(model, params, images, suffix="-22"):
    """The outputs of `main` for each image, with `params` in place of its other arguments."""
    text = Path(model).read_text()
    signature = re.search(r"func\.func @main\((.*?)\) -> (tensor<.*?>) \{", text, re.DOTALL)
    names = re.findall(r'hla\.param = "(.*?)"', signature[1])
    kinds = re.findall(r"tensor<.*?>", signature[1])
    assert sorted(names) == sorted(params), "the file of weights and the model disagree"
    out = signature[2]
    bits = out.replace("f32", "i32")
    # The bits are printed as integers: exact, where printMemrefF32 rounds.
    calls = [constant(f"%{name}", params[name]) for name in names]
    for i, image in enumerate(images):
        calls += [
            constant(f"%image{i}", image[None]),
            f"  %out{i} = func.call @main(%image{i}, {', '.join(f'%{n}' for n in names)})"
            f" : ({', '.join(kinds)}) -> {out}",
            f"  %bits{i} = arith.bitcast %out{i} : {out} to {bits}",
            f"  %any{i} = tensor.cast %bits{i} : {bits} to tensor<*xi32>",
            f"  func.call @printMemrefI32(%any{i}) : (tensor<*xi32>) -> ()",
        ]
    text = re.sub(r" \{hla\.\w+ = \".*?\"\}", "", text).replace("func.func @main", "func.func private @main")
    text += "\n".join(
        [
            "func.func private @printMemrefI32(tensor<*xi32>) attributes {llvm.emit_c_interface}",
            "func.func @check() {",
            *calls,
            "  return",
            "}",
        ]
    )
    lowered = subprocess.run([f"mlir-opt{suffix}", *LOWERING], input=text, capture_output=True, text=True)
    if lowered.returncode:
        sys.exit(lowered.stderr[:2000])
    libraries = library_folder(suffix)
    printed = subprocess.run(
        [f"mlir-runner{suffix}", "-O2", "-e", "check", "--entry-point-result=void"]
        + [f"--shared-libs={libraries}/libmlir_{name}.so" for name in ["runner_utils", "c_runner_utils"]],
        input=lowered.stdout,
        capture_output=True,
        text=True,
    )
    if printed.returncode:
        sys.exit(printed.stderr[:2000])
    shape = [int(n) for n in re.findall(r"(\d+)x", out)]
    outputs = re.findall(r"data =\s*(\[.*?\](?=\s*(?:Unranked|$)))", printed.stdout, re.DOTALL)
    values = [[int(n) for n in re.findall(r"-?\d+", part)] for part in outputs]
    return np.array(values, "<i4").view("<f4").reshape(len(images), *shape[1:])


def library_folder(suffix):
    tool = subprocess.run(["which", f"mlir-runner{suffix}"], capture_output=True, text=True, check=True)
    return Path(tool.stdout.strip()).resolve().parent.parent / "lib"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3, help="how many test images")
    parser.add_argument("--suffix", default="-22", help="of the LLVM tools, as in mlir-opt-22")
    options = parser.parse_args()
    images = np.load(HERE / "test-images.npy")[: options.count]
    for name in ["cnn", "mlp"]:
        params = tosa.read_safetensors(HERE / f"{name}.safetensors")
        got = run(HERE / f"{name}.mlir", params, images, options.suffix)
        expected = np.load(HERE / f"expected-{name}.npy")[: options.count]
        print(f"{name}: {len(images)} images, largest difference {np.abs(got - expected).max():.2g}")
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    main()
