//! Random float networks, as models to compile.

use hla_ir::{DType, Op, ValueId};

use super::Case;
use super::generate::{Random, none};
use super::networks::{NEAR, Net, network, window};

/// A convolutional network in TOSA that depends on the seed alone: a first convolution whose sums
/// are exact in any order, a few blocks of convolution, batch norm, residual, activation and
/// pooling, then a classifier. What follows the first convolution is ternarized by default, so a
/// compiled program may be compared with the evaluation of its own optimised form up to the
/// classifier's rounding.
pub fn random_network(seed: u64) -> Case {
    let name = format!("network_random_{seed}");
    let mut random = Random::new(&name);
    let mut pick = |low: i64, high: i64| random.between(low, high) as usize;
    let (batch, height, width) = (pick(1, 2), pick(5, 9), pick(5, 9));
    let (inputs, channels, blocks) = (pick(1, 4), pick(1, 20), pick(1, 4));
    let plan: Vec<Block> = (0..blocks)
        .map(|_| Block {
            kernel: 2 * pick(0, 1) + 1,
            stride: pick(1, 2),
            batch_norm: pick(0, 2) > 0,
            residual: pick(0, 1) == 1,
            clamp: [None, Some(f32::INFINITY), Some(6.0)][pick(0, 2)],
            pool: pick(0, 2) == 0,
            channels: pick(1, 20),
        })
        .collect();
    let input = random.grid(&[batch, height, width, inputs], DType::F32);
    let mut cases = Vec::new();
    network(&mut cases, &name, NEAR, [input], |net, x| {
        let weights = net.random.grid(&[channels, 3, 3, inputs], DType::F32);
        let weights = net.b.constant(weights);
        let bias = net.random.grid(&[channels], DType::F32);
        let bias = net.b.constant(bias);
        let mut y = net.b.op(Op::Conv2d, &[x[0], weights, bias], window(1, 1));
        for block in plan {
            y = block.build(net, y);
        }
        let [n, h, w, c] = shape(net, y);
        let flat = net.reshape(y, &[1, n, h * w * c]);
        vec![net.dense(flat, h * w * c, 5)]
    });
    cases.remove(0)
}

struct Block {
    kernel: usize,
    /// Taken as 1 where a stride of 2 would leave columns over.
    stride: usize,
    batch_norm: bool,
    /// Taken as absent where extents change.
    residual: bool,
    /// Upper bound of the activation.
    clamp: Option<f32>,
    pool: bool,
    channels: usize,
}

fn shape(net: &Net<'_>, x: ValueId) -> [usize; 4] {
    let shape = &net.b.function.tensor_ty(x).shape;
    [shape[0], shape[1], shape[2], shape[3]]
}

impl Block {
    fn build(self, net: &mut Net<'_>, x: ValueId) -> ValueId {
        let [_, h, w, c] = shape(net, x);
        let odd = h % 2 == 1 && w % 2 == 1;
        let stride = if odd { self.stride } else { 1 };
        let channels = if self.residual { c } else { self.channels };
        let mut y = net.conv(x, [channels, self.kernel, c], stride as i64);
        if self.batch_norm {
            y = net.batch_norm(y, channels);
        }
        if self.residual && stride == 1 {
            y = net.b.op(Op::Add, &[y, x], none());
        }
        if let Some(high) = self.clamp {
            let attrs = none().with("min_val", 0.0f32).with("max_val", high);
            y = net.b.op(Op::Clamp, &[y], attrs);
        }
        let [_, h, w, _] = shape(net, y);
        match (self.pool, h.min(w)) {
            (false, _) | (_, 1) => y,
            (true, _) if h % 2 == 0 && w % 2 == 0 => net.pool(Op::MaxPool2d, y, 2, 2),
            (true, _) => net.pool(Op::MaxPool2d, y, 2, 1),
        }
    }
}
