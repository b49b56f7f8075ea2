//! The float graph while it grows, and how a value's shape in ONNX relates to that of its node.

use super::error::OnnxError;
use super::integers::Integers;
use crate::graph::grid::Grid;
use crate::graph::{Graph, MAX_ELEMENTS, Node, NodeId, Op, element_count};

/// Most axes that a value may have. No supported operator needs more, and without a limit a file could make every
/// node carry a shape as long as the file.
pub(super) const MAX_RANK: usize = 8;

/// A value of the network under the shape that ONNX gives it.
///
/// The node behind it has the shape [`canonical`] and the same elements in the same, row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    /// The node.
    pub id: NodeId,
    /// The shape in ONNX, batch axis and all.
    pub shape: Vec<usize>,
    /// What the value stands for, if it is a tensor of integers in ONNX. Only some builders know what to do with such.
    pub integers: Option<Integers>,
}

/// The shape in the float graph, which leaves out a batch axis of size 1.
pub(super) fn canonical(shape: &[usize]) -> &[usize] {
    match shape {
        [1, inner @ ..] if !inner.is_empty() => inner,
        _ => shape,
    }
}

/// How many axes [`canonical`] leaves out: none or one.
pub(super) fn dropped_axes(shape: &[usize]) -> usize {
    shape.len() - canonical(shape).len()
}

/// The nodes so far. Their parameters and values are counted, so that a small file cannot ask for much memory.
#[derive(Debug, Default)]
pub(super) struct Draft {
    nodes: Vec<Node>,
    /// What is known of the value of each node.
    grids: Vec<Option<Grid>>,
    elements: usize,
}

impl Draft {
    /// Adds a node. Its shape follows from its operands, or is the declared one where they do not decide it.
    pub fn add(
        &mut self,
        name: &str,
        operator: &str,
        op: Op,
        inputs: Vec<NodeId>,
        declared: &[usize],
    ) -> Result<NodeId, OnnxError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&id| self.shape(id)).collect();
        let shape = op.result_shape(&shapes, declared).map_err(|fault| OnnxError::shape(name, operator, fault))?;
        let elements = element_count(&shape).and_then(|count| count.checked_add(op.parameter_count()));
        let what = format!("node `{name}` ({operator}) yields shape {shape:?} and brings the network");
        charge(&mut self.elements, elements, &what)?;
        let grids: Vec<Option<Grid>> = inputs.iter().map(|&id| self.grid(id)).collect();
        self.grids.push(Grid::of(&op, &grids));
        self.nodes.push(Node { name: name.to_owned(), op, inputs, shape });
        Ok(self.nodes.len() - 1)
    }

    /// Shape of a node; empty if there is no such node.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        self.nodes.get(id).map_or(&[], |node| &node.shape)
    }

    /// The integers behind the value of a node, if it is known to have some.
    pub fn grid(&self, id: NodeId) -> Option<Grid> {
        self.grids.get(id).copied().flatten()
    }

    /// The node itself, or the one whose elements it has under another shape.
    pub fn before_reshapes(&self, mut id: NodeId) -> NodeId {
        while let Some(Node { op: Op::Reshape, inputs, .. }) = self.nodes.get(id)
            && let Some(&source) = inputs.first()
        {
            id = source;
        }
        id
    }

    /// The graph with the nodes that the output depends on, and the input, which is the first node.
    pub fn finish(self, output: NodeId) -> Graph {
        let mut used = vec![false; self.nodes.len()];
        let mut open = vec![0, output];
        while let Some(id) = open.pop() {
            if let (Some(seen), Some(node)) = (used.get_mut(id), self.nodes.get(id))
                && !std::mem::replace(seen, true)
            {
                open.extend(&node.inputs);
            }
        }
        let mut kept = 0;
        let places: Vec<NodeId> = used
            .iter()
            .map(|&is_used| {
                kept += usize::from(is_used);
                kept - usize::from(is_used)
            })
            .collect();
        let place = |id: NodeId| places.get(id).copied().unwrap_or(id);
        let nodes = self.nodes.into_iter().zip(&used).filter(|(_, is_used)| **is_used).map(|(mut node, _)| {
            node.inputs.iter_mut().for_each(|input| *input = place(*input));
            node
        });
        Graph { nodes: nodes.collect(), input: 0, output: place(output) }
    }
}

/// Adds to a total that may not pass the limit; `what` and the new total make the message.
pub(super) fn charge(total: &mut usize, elements: Option<usize>, what: &str) -> Result<(), OnnxError> {
    let sum = elements.and_then(|elements| total.checked_add(elements));
    *total = sum.filter(|&sum| sum <= MAX_ELEMENTS).ok_or_else(|| OnnxError::TooLarge {
        what: format!("{what} to {} elements", sum.map_or("more than 2^64".to_owned(), |sum| sum.to_string())),
        limit: format!("{MAX_ELEMENTS} elements"),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_batch_axis_of_one_is_left_out_and_never_the_last_axis() {
        assert_eq!(canonical(&[1, 3, 4]), [3, 4]);
        assert_eq!(canonical(&[1, 1]), [1]);
        assert_eq!(canonical(&[1]), [1]);
        assert_eq!(canonical(&[2, 3]), [2, 3]);
        assert_eq!((dropped_axes(&[1, 3]), dropped_axes(&[3, 1]), dropped_axes(&[])), (1, 0, 0));
    }

    #[test]
    fn nodes_that_nothing_uses_are_left_out() {
        let mut draft = Draft::default();
        draft.add("x", "graph input", Op::Input, vec![], &[3]).unwrap();
        draft.add("dead", "Relu", Op::Relu, vec![0], &[]).unwrap();
        let output = draft.add("y", "Relu", Op::Relu, vec![0], &[]).unwrap();
        let graph = draft.finish(output);
        graph.check().unwrap();
        assert_eq!((graph.nodes.len(), graph.output), (2, 1));
    }
}
