//! How closely the integer networks of the fixtures follow their float graphs.

use super::*;
use inferproof::quantise::{
    Candidate, Fixed, LayerReport, Loss, QuantiseError, Target, TensorReport, Tuner, evaluate, evaluate_model, search,
};
use inferproof_circuits::{
    network::{Op as IntegerOp, affine_quotients, execute},
    plan::{Optimise, plan},
};

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
        let (graph, model, report) =
            quantised(&stem, &QuantiseOptions { name: name.into(), ..QuantiseOptions::default() });
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
    for layer in &report.layers {
        let LayerReport { id, node, shape, scale, range, snr_db, .. } = layer;
        let LayerReport { own_snr_db, saturated, elements, quotient, quotient_width, .. } = layer;
        assert_eq!((node, shape, range), (&nodes[*id].name, &nodes[*id].shape, &nodes[*id].range));
        assert_eq!(*scale, model.tensor_scales[*id]);
        assert_eq!(*elements as usize, nodes[*id].len() * report.samples);
        assert!(saturated * 50 <= *elements, "{report}");
        assert!(snr_db.unwrap() > 25.0 && own_snr_db.unwrap() > 25.0, "{report}");
        assert!(report.loses_most.as_ref().unwrap().own_snr_db <= own_snr_db.unwrap());
        if nodes[*id].op.inputs().iter().all(|operand| *operand == 0) {
            assert_eq!(own_snr_db, snr_db, "the input inherits nothing\n{report}");
        }
        assert_eq!(quotient.len(), *quotient_width);
        assert!(*quotient_width <= 1 << 16);
        let bound = affine_quotients(&model.architecture, *id, &model.weights.layers[id]).unwrap();
        assert!(quotient.covers(&bound));
    }
    assert_eq!(report.tensors.len(), nodes.len());
    for (tensor, node) in report.tensors.iter().zip(nodes) {
        let TensorReport { observed, range, bits, scale, used, saturated_fraction, .. } = tensor;
        let (min, max) = observed.unwrap();
        // Calibrated on the same samples, so that the greatest magnitude just fits; an integer more where maxima are dropped.
        let units = |x: f32| f64::from(x) * scale;
        assert!(units(min) >= range.lo as f64 - 1e-6 && units(max) <= range.hi as f64 + 1e-6, "{tensor:?}");
        assert!((units(max) - units(min) - used * (range.hi - range.lo) as f64).abs() < 1e-6);
        assert!(range.len() <= 1 << bits && range.len() > 1 << (bits - 1), "{tensor:?}");
        assert!(*saturated_fraction <= 0.02 && tensor.operator == node.op.name());
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
            let (graph, model, report) = quantised(
                &stem,
                &QuantiseOptions { activation_bits, shift, name: name.into(), ..QuantiseOptions::default() },
            );
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
        quantised(&stem, &QuantiseOptions { activation_bits, shift, ..QuantiseOptions::default() }).2.mean_abs_error
    };
    let errors = [(4, 14), (6, 14), (8, 14), (10, 16), (12, 18)].map(|(bits, shift)| error(bits, shift));
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0] / 2.0), "{errors:?}");
}

#[test]
fn clipping_trades_saturation_for_resolution() {
    let stem = fixtures().join("digits_cnn");
    let (_, full, _) = quantised(&stem, &QuantiseOptions { clip: Some(100.0), ..QuantiseOptions::default() });
    assert_eq!(full, quantised(&stem, &QuantiseOptions::default()).1);
    let (_, clipped, report) = quantised(&stem, &QuantiseOptions { clip: Some(99.0), ..QuantiseOptions::default() });
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
    let options = QuantiseOptions { input_range: Some((0.0, 2.0)), ..QuantiseOptions::default() };
    assert_eq!(quantised(&stem, &options).1.input_scale(), 127.5);
    let options = QuantiseOptions { input_range: Some((-1.0, 0.5)), ..QuantiseOptions::default() };
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
        let options = QuantiseOptions { clip: Some(99.9), ..QuantiseOptions::default() };
        let (_, model, report) = pool.install(|| quantised(&stem, &options));
        (model, report)
    };
    assert!(run(1) == run(3));
}

/// One layer of two inputs at 4 bits: `y = x_0 - x_1 / 2`.
///
/// Input scale 15, output scale 7, shift 4: weights `round(7 / 15 * 16) = 7` and `round(-3.7) = -4`. The samples give
/// `105 -> 7`, which is 1 as it should be, and `-60 -> -4`, which is -4/7 instead of -1/2.
#[test]
fn the_report_is_what_one_computes_by_hand() {
    let mut sketch = Sketch::new(&[2]);
    sketch.dense("layer", 0, 1);
    let Op::Dense { weights, bias } = &mut sketch.graph.nodes[1].op else { unreachable!() };
    (weights[[0, 0]], weights[[0, 1]], bias[0]) = (1.0, -0.5, 0.0);
    let sample = |x: [f32; 2]| ArrayD::from_shape_vec(vec![2], x.to_vec()).unwrap();
    let samples = Samples::new(vec![sample([1.0, 0.0]), sample([0.0, 1.0])], &[2]).unwrap();
    let samples = samples.with_labels(vec![1, 0]).unwrap();
    let options = QuantiseOptions { activation_bits: 4, shift: 4, ..QuantiseOptions::default() };
    let (model, report) = quantise(&sketch.graph, &samples, &options).unwrap();

    let [input, output] = &report.tensors[..] else { panic!("{report}") };
    assert_eq!((input.operator, input.observed, input.range.hi), ("input", Some((0.0, 1.0)), 15));
    assert_eq!((input.bits, input.scale, input.used, input.saturated, input.elements), (4, 15.0, 1.0, 0, 4));
    assert_eq!((output.observed, output.range.lo, output.range.hi), (Some((-0.5, 1.0)), -7, 7));
    assert_eq!((output.bits, output.scale, output.used, output.elements), (4, 7.0, 0.75, 2));
    let [layer] = &report.layers[..] else { panic!("{report}") };
    // 10 log10(1.25 * 14^2); the operands are exact, so all of it is the layer's own.
    assert_eq!((layer.snr_db, layer.own_snr_db), (Some(23.89), Some(23.89)));
    assert_eq!(report.loses_most, Some(Loss { id: 1, node: "layer".into(), own_snr_db: 23.89 }));
    assert!((report.max_abs_error - 1.0 / 14.0).abs() < 1e-9 && (report.mean_abs_error - 1.0 / 28.0).abs() < 1e-9);

    // An output of one element is the class itself: 1, and -4/7 counts as 0.
    assert_eq!(report.accuracy.unwrap().integer, 1.0);
    let evaluation = evaluate_model(&model, &samples).unwrap();
    assert_eq!(evaluation.labelled.unwrap().accuracy, 1.0);
    assert_eq!((evaluation.output_max, evaluation.outputs_at_ends, evaluation.outputs), (1.0, 1, 1));
    assert!((evaluation.output_mean - 3.0 / 14.0).abs() < 1e-9 && (evaluation.output_min + 4.0 / 7.0).abs() < 1e-9);

    // Beyond what it was calibrated on, the input is cut off.
    let wide = Samples::new(vec![sample([2.0, -1.0])], &[2]).unwrap();
    let cut = evaluate(&sketch.graph, &model, &wide).unwrap();
    assert_eq!((cut.tensors[0].saturated, cut.tensors[0].saturated_fraction, cut.tensors[0].used), (2, 1.0, 1.0));
    assert_eq!((cut.tensors[1].observed, cut.tensors[1].used, cut.max_abs_error), (Some((2.5, 2.5)), 0.0, 1.5));
    // With an input up to 2 it is the layer: `round(7 / 7.5 * 16) * 15 -> 14`, beyond 7.
    let options = QuantiseOptions { input_range: Some((0.0, 2.0)), ..options };
    let (model, _) = quantise(&sketch.graph, &samples, &options).unwrap();
    let cut = evaluate(&sketch.graph, &model, &Samples::new(vec![sample([2.0, 0.0])], &[2]).unwrap()).unwrap();
    assert_eq!((cut.tensors[0].saturated, cut.tensors[1].saturated, cut.layers[0].saturated), (0, 1, 1));
}

/// The first layer's weights are a few units wide, the second one's are a power of two of them.
#[test]
fn a_layer_s_own_error_does_not_depend_on_what_it_inherits() {
    let mut sketch = Sketch::new(&[16]);
    let coarse = sketch.dense("coarse", 0, 2);
    let relu = sketch.push("relu", Op::Relu, &[coarse]);
    sketch.dense("exact", relu, 2);
    let Op::Dense { weights, bias } = &mut sketch.graph.nodes[3].op else { unreachable!() };
    bias.fill(0.0);
    weights.indexed_iter_mut().for_each(|((i, j), w)| *w = if i == j { 1.0 } else { 0.0 });
    let samples = sketch.samples(16);
    let options = QuantiseOptions { activation_bits: 12, shift: 4, ..QuantiseOptions::default() };
    let (_, report) = quantise(&sketch.graph, &samples, &options).unwrap();
    let [first, second] = &report.layers[..] else { panic!("{report}") };
    assert!(first.own_snr_db.unwrap() < 35.0 && first.own_snr_db == first.snr_db, "{report}");
    assert!(second.own_snr_db.unwrap() > 60.0, "{report}");
    assert!((second.snr_db.unwrap() - first.snr_db.unwrap()).abs() < 1.0, "{report}");
    assert_eq!(report.loses_most.unwrap().node, "coarse");
}

#[test]
fn moved_tensors_have_values_too() {
    let mut sketch = Sketch::new(&[2, 4, 6]);
    let rest = sketch.push("rest", Op::DropMax, &[0]);
    let window = Window { kernel: [3, 3], strides: [2, 2], pads: [1; 4], dilations: [1; 2] };
    let pool = sketch.push("pool", Op::MaxPool(window), &[rest]);
    let turn = sketch.push("turn", Op::Transpose { perm: vec![1, 0, 2] }, &[pool]);
    sketch.push("twice", Op::Concat { axis: 0 }, &[turn, turn]);
    let samples = sketch.samples(3);
    let (_, report) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
    let outputs = samples.inputs().iter().map(|input| sketch.graph.run_f32(input).unwrap().pop().unwrap());
    let values: Vec<f32> = outputs.flat_map(|output| output.into_iter().collect::<Vec<_>>()).collect();
    let ends = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    assert_eq!(report.tensors.last().unwrap().observed, Some(ends), "{report}");
    assert!(report.tensors.iter().all(|tensor| tensor.observed.is_some()));
    let bits: Vec<_> = report.tensors.iter().filter(|tensor| tensor.operator == "before-max").collect();
    assert!(matches!(bits[..], [TensorReport { observed: Some((0.0, 1.0)), bits: 1, .. }]), "{bits:?}");
}

#[test]
fn the_chart_has_a_bar_a_layer() {
    let (mut graph, samples) = load(&fixtures().join("digits_cnn"));
    graph.nodes.iter_mut().for_each(|node| node.name = format!("<{}>&\"'", node.name));
    let (_, report) = quantise(&graph, &samples, &QuantiseOptions::default()).unwrap();
    let svg = report.to_svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for (piece, times) in [("<g class=\"layer\">", 5), ("class=\"own\"", 5), ("class=\"total\"", 5), ("</g>", 5)] {
        assert_eq!(svg.matches(piece).count(), times, "{piece}\n{svg}");
    }
    assert!(svg.contains("&lt;conv1&gt;&amp;&quot;&apos;") && !svg.contains("<conv1>"));
    for tag in ["text", "title"] {
        assert_eq!(svg.matches(&format!("<{tag}")).count(), svg.matches(&format!("</{tag}>")).count());
    }
}

/// What a search has to find: the least cost of all settings up to 9 bits, tried one by one.
#[test]
fn a_search_finds_the_least_cost() {
    let (graph, samples) = load(&fixtures().join("digits_mlp"));
    for targets in [vec![Target::Top1(0.99)], vec![Target::MaxError(0.5), Target::MeanError(0.1), Target::Top1(1.0)]] {
        let (model, report, candidates) = search(&graph, &samples, &QuantiseOptions::default(), &targets).unwrap();
        assert!(targets.iter().all(|target| target.is_met(&report.fit())), "{report}");
        let chosen: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.chosen).collect();
        let [Candidate { activation_bits, shift, fit, cost: Some(cost), .. }] = chosen[..] else {
            panic!("{chosen:?}")
        };
        assert_eq!(*fit, Some(report.fit()));
        let options =
            QuantiseOptions { activation_bits: *activation_bits, shift: *shift, ..QuantiseOptions::default() };
        assert_eq!(quantise(&graph, &samples, &options).unwrap(), (model, report));
        let settings = (4..=9).flat_map(|bits| (bits..=bits + 6).map(move |shift| (bits, shift)));
        let costs = settings.filter_map(|(activation_bits, shift)| {
            let options = QuantiseOptions { activation_bits, shift, ..QuantiseOptions::default() };
            let (model, report) = quantise(&graph, &samples, &options).unwrap();
            let met = targets.iter().all(|target| target.is_met(&report.fit()));
            let first = met
                .then(|| plan(&model.architecture, Interface::default(), Optimise::Prover).unwrap().1.swap_remove(0));
            first.map(|cost| (cost.k, cost.rows))
        });
        assert_eq!(Some((cost.k, cost.rows)), costs.min(), "{candidates:?}");
        // Each width that misses says what its best would cost.
        let missing = candidates.chunk_by(|a, b| a.activation_bits == b.activation_bits);
        assert!(missing.into_iter().all(|width| width.iter().filter(|c| c.cost.is_some()).count() == 1));
    }
}

#[test]
fn a_search_without_success_says_why() {
    let (graph, samples) = load(&fixtures().join("digits_mlp"));
    let test = Samples::load(fixtures().join("digits_mlp_test.npz"), graph.input_shape()).unwrap();
    let options = QuantiseOptions::default();
    let error = search(&graph, &samples, &options, &[Target::MaxError(1e-9)]).unwrap_err();
    let QuantiseError::TargetsMissed { tried: 91, activation_bits: 16, limits, .. } = &error else { panic!("{error}") };
    assert!(limits.contains("fc1") || limits.contains("fc2"), "{error}");
    for word in ["max-error<=0.000000001", "max-error 0.000", "own SNR", "ask for less"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    // Of 8 bits all shifts are tried, of a shift all widths, of both one; the validation set decides.
    let impossible = [Target::MeanError(0.0)];
    for (activation_bits, shift, expected) in [(Some(8), None, 7), (None, Some(9), 13), (Some(8), Some(9), 1)] {
        let (mut seen, mut tuner) = (0, Tuner::new(&graph, &samples, &options));
        tuner.validation = Some(&test);
        let error = tuner.search(&impossible, Fixed { activation_bits, shift }, |_| seen += 1).unwrap_err();
        assert!(matches!(error, QuantiseError::TargetsMissed { tried, .. } if tried == expected), "{error}");
        assert!(seen == expected && error.to_string().contains("fix neither"), "{error}");
        let (_, report, candidates) =
            tuner.search(&[Target::Top1(0.5)], Fixed { activation_bits, shift }, |_| {}).unwrap();
        assert_eq!(report.samples, 100);
        let kept = |c: &Candidate| {
            activation_bits.unwrap_or(c.activation_bits) == c.activation_bits && shift.unwrap_or(c.shift) == c.shift
        };
        assert!(candidates.iter().all(kept), "{candidates:?}");
    }
    let refused = |targets: &[Target]| search(&graph, &samples, &options, targets).map(|_| ()).unwrap_err();
    for targets in [&[][..], &[Target::Top1(1.5)], &[Target::MaxError(f64::NAN)]] {
        assert!(matches!(refused(targets), QuantiseError::Option { option: "target", .. }), "{targets:?}");
    }
    // What no setting can be made of is said as it is.
    let mut sketch = Sketch::new(&[1, 128, 128]);
    let sums = Op::SumPool { window: Window::tiles([128, 128]), divisor: 1e9 };
    sketch.push("all", sums, &[0]);
    let samples = Samples::new(vec![ArrayD::from_elem(vec![1, 128, 128], 1.0)], &[1, 128, 128]).unwrap();
    let fixed = Fixed { activation_bits: Some(8), shift: Some(4) };
    let error = Tuner::new(&sketch.graph, &samples, &options).search(&[Target::Top1(0.5)], fixed, |_| {}).unwrap_err();
    assert!(matches!(error, QuantiseError::FactorVanishes { .. }), "{error}");
}

#[test]
fn one_bit_more_is_explained() {
    let stem = fixtures().join("digits_mlp");
    let (graph, samples) = load(&stem);
    for (activation_bits, shift, finer) in [(8, 10, Some((9, 11))), (6, 12, Some((7, 12))), (16, 18, None)] {
        let options = QuantiseOptions { activation_bits, shift, ..QuantiseOptions::default() };
        let (model, report) = quantise(&graph, &samples, &options).unwrap();
        let explanation = Tuner::new(&graph, &samples, &options).explain(&model, &report).unwrap();
        assert_eq!((&explanation.loses_most, explanation.now.fit), (&report.loses_most, Some(report.fit())));
        assert_eq!(explanation.finer.as_ref().map(|f| (f.activation_bits, f.shift)), finer);
        let Some(finer) = explanation.finer else { continue };
        assert!(finer.fit.unwrap().mean_abs_error < report.mean_abs_error);
        assert!(finer.cost.unwrap().k >= explanation.now.cost.unwrap().k);
        assert!(explanation.finer_own_snr_db.unwrap() > report.loses_most.unwrap().own_snr_db);
    }
}

#[test]
fn a_model_is_measured_on_its_task_without_its_graph() {
    let stem = fixtures().join("digits_mlp");
    let (graph, model, _) = quantised(&stem, &QuantiseOptions::default());
    let test = Samples::load(companion(&stem, "_test.npz"), graph.input_shape()).unwrap();
    let evaluation = evaluate_model(&model, &test).unwrap();
    let labelled = evaluation.labelled.as_ref().unwrap();
    assert_eq!(labelled.accuracy, evaluate(&graph, &model, &test).unwrap().accuracy.unwrap().integer);
    assert_eq!(labelled.confusion.iter().map(|cell| cell.samples).sum::<u64>(), 100);
    assert_eq!(evaluation.classes.iter().map(|class| class.samples).sum::<u64>(), 100);
    let right = labelled.confusion.iter().filter(|cell| cell.label == cell.class).map(|cell| cell.samples);
    assert_eq!(right.sum::<u64>(), labelled.correct);
    // More classes than fit are cut in the text, and only there.
    let mut sketch = Sketch::new(&[40]);
    sketch.push("relu", Op::Relu, &[0]);
    let one_hot = |class| ArrayD::from_shape_fn(vec![40], |i| if i[0] == class { 1.0 } else { 0.0 });
    let samples = Samples::new((0..40).map(one_hot).collect(), &[40]).unwrap();
    let (model, _) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
    let unlabelled = evaluate_model(&model, &samples).unwrap();
    assert!(unlabelled.classes.len() == 40 && unlabelled.to_string().contains("most frequent 20 of 40 classes"));
    let labelled = evaluate_model(&model, &samples.clone().with_labels((0..40).collect()).unwrap()).unwrap();
    assert!(labelled.to_string().contains("first 20 of 40 classes"), "{labelled}");
    assert_eq!(labelled.labelled.unwrap().accuracy, 1.0);
    let error = evaluate_model(&model, &samples.with_labels(vec![40; 40]).unwrap()).unwrap_err();
    assert!(matches!(error, QuantiseError::Samples(_)), "{error}");
}
