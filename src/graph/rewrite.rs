//! Rewrites that leave fewer and simpler nodes without changing what the network computes.
//!
//! Exact arithmetic would give equal results before and after; in `f32` they differ by rounding, since a folded
//! weight is rounded once more.

mod fold;

use self::fold::{Affine, fold};
use super::grid::Grid;
use super::{Graph, Node, NodeId, Op};

/// Folds and drops nodes, in one pass from the input to the output:
///
/// - an [`Op::MulConstant`] whose factors depend on the index of axis 0 only becomes an [`Op::ScaleShift`], and so
///   does such an [`Op::AddConstant`] of an image (three axes);
/// - an [`Op::ScaleShift`], [`Op::AddConstant`] or [`Op::MulConstant`] whose operand nothing else uses goes into that
///   operand's parameters, if the operand is an [`Op::Dense`], an [`Op::Conv`] (where axis 0 decides), or one of the
///   three and a single operation computes both;
/// - an [`Op::Sub`] whose second operand is an [`Op::Dense`] or [`Op::Conv`] that nothing else uses becomes an
///   [`Op::Add`] of the negated layer;
/// - an [`Op::Reshape`] of an [`Op::Reshape`], and an [`Op::Transpose`] of an [`Op::Transpose`], read the operand of
///   the first;
/// - what changes nothing is dropped: an [`Op::Reshape`] to the shape its operand has, an [`Op::Transpose`] that
///   moves no axis, an [`Op::Take`] of every index in order, an [`Op::Concat`] of one operand, a factor of 1 and a
///   summand of 0, an [`Op::Restep`] to the integers and the step it reads, and an [`Op::Quantise`] of values that are
///   such multiples already;
/// - an [`Op::Relu`] and an [`Op::Quantise`] one after the other, of which nothing else uses the first, become an
///   [`Op::Quantise`] without negative multiples;
/// - nodes that the output does not depend on are dropped.
///
/// A scale or shift *before* a layer stays: padding would have to be shifted as well.
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
    /// What is known of the value of each new node.
    grids: Vec<Option<Grid>>,
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
        Self { nodes: Vec::new(), uses: Vec::new(), grids: Vec::new(), placed: Vec::new(), old_uses }
    }

    fn place(&mut self, id: NodeId, mut node: Node) {
        for operand in &mut node.inputs {
            *operand = self.placed[*operand];
        }
        normalise(&mut node);
        self.merge_views(&mut node);
        self.negate_subtrahend(&mut node);
        let place = match node.inputs.first() {
            Some(&operand) if self.is_no_op(operand, &node) || self.absorb(operand, &node) => {
                // The operand now stands for this node too: it loses one use and gains those of the node.
                self.uses[operand] = self.uses[operand] - 1 + self.old_uses[id];
                self.grids[operand] = self.grid(&self.nodes[operand]);
                operand
            }
            _ => {
                self.grids.push(self.grid(&node));
                self.nodes.push(node);
                self.uses.push(self.old_uses[id]);
                self.nodes.len() - 1
            }
        };
        self.placed.push(place);
    }

    fn grid(&self, node: &Node) -> Option<Grid> {
        let operands: Vec<Option<Grid>> = node.inputs.iter().map(|&operand| self.grids[operand]).collect();
        Grid::of(&node.op, &operands)
    }

    /// Lets a view of a view read the operand of the first.
    fn merge_views(&mut self, node: &mut Node) {
        let Some(&operand) = node.inputs.first() else { return };
        let earlier = &self.nodes[operand];
        let merged = match (&earlier.op, &node.op) {
            (Op::Reshape, Op::Reshape) => Op::Reshape,
            (Op::Transpose { perm: first }, Op::Transpose { perm: second }) => {
                Op::Transpose { perm: second.iter().map(|&axis| first[axis]).collect() }
            }
            _ => return,
        };
        let source = earlier.inputs[0];
        node.op = merged;
        node.inputs = vec![source];
        self.uses[operand] -= 1;
        // A view that nothing reads any more passes its use of the source on.
        if self.uses[operand] > 0 {
            self.uses[source] += 1;
        }
    }

    /// Turns a difference into a sum where the sign can go into the weights of a layer: a sum can share an integer
    /// layer with it.
    fn negate_subtrahend(&mut self, node: &mut Node) {
        let (Op::Sub, &[_, right]) = (&node.op, &node.inputs[..]) else { return };
        let layer = &mut self.nodes[right];
        if self.uses[right] == 1
            && let Op::Dense { .. } | Op::Conv { .. } = layer.op
            && let Some(negated) = fold(&layer.op, &Affine::negation(layer.shape.len()), &layer.shape)
        {
            layer.op = negated;
            node.op = Op::Add;
        }
    }

    fn is_no_op(&self, operand: NodeId, node: &Node) -> bool {
        match &node.op {
            Op::Reshape => self.nodes[operand].shape == node.shape,
            Op::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
            Op::Take { axis, indices, .. } => {
                indices.iter().copied().eq((0..self.nodes[operand].shape[*axis]).map(Some))
            }
            Op::Concat { .. } => node.inputs.len() == 1,
            &Op::Restep { from, shift, to } => shift == 0 && from == to,
            &Op::Quantise { step, lo, hi } => self.grids[operand].is_some_and(|grid| grid.is_kept_by(step, lo, hi)),
            op => Affine::of(op, node.shape.len()).is_some_and(|affine| affine.is_identity()),
        }
    }

    /// Folds the node into its operand if the operand can take it and nothing else uses it.
    fn absorb(&mut self, operand: NodeId, node: &Node) -> bool {
        if self.uses[operand] != 1 {
            return false;
        }
        let folded = rectified(&self.nodes[operand].op, &node.op).or_else(|| {
            Affine::of(&node.op, node.shape.len())
                .and_then(|affine| fold(&self.nodes[operand].op, &affine, &node.shape))
        });
        match folded {
            Some(op) => {
                self.nodes[operand].op = op;
                true
            }
            None => false,
        }
    }
}

/// A `Relu` and a `Quantise` in either order, as one operation: rounding keeps the order of numbers, and 0.
fn rectified(first: &Op, second: &Op) -> Option<Op> {
    match (first, second) {
        (Op::Relu, &Op::Quantise { step, lo, hi }) | (&Op::Quantise { step, lo, hi }, Op::Relu) if hi >= 0 => {
            Some(Op::Quantise { step, lo: lo.max(0), hi })
        }
        _ => None,
    }
}

/// Gives a node that only multiplies or adds constants the form in which it can be folded.
fn normalise(node: &mut Node) {
    if let Op::MulConstant { .. } | Op::AddConstant { .. } = node.op
        && let Some(op) = Affine::of(&node.op, node.shape.len()).and_then(|affine| affine.into_op(&node.shape))
    {
        node.op = op;
    }
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
