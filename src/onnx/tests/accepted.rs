//! Models that import, against the reference runtime.

use tract_onnx::pb::AttributeProto;

use super::agreement::{agree, load, one};
use super::models::*;
use crate::graph::{Op, rewrite::simplify};

#[test]
fn gemm_takes_every_bias_that_broadcasts() {
    let attributes = || vec![float("alpha", 0.5), float("beta", -2.0), int("transB", 1)];
    for dims in [vec![], vec![1], vec![3], vec![1, 3], vec![1, 1]] {
        let gemm = node("Gemm", &["x", "w", "c"], &["y"], attributes());
        assert_eq!(one(&[1, 4], gemm, vec![weights("w", &[3, 4]), weights("c", &dims)]), ["Input", "Dense"]);
    }
    let gemm = node("Gemm", &["x", "w", ""], &["y"], vec![]);
    one(&[1, 4], gemm, vec![weights("w", &[4, 3])]);
}

#[test]
fn add_takes_every_constant_that_broadcasts() {
    let cases: [(&[i64], &str); 9] = [
        (&[], "ScaleShift"),
        (&[1], "ScaleShift"),
        (&[2, 1, 1], "ScaleShift"),
        (&[1, 2, 1, 1], "ScaleShift"),
        (&[1, 1, 1, 1], "ScaleShift"),
        (&[4], "AddConstant"),
        (&[3, 1], "AddConstant"),
        (&[2, 3, 4], "AddConstant"),
        (&[1, 2, 3, 4], "AddConstant"),
    ];
    for (dims, expected) in cases {
        for inputs in [["x", "c"], ["c", "x"]] {
            let add = node("Add", &inputs, &["y"], vec![]);
            assert_eq!(one(&[1, 2, 3, 4], add, vec![weights("c", dims)]), ["Input", expected], "{dims:?}");
        }
    }
    assert_eq!(
        one(&[1, 4], node("Add", &["x", "c"], &["y"], vec![]), vec![weights("c", &[4])]),
        ["Input", "ScaleShift"]
    );
    assert_eq!(one(&[1, 4], node("Add", &["x", "x"], &["y"], vec![]), vec![]), ["Input", "Add"]);
}

#[test]
fn convolution_with_uneven_steps_and_pads() {
    let attributes = vec![int_list("strides", &[2, 3]), int_list("pads", &[2, 0, 1, 3]), text("auto_pad", "NOTSET")];
    let conv = node("Conv", &["x", "w", "b"], &["y"], attributes);
    one(&[1, 2, 7, 9], conv, vec![weights("w", &[3, 2, 3, 2]), weights("b", &[3])]);
}

#[test]
fn pools_whose_windows_overlap_or_leave_gaps() {
    for operator in ["MaxPool", "AveragePool"] {
        for (kernel, strides) in [([3, 2], [1, 1]), ([2, 2], [3, 2])] {
            let attributes = vec![int_list("kernel_shape", &kernel), int_list("strides", &strides)];
            one(&[1, 2, 7, 6], node(operator, &["x"], &["y"], attributes), vec![]);
        }
        one(&[1, 2, 7, 6], node(operator, &["x"], &["y"], vec![int_list("kernel_shape", &[2, 3])]), vec![]);
    }
}

#[test]
fn normalisation_folds_into_the_convolution_before_it() {
    let attributes = vec![float("epsilon", 0.1), float("momentum", 0.9)];
    let nodes = vec![
        node("Conv", &["x", "w"], &["c"], vec![]),
        node("BatchNormalization", &["c", "gamma", "beta", "mean", "var"], &["y"], attributes),
    ];
    let constants = vec![
        weights("w", &[3, 2, 2, 2]),
        weights("gamma", &[3]),
        weights("beta", &[3]),
        weights("mean", &[3]),
        floats("var", &[3], vec![0.5, 1.0, 2.0]),
    ];
    let model = model(&[1, 2, 4, 4], nodes, constants);
    assert_eq!(simplify(load(&model).graph).nodes.len(), 2);
    assert_eq!(agree(model), ["Input", "Conv", "ScaleShift"]);
}

#[test]
fn shapes_are_resolved_as_onnx_does() {
    for target in [&[1, -1][..], &[0, 4, -1], &[-1, 2, 12], &[6, -1], &[1, 24, 1], &[-1]] {
        let reshape = node("Reshape", &["x", "s"], &["y"], vec![]);
        assert_eq!(one(&[1, 2, 3, 4], reshape, vec![ints("s", target)]), ["Input", "Reshape"], "{target:?}");
    }
    let same = node("Reshape", &["x", "s"], &["y"], vec![]);
    assert_eq!(one(&[1, 2, 3, 4], same, vec![ints("s", &[0, 0, 0, 0])]), ["Input"]);
    for axis in [0, 1, -3] {
        one(&[1, 2, 3, 4], node("Flatten", &["x"], &["y"], vec![int("axis", axis)]), vec![]);
    }
    let nodes = vec![
        node("Transpose", &["x"], &["t"], vec![int_list("perm", &[0, 3, 1, 2])]),
        node("Flatten", &["t"], &["y"], vec![]),
    ];
    assert_eq!(agree(model(&[1, 2, 3, 4], nodes, vec![])), ["Input", "Transpose", "Reshape"]);
}

#[test]
fn constants_are_folded_on_the_way_to_a_layer() {
    let nodes = vec![
        node("Constant", &[], &["w"], vec![tensor("value", weights("", &[3, 4]))]),
        node("Identity", &["w"], &["same"], vec![]),
        node("Transpose", &["same"], &["t"], vec![]),
        node("Reshape", &["t", "s"], &["r"], vec![]),
        node("MatMul", &["x", "r"], &["y"], vec![]),
    ];
    assert_eq!(agree(model(&[1, 6], nodes, vec![ints("s", &[6, -1])])), ["Input", "Dense"]);
}

#[test]
fn constants_of_single_values() {
    let list = |name: &str, floats: Vec<f32>| AttributeProto {
        floats,
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Floats as i32,
        ..int(name, 0)
    };
    for attribute in [float("value_float", 1.5), list("value_floats", vec![0.5, -0.5, 2.0])] {
        let nodes = vec![node("Constant", &[], &["c"], vec![attribute]), node("Add", &["x", "c"], &["y"], vec![])];
        assert_eq!(load(&model(&[1, 3], nodes, vec![])).graph.nodes.len(), 2);
    }
    let nodes = vec![
        node("Constant", &[], &["s"], vec![int_list("value_ints", &[1, 6])]),
        node("Reshape", &["x", "s"], &["y"], vec![]),
    ];
    assert_eq!(load(&model(&[1, 2, 3], nodes, vec![])).graph.output_shape(), &[6]);
}

#[test]
fn nodes_that_compute_nothing_leave_no_trace() {
    let nodes = vec![
        node("Dropout", &["x", "ratio"], &["d", "mask"], vec![]),
        node("Identity", &["d"], &["i"], vec![]),
        node("Relu", &["i"], &["y"], vec![]),
    ];
    assert_eq!(agree(model(&[1, 3], nodes, vec![floats("ratio", &[], vec![0.5])])), ["Input", "Relu"]);
}

#[test]
fn nodes_that_the_output_does_not_need_are_dropped_unseen() {
    let nodes = vec![
        node("Sin", &["x"], &["unused"], vec![]),
        node("Relu", &["x"], &["y"], vec![]),
        node("Relu", &["unused"], &["also"], vec![]),
    ];
    let model = model(&[1, 3], nodes, vec![]);
    assert_eq!(load(&model).dropped_nodes, 2);
    assert_eq!(agree(model), ["Input", "Relu"]);
}

#[test]
fn an_open_batch_axis_is_taken_as_one_and_recorded() {
    let relu = || vec![node("Relu", &["x"], &["y"], vec![])];
    let open = model(&[0, 3], relu(), vec![]);
    let import = load(&open);
    assert!(import.batch_assumed);
    assert_eq!((import.graph.input_shape(), import.input_name.as_str(), import.opset), (&[3][..], "x", 13));
    agree(open);
    assert!(!load(&model(&[1, 3], relu(), vec![])).batch_assumed);
}

#[test]
fn initialisers_that_are_listed_as_inputs_are_constants() {
    let mut listed = model(&[1, 4], vec![node("MatMul", &["x", "w"], &["y"], vec![])], vec![weights("w", &[4, 2])]);
    listed.graph.as_mut().unwrap().input.insert(0, value("w", &[4, 2]));
    let import = load(&listed);
    assert_eq!(import.input_name, "x");
    assert!(matches!(&import.graph.nodes[1].op, Op::Dense { weights, .. } if weights.dim() == (2, 4)));
    agree(listed);
}

#[test]
fn nodes_without_a_name_are_called_after_their_output() {
    let mut relu = node("Relu", &["x"], &["y"], vec![]);
    relu.name.clear();
    assert_eq!(load(&model(&[1, 3], vec![relu], vec![])).graph.nodes[1].name, "y");
}

/// A mask is added to zeros, so that it has a scale of its own: one that the network's values may not hold.
#[test]
fn the_mask_of_a_dropout_is_no_element_of_its_input() {
    let graph = load(&model(&[1, 3], vec![node("Dropout", &["x"], &["d", "y"], vec![])], vec![])).graph;
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.op.name()).collect();
    assert_eq!(names, ["Input", "Take", "ScaleShift"]);
    for x in [-1000.0, 0.001] {
        let x = ndarray::ArrayD::from_elem(graph.input_shape(), x);
        let mask = graph.run_f32(&x).unwrap().swap_remove(graph.output);
        assert!(mask.iter().all(|kept| *kept == 1.0));
    }
}
