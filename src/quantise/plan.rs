//! The shape of the integer network: which float nodes become one integer node.
//!
//! A plan holds no scale: the same graph gives the same plan whatever the samples and the options are.

use super::{
    error::QuantiseError,
    hoist::{hoist_relus, is_linear, uses},
};
use crate::graph::{Graph, Node, NodeId, Op, rewrite::simplify};
use ndarray::{ArrayD, Axis};

/// Most channels of a scale and shift that stands alone: it becomes a matrix with the square of it in weights.
const MAX_DIAGONAL: usize = 1 << 12;

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
    /// The float node with the same elements in the same order.
    pub source: NodeId,
    pub op: PlanOp,
}

pub(super) enum PlanOp {
    Input,
    Affine(Affine),
    MaxPool { input: PlanId, kernel: [usize; 2] },
    Reshape { input: PlanId },
    Transpose { input: PlanId, permutation: Vec<usize> },
}

/// A sum of linear terms, a bias for each index of axis 0, and perhaps a ReLU.
pub(super) struct Affine {
    pub terms: Vec<PlanTerm>,
    pub bias: Vec<f64>,
    pub relu: bool,
}

pub(super) enum PlanTerm {
    Dense { input: PlanId, weights: Vec<f32> },
    Conv { input: PlanId, weights: Vec<f32>, kernel: [usize; 2], strides: [usize; 2], pads: [usize; 4] },
    Scale { input: PlanId },
    SumPool { input: PlanId, kernel: [usize; 2] },
}

impl PlanTerm {
    pub fn input(&self) -> PlanId {
        match self {
            Self::Dense { input, .. }
            | Self::Conv { input, .. }
            | Self::Scale { input }
            | Self::SumPool { input, .. } => *input,
        }
    }
}

impl Plan {
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

/// What still has to be added to an affine layer: the linear form of a node, or its value as it is.
enum Pending {
    Form(NodeId),
    Value(NodeId),
}

struct Planner<'a> {
    graph: &'a Graph,
    uses: Vec<usize>,
    /// The last reader of each node: the only one where `uses` is 1.
    reader: Vec<Option<NodeId>>,
    nodes: Vec<PlanNode>,
    /// Plan node of each float node. Absorbed ones have none; nothing asks for it.
    placed: Vec<PlanId>,
}

impl<'a> Planner<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut reader = vec![None; graph.nodes.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&operand| reader[operand] = Some(id));
        }
        Self { graph, uses: uses(graph), reader, nodes: vec![], placed: vec![0; graph.nodes.len()] }
    }

    fn place(&mut self, id: NodeId) -> Result<(), QuantiseError> {
        let node = &self.graph.nodes[id];
        let operand = node.inputs.first().map_or(0, |&operand| self.placed[operand]);
        let op = match &node.op {
            Op::Input => PlanOp::Input,
            Op::MaxPool { kernel, strides } => {
                PlanOp::MaxPool { input: operand, kernel: self.window(id, *kernel, *strides)? }
            }
            Op::Reshape => PlanOp::Reshape { input: operand },
            Op::Transpose { perm } => PlanOp::Transpose { input: operand, permutation: perm.clone() },
            _ if self.is_absorbed(id) => return Ok(()),
            _ => return self.place_affine(id),
        };
        self.placed[id] = self.push(id, node.shape.clone(), op);
        Ok(())
    }

    /// Names an affine layer after the last linear node in it, else after its ReLU.
    fn place_affine(&mut self, id: NodeId) -> Result<(), QuantiseError> {
        let node = &self.graph.nodes[id];
        let relu = node.op == Op::Relu;
        let root = match node.inputs.first() {
            Some(&operand) if relu && self.is_absorbed(operand) => operand,
            _ => id,
        };
        let shape = self.affine_shape(root);
        let (terms, bias) = self.linear_form(root, &shape)?;
        let affine = self.push(id, shape, PlanOp::Affine(Affine { terms, bias, relu }));
        self.nodes[affine].name.clone_from(&self.graph.nodes[root].name);
        self.placed[id] = self.in_shape(id, affine, &node.shape);
        Ok(())
    }

    fn push(&mut self, source: NodeId, shape: Vec<usize>, op: PlanOp) -> PlanId {
        self.nodes.push(PlanNode { name: self.graph.nodes[source].name.clone(), shape, source, op });
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

    /// Whether the only reader of a linear node takes it into an affine layer of its own.
    ///
    /// An average pool is not taken into a sum: the rounding error of its factor would count once a window element.
    fn is_absorbed(&self, id: NodeId) -> bool {
        let op = &self.graph.nodes[id].op;
        let (1, Some(reader), true) = (self.uses[id], self.reader[id], is_linear(op)) else { return false };
        match &self.graph.nodes[reader].op {
            Op::Relu => true,
            Op::Add | Op::AddConstant { .. } if matches!(op, Op::AveragePool { .. }) => false,
            Op::Add | Op::AddConstant { .. } => self.affine_shape(id) == self.affine_shape(reader),
            _ => false,
        }
    }

    /// The shape in which the affine layer of a node is computed: at most three axes, the bias along the first.
    fn affine_shape(&self, id: NodeId) -> Vec<usize> {
        let node = &self.graph.nodes[id];
        match (&node.op, &node.shape[..]) {
            (Op::AddConstant { values }, _) if per_channel(values).is_none() => vec![values.len()],
            (Op::ScaleShift { .. }, [c, h]) => vec![*c, *h, 1],
            (_, [c, rest @ ..]) if rest.len() > 2 => vec![*c, rest.iter().product(), 1],
            (_, shape) => shape.to_vec(),
        }
    }

    /// The terms and the bias of a linear node, those of the nodes it absorbs included; a standalone ReLU is its
    /// operand. A worklist, because a file may hold a chain of additions of any length.
    fn linear_form(&mut self, root: NodeId, shape: &[usize]) -> Result<(Vec<PlanTerm>, Vec<f64>), QuantiseError> {
        let (mut terms, mut bias) = (vec![], vec![0.0; shape[0]]);
        let mut pending = vec![Pending::Form(root)];
        while let Some(next) = pending.pop() {
            let id = match next {
                Pending::Form(id) => id,
                Pending::Value(id) => {
                    terms.push(PlanTerm::Scale { input: self.operand(id, shape) });
                    continue;
                }
            };
            let node = &self.graph.nodes[id];
            if let Op::Add | Op::AddConstant { .. } | Op::Relu = node.op {
                let absorbed =
                    |operand| if self.is_absorbed(operand) { Pending::Form(operand) } else { Pending::Value(operand) };
                pending.extend(node.inputs.iter().rev().map(|&operand| absorbed(operand)));
            } else {
                terms.push(self.term(id, shape)?);
            }
            add_bias(&mut bias, &node.op);
        }
        Ok((terms, bias))
    }

    fn operand(&mut self, id: NodeId, shape: &[usize]) -> PlanId {
        self.in_shape(id, self.placed[id], shape)
    }

    /// The term of a node that computes with weights or pools.
    fn term(&mut self, id: NodeId, shape: &[usize]) -> Result<PlanTerm, QuantiseError> {
        let node = &self.graph.nodes[id];
        let operand = node.inputs.first().copied().unwrap_or(0);
        let input = self.placed[operand];
        match &node.op {
            Op::Dense { weights, .. } => Ok(PlanTerm::Dense { input, weights: weights.iter().copied().collect() }),
            Op::Conv { weights, strides, pads, .. } => {
                let (_, _, height, width) = weights.dim();
                let (kernel, strides, pads) = ([height, width], *strides, *pads);
                Ok(PlanTerm::Conv { input, weights: weights.iter().copied().collect(), kernel, strides, pads })
            }
            Op::AveragePool { kernel, strides } => {
                Ok(PlanTerm::SumPool { input, kernel: self.window(id, *kernel, *strides)? })
            }
            Op::ScaleShift { scale, .. } => {
                let weights = diagonal(scale).ok_or_else(|| too_many_channels(node, scale.len()))?;
                let input = self.operand(operand, shape);
                Ok(match shape.len() {
                    1 => PlanTerm::Dense { input, weights },
                    _ => PlanTerm::Conv { input, weights, kernel: [1, 1], strides: [1, 1], pads: [0; 4] },
                })
            }
            other => Err(QuantiseError::Unsupported {
                node: node.name.clone(),
                operator: other.name(),
                expected: "a linear operation".into(),
                got: other.name().into(),
                remedy: "report this graph: its plan is inconsistent",
            }),
        }
    }

    /// The window of a pool whose windows tile the image.
    fn window(&self, id: NodeId, kernel: [usize; 2], strides: [usize; 2]) -> Result<[usize; 2], QuantiseError> {
        let node = &self.graph.nodes[id];
        let operand = node.inputs.first().map_or(&[][..], |&operand| &self.graph.nodes[operand].shape);
        // With a single window on an axis the stride is never taken.
        let tiles = |axis: usize| {
            strides[axis] == kernel[axis]
                || (node.shape[axis + 1] == 1
                    && operand.get(axis + 1).is_some_and(|&length| length / kernel[axis] == 1))
        };
        if tiles(0) && tiles(1) {
            return Ok(kernel);
        }
        Err(QuantiseError::Unsupported {
            node: node.name.clone(),
            operator: node.op.name(),
            expected: "windows that do not overlap and leave no gap (strides equal to the kernel)".into(),
            got: format!("kernel {kernel:?} with strides {strides:?}"),
            remedy: "set the strides to the kernel and train again, or use a convolution with a stride instead",
        })
    }
}

/// The values of an [`Op::AddConstant`] by index of axis 0, if they do not vary within one.
fn per_channel(values: &ArrayD<f32>) -> Option<Vec<f32>> {
    values
        .axis_iter(Axis(0))
        .map(|channel| channel.iter().copied().reduce(|a, b| if a == b { a } else { f32::NAN }).filter(|v| !v.is_nan()))
        .collect()
}

fn add_bias(bias: &mut [f64], op: &Op) {
    let mut add = |values: &mut dyn Iterator<Item = &f32>| {
        bias.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
    };
    match op {
        Op::Dense { bias, .. } | Op::Conv { bias, .. } => add(&mut bias.iter()),
        Op::ScaleShift { shift, .. } => add(&mut shift.iter()),
        Op::AddConstant { values } => match per_channel(values) {
            Some(summands) => add(&mut summands.iter()),
            None => add(&mut values.iter()),
        },
        _ => {}
    }
}

/// The matrix that scales each channel by its factor, or `None` if it would be too large.
fn diagonal(scale: &[f32]) -> Option<Vec<f32>> {
    if scale.len() > MAX_DIAGONAL {
        return None;
    }
    let mut matrix = vec![0.0; scale.len() * scale.len()];
    matrix.iter_mut().step_by(scale.len() + 1).zip(scale).for_each(|(entry, &factor)| *entry = factor);
    Some(matrix)
}

fn too_many_channels(node: &Node, channels: usize) -> QuantiseError {
    QuantiseError::Unsupported {
        node: node.name.clone(),
        operator: node.op.name(),
        expected: format!("at most {MAX_DIAGONAL} channels where it cannot be folded into a layer before it"),
        got: channels.to_string(),
        remedy: "place it after a convolution or a dense layer that nothing else reads",
    }
}
