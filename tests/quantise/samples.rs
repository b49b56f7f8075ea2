//! Reading of samples and inputs.

use super::*;
use inferproof::quantise::{SampleError, load_tensor};
use ndarray::{Array, Array1, Array2, Array3, s};
use ndarray_npy::{NpzWriter, WritableElement, write_npy};
use std::fs;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn npy<T: WritableElement + Clone>(&self, name: &str, array: &ArrayD<T>) -> PathBuf {
        let path = self.0.path().join(name);
        write_npy(&path, array).unwrap();
        path
    }

    fn npz(&self, name: &str, compressed: bool, fill: impl FnOnce(&mut NpzWriter<fs::File>)) -> PathBuf {
        let path = self.0.path().join(name);
        let file = fs::File::create(&path).unwrap();
        let mut writer = if compressed { NpzWriter::new_compressed(file) } else { NpzWriter::new(file) };
        fill(&mut writer);
        writer.finish().unwrap();
        path
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn ramp(shape: &[usize]) -> ArrayD<f32> {
    let count = shape.iter().product::<usize>() as i16;
    ArrayD::from_shape_vec(shape, (0..count).map(f32::from).collect()).unwrap()
}

#[test]
fn a_sample_axis_and_a_batch_axis_are_optional() {
    let folder = Folder::new();
    for (shape, count) in [(vec![2, 3], 1), (vec![1, 2, 3], 1), (vec![4, 2, 3], 4), (vec![4, 1, 2, 3], 4)] {
        let samples = Samples::load(folder.npy("x.npy", &ramp(&shape)), &[2, 3]).unwrap();
        assert_eq!(samples.len(), count);
        let last = ramp(&[4, 2, 3]).slice(s![count - 1, .., ..]).to_owned().into_dyn();
        assert_eq!(samples.inputs()[count - 1], last, "{shape:?}");
    }
}

#[test]
fn every_number_type_is_read() {
    let folder = Folder::new();
    macro_rules! check {
        ($($number:ty)*) => {$(
            let path = folder.npy("x.npy", &ramp(&[5]).mapv(|v| v as $number));
            assert_eq!(Samples::load(path, &[5]).unwrap().inputs()[0], ramp(&[5]), stringify!($number));
        )*};
    }
    check!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64);
    let fortran = Array::from_shape_vec(ndarray::ShapeBuilder::f((2, 3)), vec![0, 3, 1, 4, 2, 5]).unwrap().into_dyn();
    assert_eq!(load_tensor(folder.npy("x.npy", &fortran), &[2, 3]).unwrap(), ramp(&[2, 3]));
}

#[test]
fn archives_hold_one_array_or_several_and_perhaps_labels() {
    let folder = Folder::new();
    for compressed in [false, true] {
        let path = folder.npz("many.npz", compressed, |npz| {
            npz.add_array("b", &ramp(&[2, 3])).unwrap();
            npz.add_array("a", &ramp(&[2, 2, 3])).unwrap();
        });
        let samples = Samples::load(path, &[2, 3]).unwrap();
        assert_eq!((samples.len(), samples.labels()), (3, None));
        let path = folder.npz("labelled.npz", compressed, |npz| {
            npz.add_array("x", &ramp(&[2, 3])).unwrap();
            npz.add_array("y", &Array1::from(vec![4i64, 0])).unwrap();
        });
        assert_eq!(Samples::load(path, &[3]).unwrap().labels(), Some(&[4, 0][..]));
        // An array `y` alone, or one that has the input's shape, is a sample.
        let path = folder.npz("y.npz", compressed, |npz| npz.add_array("y", &Array1::from(vec![4i64, 0])).unwrap());
        assert_eq!(Samples::load(path, &[2]).unwrap().labels(), None);
    }
    let path = folder.npz("short.npz", false, |npz| {
        npz.add_array("x", &ramp(&[2, 3])).unwrap();
        npz.add_array("y", &Array1::from(vec![4i64])).unwrap();
    });
    assert!(matches!(Samples::load(&path, &[3]), Err(SampleError::Labels { .. })));
    let path = folder.npz("negative.npz", false, |npz| {
        npz.add_array("x", &ramp(&[1, 3])).unwrap();
        npz.add_array("y", &Array1::from(vec![-1i64])).unwrap();
    });
    assert!(matches!(Samples::load(&path, &[3]), Err(SampleError::Labels { .. })));
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let folder = Folder::new();
    for (name, value) in [("nan.npy", f64::NAN), ("infinite.npy", f64::INFINITY), ("large.npy", 1e300)] {
        let path = folder.npy(name, &Array2::from_shape_vec((2, 2), vec![0.0, 1.0, 2.0, value]).unwrap().into_dyn());
        let error = Samples::load(&path, &[2]).unwrap_err();
        assert!(matches!(error, SampleError::NonFinite { index: 3, .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let nan = ArrayD::from_elem(vec![2], f32::NAN);
    assert!(matches!(Samples::new(vec![nan], &[2]), Err(SampleError::Sample { index: 0, .. })));
}

#[test]
fn other_shapes_are_refused_with_both_shapes() {
    let folder = Folder::new();
    let path = folder.npz("x.npz", true, |npz| npz.add_array("inputs", &Array3::<f32>::zeros((4, 3, 2))).unwrap());
    let text = Samples::load(&path, &[2, 3]).unwrap_err().to_string();
    for part in ["x.npz", "`inputs`", "[2, 3]", "[4, 3, 2]"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let path = folder.npy("two.npy", &ramp(&[2, 3]));
    assert!(matches!(load_tensor(&path, &[3]), Err(SampleError::Shape { .. })));
    assert_eq!(load_tensor(folder.npy("one.npy", &ramp(&[1, 3])), &[3]).unwrap().shape(), &[3]);
    assert!(matches!(Samples::new(vec![ramp(&[3])], &[2]), Err(SampleError::Sample { .. })));
}

#[test]
fn nothing_is_no_sample() {
    let folder = Folder::new();
    assert!(matches!(Samples::new(vec![], &[2]), Err(SampleError::Empty { .. })));
    let path = folder.npy("none.npy", &ArrayD::<f32>::zeros(vec![0, 2]));
    assert!(matches!(Samples::load(&path, &[2]), Err(SampleError::Empty { .. })));
    let path = folder.npz("none.npz", false, |_| {});
    let error = Samples::load(&path, &[2]).unwrap_err();
    assert!(error.to_string().contains("none.npz"), "{error}");
    assert!(load_tensor(&path, &[2]).is_err());
}

#[test]
fn other_files_and_types_are_refused() {
    let folder = Folder::new();
    let error = Samples::load(fixtures().join("digits_mlp.onnx"), &[2]).unwrap_err();
    assert!(matches!(error, SampleError::Format { .. }) && error.to_string().contains("ONNX"), "{error}");
    assert!(matches!(Samples::load(folder.0.path().join("missing.npy"), &[2]), Err(SampleError::Io { .. })));
    assert!(matches!(Samples::load(folder.bytes("empty.npy", b""), &[2]), Err(SampleError::Format { .. })));
    let path = folder.npy("bool.npy", &ArrayD::from_elem(vec![2], true));
    assert!(matches!(Samples::load(&path, &[2]), Err(SampleError::Array { .. })));
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn hostile_headers_cost_nothing() {
    let folder = Folder::new();
    for shape in ["(1099511627776,)", "(4611686018427387904, 4611686018427387904)", "(2, 18446744073709551615)", "(3,)"]
    {
        let bytes = npy(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"), &[0; 8]);
        let error = Samples::load(folder.bytes("x.npy", &bytes), &[2]).unwrap_err();
        assert!(matches!(error, SampleError::Format { .. } | SampleError::Array { .. }), "{error}");
    }
    // Compressed, a shape and a bomb.
    let bomb = |shape: &str, zeros: usize| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape},), }}");
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, &npy(&header, &[])).unwrap();
        for _ in 0..zeros >> 20 {
            std::io::Write::write_all(&mut writer, &[0; 1 << 20]).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let path = folder.bytes("shape.npz", &bomb("1099511627776", 0));
    assert!(matches!(Samples::load(&path, &[2]), Err(SampleError::Array { .. })));
    let path = folder.bytes("bomb.npz", &bomb("1074790400", 1025 << 20));
    assert!(matches!(Samples::load(&path, &[2]), Err(SampleError::TooLarge { .. })));
    // Fewer bytes than a gibibyte, but not as numbers of 32 bits; and numbers of which each would be a sample.
    let path = folder.bytes("bytes.npz", &bomb("272629760", 260 << 20));
    assert!(matches!(Samples::load(&path, &[2]), Err(SampleError::TooLarge { .. })));
    let path = folder.bytes("scalars.npz", &bomb("16777216", 16 << 20));
    assert!(matches!(Samples::load(&path, &[]), Err(SampleError::TooLarge { .. })));
    // Brackets in brackets, which a parser would try in every way.
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}")] {
        for depth in [4, 40, 1_000, 60_000] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let whole = npy(&nested, &[]);
            assert!(Samples::load(folder.bytes("nested.npy", &whole), &[2]).is_err(), "{open} {depth}");
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {nested}, }}");
            assert!(Samples::load(folder.bytes("nested.npy", &npy(&header, &[0; 4])), &[1]).is_err(), "{open} {depth}");
        }
    }
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend_from_slice(&u32::MAX.to_le_bytes());
    long.extend_from_slice(&[b'('; 100_000]);
    let error = Samples::load(folder.bytes("long.npy", &long), &[2]).unwrap_err();
    assert!(matches!(error, SampleError::Array { .. }), "{error}");
}

#[test]
fn damaged_files_never_panic() {
    let folder = Folder::new();
    let mut numbers = Numbers(3);
    let plain = fs::read(folder.npy("x.npy", &ramp(&[4, 3]))).unwrap();
    let fill = |npz: &mut NpzWriter<fs::File>| npz.add_array("x", &ramp(&[4, 3])).unwrap();
    let stored = fs::read(folder.npz("x.npz", false, fill)).unwrap();
    let compressed = fs::read(folder.npz("x.npz", true, fill)).unwrap();
    for bytes in [plain, stored, compressed] {
        for _ in 0..300 {
            let mut broken = bytes.clone();
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => broken.truncate(at),
                _ => broken[at] ^= 1 << numbers.below(8),
            }
            let path = folder.bytes("broken", &broken);
            if let Err(error) = Samples::load(&path, &[3]) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
