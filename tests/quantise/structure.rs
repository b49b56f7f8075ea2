//! Which integer nodes a graph becomes.

use super::*;
use inferproof_circuits::{
    integer::Function,
    network::{Op as IntegerOp, Term},
};
use ndarray::Array;

/// The network in one line: operators, and for affine layers their terms and whether they have a ReLU.
fn outline(model: &Model) -> String {
    let term = |term: &Term| match term {
        Term::Dense { input } => format!("dense{input}"),
        Term::Conv { input, .. } => format!("conv{input}"),
        Term::Scale { input, factor } => format!("{}scale{input}", if *factor < 0 { "-" } else { "" }),
        Term::SumPool { input, .. } => format!("sum-pool{input}"),
        Term::Product { left, right, .. } => format!("product{left}x{right}"),
    };
    let describe = |node: &inferproof_circuits::network::Node| match &node.op {
        IntegerOp::Affine { terms, activation, .. } => {
            let sum = terms.iter().map(term).collect::<Vec<_>>().join("+");
            match activation.function {
                Function::Relu => format!("relu({sum})"),
                Function::Formula { formula, .. } => format!("{}({sum})", formula.name().to_lowercase()),
                _ => sum,
            }
        }
        op => op.name().to_string(),
    };
    model.architecture.nodes.iter().map(describe).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_residual_network_has_one_layer_a_sum() {
    let (_, model, _) = quantised(&fixtures().join("resnet8"), &QuantiseOptions::default());
    assert_eq!(
        outline(&model),
        "input, relu(conv0), relu(conv1), relu(scale1+conv2), relu(conv3), relu(conv3+conv4), relu(conv5), \
         relu(conv5+conv6), sum-pool7, reshape, dense9"
    );
}

#[test]
fn lenet_is_conv_pool_conv_pool_dense() {
    let (_, model, _) = quantised(&fixtures().join("digits_cnn"), &QuantiseOptions::default());
    assert_eq!(
        outline(&model),
        "input, relu(conv0), max-pool, relu(conv2), max-pool, reshape, relu(dense5), relu(dense6), dense7"
    );
}

#[test]
fn relu_and_max_pool_end_in_one_order() {
    for name in ["conv_relu_maxpool", "conv_maxpool_relu"] {
        let (_, model, report) = quantised(&fixtures().join("ops").join(name), &QuantiseOptions::default());
        assert_eq!(outline(&model), "input, relu(conv0), max-pool", "{name}");
        assert_eq!(report.layers[0].node, "conv");
        assert_eq!(model.architecture.nodes[1].range, model.architecture.nodes[2].range);
    }
}

#[test]
fn a_relu_moves_over_views_but_not_past_another_reader() {
    let mut sketch = Sketch::new(&[2, 4, 4]);
    let conv = sketch.conv("conv", 0, 3, 3, 1);
    let turned = sketch.push("turn", Op::Transpose { perm: vec![2, 0, 1] }, &[conv]);
    let flat = sketch.push_shaped("flat", Op::Reshape, &[turned], vec![48]);
    let relu = sketch.push("relu", Op::Relu, &[flat]);
    sketch.dense("dense", relu, 5);
    assert_eq!(outline(&sketch.quantise(3.0).0), "input, relu(conv0), transpose, reshape, dense3");

    let mut sketch = Sketch::new(&[2, 4, 4]);
    let conv = sketch.conv("conv", 0, 2, 3, 1);
    let pool = sketch.push("pool", Op::MaxPool(Window::tiles([2, 2])), &[conv]);
    let relu = sketch.push("relu", Op::Relu, &[pool]);
    sketch.push("add", Op::Add, &[relu, pool]);
    assert_eq!(outline(&sketch.quantise(3.0).0), "input, conv0, max-pool, relu(scale2), scale3+scale2");
}

#[test]
fn sums_take_in_the_layers_that_only_they_read() {
    let mut sketch = Sketch::new(&[6]);
    let one = sketch.dense("one", 0, 4);
    let two = sketch.dense("two", 0, 4);
    let three = sketch.dense("three", 0, 4);
    let sum = sketch.push("sum", Op::Add, &[one, two]);
    let all = sketch.push("all", Op::Add, &[sum, three]);
    sketch.push("relu", Op::Relu, &[all]);
    let (model, report) = sketch.quantise(3.0);
    assert_eq!(outline(&model), "input, relu(dense0+dense0+dense0)");
    assert_eq!(report.layers[0].node, "all");

    // A layer read twice keeps its own tensor, and a value may be added to itself.
    let mut sketch = Sketch::new(&[6]);
    let one = sketch.dense("one", 0, 6);
    let sum = sketch.push("sum", Op::Add, &[one, 0]);
    let twice = sketch.push("twice", Op::Add, &[sum, sum]);
    sketch.push("last", Op::Add, &[twice, one]);
    assert_eq!(outline(&sketch.quantise(3.0).0), "input, dense0, scale1+scale0, scale2+scale2+scale1");
}

#[test]
fn a_chain_of_sums_of_any_length_is_planned() {
    let mut sketch = Sketch::new(&[2]);
    let mut last = 0;
    for _ in 0..20_000 {
        last = sketch.push("sum", Op::Add, &[last, 0]);
    }
    let samples = sketch.samples(2);
    let (model, _) = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap();
    assert_eq!(model.architecture.nodes.len(), 2);
}

#[test]
fn averages_are_exact_up_to_their_own_rounding() {
    let mut sketch = Sketch::new(&[3, 8, 8]);
    let relu = sketch.push("relu", Op::Relu, &[0]);
    sketch.push(
        "pool",
        Op::SumPool { window: Window { strides: [1, 1], ..Window::tiles([8, 8]) }, divisor: 64.0 },
        &[relu],
    );
    // Half a step each for the ReLU, its input and the output; the factor adds nothing.
    let (model, report) = sketch.quantise(2.0);
    assert_eq!(outline(&model), "input, relu(scale0), sum-pool1");
    let IntegerOp::Affine { terms, .. } = &model.architecture.nodes[2].op else { unreachable!() };
    let Term::SumPool { factor, .. } = terms[0] else { unreachable!() };
    let exact = 1024.0 * model.output_scale() / model.tensor_scales[1] / 64.0;
    assert!((factor as f64 - exact).abs() < 1e-9, "{factor} for {exact}\n{report}");
    assert_eq!(model.architecture.nodes[2].range.lo, 0, "an average of non-negative values has no sign");
}

#[test]
fn scales_and_constants_of_any_rank_are_covered() {
    for shape in [vec![4], vec![3, 5], vec![3, 4, 5], vec![2, 3, 2, 2]] {
        let channels = shape[0];
        let scale_shift = |numbers: &mut Numbers| Op::ScaleShift {
            scale: (0..channels).map(|_| 2.0 * numbers.real()).collect(),
            shift: (0..channels).map(|_| numbers.real()).collect(),
        };
        let mut sketch = Sketch::new(&shape);
        let op = scale_shift(&mut sketch.numbers);
        let norm = sketch.push("norm", op, &[0]);
        let values = sketch.numbers.reals(&shape);
        let shifted = sketch.push("shifted", Op::AddConstant { values }, &[norm]);
        let relu = sketch.push("relu", Op::Relu, &[shifted]);
        sketch.push("sum", Op::Add, &[relu, 0]);
        let (model, report) = sketch.quantise(4.0);
        assert_eq!(model.output_shape(), shape);
        assert!(report.layers.iter().all(|layer| layer.snr_db.unwrap() > 30.0), "{report}");
    }
}

#[test]
fn a_constant_a_channel_joins_the_layer_before_it() {
    let mut sketch = Sketch::new(&[2, 4, 4]);
    let conv = sketch.conv("conv", 0, 3, 3, 1);
    let values = Array::from_shape_fn((3, 4, 4), |(c, _, _)| c as f32).into_dyn();
    let shifted = sketch.push("shifted", Op::AddConstant { values }, &[conv]);
    sketch.push("relu", Op::Relu, &[shifted]);
    assert_eq!(outline(&sketch.quantise(2.0).0), "input, relu(conv0)");
}

#[test]
fn tensors_that_stay_zero_get_a_scale_too() {
    let mut sketch = Sketch::new(&[4]);
    let down = sketch.push("down", Op::AddConstant { values: ArrayD::from_elem(vec![4], -9.0) }, &[0]);
    let dead = sketch.push("dead", Op::Relu, &[down]);
    sketch.push("sum", Op::Add, &[dead, 0]);
    let (_, report) = sketch.quantise(2.0);
    assert_eq!(report.layers[0].snr_db, None);
}

#[test]
fn windows_that_overlap_are_laid_side_by_side() {
    let pool = |kernel, strides, pads| Op::MaxPool(Window { kernel, strides, pads, dilations: [1, 1] });
    let outline_of = |op: Op| {
        let mut sketch = Sketch::new(&[2, 8, 8]);
        sketch.push("pool", op, &[0]);
        outline(&sketch.quantise(0.5001).0)
    };
    assert_eq!(outline_of(pool([2, 2], [2, 2], [0; 4])), "input, max-pool");
    assert_eq!(outline_of(pool([2, 3], [2, 1], [0; 4])), "input, take, max-pool");
    assert_eq!(outline_of(pool([3, 3], [2, 2], [1; 4])), "input, take, take, max-pool");
    assert_eq!(outline_of(pool([3, 3], [1, 1], [1; 4])), "input, take, max-pool, take, max-pool");
    assert_eq!(outline_of(pool([2, 2], [7, 7], [0; 4])), "input, take, take, max-pool");
}

#[test]
fn sums_over_any_windows_are_one_layer() {
    let mut sketch = Sketch::new(&[2, 8, 8]);
    let window = Window { kernel: [3, 2], strides: [2, 1], pads: [1, 0, 1, 0], dilations: [1, 2] };
    sketch.push("pool", Op::SumPool { window, divisor: 6.0 }, &[0]);
    assert_eq!(outline(&sketch.quantise(1.5).0), "input, sum-pool0");
}

#[test]
fn a_function_belongs_to_the_layer_before_it() {
    use inferproof_circuits::formula::{Formula, Real};
    let mut sketch = Sketch::new(&[6]);
    let one = sketch.dense("one", 0, 5);
    let gelu = sketch.push("gelu", Op::Unary(Formula::Gelu), &[one]);
    let two = sketch.dense("two", gelu, 4);
    let clip = sketch.push("clip", Op::Unary(Formula::Clip { lo: Real(0.0), hi: Real(0.25) }), &[two]);
    let tanh = sketch.push("tanh", Op::Unary(Formula::Tanh), &[clip]);
    sketch.push("out", Op::Add, &[clip, tanh]);
    let (model, _) = sketch.quantise(8.0);
    assert_eq!(outline(&model), "input, gelu(dense0), relu(dense1), tanh(scale2), scale2+scale3");
    // The clip saturates at a quarter, which is the end of its range.
    let IntegerOp::Affine { activation, .. } = model.architecture.nodes[2].op else { unreachable!() };
    assert_eq!(activation.range.hi, (0.25 * model.tensor_scales[2]).round() as i64);
}

#[test]
fn tensors_between_which_elements_move_share_a_scale() {
    let mut sketch = Sketch::new(&[2, 4, 4]);
    let small = sketch.conv("small", 0, 1, 1, 1);
    let large = sketch.conv("large", 0, 3, 3, 1);
    let both = sketch.push("both", Op::Concat { axis: 0 }, &[small, large]);
    let indices = vec![Some(3), None, Some(0)];
    let taken = sketch.push("taken", Op::Take { axis: 1, indices, fill: 0.5 }, &[both]);
    sketch.conv("last", taken, 2, 1, 1);
    let (model, _) = sketch.quantise(4.0);
    assert_eq!(outline(&model), "input, conv0, conv0, concat, take, conv4");
    assert!(model.tensor_scales[1..5].iter().all(|&scale| scale == model.tensor_scales[1]));
    let IntegerOp::Take { fill, .. } = model.architecture.nodes[4].op else { unreachable!() };
    assert_eq!(fill, (0.5 * model.tensor_scales[4]).round() as i64);
}

#[test]
fn the_largest_elements_one_by_one() {
    let mut sketch = Sketch::new(&[2, 5]);
    let rest = sketch.push("rest", Op::DropMax, &[0]);
    let one = sketch.push_shaped("one", Op::Reshape, &[0], vec![1, 2, 5]);
    let two = sketch.push_shaped("two", Op::Reshape, &[rest], vec![1, 2, 5]);
    let first = sketch.push("first", Op::MaxPool(Window::tiles([1, 5])), &[one]);
    let second = sketch.push("second", Op::MaxPool(Window::tiles([1, 5])), &[two]);
    sketch.push("both", Op::Concat { axis: 2 }, &[first, second]);
    let (model, _) = sketch.quantise(0.5001);
    assert_eq!(model.architecture.nodes[0].range.lo, -128, "room for what was dropped");
}

#[test]
fn products_of_two_tensors_have_an_exact_factor() {
    let mut sketch = Sketch::new(&[2, 3, 3]);
    let gate = sketch.conv("gate", 0, 2, 3, 1);
    let gate = sketch.push("sigmoid", Op::Unary(inferproof_circuits::formula::Formula::Sigmoid), &[gate]);
    sketch.push("out", Op::Mul, &[gate, 0]);
    assert_eq!(outline(&sketch.quantise(2.5).0), "input, sigmoid(conv0), product1x0");
}

/// The integers of a quantised input are seen through views, at either end of them.
#[test]
fn integers_survive_views() {
    let quantise = Op::Quantise { step: 0.5, lo: -10, hi: 245 };
    let restep = Op::Restep { from: 0.5, shift: 10, to: 1.0 };
    let transpose = Op::Transpose { perm: vec![1, 0] };
    for ops in [[quantise.clone(), transpose.clone(), restep.clone()], [transpose, quantise, restep]] {
        let mut sketch = Sketch::new(&[2, 2]);
        let mut last = 0;
        for op in ops {
            last = sketch.push("node", op, &[last]);
        }
        let input = ArrayD::from_shape_vec(vec![2, 2], vec![0.3, 1.3, -2.6, 60.0]).unwrap();
        let samples = Samples::new(vec![input.clone()], &[2, 2]).unwrap();
        let (model, report) = quantise_graph(&sketch.graph, &samples);
        let trace = inferproof_circuits::network::execute(
            &model.architecture,
            &model.weights,
            &model.quantise_input(&input).unwrap(),
        );
        assert_eq!(trace.unwrap().values[model.architecture.output], [11, 5, 13, 130], "{report}");
    }
}

fn quantise_graph(graph: &Graph, samples: &Samples) -> (Model, Report) {
    quantise(graph, samples, &QuantiseOptions::default()).unwrap()
}

/// What is no such integer is not put beside one.
#[test]
fn a_real_tensor_is_not_cut_to_integers() {
    let mut sketch = Sketch::new(&[4]);
    let one = sketch.dense("one", 0, 3);
    let quantised = sketch.push("quantised", Op::Quantise { step: 0.01, lo: -128, hi: 127 }, &[one]);
    let real = sketch.dense("real", 0, 3);
    sketch.push("both", Op::Concat { axis: 0 }, &[quantised, real]);
    let samples = sketch.samples(4);
    let error = quantise(&sketch.graph, &samples, &QuantiseOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not quantised"), "{error}");
}
