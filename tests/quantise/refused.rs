//! What is refused, and that the message says what and where.

use super::*;
use inferproof::quantise::{QuantiseError, evaluate};

fn error(graph: &Graph, samples: &Samples, options: &QuantiseOptions) -> QuantiseError {
    quantise(graph, samples, options).map(|_| ()).unwrap_err()
}

fn sketch_error(mut sketch: Sketch, options: &QuantiseOptions) -> QuantiseError {
    let samples = sketch.samples(4);
    error(&sketch.graph, &samples, options)
}

#[test]
fn a_single_window_needs_no_stride() {
    let mut sketch = Sketch::new(&[2, 5, 7]);
    sketch.push(
        "all",
        Op::SumPool { window: Window { strides: [1, 1], ..Window::tiles([5, 7]) }, divisor: 35.0 },
        &[0],
    );
    sketch.quantise(1.0);
}

#[test]
fn options_outside_their_range_are_refused() {
    let (graph, samples) = load(&fixtures().join("ops/gemm"));
    let default = QuantiseOptions::default();
    for options in [
        QuantiseOptions { activation_bits: 3, ..default.clone() },
        QuantiseOptions { activation_bits: 17, ..default.clone() },
        QuantiseOptions { shift: 3, ..default.clone() },
        QuantiseOptions { shift: 41, ..default.clone() },
        QuantiseOptions { input_range: Some((1.0, 1.0)), ..default.clone() },
        QuantiseOptions { input_range: Some((f64::NAN, 1.0)), ..default.clone() },
        QuantiseOptions { input_range: Some((0.0, f64::INFINITY)), ..default.clone() },
        QuantiseOptions { clip: Some(50.0), ..default.clone() },
        QuantiseOptions { clip: Some(f64::NAN), ..default.clone() },
    ] {
        assert!(matches!(error(&graph, &samples, &options), QuantiseError::Option { .. }), "{options:?}");
    }
    for options in [
        QuantiseOptions { activation_bits: 4, shift: 4, ..default.clone() },
        QuantiseOptions { activation_bits: 14, shift: 24, ..default.clone() },
    ] {
        quantise(&graph, &samples, &options).unwrap();
    }
    let name = QuantiseOptions { name: "a\nb".into(), ..default };
    assert!(matches!(error(&graph, &samples, &name), QuantiseError::Model(_)));
}

#[test]
fn a_layer_with_too_wide_quotients_is_refused() {
    let (graph, samples) = load(&fixtures().join("digits_cnn"));
    quantise(&graph, &samples, &QuantiseOptions { activation_bits: 16, shift: 20, ..QuantiseOptions::default() })
        .unwrap();
    // The bias cancels most of the weight on the only sample, but not on other inputs.
    let mut sketch = Sketch::new(&[2]);
    sketch.dense("wide", 0, 2);
    let Op::Dense { weights, bias } = &mut sketch.graph.nodes[1].op else { unreachable!() };
    weights.fill(0.0);
    bias.fill(0.0);
    (weights[[0, 0]], bias[0]) = (1e6, 0.5 - 1e6);
    let samples = Samples::new(vec![ArrayD::from_elem(vec![2], 1.0)], &[2]).unwrap();
    let error = error(&sketch.graph, &samples, &QuantiseOptions { shift: 4, ..QuantiseOptions::default() });
    assert!(matches!(&error, QuantiseError::WideQuotients { limit: 16_777_216, .. }), "{error}");
    assert!(error.to_string().contains("activation bits"), "{error}");
}

#[test]
fn weights_beyond_31_bits_are_refused_without_being_shown() {
    let mut sketch = Sketch::new(&[2]);
    sketch.dense("huge", 0, 2);
    let Op::Dense { weights, bias } = &mut sketch.graph.nodes[1].op else { unreachable!() };
    weights.fill(0.0);
    weights[[0, 0]] = 1.2345e7;
    // The bias cancels the weight on the only sample: the output is small, the weight is not.
    bias[0] = -1.2345e7;
    let samples = Samples::new(vec![ArrayD::from_elem(vec![2], 1.0)], &[2]).unwrap();
    let error = error(&sketch.graph, &samples, &QuantiseOptions { shift: 24, ..QuantiseOptions::default() });
    assert!(
        matches!(&error, QuantiseError::TooLarge { node, what: "weight", limit: 31, .. } if node == "huge"),
        "{error}"
    );
    assert!(!error.to_string().contains("12345"), "{error}");
}

#[test]
fn a_factor_that_vanishes_is_refused() {
    let mut sketch = Sketch::new(&[1, 64, 64]);
    sketch.push("all", Op::SumPool { window: Window::tiles([64, 64]), divisor: 4096.0 }, &[0]);
    let samples = Samples::new(vec![ArrayD::from_elem(vec![1, 64, 64], 1.0)], &[1, 64, 64]).unwrap();
    let vanishing = error(&sketch.graph, &samples, &QuantiseOptions::default());
    assert!(matches!(&vanishing, QuantiseError::FactorVanishes { shift: 10, .. }), "{vanishing}");
    quantise(&sketch.graph, &samples, &QuantiseOptions { shift: 12, ..QuantiseOptions::default() }).unwrap();
}

#[test]
fn a_lone_normalisation_of_many_channels_is_refused() {
    let mut sketch = Sketch::new(&[1 << 20]);
    let scale = vec![0.5; 1 << 20];
    sketch.push("norm", Op::ScaleShift { shift: scale.clone(), scale }, &[0]);
    let error = sketch_error(sketch, &QuantiseOptions::default());
    assert!(matches!(&error, QuantiseError::Unsupported { operator: "ScaleShift", .. }), "{error}");
}

#[test]
fn samples_of_another_network_are_refused() {
    let (graph, _) = load(&fixtures().join("ops/gemm"));
    let samples = Samples::new(vec![ArrayD::zeros(vec![3])], &[3]).unwrap();
    assert!(matches!(error(&graph, &samples, &QuantiseOptions::default()), QuantiseError::Graph(_)));
}

#[test]
fn a_model_is_compared_with_its_own_graph_only() {
    let (_, model, _) = quantised(&fixtures().join("ops/gemm"), &QuantiseOptions::default());
    for other in ["ops/matmul", "digits_mlp"] {
        let (graph, samples) = load(&fixtures().join(other));
        let error = evaluate(&graph, &model, &samples).unwrap_err();
        assert!(matches!(error, QuantiseError::OtherGraph { .. }), "{error}");
    }
}

#[test]
fn labels_have_to_be_classes() {
    let (graph, samples) = load(&fixtures().join("ops/gemm"));
    let (_, model, _) = quantised(&fixtures().join("ops/gemm"), &QuantiseOptions::default());
    let labelled = samples.clone().with_labels(vec![7; 16]).unwrap();
    assert!(matches!(evaluate(&graph, &model, &labelled), Err(QuantiseError::Samples(_))));
    assert!(samples.with_labels(vec![0; 15]).is_err());
}
