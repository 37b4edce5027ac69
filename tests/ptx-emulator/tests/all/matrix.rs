//! Matrix fragments, against the tables of the PTX manual written out element by element.

use crate::common::{bytes, module, run, words};

/// Gives registers of each lane to an instruction and returns registers of each lane.
fn fragments(instruction: &str, inputs: &[[u32; 32]], outputs: usize) -> Vec<[u32; 32]> {
    let mut body = String::new();
    for i in 0..inputs.len() {
        body += &format!(
            "  add.s64 %d0, %a0, %t4;\n  ld.global.u32 %r{}, [%d0+{}];\n",
            i + 8,
            128 * i
        );
    }
    body += instruction;
    for i in 0..outputs {
        body += &format!(
            "\n  add.s64 %d0, %a1, %t4;\n  st.global.u32 [%d0+{}], %r{i};",
            128 * i
        );
    }
    let all: Vec<u32> = inputs.concat();
    let mut buffers = [bytes(&all), vec![0; 128 * outputs]];
    run(&module(2, "", &body), 32, &mut buffers).unwrap_or_else(|fault| panic!("{fault}"));
    words(&buffers[1])
        .chunks(32)
        .map(|words| words.try_into().expect("32 lanes"))
        .collect()
}

/// A small number that depends on a place.
fn number(row: usize, column: usize, seed: usize) -> f32 {
    ((row * 31 + column * 17 + seed * 7) % 13) as f32 - 6.0
}

fn product(k: usize) -> Vec<Vec<f32>> {
    (0..16)
        .map(|i| {
            (0..8)
                .map(|j| {
                    number(i, j, 3)
                        + (0..k)
                            .map(|l| number(i, l, 1) * number(l, j, 2))
                            .sum::<f32>()
                })
                .collect()
        })
        .collect()
}

fn half(x: f32) -> u32 {
    u32::from(half::f16::from_f32(x).to_bits())
}

fn brain(x: f32) -> u32 {
    x.to_bits() >> 16
}

/// C and D: c0, c1 in row g, c2, c3 in row g + 8; columns 2t and 2t + 1.
fn place(lane: usize, i: usize) -> (usize, usize) {
    (lane / 4 + if i < 2 { 0 } else { 8 }, lane % 4 * 2 + (i & 1))
}

fn accumulators(value: impl Fn(f32) -> u32) -> Vec<[u32; 32]> {
    (0..4)
        .map(|i| {
            std::array::from_fn(|lane| {
                let (r, c) = place(lane, i);
                value(number(r, c, 3))
            })
        })
        .collect()
}

fn check(d: &[[u32; 32]], k: usize, value: impl Fn(f32) -> u32) {
    let expected = product(k);
    for (i, d) in d.iter().enumerate() {
        for (lane, &d) in d.iter().enumerate() {
            let (row, column) = place(lane, i);
            assert_eq!(
                d,
                value(expected[row][column]),
                "row {row}, column {column}"
            );
        }
    }
}

#[test]
fn shorts_16() {
    for (name, pack) in [("f16", half as fn(f32) -> u32), ("bf16", brain)] {
        for k in [8, 16] {
            // a(i): row g for i in {0, 1, 4, 5}, else g + 8; column 2t + (i & 1), and 8 more from i = 4.
            let a = |lane: usize, i: usize| {
                let row = lane / 4 + if i < 2 || (4..6).contains(&i) { 0 } else { 8 };
                number(row, lane % 4 * 2 + (i & 1) + if i < 4 { 0 } else { 8 }, 1)
            };
            // b(i): row 2t + (i & 1), and 8 more from i = 2; column g.
            let b = |lane: usize, i: usize| {
                number(
                    lane % 4 * 2 + (i & 1) + if i < 2 { 0 } else { 8 },
                    lane / 4,
                    2,
                )
            };
            let mut inputs: Vec<[u32; 32]> = (0..k / 4)
                .map(|r| {
                    std::array::from_fn(|lane| {
                        pack(a(lane, 2 * r)) | pack(a(lane, 2 * r + 1)) << 16
                    })
                })
                .collect();
            inputs.extend((0..k / 8).map(|r| -> [u32; 32] {
                std::array::from_fn(|lane| pack(b(lane, 2 * r)) | pack(b(lane, 2 * r + 1)) << 16)
            }));
            let c = inputs.len() + 8;
            inputs.extend(accumulators(f32::to_bits));
            let (ra, rb) = if k == 16 {
                ("{%r8,%r9,%r10,%r11}", "{%r12,%r13}")
            } else {
                ("{%r8,%r9}", "{%r10}")
            };
            let mma = format!(
                "mma.sync.aligned.m16n8k{k}.row.col.f32.{name}.{name}.f32 {{%r0,%r1,%r2,%r3}}, {ra}, {rb}, {{%r{c},%r{},%r{},%r{}}};",
                c + 1,
                c + 2,
                c + 3
            );
            check(&fragments(&mma, &inputs, 4), k, f32::to_bits);
            if name == "f16" {
                // Two halves of C in a register: row g, then row g + 8.
                inputs.truncate(c - 8);
                for r in 0..2 {
                    inputs.push(std::array::from_fn(|lane| {
                        let at = |i| {
                            let (r, c) = place(lane, i);
                            half(number(r, c, 3))
                        };
                        at(2 * r) | at(2 * r + 1) << 16
                    }));
                }
                let mma = format!(
                    "mma.sync.aligned.m16n8k{k}.row.col.f16.f16.f16.f16 {{%r0,%r1}}, {ra}, {rb}, {{%r{c},%r{}}};",
                    c + 1
                );
                let d = fragments(&mma, &inputs, 2);
                let parts: Vec<[u32; 32]> = (0..4)
                    .map(|i| d[i / 2].map(|word| word >> (16 * (i % 2)) & 0xffff))
                    .collect();
                check(&parts, k, half);
            }
        }
    }
}

#[test]
fn tf32() {
    for k in [4, 8] {
        // a(i): row g for even i, else g + 8; column t, and 4 more from i = 2. b(i): row t + 4i.
        let mut inputs: Vec<[u32; 32]> = (0..k / 2)
            .map(|i| {
                std::array::from_fn(|lane| {
                    let row = lane / 4 + if i % 2 == 0 { 0 } else { 8 };
                    // Bits that do not count.
                    number(row, lane % 4 + if i < 2 { 0 } else { 4 }, 1).to_bits() | 0x3ff
                })
            })
            .collect();
        inputs.extend((0..k / 4).map(|i| -> [u32; 32] {
            std::array::from_fn(|lane| number(lane % 4 + 4 * i, lane / 4, 2).to_bits())
        }));
        let c = inputs.len() + 8;
        inputs.extend(accumulators(f32::to_bits));
        let (ra, rb) = if k == 8 {
            ("{%r8,%r9,%r10,%r11}", "{%r12,%r13}")
        } else {
            ("{%r8,%r9}", "{%r10}")
        };
        let mma = format!(
            "mma.sync.aligned.m16n8k{k}.row.col.f32.tf32.tf32.f32 {{%r0,%r1,%r2,%r3}}, {ra}, {rb}, {{%r{c},%r{},%r{},%r{}}};",
            c + 1,
            c + 2,
            c + 3
        );
        check(&fragments(&mma, &inputs, 4), k, f32::to_bits);
    }
}

#[test]
fn bytes_32() {
    let byte = |x: f32| u32::from(x as i8 as u8);
    let a = |lane: usize, i: usize| {
        let row = lane / 4 + if i < 4 || (8..12).contains(&i) { 0 } else { 8 };
        byte(number(
            row,
            lane % 4 * 4 + (i & 3) + if i < 8 { 0 } else { 16 },
            1,
        ))
    };
    let b = |lane: usize, i: usize| {
        byte(number(
            lane % 4 * 4 + (i & 3) + if i < 4 { 0 } else { 16 },
            lane / 4,
            2,
        ))
    };
    let mut inputs: Vec<[u32; 32]> = (0..4)
        .map(|r| {
            std::array::from_fn(|lane| (0..4).fold(0, |w, i| w | a(lane, 4 * r + i) << (8 * i)))
        })
        .collect();
    inputs.extend((0..2).map(|r| -> [u32; 32] {
        std::array::from_fn(|lane| (0..4).fold(0, |w, i| w | b(lane, 4 * r + i) << (8 * i)))
    }));
    inputs.extend(accumulators(|x| x as i32 as u32));
    let mma = "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r0,%r1,%r2,%r3}, {%r8,%r9,%r10,%r11}, {%r12,%r13}, {%r14,%r15,%r16,%r17};";
    check(&fragments(mma, &inputs, 4), 32, |x| x as i32 as u32);
}

#[test]
fn ldmatrix_deals_rows_to_lanes() {
    // Element (m, r, c) of matrix m is 64·m + 8·r + c; rows lie 16 bytes apart.
    for (suffix, count) in [("", 4), (".trans", 4), ("", 2), ("", 1)] {
        let registers: Vec<String> = (0..count).map(|i| format!("%r{i}")).collect();
        let mut body = String::from(
            "  mov.u32 %r20, tile;\n  shl.b32 %r21, %t, 4;\n  add.s32 %r22, %r20, %r21;\n  shl.b32 %r23, %t, 3;\n",
        );
        for c in (0..8).step_by(2) {
            body += &format!(
                "  add.s32 %r24, %r23, {c};\n  add.s32 %r25, %r24, 1;\n  shl.b32 %r25, %r25, 16;\n  \
                 or.b32 %r24, %r24, %r25;\n  st.shared.u32 [%r22+{}], %r24;\n",
                2 * c
            );
        }
        body += &format!(
            "  bar.sync 0;\n  ldmatrix.sync.aligned.m8n8.x{count}{suffix}.shared.b16 {{{}}}, [%r22];\n",
            registers.join(", ")
        );
        for i in 0..count {
            body += &format!(
                "  add.s64 %d0, %a0, %t4;\n  st.global.u32 [%d0+{}], %r{i};\n",
                128 * i
            );
        }
        let mut buffers = [vec![0; 128 * count]];
        run(
            &module(1, ".shared .align 16 .b8 tile[512];", &body),
            32,
            &mut buffers,
        )
        .unwrap_or_else(|f| panic!("{f}"));
        for (m, lanes) in words(&buffers[0]).chunks(32).enumerate() {
            for (lane, &word) in lanes.iter().enumerate() {
                let element = |i: usize| {
                    let (r, c) = (lane / 4, lane % 4 * 2 + i);
                    let (r, c) = if suffix.is_empty() { (r, c) } else { (c, r) };
                    (64 * m + 8 * r + c) as u32
                };
                assert_eq!(
                    word,
                    element(0) | element(1) << 16,
                    "matrix {m}, lane {lane}"
                );
            }
        }
    }
}
