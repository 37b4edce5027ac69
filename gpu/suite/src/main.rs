//! Writes what `gpu/check` holds a GPU against: the cases of the numeric suite and the VJP of every
//! smooth op as programs, their inputs, what `hla-reference` says of them, and their graphs, of which
//! `gpu/torch_ops.py` computes the same in PyTorch.
//!
//! - [`cases`] are the functions, [`vjp`] those of gradients;
//! - [`compile`](mod@compile) makes programs of them, [`graph`] JSON;
//! - here is what is compiled together, and where it goes.

mod cases;
mod compile;
mod graph;
mod vjp;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hla_gpu::GpuOptions;
use hla_ir::{DType, Diagnostic, Function, Location, Node, Op, Tensor};
use hla_runtime::{Signature, Slot};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use cases::Entry;
use compile::Target;

/// Functions of a program. What fails in one program leaves the others alone.
const TOGETHER: usize = 48;

/// Compiles the numeric suite and every VJP for a GPU, with what they must give.
///
/// Writes into FOLDER: ops-PRECISION-NN.hlaprog and vjp-PRECISION-NN.hlaprog, in other precisions than f32 only
/// what has contractions; reference.safetensors, inputs and outputs as `hla-run check --against`
/// takes them; graphs.json, for PyTorch.
#[derive(Parser)]
#[command(name = "gpu-suite", version, max_term_width = 100)]
struct Args {
    /// The folder to write to; made if there is none
    folder: PathBuf,
    /// What to compile for
    #[arg(long, value_name = "TARGET", default_value = "cuda")]
    target: String,
    /// How contractions are computed
    #[arg(
        long,
        value_name = "TYPE,…",
        default_value = "f32,tf32,bf16,f16",
        value_delimiter = ','
    )]
    precision: Vec<String>,
    /// Leave out cases whose names do not contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Of so many cases take one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}

type Errors = Vec<Diagnostic>;

fn run(args: &Args) -> Result<(), Errors> {
    let refuse = |message: String| vec![Diagnostic::error(Location::unknown(), message)];
    std::fs::create_dir_all(&args.folder)
        .map_err(|e| refuse(format!("{}: {e}", args.folder.display())))?;
    let chosen = |entries: Vec<Entry>| -> Vec<Entry> {
        let named = entries.into_iter().filter(|e| e.name.contains(&args.only));
        named.step_by(args.every as usize).collect()
    };
    let groups = [("ops", chosen(cases::all())), ("vjp", chosen(vjp::all()?))];
    let target = Target::parse(&args.target).map_err(|e| vec![e])?;
    let mut programs = Vec::new();
    let mut refused: BTreeMap<String, String> = BTreeMap::new();
    for precision in &args.precision {
        if let Err(error) = compile::check_precision(precision) {
            eprintln!("{precision} is left out: {error}");
            continue;
        }
        for (group, entries) in &groups {
            let mut compiled = Vec::new();
            for entry in entries {
                if precision != "f32" && !has_contraction(&entry.function) {
                    continue;
                }
                // One by one first: what has no kernel is left out, and told.
                match hla_gpu::lower(&entry.function, &GpuOptions::default()) {
                    Ok(_) => compiled.push(entry),
                    Err(error) => {
                        refused.insert(entry.name.clone(), error.message);
                    }
                }
            }
            for (i, together) in compiled.chunks(TOGETHER).enumerate() {
                let functions: Vec<&Function> = together.iter().map(|e| &e.function).collect();
                let file = target.compile(&functions, precision)?;
                let name = format!("{group}-{precision}-{i:02}.hlaprog");
                write(&args.folder.join(&name), &file)?;
                let names: Vec<&str> = together.iter().map(|e| &*e.name).collect();
                programs.push(json!({
                    "file": name, "group": group, "precision": precision, "functions": names,
                }));
            }
        }
    }
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut graphs = BTreeMap::new();
    for (group, entries) in groups {
        for entry in entries {
            let signature = Signature::of(&entry.function).map_err(|e| vec![e])?;
            let labels = |slots: &[Slot]| -> Vec<String> {
                slots.iter().enumerate().map(|(i, s)| label(s, i)).collect()
            };
            let (inputs, outputs) = (labels(&signature.inputs), labels(&signature.outputs));
            let mut add = |kind: &str, labels: &[String], values: &[Tensor]| {
                for (label, value) in labels.iter().zip(values) {
                    tensors.insert(format!("{}/{kind}/{label}", entry.name), value.clone());
                }
            };
            add("in", &inputs, &entry.inputs);
            add("out", &outputs, &entry.outputs);
            for (value, tensor) in graph::constants(&entry.graph) {
                tensors.insert(format!("{}/const/{value}", entry.name), tensor.clone());
            }
            let mut graph = graph::json(&entry.graph);
            graph["group"] = json!(group);
            graph["inputs"] = json!(inputs);
            graph["outputs"] = json!(outputs);
            graph["gives"] = entry.gives.iter().map(|g| g.json()).collect();
            graphs.insert(entry.name.clone(), graph);
        }
    }
    save(&args.folder.join("reference.safetensors"), &tensors)?;
    let counts = json!({ "programs": programs, "refused": refused, "graphs": graphs });
    let text = serde_json::to_string(&counts).unwrap_or_default();
    write(&args.folder.join("graphs.json"), text.as_bytes())?;
    report(&counts);
    Ok(())
}

fn report(counts: &Value) {
    let length = |key: &str| match &counts[key] {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    println!(
        "{} functions in {} programs; {} have no kernel",
        length("graphs"),
        length("programs"),
        length("refused")
    );
    if let Value::Object(refused) = &counts["refused"] {
        let whys: BTreeSet<&str> = refused.values().filter_map(Value::as_str).collect();
        for why in whys {
            println!("  {why}");
        }
    }
}

/// Whether its speed, and so its precision, is that of contractions.
fn has_contraction(function: &Function) -> bool {
    let contraction = |op: Op| {
        matches!(
            op,
            Op::Conv2d
                | Op::DepthwiseConv2d
                | Op::TransposeConv2d
                | Op::MatMul
                | Op::Conv2dInputGrad
                | Op::DepthwiseConv2dInputGrad
                | Op::Conv2dWeightGrad
                | Op::DepthwiseConv2dWeightGrad
        )
    };
    let of_f32 = |node: &Node| function.tensor_ty(node.operands[0]).dtype == DType::F32;
    function
        .nodes
        .iter()
        .any(|node| contraction(node.op) && of_f32(node))
}

/// What `hla-run check` calls a slot.
fn label(slot: &Slot, place: usize) -> String {
    let name = (slot.param.as_deref())
        .or(slot.updates.as_deref())
        .or(slot.name.as_deref());
    name.map_or_else(|| place.to_string(), str::to_owned)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Errors> {
    std::fs::write(path, bytes).map_err(|e| {
        let message = format!("{}: {e}", path.display());
        vec![Diagnostic::error(Location::unknown(), message)]
    })
}

fn save(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), Errors> {
    let refuse = |message: String| vec![Diagnostic::error(Location::unknown(), message)];
    let bytes: Vec<(&String, Dtype, &[usize], Vec<u8>)> = tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let dtype = dtype(tensor.dtype())?;
            Some((name, dtype, tensor.shape(), tensor.to_bytes().into_owned()))
        })
        .collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, dtype, shape, data) in &bytes {
        let view = TensorView::new(*dtype, shape.to_vec(), data)
            .map_err(|e| refuse(format!("{name}: {e}")))?;
        views.push((*name, view));
    }
    let bytes = serialize(views, None).map_err(|e| refuse(format!("{}: {e}", path.display())))?;
    write(path, &bytes)
}

/// The type of a safetensors file, if it has one.
pub(crate) fn dtype(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I1 => Dtype::BOOL,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        _ => return None,
    })
}
