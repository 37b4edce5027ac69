//! Instructions of single lanes, with values worked by hand from PTX's definitions.

use crate::common::{map, map_f32};

const NAN: u32 = 0x7fff_ffff;

#[test]
fn integers_wrap_and_have_high_halves() {
    let a = [7, u32::MAX, 0x8000_0000, 100];
    let b = [3, 1, 2, 0xffff_fff6];
    assert_eq!(
        map("add.s32 %r9, %r0, %r1;", &[&a, &b]),
        [10, 0, 0x8000_0002, 90]
    );
    assert_eq!(
        map("sub.s32 %r9, %r0, %r1;", &[&a, &b]),
        [4, 0xffff_fffe, 0x7fff_fffe, 110]
    );
    assert_eq!(
        map("mul.lo.s32 %r9, %r0, %r1;", &[&a, &b]),
        [21, u32::MAX, 0, 0xffff_fc18]
    );
    assert_eq!(map("mul.hi.u32 %r9, %r0, %r1;", &[&a, &b]), [0, 0, 1, 99]);
    // −2³¹ · 2 = −2³², whose upper half is −1; 100 · −10 = −1000.
    assert_eq!(
        map("mul.hi.s32 %r9, %r0, %r1;", &[&a, &b]),
        [0, u32::MAX, u32::MAX, u32::MAX]
    );
    assert_eq!(
        map("mad.lo.s32 %r9, %r0, %r1, 5;", &[&a, &b]),
        [26, 4, 5, 0xffff_fc1d]
    );
    assert_eq!(
        map("div.s32 %r9, %r0, %r1;", &[&a, &b]),
        [2, u32::MAX, 0xc000_0000, 0xffff_fff6]
    );
    assert_eq!(
        map("rem.s32 %r9, %r1, %r0;", &[&a, &b]),
        [3, 0, 2, 0xffff_fff6]
    );
    assert_eq!(
        map("min.s32 %r9, %r0, %r1;", &[&a, &b]),
        [3, u32::MAX, 0x8000_0000, 0xffff_fff6]
    );
    assert_eq!(
        map("max.u32 %r9, %r0, %r1;", &[&a, &b]),
        [7, u32::MAX, 0x8000_0000, 0xffff_fff6]
    );
    assert_eq!(map("abs.s32 %r9, %r1;", &[&a, &b]), [3, 1, 2, 10]);
}

#[test]
fn products_widen() {
    let body = "mul.wide.s32 %d0, %r0, %r1; mov.b64 {%r2, %r9}, %d0;";
    assert_eq!(
        map(body, &[&[0xffff_ffff, 0x7fff_ffff], &[2, 4]]),
        [u32::MAX, 1]
    );
    let body = "mul.wide.u32 %d0, %r0, %r1; add.s64 %d0, %d0, 4294967296; shr.u64 %d1, %d0, 32; cvt.u32.u64 %r9, %d1;";
    assert_eq!(map(body, &[&[0xffff_ffff, 1], &[2, 4]]), [2, 1]);
    let body = "cvt.u16.u32 %h0, %r0; cvt.u16.u32 %h1, %r1; mul.wide.s16 %r9, %h0, %h1;";
    assert_eq!(
        map(body, &[&[0xfffe, 300], &[3, 300]]),
        [(-6i32) as u32, 90000]
    );
}

#[test]
fn bit_fields() {
    let a = [0x1234_5678, 0xff00_00ff];
    assert_eq!(map("bfe.u32 %r9, %r0, 8, 8;", &[&a]), [0x56, 0]);
    assert_eq!(map("bfe.s32 %r9, %r0, 24, 8;", &[&a]), [0x12, u32::MAX]);
    assert_eq!(map("bfe.s32 %r9, %r0, 28, 8;", &[&a]), [1, u32::MAX]);
    assert_eq!(map("bfi.b32 %r9, %r0, 0, 4, 12;", &[&a]), [0x6780, 0xff0]);
    assert_eq!(
        map(
            "prmt.b32 %r9, %r0, %r1, 0x7531;",
            &[&a, &[0xaabb_ccdd, 0x0102_0304]]
        ),
        [0xaacc_1256, 0x0103_ff00]
    );
    // The sign of byte 3 in every byte.
    assert_eq!(map("prmt.b32 %r9, %r0, 0, 0xbbbb;", &[&a]), [0, u32::MAX]);
    assert_eq!(map("popc.b32 %r9, %r0;", &[&a]), [13, 16]);
    assert_eq!(map("clz.b32 %r9, %r0;", &[&[1, 0]]), [31, 32]);
    assert_eq!(
        map("brev.b32 %r9, %r0;", &[&[1, 6]]),
        [0x8000_0000, 0x6000_0000]
    );
    assert_eq!(map("bfind.u32 %r9, %r0;", &[&[0x10, 0]]), [4, u32::MAX]);
    assert_eq!(
        map("shf.l.wrap.b32 %r9, %r0, %r0, 8;", &[&a]),
        [0x3456_7812, 0x0000_ffff]
    );
    assert_eq!(map("shf.r.clamp.b32 %r9, %r0, 0, 40;", &[&a]), [0, 0]);
    // a & b | !c.
    let table = 0xf0 & 0xcc | !0xaa & 0xff;
    assert_eq!(
        map(
            &format!("lop3.b32 %r9, %r0, %r1, %r2, {table};"),
            &[&[0b1100], &[0b1010], &[0xffff_fffe]]
        ),
        [0b1001]
    );
    assert_eq!(
        map("shl.b32 %r9, %r0, %r1;", &[&[1, 1, 3], &[31, 32, 1]]),
        [0x8000_0000, 0, 6]
    );
    assert_eq!(
        map("shr.s32 %r9, %r0, %r1;", &[&[0x8000_0000, 8], &[40, 2]]),
        [u32::MAX, 2]
    );
    assert_eq!(
        map(
            "dp4a.s32.s32 %r9, %r0, %r1, 10;",
            &[&[0x01ff_02fe], &[0x0203_0405]]
        ),
        // 10 − 2 · 5 + 2 · 4 − 1 · 3 + 1 · 2.
        [7]
    );
    assert_eq!(
        map(
            "dp2a.lo.s32.u32 %r9, %r0, %r1, 1;",
            &[&[0xffff_0002], &[0x0506_0708]]
        ),
        [1 + 16 - 7]
    );
}

#[test]
fn singles_round_once_and_have_one_nan() {
    let x = 1.0 + 2f32.powi(-12);
    // x² − 1 needs more bits than x² has after rounding.
    let exact = (f64::from(x) * f64::from(x) - 1.0) as f32;
    assert_eq!(
        map_f32("fma.rn.f32 %r9, %r0, %r0, 0fBF800000;", &[&[x]]),
        [exact]
    );
    assert_ne!(exact, x * x - 1.0);
    // Halfway in f64: 2²⁴ + 1 + 2⁻³⁰ is above the tie.
    let tie = map_f32(
        "fma.rn.f32 %r9, %r0, %r1, %r2;",
        &[&[16777216.0], &[1.0], &[1.0 + 1e-7]],
    );
    assert_eq!(tie, [16777218.0]);
    assert_eq!(
        map(
            "add.rn.f32 %r9, %r0, %r1;",
            &[&[0x7f80_0000], &[0xff80_0000]]
        ),
        [NAN]
    );
    assert_eq!(
        map(
            "mul.rn.f32 %r9, %r0, %r1;",
            &[&[0x7f80_1234], &[0x3f80_0000]]
        ),
        [NAN]
    );
    let (zero, minus) = (0, 0x8000_0000);
    assert_eq!(
        map(
            "min.f32 %r9, %r0, %r1;",
            &[&[zero, NAN, 0x3f80_0000], &[minus, 0x4000_0000, NAN]]
        ),
        [minus, 0x4000_0000, 0x3f80_0000]
    );
    assert_eq!(
        map(
            "max.NaN.f32 %r9, %r0, %r1;",
            &[&[zero, NAN], &[minus, 0x4000_0000]]
        ),
        [zero, NAN]
    );
    assert_eq!(
        map_f32("div.rn.f32 %r9, %r0, %r1;", &[&[1.0, 10.0], &[3.0, 4.0]]),
        [1.0 / 3.0, 2.5]
    );
    assert_eq!(
        map_f32(
            "add.rn.sat.f32 %r9, %r0, %r1;",
            &[&[0.75, -1.0, 0.25], &[0.5, 0.5, 0.5]]
        ),
        [1.0, 0.0, 0.75]
    );
    let tiny = f32::from_bits(1);
    assert_eq!(
        map_f32("add.rn.f32 %r9, %r0, %r1;", &[&[tiny], &[tiny]]),
        [f32::from_bits(2)]
    );
    assert_eq!(
        map_f32("add.rn.ftz.f32 %r9, %r0, %r1;", &[&[tiny], &[tiny]]),
        [0.0]
    );
    assert_eq!(
        map_f32("copysign.f32 %r9, %r0, %r1;", &[&[-1.0], &[3.0]]),
        [-3.0]
    );
    assert_eq!(map_f32("neg.f32 %r9, %r0;", &[&[1.5]]), [-1.5]);
}

#[test]
fn functions_are_those_of_f64() {
    let x = [0.3f32, 2.0];
    let of = |f: fn(f64) -> f64| x.map(|x| f(f64::from(x)) as f32);
    for (name, expected) in [
        ("ex2.approx.f32", of(f64::exp2)),
        ("lg2.approx.f32", of(f64::log2)),
        ("sin.approx.f32", of(f64::sin)),
        ("cos.approx.f32", of(f64::cos)),
        ("tanh.approx.f32", of(f64::tanh)),
        ("sqrt.rn.f32", of(f64::sqrt)),
        ("rsqrt.approx.f32", of(|x| 1.0 / x.sqrt())),
        ("rcp.rn.f32", of(|x| 1.0 / x)),
    ] {
        assert_eq!(
            map_f32(&format!("{name} %r9, %r0;"), &[&x]),
            expected,
            "{name}"
        );
    }
}

#[test]
fn comparisons_know_nan() {
    let a = [1.0, f32::NAN, 2.0];
    let b = [2.0, 1.0, 2.0];
    for (relation, expected) in [
        ("eq", [0, 0, 1]),
        ("ne", [1, 0, 0]),
        ("lt", [1, 0, 0]),
        ("ge", [0, 0, 1]),
        ("equ", [0, 1, 1]),
        ("neu", [1, 1, 0]),
        ("ltu", [1, 1, 0]),
        ("geu", [0, 1, 1]),
        ("num", [1, 0, 1]),
        ("nan", [0, 1, 0]),
    ] {
        let body = format!("setp.{relation}.f32 %p0, %r0, %r1; selp.u32 %r9, 1, 0, %p0;");
        assert_eq!(
            map(&body, &[&a.map(f32::to_bits), &b.map(f32::to_bits)]),
            expected,
            "{relation}"
        );
    }
    let body = "setp.gt.s32 %p1, %r1, 0; setp.lt.and.s32 %p0|%p2, %r0, %r1, %p1; \
                selp.u32 %r9, 1, 0, %p0; selp.u32 %r2, 2, 0, %p2; or.b32 %r9, %r9, %r2;";
    // Less and positive; not less and positive; not positive.
    assert_eq!(map(body, &[&[1, 5, 0], &[2, 3, 0xffff_fffe]]), [1, 2, 0]);
    let body = "setp.lt.u32 %p0, %r0, 5; set.eq.u32.u32 %r1, %r0, 3; @!%p0 mov.u32 %r1, 77; mov.u32 %r9, %r1;";
    assert_eq!(map(body, &[&[3, 4, 9]]), [u32::MAX, 0, 77]);
    let body = "testp.infinite.f32 %p0, %r0; selp.u32 %r9, 1, 0, %p0;";
    assert_eq!(map(body, &[&[0x7f80_0000, 0x3f80_0000]]), [1, 0]);
    let body = "slct.u32.s32 %r9, 1, 2, %r0;";
    assert_eq!(map(body, &[&[0, u32::MAX]]), [1, 2]);
}

#[test]
fn conversions_round_as_they_say() {
    let x = [2.5f32, -2.5, 3.5, -0.3].map(f32::to_bits);
    assert_eq!(
        map("cvt.rni.s32.f32 %r9, %r0;", &[&x]),
        [2, -2i32 as u32, 4, 0]
    );
    assert_eq!(
        map("cvt.rzi.s32.f32 %r9, %r0;", &[&x]),
        [2, -2i32 as u32, 3, 0]
    );
    assert_eq!(
        map("cvt.rmi.s32.f32 %r9, %r0;", &[&x]),
        [2, -3i32 as u32, 3, -1i32 as u32]
    );
    assert_eq!(
        map("cvt.rpi.s32.f32 %r9, %r0;", &[&x]),
        [3, -2i32 as u32, 4, 0]
    );
    let odd = [f32::NAN, 1e20, -1e20].map(f32::to_bits);
    assert_eq!(
        map("cvt.rzi.s32.f32 %r9, %r0;", &[&odd]),
        [0, i32::MAX as u32, i32::MIN as u32]
    );
    assert_eq!(map("cvt.rzi.u32.f32 %r9, %r0;", &[&odd]), [0, u32::MAX, 0]);
    assert_eq!(
        map("cvt.rni.f32.f32 %r9, %r0;", &[&x]),
        [2.0, -2.0, 4.0, -0.0].map(f32::to_bits)
    );
    assert_eq!(
        map("cvt.rn.f32.s32 %r9, %r0;", &[&[-1i32 as u32, 16777217]]),
        [-1.0, 16777216.0].map(f32::to_bits)
    );
    assert_eq!(
        map("cvt.rz.f32.u32 %r9, %r0;", &[&[u32::MAX]]),
        [4294967040f32.to_bits()]
    );
    let body = "cvt.u16.u32 %h0, %r0; cvt.s32.s8 %r9, %h0;";
    assert_eq!(map(body, &[&[0x80, 0x17f]]), [-128i32 as u32, 127]);
    assert_eq!(
        map("cvt.sat.u8.s32 %r9, %r0;", &[&[300, -5i32 as u32, 7]]),
        [255, 0, 7]
    );
    let body = "cvt.s64.s32 %d0, %r0; cvt.s64.s8 %d1, %d0; cvt.u32.u64 %r9, %d1;";
    assert_eq!(map(body, &[&[0xff, 0x7f]]), [u32::MAX, 0x7f]);
}

#[test]
fn shorts() {
    // Halves: 1 + 2⁻¹¹ is a tie, to even; 65520 rounds to infinity; 2⁻²⁵ is a tie, to zero.
    let x = [
        1.0 + 2f32.powi(-11),
        65520.0,
        2f32.powi(-25),
        3.0 * 2f32.powi(-25),
    ]
    .map(f32::to_bits);
    let narrow = "cvt.rn.f16.f32 %h0, %r0; cvt.u32.u16 %r9, %h0;";
    assert_eq!(map(narrow, &[&x]), [0x3c00, 0x7c00, 0, 2]);
    let wide = "cvt.u16.u32 %h0, %r0; cvt.f32.f16 %r9, %h0;";
    let bits = [0x3c01, 0x0001, 0xfc00, 0x8000];
    let values = [
        1.0 + 2f32.powi(-10),
        2f32.powi(-24),
        f32::NEG_INFINITY,
        -0.0,
    ]
    .map(f32::to_bits);
    assert_eq!(map(wide, &[&bits]), values);
    // bfloat16: a tie goes to even, and one bit more goes up.
    let x = [0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7fc0_0001];
    assert_eq!(
        map("cvt.rn.bf16.f32 %h0, %r0; cvt.u32.u16 %r9, %h0;", &[&x]),
        [0x3f80, 0x3f82, 0x3f81, 0x7fff]
    );
    assert_eq!(
        map(
            "cvt.rn.bf16x2.f32 %r9, %r0, %r1;",
            &[&x[..2], &[0x4000_0000, 0]]
        ),
        [0x3f80_4000, 0x3f82_0000]
    );
    // tf32: ties go away from zero.
    assert_eq!(
        map(
            "cvt.rna.tf32.f32 %r9, %r0;",
            &[&[0x3f80_1000, 0xbf80_1000, 0x3f80_0fff]]
        ),
        [0x3f80_2000, 0xbf80_2000, 0x3f80_0000]
    );
    // 1 + 2⁻¹⁰ squared is 1 + 2⁻⁹ + 2⁻²⁰: with −1 added, rounding once keeps the last.
    let fma = "cvt.u16.u32 %h0, %r0; neg.f16 %h1, %h0; mov.b16 %h2, 0xBC00; fma.rn.f16 %h3, %h0, %h0, %h2; cvt.u32.u16 %r9, %h3;";
    // 2⁻⁹ + 2⁻²⁰ needs 12 bits: the tie goes to even.
    assert_eq!(map(fma, &[&[0x3c01]]), [0x1800]);
    assert_eq!(
        map(
            "add.rn.f16x2 %r9, %r0, %r1;",
            &[&[0x3c00_4000], &[0x3c00_3c00]]
        ),
        [0x4000_4200]
    );
    assert_eq!(
        map(
            "mul.rn.bf16x2 %r9, %r0, %r1;",
            &[&[0x3fc0_4000], &[0x3fc0_3f80]]
        ),
        [0x4010_4000]
    );
    assert_eq!(
        map(
            "max.NaN.bf16x2 %r9, %r0, %r1;",
            &[&[0x7fff_4000], &[0x3fc0_3f80]]
        ),
        [0x7fff_4000]
    );
    assert_eq!(
        map(
            "min.f16x2 %r9, %r0, %r1;",
            &[&[0x7fff_4000], &[0x3c00_3c00]]
        ),
        [0x3c00_3c00]
    );
}

#[test]
fn doubles() {
    let body = "cvt.f64.f32 %d0, %r0; mul.rn.f64 %d1, %d0, %d0; add.rn.f64 %d1, %d1, 0d3FF0000000000000; \
                sqrt.rn.f64 %d1, %d1; cvt.rn.f32.f64 %r9, %d1;";
    assert_eq!(map_f32(body, &[&[3.0, 0.75]]), [10f64.sqrt() as f32, 1.25]);
}

#[test]
fn pairs_of_singles_and_wide_vectors() {
    let body = "mov.b64 %d0, {%r0, %r1}; mov.b64 %d1, {%r1, %r1}; fma.rn.f32x2 %d2, %d0, %d1, %d0; \
                add.rn.f32x2 %d2, %d2, %d1; mov.b64 {%r2, %r3}, %d2; sub.rn.f32 %r9, %r2, %r3;";
    // (2·3 + 2 + 3) − (3·3 + 3 + 3).
    assert_eq!(map_f32(body, &[&[2.0], &[3.0]]), [-4.0]);
    assert_eq!(
        map_f32(
            "max.f32 %r9, %r0, %r1, 0f40400000;",
            &[&[1.0, 5.0], &[2.0, 4.0]]
        ),
        [3.0, 5.0]
    );
    let body = "setp.lt.f16x2 %p0|%p1, %r0, %r1; selp.u32 %r9, 1, 0, %p0; selp.u32 %r2, 2, 0, %p1; \
                or.b32 %r9, %r9, %r2;";
    assert_eq!(
        map(body, &[&[0x3c00_4000, 0x4000_3c00], &[0x4000_3c00; 2]]),
        [2, 0]
    );
    let v8 = "ld.global.v8.b32 {%r0, %r1, %r2, %r3, %r4, %r5, %r6, %r7}, [%a0];\n  \
              st.global.v4.b32 [%a0], {%r7, %r6, %r5, %r4};\n  st.global.v4.b32 [%a0+16], {%r3, %r2, %r1, %r0};";
    let ptx = crate::common::module(1, "", v8);
    let mut buffers = [crate::common::bytes(&[0, 1, 2, 3, 4, 5, 6, 7])];
    crate::common::run(&ptx, 1, &mut buffers).expect("it runs");
    assert_eq!(crate::common::words(&buffers[0]), [7, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn subnormal_shorts_can_be_flushed() {
    let add = |suffix: &str, a: u32, b: u32| {
        let body = format!(
            "cvt.u16.u32 %h0, %r0; cvt.u16.u32 %h1, %r1; add{suffix} %h2, %h0, %h1; cvt.u32.u16 %r9, %h2;"
        );
        map(&body, &[&[a], &[b]])[0]
    };
    assert_eq!(add(".f16", 1, 2), 3);
    assert_eq!(add(".ftz.f16", 1, 2), 0);
    assert_eq!(add(".ftz.f16", 0x0400, 0x3c00), 0x3c00);
    assert_eq!(add(".rn.bf16", 1, 2), 3);
}
