//! Data sets: what is read, and what is refused with which words.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use hla_ir::{Diagnostic, TensorType};
use hla_runtime::ThreadPool;
use hla_train::augment::Augment;
use hla_train::data::{Batches, Dataset, Names};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

/// A safetensors file of these tensors.
fn write(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes).unwrap();
        ((*name).to_owned(), view)
    });
    serialize_to_file(views, None, path).unwrap();
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn i64s(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Three images of 2×2×1: 0 to 3, 10 to 13, 20 to 23; labels 2, 0, 1.
fn three(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("three.safetensors");
    let values: Vec<f32> = (0..3)
        .flat_map(|n| (0..4).map(move |i| (10 * n + i) as f32))
        .collect();
    write(
        &path,
        &[
            ("images", Dtype::F32, &[3, 2, 2, 1], f32s(&values)),
            ("labels", Dtype::I64, &[3], i64s(&[2, 0, 1])),
        ],
    );
    path
}

fn open(path: &Path) -> Result<Dataset, Vec<Diagnostic>> {
    Dataset::open(path, &Names::default())
}

fn messages(errors: Vec<Diagnostic>) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn samples_are_copied_into_batches_and_padded() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(&three(dir.path())).unwrap();
    let input = TensorType::f32([4, 2, 2, 1]);
    assert_eq!(data.check(&input, 4, 3).unwrap(), [1, 1, 1, 0]);
    let batches = Batches {
        data: &data,
        input: &input,
        augment: None,
    };
    let batch = batches.make(&[2, 0, 1], None).unwrap();
    assert_eq!(batch.real, 3);
    assert_eq!(batch.images.ty(), &input);
    assert_eq!(
        batch.images.to_f32s(),
        [
            20.0, 21.0, 22.0, 23.0, 0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0, 0.0, 0.0, 0.0, 0.0
        ]
    );
    assert_eq!(batch.labels.to_i64s().unwrap(), [1, 2, 0, -1]);
}

#[test]
fn npy_files_and_bytes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let npy = |name: &str, descr: &str, shape: &str, data: &[u8]| {
        let mut text =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        text.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(data);
        fs::write(dir.path().join(name), bytes).unwrap();
    };
    npy("images.npy", "|u1", "(2, 3)", &[0, 51, 255, 102, 153, 204]);
    npy("labels.npy", "<i4", "(2,)", &[1, 0, 0, 0, 0, 0, 0, 0]);
    fs::copy(
        dir.path().join("images.npy"),
        dir.path().join("test-images.npy"),
    )
    .unwrap();
    fs::copy(
        dir.path().join("labels.npy"),
        dir.path().join("test-labels.npy"),
    )
    .unwrap();
    for path in [dir.path().to_owned(), dir.path().join("test-images.npy")] {
        let data = open(&path).unwrap();
        // Extents of 1 make no difference.
        let input = TensorType::f32([2, 3, 1]);
        assert_eq!(data.check(&input, 2, 2).unwrap(), [1, 1]);
        let batches = Batches {
            data: &data,
            input: &input,
            augment: None,
        };
        let batch = batches.make(&[0, 1], None).unwrap();
        assert_eq!(batch.images.to_f32s(), [0.0, 0.2, 1.0, 0.4, 0.6, 0.8]);
        assert_eq!(batch.labels.to_i64s().unwrap(), [1, 0]);
    }
    // A file that ends early.
    let whole = fs::read(dir.path().join("images.npy")).unwrap();
    fs::write(dir.path().join("images.npy"), &whole[..whole.len() - 1]).unwrap();
    let error = messages(open(dir.path()).unwrap_err());
    assert!(error.contains("do not fit the file's"), "{error}");
    npy("images.npy", "<f8", "(2, 3)", &[0; 48]);
    let error = messages(open(dir.path()).unwrap_err());
    assert!(
        error.contains("the element type '<f8' is not supported"),
        "{error}"
    );
}

#[test]
fn all_problems_of_the_files_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.safetensors");
    write(
        &path,
        &[
            ("images", Dtype::I64, &[2, 1], i64s(&[1, 2])),
            ("labels", Dtype::F32, &[3], f32s(&[0.0, 1.0, 2.0])),
        ],
    );
    let errors = open(&path).unwrap_err();
    let texts = messages(errors.clone());
    assert_eq!(errors.len(), 3, "{texts}");
    assert!(texts.contains("the images are of the type i64"));
    assert!(texts.contains("the labels are of the type f32"));
    assert!(texts.contains("there are 2 images, but 3 labels"));
    assert!(texts.contains("wrong.safetensors"));

    write(&path, &[("x", Dtype::F32, &[0, 2], vec![])]);
    let texts = messages(open(&path).unwrap_err());
    assert!(texts.contains("no tensor 'images'") && texts.contains("no tensor 'labels'"));
    assert!(texts.contains("its tensors are x"));
    let names = Names {
        images: "x".to_owned(),
        labels: "x".to_owned(),
    };
    let texts = messages(Dataset::open(&path, &names).unwrap_err());
    assert!(
        texts.contains("the images have the shape [0, 2]"),
        "{texts}"
    );

    let texts = messages(open(&dir.path().join("absent.safetensors")).unwrap_err());
    assert!(texts.contains("the data cannot be read"));
    fs::write(&path, b"no safetensors").unwrap();
    assert!(messages(open(&path).unwrap_err()).contains("no sound safetensors file"));
    let texts = messages(open(&dir.path().join("train.npy")).unwrap_err());
    assert!(texts.contains("a data set has two"));
}

#[test]
fn data_that_do_not_suit_the_model_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(&three(dir.path())).unwrap();
    let errors = data
        .check(&TensorType::f32([8, 1, 2, 3]), 2, 8)
        .unwrap_err();
    let texts = messages(errors.clone());
    assert_eq!(errors.len(), 3, "{texts}");
    assert!(texts.contains("each image is [2, 2, 1], but the model takes [1, 2, 3]"));
    assert!(texts.contains("there are 3 samples, but a batch takes 8"));
    assert!(texts.contains("label 0 is 2, but the model tells 2 classes apart"));
}

#[test]
fn a_sample_with_nan_is_named_when_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nan.safetensors");
    let mut values = vec![0.5_f32; 12];
    values[6] = f32::NAN;
    values[11] = f32::INFINITY;
    write(
        &path,
        &[
            ("images", Dtype::F32, &[3, 4], f32s(&values)),
            ("labels", Dtype::U8, &[3], vec![0, 1, 1]),
        ],
    );
    let data = open(&path).unwrap();
    let input = TensorType::f32([3, 4]);
    let batches = Batches {
        data: &data,
        input: &input,
        augment: None,
    };
    assert!(batches.make(&[0], None).is_ok());
    let pool = ThreadPool::new(2).unwrap();
    for pool in [None, Some(&pool)] {
        let error = batches.make(&[2, 0, 1], pool).unwrap_err();
        assert_eq!(error.message, "image 2 holds inf at element 3");
    }
    let error = batches.make(&[0, 1], None).unwrap_err();
    assert_eq!(error.message, "image 1 holds NaN at element 2");
}

#[test]
fn threads_and_batches_do_not_change_a_sample() {
    let dir = tempfile::tempdir().unwrap();
    let data = open(&three(dir.path())).unwrap();
    let augment: Augment = "shift=1,rotate=20,noise=0.3".parse().unwrap();
    let input = TensorType::f32([3, 2, 2, 1]);
    let make = |samples: &[u32], epoch, pool: Option<&ThreadPool>| {
        let batches = Batches {
            data: &data,
            input: &input,
            augment: Some((&augment, 5, epoch)),
        };
        batches.make(samples, pool).unwrap().images.to_f32s()
    };
    let pool = ThreadPool::new(3).unwrap();
    let alone = make(&[0, 1, 2], 4, None);
    assert_eq!(alone, make(&[0, 1, 2], 4, Some(&pool)));
    assert_eq!(alone[4..8], make(&[1], 4, None)[..4]);
    assert_ne!(alone, make(&[0, 1, 2], 5, None));
}
