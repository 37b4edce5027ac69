//! Goldens of the inner loops of elementwise ops, reductions and pooling on both processors.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, Target, compile};
use hla_ir::layout::LAYOUT;
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, TensorType};

/// The loop of a kernel in which the words occur most often.
fn hottest(f: &Function, target: &str, kernel: &str, words: [&str; 2]) -> String {
    let options = CodegenOptions {
        text: true,
        ..CodegenOptions::default()
    };
    let artifact = compile(f, &Target::parse(target, &[]).unwrap(), &options).unwrap();
    let mut kernels = artifact.report.kernels.iter();
    let symbol = &kernels.find(|k| k.symbol.contains(kernel)).unwrap().symbol;
    let kernel = artifact.asm.split(&format!("{symbol}:")).nth(1).unwrap();
    let kernel = kernel.split("\nf_").next().unwrap();
    let count = |block: &&str| {
        words
            .iter()
            .map(|w| block.matches(w).count())
            .sum::<usize>()
    };
    let loops = kernel
        .split("\nblock")
        .filter(|block| block.contains("jl ") || block.contains("b.lt"));
    let block = loops.max_by_key(count).unwrap();
    block.split_once(":\n").unwrap().1.trim_end().to_owned()
}

fn function(op: Op, ty: TensorType, attrs: Attrs, layout: &str) -> Function {
    let mut f = Function::new("f");
    let push = |f: &mut Function, op, x, attrs| f.push(op, &[x], attrs, Location::unknown());
    let mut x = f.add_arg(Arg::new(ty));
    let mut attrs = attrs;
    if !layout.is_empty() {
        let at = Attrs::new().with(LAYOUT, layout);
        x = push(&mut f, Op::Relayout, x, at).unwrap();
        attrs.set(LAYOUT, layout);
    }
    let y = push(&mut f, op, x, attrs).unwrap();
    f.results.push(y);
    f
}

#[test]
fn inner_loops() {
    let none = Attrs::new;
    let clamp = none().with("min_val", 0f32).with("max_val", 6f32);
    let scale = none().with("scale", 0.1f32);
    let pool = none()
        .with("kernel", vec![3i64, 3])
        .with("stride", vec![2i64, 2])
        .with("pad", vec![1i64, 0, 1, 0]);
    let vector = TensorType::f32([4096]);
    let image = TensorType::new([1, 56, 56, 64], DType::I8);
    let planar = "planar<1,1,1,1,i16>";
    let sum = none().with("axis", 1i64);
    let rows = TensorType::f32([64, 1024]);
    for (name, kernel, f, words) in [
        (
            "clamp",
            "map_clamp",
            function(Op::Clamp, vector.clone(), clamp, ""),
            ["vminps", "bsl"],
        ),
        (
            "quantize",
            "map_quantize",
            function(Op::Quantize, vector, scale, ""),
            ["vmulps", "fmul"],
        ),
        (
            "sum",
            "reduce_sum",
            function(Op::ReduceSum, rows, sum, ""),
            ["vaddps", "fadd"],
        ),
        (
            "planar_max",
            "max_pool2d",
            function(Op::MaxPool2d, image, pool, planar),
            ["vpmaxsw", "smax"],
        ),
    ] {
        for target in ["x86_64", "aarch64"] {
            let text = hottest(&f, target, kernel, words);
            // Which register is whose chance decides.
            let filters = vec![
                (r"%xmm\d+", "%xmm"),
                (r"%(r[0-9a-z]+|e[a-ds][xip])", "%r"),
                (r"\b([vxqswd])\d+\b", "$1"),
                (r"label\d+", "label"),
            ];
            insta::with_settings!({ filters => filters }, {
                insta::assert_snapshot!(format!("{name}_{target}"), text);
            });
        }
    }
}
