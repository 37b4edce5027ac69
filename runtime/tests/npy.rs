//! npy files against an independent reader and writer (ndarray-npy), and hostile ones.

use half::f16;
use hla_ir::{DType, Tensor, TensorType};
use hla_runtime::npy;
use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{ReadNpyExt, WritableElement, WriteNpyExt};
use proptest::prelude::*;

fn written<T: WritableElement>(array: &ArrayD<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).expect("memory takes all bytes");
    bytes
}

fn shapes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0_usize..5, 0..5)
}

proptest! {
    #[test]
    fn reads_what_ndarray_writes(shape in shapes(), fortran: bool) {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| i as f32 * 0.5 - 3.0).collect();
        let array = match fortran {
            true => Array::from_shape_vec(IxDyn(&shape).f(), values).unwrap(),
            false => Array::from_shape_vec(IxDyn(&shape), values).unwrap(),
        };
        let tensor = npy::parse("x.npy", written(&array)).unwrap();
        prop_assert_eq!(tensor.shape(), &shape[..]);
        let expected: Vec<f32> = array.iter().copied().collect();
        prop_assert_eq!(tensor.to_f32s(), expected);
    }

    #[test]
    fn ndarray_reads_what_we_write(shape in shapes()) {
        let ty = TensorType::new(shape.clone(), DType::I16);
        let values: Vec<i64> = (0..ty.elements() as i64).map(|i| i * 7 - 300).collect();
        let tensor = Tensor::from_i64s(ty, &values).unwrap();
        let bytes = npy::to_bytes(&tensor).unwrap();
        let array = ArrayD::<i16>::read_npy(&bytes[..]).unwrap();
        prop_assert_eq!(array.shape(), &shape[..]);
        prop_assert!(array.iter().map(|&v| i64::from(v)).eq(values));
        prop_assert_eq!(npy::parse("x.npy", bytes).unwrap(), tensor);
    }

    #[test]
    fn random_bytes_are_refused_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend_from_slice(&tail);
        prop_assert!(npy::parse("x.npy", bytes).is_err());
    }

    #[test]
    fn damaged_files_never_panic(at in 0_usize..150, value: u8) {
        let mut bytes = npy::to_bytes(&Tensor::from_f32s([2, 3], &[1.0; 6]).unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(tensor) = npy::parse("x.npy", bytes) {
            prop_assert_eq!(tensor.ty().bytes(), 24);
        }
    }
}

#[test]
fn every_element_type_is_read_and_written() {
    fn check<T: WritableElement>(array: ArrayD<T>, dtype: DType, values: &[f64]) {
        let tensor = npy::parse("x.npy", written(&array)).unwrap();
        assert_eq!(tensor.dtype(), dtype);
        assert!(tensor.iter_f64().eq(values.iter().copied()), "{tensor:?}");
        let again = npy::parse("x.npy", npy::to_bytes(&tensor).unwrap()).unwrap();
        assert_eq!(again, tensor);
    }
    let shape = || IxDyn(&[2]);
    check(
        Array::from_shape_vec(shape(), vec![1.5_f32, -2.0]).unwrap(),
        DType::F32,
        &[1.5, -2.0],
    );
    check(
        Array::from_shape_vec(shape(), vec![-128_i8, 127]).unwrap(),
        DType::I8,
        &[-128.0, 127.0],
    );
    check(
        Array::from_shape_vec(shape(), vec![-300_i16, 300]).unwrap(),
        DType::I16,
        &[-300.0, 300.0],
    );
    check(
        Array::from_shape_vec(shape(), vec![-70_000_i32, 3]).unwrap(),
        DType::I32,
        &[-70_000.0, 3.0],
    );
    check(
        Array::from_shape_vec(shape(), vec![-5_000_000_000_i64, 3]).unwrap(),
        DType::I64,
        &[-5e9, 3.0],
    );
    check(
        Array::from_shape_vec(shape(), vec![true, false]).unwrap(),
        DType::I1,
        &[1.0, 0.0],
    );
}

/// A version-1 file made by hand.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn halves_and_big_endian_are_read() {
    let half = f16::from_f32(1.5).to_le_bytes();
    let t = npy::parse(
        "x",
        file(
            "{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }\n",
            &half,
        ),
    )
    .unwrap();
    assert_eq!((t.dtype(), t.to_f32s()), (DType::F16, vec![1.5]));
    let big = 1.5_f32.to_be_bytes();
    let t = npy::parse(
        "x",
        file(
            "{'descr': '>f4', 'fortran_order': False, 'shape': (), }",
            &big,
        ),
    )
    .unwrap();
    assert_eq!(t.to_f32s(), [1.5]);
    // Versions 2 and 3 have four bytes of length.
    let text = b"{'shape': (1,), 'fortran_order': True, 'descr': \"|i1\"}";
    for version in [2, 3] {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend_from_slice(&[version, 0]);
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text);
        bytes.push(0xff);
        assert_eq!(npy::parse("x", bytes).unwrap().to_i64s(), Some(vec![-1]));
    }
}

#[test]
fn hostile_files_are_refused_with_a_next_step() {
    let long = format!("{{'shape': ({}), }}", "1, ".repeat(9));
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("empty", vec![], "no .npy file"),
        ("text", b"hello".to_vec(), "no .npy file"),
        (
            "magic alone",
            b"\x93NUMPY".to_vec(),
            "ends within its header",
        ),
        (
            "version",
            b"\x93NUMPY\x09\x00\x00\x00".to_vec(),
            "version 9",
        ),
        (
            "long header",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            "claims 4294967295 bytes",
        ),
        (
            "cut header",
            b"\x93NUMPY\x01\x00\x40\x00{'descr'".to_vec(),
            "ends within its header",
        ),
        ("no dictionary", file("[]", &[]), "no '{'"),
        (
            "no shape",
            file("{'descr': '<f4', 'fortran_order': False}", &[]),
            "no 'shape'",
        ),
        (
            "no order",
            file("{'descr': '<f4', 'shape': ()}", &[]),
            "no 'fortran_order'",
        ),
        ("twice", file("{'shape': (), 'shape': ()}", &[]), "twice"),
        (
            "unknown key",
            file("{'weight': 3}", &[]),
            "unknown key 'weight'",
        ),
        (
            "double",
            file(
                "{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
                &[0; 8],
            ),
            "'<f8'",
        ),
        (
            "object",
            file("{'descr': '|O', 'fortran_order': False, 'shape': ()}", &[]),
            "'|O'",
        ),
        (
            "records",
            file("{'descr': [('a', '<f4')]}", &[]),
            "structured",
        ),
        (
            "order",
            file("{'descr': '<f4', 'fortran_order': 1, 'shape': ()}", &[]),
            "neither True nor False",
        ),
        (
            "negative",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
                &[],
            ),
            "no extent",
        ),
        (
            "huge",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
                &[],
            ),
            "no extent",
        ),
        (
            "overflow",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
                &[],
            ),
            "2^40",
        ),
        (
            "rank",
            file(
                &long.replace("{", "{'descr': '<f4', 'fortran_order': False, "),
                &[],
            ),
            "rank 9",
        ),
        (
            "short",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
                &[0; 4],
            ),
            "8 bytes, but 4 bytes follow",
        ),
        (
            "surplus",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
                &[0; 9],
            ),
            "8 bytes, but 9 bytes follow",
        ),
        (
            "boolean",
            file(
                "{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}",
                &[2],
            ),
            "boolean",
        ),
        (
            "tail",
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
                &[0; 4],
            ),
            "follows the header",
        ),
    ];
    for (name, bytes, message) in cases {
        let error = npy::parse("bad.npy", bytes.clone()).unwrap_err();
        assert!(error.message.contains(message), "{name}: {error}");
        assert!(error.help.is_some(), "{name}: {error}");
        assert_eq!(error.location.file.as_deref(), Some("bad.npy"), "{name}");
    }
}

#[test]
fn bfloat16_is_refused() {
    let error = npy::to_bytes(&Tensor::splat(TensorType::new([1], DType::BF16), 1.0)).unwrap_err();
    assert!(error.message.contains("bf16"), "{error}");
}
