//! Kernels with mistakes: each must be found, and told with its place.

use crate::common::{fault, module, run};

/// Threads pass values to their neighbours through shared memory.
const NEIGHBOUR: &str = "\
  mov.u32 %r0, buffer;
  cvt.u32.u64 %r1, %t4;
  add.s32 %r2, %r0, %r1;
  add.s64 %d0, %a0, %t4;
  ld.global.u32 %r3, [%d0];
  st.shared.u32 [%r2], %r3;
  bar.sync 0;
  xor.b32 %r4, %r1, FLIP;
  add.s32 %r5, %r0, %r4;
  ld.shared.u32 %r6, [%r5];
  st.global.u32 [%d0], %r6;";

fn neighbour(flip: u32) -> String {
    module(
        1,
        ".shared .align 4 .b8 buffer[512];",
        &NEIGHBOUR.replace("FLIP", &flip.to_string()),
    )
}

fn data() -> Vec<Vec<u8>> {
    vec![(0..=255).chain(0..=255).collect()]
}

#[test]
fn a_barrier_orders() {
    let mut buffers = data();
    let report = run(&neighbour(256), 128, &mut buffers).expect("no fault");
    assert_eq!(report.barriers, 1);
    let expected: Vec<u8> = (0..=255).chain(0..=255).collect();
    assert_eq!(buffers[0], expected);
    let mut buffers = data();
    run(&neighbour(4), 128, &mut buffers).expect("no fault");
    assert_eq!(buffers[0][..8], [4, 5, 6, 7, 0, 1, 2, 3]);
}

#[test]
fn without_it_warps_race() {
    let ptx = neighbour(256).replace("  bar.sync 0;\n", "");
    let fault = fault(&ptx, 128, &mut data());
    let text = fault.to_string();
    // In order, the first warp reads what nobody has written yet.
    assert!(
        text.contains("read before it is written") && text.contains("ld.shared.u32"),
        "{text}"
    );
    let ptx = ptx.replace(
        "  st.shared.u32 [%r2], %r3;",
        "  st.shared.u32 [%r2], 0;\n  bar.sync 0;\n  st.shared.u32 [%r2], %r3;",
    );
    let fault = crate::common::fault(&ptx, 128, &mut data());
    assert!(fault.to_string().contains("race"), "{fault}");
    assert!(fault.other_line().is_some() && fault.line().is_some() && fault.place().is_some());
}

#[test]
fn lanes_of_a_warp_race_too() {
    let ptx = neighbour(4).replace("bar.sync 0", "membar.cta");
    let text = fault(&ptx, 32, &mut data()).to_string();
    assert!(
        text.contains("a read races with a write") && text.contains("st.shared.u32"),
        "{text}"
    );
    let ptx = neighbour(4).replace("bar.sync 0", "bar.warp.sync -1");
    run(&ptx, 32, &mut data()).expect("bar.warp.sync orders lanes");
    run(&ptx, 128, &mut data()).expect("neighbours are in one warp");
    let ptx = neighbour(128).replace("bar.sync 0", "bar.warp.sync -1");
    fault(&ptx, 64, &mut data());
}

#[test]
fn a_value_must_stay_until_it_is_read() {
    // The second store comes before the neighbour's load.
    let ptx = neighbour(256).replace(
        "ld.shared.u32 %r6, [%r5];",
        "ld.shared.u32 %r6, [%r5];\n  st.shared.u32 [%r2], 1;",
    );
    let text = fault(&ptx, 128, &mut data()).to_string();
    assert!(text.contains("race"), "{text}");
    let ptx = ptx.replace(
        "  st.shared.u32 [%r2], 1;",
        "  bar.sync 0;\n  st.shared.u32 [%r2], 1;",
    );
    run(&ptx, 128, &mut data()).expect("a barrier orders it");
}

#[test]
fn bounds() {
    let past = module(
        1,
        "",
        "  add.s64 %d0, %a0, %t4;\n  st.global.u32 [%d0+4], 1;",
    );
    let found = fault(&past, 8, &mut [vec![0; 32]]);
    assert!(
        found
            .to_string()
            .contains("argument 0 has 32 bytes; 4 at 32 are beyond"),
        "{found}"
    );
    assert_eq!(found.place(), Some(([0; 3], [7, 0, 0])));
    let before = module(
        1,
        "",
        "  add.s64 %d0, %a0, %t4;\n  ld.global.u32 %r0, [%d0+-4];",
    );
    let found = fault(&before, 8, &mut [vec![0; 32]]);
    assert!(
        found.to_string().contains("not in any argument") || found.to_string().contains("-4"),
        "{found}"
    );
    // A little behind the end may be read, but not more.
    let slack = module(1, "", "  ld.global.u32 %r0, [%a0+284];");
    run(&slack, 1, &mut [vec![0; 32]]).expect("within the slack");
    fault(&slack.replace("284", "288"), 1, &mut [vec![0; 32]]);
    let crooked = module(1, "", "  ld.global.v2.u32 {%r0, %r1}, [%a0+4];");
    assert!(
        fault(&crooked, 1, &mut [vec![0; 32]])
            .to_string()
            .contains("no multiple of 8")
    );
    let shared = module(
        1,
        ".shared .align 4 .b8 s[16];",
        "  st.shared.u32 [s+16], 1;",
    );
    assert!(
        fault(&shared, 1, &mut [vec![0; 4]])
            .to_string()
            .contains("shared memory has 16 bytes")
    );
}

#[test]
fn promises_about_arguments() {
    use hla_runtime::plan::Access;
    use ptx_emulator::{Options, run_kernel_with};
    let launch = |ptx: &str, access: Access, bytes: usize| {
        let mut buffers = [vec![0; bytes]];
        run_kernel_with(
            Options::default(),
            ptx,
            "k",
            [[1, 1, 1], [8, 1, 1]],
            0,
            &mut buffers,
            &[access],
        )
    };
    let store = module(1, "", "  add.s64 %d0, %a0, %t4;\n  st.global.u32 [%d0], 1;");
    launch(&store, Access::Write, 32).expect("all is written");
    let text = launch(&store, Access::Write, 36)
        .expect_err("the last is not")
        .to_string();
    assert!(text.contains("byte 32 of 36 is not"), "{text}");
    let text = launch(&store, Access::Read, 32)
        .expect_err("it writes")
        .to_string();
    assert!(text.contains("only to be read"), "{text}");
    let early = store.replace("  st.global", "  ld.global.u32 %r0, [%d0];\n  st.global");
    launch(&early, Access::ReadWrite, 32).expect("it may read");
    let text = launch(&early, Access::Write, 32)
        .expect_err("it reads")
        .to_string();
    assert!(text.contains("read before it is written"), "{text}");
}

#[test]
fn blocks_must_not_meet() {
    use hla_runtime::plan::Access;
    use ptx_emulator::{Options, run_kernel_with};
    let launch = |body: &str| {
        let mut buffers = [vec![0; 64]];
        let ptx = module(1, "", body);
        run_kernel_with(
            Options::default(),
            &ptx,
            "k",
            [[2, 1, 1], [8, 1, 1]],
            0,
            &mut buffers,
            &[Access::ReadWrite],
        )
    };
    let own = "  mov.u32 %r0, %ctaid.x;\n  mul.wide.u32 %d1, %r0, STEP;\n  add.s64 %d0, %a0, %t4;\n  \
               add.s64 %d0, %d0, %d1;\n  st.global.u32 [%d0], 1;";
    launch(&own.replace("STEP", "32")).expect("each block has its own");
    let text = launch(&own.replace("STEP", "28"))
        .expect_err("they meet")
        .to_string();
    assert!(
        text.contains("two writes race") && text.contains("another block"),
        "{text}"
    );
    let read = own.replace(
        "st.global.u32 [%d0], 1",
        "ld.global.u32 %r1, [%a0+32];\n  st.global.u32 [%d0], 1",
    );
    let text = launch(&read.replace("STEP", "32"))
        .expect_err("one reads what the other writes")
        .to_string();
    assert!(text.contains("race"), "{text}");
    let atomic = own
        .replace("st.global.u32 [%d0], 1", "red.global.add.u32 [%d0], 1")
        .replace("STEP", "28");
    launch(&atomic).expect("atomic operations do not race");
    let float = own
        .replace(
            "st.global.u32 [%d0], 1",
            "red.global.add.f32 [%d0], 0f3F800000",
        )
        .replace("STEP", "28");
    let text = launch(&float)
        .expect_err("the order of floats matters")
        .to_string();
    assert!(text.contains("atomic sum of floats"), "{text}");
}

#[test]
fn threads_that_do_not_come() {
    let some =
        "  setp.lt.u32 %p0, %t, LIMIT;\n  @%p0 bra there;\n  bra end;\nthere:\n  bar.sync 0;\nend:";
    let text = fault(
        &module(
            1,
            "",
            &some
                .replace("LIMIT", "16")
                .replace("bra end;", "bar.sync 1;\n  bra end;"),
        ),
        32,
        &mut [vec![]],
    )
    .to_string();
    assert!(text.contains("wait for others that do not come"), "{text}");
    // A warp that has ended is not waited for.
    run(
        &module(1, "", &some.replace("LIMIT", "32")),
        64,
        &mut [vec![]],
    )
    .expect("the second warp ends");
    let two = "  setp.lt.u32 %p0, %t, 32;\n  @%p0 bar.sync 1;\n  @!%p0 bar.sync 2;";
    let text = fault(&module(1, "", two), 64, &mut [vec![]]).to_string();
    assert!(text.contains("wait for ever"), "{text}");
    let half = "  setp.lt.u32 %p0, %t, 16;\n  @%p0 shfl.sync.bfly.b32 %r0, %t, 1, 31, -1;";
    let text = fault(&module(1, "", half), 32, &mut [vec![]]).to_string();
    assert!(text.contains("not all lanes of the mask"), "{text}");
    run(
        &module(1, "", &half.replace("-1", "0xffff")),
        32,
        &mut [vec![]],
    )
    .expect("these lanes are there");
}

#[test]
fn what_is_not_known_is_named() {
    let ptx = module(1, "", "  add.s32 %r0, %r0, 1;\n  wgmma.fence.sync.aligned;");
    let found = fault(&ptx, 1, &mut [vec![]]);
    assert!(
        found.to_string().contains("`wgmma.fence.sync.aligned`"),
        "{found}"
    );
    let line = ptx
        .lines()
        .position(|line| line.contains("wgmma"))
        .expect("it is there") as u32
        + 1;
    assert_eq!(found.line(), Some(line));
    let text = fault(&module(1, "", "  trap;"), 1, &mut [vec![]]).to_string();
    assert!(text.contains("stops itself"), "{text}");
    for broken in [
        "  add.s32 %r0, %r99, 1;",
        "  add.s32 %r0;",
        "  bra nowhere;",
        "  ld.global.u32 %r0, [",
        "  mov.b32 %d0, 1;",
    ] {
        fault(&module(1, "", broken), 1, &mut [vec![]]);
    }
}

#[test]
fn asynchronous_copies_must_be_waited_for() {
    let body = "\
  cvt.u32.u64 %r1, %t4;
  add.s64 %d0, %a0, %t4;
  mov.u32 %r0, buffer;
  add.s32 %r2, %r0, %r1;
  cp.async.ca.shared.global [%r2], [%d0], 4;
  cp.async.commit_group;
  cp.async.ca.shared.global [%r2+128], [%d0+128], 4, GIVEN;
  cp.async.commit_group;
  cp.async.wait_group 0;
  ld.shared.u32 %r3, [%r2];
  ld.shared.u32 %r4, [%r2+128];
  add.s32 %r3, %r3, %r4;
  bar.sync 0;
  st.global.u32 [%d0], %r3;";
    let ptx = module(
        1,
        ".shared .align 4 .b8 buffer[256];",
        &body.replace(", GIVEN", ""),
    );
    let words: Vec<u32> = (0..64).collect();
    let mut buffers = [crate::common::bytes(&words)];
    run(&ptx, 32, &mut buffers).expect("all is waited for");
    assert_eq!(crate::common::words(&buffers[0])[..3], [32, 34, 36]);
    // Nothing is read where none is given: zero.
    let zero = module(
        1,
        ".shared .align 4 .b8 buffer[256];",
        &body.replace("GIVEN", "0"),
    );
    let mut buffers = [crate::common::bytes(&words)];
    run(&zero, 32, &mut buffers).expect("all is waited for");
    assert_eq!(crate::common::words(&buffers[0])[..3], [0, 1, 2]);
    let text = fault(
        &ptx.replace("wait_group 0", "wait_group 1"),
        32,
        &mut buffers,
    )
    .to_string();
    assert!(
        text.contains("on its way") && text.contains("[%r2+128]"),
        "{text}"
    );
    // Whoever waited must tell the others by a barrier.
    let other = ptx.replace(
        "ld.shared.u32 %r3, [%r2]",
        "xor.b32 %r5, %r2, 4;\n  ld.shared.u32 %r3, [%r5]",
    );
    let text = fault(&other, 32, &mut buffers).to_string();
    assert!(
        text.contains("race") || text.contains("on its way"),
        "{text}"
    );
}
