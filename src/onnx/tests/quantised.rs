//! Models that come quantised, against results worked out by hand or by a plain loop over integers, and against the
//! reference runtime.

use ndarray::{ArrayD, IxDyn, array};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto, type_proto};

mod operators;

use super::agreement::{agree, load};
use super::models::*;
use crate::graph::rewrite::simplify;
use crate::graph::{Graph, Op};
use crate::onnx::{Import, ImportOptions, OnnxError, Reference, Registry, import, model::Header};

/// A tensor of a type of at most 32 bits.
fn small(name: &str, kind: DataType, dims: &[i64], values: &[i32]) -> TensorProto {
    let (name, dims) = (name.into(), dims.to_vec());
    TensorProto { name, dims, data_type: kind as i32, int32_data: values.to_vec(), ..Default::default() }
}

fn scalar(name: &str, value: f32) -> TensorProto {
    floats(name, &[], vec![value])
}

fn point(name: &str, kind: DataType, value: i32) -> TensorProto {
    small(name, kind, &[], &[value])
}

/// The model with an input of another type.
fn with_input(kind: DataType, mut model: ModelProto) -> ModelProto {
    let input = &mut model.graph.as_mut().unwrap().input[0];
    if let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().unwrap().value.as_mut() {
        tensor.elem_type = kind as i32;
    }
    model
}

fn names(graph: &Graph) -> Vec<&'static str> {
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

/// The result of a model on an input, the same before and after simplification, in the shape that ONNX gives it.
fn run_on(model: &ModelProto, x: &[f32]) -> ArrayD<f32> {
    let Import { graph, output_shape, .. } = load(model);
    let x = ArrayD::from_shape_vec(IxDyn(graph.input_shape()), x.to_vec()).unwrap();
    let simple = simplify(graph.clone());
    let [y, z] = [graph, simple].map(|graph| graph.run_f32(&x).unwrap().swap_remove(graph.output));
    assert_eq!(y, z);
    y.into_shape_with_order(IxDyn(&output_shape)).unwrap()
}

/// What [`run_on`] gives, and that the reference runtime agrees.
fn agrees_on(model: &ModelProto, x: &[f32]) -> ArrayD<f32> {
    let y = run_on(model, x);
    let reference = Reference::from_model(model.clone(), &ImportOptions::default()).unwrap();
    let shape = load(model).graph.input_shape().to_vec();
    let expected = reference.run(&ArrayD::from_shape_vec(IxDyn(&shape), x.to_vec()).unwrap()).unwrap();
    assert!(y.iter().eq(&expected), "got {y}, expected {expected}");
    y
}

fn refusal(model: &ModelProto) -> String {
    let header = Header::read(model, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    match import::build(model, &header, &Registry::standard()) {
        Err(OnnxError::Unsupported(list)) if list.len() == 1 => list[0].to_string(),
        other => panic!("expected one unsupported node, got {other:?}"),
    }
}

fn quantize(x: &str, suffix: &str, y: &str) -> NodeProto {
    node("QuantizeLinear", &[x, &format!("s{suffix}"), &format!("z{suffix}")], &[y], vec![])
}

fn dequantize(x: &str, suffix: &str, y: &str) -> NodeProto {
    node("DequantizeLinear", &[x, &format!("s{suffix}"), &format!("z{suffix}")], &[y], vec![])
}

#[test]
fn a_quantised_output_is_the_integers() {
    // The case `quantizelinear` of ONNX, and halves.
    let constants = || vec![scalar("s", 2.0), point("z", DataType::Uint8, 128)];
    let model = model(&[1, 8], vec![quantize("x", "", "y")], constants());
    let y = agrees_on(&model, &[0.0, 2.0, 3.0, 1000.0, -254.0, -1000.0, 5.0, -3.0]);
    assert_eq!(y, array![[128.0, 129.0, 130.0, 255.0, 1.0, 0.0, 130.0, 126.0]].into_dyn());
    assert_eq!(names(&load(&model).graph), ["Input", "Quantise", "Restep"]);
}

#[test]
fn the_type_of_the_zero_point_is_that_of_the_result() {
    for (kind, lo, hi) in [
        (DataType::Uint8, 0.0, 255.0),
        (DataType::Int8, -128.0, 127.0),
        (DataType::Uint16, 0.0, 65535.0),
        (DataType::Int16, -32768.0, 32767.0),
    ] {
        let constants = vec![scalar("s", 0.5), point("z", kind, 3)];
        let single = model(&[1, 3], vec![quantize("x", "", "y")], constants);
        assert_eq!(run_on(&single, &[-1e9, 1e9, 2.0]), array![[lo, hi, 7.0]].into_dyn());
        // By its number, and by default.
        let asked = node("QuantizeLinear", &["x", "s"], &["y"], vec![int("output_dtype", kind as i64)]);
        let asked = at_version(21, model(&[1, 3], vec![asked], vec![scalar("s", 0.5)]));
        assert_eq!(run_on(&asked, &[-1e9, 1e9, 2.0]), array![[lo, hi, 4.0]].into_dyn());
    }
    let default = model(&[1, 2], vec![node("QuantizeLinear", &["x", "s"], &["y"], vec![])], vec![scalar("s", 0.5)]);
    assert_eq!(run_on(&default, &[-1.0, 1e9]), array![[0.0, 255.0]].into_dyn());
}

#[test]
fn an_integer_input_keeps_its_integers() {
    let dequantized = |kind, zero| {
        let constants = vec![scalar("s", 2.0), point("z", kind, zero)];
        with_input(kind, model(&[1, 4], vec![dequantize("x", "", "y")], constants))
    };
    // The case `dequantizelinear` of ONNX.
    let model = dequantized(DataType::Uint8, 128);
    assert_eq!(agrees_on(&model, &[0.0, 3.0, 128.0, 255.0]), array![[-256.0, -250.0, 0.0, 254.0]].into_dyn());
    assert_eq!(names(&load(&model).graph), ["Input", "Quantise", "Restep"]);
    let model = dequantized(DataType::Int8, -1);
    assert_eq!(run_on(&model, &[-128.0, -1.0, 0.4, 300.0]), array![[-254.0, 0.0, 2.0, 256.0]].into_dyn());
    let model = dequantized(DataType::Uint16, 32767);
    assert_eq!(run_on(&model, &[0.0, 65535.0, 32767.0, 1.0]), array![[-65534.0, 65536.0, 0.0, -65532.0]].into_dyn());
    // A cast is the integer itself.
    let cast = super::models::model(&[1, 3], vec![node("Cast", &["x"], &["y"], vec![int("to", 1)])], vec![]);
    let cast = with_input(DataType::Uint8, cast);
    assert_eq!(agrees_on(&cast, &[0.0, 7.0, 255.0]), array![[0.0, 7.0, 255.0]].into_dyn());
    assert_eq!(names(&load(&cast).graph), ["Input", "Quantise"]);
}

#[test]
fn a_quantise_and_its_inverse_are_one_node() {
    let constants =
        vec![scalar("s", 0.1), point("z", DataType::Int8, -4), scalar("st", 0.1), point("zt", DataType::Int8, -3)];
    let nodes = vec![quantize("x", "", "q"), dequantize("q", "", "y")];
    let same = model(&[1, 3], nodes, constants.clone());
    assert_eq!(names(&load(&same).graph), ["Input", "Quantise"]);
    agrees_on(&same, &[0.26, -0.34, 100.0]);
    let nodes = vec![quantize("x", "", "q"), dequantize("q", "t", "y")];
    let other = model(&[1, 3], nodes, constants);
    assert_eq!(names(&load(&other).graph), ["Input", "Quantise", "Restep"]);
    agrees_on(&other, &[0.26, -0.34, 100.0]);
}

/// Inputs, weights and biases of the convolutions below.
const X: [f32; 8] = [0.0, 0.31, -0.5, 0.74, 1.2, -0.9, 0.26, 0.15];

/// `[3, 2, 2, 1]`.
const WEIGHTS: [i32; 12] = [1, -2, 3, 4, -128, 127, 6, -7, 8, 9, -10, 11];

/// A convolution between `DequantizeLinear` and `QuantizeLinear`, of an image of `[1, 2, 2, 2]`.
fn qdq(weight_scales: &[f32], bias: TensorProto) -> ModelProto {
    let channels = weight_scales.len() as i64;
    let dims: &[i64] = if channels == 1 { &[] } else { &[channels] };
    let is_float = bias.data_type == DataType::Float as i32;
    let bias_scales = weight_scales.iter().map(|scale| 0.1 * scale).collect();
    let mut nodes = vec![
        quantize("x", "x", "qx"),
        dequantize("qx", "x", "dx"),
        node("DequantizeLinear", &["w", "sw", "zw"], &["dw"], vec![int("axis", 0)]),
        node("DequantizeLinear", &["b", "sb"], &["db"], vec![int("axis", 0)]),
        node("Conv", &["dx", "dw", if is_float { "b" } else { "db" }], &["c"], vec![int_list("pads", &[0, 0, 1, 0])]),
        quantize("c", "y", "qy"),
        dequantize("qy", "y", "y"),
    ];
    nodes.retain(|node| !is_float || node.output[0] != "db");
    let constants = vec![
        scalar("sx", 0.1),
        point("zx", DataType::Int8, 2),
        small("w", DataType::Int8, &[3, 2, 2, 1], &WEIGHTS),
        floats("sw", dims, weight_scales.to_vec()),
        small("zw", DataType::Int8, dims, &vec![0; weight_scales.len()]),
        bias,
        floats("sb", dims, bias_scales),
        scalar("sy", 0.05),
        point("zy", DataType::Uint8, 100),
    ];
    model(&[1, 2, 2, 2], nodes, constants)
}

/// The integers that such a convolution sums up to, by a plain loop.
fn sums(bias: &[i64; 3]) -> Vec<i64> {
    let q = X.map(|x| (x / 0.1).round_ties_even() as i64);
    let mut sums = Vec::new();
    for (channel, bias) in bias.iter().enumerate() {
        for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let taps = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(input, tap)| {
                let weight = i64::from(WEIGHTS[channel * 4 + input * 2 + tap]);
                if row + tap < 2 { weight * q[input * 4 + (row + tap) * 2 + column] } else { 0 }
            });
            sums.push(bias + taps.iter().sum::<i64>());
        }
    }
    sums
}

/// What the sums become, where channel `i` has the scale `scales[i]`.
fn requantised(sums: &[i64], scales: [f32; 3]) -> Vec<f32> {
    let quantise = |(place, &sum): (usize, &i64)| {
        let real = sum as f64 * f64::from(0.1f32) * f64::from(scales[place / 4]);
        ((real / 0.05f32 as f64).round_ties_even() + 100.0).clamp(0.0, 255.0) as f32
    };
    sums.iter().enumerate().map(quantise).map(|q| (q - 100.0) * 0.05).collect()
}

#[test]
fn a_convolution_of_quantised_operands_is_one_of_integers() {
    let bias = small("b", DataType::Int32, &[3], &[100, -2000, 33]);
    for scales in [vec![0.02], vec![0.02, 0.005, 0.07]] {
        let per_channel = [0, 1, 2].map(|channel| scales[channel % scales.len()]);
        let model = qdq(&scales, bias.clone());
        let sums = sums(&[100, -2000, 33]);
        let y = run_on(&model, &X);
        assert_eq!(y.iter().copied().collect::<Vec<_>>(), requantised(&sums, per_channel));
        let graph = load(&model).graph;
        assert_eq!(names(&graph), ["Input", "Quantise", "IntegerConv", "Quantise"]);
        let Op::IntegerConv { weights, bias, operand_step, steps, .. } = &graph.nodes[2].op else { unreachable!() };
        assert!(weights.iter().eq(&WEIGHTS));
        assert_eq!((bias.as_slice(), *operand_step), (&[100, -2000, 33][..], 0.1));
        assert_eq!(steps[1], f64::from(0.1f32) * f64::from(per_channel[1]));
        let steps = [2, 6, 10].map(|at| graph.nodes[2].op.parameter_count() + at);
        assert_eq!(steps[0], 17);
    }
}

#[test]
fn a_float_bias_is_rounded_to_the_steps_of_the_sums() {
    let scales = [0.02, 0.005, 0.07];
    // 100.4, -2000 and 33 times the steps.
    let values = vec![100.4 * 0.1 * 0.02, -2000.0 * 0.1 * 0.005, 33.0 * 0.1 * 0.07];
    let model = qdq(&scales, floats("b", &[3], values));
    let y = run_on(&model, &X);
    assert_eq!(y.iter().copied().collect::<Vec<_>>(), requantised(&sums(&[100, -2000, 33]), scales));
    assert_eq!(names(&load(&model).graph), ["Input", "Quantise", "IntegerConv", "Quantise"]);
}

#[test]
fn moves_between_stay_integer_and_functions_do_not() {
    let constants = || {
        vec![
            scalar("sx", 0.1),
            point("zx", DataType::Int8, 2),
            small("w", DataType::Int8, &[3, 2, 1, 1], &WEIGHTS[..6]),
            scalar("sw", 0.02),
            point("zw", DataType::Int8, 1),
        ]
    };
    let build = |between: Vec<NodeProto>| {
        let mut nodes = vec![quantize("x", "x", "qx")];
        nodes.extend(between);
        nodes.extend([dequantize("w", "w", "dw"), node("Conv", &["m", "dw"], &["y"], vec![])]);
        model(&[1, 2, 4, 4], nodes, constants())
    };
    let pool = |x: &str, y: &str| node("MaxPool", &[x], &[y], vec![int_list("kernel_shape", &[2, 2])]);
    let pad = |x: &str, y: &str| node("Pad", &[x, "p"], &[y], vec![]);
    // Floats are moved, and integers are.
    for between in [
        vec![
            dequantize("qx", "x", "a"),
            pool("a", "b"),
            node("Transpose", &["b"], &["c"], vec![int_list("perm", &[0, 1, 3, 2])]),
            pad("c", "m"),
        ],
        vec![pool("qx", "a"), node("Concat", &["a", "a"], &["b"], vec![int("axis", 2)]), dequantize("b", "x", "m")],
    ] {
        let mut model = build(between);
        model.graph.as_mut().unwrap().initializer.push(ints("p", &[0, 0, 1, 0, 0, 0, 0, 1]));
        assert!(agree(model).contains(&"IntegerConv"));
    }
    let relu = vec![dequantize("qx", "x", "a"), node("Sigmoid", &["a"], &["m"], vec![])];
    assert!(agree(build(relu)).contains(&"Conv"));
}

#[test]
fn products_of_quantised_matrices_are_integer() {
    for (shape, transposed, scales) in
        [(&[1, 4][..], false, 1), (&[5, 4], true, 3), (&[2, 3, 4], false, 3), (&[1, 4], true, 1)]
    {
        let dims: &[i64] = if transposed { &[3, 4] } else { &[4, 3] };
        let axis = int("axis", if transposed { 0 } else { 1 });
        let scale_dims: &[i64] = if scales == 1 { &[] } else { &[3] };
        let constants = || {
            vec![
                scalar("sx", 0.1),
                point("zx", DataType::Uint8, 77),
                small("w", DataType::Int8, dims, &WEIGHTS),
                floats("sw", scale_dims, [0.02, 0.005, 0.07][..scales].to_vec()),
                small("b", DataType::Int32, &[3], &[5, -6, 1000]),
                floats("sb", scale_dims, [0.02f32, 0.005, 0.07][..scales].iter().map(|s| 0.1 * s).collect()),
            ]
        };
        let start = || {
            vec![
                quantize("x", "x", "qx"),
                dequantize("qx", "x", "dx"),
                node("DequantizeLinear", &["w", "sw"], &["dw"], vec![axis.clone()]),
            ]
        };
        let mut nodes = start();
        if transposed {
            nodes.push(node("Transpose", &["dw"], &["tw"], vec![]));
        }
        nodes.push(node("MatMul", &["dx", if transposed { "tw" } else { "dw" }], &["y"], vec![]));
        let used = agree(model(shape, nodes, constants()));
        assert!(used.contains(&"IntegerConv"), "{used:?}");
        if shape.len() == 2 {
            let mut nodes = start();
            nodes.push(node("DequantizeLinear", &["b", "sb"], &["db"], vec![int("axis", 0)]));
            nodes.push(node("Gemm", &["dx", "dw", "db"], &["y"], vec![int("transB", i64::from(transposed))]));
            let used = agree(model(shape, nodes, constants()));
            assert!(used.contains(&"IntegerConv"), "{used:?}");
        }
    }
    // Scales along the axis that is summed over are no scales of the result.
    let nodes = vec![
        quantize("x", "x", "qx"),
        dequantize("qx", "x", "dx"),
        node("DequantizeLinear", &["w", "sw"], &["dw"], vec![int("axis", 0)]),
        node("MatMul", &["dx", "dw"], &["y"], vec![]),
    ];
    let constants = vec![
        scalar("sx", 0.1),
        point("zx", DataType::Uint8, 77),
        small("w", DataType::Int8, &[4, 3], &WEIGHTS),
        weights("sw", &[4]),
    ];
    let positive = |mut tensor: TensorProto| {
        tensor.float_data.iter_mut().for_each(|value| *value = value.abs() + 0.1);
        tensor
    };
    let model =
        model(&[1, 4], nodes, constants.into_iter().map(|t| if t.name == "sw" { positive(t) } else { t }).collect());
    assert!(agree(model).contains(&"Dense"));
}

#[test]
fn weights_that_are_quantised_in_the_file_are_integers_too() {
    let nodes = vec![
        quantize("x", "x", "qx"),
        dequantize("qx", "x", "dx"),
        node("QuantizeLinear", &["w", "sw", "zw"], &["qw"], vec![int("axis", 1)]),
        node("DequantizeLinear", &["qw", "sw", "zw"], &["dw"], vec![int("axis", 1)]),
        node("MatMul", &["dx", "dw"], &["y"], vec![]),
    ];
    let constants = vec![
        scalar("sx", 0.1),
        point("zx", DataType::Int8, 7),
        weights("w", &[4, 3]),
        floats("sw", &[3], vec![0.02, 0.005, 0.07]),
        small("zw", DataType::Int8, &[3], &[0, 1, -1]),
    ];
    assert!(agree(model(&[1, 4], nodes, constants)).contains(&"IntegerConv"));
}

#[test]
fn integers_move_with_their_scale() {
    let nodes = vec![
        quantize("x", "", "a"),
        node("Reshape", &["a", "shape"], &["b"], vec![]),
        node("Transpose", &["b"], &["c"], vec![int_list("perm", &[0, 2, 1])]),
        node("Slice", &["c", "one", "two", "one"], &["d"], vec![]),
        node("Unsqueeze", &["d", "one"], &["e"], vec![]),
        node("Squeeze", &["e", "one"], &["f"], vec![]),
        node("Gather", &["f", "two"], &["g"], vec![int("axis", 2)]),
        node("Identity", &["g"], &["h"], vec![]),
        node("Pad", &["h", "pads", "z"], &["i"], vec![]),
        node("Flatten", &["i"], &["y"], vec![]),
    ];
    let constants = vec![
        scalar("s", 0.5),
        point("z", DataType::Uint8, 10),
        ints("shape", &[1, 3, 2]),
        ints("one", &[1]),
        ints("two", &[2]),
        ints("pads", &[0, 0, 1, 0, 0, 0]),
    ];
    let model = model(&[1, 6], nodes, constants);
    // The last element is 6 / 0.5 + 10.
    assert_eq!(run_on(&model, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), array![[10.0, 22.0]].into_dyn());
}

#[test]
fn an_extremum_of_integers_stands_where_that_of_the_real_values_does() {
    let nodes = vec![quantize("x", "", "q"), node("ArgMax", &["q"], &["y"], vec![int("axis", 1), int("keepdims", 0)])];
    let model = model(&[1, 4], nodes, vec![scalar("s", 0.5), point("z", DataType::Int8, 3)]);
    assert_eq!(run_on(&model, &[0.1, 2.0, -7.0, 1.9]), array![1.0].into_dyn());
}

#[test]
fn what_is_not_supported_is_named() {
    let constants = || {
        vec![
            scalar("s", 0.5),
            floats("list", &[2], vec![0.5, 0.25]),
            scalar("zero", 0.0),
            point("z", DataType::Int8, 3),
            small("zs", DataType::Int8, &[2], &[3, 4]),
            point("z32", DataType::Int32, 3),
            small("w", DataType::Int8, &[2, 2], &[1, 2, 3, 4]),
            scalar("float", 1.0),
            ints("pads", &[0, 0, 0, 1]),
        ]
    };
    let q = |y: &str| node("QuantizeLinear", &["x", "s", "z"], &[y], vec![]);
    let cases = [
        (vec![node("QuantizeLinear", &["x", "zero", "z"], &["y"], vec![])], "`zero` is not positive"),
        (vec![node("QuantizeLinear", &["x", "s", "z32"], &["y"], vec![])], "`output_dtype`: got INT32"),
        (vec![node("QuantizeLinear", &["x", "s", "z"], &["y"], vec![int("output_dtype", 2)])], "`output_dtype`"),
        (vec![node("QuantizeLinear", &["x", "list", "zs"], &["y"], vec![int("block_size", -2)])], "`block_size`"),
        (
            vec![
                node("DequantizeLinear", &["w", "list", "zs"], &["v"], vec![int("block_size", 2)]),
                node("MatMul", &["x", "v"], &["y"], vec![]),
            ],
            "`block_size`",
        ),
        (vec![node("DequantizeLinear", &["x", "s", "z"], &["y"], vec![])], "input 0 is a float tensor"),
        (
            vec![q("a"), node("DequantizeLinear", &["a", "s", "z"], &["y"], vec![int("output_dtype", 10)])],
            "`output_dtype`",
        ),
        (vec![q("a"), node("Relu", &["a"], &["y"], vec![])], "a tensor of type INT8, expected a float tensor"),
        (vec![q("a"), node("Add", &["a", "a"], &["y"], vec![])], "a tensor of type INT8, expected a float tensor"),
        (vec![q("a"), node("Cast", &["a"], &["y"], vec![int("to", 2)])], "`to`: got UINT8"),
        (vec![q("a"), node("Pad", &["a", "pads"], &["y"], vec![])], "padded with 0, expected the zero point"),
        (vec![q("a"), node("Concat", &["a", "w"], &["y"], vec![int("axis", 0)])], "expected activations"),
        (vec![node("DynamicQuantizeLinear", &["x"], &["y", "a", "b"], vec![])], "the scale depends on the data"),
        (vec![node("MatMulInteger", &["x", "w"], &["y"], vec![])], "input 0 is a float tensor"),
        (vec![q("a"), node("MatMulInteger", &["a", "a"], &["y"], vec![])], "depends on the network's input"),
        (vec![q("a"), node("MatMulInteger", &["a", "w", "zs"], &["y"], vec![])], "2 zero points, expected one"),
    ];
    for (nodes, part) in cases {
        let text = refusal(&model(&[1, 2], nodes, constants()));
        assert!(text.contains(part), "{part}: {text}");
    }
    let nodes = vec![
        q("a"),
        node("QuantizeLinear", &["x", "s2", "z"], &["b"], vec![]),
        node("Concat", &["a", "b"], &["y"], vec![int("axis", 0)]),
    ];
    let mut two = constants();
    two.push(scalar("s2", 0.25));
    assert!(refusal(&model(&[1, 2], nodes, two)).contains("different types, scales or zero points"));
    // Scales along the axis that is summed over.
    let inputs = ["x", "s", "z", "w", "list", "zs", "s", "z"];
    let conv = |dims: &[i64]| {
        let mut constants = constants();
        constants.retain(|tensor| tensor.name != "w");
        constants.push(small("w", DataType::Int8, dims, &[1, 2, 3]));
        let model = model(&[1, 1, 3, 3], vec![node("QLinearConv", &inputs, &["y"], vec![])], constants);
        with_input(DataType::Int8, model)
    };
    assert!(refusal(&conv(&[3, 1, 1, 1])).contains("expected one, or 3 for axis 0"));
}

/// Scales of an axis or of blocks, and integers that 16 bits do not hold around their zero point: the integers are their own real values then.
#[test]
fn activations_of_several_scales_are_real_tensors() {
    let constants = || {
        vec![
            floats("s", &[2], vec![0.5, 0.25]),
            small("z", DataType::Int8, &[2], &[3, -4]),
            floats("sb", &[2, 2], vec![0.5, 0.25, 1.0, 2.0]),
            small("zb", DataType::Int8, &[2, 2], &[0, 1, 2, 3]),
            scalar("one", 2.0),
            point("far", DataType::Int16, 256),
        ]
    };
    let x = [1.0, 2.0, 3.0, -100.0, 5.0, 6.0];
    let of = |nodes: Vec<NodeProto>| run_on(&model(&[2, 3], nodes, constants()), &x);
    let quantise = |inputs: &[&str], attributes| node("QuantizeLinear", inputs, &["y"], attributes);
    let y = of(vec![quantise(&["x", "s", "z"], vec![int("axis", 0)])]);
    assert_eq!(y, array![[5.0, 7.0, 9.0], [-128.0, 16.0, 20.0]].into_dyn());
    // The second block has one element.
    let y = of(vec![quantise(&["x", "sb", "zb"], vec![int("axis", 1), int("block_size", 2)])]);
    assert_eq!(y, array![[2.0, 4.0, 13.0], [-98.0, 7.0, 6.0]].into_dyn());
    let y = of(vec![quantise(&["x", "one", "far"], vec![])]);
    assert_eq!(y, array![[256.0, 257.0, 258.0], [206.0, 258.0, 259.0]].into_dyn());
    let back = |attributes| node("DequantizeLinear", &["q", "s", "z"], &["y"], attributes);
    let q = node("QuantizeLinear", &["x", "s", "z"], &["q"], vec![int("axis", 0)]);
    let y = of(vec![q, back(vec![int("axis", 0)])]);
    assert_eq!(y, array![[1.0, 2.0, 3.0], [-31.0, 5.0, 6.0]].into_dyn());
    // As many scales as the axis is long.
    let wrong = model(&[2, 3], vec![quantise(&["x", "s", "z"], vec![int("axis", 1)])], constants());
    let header = Header::read(&wrong, &ImportOptions::default()).unwrap();
    let error = import::build(&wrong, &header, &Registry::standard()).unwrap_err();
    assert!(error.to_string().contains("scales and zero points of shape [3]"), "{error}");
}

#[test]
fn tensors_of_other_types_are_refused() {
    let load = |model: &ModelProto| {
        Header::read(model, &ImportOptions::default())
            .and_then(|header| import::build(model, &header, &Registry::standard()))
    };
    let relu = || model(&[1, 2], vec![node("Relu", &["x"], &["y"], vec![])], vec![]);
    let error = load(&with_input(DataType::Int32, relu())).unwrap_err();
    assert!(matches!(&error, OnnxError::ElementType { got, .. } if got == "INT32"), "{error}");
    let nodes = || vec![quantize("x", "", "y")];
    let half = small("z", DataType::Float16, &[], &[0]);
    let error = load(&model(&[1, 2], nodes(), vec![scalar("s", 1.0), half])).unwrap_err();
    assert!(matches!(&error, OnnxError::ElementType { got, .. } if got == "FLOAT16"), "{error}");
    let wide = small("z", DataType::Int8, &[], &[128]);
    let error = load(&model(&[1, 2], nodes(), vec![scalar("s", 1.0), wide])).unwrap_err();
    assert!(matches!(&error, OnnxError::Malformed { reason } if reason.contains("holds 128")), "{error}");
    // Packed values are read by their type.
    let packed = TensorProto { raw_data: vec![0xfe], ..small("z", DataType::Int8, &[], &[]) };
    let model = model(&[1, 2], nodes(), vec![scalar("s", 1.0), packed]);
    assert_eq!(run_on(&model, &[0.0, 3.0]), array![[-2.0, 1.0]].into_dyn());
}
