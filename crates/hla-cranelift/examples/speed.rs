//! scratch
#![allow(clippy::unwrap_used)]
use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use std::time::Instant;

fn bench(name: &str, args: &[TensorType], build: impl Fn(&mut Function, &[ValueId]) -> ValueId) {
    let mut f = Function::new(name);
    let a: Vec<_> = args
        .iter()
        .map(|t| f.add_arg(Arg::new(t.clone())))
        .collect();
    let r = build(&mut f, &a);
    f.results.push(r);
    let o = CodegenOptions {
        text: true,
        ..Default::default()
    };
    let p = jit(&f, &o).unwrap();
    let inputs: Vec<Tensor> = args
        .iter()
        .map(|t| {
            Tensor::from_f64s(
                t.clone(),
                (0..t.elements()).map(|i| ((i * 7919 % 201) as f64 - 100.0) / 50.0),
            )
            .unwrap()
        })
        .collect();
    let mut w = p.workspace().unwrap();
    p.run_in(&inputs, &mut w, None).unwrap();
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let t = Instant::now();
        p.run_in(&inputs, &mut w, None).unwrap();
        best = best.min(t.elapsed().as_secs_f64());
    }
    let n: usize = args[0].elements();
    println!(
        "{name}: {:.1} us, {:.3} ns/element",
        best * 1e6,
        best * 1e9 / n as f64
    );
    if std::env::args().nth(1).as_deref() == Some(name) {
        let c = compile(
            &f,
            &Target::parse(&std::env::args().nth(2).unwrap_or("x86_64".into()), &[]).unwrap(),
            &o,
        )
        .unwrap();
        println!("{}", c.clif);
        println!("{}", c.asm);
    }
}

fn main() {
    let l = Location::unknown;
    let f = |s: &[usize]| TensorType::f32(s);
    let x = [f(&[1, 56, 56, 64])];
    let none = Attrs::new;
    bench("relu", &x, |g, a| {
        g.push(
            Op::Clamp,
            a,
            none().with("min_val", 0f32).with("max_val", 6f32),
            l(),
        )
        .unwrap()
    });
    bench("add", &[x[0].clone(), x[0].clone()], |g, a| {
        g.push(Op::Add, a, none(), l()).unwrap()
    });
    bench("bias", &[x[0].clone(), f(&[1, 1, 1, 64])], |g, a| {
        g.push(Op::Add, a, none(), l()).unwrap()
    });
    for op in [Op::Exp, Op::Log, Op::Tanh, Op::Sigmoid, Op::Erf] {
        bench(op.def().name, &x, |g, a| {
            g.push(op, a, none(), l()).unwrap()
        });
    }
    bench("pow", &[x[0].clone(), x[0].clone()], |g, a| {
        g.push(Op::Pow, a, none(), l()).unwrap()
    });
    bench("quantize", &x, |g, a| {
        g.push(Op::Quantize, a, none().with("scale", 0.1f32), l())
            .unwrap()
    });
    bench(
        "dequantize",
        &[TensorType::new([1, 56, 56, 64], DType::I8)],
        |g, a| {
            g.push(Op::Dequantize, a, none().with("scale", 0.1f32), l())
                .unwrap()
        },
    );
    bench(
        "relayout_i16",
        &[TensorType::new([1, 56, 56, 64], DType::I8)],
        |g, a| {
            let v = g
                .push(
                    Op::Relayout,
                    a,
                    none().with("hla.layout", "planar<1,1,1,1,i16>"),
                    l(),
                )
                .unwrap();
            g.push(Op::Relayout, &[v], none(), l()).unwrap()
        },
    );
    bench("relayout_f32", &x, |g, a| {
        let v = g
            .push(
                Op::Relayout,
                a,
                none().with("hla.layout", "planar<1,1,1,1,f32>"),
                l(),
            )
            .unwrap();
        g.push(Op::Relayout, &[v], none(), l()).unwrap()
    });
    let pool = || {
        none()
            .with("kernel", vec![3i64, 3])
            .with("stride", vec![2i64, 2])
            .with("pad", vec![1i64, 0, 1, 0])
    };
    for (n, d, lay) in [
        ("max_f32", DType::F32, None),
        ("max_i8", DType::I8, None),
        ("max_planar_f32", DType::F32, Some("planar<1,1,1,1,f32>")),
        ("max_planar_i16", DType::I8, Some("planar<1,1,1,1,i16>")),
    ] {
        bench(n, &[TensorType::new([1, 112, 112, 64], d)], |g, a| {
            let mut v = a[0];
            if let Some(s) = lay {
                v = g
                    .push(Op::Relayout, &[v], none().with("hla.layout", s), l())
                    .unwrap();
            }
            let mut at = pool();
            if let Some(s) = lay {
                at.set("hla.layout", s);
            }
            let mut v = g.push(Op::MaxPool2d, &[v], at, l()).unwrap();
            if lay.is_some() {
                v = g.push(Op::Relayout, &[v], none(), l()).unwrap();
            }
            v
        });
    }
    for (n, d) in [("avg_f32", DType::F32), ("avg_i8", DType::I8)] {
        bench(n, &[TensorType::new([1, 7, 7, 512], d)], |g, a| {
            g.push(
                Op::AvgPool2d,
                a,
                none()
                    .with("kernel", vec![7i64, 7])
                    .with("stride", vec![1i64, 1])
                    .with("pad", vec![0i64; 4]),
                l(),
            )
            .unwrap()
        });
    }
    for ax in 0..3i64 {
        bench(&format!("sum{ax}"), &[f(&[64, 64, 64])], |g, a| {
            g.push(Op::ReduceSum, a, none().with("axis", ax), l())
                .unwrap()
        });
    }
    bench("transpose", &[f(&[1, 224, 224, 3])], |g, a| {
        g.push(
            Op::Transpose,
            a,
            none().with("perms", vec![0i64, 3, 1, 2]),
            l(),
        )
        .unwrap()
    });
    bench("transpose_back", &[f(&[1, 64, 56, 56])], |g, a| {
        g.push(
            Op::Transpose,
            a,
            none().with("perms", vec![0i64, 2, 3, 1]),
            l(),
        )
        .unwrap()
    });
    bench("pad", &x, |g, a| {
        g.push(
            Op::Pad,
            a,
            none().with("padding", vec![0i64, 0, 1, 1, 1, 1, 0, 0]),
            l(),
        )
        .unwrap()
    });
    bench("dynamic", &x, |g, a| {
        g.push(Op::DynamicQuantize, a, none(), l()).unwrap()
    });
    bench("softmax", &[f(&[64, 1000])], |g, a| {
        let m = g
            .push(Op::ReduceMax, a, none().with("axis", 1i64), l())
            .unwrap();
        let s = g.push(Op::Sub, &[a[0], m], none(), l()).unwrap();
        let e = g.push(Op::Exp, &[s], none(), l()).unwrap();
        let t = g
            .push(Op::ReduceSum, &[e], none().with("axis", 1i64), l())
            .unwrap();
        let r = g.push(Op::Reciprocal, &[t], none(), l()).unwrap();
        g.push(Op::Mul, &[e, r], none(), l()).unwrap()
    });
}
