//! Rewrites that leave fewer and simpler nodes without changing what the network computes.
//!
//! Exact arithmetic would give equal results before and after; in `f32` they differ by rounding, since a folded
//! weight is rounded once more.

use ndarray::{Array1, ArrayD, Axis, Ix1};

use super::{Graph, Node, NodeId, Op};

/// Folds and drops nodes, in one pass from the input to the output:
///
/// - a [`Op::ScaleShift`] whose operand is a [`Op::Dense`], [`Op::Conv`] or [`Op::ScaleShift`] that nothing else
///   uses goes into its parameters;
/// - a [`Op::AddConstant`] whose operand is a [`Op::Dense`] that nothing else uses goes into its bias, and one whose
///   operand is such an [`Op::AddConstant`] is added to it;
/// - a [`Op::Reshape`] of a [`Op::Reshape`] reads the operand of the first;
/// - a [`Op::Reshape`] to the shape its operand has, and a [`Op::Transpose`] that moves no axis, are dropped;
/// - nodes that the output does not depend on are dropped.
///
/// A fold that would make a parameter infinite is left out. The network's input keeps its shape and the output its
/// value; a folded node lives on under the name of the one that absorbed it. A graph that fails [`Graph::check`] is
/// returned as it is.
pub fn simplify(graph: Graph) -> Graph {
    if graph.check().is_err() {
        return graph;
    }
    // First, so that a dead node does not count as a second use.
    let graph = drop_unused(graph);
    let mut rewriter = Rewriter::new(&graph);
    for (id, node) in graph.nodes.into_iter().enumerate() {
        rewriter.place(id, node);
    }
    let output = rewriter.placed[graph.output];
    drop_unused(Graph { nodes: rewriter.nodes, input: rewriter.placed[graph.input], output })
}

/// The new graph as it grows. Indices into its fields are safe because the old graph was checked: operands come
/// first, so they have been placed.
struct Rewriter {
    nodes: Vec<Node>,
    /// Uses of each new node: operands that refer to it, and one for being the output.
    uses: Vec<usize>,
    /// New position of the value of each old node.
    placed: Vec<NodeId>,
    /// Uses of each old node.
    old_uses: Vec<usize>,
}

impl Rewriter {
    fn new(graph: &Graph) -> Self {
        let mut old_uses = vec![0; graph.nodes.len()];
        old_uses[graph.output] += 1;
        for operand in graph.nodes.iter().flat_map(|node| &node.inputs) {
            old_uses[*operand] += 1;
        }
        Self { nodes: Vec::new(), uses: Vec::new(), placed: Vec::new(), old_uses }
    }

    fn place(&mut self, id: NodeId, mut node: Node) {
        for operand in &mut node.inputs {
            *operand = self.placed[*operand];
        }
        self.skip_earlier_reshape(&mut node);
        let place = match node.inputs.first() {
            Some(&operand) if self.is_no_op(operand, &node) || self.absorb(operand, &node) => {
                // The operand now stands for this node too: it loses one use and gains those of the node.
                self.uses[operand] = self.uses[operand] - 1 + self.old_uses[id];
                operand
            }
            _ => {
                self.nodes.push(node);
                self.uses.push(self.old_uses[id]);
                self.nodes.len() - 1
            }
        };
        self.placed.push(place);
    }

    fn skip_earlier_reshape(&mut self, node: &mut Node) {
        if let (Op::Reshape, Some(operand)) = (&node.op, node.inputs.first_mut())
            && self.nodes[*operand].op == Op::Reshape
            && let Some(&source) = self.nodes[*operand].inputs.first()
        {
            self.uses[*operand] -= 1;
            self.uses[source] += 1;
            *operand = source;
        }
    }

    fn is_no_op(&self, operand: NodeId, node: &Node) -> bool {
        match &node.op {
            Op::Reshape => self.nodes[operand].shape == node.shape,
            Op::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
            _ => false,
        }
    }

    /// Folds the node into its operand if the operand can take it and nothing else uses it.
    fn absorb(&mut self, operand: NodeId, node: &Node) -> bool {
        if self.uses[operand] != 1 {
            return false;
        }
        let folded = match &node.op {
            Op::ScaleShift { scale, shift } => fold_scale_shift(&self.nodes[operand].op, scale, shift),
            Op::AddConstant { values } => fold_constant(&self.nodes[operand].op, values),
            _ => None,
        };
        match folded {
            Some(op) => {
                self.nodes[operand].op = op;
                true
            }
            None => false,
        }
    }
}

fn fold_scale_shift(op: &Op, scale: &[f32], shift: &[f32]) -> Option<Op> {
    match op {
        Op::Dense { weights, bias } => {
            let mut weights = weights.clone();
            for (mut row, &factor) in weights.axis_iter_mut(Axis(0)).zip(scale) {
                row.mapv_inplace(|weight| weight * factor);
            }
            let bias = Array1::from(affine(bias.iter(), scale, shift)?);
            all_finite(&weights).then_some(Op::Dense { weights, bias })
        }
        Op::Conv { weights, bias, strides, pads } => {
            let mut weights = weights.clone();
            for (mut kernel, &factor) in weights.axis_iter_mut(Axis(0)).zip(scale) {
                kernel.mapv_inplace(|weight| weight * factor);
            }
            let bias = Array1::from(affine(bias.iter(), scale, shift)?);
            all_finite(&weights).then_some(Op::Conv { weights, bias, strides: *strides, pads: *pads })
        }
        Op::ScaleShift { scale: first, shift: summands } => {
            let factors = affine(first.iter(), scale, &vec![0.0; scale.len()])?;
            Some(Op::ScaleShift { scale: factors, shift: affine(summands.iter(), scale, shift)? })
        }
        _ => None,
    }
}

/// `scale * values + shift`, in double precision because the two terms of a folded bias often nearly cancel.
fn affine<'a>(values: impl Iterator<Item = &'a f32>, scale: &[f32], shift: &[f32]) -> Option<Vec<f32>> {
    let folded: Vec<f32> = values
        .zip(scale.iter().zip(shift))
        .map(|(&value, (&factor, &summand))| (f64::from(value) * f64::from(factor) + f64::from(summand)) as f32)
        .collect();
    folded.iter().all(|value| value.is_finite()).then_some(folded)
}

fn fold_constant(op: &Op, values: &ArrayD<f32>) -> Option<Op> {
    match op {
        Op::Dense { weights, bias } => {
            let sum = bias + &values.view().into_dimensionality::<Ix1>().ok()?;
            all_finite(&sum).then(|| Op::Dense { weights: weights.clone(), bias: sum })
        }
        Op::AddConstant { values: first } => {
            let sum = first + values;
            all_finite(&sum).then_some(Op::AddConstant { values: sum })
        }
        _ => None,
    }
}

fn all_finite<D: ndarray::Dimension>(values: &ndarray::Array<f32, D>) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// Keeps the input and what the output depends on.
fn drop_unused(graph: Graph) -> Graph {
    let mut used = vec![false; graph.nodes.len()];
    used[graph.input] = true;
    used[graph.output] = true;
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if used[id] {
            node.inputs.iter().for_each(|&operand| used[operand] = true);
        }
    }
    let mut kept = 0;
    let places: Vec<NodeId> = used
        .iter()
        .map(|&is_used| {
            let place = kept;
            kept += usize::from(is_used);
            place
        })
        .collect();
    let nodes = graph.nodes.into_iter().zip(&used).filter(|(_, is_used)| **is_used).map(|(mut node, _)| {
        node.inputs.iter_mut().for_each(|operand| *operand = places[*operand]);
        node
    });
    Graph { nodes: nodes.collect(), input: places[graph.input], output: places[graph.output] }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
