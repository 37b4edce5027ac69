//! Schedules and landings make mistakes visible in the results, too, with no check of accesses.

use hla_runtime::plan::Access;
use ptx_emulator::{Landing, Options, Schedule, every_way, run_kernel_with};

use crate::common::{bytes, module, words};

fn results(body: &str, ways: &[Options]) -> Vec<Vec<u32>> {
    let ptx = module(1, ".shared .align 4 .b8 buffer[512];", body);
    let run = |way: &Options| {
        let options = Options {
            races: false,
            ..*way
        };
        let mut buffers = [bytes(&(0..128).collect::<Vec<u32>>())];
        let shape = [[1, 1, 1], [128, 1, 1]];
        run_kernel_with(
            options,
            &ptx,
            "k",
            shape,
            0,
            &mut buffers,
            &[Access::ReadWrite],
        )
        .unwrap_or_else(|fault| panic!("{fault}"));
        words(&buffers[0])
    };
    ways.iter().map(run).collect()
}

/// Each thread gives its number to the thread 64 further, around.
const PASS: &str = "\
  mov.u32 %r0, buffer;
  cvt.u32.u64 %r1, %t4;
  add.s32 %r2, %r0, %r1;
  st.shared.u32 [%r2], %t;
  bar.sync 0;
  xor.b32 %r3, %r1, 256;
  add.s32 %r3, %r0, %r3;
  ld.shared.u32 %r4, [%r3];
  add.s64 %d0, %a0, %t4;
  st.global.u32 [%d0], %r4;";

#[test]
fn a_missing_barrier_shows() {
    let right: Vec<u32> = (0..128).map(|i| i ^ 64).collect();
    assert!(
        results(PASS, &every_way())
            .iter()
            .all(|result| *result == right)
    );
    let wrong = results(&PASS.replace("  bar.sync 0;\n", ""), &every_way());
    // In order, the lower half reads too early; in reverse, the upper half.
    assert_eq!(wrong[0][64..], right[64..]);
    assert!(wrong[0][..64].iter().all(|&value| value == u32::MAX));
    assert_eq!(wrong[1][..64], right[..64]);
    assert!(wrong[1][64..].iter().all(|&value| value == u32::MAX));
}

#[test]
fn a_missing_wait_shows() {
    let body = "\
  mov.u32 %r0, buffer;
  cvt.u32.u64 %r1, %t4;
  add.s32 %r2, %r0, %r1;
  add.s64 %d0, %a0, %t4;
  st.shared.u32 [%r2], 1000;
  cp.async.ca.shared.global [%r2], [%d0], 4;
  cp.async.commit_group;
  cp.async.wait_group 0;
  ld.shared.u32 %r4, [%r2];
  add.s32 %r4, %r4, 1;
  st.global.u32 [%d0], %r4;";
    let ways = [Landing::Early, Landing::Late].map(|landing| Options {
        landing,
        ..Options::default()
    });
    let right: Vec<u32> = (1..129).collect();
    assert!(results(body, &ways).iter().all(|result| *result == right));
    let wrong = results(&body.replace("wait_group 0", "wait_group 1"), &ways);
    assert_eq!(wrong[0], right);
    assert!(wrong[1].iter().all(|&value| value == 1001));
}

#[test]
fn chance_is_repeatable() {
    let ways = [3, 3, 4].map(|seed| Options {
        schedule: Schedule::Random(seed),
        ..Options::default()
    });
    let all = results(&PASS.replace("  bar.sync 0;\n", ""), &ways);
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}
