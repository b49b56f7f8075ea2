//! The `.ifq` file: what comes back, and what is refused.

use super::*;
use inferproof::{
    artefact::{self, ArtefactError, Kind},
    model::{FORMAT, ModelError},
};
use inferproof_circuits::{
    formula::{Formula, Real},
    integer::{Function, Interval},
    network::{Op as IntegerOp, Term, Window, execute},
};

const SMALL: [&str; 4] = ["ops/conv_relu_maxpool", "ops/add_residual", "ops/transpose", "ops/averagepool"];

fn model(name: &str) -> Model {
    quantised(
        &fixtures().join(name),
        &QuantiseOptions { name: name.into(), source_digest: [7; 32], ..QuantiseOptions::default() },
    )
    .1
}

#[test]
fn models_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["digits_mlp", "resnet8"].iter().chain(&SMALL) {
        let model = model(name);
        let path = folder.path().join("model.ifq");
        model.save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert!(loaded == model, "{name}");
        assert_eq!(loaded.digest().unwrap(), model.digest().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), model.to_bytes().unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn text_forms_show_weights_only_when_asked() {
    let model = model("ops/gemm");
    let weight = model.weights.layers[&1].bias[0].to_string();
    assert!(!format!("{model:?}").contains(&weight));
    let public = model.to_json(false);
    assert!(public.get("weights").is_none());
    assert_eq!(public["architecture"]["shift"], 10);
    assert_eq!(public["sourceDigest"], "07".repeat(32));
    assert_eq!(public["weightCount"], model.weights.count());
    assert!(model.to_json(true)["weights"].to_string().contains(&weight));
}

#[test]
fn digests_tell_models_apart() {
    let model = model("ops/gemm");
    let mut other = model.clone();
    other.weights.layers.get_mut(&1).unwrap().bias[0] += 1;
    assert_ne!(model.digest().unwrap(), other.digest().unwrap());
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    let bytes = model("ops/add_residual").to_bytes().unwrap();
    let mut numbers = Numbers(1);
    for length in (0..bytes.len()).step_by(7).chain(bytes.len() - 40..bytes.len()) {
        assert!(Model::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    for _ in 0..300 {
        let mut broken = bytes.clone();
        let at = numbers.below(broken.len());
        broken[at] ^= 1 << numbers.below(8);
        assert!(Model::from_bytes(&broken).is_err(), "byte {at}");
    }
}

/// With the digest made to fit, damage reaches the decoder: it refuses or yields a model that is valid and runs.
#[test]
fn forged_payloads_never_panic() {
    let mut numbers = Numbers(2);
    let (mut accepted, mut refused) = (0, 0);
    for name in SMALL {
        let bytes = model(name).to_bytes().unwrap();
        let payload = artefact::decode(&bytes, Kind::NETWORK, FORMAT).unwrap();
        let text = 8 + u64::from_le_bytes(payload[..8].try_into().unwrap()) as usize;
        for round in 0..600 {
            let mut broken = payload.to_vec();
            // Half of the damage goes to the header, where a digit for a digit is most likely to be taken.
            let at = if round % 2 == 0 { numbers.below(text) } else { numbers.below(payload.len()) };
            match numbers.below(6) {
                0 => broken.truncate(at),
                1 => drop(broken.drain(at..(at + 1 + numbers.below(40)).min(payload.len()))),
                2 => broken.insert(at, numbers.next() as u8),
                3 if broken[at].is_ascii_digit() => broken[at] = b'0' + numbers.below(10) as u8,
                _ => broken[at] ^= 1 << numbers.below(8),
            }
            match Model::from_bytes(&artefact::encode(Kind::NETWORK, FORMAT, &broken)) {
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
                Ok(model) => {
                    run_if_small(&model);
                    accepted += 1;
                }
            }
        }
    }
    assert!(accepted > 50 && refused > 500, "{accepted} accepted, {refused} refused");
}

fn run_if_small(model: &Model) {
    let elements: usize = model.architecture.nodes.iter().map(|node| node.len()).sum();
    if elements < 1 << 20 {
        let range = model.architecture.nodes[0].range;
        for value in [range.lo, 0, range.hi] {
            let input = vec![value; model.architecture.nodes[0].len()];
            let trace = execute(&model.architecture, &model.weights, &input).unwrap();
            assert_eq!(
                model.dequantise_output(&trace.values[model.architecture.output]).unwrap().shape(),
                model.output_shape()
            );
        }
    }
}

#[test]
fn hostile_lengths_cost_nothing() {
    let bytes = model("ops/gemm").to_bytes().unwrap();
    let payload = artefact::decode(&bytes, Kind::NETWORK, FORMAT).unwrap();
    let text = 8 + u64::from_le_bytes(payload[..8].try_into().unwrap()) as usize;
    // The lengths of the header, of the scales and of the first weights.
    for at in [0, text + 32, text + 32 + 8 + 16] {
        for length in [u64::MAX, 1 << 60, 1 << 40] {
            let mut broken = payload.to_vec();
            broken[at..at + 8].copy_from_slice(&length.to_le_bytes());
            let error = Model::from_bytes(&artefact::encode(Kind::NETWORK, FORMAT, &broken)).unwrap_err();
            assert!(matches!(error, ModelError::Artefact(ArtefactError::Field(_))), "{error}");
        }
    }
}

/// Changes a valid model, and expects neither the checks nor the encoder to take it.
fn refused(change: impl FnOnce(&mut Model)) -> String {
    let mut model = model("ops/conv_relu_maxpool");
    change(&mut model);
    let error = model.validate().unwrap_err().to_string();
    assert_eq!(model.to_bytes().unwrap_err().to_string(), error);
    error
}

#[test]
fn inconsistent_models_are_refused() {
    assert!(refused(|m| m.architecture.nodes[0].range = Interval::new(1, 127)).contains("0 in it"));
    assert!(refused(|m| m.tensor_scales[0] = f64::NAN).contains("positive scale"));
    assert!(refused(|m| m.tensor_scales[2] *= 2.0).contains("operand's scale"));
    assert!(refused(|m| m.tensor_scales.truncate(1)).contains("one a node"));
    assert!(refused(|m| m.name = "two\nlines".into()).contains("control characters"));
    assert!(refused(|m| m.architecture.nodes[1].name = "\u{1b}[31m".into()).contains("control characters"));
    assert!(refused(|m| m.weights.layers.get_mut(&1).unwrap().bias[0] = 1 << 40).contains("published interval"));
    assert!(refused(|m| m.weights.layers.get_mut(&1).unwrap().terms[0].truncate(3)).contains("entries"));
    assert!(
        refused(|m| {
            let layer = m.weights.layers[&1].clone();
            m.weights.layers.insert(2, layer);
        })
        .contains("affine nodes only")
    );
}

/// A table that no formula gives.
#[test]
fn a_formula_that_is_not_finite_is_refused() {
    let formula =
        |formula, lo| Function::Formula { formula, from: Real(16.0), to: Real(8.0), domain: Interval::new(lo, 100) };
    for function in [formula(Formula::Log, 0), formula(Formula::Sqrt, -1), formula(Formula::Tanh, -70_000)] {
        let error = refused(|m| {
            let affine = m.architecture.nodes.iter_mut().find_map(|node| match &mut node.op {
                IntegerOp::Affine { activation, .. } => Some(activation),
                _ => None,
            });
            affine.unwrap().function = function;
        });
        assert!(error.contains("finite on its domain"), "{error}");
    }
}

/// Every real number survives the file, to the last bit.
#[test]
fn real_parameters_survive() {
    let mut numbers = Numbers(3);
    for _ in 0..20_000 {
        let real = Real(f64::from_bits(numbers.next() & !(1 << 62)));
        let text = serde_json::to_string(&real).unwrap();
        assert_eq!(serde_json::from_str::<Real>(&text).unwrap(), real, "{text}");
    }
    assert!(serde_json::from_str::<Real>("1.5").is_err(), "a string, so that no reader rounds it");
}

/// 2^76 weights are none at all modulo 2^64.
#[test]
fn a_count_of_weights_that_overflows_is_refused() {
    let error = refused(|m| {
        m.architecture.nodes.truncate(2);
        m.architecture.nodes.iter_mut().for_each(|node| node.shape = vec![1 << 26, 1, 1]);
        m.architecture.output = 1;
        let IntegerOp::Affine { terms, .. } = &mut m.architecture.nodes[1].op else { unreachable!() };
        let window = Window { kernel: [1 << 12; 2], strides: [1; 2], pads: [4095, 4095, 0, 0], dilations: [1; 2] };
        terms[0] = Term::Conv { input: 0, window, groups: 1 };
    });
    assert!(error.contains("a term of"), "{error}");
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let path = fixtures().join("digits_mlp.onnx");
    let error = Model::load(&path).unwrap_err().to_string();
    assert!(error.contains("ONNX") && error.contains("digits_mlp.onnx"), "{error}");
    let error = Model::load(fixtures().join("no_such.ifq")).unwrap_err().to_string();
    assert!(error.contains("no_such.ifq"), "{error}");
    let spaced = {
        let bytes = model("ops/gemm").to_bytes().unwrap();
        let payload = artefact::decode(&bytes, Kind::NETWORK, FORMAT).unwrap();
        let length = u64::from_le_bytes(payload[..8].try_into().unwrap()) + 1;
        [&length.to_le_bytes()[..], b" ", &payload[8..]].concat()
    };
    let error = Model::from_bytes(&artefact::encode(Kind::NETWORK, FORMAT, &spaced)).unwrap_err();
    assert!(error.to_string().contains("canonical"), "{error}");
}

#[test]
fn inputs_and_outputs_of_another_shape_are_refused() {
    let model = model("ops/gemm");
    assert!(model.quantise_input(&ArrayD::zeros(vec![1, 12])).is_ok());
    assert!(matches!(model.quantise_input(&ArrayD::zeros(vec![2, 12])), Err(ModelError::Shape { .. })));
    let infinite = ArrayD::from_elem(vec![12], f32::INFINITY);
    assert!(matches!(model.quantise_input(&infinite), Err(ModelError::NonFinite { index: 0, .. })));
    assert!(matches!(model.dequantise_output(&[1, 2]), Err(ModelError::Shape { .. })));
}
