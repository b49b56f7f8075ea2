//! The exact integer network: what is proved.
//!
//! Spec: `docs/spec/network.md`. An [`Architecture`] is public: it is what the compiler sees and what
//! an auditor recompiles. [`Weights`] are kept apart by type, so a circuit cannot depend on them.

mod bounds;
mod executor;
mod validate;

pub use bounds::{affine_quotients, published_interval};
pub use executor::{Trace, execute};

use crate::integer::{Activation, Interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

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
}

impl Op {
    /// Operands in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Input => vec![],
            Self::Affine { terms, .. } => terms.iter().map(Term::input).collect(),
            Self::MaxPool { input, .. } | Self::Reshape { input } | Self::Transpose { input, .. } => vec![*input],
        }
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
    /// Cross-correlation over `[c, h, w]`; weights `[out, c, kh, kw]`.
    Conv {
        /// Operand.
        input: NodeId,
        /// Kernel height and width.
        kernel: [usize; 2],
        /// Vertical and horizontal stride.
        strides: [usize; 2],
        /// Zero padding: top, left, bottom, right.
        pads: [usize; 4],
    },
    /// `factor` times the operand, element by element; `factor` is public.
    Scale {
        /// Operand.
        input: NodeId,
        /// Factor.
        factor: i64,
    },
    /// `factor` times the sum of each non-overlapping window; `factor` is public.
    SumPool {
        /// Operand.
        input: NodeId,
        /// Window, equal to the stride.
        kernel: [usize; 2],
        /// Factor.
        factor: i64,
    },
}

impl Term {
    /// The operand.
    #[must_use]
    pub const fn input(&self) -> NodeId {
        match self {
            Self::Dense { input }
            | Self::Conv { input, .. }
            | Self::Scale { input, .. }
            | Self::SumPool { input, .. } => *input,
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

/// Weights of one affine layer. `Debug` shows counts only.
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

impl LayerWeights {
    /// Number of integers, bias included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.terms.iter().map(Vec::len).sum::<usize>() + self.bias.len()
    }
}

impl Architecture {
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
            Term::Conv { input, kernel, .. } => out * self.nodes[*input].shape[0] * kernel[0] * kernel[1],
            Term::Scale { .. } | Term::SumPool { .. } => 0,
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

/// Order of a transposed tensor: element `i` of the result is element `order[i]` of the operand.
#[must_use]
pub fn transpose_order(shape: &[usize], permutation: &[usize]) -> Vec<usize> {
    let indices: Vec<usize> = (0..shape.iter().product()).collect();
    let array = ndarray::ArrayD::from_shape_vec(shape.to_vec(), indices).expect("one index an element");
    array.permuted_axes(permutation).iter().copied().collect()
}
