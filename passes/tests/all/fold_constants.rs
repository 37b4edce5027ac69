use hla_ir::{DType, Function, Location, Op, Rewriter, Tensor, TensorType};
use hla_reference::{Tolerance, evaluate};

use crate::build::{Build, i64s, passes};

/// The same function with its arguments replaced by constants.
fn with_constants(old: &Function, inputs: &[Tensor]) -> Function {
    let mut rewriter = Rewriter::without_args(old);
    for (i, input) in inputs.iter().enumerate() {
        let value = rewriter.constant(input.clone(), Location::unknown());
        rewriter.set(hla_ir::ValueId(i as u32), value.unwrap());
    }
    for (id, _) in old.iter_nodes() {
        rewriter.copy(id).unwrap();
    }
    rewriter.finish()
}

#[test]
fn folding_computes_what_evaluation_computes() {
    for case in hla_reference::cases::cases() {
        let expected = evaluate(&case.function, &case.inputs).unwrap();
        let constant = with_constants(&case.function, &case.inputs);
        let (new, report) = passes("hla-fold-constants", &constant).unwrap();
        assert!(report.remarks.is_empty(), "{}: {report}", case.name);
        for (i, (&result, expected)) in new.results.iter().zip(&expected).enumerate() {
            let hla = case
                .function
                .nodes
                .iter()
                .any(|n| n.op.def().name.starts_with("hla."));
            match new.constant_value(result) {
                Some(value) => Tolerance::Exact.check(expected, value).unwrap(),
                None => assert!(hla, "{}: result {i} is not folded", case.name),
            }
        }
    }
}

#[test]
fn large_results_are_folded_only_if_they_take_no_more_room() {
    let ty = TensorType::f32([100]);
    let mut f = Build::new();
    let w = Tensor::from_f64s(ty, (0..100).map(f64::from)).unwrap();
    let w = f.0.constant(w, Location::unknown());
    let tiled = f.op(Op::Tile, &[w], &[("multiples", i64s(&[3]))]);
    let reversed = f.op(Op::Reverse, &[w], &[("axis", 0i64.into())]);
    let splat = f.splat(&[5], 2.0);
    let wide = f.op(Op::Tile, &[splat], &[("multiples", i64s(&[1 << 30]))]);
    let root = f.op(Op::Rsqrt, &[wide], &[]);
    let f = f.results(&[tiled, reversed, root]);
    let (new, report) = passes("hla-fold-constants{max-elements=10}", &f).unwrap();
    let folded: Vec<bool> = new
        .results
        .iter()
        .map(|&r| new.constant_value(r).is_some())
        .collect();
    assert_eq!(folded, [false, true, true]);
    assert_eq!(report.get("folded nodes"), Some(&3usize.into()));
    let root = new.constant_value(new.results[2]).unwrap();
    assert_eq!(root.splat_element(), Some(&0.5f32.sqrt().to_le_bytes()[..]));
    assert_eq!(root.shape(), [5 << 30]);
}

#[test]
fn packed_weights_stay_packed() {
    let mut f = Build::new();
    let ty = TensorType::new([4], DType::I8);
    let packed = Tensor::from_i64s(ty, &[1, 2, 0, 1]).unwrap();
    let packed = f.0.constant(packed, Location::unknown());
    let w = f.op(Op::Unpack, &[packed], &[("shape", i64s(&[4, 3]))]);
    let wide = f.op(Op::Cast, &[w], &[("out_type", DType::F32.into())]);
    let f = f.results(&[wide]);
    let (new, _) = passes("hla-fold-constants", &f).unwrap();
    assert_eq!(new, f);
}

#[test]
fn an_index_out_of_range_is_told_of() {
    let mut f = Build::new();
    let values = f.splat(&[1, 2, 3], 1.0);
    let indices = Tensor::from_i64s(TensorType::new([1, 1], DType::I32), &[2]).unwrap();
    let indices = f.0.constant(indices, Location::unknown());
    let y = f.op(Op::Gather, &[values, indices], &[]);
    let f = f.results(&[y]);
    let (new, report) = passes("hla-fold-constants", &f).unwrap();
    assert_eq!(new.nodes.len(), 3);
    assert!(
        report.remarks[0].to_string().contains("cannot be computed"),
        "{report}"
    );
}

#[test]
fn a_parameter_keeps_its_name_in_another_form() {
    let mut f = Build::new();
    let attrs = hla_ir::Attrs::new()
        .with("values", Tensor::from_f32s([2, 1], &[1.0, 2.0]).unwrap())
        .with("hla.param", "fc.weight");
    let w =
        f.0.push(Op::Const, &[], attrs, Location::unknown())
            .unwrap();
    let w = f.op(Op::Transpose, &[w], &[("perms", i64s(&[1, 0]))]);
    let f = f.results(&[w]);
    let (new, _) = passes("hla-fold-constants", &f).unwrap();
    assert_eq!(new.nodes[0].attrs.str("hla.param"), Some("fc.weight"));
    assert_eq!(new.tensor_ty(new.results[0]).shape, [1, 2]);
}
