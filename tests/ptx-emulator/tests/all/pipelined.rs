//! A matrix product as compilers write it: three stages of asynchronous copies, swizzled tiles, ldmatrix
//! and mma, one barrier a tile. Each way to break it must be seen.

use hla_runtime::plan::Access;
use ptx_emulator::{Fault, run_every_way};

const ROWS: usize = 32;
const DEPTH: usize = 96;

/// C[32, 8] = A[32, 96] · B, where B lies as [8, 96]; two warps, tiles of 16 along the sum. A row of a
/// tile has two chunks of 16 bytes, which change places in rows with bit 2 set.
const KERNEL: &str = "\
.version 8.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 tiles[];
.visible .entry product(
  .param .u64 .ptr .align 16 pa,
  .param .u64 .ptr .align 16 pb,
  .param .u64 .ptr .align 16 pc
)
.maxntid 64, 1, 1
{
  .reg .pred %p<8>;
  .reg .b32 %r<64>;
  .reg .b64 %d<16>;
  .reg .b32 %a<4>, %b<2>, %c<4>;
  ld.param.b64 %d0, [pa];
  ld.param.b64 %d1, [pb];
  ld.param.b64 %d2, [pc];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, tiles;
  // What this thread copies: chunk %r3 of row %r2, of A and, with fewer threads, of B.
  shr.u32 %r2, %r0, 1;
  and.b32 %r3, %r0, 1;
  mul.lo.u32 %r4, %r2, 192;
  mad.lo.u32 %r4, %r3, 16, %r4;
  cvt.u64.u32 %d3, %r4;
  add.s64 %d4, %d0, %d3;
  add.s64 %d5, %d1, %d3;
  bfe.u32 %r5, %r2, 2, 1;
  xor.b32 %r5, %r5, %r3;
  shl.b32 %r6, %r2, 5;
  mad.lo.u32 %r6, %r5, 16, %r6;
  add.s32 %r6, %r6, %r1;
  setp.lt.u32 %p0, %r0, 16;
  // What this lane loads: a row of A in its warp's half, a row of B.
  and.b32 %r7, %r0, 31;
  shr.u32 %r8, %r0, 5;
  and.b32 %r9, %r7, 15;
  mad.lo.u32 %r9, %r8, 16, %r9;
  shr.u32 %r10, %r7, 4;
  bfe.u32 %r11, %r9, 2, 1;
  xor.b32 %r11, %r11, %r10;
  shl.b32 %r12, %r9, 5;
  mad.lo.u32 %r12, %r11, 16, %r12;
  add.s32 %r12, %r12, %r1;
  and.b32 %r13, %r7, 7;
  bfe.u32 %r14, %r7, 3, 1;
  bfe.u32 %r15, %r13, 2, 1;
  xor.b32 %r15, %r15, %r14;
  shl.b32 %r16, %r13, 5;
  mad.lo.u32 %r16, %r15, 16, %r16;
  add.s32 %r16, %r16, %r1;
  // Two tiles ahead.
  cp.async.cg.shared.global [%r6], [%d4], 16;
  @%p0 cp.async.cg.shared.global [%r6+1024], [%d5], 16;
  cp.async.commit_group;
  cp.async.cg.shared.global [%r6+1280], [%d4+32], 16;
  @%p0 cp.async.cg.shared.global [%r6+2304], [%d5+32], 16;
  cp.async.commit_group;
  mov.b32 %c0, 0f00000000;
  mov.b32 %c1, %c0;
  mov.b32 %c2, %c0;
  mov.b32 %c3, %c0;
  mov.u32 %r20, 0;
tile:
  cp.async.wait_group 1;
  bar.sync 0;
  setp.ge.u32 %p1, %r20, 4;
  @%p1 bra compute;
  add.s32 %r21, %r20, 2;
  rem.u32 %r22, %r21, 3;
  mad.lo.u32 %r23, %r22, 1280, %r6;
  mul.wide.u32 %d6, %r21, 32;
  add.s64 %d7, %d4, %d6;
  add.s64 %d8, %d5, %d6;
  cp.async.cg.shared.global [%r23], [%d7], 16;
  @%p0 cp.async.cg.shared.global [%r23+1024], [%d8], 16;
compute:
  cp.async.commit_group;
  rem.u32 %r24, %r20, 3;
  mul.lo.u32 %r24, %r24, 1280;
  add.s32 %r25, %r24, %r12;
  add.s32 %r26, %r24, %r16;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%a0, %a1, %a2, %a3}, [%r25];
  ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%b0, %b1}, [%r26+1024];
  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
    {%c0, %c1, %c2, %c3}, {%a0, %a1, %a2, %a3}, {%b0, %b1}, {%c0, %c1, %c2, %c3};
  add.s32 %r20, %r20, 1;
  setp.lt.u32 %p2, %r20, 6;
  @%p2 bra tile;
  // Row g (and g + 8) of the warp's half, columns 2t and 2t + 1.
  shr.u32 %r30, %r7, 2;
  mad.lo.u32 %r30, %r8, 16, %r30;
  and.b32 %r31, %r7, 3;
  mul.wide.u32 %d9, %r30, 32;
  mul.wide.u32 %d10, %r31, 8;
  add.s64 %d11, %d2, %d9;
  add.s64 %d11, %d11, %d10;
  st.global.v2.b32 [%d11], {%c0, %c1};
  st.global.v2.b32 [%d11+256], {%c2, %c3};
  ret;
}
";

fn operand(rows: usize, seed: usize) -> Vec<f32> {
    (0..rows * DEPTH)
        .map(|i| ((i * seed + i / DEPTH) % 9) as f32 - 4.0)
        .collect()
}

fn product(ptx: &str) -> Result<Vec<f32>, Fault> {
    let halves = |values: &[f32]| -> Vec<u8> {
        let bits = |&x| half::f16::from_f32(x).to_bits().to_le_bytes();
        values.iter().flat_map(bits).collect()
    };
    let mut buffers = [
        halves(&operand(ROWS, 5)),
        halves(&operand(8, 7)),
        vec![0; ROWS * 8 * 4],
    ];
    let access = [Access::Read, Access::Read, Access::Write];
    let shape = [[1, 1, 1], [64, 1, 1]];
    run_every_way(ptx, "product", shape, 3 * 1280, &mut buffers, &access)?;
    let words = crate::common::words(&buffers[2]);
    Ok(words.into_iter().map(f32::from_bits).collect())
}

/// By the definition; all sums are exact.
fn expected() -> Vec<f32> {
    let (a, b) = (operand(ROWS, 5), operand(8, 7));
    let dot = |i: usize, j: usize| -> f32 {
        (0..DEPTH)
            .map(|k| a[i * DEPTH + k] * b[j * DEPTH + k])
            .sum()
    };
    (0..ROWS * 8).map(|at| dot(at / 8, at % 8)).collect()
}

fn broken(from: &str, to: &str) -> Result<Vec<f32>, Fault> {
    assert!(KERNEL.contains(from), "{from}");
    product(&KERNEL.replace(from, to))
}

#[test]
fn it_is_right_every_way() {
    assert_eq!(product(KERNEL).expect("no fault"), expected());
}

#[test]
fn each_mistake_is_found() {
    for (from, to, told) in [
        ("  bar.sync 0;\n", "", "race"),
        ("wait_group 1", "wait_group 2", "on its way"),
        ("  cp.async.wait_group 1;\n", "", "on its way"),
        // Two stages are too few for one barrier a tile.
        (
            "rem.u32 %r22, %r21, 3",
            "rem.u32 %r22, %r21, 2",
            "on its way",
        ),
        ("[%d11+256]", "[%d11+260]", "no multiple of 8"),
        ("[%d11+256]", "[%d11+264]", "race"),
        (
            "st.global.v2.b32 [%d11+256], {%c2, %c3};",
            "",
            "is to be written",
        ),
        (
            "mov.u32 %r1, tiles;",
            "add.s32 %r1, %r1, 16;",
            "shared memory",
        ),
        (
            "ld.param.b64 %d2, [pc]",
            "ld.param.b64 %d2, [pb]",
            "only to be read",
        ),
    ] {
        match broken(from, to) {
            Ok(_) => panic!("nothing is found with `{to}` for `{from}`"),
            Err(fault) => {
                let text = fault.to_string();
                assert!(text.contains(told), "{to}: {text}");
            }
        }
    }
}

#[test]
fn a_wrong_swizzle_gives_wrong_numbers() {
    let result = broken("xor.b32 %r11, %r11, %r10", "mov.b32 %r11, %r10");
    assert_ne!(
        result.expect("all of it is written and read in order"),
        expected()
    );
}
