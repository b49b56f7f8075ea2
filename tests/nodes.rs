//! ONNX's own tests of its operators: each case is imported, quantised with the defaults on its own input, run as
//! integers, compared with the expected output, and its witness is checked against the compiled program.
//!
//! `docs/operators.md` is written from this run: `UPDATE_GOLDEN=1 cargo test --release --test nodes`.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof::circuits::CompileError;
use inferproof::circuits::interface::Interface;
use inferproof::circuits::layers::compile;
use inferproof::circuits::network::{Trace, execute};
use inferproof::circuits::program::Layout;
use inferproof::circuits::witness::{ChallengeValues, LaneRows, instance, phase_one, phase_zero};
use inferproof::onnx::{OnnxError, Registry, import};
use inferproof::quantise::QuantiseError;
use inferproof::{Model, QuantiseOptions, Samples, quantise};
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use rand::SeedableRng;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Operators that compute nothing: their outputs are elements of the input, to half a step of it.
const MOVES: &[&str] = &[
    "Concat",
    "DepthToSpace",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];
/// Operators whose outputs are elements of the input, perhaps rescaled: to a step of the input.
const SELECTS: &[&str] = &["Max", "MaxPool", "Min", "ReduceMax", "ReduceMin", "TopK"];
/// Operators on integers: exact, but for the rounding of a float.
const EXACT: &[&str] =
    &["ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear"];
/// Cases of those in which an activation has a scale for each index or block, or integers that 16 bits do not hold once the zero point is taken
/// off: it is a tensor of real numbers in the network.
const REAL: &[&str] = &["_axis", "blocked", "int16"];
/// Types that the library has not: floats of few bits, integers of fewer than 8, and whole numbers that are divided. Their cases are listed and do
/// not count.
const OTHER_TYPES: &[&str] = &["has no .npy type", "arithmetic gives another result than float32"];
/// Operators whose cases have no input, so that there is nothing to prove.
const NO_INPUT: &[&str] = &["Constant"];
/// Cases that no fixed-point network can follow.
const BEYOND: &[(&str, &str)] = &[
    ("test_softmax_large_number", "differences of 1 between numbers of 10,000 are below a step of any width"),
    ("test_logsoftmax_large_number", "differences of 1 between numbers of 10,000 are below a step of any width"),
];
/// Part of the expected output's range that a result may be off by, unless a step of the output is more.
const TOLERANCE: f64 = 0.02;

#[derive(Clone, Debug, Deserialize)]
struct Case {
    case: String,
    operator: String,
    reason: Option<String>,
}

enum Outcome {
    Passed {
        /// Largest error over the expected output's range.
        error: f64,
        /// Rows of the program without limbs.
        rows: usize,
    },
    Skipped(String),
    Failed(String),
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the archive by name.
fn archive() -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(root().join("fixtures/onnx_nodes.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().to_owned(), bytes);
    }
    files
}

/// A tensor as floats, whatever its type.
fn tensor(bytes: &[u8]) -> ArrayD<f32> {
    fn read<T: ReadableElement + Copy>(bytes: &[u8], float: impl Fn(T) -> f32) -> Option<ArrayD<f32>> {
        ArrayD::<T>::read_npy(Cursor::new(bytes)).ok().map(|values| values.mapv(float))
    }
    read(bytes, |value: f32| value)
        .or_else(|| read(bytes, |value: i64| value as f32))
        .or_else(|| read(bytes, |value: i32| value as f32))
        .or_else(|| read(bytes, |value: i16| f32::from(value)))
        .or_else(|| read(bytes, |value: u16| f32::from(value)))
        .or_else(|| read(bytes, |value: u8| f32::from(value)))
        .or_else(|| read(bytes, |value: i8| f32::from(value)))
        .or_else(|| read(bytes, |value: bool| f32::from(u8::from(value))))
        .expect("a type of the archive")
}

/// The shape that the importer gives a tensor: without a batch axis of one.
fn canonical(values: ArrayD<f32>) -> ArrayD<f32> {
    match values.shape() {
        [1, rest @ ..] if !rest.is_empty() => {
            let rest = rest.to_vec();
            values.into_shape_with_order(rest).unwrap()
        }
        _ => values,
    }
}

fn run(case: &Case, files: &BTreeMap<String, Vec<u8>>) -> Outcome {
    if let Some(reason) = &case.reason {
        return Outcome::Skipped(reason.clone());
    }
    if let Some((_, reason)) = BEYOND.iter().find(|(case_name, _)| *case_name == case.case) {
        return Outcome::Skipped((*reason).into());
    }
    let file = |name: &str| &files[&format!("{}/{name}", case.case)];
    let graph = match import(file("model.onnx")) {
        Ok(graph) => graph,
        Err(OnnxError::Unsupported(reasons)) => return Outcome::Skipped(reasons[0].reason.clone()),
        Err(OnnxError::ElementType { got, .. }) => return Outcome::Skipped(format!("an input of type {got}")),
        Err(error) => return Outcome::Failed(format!("import: {error}")),
    };
    let (input, expected) = (canonical(tensor(file("input.npy"))), canonical(tensor(file("output.npy"))));
    let quantised = Samples::new(vec![input.clone()], graph.input_shape())
        .map_err(QuantiseError::from)
        .and_then(|samples| quantise(&graph, &samples, &QuantiseOptions::default()));
    let model = match quantised {
        Ok((model, _)) => model,
        Err(QuantiseError::Unsupported { expected, got, .. }) => {
            return Outcome::Skipped(format!("got {got}, expected {expected}"));
        }
        Err(error) => return Outcome::Failed(format!("quantise: {error}")),
    };
    let integers = model.quantise_input(&input).unwrap();
    let trace = execute(&model.architecture, &model.weights, &integers).unwrap();
    let rows = match witness_holds(&model, &integers, &trace) {
        Ok(rows) => rows,
        Err(fault) => return Outcome::Failed(fault),
    };
    let got = model.dequantise_output(&trace.values[model.architecture.output]).unwrap();
    compare(case, &model, &expected, &got, rows)
}

fn compare(case: &Case, model: &Model, expected: &ArrayD<f32>, got: &ArrayD<f32>, rows: usize) -> Outcome {
    if got.shape() != expected.shape() {
        return Outcome::Failed(format!("shape {:?}, expected {:?}", got.shape(), expected.shape()));
    }
    let errors = expected.iter().zip(got).map(|(&x, &y)| f64::from((x - y).abs()));
    let error = errors.fold(0.0, f64::max);
    // The range of a tensor holds 0.
    let ends = expected.iter().fold((0.0f32, 0.0f32), |(a, b), &x| (a.min(x), b.max(x)));
    let (range, step) = (f64::from(ends.1 - ends.0), 1.0 / model.output_scale());
    let allowed = match case.operator.as_str() {
        exact if EXACT.contains(&exact) && !REAL.iter().any(|part| case.case.contains(part)) => 1e-6 * range,
        moves if MOVES.contains(&moves) => 0.501 * step,
        selects if SELECTS.contains(&selects) => step.max(TOLERANCE * range).max(1.0 / model.input_scale()),
        _ => step.max(TOLERANCE * range),
    };
    let allowed = allowed * 1.0001;
    if error <= allowed {
        Outcome::Passed { error: if range > 0.0 { error / range } else { 0.0 }, rows }
    } else {
        Outcome::Failed(format!("error {error:.4e}, allowed {allowed:.4e} (step {step:.3e}, range {range:.3e})"))
    }
}

/// Checks that every lookup is in the table and that every copy holds, with and without limbs; returns the rows without,
/// or those with limbs where the shift is too large for one table of remainders.
fn witness_holds(model: &Model, input: &[i64], trace: &Trace) -> Result<usize, String> {
    let Model { architecture, weights, .. } = model;
    let mut rows = 0;
    for limb in [None, Some(4)] {
        let program = match compile(architecture, Interface::default(), Layout { limb, ..Layout::direct(4) }) {
            Ok(program) => program,
            Err(CompileError::TooLarge { .. }) if limb.is_none() && architecture.shift > 24 => continue,
            Err(error) => return Err(format!("compile: {error}")),
        };
        let phase0 =
            phase_zero(&program, architecture, weights, trace, None).map_err(|error| format!("witness: {error}"))?;
        let lanes = LaneRows::new(&program, architecture, weights);
        let words = instance(&program, input, &trace.values[architecture.output]);
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let [channel, position, alpha, beta] = std::array::from_fn(|_| Fr::random(&mut rng));
        let challenges = ChallengeValues { channel, position, alpha, beta };
        let w = phase_one(&program, &phase0, &lanes, &challenges, &words).ok_or("unlucky challenges")?;
        if !program.copies().all(|(a, b)| w.value(a, &phase0) == w.value(b, &phase0)) {
            return Err(format!("a copy does not hold in layout {limb:?}"));
        }
        if w.phi.last() != Some(&Fr::ZERO) {
            return Err(format!("lookups do not add up in layout {limb:?}"));
        }
        if rows == 0 {
            rows = program.rows.len();
        }
    }
    Ok(rows)
}

/// One line an operator: cases, passed, largest error, and why others were skipped.
fn table(outcomes: &[(Case, Outcome)]) -> String {
    let mut text = String::from(include_str!("nodes/operators.md"));
    let mut operators: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for (case, outcome) in outcomes {
        operators.entry(&case.operator).or_default().push(outcome);
    }
    let registry = Registry::standard();
    let untested: Vec<_> = registry.operators().filter(|operator| !operators.contains_key(operator)).collect();
    for (operator, outcomes) in operators {
        let passed = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Passed { error, rows } => Some((*error, *rows)),
            _ => None,
        });
        let passed: Vec<(f64, usize)> = passed.collect();
        let worst = passed.iter().fold(0.0f64, |worst, (error, _)| worst.max(*error));
        let rows = passed.iter().map(|(_, rows)| *rows).max();
        let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in &outcomes {
            if let Outcome::Skipped(reason) = outcome {
                let other = OTHER_TYPES.iter().any(|part| reason.contains(part));
                *if other { &mut others } else { &mut skipped }.entry(reason).or_default() += 1;
            }
        }
        let list = |reasons: &BTreeMap<&str, usize>| {
            let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
            reasons.join("; ").replace('|', "/")
        };
        let count = outcomes.len() - others.values().sum::<usize>();
        let left = skipped.values().sum::<usize>();
        assert!(5 * left <= count || NO_INPUT.contains(&operator), "{operator}: {left} of {count} cases are skipped");
        let (worst, rows) = match rows {
            None => ("-".into(), "-".into()),
            Some(rows) => (format!("{:.1} %", 100.0 * worst), rows.to_string()),
        };
        let (passed, skipped, others) = (passed.len(), list(&skipped), list(&others));
        writeln!(text, "| {operator} | {count} | {passed} | {worst} | {rows} | {skipped} | {others} |").unwrap();
    }
    writeln!(text, "\nTaken too, without a case among these: {}.", untested.join(", ")).unwrap();
    text
}

#[test]
fn onnx_node_tests() {
    let files = archive();
    let cases: Vec<Case> = serde_json::from_slice(&files["index.json"]).unwrap();
    assert!(cases.len() > 500, "{} cases", cases.len());
    let only = std::env::var("INFERPROOF_NODE").unwrap_or_default();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.case.contains(&only)).collect();
    let outcomes: Vec<(Case, Outcome)> = cases.into_par_iter().map(|case| (case.clone(), run(&case, &files))).collect();
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|(case, outcome)| match outcome {
            Outcome::Failed(why) => Some(format!("{}: {why}", case.case)),
            _ => None,
        })
        .collect();
    if only.is_empty() {
        golden(&table(&outcomes));
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn golden(text: &str) {
    let path = root().join("docs/operators.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(Path::new(&path)).expect("docs/operators.md");
    for (got, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(got, golden);
    }
    assert_eq!(text.len(), golden.len());
}
