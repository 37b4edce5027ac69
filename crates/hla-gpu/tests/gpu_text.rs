//! The gpu dialect's text of kernels: upstream's parser and verifier accept every one.

use hla_gpu::{GpuOptions, lower};
use hla_reference::cases::{cases, random_network, training_cases};
use hlac_tests::upstream::Upstream;

#[test]
fn upstream_accepts_every_kernel() {
    let networks = (0..20).map(random_network);
    let mut texts: Vec<String> = cases()
        .into_iter()
        .chain(training_cases())
        .chain(networks)
        .filter_map(|case| lower(&case.function, &GpuOptions::default()).ok())
        .flat_map(|program| program.kernels)
        .map(|kernel| kernel.gpu)
        .collect();
    texts.sort_unstable();
    texts.dedup();
    assert!(texts.len() > 300, "{} kernels", texts.len());
    let mut module =
        String::from("module attributes {gpu.container_module} {\ngpu.module @kernels {\n");
    for (i, text) in texts.iter().enumerate() {
        module.push_str(&text.replace(hla_gpu::kernel::NAME, &format!("@kernel{i}")));
    }
    module.push_str("}\n}\n");
    Upstream::find()
        .unwrap()
        .optimize(&module, "builtin.module(gpu.module(canonicalize,cse))")
        .unwrap();
}
