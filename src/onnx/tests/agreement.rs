//! Runs a model and compares its output.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto};

use super::models::*;
use crate::graph::{Graph, rewrite::simplify};
use crate::onnx::{Import, ImportOptions, Reference, Registry, import, model::Header};

/// Imports a model that has to be fine.
pub fn load(model: &ModelProto) -> Import {
    let header = Header::read(model, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    import::build(model, &header, &Registry::standard()).unwrap_or_else(|error| panic!("{error}"))
}

/// An input with values of both signs, no two of them equal.
pub fn input(graph: &Graph) -> ArrayD<f32> {
    let shape = graph.input_shape();
    ArrayD::from_shape_vec(IxDyn(shape), wave(shape.iter().product(), 0.4)).unwrap()
}

/// The output of a model, in the shape that ONNX gives it.
pub fn run(model: &ModelProto) -> ArrayD<f32> {
    let Import { graph, output_shape, .. } = load(model);
    let value = graph.run_f32(&input(&graph)).unwrap().swap_remove(graph.output);
    value.into_shape_with_order(IxDyn(&output_shape)).unwrap()
}

pub fn assert_close(got: &ArrayD<f32>, expected: &ArrayD<f32>) {
    assert_eq!(got.shape(), expected.shape());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-4 * (1.0 + expected.abs()), "got {got}, expected {expected}");
    }
}

/// Imports the model, compares it with the reference before and after simplification, and returns the operations as
/// they were imported.
pub fn agree(model: ModelProto) -> Vec<&'static str> {
    let graph = load(&model).graph;
    let input = input(&graph);
    let reference = Reference::from_model(model, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let expected = reference.run(&input).unwrap_or_else(|error| panic!("{error}"));
    for graph in [graph.clone(), simplify(graph.clone())] {
        assert_close(&graph.run_f32(&input).unwrap().swap_remove(graph.output), &expected);
    }
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

/// [`agree`] for a model of one node.
pub fn one(shape: &[i64], node: NodeProto, constants: Vec<TensorProto>) -> Vec<&'static str> {
    agree(single(shape, node, constants))
}
