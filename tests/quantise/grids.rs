//! Models that come quantised: which layers round exactly, and what is said of those that do not.

use super::*;
use inferproof::quantise::QuantiseError;
use ndarray::Array4;

const STEP: f32 = 0.05;

fn quantise_to(step: f32) -> Op {
    Op::Quantise { step, lo: -128, hi: 127 }
}

/// A 1x1 convolution of integers; a channel of zeros has the weights and, as exporters have it, a scale of nearly nothing.
fn integer_conv(weights: [i32; 4]) -> Op {
    let step = |row: &[i32]| if row.iter().all(|w| *w == 0) { 1e-30 } else { 0.0021 };
    let steps = weights.chunks(2).map(step).collect();
    Op::IntegerConv {
        weights: Array4::from_shape_vec((2, 2, 1, 1), weights.to_vec()).unwrap(),
        bias: vec![40, -7],
        operand_step: STEP,
        steps,
        window: Window { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1] },
        groups: 1,
    }
}

fn run(model: &Model, input: &ArrayD<f32>) -> Vec<i64> {
    let input = model.quantise_input(input).unwrap();
    let trace = inferproof_circuits::network::execute(&model.architecture, &model.weights, &input).unwrap();
    trace.values[model.architecture.output].clone()
}

/// ONNX's own semantics, in single precision and doubles.
fn expected(weights: [i32; 4], x: &ArrayD<f32>, step: f32) -> Vec<i64> {
    let q: Vec<i64> = x.iter().map(|x| ((x / STEP).round_ties_even() as i64).clamp(-128, 127)).collect();
    let positions = q.len() / 2;
    let of = |o: usize, i: usize| {
        let sum = weights[2 * o] as i64 * q[i] + weights[2 * o + 1] as i64 * q[positions + i] + [40, -7][o];
        let step_of = if weights[2 * o] == 0 && weights[2 * o + 1] == 0 { 1e-30 } else { 0.0021 };
        ((sum as f64 * step_of / f64::from(step)).round_ties_even() as i64).clamp(-128, 127)
    };
    (0..2).flat_map(|o| (0..positions).map(move |i| (o, i))).map(|(o, i)| of(o, i)).collect()
}

#[test]
fn a_channel_of_zeros_rounds_exactly_too() {
    for weights in [[37, -90, 0, 0], [0, 0, 5, 6]] {
        let mut sketch = Sketch::new(&[2, 3, 3]);
        let q = sketch.push("input_q", quantise_to(STEP), &[0]);
        let sums = sketch.push("conv", integer_conv(weights), &[q]);
        sketch.push("conv_q", quantise_to(0.11), &[sums]);
        let samples = sketch.samples(8);
        let (model, report) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
        assert_eq!(report.layers.iter().map(|layer| layer.exact).collect::<Vec<_>>(), [Some(true)]);
        assert!(report.to_string().contains("1 of 1 layers round exactly"), "{report}");
        for input in samples.inputs() {
            assert_eq!(run(&model, input), expected(weights, input, 0.11));
        }
    }
}

/// A layer with float weights between quantised tensors is rounded once more, and the report says which.
#[test]
fn what_is_rounded_again_is_named() {
    let mut sketch = Sketch::new(&[2, 3, 3]);
    let q = sketch.push("input_q", quantise_to(STEP), &[0]);
    let sums = sketch.push("exact_conv", integer_conv([37, -90, 12, 5]), &[q]);
    let q = sketch.push("exact_q", quantise_to(0.11), &[sums]);
    let real = sketch.conv("float_conv", q, 2, 1, 1);
    let q = sketch.push("float_q", quantise_to(0.2), &[real]);
    sketch.conv("head", q, 1, 1, 1);
    let samples = sketch.samples(8);
    let (model, report) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
    let exact: Vec<_> = report.layers.iter().map(|layer| (layer.node.as_str(), layer.exact)).collect();
    assert_eq!(exact, [("exact_conv", Some(true)), ("float_conv", Some(false)), ("head", None)]);
    let text = report.to_string();
    assert!(text.contains("1 of 2 layers round exactly") && text.contains("rounded again     float_conv"), "{text}");
    // The same from the graph and the model, later.
    assert_eq!(inferproof::quantise::evaluate(&sketch.graph, &model, &samples).unwrap(), report);
    let float = Sketch::new(&[2, 3, 3]);
    let mut float = float;
    float.conv("conv", 0, 2, 1, 1);
    let (_, report) = float.quantise(2.0);
    assert!(report.layers.iter().all(|layer| layer.exact.is_none()) && !report.to_string().contains("comes quantised"));
}

/// The input may be quantised by several nodes: alike, it is their integers; differently, it is a real tensor.
#[test]
fn an_input_that_is_quantised_twice() {
    for (other, exact) in [(STEP, true), (2.0 * STEP, false)] {
        let mut sketch = Sketch::new(&[2, 3, 3]);
        let one = sketch.push("one_q", quantise_to(STEP), &[0]);
        let two = sketch.push("two_q", quantise_to(other), &[0]);
        let left = sketch.push("left", integer_conv([37, -90, 12, 5]), &[one]);
        let left = sketch.push("left_q", quantise_to(0.11), &[left]);
        let sum = sketch.push("sum", Op::Add, &[left, two]);
        sketch.push("sum_q", quantise_to(0.17), &[sum]);
        let samples = sketch.samples(8);
        let (model, report) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
        let step = model.input_scale().recip() as f32;
        assert_eq!((step - STEP).abs() < 1e-6, exact, "{step}");
        let exactly = report.layers.iter().all(|layer| layer.exact == Some(true));
        assert_eq!(exactly, exact, "{report}");
    }
}

#[test]
fn sums_of_too_many_pairs_are_refused_for_that() {
    let wide = |step| Op::Quantise { step, lo: -32768, hi: 32767 };
    let mut sketch = Sketch::new(&[2, 3, 3]);
    let a = sketch.conv("a", 0, 2, 1, 1);
    let a = sketch.push("a_q", wide(0.001), &[a]);
    let b = sketch.conv("b", 0, 2, 1, 1);
    let b = sketch.push("b_q", wide(0.0013), &[b]);
    let sum = sketch.push("sum", Op::Add, &[a, b]);
    sketch.push("sum_q", wide(0.0017), &[sum]);
    let samples = sketch.samples(4);
    let options = QuantiseOptions { activation_bits: 16, shift: 18, ..QuantiseOptions::default() };
    let error = quantise(&sketch.graph, &samples, &options).unwrap_err();
    assert!(matches!(error, QuantiseError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("4294967296 pairs"), "{error}");
}
