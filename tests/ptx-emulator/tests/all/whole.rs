//! Control flow, warps, and the emulator as a device.

use crate::common::{bytes, map, module, run, words};
use hla_runtime::device::{Bound, BoundArg, Device};
use hla_runtime::plan::{Access, Kernel};
use ptx_emulator::{Emulator, Options};

#[test]
fn lanes_part_and_meet() {
    // Collatz: each lane takes its own number of rounds; the vote after it needs all.
    let body = "\
  mov.u32 %r1, 0;
again:
  setp.eq.u32 %p0, %r0, 1;
  @%p0 bra done;
  and.b32 %r2, %r0, 1;
  setp.eq.u32 %p1, %r2, 0;
  @%p1 bra even;
  mad.lo.s32 %r0, %r0, 3, 1;
  bra next;
even:
  shr.u32 %r0, %r0, 1;
next:
  add.s32 %r1, %r1, 1;
  bra again;
done:
  setp.gt.u32 %p2, %r1, 10;
  vote.sync.ballot.b32 %r3, %p2, 0xff;
  shl.b32 %r3, %r3, 16;
  or.b32 %r9, %r3, %r1;";
    let rounds = map(body, &[&[1, 2, 3, 6, 7, 9, 27, 97]]);
    let steps: Vec<u32> = rounds.iter().map(|word| word & 0xffff).collect();
    assert_eq!(steps, [0, 1, 7, 8, 16, 19, 111, 118]);
    assert!(rounds.iter().all(|word| word >> 16 == 0b1111_0000));
}

#[test]
fn shuffles() {
    let lanes: Vec<u32> = (0..32).collect();
    let shuffle = |text: &str| {
        let body =
            format!("shfl.sync.{text}, -1; selp.u32 %r2, 100, 0, %p0; add.s32 %r9, %r1, %r2;");
        map(&body, &[&lanes])
    };
    let by = |f: fn(u32) -> u32| (0..32).map(f).collect::<Vec<u32>>();
    assert_eq!(
        shuffle("bfly.b32 %r1|%p0, %r0, 5, 31"),
        by(|i| (i ^ 5) + 100)
    );
    assert_eq!(shuffle("idx.b32 %r1|%p0, %r0, 3, 31"), by(|_| 103));
    assert_eq!(
        shuffle("up.b32 %r1|%p0, %r0, 2, 0"),
        by(|i| if i < 2 { i } else { i + 98 })
    );
    assert_eq!(
        shuffle("down.b32 %r1|%p0, %r0, 2, 31"),
        by(|i| if i > 29 { i } else { i + 102 })
    );
    // Segments of 8 lanes: clamp 31 with a mask of 24.
    assert_eq!(
        shuffle("idx.b32 %r1|%p0, %r0, 1, 0x181f"),
        by(|i| i / 8 * 8 + 101)
    );
    assert_eq!(
        shuffle("down.b32 %r1|%p0, %r0, 7, 0x181f"),
        by(|i| if i % 8 == 0 { i + 107 } else { i })
    );
}

#[test]
fn warps_reduce() {
    let x = [5, 0xffff_fffe, 7, 3];
    assert_eq!(map("redux.sync.add.s32 %r9, %r0, 0xf;", &[&x]), [13; 4]);
    assert_eq!(
        map("redux.sync.min.s32 %r9, %r0, 0xf;", &[&x]),
        [0xffff_fffe; 4]
    );
    assert_eq!(
        map("redux.sync.max.u32 %r9, %r0, 0xf;", &[&x]),
        [0xffff_fffe; 4]
    );
    assert_eq!(
        map("redux.sync.and.b32 %r9, %r0, 0xf;", &[&[7, 6, 14, 6]]),
        [6; 4]
    );
    assert_eq!(
        map("match.any.sync.b32 %r9, %r0, 0xf;", &[&[7, 6, 7, 5]]),
        [0b101, 0b10, 0b101, 0b1000]
    );
    assert_eq!(map("activemask.b32 %r9;", &[&[0, 0]]), [3, 3]);
    assert_eq!(map("mov.u32 %r9, %lanemask_lt;", &[&[0, 0, 0]]), [0, 1, 3]);
    let all = "setp.gt.u32 %p1, %r0, 2; vote.sync.all.pred %p0, %p1, 0xf; selp.u32 %r9, 1, 0, %p0;";
    assert_eq!(map(all, &[&[3, 4, 5, 6]]), [1; 4]);
    assert_eq!(map(all, &[&[3, 4, 2, 6]]), [0; 4]);
}

#[test]
fn calls_are_inlined() {
    let function = "\
.func (.param .b32 out) twice(.param .b32 in) {
  .reg .b32 %x<3>;
  .reg .pred %q;
  ld.param.b32 %x0, [in];
  setp.gt.s32 %q, %x0, 100;
  @%q bra big;
  add.s32 %x1, %x0, %x0;
  st.param.b32 [out], %x1;
  ret;
big:
  st.param.b32 [out], %x0;
  ret;
}";
    let body = "\
  add.s64 %d0, %a0, %t4;
  ld.global.u32 %r0, [%d0];
  { .param .b32 p; st.param.b32 [p], %r0; .param .b32 q; call.uni (q), twice, (p); ld.param.b32 %r1, [q]; }
  { .param .b32 p; st.param.b32 [p], %r1; .param .b32 q; call.uni (q), twice, (p); ld.param.b32 %r1, [q]; }
  st.global.u32 [%d0], %r1;";
    let mut buffers = [bytes(&[1, 60, 200])];
    run(&module(1, function, body), 3, &mut buffers).expect("it runs");
    assert_eq!(words(&buffers[0]), [4, 120, 200]);
}

#[test]
fn constants_own_memory_and_vectors() {
    let globals = ".const .align 4 .b8 table[12] = {1, 0, 0, 0, 2, 1};\n.global .align 4 .u32 more[2] = {7, 9};";
    let body = "\
  .local .align 8 .b8 own[16];
  .reg .b64 %own;
  mov.u64 %own, own;
  cvta.local.u64 %own, %own;
  ld.const.u32 %r0, [table+4];
  mov.u64 %d1, more;
  ld.global.u32 %r1, [%d1+4];
  st.v2.u32 [%own+8], {%r0, %r1};
  ld.local.u32 %r2, [own+12];
  ld.u32 %r3, [%own+8];
  st.global.v4.u32 [%a0], {%r2, %r3, %r0, 5};
  st.global.u8 [%a0+16], 0x1ff;
  ld.global.s8 %h0, [%a0+16];
  cvt.s32.s16 %r4, %h0;
  st.global.u32 [%a0+20], %r4;";
    let mut buffers = [vec![0; 24]];
    run(&module(1, globals, body), 1, &mut buffers).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(words(&buffers[0]), [9, 258, 258, 5, 255, u32::MAX]);
}

#[test]
fn atomic_operations() {
    let body = "  atom.global.add.u32 %r0, [%a0], 1;\n  atom.global.cas.b32 %r1, [%a0+4], 0, 5;\n  red.global.max.s32 [%a0+8], %t;";
    let mut buffers = [bytes(&[10, 0, -4i32 as u32])];
    let report = run(&module(1, "", body), 8, &mut buffers).expect("it runs");
    assert_eq!(words(&buffers[0]), [18, 5, 7]);
    assert_eq!(report.atomics, 24);
}

#[test]
fn a_device_runs_plans() {
    let ptx = module(
        2,
        "",
        "  add.s64 %d0, %a0, %t4;\n  add.s64 %d1, %a1, %t4;\n  ld.global.u32 %r0, [%d0];\n  add.s32 %r0, %r0, 1;\n  st.global.u32 [%d1], %r0;",
    );
    let mut device = Emulator::new(Options::default());
    let kernel = Kernel {
        entry: "k".into(),
        module: 0,
        block: [4, 1, 1],
        shared_bytes: 0,
        computes: "x + 1".into(),
    };
    let numbers = device.load(&[ptx], &[kernel]).expect("it loads");
    let memory = device.allocate(1024).expect("there is memory");
    device
        .upload(memory, &bytes(&[1, 2, 3, 4]))
        .expect("it fits");
    let arg = |offset: u64, access| BoundArg {
        address: memory + offset,
        bytes: 16,
        access,
    };
    let launch = |from, to| Bound::Launch {
        kernel: numbers[0],
        grid: [1, 1, 1],
        args: vec![arg(from, Access::Read), arg(to, Access::Write)],
    };
    let recording = device
        .record(&[
            launch(0, 256),
            Bound::Copy {
                source: memory + 256,
                target: memory + 512,
                bytes: 8,
            },
            Bound::Fill {
                target: memory + 520,
                bytes: 8,
                byte: 0,
            },
            launch(512, 0),
        ])
        .expect("it records");
    for expected in [[3, 4, 1, 1], [5, 6, 1, 1]] {
        device.replay(recording).expect("it runs");
        device.synchronize().expect("it ends");
        let mut out = [0; 16];
        device.download(memory, &mut out).expect("it is there");
        assert_eq!(words(&out), expected);
    }
    assert_eq!(device.report().launches, 4);
    device.free(memory);
    assert!(device.replay(recording).is_err(), "memory is gone");
    assert!(device.upload(memory, &[0]).is_err());
}
