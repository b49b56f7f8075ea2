//! Every rewrite: it happens where it should, does not where it should not, and keeps the result.

use ndarray::{Array, Array4, ArrayD, Dimension, IxDyn, ShapeBuilder};

use super::*;

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
        after.nodes.iter().map(|node| node.op.name()).collect()
    }
}

fn dense(outputs: usize, inputs: usize) -> Op {
    Op::Dense { weights: wave((outputs, inputs), 1.0), bias: wave(outputs, 2.0) }
}

fn conv() -> Op {
    Op::Conv { weights: wave((3, 2, 2, 2), 3.0), bias: wave(3, 4.0), strides: [1, 2], pads: [1, 0, 0, 1] }
}

fn scale_shift(channels: usize) -> Op {
    Op::ScaleShift { scale: wave(channels, 5.0).to_vec(), shift: wave(channels, 6.0).to_vec() }
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
}

#[test]
fn a_graph_that_is_not_well_formed_is_returned_as_it_is() {
    let mut graph = Builder::new(&[2, 4, 5]);
    let weights = Array4::zeros((3, 2, 2, 2));
    graph.add(Op::Conv { weights, bias: Array1::zeros(3), strides: [1, 1], pads: [0; 4] }, &[0], &[]);
    graph.0.nodes[1].inputs[0] = 9;
    let broken = graph.0;
    assert_eq!(simplify(broken.clone()), broken);
}
