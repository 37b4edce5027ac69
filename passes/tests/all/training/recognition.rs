//! Which batch norms `hla-train-mode` recognises.

use hla_ir::graph::BUFFER;
use hla_ir::{Arg, Attr, Function, Op, TensorType, ValueId};

use super::model::param;
use crate::agree::assert_agree;
use crate::build::{Build, i64s, passes};

/// x, μ, σ², γ, β and (σ² + ε)^−½; `reshaped` parameters have shape \[3\] and are spread.
struct Parts {
    f: Build,
    x: ValueId,
    mean: ValueId,
    variance: ValueId,
    scale: ValueId,
    offset: ValueId,
    epsilon: ValueId,
}

fn parts(reshaped: bool) -> Parts {
    let mut f = Build::new();
    let x =
        f.0.add_arg(Arg::new(TensorType::f32([2, 2, 1, 3])).named("x"));
    let shape: &[usize] = if reshaped { &[3] } else { &[1, 1, 1, 3] };
    let args = ["mean", "variance", "scale", "offset"].map(|name| param(&mut f, name, shape));
    let epsilon = f.splat(&[1; 4], 1e-3);
    let [mean, variance, scale, offset] = args.map(|arg| match reshaped {
        true => f.op(Op::Reshape, &[arg], &[("shape", i64s(&[1, 1, 1, 3]))]),
        false => arg,
    });
    Parts {
        f,
        x,
        mean,
        variance,
        scale,
        offset,
        epsilon,
    }
}

impl Parts {
    fn op(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        self.f.op(op, operands, &[])
    }

    fn inverse(&mut self) -> ValueId {
        let sum = self.op(Op::Add, &[self.epsilon, self.variance]);
        self.op(Op::Rsqrt, &[sum])
    }

    fn centred(&mut self) -> ValueId {
        self.op(Op::Sub, &[self.x, self.mean])
    }
}

/// Every spelling of the same batch norm.
fn spellings() -> Vec<(&'static str, Function)> {
    let mut all = Vec::new();
    for reshaped in [false, true] {
        let mut p = parts(reshaped);
        let (c, r) = (p.centred(), p.inverse());
        let y = p.op(Op::Mul, &[c, r]);
        let y = p.op(Op::Mul, &[y, p.scale]);
        let y = p.op(Op::Add, &[y, p.offset]);
        all.push(("in PyTorch's order", p.f.results(&[y])));

        let mut p = parts(reshaped);
        let (c, r) = (p.centred(), p.inverse());
        let y = p.op(Op::Mul, &[p.scale, c]);
        let y = p.op(Op::Mul, &[r, y]);
        let y = p.op(Op::Add, &[p.offset, y]);
        all.push(("scale first", p.f.results(&[y])));

        let mut p = parts(reshaped);
        let (c, r) = (p.centred(), p.inverse());
        let s = p.op(Op::Mul, &[r, p.scale]);
        let y = p.op(Op::Mul, &[c, s]);
        let y = p.op(Op::Add, &[y, p.offset]);
        all.push(("factors joined", p.f.results(&[y])));

        let mut p = parts(reshaped);
        let r = p.inverse();
        let s = p.op(Op::Mul, &[p.scale, r]);
        let y = p.op(Op::Mul, &[p.x, s]);
        let shift = p.op(Op::Mul, &[p.mean, s]);
        let b = p.op(Op::Sub, &[p.offset, shift]);
        let y = p.op(Op::Add, &[y, b]);
        all.push(("scale and shift", p.f.results(&[y])));

        let mut p = parts(reshaped);
        let c = p.centred();
        let sum = p.op(Op::Add, &[p.variance, p.epsilon]);
        let half = p.f.splat(&[1; 4], 0.5);
        let root = p.op(Op::Pow, &[sum, half]);
        let r = p.op(Op::Reciprocal, &[root]);
        let y = p.op(Op::Mul, &[c, r]);
        let y = p.op(Op::Mul, &[y, p.scale]);
        let y = p.op(Op::Add, &[y, p.offset]);
        all.push(("one over the root", p.f.results(&[y])));
    }
    all
}

/// However it is spelled, it becomes the same `hla.batch_norm`.
#[test]
fn spellings_of_batch_norm_agree() {
    for reshaped in [false, true] {
        let half = spellings().len() / 2;
        let some: Vec<_> = match reshaped {
            false => spellings().into_iter().take(half).collect(),
            true => spellings().into_iter().skip(half).collect(),
        };
        let made: Vec<Function> = (some.iter())
            .map(|(what, f)| {
                let (new, report) = passes("hla-train-mode", f).unwrap();
                assert!(report.remarks.is_empty(), "{what}: {report}");
                let norms = new.nodes.iter().filter(|n| n.op == Op::BatchNorm);
                assert_eq!(norms.count(), 1, "{what}:\n{new}");
                assert_eq!(new.results.len(), 3);
                assert_eq!(new.args[1].attrs.bool(BUFFER), Some(true));
                new
            })
            .collect();
        for (new, (what, _)) in made.iter().zip(&some).skip(1) {
            assert_eq!(new.to_string(), made[0].to_string(), "{what}");
            assert_agree(&made[0], new, 0.0, 0.0);
        }
    }
}

/// Without γ and β, the sum with a value that depends on the input is none of it.
#[test]
fn a_batch_norm_may_lack_scale_and_offset() {
    let mut p = parts(false);
    let (c, r) = (p.centred(), p.inverse());
    let y = p.op(Op::Mul, &[c, r]);
    let y = p.op(Op::Add, &[y, p.x]);
    let (new, _) = passes("hla-train-mode", &p.f.results(&[y])).unwrap();
    let norm = new.nodes.iter().find(|n| n.op == Op::BatchNorm).unwrap();
    assert_eq!(
        new.constant_value(norm.operands[1]).unwrap().splat_value(),
        Some(1.0)
    );
    assert_eq!(
        new.constant_value(norm.operands[2]).unwrap().splat_value(),
        Some(0.0)
    );
    assert!(
        new.nodes
            .iter()
            .any(|n| n.op == Op::Add && n.operands.contains(&norm.results[0]))
    );
}

#[test]
fn what_is_no_batch_norm_is_left_and_told() {
    let mut p = parts(false);
    let (c, r) = (p.centred(), p.inverse());
    let squared = p.op(Op::Mul, &[r, r]);
    let y = p.op(Op::Mul, &[c, squared]);
    let f = p.f.results(&[y]);
    let (new, report) = passes("hla-train-mode", &f).unwrap();
    assert_eq!(new.nodes.len(), f.nodes.len());
    let warning = report.remarks[0].to_string();
    assert!(
        warning.contains("'variance' looks like a variance"),
        "{warning}"
    );
    // Constant statistics are frozen, and no matter of concern.
    let mut f = Build::new();
    let x = f.arg(&[2, 3]);
    let mean = f.constant(&[1, 3], &[1.0, 2.0, 3.0]);
    let inverse = f.splat(&[1, 3], 0.5);
    let y = f.op(Op::Sub, &[x, mean], &[]);
    let y = f.op(Op::Mul, &[y, inverse], &[]);
    let range = [("min_val", Attr::F32(0.0)), ("max_val", Attr::F32(6.0))];
    let y = f.op(Op::Clamp, &[y], &range);
    let f = f.results(&[y]);
    let (new, report) = passes("hla-train-mode", &f).unwrap();
    assert_eq!(new.nodes.len(), f.nodes.len());
    assert!(report.remarks.is_empty());
}
