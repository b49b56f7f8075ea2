//! Whole networks against onnxruntime, whose results are stored beside them (`NAME_expected.npy`, written by
//! `fixtures/generate.py`).

use inferproof::model::Model;
use inferproof::quantise::Report;
use inferproof::{
    Prover, QuantiseOptions, Samples, SetupOptions, Srs, import_file, load_tensor, quantise, setup, verify,
};
use ndarray::{ArrayD, Axis};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};

/// Most that single precision may make of a result, of the largest in the network's outputs.
const FLOAT: f64 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn beside(onnx: &Path, what: &str) -> PathBuf {
    onnx.with_file_name(format!("{}_{what}", onnx.file_stem().unwrap().to_str().unwrap()))
}

/// A network with samples to quantise it, inputs, and what onnxruntime makes of each.
struct Case {
    onnx: PathBuf,
    calibration: PathBuf,
    inputs: PathBuf,
    options: QuantiseOptions,
}

impl Case {
    fn fixture(name: &str, data: &str, inputs: &str) -> Self {
        let stem = |what: &str| fixtures().join(format!("{data}_{what}.npz"));
        Self {
            onnx: fixtures().join(format!("{name}.onnx")),
            calibration: stem("samples"),
            inputs: stem(inputs),
            options: QuantiseOptions::default(),
        }
    }

    fn model(&self) -> Model {
        self.quantised().0
    }

    fn quantised(&self) -> (Model, Report) {
        let graph = import_file(&self.onnx).unwrap();
        let samples = Samples::load(&self.calibration, graph.input_shape()).unwrap();
        quantise(&graph, &samples, &self.options).unwrap()
    }

    fn inputs(&self) -> Vec<ArrayD<f32>> {
        let graph = import_file(&self.onnx).unwrap();
        Samples::load(&self.inputs, graph.input_shape()).unwrap().inputs().to_vec()
    }

    /// One row an input.
    fn expected(&self) -> Vec<Vec<f32>> {
        let all: ArrayD<f32> = ndarray_npy::read_npy(beside(&self.onnx, "expected.npy")).unwrap();
        all.axis_iter(Axis(0)).map(|row| row.iter().copied().collect()).collect()
    }

    /// The float network agrees with onnxruntime's; so does the integer one, to some steps of its output. Returns that many.
    fn agree(&self) -> f64 {
        let (graph, model, inputs, expected) =
            (import_file(&self.onnx).unwrap(), self.model(), self.inputs(), self.expected());
        assert_eq!(inputs.len(), expected.len());
        let largest = expected.iter().flatten().fold(0.0, |most, value| f64::max(most, value.abs().into()));
        let mut steps: f64 = 0.0;
        for (input, expected) in inputs.iter().zip(&expected) {
            let float = graph.run_f32(input).unwrap().swap_remove(graph.output);
            let integers = run(&model, input);
            assert_eq!((float.len(), integers.len()), (expected.len(), expected.len()));
            for ((float, integer), expected) in float.iter().zip(integers).zip(expected) {
                assert!(f64::from((float - expected).abs()) <= FLOAT * largest, "{float} for {expected}");
                steps = steps.max((integer as f64 - f64::from(*expected) * model.output_scale()).abs());
            }
        }
        steps
    }
}

fn run(model: &Model, input: &ArrayD<f32>) -> Vec<i64> {
    let input = model.quantise_input(input).unwrap();
    let trace = inferproof_circuits::network::execute(&model.architecture, &model.weights, &input).unwrap();
    trace.values[model.architecture.output].clone()
}

#[test]
fn networks_agree_with_onnxruntime() {
    for (name, inputs, tolerance) in
        [("digits_mlp", "test", 3.0), ("digits_cnn", "test", 3.0), ("resnet8", "samples", 4.0)]
    {
        let steps = Case::fixture(name, name, inputs).agree();
        assert!(steps > 0.1 && steps <= tolerance, "{name} is off by {steps} steps");
    }
}

/// Networks that onnxruntime quantised and exported: every output on every test image is the same integer.
#[test]
fn networks_that_come_quantised_are_bit_exact() {
    for name in ["digits_mlp", "digits_cnn"] {
        let case = Case::fixture(&format!("quantised/{name}"), name, "test");
        let (inputs, expected) = (case.inputs(), case.expected());
        let (model, report) = case.quantised();
        assert!(report.layers.iter().all(|layer| layer.exact == Some(true)), "{report}");
        assert_eq!((inputs.len(), expected.len()), (100, 100));
        for (number, (input, expected)) in inputs.iter().zip(&expected).enumerate() {
            let integers: Vec<i64> =
                expected.iter().map(|value| (f64::from(*value) * model.output_scale()).round() as i64).collect();
            assert_eq!(run(&model, input), integers, "{name}, image {number}");
        }
    }
}

/// What was evaluated elsewhere is what is proved here.
#[test]
fn a_network_that_comes_quantised_is_proved() {
    let case = Case::fixture("quantised/digits_mlp", "digits_mlp", "test");
    let model = case.model();
    let srs = Srs::development(11, StdRng::seed_from_u64(1)).unwrap();
    let (key, _) = setup(&model, &srs, &SetupOptions::default(), StdRng::seed_from_u64(2)).unwrap();
    let verifying = key.verifying_key().clone();
    let prover = Prover::new(key, &srs).unwrap();
    let input = load_tensor(fixtures().join("digits_mlp_input.npy"), model.input_shape()).unwrap();
    let proof = prover.prove(&model.quantise_input(&input).unwrap(), [0; 32], StdRng::seed_from_u64(3)).unwrap();
    verify(&verifying, &srs.verifier_part(), &proof).unwrap();
    let output = verifying.io().output.packing.decode(&proof.statement.output).unwrap();
    let expected = &case.expected()[0];
    let real = expected.iter().map(|value| (f64::from(*value) * model.output_scale()).round() as i64);
    assert!(output.into_iter().eq(real), "the first test image is the input");
}

/// The larger networks, which are not stored: `fixtures/generate.py networks --out DIR`, then
/// `INFERPROOF_NETWORKS=DIR cargo test --release --test oracle -- --ignored`.
#[test]
#[ignore = "needs the larger networks; .ci/large runs it"]
fn larger_networks_agree_with_onnxruntime() {
    let folder = PathBuf::from(std::env::var_os("INFERPROOF_NETWORKS").expect("INFERPROOF_NETWORKS names a folder"));
    let mut networks: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    networks.sort();
    assert!(networks.len() >= 6, "{networks:?}");
    for onnx in networks {
        let samples = beside(&onnx, "samples.npz");
        // So fine that what is left is the network and not its rounding.
        let options = QuantiseOptions { activation_bits: 12, shift: 16, ..QuantiseOptions::default() };
        let case = Case { calibration: samples.clone(), inputs: samples, onnx: onnx.clone(), options };
        let (steps, model) = (case.agree(), case.model());
        let range = model.architecture.nodes[model.architecture.output].range.len() as f64;
        println!("{}: off by {steps:.1} steps of {range} at most", onnx.display());
        assert!(steps <= 0.01 * range, "{}: {steps} of {range}", onnx.display());
    }
}
