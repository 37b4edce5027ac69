//! From kernels to PTX.

use hla_gpu::KernelCode;
use hla_mlir::gpu::{Chip, to_ptx};

/// A kernel of one block that applies an op to each element: `math.exp %0 : f32`.
pub fn map(op: &str) -> KernelCode {
    let lines = format!("%r = {op}");
    kernel(op, &lines)
}

fn kernel(computes: &str, lines: &str) -> KernelCode {
    KernelCode {
        computes: computes.to_owned(),
        grid: [1, 1, 1],
        block: [128, 1, 1],
        shared_bytes: 0,
        gpu: format!(
            "gpu.func @KERNEL(%x: memref<128xf32>, %y: memref<128xf32>) kernel \
             attributes {{known_block_size = array<i32: 128, 1, 1>}} {{\n\
             %t = gpu.thread_id x\n%0 = memref.load %x[%t] : memref<128xf32>\n{lines}\n\
             memref.store %r, %y[%t] : memref<128xf32>\ngpu.return\n}}\n"
        ),
        linalg: String::new(),
    }
}

/// Every op that a fused kernel may use, on `%0`.
const OPS: [&str; 15] = [
    "math.exp %0 : f32",
    "math.log %0 : f32",
    "math.tanh %0 : f32",
    "math.erf %0 : f32",
    "math.powf %0, %0 : f32",
    "math.rsqrt %0 : f32",
    "math.sqrt %0 : f32",
    "math.floor %0 : f32",
    "math.ceil %0 : f32",
    "math.absf %0 : f32",
    "math.roundeven %0 : f32",
    "math.round %0 : f32",
    "math.copysign %0, %0 : f32",
    "math.fma %0, %0, %0 : f32",
    "arith.maxnumf %0, %0 : f32",
];

#[test]
fn kernels_become_entries_without_any_library() {
    let codes: Vec<KernelCode> = OPS.iter().cycle().take(20).map(|op| map(op)).collect();
    let ptx = to_ptx(&codes, Chip::DEFAULT).unwrap();
    assert_eq!(ptx.modules.len(), 2);
    assert_eq!(ptx.kernels.len(), 20);
    for (kernel, code) in ptx.kernels.iter().zip(&codes) {
        let module = &ptx.modules[kernel.module as usize];
        assert!(module.contains(&format!(".visible .entry {}(", kernel.entry)));
        assert_eq!(kernel.block, [128, 1, 1]);
        assert_eq!(kernel.computes, code.computes);
    }
    assert_eq!(ptx.kernels[0].entry, "k0_math_exp_0_f32");
    for module in &ptx.modules {
        assert!(module.contains(".version 7.0\n.target sm_80\n"), "{module}");
        assert!(module.contains(".maxntid 128, 1, 1"));
        // Nothing is called, and no instruction is an approximation.
        for word in [".extern", "call", ".approx", ".ftz"] {
            assert!(!module.contains(word), "{word} in {module}");
        }
    }
    assert_eq!(to_ptx(&codes, Chip::DEFAULT).unwrap(), ptx);
}

#[test]
fn dynamic_shared_memory_lies_outside_of_the_static() {
    let mut code = kernel(
        "shift",
        "%c0 = arith.constant 0 : index\n\
         %all = gpu.dynamic_shared_memory : memref<?xi8, #gpu.address_space<workgroup>>\n\
         %s = memref.view %all[%c0][] : memref<?xi8, #gpu.address_space<workgroup>> to memref<128xf32, #gpu.address_space<workgroup>>\n\
         memref.store %0, %s[%t] : memref<128xf32, #gpu.address_space<workgroup>>\n\
         gpu.barrier\n\
         %r = memref.load %s[%t] : memref<128xf32, #gpu.address_space<workgroup>>",
    );
    code.shared_bytes = 512;
    let ptx = to_ptx(&[code], Chip::DEFAULT).unwrap();
    assert!(ptx.modules[0].contains(".extern .shared .align 16 .b8 __dynamic_shmem__"));
    assert_eq!(ptx.kernels[0].shared_bytes, 512);
}

#[test]
fn newer_chips_get_the_oldest_ptx_that_knows_them() {
    for (name, version) in [
        ("sm_86", "7.1"),
        ("sm_90", "7.8"),
        ("sm_100", "8.6"),
        ("sm_120", "8.7"),
    ] {
        let ptx = to_ptx(&[map(OPS[0])], Chip::named(name).unwrap()).unwrap();
        let wanted = format!(".version {version}\n.target {name}\n");
        assert!(
            ptx.modules[0].contains(&wanted),
            "{}",
            &ptx.modules[0][..200]
        );
    }
}

#[test]
fn unknown_chips_are_refused() {
    let error = Chip::named("sm_75").unwrap_err();
    assert!(error.message.contains("too old"), "{error}");
    let error = Chip::named("hopper").unwrap_err();
    assert!(error.help.unwrap().contains("sm_80"));
}

#[test]
fn errors_name_the_kernel() {
    let codes = [map(OPS[0]), map("math.nonsense %0 : f32"), map(OPS[1])];
    let errors = to_ptx(&codes, Chip::DEFAULT).unwrap_err();
    assert!(
        errors[0]
            .message
            .starts_with("the kernel 'math.nonsense %0 : f32': "),
        "{errors:?}"
    );
    assert_eq!(
        errors[0].notes[0].1,
        "line 4 of it: %r = math.nonsense %0 : f32"
    );
    // What no pass can lower is found too.
    let bad = kernel("sine", "%r = math.sinh %0 : f32");
    let errors = to_ptx(&[map(OPS[0]), bad], Chip::DEFAULT).unwrap_err();
    assert!(errors[0].message.contains("sin"), "{errors:?}");
}
