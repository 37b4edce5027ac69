//! The edges of the backend: results that no kernel computes, empty tensors, indices out of range,
//! what cannot be compiled, the header.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, Type, ValueId};
use hla_reference::Tolerance;

fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}

fn agrees(f: &Function, inputs: &[Tensor]) {
    let expected = hla_reference::evaluate(f, inputs).unwrap();
    let program = jit(f, &CodegenOptions::default()).unwrap();
    let computed = program.run(inputs, None).unwrap();
    assert_eq!(expected.len(), computed.len());
    for (e, c) in expected.iter().zip(&computed) {
        Tolerance::Exact.check(e, c).unwrap();
    }
}

#[test]
fn results_of_every_kind() {
    let ty = TensorType::f32([2, 3]);
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(ty.clone()));
    let constant = Tensor::from_f32s([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let c = f.constant(constant, Location::unknown());
    let splat = f.constant(Tensor::splat(ty.clone(), 7.5), Location::unknown());
    let sum = push(&mut f, Op::Add, &[x, c], Attrs::new());
    let flat = push(
        &mut f,
        Op::Reshape,
        &[sum],
        Attrs::new().with("shape", vec![6i64]),
    );
    let of_input = push(
        &mut f,
        Op::Reshape,
        &[x],
        Attrs::new().with("shape", vec![3i64, 2]),
    );
    let same = push(&mut f, Op::Identity, &[flat], Attrs::new());
    let negative = push(&mut f, Op::Negate, &[same], Attrs::new());
    // An argument, constants, one value under three names, another name of the argument.
    f.results = vec![x, c, splat, sum, flat, sum, of_input, negative];
    agrees(&f, &[Tensor::from_f32s([2, 3], &[0.5; 6]).unwrap()]);
}

#[test]
fn empty_tensors() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([2, 0, 5])));
    let e = push(&mut f, Op::Exp, &[x], Attrs::new());
    let sum = push(&mut f, Op::ReduceSum, &[e], Attrs::new().with("axis", 1i64));
    let max = push(&mut f, Op::ReduceMax, &[e], Attrs::new().with("axis", 1i64));
    let padding = Attrs::new()
        .with("padding", vec![0i64, 0, 1, 1, 0, 0])
        .with("pad_const", 2f32);
    let pad = push(&mut f, Op::Pad, &[e], padding);
    let t = push(
        &mut f,
        Op::Transpose,
        &[e],
        Attrs::new().with("perms", vec![2i64, 0, 1]),
    );
    f.results = vec![e, sum, max, pad, t];
    agrees(&f, &[Tensor::from_f32s([2, 0, 5], &[]).unwrap()]);
}

#[test]
fn a_gather_out_of_range_is_an_error() {
    let mut f = Function::new("main");
    let values = f.add_arg(Arg::new(TensorType::f32([1, 3, 2])));
    let indices = f.add_arg(Arg::new(TensorType::new([1, 2], DType::I32)));
    let g = push(&mut f, Op::Gather, &[values, indices], Attrs::new());
    f.results.push(g);
    let values = Tensor::from_f32s([1, 3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let program = jit(&f, &CodegenOptions::default()).unwrap();
    let run = |i: i64, j: i64| {
        let ty = TensorType::new([1, 2], DType::I32);
        let indices = Tensor::from_i64s(ty, &[i, j]).unwrap();
        program.run(&[values.clone(), indices], None)
    };
    assert_eq!(run(2, 0).unwrap()[0].to_f32s(), [5.0, 6.0, 1.0, 2.0]);
    for (i, j) in [
        (3, 0),
        (0, -1),
        (i64::from(i32::MAX), 1),
        (i64::from(i32::MIN), 1),
    ] {
        let error = run(i, j).unwrap_err();
        assert!(error.message.contains("out of range"), "{error}");
    }
    assert!(run(1, 1).is_ok());
}

#[test]
fn all_unknown_ops_are_named() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([2])));
    let types = || vec![Type::from(TensorType::f32([2]))];
    for name in ["mine.first", "mine.second"] {
        f.push_opaque(name, &[x], "", types(), Location::file("model.mlir", 3, 5));
    }
    f.results.push(x);
    let error = jit(&f, &CodegenOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("mine.first") && error.contains("mine.second"),
        "{error}"
    );
    assert!(error.contains("model.mlir:3:5"), "{error}");
}

#[test]
fn a_constant_that_is_large_only_in_its_shape_is_not_written_out() {
    let huge = TensorType::f32([1 << 20, 1 << 20]);
    // As an operand of an elementwise op a repeated value is an immediate; written out it is not.
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([1, 1])));
    let c = f.constant(Tensor::splat(huge, 1.0), Location::unknown());
    let sum = push(&mut f, Op::Add, &[x, c], Attrs::new());
    f.results.push(sum);
    let program = jit(&f, &CodegenOptions::default()).unwrap();
    assert_eq!(program.report().rodata_bytes, 0);
    f.results[0] = c;
    let error = jit(&f, &CodegenOptions::default()).err().unwrap();
    assert!(error.message.contains("repeated value"), "{error}");
}

#[test]
fn wrong_inputs_are_refused() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([2])));
    f.results.push(x);
    let program = jit(&f, &CodegenOptions::default()).unwrap();
    let wrong = Tensor::from_f32s([3], &[0.0; 3]).unwrap();
    assert!(program.run(&[wrong], None).is_err());
    assert!(program.run(&[], None).is_err());
}

#[test]
fn equal_constants_are_placed_once() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([64])));
    let values: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let mut y = x;
    for _ in 0..3 {
        let c = Tensor::from_f32s([64], &values).unwrap();
        let c = f.constant(c, Location::unknown());
        y = push(&mut f, Op::Mul, &[y, c], Attrs::new());
    }
    f.results.push(y);
    let program = jit(&f, &CodegenOptions::default()).unwrap();
    assert_eq!(program.report().rodata_bytes, 256);
}

/// The header is C and C++, whatever the inputs are called, and declares what the object defines.
#[test]
fn the_header_compiles() {
    let mut f = Function::new("9 lives!");
    for (name, dtype) in [
        ("image", DType::F32),
        ("class", DType::F16),
        ("image", DType::I1),
        ("state", DType::I64),
        ("naïve", DType::I8),
    ] {
        f.add_arg(Arg::new(TensorType::new([2, 3], dtype)).named(name));
    }
    f.results = vec![ValueId(0), ValueId(4)];
    let target = Target::parse("x86_64", &[]).unwrap();
    let artifact = compile(&f, &target, &CodegenOptions::default()).unwrap();
    assert!(artifact.header.contains("float [2][3]") || artifact.header.contains("f32 [2][3]"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("m.h"), &artifact.header).unwrap();
    let source = "#include \"m.h\"\n#include \"m.h\"\n\
        int use(void *s, void *p) { return _9_lives__run(s, (float *)p, (uint16_t *)p, (uint8_t *)p, \
        (int64_t *)p, (int8_t *)p, (float *)p, (int8_t *)p, p, 0); }\n";
    for (compiler, file) in [("cc", "m.c"), ("c++", "m.cc")] {
        std::fs::write(directory.path().join(file), source).unwrap();
        let output = Command::new(compiler)
            .args([
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
                "-fsyntax-only",
                file,
            ])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{}", artifact.header);
    }
}
