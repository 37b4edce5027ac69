//! The scripts beside this crate are sound Python, for the oldest Python that they are told to run on.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn every_script_is_sound_python() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let parse = "import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1], feature_version=(3, 10))";
    for name in ["check", "prepare", "torch_ops.py", "peer_resnet18.py"] {
        let output = Command::new("python3")
            .args(["-c", parse])
            .arg(folder.join(name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
    }
}

/// The table of ops in PyTorch names ops that there are.
#[test]
fn every_op_of_the_table_is_one_of_ours() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = std::fs::read_to_string(folder.join("torch_ops.py")).unwrap();
    let names: Vec<&str> = table
        .split('"')
        .filter(|word| word.starts_with("tosa.") || word.starts_with("hla."))
        .collect();
    assert!(names.len() > 60, "{}", names.len());
    for name in names {
        assert!(hla_ir::Op::from_name(name).is_some(), "{name}");
    }
}
