//! How closely the integer networks of the fixtures follow their float graphs.

use super::*;
use inferproof::quantise::{LayerReport, evaluate};
use inferproof_circuits::network::{Op as IntegerOp, affine_quotients, execute};

/// How far an output may be off, in steps of its own scale, on the calibration samples with default options.
///
/// Half a step is the rounding of the output itself; that of the inputs and of the weights comes on top, and grows with
/// the fan-in and the depth of the network.
fn tolerance(name: &str) -> f64 {
    match name {
        // No arithmetic at all: the input is rounded, and that is the output.
        "identity" | "dropout" | "flatten" | "reshape" | "maxpool" | "maxpool_3x3" => 0.501,
        "digits_mlp" | "digits_cnn" => 2.0,
        // Nine layers on seeded weights.
        "resnet8" => 4.0,
        _ => 2.5,
    }
}

#[test]
fn every_fixture_is_close_to_its_float_graph() {
    for stem in all_fixtures() {
        let name = stem.file_name().unwrap().to_str().unwrap();
        let (graph, model, report) = quantised(&stem, &Options { name: name.into(), ..Options::default() });
        let steps = report.max_abs_error / report.output_step;
        assert!(steps <= tolerance(name), "{name} is off by {steps} steps\n{report}");
        assert_eq!(report.saturated_inputs, 0, "{name}");
        check_report(&model, &report);
        // The same from the model alone, one sample by hand.
        let (_, samples) = load(&stem);
        assert_eq!(evaluate(&graph, &model, &samples).unwrap(), report);
        let input = &samples.inputs()[0];
        let trace = execute(&model.architecture, &model.weights, &model.quantise_input(input).unwrap()).unwrap();
        let got = model.dequantise_output(&trace.values[model.architecture.output]).unwrap();
        let expected = &graph.run_f32(input).unwrap()[graph.output];
        assert_eq!(got.shape(), expected.shape());
        let error = got.iter().zip(expected).fold(0.0f64, |e, (a, b)| e.max(f64::from((a - b).abs())));
        assert!(error <= report.max_abs_error * 1.0001 + 1e-6, "{name}: {error}\n{report}");
    }
}

fn check_report(model: &Model, report: &Report) {
    let nodes = &model.architecture.nodes;
    assert!(report.mean_abs_error <= report.max_abs_error);
    assert!((0.0..=1.0).contains(&report.top1_agreement));
    let affine = nodes.iter().filter(|node| matches!(node.op, IntegerOp::Affine { .. })).count();
    assert_eq!(report.layers.len(), affine);
    for LayerReport { id, node, shape, scale, range, snr_db, saturated, elements, quotient, quotient_width } in
        &report.layers
    {
        assert_eq!((node, shape, range), (&nodes[*id].name, &nodes[*id].shape, &nodes[*id].range));
        assert_eq!(*scale, model.tensor_scales[*id]);
        assert_eq!(*elements as usize, nodes[*id].len() * report.samples);
        assert!(saturated * 50 <= *elements, "{report}");
        assert!(snr_db.unwrap() > 25.0, "{report}");
        assert_eq!(quotient.len(), *quotient_width);
        assert!(*quotient_width <= 1 << 16);
        let bound = affine_quotients(&model.architecture, *id, &model.weights.layers[id]).unwrap();
        assert!(quotient.covers(&bound));
    }
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["samples"], report.samples);
    assert_eq!(json["layers"].as_array().unwrap().len(), affine);
    assert!(report.to_string().contains("top-1 agreement"));
}

#[test]
fn trained_models_keep_their_accuracy() {
    for (name, float) in [("digits_mlp", 0.98), ("digits_cnn", 1.0)] {
        let stem = fixtures().join(name);
        for (activation_bits, shift) in [(8, 10), (7, 9), (6, 8)] {
            let (graph, model, report) =
                quantised(&stem, &Options { activation_bits, shift, name: name.into(), ..Options::default() });
            assert!(report.top1_agreement >= 0.98, "{report}");
            assert_eq!(report.accuracy, None);
            let test = Samples::load(companion(&stem, "_test.npz"), graph.input_shape()).unwrap();
            assert_eq!(test.labels().unwrap().len(), 100);
            let on_test = evaluate(&graph, &model, &test).unwrap();
            let accuracy = on_test.accuracy.unwrap();
            assert_eq!(accuracy.float, float);
            assert!((accuracy.integer - accuracy.float).abs() <= 0.02, "{on_test}");
        }
    }
}

/// Twice as fine activations make about half the error, all else being fine enough.
#[test]
fn more_bits_are_more_exact() {
    let stem = fixtures().join("digits_cnn");
    let error = |activation_bits, shift| {
        quantised(&stem, &Options { activation_bits, shift, ..Options::default() }).2.mean_abs_error
    };
    let errors = [(4, 14), (6, 14), (8, 14), (10, 16), (12, 18)].map(|(bits, shift)| error(bits, shift));
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0] / 2.0), "{errors:?}");
}

#[test]
fn clipping_trades_saturation_for_resolution() {
    let stem = fixtures().join("digits_cnn");
    let (_, full, _) = quantised(&stem, &Options { clip: Some(100.0), ..Options::default() });
    assert_eq!(full, quantised(&stem, &Options::default()).1);
    let (_, clipped, report) = quantised(&stem, &Options { clip: Some(99.0), ..Options::default() });
    let output = clipped.architecture.output;
    for layer in &report.layers {
        let cut = layer.saturated as f64 / layer.elements as f64;
        assert!(cut <= 0.015, "{report}");
        assert_eq!(clipped.tensor_scales[layer.id] > full.tensor_scales[layer.id], layer.id != output, "{report}");
    }
    assert!(report.layers[0].saturated > 0);
}

#[test]
fn a_declared_input_range_sets_the_scale() {
    let stem = fixtures().join("digits_mlp");
    let options = Options { input_range: Some((0.0, 2.0)), ..Options::default() };
    assert_eq!(quantised(&stem, &options).1.input_scale(), 127.5);
    let options = Options { input_range: Some((-1.0, 0.5)), ..Options::default() };
    let (_, model, _) = quantised(&stem, &options);
    assert_eq!((model.input_scale(), model.architecture.nodes[0].range.lo), (127.0, -127));
    let outside = ArrayD::from_elem(model.input_shape(), -3.0);
    assert!(model.quantise_input(&outside).unwrap().iter().all(|&value| value == -127));
    assert_eq!(model.saturated_inputs(&outside).unwrap(), 64);
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let stem = fixtures().join("digits_cnn");
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = Options { clip: Some(99.9), ..Options::default() };
        let (_, model, report) = pool.install(|| quantised(&stem, &options));
        (model, report)
    };
    assert!(run(1) == run(3));
}
