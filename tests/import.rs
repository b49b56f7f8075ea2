//! Import of the model files under `fixtures`: every good one agrees with the reference runtime, every bad one is
//! refused with the right kind of error, and damaged ones never panic.

use std::fs;
use std::path::{Path, PathBuf};

use inferproof::graph::{Graph, rewrite::simplify};
use inferproof::onnx::{ImportOptions, OnnxError, Reference, import, import_file, import_with};
use ndarray::{ArrayD, Axis};

/// Largest difference to the reference, relative to the largest value of the output.
const TOLERANCE: f32 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The models in a folder, sorted; a folder without any is a mistake.
fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    assert!(!paths.is_empty(), "no models in {}", folder.display());
    paths
}

fn good_models() -> Vec<PathBuf> {
    [models(&fixtures()), models(&fixtures().join("ops"))].concat()
}

/// The example input next to a model, without its batch axis.
fn example(model: &Path) -> ArrayD<f32> {
    let stem = model.file_stem().unwrap().to_str().unwrap();
    let path = model.with_file_name(format!("{stem}_input.npy"));
    let batched: ArrayD<f32> =
        ndarray_npy::read_npy(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(batched.shape().first(), Some(&1), "{}", path.display());
    batched.index_axis_move(Axis(0), 0)
}

fn assert_close(got: &ArrayD<f32>, expected: &ArrayD<f32>, what: &str) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let scale = expected.iter().fold(1e-6, |largest: f32, value| largest.max(value.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= TOLERANCE * scale, "{what}: got {got}, expected {expected}");
    }
}

fn output_of(graph: &Graph, input: &ArrayD<f32>) -> ArrayD<f32> {
    graph.run_f32(input).unwrap().swap_remove(graph.output)
}

#[test]
fn every_good_model_agrees_with_the_reference_before_and_after_simplification() {
    for path in good_models() {
        let name = path.display().to_string();
        let graph = import_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let input = example(&path);
        let reference = Reference::new(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = reference.run(&input).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_close(&output_of(&graph, &input), &expected, &name);
        let simple = simplify(graph);
        simple.check().unwrap();
        assert_close(&output_of(&simple, &input), &expected, &format!("{name}, simplified"));
    }
}

#[test]
fn residual_networks_lose_their_normalisations() {
    let graph = simplify(import_file(fixtures().join("resnet8.onnx")).unwrap());
    assert!(graph.nodes.iter().all(|node| node.op.name() != "ScaleShift"));
    assert_eq!(graph.input_shape(), &[3, 32, 32]);
    assert_eq!(graph.output_shape(), &[10]);
}

fn refusal(name: &str) -> OnnxError {
    let path = fixtures().join("bad").join(name);
    let by_path = import_file(&path).map(|_| ()).expect_err(name);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(by_path.to_string(), import(&bytes).map(|_| ()).expect_err(name).to_string());
    assert_eq!(by_path.to_string(), Reference::new(&bytes).map(|_| ()).expect_err(name).to_string());
    by_path
}

#[test]
fn every_bad_model_is_refused_with_its_own_kind_of_error() {
    for path in models(&fixtures().join("bad")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "dynamic.onnx" {
            continue; // Accepted: see the test below.
        }
        let error = refusal(&name);
        let as_expected = match name.as_str() {
            "empty.onnx" => matches!(&error, OnnxError::Malformed { reason } if reason.contains("empty")),
            "truncated.onnx" | "garbage.onnx" => matches!(&error, OnnxError::Malformed { .. }),
            "unsupported.onnx" => matches!(&error, OnnxError::Unsupported(list) if list.len() == 3),
            "two_inputs.onnx" => matches!(&error, OnnxError::InputCount { names } if names == &["left", "right"]),
            "nan_weight.onnx" => matches!(&error, OnnxError::NonFinite { tensor, .. } if tensor == "gemm_weight"),
            "huge_dims.onnx" => matches!(&error, OnnxError::TooLarge { .. }),
            "external_data.onnx" => matches!(&error, OnnxError::ExternalData { tensor } if tensor == "weight"),
            _ => panic!("{name} has no expected error in this test: add it"),
        };
        assert!(as_expected, "{name}: {error:?}");
    }
}

/// A file of a megabyte that would take a gigabyte once it is decoded: a node of empty attributes, and as many nodes, and initialisers.
#[test]
fn many_empty_messages_are_refused() {
    let field = |number: u8, payload: Vec<u8>| -> Vec<u8> {
        let mut length = payload.len();
        let mut bytes = vec![number << 3 | 2];
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        [bytes, payload].concat()
    };
    let empty = |number: u8| field(number, vec![]).repeat(500_000);
    for graph in [field(1, empty(5)), empty(1), empty(5)] {
        let bytes = [vec![0x08, 0x08], field(7, graph)].concat();
        let error = inferproof::import(&bytes).unwrap_err();
        assert!(matches!(&error, OnnxError::TooLarge { what, .. } if what.contains("attributes")), "{error}");
    }
}

#[test]
fn the_unsupported_model_lists_every_node() {
    let text = refusal("unsupported.onnx").to_string();
    for part in ["`node_sin` (Sin)", "`node_hardmax` (Hardmax)", "`node_det` (Det)"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_symbolic_batch_axis_is_taken_as_one_and_recorded() {
    let bytes = fs::read(fixtures().join("bad/dynamic.onnx")).unwrap();
    let imported = import_with(&bytes, &ImportOptions::default()).unwrap();
    assert!(imported.batch_assumed);
    assert_eq!(imported.graph.input_shape(), &[4]);
    assert_eq!(imported.graph.output_shape(), &[3]);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = import_file(fixtures().join("no_such_model.onnx")).unwrap_err();
    assert!(matches!(error, OnnxError::Io { .. }) && error.to_string().contains("no_such_model.onnx"), "{error}");
}

/// A small generator of reproducible numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// One to four bytes replaced, or the end cut off, or a stretch cut out or doubled.
fn damaged(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let (from, to) = (numbers.below(bytes.len()), numbers.below(bytes.len()));
    match numbers.below(8) {
        0 => damaged.truncate(from),
        1 => drop(damaged.drain(from.min(to)..from.max(to))),
        2 => damaged.extend_from_slice(&bytes[from.min(to)..]),
        _ => {
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(bytes.len());
                damaged[at] = match numbers.below(3) {
                    0 => damaged[at] ^ (1 << numbers.below(8)),
                    1 => [0x00, 0x01, 0x7f, 0x80, 0xff][numbers.below(5)],
                    _ => numbers.below(256) as u8,
                };
            }
        }
    }
    damaged
}

#[test]
fn damaged_models_never_panic() {
    let mut numbers = Numbers(2024);
    let (mut imported, mut refused) = (0, 0);
    for path in models(&fixtures().join("ops")) {
        let bytes = fs::read(&path).unwrap();
        for _ in 0..300 {
            let broken = damaged(&bytes, &mut numbers);
            match import(&broken) {
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
                Ok(graph) => {
                    run_if_small(&simplify(graph));
                    imported += 1;
                }
            }
        }
    }
    // Damage to a weight or a name goes unnoticed, and damage to the structure does not: both must have happened.
    assert!(imported > 100 && refused > 100, "{imported} imported, {refused} refused");
}

/// Damage may leave a valid model with a large image; those are not worth the wait.
fn run_if_small(graph: &Graph) {
    let elements: usize = graph.nodes.iter().map(|node| node.shape.iter().product::<usize>()).sum();
    if elements < 100_000 {
        let values = graph.run_f32(&ArrayD::from_elem(graph.input_shape(), 0.5));
        assert!(values.is_ok() || values.is_err_and(|error| !error.to_string().is_empty()));
    }
}

#[test]
fn damaged_models_never_panic_in_the_reference() {
    let mut numbers = Numbers(4711);
    for name in ["add_residual", "conv_batchnorm", "gemm_alpha", "transpose"] {
        let bytes = fs::read(fixtures().join("ops").join(name).with_extension("onnx")).unwrap();
        for _ in 0..100 {
            let broken = damaged(&bytes, &mut numbers);
            if import(&broken)
                .is_ok_and(|graph| graph.nodes.iter().all(|node| node.shape.iter().product::<usize>() < 10_000))
                && let Ok(reference) = Reference::new(&broken)
                && let Ok(graph) = import(&broken)
            {
                let _ = reference.run(&ArrayD::from_elem(graph.input_shape(), 0.5));
            }
        }
    }
}
