//! The exact integer network: what is proved.
//!
//! Spec: `docs/spec/network.md`. An [`Architecture`] is public: it is what the compiler sees and what
//! an auditor recompiles. [`Weights`] are kept apart by type, so a circuit cannot depend on them.

mod bounds;
mod executor;
mod validate;

pub use bounds::{affine_quotients, published_interval};
pub use executor::{Trace, execute, execute_batch};
pub use validate::MAX_AXES;

use crate::integer::{Activation, Interval};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use zeroize::Zeroize;

/// Index of a node in [`Architecture::nodes`].
pub type NodeId = usize;

/// The public part of a network: operators, shapes, ranges, published bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Every affine layer divides its accumulator by `2^shift`.
    pub shift: u32,
    /// Nodes in topological order; node 0 is the input, the only [`Op::Input`].
    pub nodes: Vec<Node>,
    /// The node whose tensor is the output.
    pub output: NodeId,
}

/// One tensor and how it comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Name, for messages.
    pub name: String,
    /// Shape without a batch axis, row-major.
    pub shape: Vec<usize>,
    /// Interval of its elements.
    pub range: Interval,
    /// Operator.
    pub op: Op,
}

impl Node {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element; validation refuses that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape as channels, height, width; missing axes are 1, `None` beyond three axes.
    #[must_use]
    pub fn dims(&self) -> Option<[usize; 3]> {
        match self.shape[..] {
            [] => Some([1, 1, 1]),
            [c] => Some([c, 1, 1]),
            [c, h] => Some([c, h, 1]),
            [c, h, w] => Some([c, h, w]),
            _ => None,
        }
    }
}

/// Operators of the integer network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// The network's input.
    Input,
    /// `activation(rescale(sum of terms + bias))`, bias per channel (axis 0).
    Affine {
        /// Linear terms, summed.
        terms: Vec<Term>,
        /// What follows the rescaling.
        activation: Activation,
        /// Published interval that every quotient lies in, for every input in the domain.
        quotient: Interval,
    },
    /// Maximum over non-overlapping windows, `[c, h, w] -> [c, h/kh, w/kw]`; a remainder is dropped.
    MaxPool {
        /// Operand.
        input: NodeId,
        /// Window, equal to the stride.
        kernel: [usize; 2],
    },
    /// The same elements in the same order under another shape.
    Reshape {
        /// Operand.
        input: NodeId,
    },
    /// Axes permuted as in numpy's `transpose`.
    Transpose {
        /// Operand.
        input: NodeId,
        /// Axis `i` of the result is axis `permutation[i]` of the operand.
        permutation: Vec<usize>,
    },
    /// Index `i` of the result on an axis is index `indices[i]` of the operand, or `fill` where there is none.
    Take {
        /// Operand.
        input: NodeId,
        /// The axis.
        axis: usize,
        /// For each index of the result the one of the operand.
        indices: Vec<Option<usize>>,
        /// Value where there is no index.
        fill: i64,
    },
    /// Operands one after the other on an axis.
    Concat {
        /// Operands, one or more.
        inputs: Vec<NodeId>,
        /// The axis.
        axis: usize,
    },
    /// 1 for every element of a row that stands before the first greatest one, else 0: `[rows, n] -> [rows, n]`.
    BeforeMax {
        /// Operand, `[rows, n]`.
        input: NodeId,
        /// A max-pool of the operand, over its rows: `[1, rows, 1]`.
        maximum: NodeId,
    },
}

/// Windows over the last two axes of `[c, h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Elements of a window: height, width.
    pub kernel: [usize; 2],
    /// Steps: vertical, horizontal.
    pub strides: [usize; 2],
    /// Zero padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Distance of neighbouring elements of a window: vertical, horizontal.
    pub dilations: [usize; 2],
}

impl Window {
    /// Windows that tile the plane from its top left.
    #[must_use]
    pub const fn tiles(kernel: [usize; 2]) -> Self {
        Self { kernel, strides: kernel, pads: [0; 4], dilations: [1, 1] }
    }

    /// Whether the windows tile the plane.
    #[must_use]
    pub fn is_tiling(&self) -> bool {
        *self == Self::tiles(self.kernel)
    }

    /// Number of windows on an axis of `length` elements, `None` if none fits.
    #[must_use]
    pub fn count(&self, axis: usize, length: usize) -> Option<usize> {
        let reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1;
        let room = (length + self.pads[axis] + self.pads[axis + 2]).checked_sub(reach)?;
        Some(room / self.strides[axis] + 1)
    }
}

impl Op {
    /// Operands in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Input => vec![],
            Self::Affine { terms, .. } => terms.iter().flat_map(Term::inputs).collect(),
            Self::MaxPool { input, .. }
            | Self::Reshape { input }
            | Self::Transpose { input, .. }
            | Self::Take { input, .. } => vec![*input],
            Self::Concat { inputs, .. } => inputs.clone(),
            Self::BeforeMax { input, maximum } => vec![*input, *maximum],
        }
    }

    /// The same operator with each operand replaced.
    #[must_use]
    pub fn with_inputs(&self, replace: impl Fn(NodeId) -> NodeId) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Input => {}
            Self::Affine { terms, .. } => terms.iter_mut().for_each(|term| term.replace_inputs(&replace)),
            Self::MaxPool { input, .. }
            | Self::Reshape { input }
            | Self::Transpose { input, .. }
            | Self::Take { input, .. } => *input = replace(*input),
            Self::Concat { inputs, .. } => inputs.iter_mut().for_each(|input| *input = replace(*input)),
            Self::BeforeMax { input, maximum } => (*input, *maximum) = (replace(*input), replace(*maximum)),
        }
        op
    }

    /// Whether the operator computes nothing: every element is one of an operand, or a constant.
    #[must_use]
    pub const fn moves(&self) -> bool {
        matches!(self, Self::Reshape { .. } | Self::Transpose { .. } | Self::Take { .. } | Self::Concat { .. })
    }

    /// The operator's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Affine { .. } => "affine",
            Self::MaxPool { .. } => "max-pool",
            Self::Reshape { .. } => "reshape",
            Self::Transpose { .. } => "transpose",
            Self::Take { .. } => "take",
            Self::Concat { .. } => "concat",
            Self::BeforeMax { .. } => "before-max",
        }
    }
}

/// A linear term of an affine layer. Weights are in [`LayerWeights::terms`] at the same position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Term {
    /// Matrix times the flattened operand; weights `[out, in]`.
    Dense {
        /// Operand.
        input: NodeId,
    },
    /// Cross-correlation over `[c, h, w]`; weights `[out, c / groups, kh, kw]`.
    Conv {
        /// Operand.
        input: NodeId,
        /// Kernel, strides, zero padding, dilation.
        window: Window,
        /// Groups of channels; output group `i` reads input group `i` only.
        groups: usize,
    },
    /// `factor` times the operand, element by element; `factor` is public.
    Scale {
        /// Operand.
        input: NodeId,
        /// Factor.
        factor: i64,
    },
    /// `factor` times the sum of each window; `factor` is public.
    SumPool {
        /// Operand.
        input: NodeId,
        /// The windows.
        window: Window,
        /// Factor.
        factor: i64,
    },
    /// `factor` times the product of two operands, element by element; `factor` is public.
    Product {
        /// First operand.
        left: NodeId,
        /// Second operand.
        right: NodeId,
        /// Factor.
        factor: i64,
    },
}

impl Term {
    /// The operand, the first of two.
    #[must_use]
    pub const fn input(&self) -> NodeId {
        match self {
            Self::Dense { input }
            | Self::Conv { input, .. }
            | Self::Scale { input, .. }
            | Self::SumPool { input, .. }
            | Self::Product { left: input, .. } => *input,
        }
    }

    fn replace_inputs(&mut self, replace: impl Fn(NodeId) -> NodeId) {
        match self {
            Self::Dense { input }
            | Self::Conv { input, .. }
            | Self::Scale { input, .. }
            | Self::SumPool { input, .. } => *input = replace(*input),
            Self::Product { left, right, .. } => (*left, *right) = (replace(*left), replace(*right)),
        }
    }

    /// All operands.
    #[must_use]
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Product { left, right, .. } => vec![*left, *right],
            _ => vec![self.input()],
        }
    }

    /// The windows over the operand, for terms that have windows.
    #[must_use]
    pub const fn window(&self) -> Option<&Window> {
        match self {
            Self::Conv { window, .. } | Self::SumPool { window, .. } => Some(window),
            _ => None,
        }
    }

    /// Whether the term is proved as a product of polynomials, which has more coefficients than there are outputs.
    #[must_use]
    pub fn is_polynomial(&self) -> bool {
        match self {
            Self::Conv { .. } => true,
            Self::SumPool { window, .. } => !window.is_tiling(),
            _ => false,
        }
    }
}

/// The private part: integer weights of every affine layer.
///
/// `Debug` shows counts only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Weights by affine node.
    pub layers: BTreeMap<NodeId, LayerWeights>,
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({} values in {} layers)", self.count(), self.layers.len())
    }
}

impl Weights {
    /// Number of integers, biases included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.layers.values().map(LayerWeights::count).sum()
    }
}

/// Weights of one affine layer. `Debug` shows counts only; dropping wipes them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerWeights {
    /// For each term its weights, row-major; empty for terms with public factors.
    pub terms: Vec<Vec<i64>>,
    /// One value an output channel.
    pub bias: Vec<i64>,
}

impl fmt::Debug for LayerWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerWeights({} values)", self.count())
    }
}

impl Drop for LayerWeights {
    fn drop(&mut self) {
        self.terms.zeroize();
        self.bias.zeroize();
    }
}

impl LayerWeights {
    /// Number of integers, bias included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.terms.iter().map(Vec::len).sum::<usize>() + self.bias.len()
    }
}

impl Architecture {
    /// The first node of `other` in which the two differ by more than names and published intervals, and in what; `-` for all of it. If there is
    /// none, weights of one are weights of the other, as far as they keep to its intervals.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(String, &'static str)> {
        if self.shift != other.shift || self.output != other.output || self.nodes.len() != other.nodes.len() {
            return Some(("-".into(), "shift, output or number of nodes"));
        }
        let bare = |op: &Op| match op.clone() {
            Op::Affine { terms, activation, .. } => Op::Affine { terms, activation, quotient: Interval::new(0, 0) },
            op => op,
        };
        self.nodes.iter().zip(&other.nodes).find_map(|(a, b)| {
            let what = if a.shape != b.shape {
                "shape"
            } else if a.range != b.range {
                "range"
            } else if bare(&a.op) != bare(&b.op) {
                "operator, factor or table"
            } else {
                return None;
            };
            Some((b.name.clone(), what))
        })
    }

    /// The shape, ranges and operators are consistent; see [`NetworkError`](crate::NetworkError).
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate(&self) -> Result<(), crate::NetworkError> {
        validate::architecture(self)
    }

    /// The weights fit the architecture, and every quotient stays in its published interval.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate_weights(&self, weights: &Weights) -> Result<(), crate::NetworkError> {
        validate::weights(self, weights)
    }

    /// Number of weights (without bias) of term `term` of affine node `node`.
    #[must_use]
    pub fn term_weights(&self, node: NodeId, term: &Term) -> usize {
        let out = self.nodes[node].shape.first().copied().unwrap_or(1);
        match term {
            Term::Dense { input } => self.nodes[node].len() * self.nodes[*input].len(),
            Term::Conv { input, window, groups } => {
                out * (self.nodes[*input].shape[0] / groups) * window.kernel[0] * window.kernel[1]
            }
            Term::Scale { .. } | Term::SumPool { .. } | Term::Product { .. } => 0,
        }
    }

    /// Nodes that read each node.
    #[must_use]
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![vec![]; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for input in node.op.inputs() {
                consumers[input].push(id);
            }
        }
        consumers
    }
}

/// The tensor whose elements `node`'s are, in the same order: reshapes are looked through.
pub(crate) fn storage(architecture: &Architecture, mut node: NodeId) -> NodeId {
    while let Op::Reshape { input } = architecture.nodes[node].op {
        node = input;
    }
    node
}

/// Where each element of a tensor that moves elements comes from: operand and position in it, or nothing for `fill`.
///
/// `None` for operators that compute.
#[must_use]
pub fn sources(architecture: &Architecture, id: NodeId) -> Option<Vec<Option<(NodeId, usize)>>> {
    let node = &architecture.nodes[id];
    match &node.op {
        Op::Reshape { input } => Some((0..node.len()).map(|i| Some((*input, i))).collect()),
        Op::Transpose { input, permutation } => {
            let order = transpose_order(&architecture.nodes[*input].shape, permutation);
            Some(order.into_iter().map(|i| Some((*input, i))).collect())
        }
        Op::Take { input, axis, indices, .. } => {
            let shape = &architecture.nodes[*input].shape;
            let (length, inner) = (shape[*axis], shape[axis + 1..].iter().product::<usize>());
            let source = |i: usize| {
                let (outer, index, rest) = (i / inner / indices.len(), i / inner % indices.len(), i % inner);
                indices[index].map(|index| (*input, (outer * length + index) * inner + rest))
            };
            Some((0..node.len()).map(source).collect())
        }
        Op::Concat { inputs, axis } => {
            let run = |input: NodeId| architecture.nodes[input].shape[*axis..].iter().product::<usize>();
            let outer = node.shape[..*axis].iter().product::<usize>();
            let rows = (0..outer).flat_map(|row| {
                inputs.iter().flat_map(move |&input| (0..run(input)).map(move |i| Some((input, row * run(input) + i))))
            });
            Some(rows.collect())
        }
        Op::Input | Op::Affine { .. } | Op::MaxPool { .. } | Op::BeforeMax { .. } => None,
    }
}

/// What an element of a tensor is, through all nodes that only move elements: two of the same origin have one value in every execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The element of a node that computes it, or of the input.
    Element(u32, u32),
    /// A constant.
    Constant(i64),
}

type Origins = Vec<Origin>;

/// The origins of every tensor in `wanted`. Cost: one pass over those and the moved tensors that they come from.
#[must_use]
pub(crate) fn origins(architecture: &Architecture, wanted: &BTreeSet<NodeId>) -> HashMap<NodeId, Origins> {
    let moves = |id: NodeId| architecture.nodes[id].op.moves();
    // Operands come first, so what the last ones need is known before it is looked at.
    let mut needed = wanted.clone();
    for id in (0..architecture.nodes.len()).rev().filter(|id| moves(*id)) {
        if needed.contains(&id) {
            needed.extend(architecture.nodes[id].op.inputs().into_iter().filter(|input| moves(*input)));
        }
    }
    let mut known: HashMap<NodeId, Origins> = HashMap::new();
    for id in needed {
        // Nodes and elements are fewer than 2^32 in an architecture that is valid.
        let own = |node: NodeId, index: usize| Origin::Element(node as u32, index as u32);
        let fill = if let Op::Take { fill, .. } = architecture.nodes[id].op { fill } else { 0 };
        let elements = match sources(architecture, id) {
            None => (0..architecture.nodes[id].len()).map(|index| own(id, index)).collect(),
            Some(from) => {
                let origin = |from: Option<(NodeId, usize)>| {
                    let Some((node, index)) = from else { return Origin::Constant(fill) };
                    known.get(&node).map_or_else(|| own(node, index), |origins| origins[index])
                };
                from.into_iter().map(origin).collect()
            }
        };
        known.insert(id, elements);
    }
    known
}

/// Order of a transposed tensor: element `i` of the result is element `order[i]` of the operand.
#[must_use]
fn transpose_order(shape: &[usize], permutation: &[usize]) -> Vec<usize> {
    let indices: Vec<usize> = (0..shape.iter().product()).collect();
    let array = ndarray::ArrayD::from_shape_vec(shape.to_vec(), indices).expect("one index an element");
    array.permuted_axes(permutation).iter().copied().collect()
}
