//! Registers of a warp, 32 lanes side by side, and instructions on them as closures.

/// Lanes of a warp.
pub const LANES: usize = 32;

/// Registers of a warp. Those of 8 and 16 bits lie in those of 32, with zeros above.
#[derive(Clone, Default, Debug)]
pub struct Regs {
    /// 32 bits a lane.
    pub r32: Vec<[u32; LANES]>,
    /// 64 bits a lane.
    pub r64: Vec<[u64; LANES]>,
    /// A bit a lane.
    pub pred: Vec<u32>,
}

/// An instruction that only computes: on these registers, in these lanes.
pub type Alu = Box<dyn Fn(&mut Regs, u32) + Send + Sync>;

/// A lane's value as an instruction sees it.
pub trait Lane: Copy + Default + Send + Sync + 'static {
    /// Reads a register.
    fn read(regs: &Regs, slot: u16) -> [Self; LANES];
    /// Writes a register in some lanes.
    fn write(regs: &mut Regs, slot: u16, mask: u32, value: [Self; LANES]);
}

/// Copies the lanes of a mask.
pub fn blend<T: Copy>(target: &mut [T; LANES], mask: u32, value: &[T; LANES]) {
    if mask == u32::MAX {
        *target = *value;
        return;
    }
    for lane in 0..LANES {
        if mask >> lane & 1 == 1 {
            target[lane] = value[lane];
        }
    }
}

macro_rules! lane {
    ($ty:ty, $file:ident, $from:expr, $to:expr) => {
        impl Lane for $ty {
            #[inline(always)]
            fn read(regs: &Regs, slot: u16) -> [$ty; LANES] {
                regs.$file[slot as usize].map($from)
            }
            #[inline(always)]
            fn write(regs: &mut Regs, slot: u16, mask: u32, value: [$ty; LANES]) {
                blend(&mut regs.$file[slot as usize], mask, &value.map($to));
            }
        }
    };
}

lane!(u32, r32, |x| x, |x| x);
lane!(i32, r32, |x| x as i32, |x| x as u32);
lane!(f32, r32, f32::from_bits, |x: f32| x.to_bits());
lane!(u16, r32, |x| x as u16, u32::from);
lane!(i16, r32, |x| x as i16, |x| u32::from(x as u16));
lane!(u8, r32, |x| x as u8, u32::from);
lane!(i8, r32, |x| x as i8, |x| u32::from(x as u8));
lane!(u64, r64, |x| x, |x| x);
lane!(i64, r64, |x| x as i64, |x| x as u64);
lane!(f64, r64, f64::from_bits, |x: f64| x.to_bits());

impl Lane for bool {
    #[inline(always)]
    fn read(regs: &Regs, slot: u16) -> [bool; LANES] {
        let bits = regs.pred[slot as usize];
        std::array::from_fn(|lane| bits >> lane & 1 == 1)
    }
    #[inline(always)]
    fn write(regs: &mut Regs, slot: u16, mask: u32, value: [bool; LANES]) {
        let mut bits = 0;
        for (lane, &value) in value.iter().enumerate() {
            bits |= u32::from(value) << lane;
        }
        let target = &mut regs.pred[slot as usize];
        *target = *target & !mask | bits & mask;
    }
}

/// An instruction of one operand.
pub fn unary<A: Lane, D: Lane>(d: u16, a: u16, f: impl Fn(A) -> D + Send + Sync + 'static) -> Alu {
    Box::new(move |regs, mask| {
        let a = A::read(regs, a);
        D::write(regs, d, mask, std::array::from_fn(|i| f(a[i])));
    })
}

/// An instruction of two operands.
pub fn binary<A: Lane, B: Lane, D: Lane>(
    d: u16,
    [a, b]: [u16; 2],
    f: impl Fn(A, B) -> D + Send + Sync + 'static,
) -> Alu {
    Box::new(move |regs, mask| {
        let (a, b) = (A::read(regs, a), B::read(regs, b));
        D::write(regs, d, mask, std::array::from_fn(|i| f(a[i], b[i])));
    })
}

/// An instruction of three operands.
pub fn ternary<A: Lane, B: Lane, C: Lane, D: Lane>(
    d: u16,
    [a, b, c]: [u16; 3],
    f: impl Fn(A, B, C) -> D + Send + Sync + 'static,
) -> Alu {
    Box::new(move |regs, mask| {
        let (a, b, c) = (A::read(regs, a), B::read(regs, b), C::read(regs, c));
        D::write(regs, d, mask, std::array::from_fn(|i| f(a[i], b[i], c[i])));
    })
}
