//! Every rewrite: it happens where it should, does not where it should not, and keeps the result.

use ndarray::{Array, Array1, Array4, ArrayD, Dimension, IxDyn, ShapeBuilder};

use super::*;
use crate::graph::Window;

/// Values of both signs that look random and are the same in every run.
fn wave<Sh, D>(shape: Sh, seed: f32) -> Array<f32, D>
where
    D: Dimension,
    Sh: ShapeBuilder<Dim = D>,
{
    let mut phase = seed;
    Array::from_shape_simple_fn(shape, || {
        phase += 0.83;
        phase.sin()
    })
}

struct Builder(Graph);

impl Builder {
    fn new(shape: &[usize]) -> Self {
        let node = Node { name: "input".into(), op: Op::Input, inputs: vec![], shape: shape.to_vec() };
        Self(Graph { nodes: vec![node], input: 0, output: 0 })
    }

    fn add(&mut self, op: Op, inputs: &[NodeId], declared: &[usize]) -> NodeId {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&id| self.0.nodes[id].shape.as_slice()).collect();
        let shape = op.result_shape(&shapes, declared).unwrap();
        let id = self.0.nodes.len();
        self.0.nodes.push(Node { name: format!("n{id}"), op, inputs: inputs.to_vec(), shape });
        self.0.output = id;
        id
    }

    /// Simplifies, checks that the result of the network is the same, and returns the operations that are left.
    fn simplified(self) -> Vec<&'static str> {
        self.rewritten().nodes.iter().map(|node| node.op.name()).collect()
    }

    /// Simplifies, and checks that the result of the network is the same.
    fn rewritten(self) -> Graph {
        let before = self.0;
        let after = simplify(before.clone());
        after.check().unwrap();
        let input: ArrayD<f32> = wave(IxDyn(before.input_shape()), 0.1);
        let expected = before.run_f32(&input).unwrap().swap_remove(before.output);
        let got = after.run_f32(&input).unwrap().swap_remove(after.output);
        assert_eq!(expected.shape(), got.shape());
        for (e, g) in expected.iter().zip(&got) {
            assert!((e - g).abs() <= 1e-5 * (1.0 + e.abs()), "expected {expected}, got {got}");
        }
        after
    }
}

fn dense(outputs: usize, inputs: usize) -> Op {
    Op::Dense { weights: wave((outputs, inputs), 1.0), bias: wave(outputs, 2.0) }
}

/// From two channels to three; vertical and horizontal differ in everything but the kernel.
fn conv() -> Op {
    let (weights, bias) = (wave((3, 2, 2, 2), 3.0), wave(3, 4.0));
    Op::Conv { weights, bias, strides: [1, 2], pads: [1, 0, 0, 1], dilations: [2, 1], groups: 1 }
}

fn scale_shift(channels: usize) -> Op {
    Op::ScaleShift { scale: wave(channels, 5.0).to_vec(), shift: wave(channels, 6.0).to_vec() }
}

/// Values that differ between the indices of axis 0 only.
fn by_channel(shape: &[usize]) -> ArrayD<f32> {
    let values: Array1<f32> = wave(shape[0], 8.0);
    ArrayD::from_shape_fn(IxDyn(shape), |at| values[at[0]])
}

fn add(values: ArrayD<f32>) -> Op {
    Op::AddConstant { values }
}

fn mul(values: ArrayD<f32>) -> Op {
    Op::MulConstant { values }
}

#[test]
fn a_scale_and_shift_go_into_a_dense_layer() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    graph.add(scale_shift(3), &[layer], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense"]);
}

#[test]
fn a_scale_and_shift_go_into_a_convolution() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let layer = graph.add(conv(), &[0], &[]);
    graph.add(scale_shift(3), &[layer], &[]);
    assert_eq!(graph.simplified(), ["Input", "Conv"]);
}

#[test]
fn a_scale_and_shift_go_into_a_convolution_with_groups() {
    let mut graph = Builder::new(&[4, 4, 5]);
    let (weights, bias) = (wave((6, 2, 2, 2), 3.0), wave(6, 4.0));
    let (strides, pads, dilations) = ([1, 2], [1, 0, 0, 1], [2, 1]);
    let layer = graph.add(Op::Conv { weights, bias, strides, pads, dilations, groups: 2 }, &[0], &[]);
    graph.add(scale_shift(6), &[layer], &[]);
    assert_eq!(graph.simplified(), ["Input", "Conv"]);
}

#[test]
fn factors_and_summands_by_channel_go_into_layers() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let layer = graph.add(conv(), &[0], &[]);
    let shape = graph.0.nodes[layer].shape.clone();
    let scaled = graph.add(mul(by_channel(&shape)), &[layer], &[]);
    graph.add(add(by_channel(&shape)), &[scaled], &[]);
    assert_eq!(graph.simplified(), ["Input", "Conv"]);

    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    let shifted = graph.add(add(by_channel(&[3])), &[layer], &[]);
    graph.add(mul(by_channel(&[3])), &[shifted], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense"]);
}

#[test]
fn factors_and_summands_by_pixel_do_not() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let layer = graph.add(conv(), &[0], &[]);
    let shape = graph.0.nodes[layer].shape.clone();
    let scaled = graph.add(mul(wave(IxDyn(&shape), 1.5)), &[layer], &[]);
    graph.add(add(wave(IxDyn(&shape), 2.5)), &[scaled], &[]);
    assert_eq!(graph.simplified(), ["Input", "Conv", "MulConstant", "AddConstant"]);
}

#[test]
fn nothing_goes_into_the_layer_behind_it() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let scaled = graph.add(scale_shift(2), &[0], &[]);
    graph.add(conv(), &[scaled], &[]);
    assert_eq!(graph.simplified(), ["Input", "ScaleShift", "Conv"]);
}

/// The one operation that is left of a chain of them on an input of this shape.
fn left_of(shape: &[usize], chain: Vec<Op>) -> Vec<&'static str> {
    let mut graph = Builder::new(shape);
    for op in chain {
        graph.add(op, &[graph.0.output], &[]);
    }
    graph.simplified()[1..].to_vec()
}

#[test]
fn constants_take_their_normal_form() {
    for shape in [&[3][..], &[3, 2], &[3, 2, 2], &[3, 2, 2, 2]] {
        let by_element = || wave(IxDyn(shape), 1.5);
        let is_vector = shape.len() == 1;
        let scaled = left_of(shape, vec![mul(by_channel(shape))]);
        assert_eq!(scaled, ["ScaleShift"], "{shape:?}");
        assert_eq!(left_of(shape, vec![mul(by_element())]), [if is_vector { "ScaleShift" } else { "MulConstant" }]);
        let shifted = left_of(shape, vec![add(by_channel(shape))]);
        assert_eq!(shifted, [if shape.len() == 3 { "ScaleShift" } else { "AddConstant" }], "{shape:?}");
        assert_eq!(left_of(shape, vec![add(by_element())]), ["AddConstant"]);
    }
}

#[test]
fn chains_of_constants_become_one_node_where_there_is_one_for_them() {
    let shape = &[3, 2, 2];
    let by_element = || wave(IxDyn(shape), 1.5);
    let channels = || by_channel(shape);
    for (chain, expected) in [
        (vec![add(channels()), mul(channels())], &["ScaleShift"][..]),
        (vec![mul(channels()), add(channels())], &["ScaleShift"]),
        (vec![scale_shift(3), add(channels())], &["ScaleShift"]),
        (vec![add(channels()), add(by_element())], &["AddConstant"]),
        (vec![add(by_element()), add(channels())], &["AddConstant"]),
        (vec![mul(channels()), mul(by_element())], &["MulConstant"]),
        (vec![mul(by_element()), mul(channels())], &["MulConstant"]),
        (vec![mul(by_element()), mul(by_element())], &["MulConstant"]),
        (vec![mul(by_element()), add(channels())], &["MulConstant", "ScaleShift"]),
        (vec![add(by_element()), mul(channels())], &["AddConstant", "ScaleShift"]),
        (vec![scale_shift(3), add(by_element())], &["ScaleShift", "AddConstant"]),
        (vec![Op::Relu, mul(channels()), Op::Relu], &["Relu", "ScaleShift", "Relu"]),
    ] {
        let names: Vec<&str> = chain.iter().map(Op::name).collect();
        assert_eq!(left_of(shape, chain), expected, "{names:?}");
    }
}

#[test]
fn factors_of_one_and_summands_of_zero_vanish() {
    let shape = &[3, 2];
    let chain = vec![
        Op::Relu,
        mul(ArrayD::ones(IxDyn(shape))),
        add(ArrayD::zeros(IxDyn(shape))),
        Op::ScaleShift { scale: vec![1.0; 3], shift: vec![0.0; 3] },
    ];
    assert_eq!(left_of(shape, chain), ["Relu"]);
}

#[test]
fn a_subtracted_layer_is_negated() {
    for other in [Op::Relu, dense(4, 4)] {
        let mut graph = Builder::new(&[4]);
        let left = graph.add(other.clone(), &[0], &[]);
        let right = graph.add(dense(4, 4), &[0], &[]);
        graph.add(Op::Sub, &[left, right], &[]);
        assert_eq!(graph.simplified(), ["Input", other.name(), "Dense", "Add"]);
    }
    let mut graph = Builder::new(&[2, 4, 5]);
    let left = graph.add(conv(), &[0], &[]);
    let right = graph.add(conv(), &[0], &[]);
    graph.add(Op::Sub, &[left, right], &[]);
    assert_eq!(graph.simplified(), ["Input", "Conv", "Conv", "Add"]);
}

#[test]
fn a_difference_stays_where_no_layer_of_its_own_is_subtracted() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(4, 4), &[0], &[]);
    let relu = graph.add(Op::Relu, &[layer], &[]);
    let shared = graph.add(Op::Sub, &[relu, layer], &[]);
    graph.add(Op::Sub, &[shared, relu], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "Relu", "Sub", "Sub"]);

    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(4, 4), &[0], &[]);
    graph.add(Op::Sub, &[layer, layer], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "Sub"]);
}

#[test]
fn a_chain_of_scales_goes_into_one_node() {
    let mut graph = Builder::new(&[3, 2]);
    let first = graph.add(scale_shift(3), &[0], &[]);
    let second = graph.add(Op::ScaleShift { scale: vec![2.0, -1.0, 0.5], shift: vec![0.25, 1.0, -3.0] }, &[first], &[]);
    graph.add(Op::Relu, &[second], &[]);
    assert_eq!(graph.simplified(), ["Input", "ScaleShift", "Relu"]);
}

#[test]
fn a_layer_that_is_used_twice_is_left_alone() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    let scaled = graph.add(scale_shift(3), &[layer], &[]);
    graph.add(Op::Add, &[layer, scaled], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "ScaleShift", "Add"]);
}

#[test]
fn a_value_used_twice_after_folding_still_takes_no_second_fold() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    let scaled = graph.add(scale_shift(3), &[layer], &[]);
    let again = graph.add(scale_shift(3), &[scaled], &[]);
    graph.add(Op::Add, &[scaled, again], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "ScaleShift", "Add"]);
}

#[test]
fn a_layer_that_is_the_output_is_left_alone() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    graph.add(scale_shift(3), &[layer], &[]);
    graph.0.output = layer;
    assert_eq!(graph.simplified(), ["Input", "Dense"]);
}

#[test]
fn both_operands_of_an_add_fold_their_own_scales() {
    let mut graph = Builder::new(&[4]);
    let left = graph.add(dense(3, 4), &[0], &[]);
    let left = graph.add(scale_shift(3), &[left], &[]);
    let right = graph.add(dense(3, 4), &[0], &[]);
    let right = graph.add(scale_shift(3), &[right], &[]);
    graph.add(Op::Add, &[left, right], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "Dense", "Add"]);
}

#[test]
fn constants_go_into_a_dense_bias_and_into_each_other() {
    let constant = |seed| Op::AddConstant { values: wave(IxDyn(&[3]), seed) };
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    let sum = graph.add(constant(7.0), &[layer], &[]);
    let relu = graph.add(Op::Relu, &[sum], &[]);
    let first = graph.add(constant(8.0), &[relu], &[]);
    graph.add(constant(9.0), &[first], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "Relu", "AddConstant"]);
}

#[test]
fn a_scale_without_a_layer_stays() {
    let mut graph = Builder::new(&[3, 2]);
    let relu = graph.add(Op::Relu, &[0], &[]);
    graph.add(scale_shift(3), &[relu], &[]);
    assert_eq!(graph.simplified(), ["Input", "Relu", "ScaleShift"]);
}

#[test]
fn reshapes_merge_and_vanish_when_they_change_nothing() {
    let mut graph = Builder::new(&[2, 6]);
    let first = graph.add(Op::Reshape, &[0], &[3, 4]);
    let second = graph.add(Op::Reshape, &[first], &[12]);
    let relu = graph.add(Op::Relu, &[second], &[]);
    let away = graph.add(Op::Reshape, &[relu], &[4, 3]);
    graph.add(Op::Reshape, &[away], &[12]);
    assert_eq!(graph.simplified(), ["Input", "Reshape", "Relu"]);
}

#[test]
fn a_reshape_used_twice_stays_for_its_other_use() {
    let mut graph = Builder::new(&[2, 3]);
    let first = graph.add(Op::Reshape, &[0], &[3, 2]);
    let relu = graph.add(Op::Relu, &[first], &[]);
    let back = graph.add(Op::Reshape, &[first], &[2, 3]);
    let relu = graph.add(Op::Reshape, &[relu], &[2, 3]);
    graph.add(Op::Add, &[back, relu], &[]);
    assert_eq!(graph.simplified(), ["Input", "Reshape", "Relu", "Reshape", "Add"]);
}

#[test]
fn a_transpose_that_moves_nothing_vanishes() {
    let mut graph = Builder::new(&[2, 3]);
    let same = graph.add(Op::Transpose { perm: vec![0, 1] }, &[0], &[]);
    graph.add(Op::Transpose { perm: vec![1, 0] }, &[same], &[]);
    assert_eq!(graph.simplified(), ["Input", "Transpose"]);
}

#[test]
fn transposes_merge_and_vanish_when_they_cancel() {
    let transpose = |perm: [usize; 3]| Op::Transpose { perm: perm.to_vec() };
    let mut graph = Builder::new(&[2, 3, 4]);
    let first = graph.add(transpose([1, 2, 0]), &[0], &[]);
    graph.add(transpose([0, 2, 1]), &[first], &[]);
    let after = graph.rewritten();
    assert_eq!(after.nodes[after.output].op, transpose([1, 0, 2]));
    assert_eq!(after.nodes.len(), 2);

    let mut graph = Builder::new(&[2, 3, 4]);
    let relu = graph.add(Op::Relu, &[0], &[]);
    let away = graph.add(transpose([1, 2, 0]), &[relu], &[]);
    let back = graph.add(transpose([2, 0, 1]), &[away], &[]);
    graph.add(Op::Relu, &[back], &[]);
    assert_eq!(graph.simplified(), ["Input", "Relu", "Relu"]);
}

#[test]
fn a_transpose_used_twice_stays_for_its_other_use() {
    let transpose = Op::Transpose { perm: vec![1, 0] };
    let mut graph = Builder::new(&[3, 3]);
    let first = graph.add(transpose.clone(), &[0], &[]);
    let second = graph.add(transpose, &[first], &[]);
    graph.add(Op::Sub, &[second, first], &[]);
    assert_eq!(graph.simplified(), ["Input", "Transpose", "Sub"]);
}

#[test]
fn views_that_cancel_do_not_stand_between_a_layer_and_its_scale() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(6, 4), &[0], &[]);
    let away = graph.add(Op::Reshape, &[layer], &[2, 3]);
    let back = graph.add(Op::Reshape, &[away], &[6]);
    graph.add(scale_shift(6), &[back], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense"]);
}

#[test]
fn a_view_that_is_read_besides_keeps_a_layer_from_its_scale() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(6, 4), &[0], &[]);
    let away = graph.add(Op::Reshape, &[layer], &[6, 1]);
    let back = graph.add(Op::Reshape, &[away], &[6]);
    let scaled = graph.add(scale_shift(6), &[back], &[]);
    let scaled = graph.add(Op::Reshape, &[scaled], &[6, 1]);
    graph.add(Op::Add, &[away, scaled], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense", "Reshape", "ScaleShift", "Reshape", "Add"]);
}

#[test]
fn a_take_of_everything_in_order_vanishes() {
    let take = |indices: &[Option<usize>]| Op::Take { axis: 1, indices: indices.to_vec(), fill: 0.0 };
    assert_eq!(left_of(&[2, 3], vec![Op::Relu, take(&[Some(0), Some(1), Some(2)])]), ["Relu"]);
    for other in [
        &[Some(0), Some(1)][..],
        &[Some(1), Some(0), Some(2)],
        &[Some(0), Some(1), None],
        &[Some(0), Some(1), Some(2), Some(2)],
    ] {
        assert_eq!(left_of(&[2, 3], vec![Op::Relu, take(other)]), ["Relu", "Take"], "{other:?}");
    }
}

#[test]
fn a_concat_of_one_operand_vanishes() {
    assert_eq!(left_of(&[2, 3], vec![Op::Relu, Op::Concat { axis: 0 }]), ["Relu"]);
    let mut graph = Builder::new(&[2, 3]);
    graph.add(Op::Concat { axis: 0 }, &[0, 0], &[]);
    assert_eq!(graph.simplified(), ["Input", "Concat"]);
}

#[test]
fn unused_nodes_are_dropped_but_the_input_stays() {
    let mut graph = Builder::new(&[2]);
    graph.add(dense(3, 2), &[0], &[]);
    graph.add(Op::Relu, &[0], &[]);
    assert_eq!(graph.simplified(), ["Input", "Relu"]);
}

#[test]
fn a_dead_use_does_not_prevent_a_fold() {
    let mut graph = Builder::new(&[4]);
    let layer = graph.add(dense(3, 4), &[0], &[]);
    graph.add(Op::Relu, &[layer], &[]);
    graph.add(scale_shift(3), &[layer], &[]);
    assert_eq!(graph.simplified(), ["Input", "Dense"]);
}

#[test]
fn a_fold_that_overflows_is_left_out() {
    let mut graph = Builder::new(&[1]);
    let weights = ndarray::array![[1e30f32]];
    let layer = graph.add(Op::Dense { weights, bias: ndarray::array![0.0] }, &[0], &[]);
    graph.add(Op::ScaleShift { scale: vec![1e30], shift: vec![0.0] }, &[layer], &[]);
    let after = simplify(graph.0);
    assert_eq!(after.nodes.len(), 3);

    let mut graph = Builder::new(&[2, 2]);
    let first = graph.add(mul(ndarray::array![[1e30, 1.0], [1.0, 1.0]].into_dyn()), &[0], &[]);
    graph.add(mul(ndarray::array![[1e30, 1.0], [1.0, 1.0]].into_dyn()), &[first], &[]);
    let after = simplify(graph.0);
    assert_eq!(after.nodes.len(), 3);
}

#[test]
fn a_graph_that_is_not_well_formed_is_returned_as_it_is() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let weights = Array4::zeros((3, 2, 2, 2));
    let bias = Array1::zeros(3);
    let op = Op::Conv { weights, bias, strides: [1, 1], pads: [0; 4], dilations: [1, 1], groups: 1 };
    graph.add(op, &[0], &[]);
    graph.0.nodes[1].inputs[0] = 9;
    let broken = graph.0;
    assert_eq!(simplify(broken.clone()), broken);
}

fn quantise(step: f32, lo: i32, hi: i32) -> Op {
    Op::Quantise { step, lo, hi }
}

fn integer_conv(channels: usize, operand_step: f32) -> Op {
    Op::IntegerConv {
        weights: Array4::from_shape_fn((2, channels, 1, 1), |(o, c, ..)| 3 * o as i32 - 2 * c as i32),
        bias: vec![5, -7],
        operand_step,
        steps: vec![0.01, 0.02],
        window: Window::tiles([1, 1]),
        groups: 1,
    }
}

#[test]
fn a_quantise_takes_in_the_relu_before_or_behind_it() {
    for (lo, hi) in [(-128, 127), (0, 255), (3, 9)] {
        for quantise_first in [false, true] {
            let mut graph = Builder::new(&[4]);
            let ops = [quantise(0.1, lo, hi), Op::Relu];
            let ops = if quantise_first { ops } else { ops.into_iter().rev().collect::<Vec<_>>().try_into().unwrap() };
            for (id, op) in ops.into_iter().enumerate() {
                graph.add(op, &[id], &[]);
            }
            let after = graph.rewritten();
            assert_eq!(after.nodes[1].op, quantise(0.1, lo.max(0), hi));
            assert_eq!(after.nodes.len(), 2);
        }
    }
    // Something else reads the `Relu`, or no multiple is left.
    let mut graph = Builder::new(&[4]);
    let relu = graph.add(Op::Relu, &[0], &[]);
    let rounded = graph.add(quantise(0.1, -128, 127), &[relu], &[]);
    graph.add(Op::Add, &[relu, rounded], &[]);
    assert_eq!(graph.simplified(), ["Input", "Relu", "Quantise", "Add"]);
    let mut graph = Builder::new(&[4]);
    graph.add(Op::Relu, &[0], &[]);
    graph.add(quantise(0.1, -9, -2), &[1], &[]);
    assert_eq!(graph.simplified(), ["Input", "Relu", "Quantise"]);
}

#[test]
fn a_quantise_of_its_own_multiples_is_dropped() {
    for (second, is_dropped) in [
        (quantise(0.1, -3, 5), true),
        (quantise(0.1, -100, 100), true),
        (quantise(0.1, -2, 5), false),
        (quantise(0.1, -3, 4), false),
        (quantise(0.2, -3, 5), false),
    ] {
        let mut graph = Builder::new(&[4]);
        graph.add(quantise(0.1, -3, 5), &[0], &[]);
        graph.add(second.clone(), &[1], &[]);
        assert_eq!(graph.simplified().len(), if is_dropped { 2 } else { 3 }, "{second:?}");
    }
}

#[test]
fn moves_between_two_quantise_do_not_matter() {
    let moved = |fill: f32, second: Op| {
        let mut graph = Builder::new(&[2, 4, 4]);
        let x = graph.add(quantise(0.1, 2, 7), &[0], &[]);
        let y = graph.add(Op::Transpose { perm: vec![0, 2, 1] }, &[x], &[]);
        let y = graph.add(Op::MaxPool(Window::tiles([2, 2])), &[y], &[]);
        let x = graph.add(Op::MaxPool(Window::tiles([2, 2])), &[x], &[]);
        let y = graph.add(Op::Concat { axis: 0 }, &[x, y], &[]);
        let y = graph.add(Op::Take { axis: 2, indices: vec![Some(1), None], fill }, &[y], &[]);
        let y = graph.add(Op::Reshape, &[y], &[16]);
        graph.add(second, &[y], &[]);
        graph.simplified().into_iter().filter(|&name| name == "Quantise").count()
    };
    assert_eq!(moved(0.0, quantise(0.1, 0, 7)), 1);
    // The fill is below the interval, or no multiple.
    assert_eq!(moved(0.0, quantise(0.1, 2, 7)), 2);
    assert_eq!(moved(0.25, quantise(0.1, 0, 7)), 2);
}

#[test]
fn operands_of_two_steps_stay_rounded() {
    let mut graph = Builder::new(&[4]);
    let x = graph.add(quantise(0.1, -8, 7), &[0], &[]);
    let y = graph.add(quantise(0.05, -8, 7), &[0], &[]);
    let joined = graph.add(Op::Concat { axis: 0 }, &[x, y], &[]);
    graph.add(quantise(0.1, -8, 7), &[joined], &[]);
    assert_eq!(graph.simplified(), ["Input", "Quantise", "Quantise", "Concat", "Quantise"]);
}

#[test]
fn nothing_goes_into_an_integer_convolution() {
    let mut graph = Builder::new(&[2, 3, 3]);
    graph.add(quantise(0.1, -8, 7), &[0], &[]);
    graph.add(integer_conv(2, 0.1), &[1], &[]);
    graph.add(scale_shift(2), &[2], &[]);
    graph.add(Op::Relu, &[3], &[]);
    assert_eq!(graph.simplified(), ["Input", "Quantise", "IntegerConv", "ScaleShift", "Relu"]);
    let mut graph = Builder::new(&[2, 3, 3]);
    graph.add(quantise(0.1, -8, 7), &[0], &[]);
    graph.add(integer_conv(2, 0.1), &[1], &[]);
    graph.add(Op::Sub, &[1, 2], &[]);
    assert_eq!(graph.simplified(), ["Input", "Quantise", "IntegerConv", "Sub"]);
}

#[test]
fn a_restep_to_what_it_reads_is_dropped() {
    let mut graph = Builder::new(&[4]);
    graph.add(quantise(0.1, -8, 7), &[0], &[]);
    graph.add(Op::Restep { from: 0.1, shift: 0, to: 0.1 }, &[1], &[]);
    graph.add(Op::Restep { from: 0.1, shift: 3, to: 0.1 }, &[2], &[]);
    // It is known to leave the integers from -5 to 10.
    graph.add(quantise(0.1, -5, 10), &[3], &[]);
    assert_eq!(graph.simplified(), ["Input", "Quantise", "Restep"]);
}
