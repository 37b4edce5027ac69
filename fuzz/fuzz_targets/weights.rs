//! Any bytes are weights or an error.
#![no_main]

mod entry;

use libfuzzer_sys::fuzz_target;

const MODEL: &str = r#"
func.func @main(%x: tensor<2xf32>, %a: tensor<2xf32> {hla.param = "a"}, %b: tensor<1x2xi8> {hla.param = "b"}) -> tensor<2xf32> {
  %m = tosa.add %x, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  "other.use"(%b) : (tensor<1x2xi8>) -> ()
  return %m : tensor<2xf32>
}"#;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("hlac-fuzz-{}.safetensors", std::process::id()));
    std::fs::write(&path, data).expect("the temporary folder is writable");
    let mut module = hla_mlir::parse_source("m.mlir", MODEL.as_bytes()).expect("it is sound");
    if hla_mlir::weights::bind(&mut module, &path).is_ok() {
        hla_ir::verify::verify_module(&module).expect("bound modules are sound");
    }
});
