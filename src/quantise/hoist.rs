//! A rewrite that only pays off for the integer network: a ReLU, or what quantises, moves up to the layer it can be fused
//! with.

use crate::graph::{Graph, NodeId, Op};

/// How often each node is read, the output counted as one more reader.
pub(super) fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    uses[graph.output] += 1;
    for &operand in graph.nodes.iter().flat_map(|node| &node.inputs) {
        uses[operand] += 1;
    }
    uses
}

/// Whether the operation is one an affine layer can hold, before its activation.
pub(super) fn is_linear(op: &Op) -> bool {
    matches!(
        op,
        Op::Dense { .. }
            | Op::Conv { .. }
            | Op::ScaleShift { .. }
            | Op::AddConstant { .. }
            | Op::MulConstant { .. }
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::SumPool { .. }
            | Op::IntegerConv { .. }
    )
}

/// Whether a function that does not decrease may be taken before the operation instead of after it: it selects or moves
/// elements.
fn commutes_with_relu(op: &Op) -> bool {
    matches!(op, Op::MaxPool(_) | Op::Reshape | Op::Transpose { .. })
}

/// Moves every [`Op::Relu`] and [`Op::Quantise`] over max-pools and views that nothing else reads, if a linear layer that nothing else
/// reads lies above them. Values are unchanged, also in floating point.
///
/// The graph was checked.
pub(super) fn hoist_relus(mut graph: Graph) -> Graph {
    let uses = uses(&graph);
    for id in 0..graph.nodes.len() {
        let quantises = matches!(graph.nodes[id].op, Op::Quantise { .. });
        if graph.nodes[id].op != Op::Relu && !quantises {
            continue;
        }
        let mut chain = vec![];
        let mut above = graph.nodes[id].inputs[0];
        while uses[above] == 1 && commutes_with_relu(&graph.nodes[above].op) {
            chain.push(above);
            above = graph.nodes[above].inputs[0];
        }
        let ends_layer = quantises && matches!(graph.nodes[above].op, Op::Relu | Op::Unary(_));
        if uses[above] == 1 && (is_linear(&graph.nodes[above].op) || ends_layer) {
            let mut relu = id;
            for &view in &chain {
                swap(&mut graph, view, relu);
                relu = view;
            }
        }
    }
    graph
}

/// `relu` reads `view`, and nothing else does: afterwards the node at `view` is the function, the one at `relu` the view.
/// Uses of both positions stay as they are.
fn swap(graph: &mut Graph, view: NodeId, relu: NodeId) {
    let operand_shape = graph.nodes[graph.nodes[view].inputs[0]].shape.clone();
    let relu_op = std::mem::replace(&mut graph.nodes[relu].op, Op::Reshape);
    graph.nodes[relu].op = std::mem::replace(&mut graph.nodes[view].op, relu_op);
    let name = std::mem::take(&mut graph.nodes[view].name);
    graph.nodes[view].name = std::mem::replace(&mut graph.nodes[relu].name, name);
    graph.nodes[view].shape = operand_shape;
}
