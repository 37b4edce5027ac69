//! Kernels around a few instructions.

use hla_runtime::plan::Access;
use ptx_emulator::{Fault, Report, run_every_way};

/// A module with one entry `k` of so many pointer parameters. The body finds them in `%a0`, `%a1`, …,
/// the thread in `%t`, four times its number in `%t4` (64 bits), and registers of every kind.
pub fn module(params: usize, shared: &str, body: &str) -> String {
    let names: Vec<String> = (0..params).map(|i| format!(".param .u64 p{i}")).collect();
    let loads: String = (0..params)
        .map(|i| format!("  ld.param.u64 %a{i}, [p{i}];\n  cvta.to.global.u64 %a{i}, %a{i};\n"))
        .collect();
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n{shared}\n\
         .visible .entry k({}) {{\n\
         .reg .pred %p<16>;\n.reg .b16 %h<16>;\n.reg .b32 %r<64>;\n.reg .b32 %t;\n.reg .b64 %t4;\n\
         .reg .f32 %f<16>;\n.reg .b64 %d<16>;\n.reg .b64 %a<8>;\n\
         {loads}  mov.u32 %t, %tid.x;\n  mul.wide.u32 %t4, %t, 4;\n{body}\n  ret;\n}}\n",
        names.join(", ")
    )
}

/// Runs a block of a module's kernel on buffers, every way.
pub fn run(ptx: &str, threads: u32, buffers: &mut [Vec<u8>]) -> Result<Report, Fault> {
    let access = vec![Access::ReadWrite; buffers.len()];
    run_every_way(ptx, "k", [[1, 1, 1], [threads, 1, 1]], 0, buffers, &access)
}

/// Runs a body that has an element of each input in `%r0`, `%r1`, … and leaves one in `%r9`.
pub fn map(body: &str, inputs: &[&[u32]]) -> Vec<u32> {
    let count = inputs.len();
    let n = inputs[0].len();
    assert!(n <= 32);
    let mut text = String::new();
    for i in 0..count {
        text += &format!("  add.s64 %d{i}, %a{i}, %t4;\n  ld.global.u32 %r{i}, [%d{i}];\n");
    }
    text += &format!("{body}\n  add.s64 %d8, %a{count}, %t4;\n  st.global.u32 [%d8], %r9;");
    let ptx = module(count + 1, "", &text);
    let mut buffers: Vec<Vec<u8>> = inputs.iter().map(|input| bytes(input)).collect();
    buffers.push(vec![0; 4 * n]);
    run(&ptx, n as u32, &mut buffers).unwrap_or_else(|fault| panic!("{fault}\n{ptx}"));
    words(&buffers[count])
}

/// The same on floats.
pub fn map_f32(body: &str, inputs: &[&[f32]]) -> Vec<f32> {
    let bits: Vec<Vec<u32>> = inputs
        .iter()
        .map(|input| input.iter().map(|x| x.to_bits()).collect())
        .collect();
    let slices: Vec<&[u32]> = bits.iter().map(Vec::as_slice).collect();
    map(body, &slices).into_iter().map(f32::from_bits).collect()
}

/// As bytes.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// From bytes.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// The fault of a run that must not succeed.
pub fn fault(ptx: &str, threads: u32, buffers: &mut [Vec<u8>]) -> Fault {
    match run(ptx, threads, buffers) {
        Ok(_) => panic!("no fault is found in\n{ptx}"),
        Err(fault) => fault,
    }
}
