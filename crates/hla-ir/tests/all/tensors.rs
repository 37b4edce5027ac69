//! Types, tensors, attributes, layouts.

use std::collections::HashSet;
use std::sync::Arc;

use hla_ir::types::{MAX_ELEMENTS, row_major_strides};
use hla_ir::{Attr, Attrs, DType, Layout, Tensor, TensorType};
use proptest::prelude::*;

use crate::common::ty;

#[test]
fn sizes_beyond_the_limit_are_refused() {
    assert!(TensorType::try_new([1 << 20, 1 << 20], DType::F32).is_ok());
    for shape in [
        vec![1 << 20, 1 << 20, 2],
        vec![usize::MAX],
        vec![usize::MAX, usize::MAX],
        vec![0, usize::MAX, usize::MAX],
        vec![1 << 32, 1 << 32, 1 << 32],
    ] {
        let error = TensorType::try_new(shape.clone(), DType::I8).unwrap_err();
        assert!(error.contains("2^40"), "{shape:?}: {error}");
    }
    assert_eq!(MAX_ELEMENTS, 1 << 40);
    assert!(TensorType::try_new([1; 8], DType::F32).is_ok());
    assert!(
        TensorType::try_new([1; 9], DType::F32)
            .unwrap_err()
            .contains("rank 9")
    );
}

#[test]
fn types_are_spelt_as_in_mlir() {
    assert_eq!(ty("2x3xbf16").to_string(), "tensor<2x3xbf16>");
    assert_eq!(
        TensorType::new([], DType::Index).to_string(),
        "tensor<index>"
    );
    for dtype in DType::ALL {
        assert_eq!(DType::from_name(dtype.name()), Some(dtype));
    }
    assert_eq!(DType::from_name("f64"), None);
    assert_eq!(ty("2x3x5xi64").bytes(), 240);
    assert_eq!(row_major_strides(&[2, 3, 5]), [15, 5, 1]);
    assert_eq!(row_major_strides(&[]), [0; 0]);
}

#[test]
fn bytes_must_fit() {
    assert!(Tensor::from_bytes(ty("2xf32"), vec![0; 7]).is_err());
    assert!(
        Tensor::from_bytes(ty("2xi1"), vec![1, 2])
            .unwrap_err()
            .contains("neither 0 nor 1")
    );
    let shared: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(vec![0u8; 12]);
    assert!(Tensor::from_shared(ty("2xf32"), shared.clone(), 4).is_ok());
    assert!(Tensor::from_shared(ty("2xf32"), shared.clone(), 5).is_err());
    assert!(Tensor::from_shared(ty("2xf32"), shared, usize::MAX).is_err());
    assert!(
        Tensor::from_i64s(ty("1xi8"), &[128])
            .unwrap_err()
            .contains("128 does not fit i8")
    );
    assert!(Tensor::from_i64s(ty("1xi1"), &[2]).is_err());
    assert!(Tensor::from_i64s(ty("1xf32"), &[2]).is_err());
    assert!(Tensor::from_i64s(ty("2xi8"), &[1]).is_err());
    assert!(Tensor::splat_bytes(ty("2xf32"), &[0; 2]).is_err());
}

#[test]
fn values_round_and_saturate() {
    assert_eq!(
        Tensor::splat(ty("2xi8"), 300.7).to_i64s().unwrap(),
        [127, 127]
    );
    assert_eq!(
        Tensor::splat(ty("1xi16"), -1e9).to_i64s().unwrap(),
        [-32768]
    );
    assert_eq!(
        Tensor::splat(ty("1xbf16"), 1.0 + 1.0 / 256.0).to_f32s(),
        [1.0]
    );
    let t = Tensor::from_i64s(ty("4xi16"), &[-1, 32767, -32768, 5]).unwrap();
    assert_eq!(t.to_i64s().unwrap(), [-1, 32767, -32768, 5]);
    assert_eq!(t.to_bytes()[..4], [0xff, 0xff, 0xff, 0x7f]);
    let t = Tensor::from_i64s(ty("2xi64"), &[i64::MIN, i64::MAX]).unwrap();
    assert_eq!(t.to_i64s().unwrap(), [i64::MIN, i64::MAX]);
}

#[test]
fn equality_is_of_bits() {
    let f = |v: f32| Tensor::from_f32s([1], &[v]).unwrap();
    assert_eq!(f(f32::NAN), f(f32::NAN));
    assert_ne!(f(0.0), f(-0.0));
    assert_ne!(f(0.0), f(0.0).reshape([1, 1]).unwrap());
    assert_eq!(
        Tensor::splat(ty("3xi8"), 2.0),
        Tensor::from_i64s(ty("3xi8"), &[2; 3]).unwrap()
    );
    assert_eq!(
        Tensor::splat(ty("0xi8"), 2.0),
        Tensor::splat(ty("0xi8"), 3.0)
    );
    assert!(f(1.0).reshape([2]).is_err());
    assert_eq!(
        f(1.0).reinterpret(ty("1xi32")).unwrap().to_i64s().unwrap(),
        [0x3f80_0000]
    );
    assert!(f(1.0).reinterpret(ty("1xi64")).is_err());
    assert!(
        Tensor::splat(ty("1xi8"), 3.0)
            .reinterpret(ty("1xi1"))
            .is_err()
    );
}

#[test]
fn splats_are_recognised() {
    let nan = Tensor::from_f32s([2], &[f32::NAN; 2]).unwrap();
    assert!(nan.splat_value().unwrap().is_nan());
    assert_eq!(
        Tensor::from_f32s([2], &[0.0, -0.0]).unwrap().splat_value(),
        None
    );
    assert_eq!(
        Tensor::from_f32s([2], &[3.0, 3.0]).unwrap().splat_value(),
        Some(3.0)
    );
    assert_eq!(Tensor::from_f32s([0], &[]).unwrap().splat_value(), None);
}

#[test]
fn equal_attributes_hash_alike() {
    let mut set = HashSet::new();
    let values = [
        Attr::F32(0.0),
        Attr::F32(-0.0),
        Attr::F32(f32::NAN),
        Attr::I64(0),
        Attr::Str("a".into()),
        Attr::Raw("a".into()),
        Attr::F32s(vec![0.0]),
        Attr::F32s(vec![-0.0]),
        Attr::Tensor(Tensor::splat(ty("2xi8"), 1.0)),
    ];
    for value in &values {
        assert!(set.insert(value.clone()), "{value:?}");
    }
    assert!(!set.insert(Attr::F32(f32::NAN)));
    assert!(!set.insert(Attr::Tensor(
        Tensor::from_i64s(ty("2xi8"), &[1, 1]).unwrap()
    )));
    let attrs = Attrs::new().with("b", 2i64).with("a", 1i64);
    assert_eq!(attrs.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        (attrs.f32("a"), attrs.bool("a"), attrs.i64("c")),
        (Some(1.0), None, None)
    );
}

#[test]
fn layouts_are_read_strictly() {
    assert_eq!(Layout::parse("row_major"), Some(Layout::RowMajor));
    for bad in [
        "",
        "planar",
        "planar<>",
        "planar<1,1,1,1>",
        "planar<1,1,1,i8>",
        "planar<1,1,1,1,i8,i8>",
        "planar<1,1,1,256,i8>",
        "planar<-1,1,1,1,i8>",
        "planar<1,1,1,1,f16>",
        "planar<1,1,1,1,f64>",
        "planar<1,1,1,1,i8",
        "Row_major",
        "planar<1, 1, 1, 1, i8>",
    ] {
        assert_eq!(Layout::parse(bad), None, "{bad}");
    }
    assert_eq!(Layout::of(&Attrs::new()), Ok(Layout::RowMajor));
}

proptest! {
    #[test]
    fn layouts_round_trip(halo in any::<[u8; 4]>(), which in 0usize..3) {
        let element = [DType::F32, DType::I8, DType::I16][which];
        let layout = Layout::Planar { halo, element };
        prop_assert_eq!(Layout::parse(&layout.to_string()), Some(layout));
    }

    #[test]
    fn any_shape_is_accepted_or_refused_without_overflow(shape in prop::collection::vec(any::<usize>(), 0..10)) {
        if let Ok(ty) = TensorType::try_new(shape, DType::I64) {
            prop_assert!(ty.elements() as u64 <= MAX_ELEMENTS);
            prop_assert_eq!(ty.bytes(), ty.elements() * 8);
        }
    }
}
