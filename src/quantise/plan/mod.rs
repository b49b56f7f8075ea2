//! The shape of the integer network: which float nodes become one integer node.
//!
//! A plan holds no scale: the same graph gives the same plan whatever the samples and the options are.
//!
//! ```text
//! linear   sums, products, convolutions: what one affine layer takes in
//! windows  pools whose windows overlap or are padded, as moved elements and windows that tile
//! ```

mod linear;
mod windows;

use super::{
    error::QuantiseError,
    hoist::{hoist_relus, is_linear, uses},
};
use crate::graph::{Graph, NodeId, Op, rewrite::simplify};
use inferproof_circuits::{formula::Formula, integer::Interval, network::Window};
use std::collections::HashMap;

/// Position of a node in [`Plan::nodes`], and in the architecture that is made of it.
pub(super) type PlanId = usize;

/// A float graph and the integer nodes it is to become.
pub(super) struct Plan {
    /// The graph after rewriting; sources refer to it.
    pub graph: Graph,
    /// In topological order; node 0 is the input.
    pub nodes: Vec<PlanNode>,
    /// The output.
    pub output: PlanId,
}

/// One integer node to be.
pub(super) struct PlanNode {
    pub name: String,
    pub shape: Vec<usize>,
    /// The float node it comes from; for the input and affine nodes one with the same elements in the same order.
    pub source: NodeId,
    pub op: PlanOp,
    /// Step and range, where the model says them.
    pub grid: Option<Grid>,
}

/// The integers of a tensor that comes quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    /// Real value of one unit.
    pub step: f64,
    pub range: Interval,
}

pub(super) enum PlanOp {
    Input,
    Affine(Affine),
    MaxPool { input: PlanId, kernel: [usize; 2] },
    Reshape { input: PlanId },
    Transpose { input: PlanId, permutation: Vec<usize> },
    Take { input: PlanId, axis: usize, indices: Vec<Option<usize>>, fill: Fill },
    Concat { inputs: Vec<PlanId>, axis: usize },
    BeforeMax { input: PlanId, maximum: PlanId },
}

impl Grid {
    pub fn new(step: f32, lo: i32, hi: i32) -> Self {
        Self { step: step.into(), range: Interval::new(lo.into(), hi.into()) }
    }
}

impl PlanNode {
    /// Whether the node drops maxima: some of its elements stand for no real number.
    pub fn is_drop(&self) -> bool {
        matches!(&self.op, PlanOp::Affine(Affine { function: PlanFunction::Drop, .. }))
    }
}

impl PlanOp {
    /// Operands whose elements the node only selects or moves: they share scale and range with it.
    pub fn moved(&self) -> &[PlanId] {
        match self {
            Self::MaxPool { input, .. }
            | Self::Reshape { input }
            | Self::Transpose { input, .. }
            | Self::Take { input, .. } => std::slice::from_ref(input),
            Self::Concat { inputs, .. } => inputs,
            Self::Input | Self::Affine(_) | Self::BeforeMax { .. } => &[],
        }
    }
}

/// What stands where a moved tensor has no element.
#[derive(Clone, Copy)]
pub(super) enum Fill {
    /// A real number.
    Value(f32),
    /// The least integer of the range: never the greatest of a window.
    Least,
}

/// A sum of linear terms, a bias for each index of axis 0, and a function.
pub(super) struct Affine {
    pub terms: Vec<PlanTerm>,
    pub bias: Vec<f64>,
    pub function: PlanFunction,
}

impl Affine {
    /// Operands, term by term.
    pub fn inputs(&self) -> impl Iterator<Item = PlanId> {
        self.terms.iter().flat_map(PlanTerm::inputs)
    }

    /// Whether the layer is one rounding of one sum of integers, its operands being integers of these steps.
    pub fn is_exact_form(&self, steps: &[f64]) -> bool {
        let function = !matches!(self.function, PlanFunction::Formula { .. } | PlanFunction::Drop);
        let no_bias = self.bias.iter().all(|&bias| bias == 0.0);
        let terms = match &self.terms[..] {
            [PlanTerm::IntegerConv(conv)] => steps[0] == conv.operand_step,
            [PlanTerm::SumPool { divisor, .. }] => *divisor > 0.0,
            [PlanTerm::Scale { .. } | PlanTerm::Product { .. }] => true,
            [PlanTerm::Scale { .. }, PlanTerm::Scale { .. }] => true,
            _ => false,
        };
        function && no_bias && terms
    }
}

/// What follows the sum.
pub(super) enum PlanFunction {
    Identity,
    Relu,
    /// Bounds around 0: where the range ends.
    Clip {
        lo: f64,
        hi: f64,
    },
    /// As it is, in a range with one integer less than any other: where a row's maximum was dropped. The terms are the
    /// tensor and its rows' bits before the maximum, first moved on by one.
    Drop,
    /// A number added to each integer of the operand.
    Restep {
        shift: i64,
    },
    /// A table, and the float node whose value is its argument.
    Formula {
        formula: Formula,
        argument: NodeId,
    },
}

pub(super) enum PlanTerm {
    Dense { input: PlanId, weights: Vec<f64> },
    Conv { input: PlanId, weights: Vec<f64>, window: Window, groups: usize },
    IntegerConv(IntegerConv),
    Scale { input: PlanId, negative: bool },
    SumPool { input: PlanId, window: Window, divisor: f64 },
    Product { left: PlanId, right: PlanId },
}

/// A convolution of integers, exact.
pub(super) struct IntegerConv {
    pub input: PlanId,
    /// Real value of a unit of the operand.
    pub operand_step: f64,
    /// `[out, c / groups, kh, kw]`, row-major.
    pub weights: Vec<i64>,
    pub bias: Vec<i64>,
    /// Real value of a unit of each output channel.
    pub steps: Vec<f64>,
    pub window: Window,
    pub groups: usize,
}

impl PlanTerm {
    /// Operands, one or two.
    pub fn inputs(&self) -> Vec<PlanId> {
        match self {
            Self::Dense { input, .. }
            | Self::Conv { input, .. }
            | Self::IntegerConv(IntegerConv { input, .. })
            | Self::Scale { input, .. }
            | Self::SumPool { input, .. } => vec![*input],
            Self::Product { left, right } => vec![*left, *right],
        }
    }
}

impl Plan {
    /// Step of the integers of a tensor that comes quantised, seen through nodes that only move elements.
    pub fn step(&self, id: PlanId) -> Option<f64> {
        let node = &self.nodes[id];
        match (node.grid, node.op.moved().first()) {
            (Some(grid), _) => Some(grid.step),
            (None, Some(&operand)) => self.step(operand),
            (None, None) => None,
        }
    }

    /// Whether a layer rounds as ONNX says, exactly. `None` for what is no layer, or has a result that does not come quantised.
    pub fn is_exact(&self, id: PlanId) -> Option<bool> {
        let PlanOp::Affine(affine) = &self.nodes[id].op else { return None };
        self.step(id)?;
        let operands: Option<Vec<f64>> = affine.inputs().map(|operand| self.step(operand)).collect();
        let moved = matches!(affine.function, PlanFunction::Restep { .. });
        Some(moved || operands.is_some_and(|operands| affine.is_exact_form(&operands)))
    }

    /// Plans a graph, after [`simplify`] and [`hoist_relus`].
    pub fn new(graph: &Graph) -> Result<Self, QuantiseError> {
        graph.check()?;
        let graph = hoist_relus(simplify(graph.clone()));
        let mut planner = Planner::new(&graph);
        for id in 0..graph.nodes.len() {
            planner.place(id)?;
        }
        let (nodes, output) = (planner.nodes, planner.placed[graph.output]);
        Ok(Self { graph, nodes, output })
    }
}

struct Planner<'a> {
    graph: &'a Graph,
    uses: Vec<usize>,
    /// The last reader of each node: the only one where `uses` is 1.
    reader: Vec<Option<NodeId>>,
    /// How the network's input is quantised before anything else is done with it.
    input_grid: Option<Grid>,
    nodes: Vec<PlanNode>,
    /// Plan node of each float node. Absorbed ones have none; nothing asks for it.
    placed: Vec<PlanId>,
    /// Bits before the first maximum, by float node.
    searched: HashMap<NodeId, PlanId>,
}

impl<'a> Planner<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut reader = vec![None; graph.nodes.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&operand| reader[operand] = Some(id));
        }
        Self {
            graph,
            uses: uses(graph),
            reader,
            input_grid: input_grid(graph),
            nodes: vec![],
            placed: vec![0; graph.nodes.len()],
            searched: HashMap::new(),
        }
    }

    fn place(&mut self, id: NodeId) -> Result<(), QuantiseError> {
        let node = &self.graph.nodes[id];
        let operand = node.inputs.first().map_or(0, |&operand| self.placed[operand]);
        let op = match &node.op {
            Op::Input => PlanOp::Input,
            Op::MaxPool(window) => {
                self.placed[id] = self.max_pool(id, operand, window);
                return Ok(());
            }
            Op::BeforeMax => {
                self.placed[id] = self.before_max(id, operand);
                return Ok(());
            }
            Op::DropMax => {
                self.placed[id] = self.drop_max(id, operand);
                return Ok(());
            }
            Op::Reshape => PlanOp::Reshape { input: operand },
            Op::Transpose { perm } => PlanOp::Transpose { input: operand, permutation: perm.clone() },
            Op::Take { axis, indices, fill } => {
                PlanOp::Take { input: operand, axis: *axis, indices: indices.clone(), fill: Fill::Value(*fill) }
            }
            Op::Quantise { .. } if self.input_grid.is_some() && self.is_input(node.inputs[0]) => {
                // The network's input itself is what is quantised.
                self.nodes[self.placed[self.graph.input]].grid = self.input_grid;
                self.placed[id] = operand;
                return Ok(());
            }
            Op::Concat { axis } => PlanOp::Concat { inputs: self.concatenated(id), axis: *axis },
            _ if self.is_absorbed(id) => return Ok(()),
            _ => {
                self.placed[id] = self.affine(id)?;
                return Ok(());
            }
        };
        self.placed[id] = self.push(id, node.shape.clone(), op);
        Ok(())
    }

    /// Whether a node is the network's input in another order or shape.
    fn is_input(&self, mut id: NodeId) -> bool {
        while is_view(&self.graph.nodes[id].op) {
            id = self.graph.nodes[id].inputs[0];
        }
        id == self.graph.input
    }

    fn push(&mut self, source: NodeId, shape: Vec<usize>, op: PlanOp) -> PlanId {
        self.nodes.push(PlanNode { name: self.graph.nodes[source].name.clone(), shape, source, op, grid: None });
        self.nodes.len() - 1
    }

    /// The plan node `input`, whose elements are those of float node `source`, under another shape.
    fn in_shape(&mut self, source: NodeId, input: PlanId, shape: &[usize]) -> PlanId {
        if self.nodes[input].shape == shape {
            input
        } else {
            self.push(source, shape.to_vec(), PlanOp::Reshape { input })
        }
    }

    /// The operands of a concatenation. One that is made of bits has a scale of its own, so it is rescaled first.
    fn concatenated(&mut self, id: NodeId) -> Vec<PlanId> {
        let operands = self.graph.nodes[id].inputs.clone();
        let mut inputs = vec![];
        for operand in operands {
            let input = self.placed[operand];
            let flat = [self.nodes[input].shape.iter().product()];
            inputs.push(if self.is_bits(input) {
                let flat_input = self.in_shape(operand, input, &flat);
                let terms = vec![PlanTerm::Scale { input: flat_input, negative: false }];
                let affine = Affine { terms, bias: vec![0.0; flat[0]], function: PlanFunction::Identity };
                let rescaled = self.push(operand, flat.to_vec(), PlanOp::Affine(affine));
                self.in_shape(operand, rescaled, &self.graph.nodes[operand].shape)
            } else {
                input
            });
        }
        inputs
    }

    /// Whether every element comes from a [`PlanOp::BeforeMax`].
    fn is_bits(&self, id: PlanId) -> bool {
        match &self.nodes[id].op {
            PlanOp::BeforeMax { .. } => true,
            op => !op.moved().is_empty() && op.moved().iter().any(|&operand| self.is_bits(operand)),
        }
    }

    /// The elements before the first maximum of each row (last axis).
    fn before_max(&mut self, id: NodeId, operand: PlanId) -> PlanId {
        let shape = &self.graph.nodes[id].shape;
        let bits = self.bits(self.graph.nodes[id].inputs[0], operand);
        self.in_shape(id, bits, shape)
    }

    /// The bits of float node `source`, as rows. Made once.
    fn bits(&mut self, source: NodeId, operand: PlanId) -> PlanId {
        if let Some(bits) = self.searched.get(&source) {
            return *bits;
        }
        let (rows, length) = rows(&self.graph.nodes[source].shape);
        let input = self.in_shape(source, operand, &[rows, length]);
        let plane = self.in_shape(source, operand, &[1, rows, length]);
        let maximum = self.push(source, vec![1, rows, 1], PlanOp::MaxPool { input: plane, kernel: [1, length] });
        let bits = self.push(source, vec![rows, length], PlanOp::BeforeMax { input, maximum });
        self.searched.insert(source, bits);
        bits
    }

    /// Each row without its first maximum: an element is that one if the bit before it is 1 and its own is 0.
    fn drop_max(&mut self, id: NodeId, operand: PlanId) -> PlanId {
        let source = self.graph.nodes[id].inputs[0];
        let bits = self.bits(source, operand);
        let (rows, length) = rows(&self.graph.nodes[id].shape);
        let indices = (0..length).map(|i| i.checked_sub(1)).collect();
        let take = PlanOp::Take { input: bits, axis: 1, indices, fill: Fill::Value(1.0) };
        let moved = self.push(id, vec![rows, length], take);
        let input = self.in_shape(source, operand, &[rows, length]);
        let term = |input, negative| PlanTerm::Scale { input, negative };
        let terms = vec![term(input, false), term(moved, true), term(bits, false)];
        let affine = Affine { terms, bias: vec![0.0; rows], function: PlanFunction::Drop };
        let dropped = self.push(id, vec![rows, length], PlanOp::Affine(affine));
        // The elements that are left are those of the tensor that the first maximum was dropped from.
        let mut whole = source;
        while self.graph.nodes[whole].op == Op::DropMax {
            whole = self.graph.nodes[whole].inputs[0];
        }
        self.nodes[dropped].source = whole;
        self.in_shape(id, dropped, &self.graph.nodes[id].shape)
    }
}

/// Whether an operation keeps the elements, under another shape or in another order.
const fn is_view(op: &Op) -> bool {
    matches!(op, Op::Reshape | Op::Transpose { .. })
}

/// The grid of the input if all that reads it, views aside, quantises it, and alike.
fn input_grid(graph: &Graph) -> Option<Grid> {
    let mut found: Option<Grid> = None;
    let mut views = vec![false; graph.nodes.len()];
    views[graph.input] = true;
    for (id, node) in graph.nodes.iter().enumerate() {
        if !node.inputs.iter().any(|&operand| views[operand]) {
            continue;
        }
        match node.op {
            Op::Quantise { step, lo, hi } => {
                let grid = Grid::new(step, lo, hi);
                if *found.get_or_insert(grid) != grid {
                    return None;
                }
            }
            ref op if is_view(op) => views[id] = true,
            _ => return None,
        }
    }
    found.filter(|_| !views[graph.output])
}

/// Rows and their length: the last axis, and all others together.
fn rows(shape: &[usize]) -> (usize, usize) {
    let length = shape.last().copied().unwrap_or(1);
    (shape.iter().product::<usize>() / length, length)
}
