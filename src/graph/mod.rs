//! The float graph: what an imported network computes, before it becomes an integer model.
//!
//! A [`Graph`] is a list of [`Node`]s in topological order. Every tensor is `f32` and its shape leaves out the
//! batch axis: an image is `[channels, height, width]`, a vector is `[length]`. The graph is plain data with public
//! fields; [`Graph::check`] states what a well-formed one is, and everything that evaluates or rewrites a graph
//! checks first.

mod error;
mod evaluate;
pub(crate) mod grid;
mod output;
pub mod rewrite;
mod shape;

pub use error::GraphError;
pub use output::OutputForm;
pub use shape::{MAX_ELEMENTS, MAX_WORK, ShapeFault, element_count};

pub use inferproof_circuits::network::Window;

use inferproof_circuits::formula::Formula;
use ndarray::{Array1, Array2, Array4, ArrayD};

/// Position of a node in [`Graph::nodes`].
pub type NodeId = usize;

/// What a node computes from the values of its inputs.
///
/// Shapes below are without the batch axis.
#[derive(Clone, PartialEq)]
pub enum Op {
    /// The input of the network; has no inputs, and its shape is the shape of the node.
    Input,
    /// `y = W x + b` for a vector `x`: `[in] -> [out]`.
    Dense {
        /// `W`, of shape `[out, in]`.
        weights: Array2<f32>,
        /// `b`, of shape `[out]`.
        bias: Array1<f32>,
    },
    /// Two-dimensional cross-correlation with zero padding: `[c, h, w] -> [o, h', w']`.
    Conv {
        /// Kernels, of shape `[o, c / groups, kh, kw]`.
        weights: Array4<f32>,
        /// One value per output channel, of shape `[o]`.
        bias: Array1<f32>,
        /// Steps in pixels: vertical, horizontal.
        strides: [usize; 2],
        /// Zero pixels added around the image: top, left, bottom, right.
        pads: [usize; 4],
        /// Distance in pixels of neighbouring kernel elements: vertical, horizontal.
        dilations: [usize; 2],
        /// Output channels `i o / groups ..` read the input channels `i c / groups ..` only, `i < groups`.
        groups: usize,
    },
    /// `y = scale[c] * x + shift[c]`, where `c` is the index on axis 0; keeps the shape.
    ScaleShift {
        /// One factor per index of axis 0.
        scale: Vec<f32>,
        /// One summand per index of axis 0.
        shift: Vec<f32>,
    },
    /// `y = x + values`, element by element; keeps the shape.
    AddConstant {
        /// The summands, of the shape of the node (already broadcast).
        values: ArrayD<f32>,
    },
    /// `y = x * values`, element by element; keeps the shape.
    MulConstant {
        /// The factors, of the shape of the node (already broadcast).
        values: ArrayD<f32>,
    },
    /// Sum of two inputs of equal shape.
    Add,
    /// First input less the second, of equal shape.
    Sub,
    /// Product of two inputs of equal shape, element by element.
    Mul,
    /// `max(x, 0)` element by element; keeps the shape.
    Relu,
    /// A function of each element; keeps the shape.
    Unary(Formula),
    /// Largest value of each window: `[c, h, w] -> [c, h', w']`. Padding is never the largest; every window has an
    /// element that is not padding.
    MaxPool(Window),
    /// Sum of each window over a divisor: `[c, h, w] -> [c, h', w']`. Padding counts as 0.
    SumPool {
        /// The windows.
        window: Window,
        /// What each sum is divided by: the number of elements of a window for a mean.
        divisor: f32,
    },
    /// 1 for each element of a row (last axis) that stands before the first largest one of the row, else 0; keeps
    /// the shape.
    BeforeMax,
    /// Each row (last axis) with its first largest element replaced by the least finite float; keeps the shape.
    DropMax,
    /// To a multiple of a step: `step * min(max(round(x / step), lo), hi)`, halves to the even one; keeps the shape.
    Quantise {
        /// The step, positive.
        step: f32,
        /// Least multiple.
        lo: i32,
        /// Greatest multiple.
        hi: i32,
    },
    /// Two-dimensional cross-correlation of integers: `[c, h, w] -> [o, h', w']`. The operand is `operand_step` times
    /// integers (it is quantised), and the result of channel `i` is `steps[i]` times an integer: the exact sum.
    IntegerConv {
        /// Kernels, of shape `[o, c / groups, kh, kw]`.
        weights: Array4<i32>,
        /// One integer per output channel.
        bias: Vec<i64>,
        /// Real value of one unit of the operand.
        operand_step: f32,
        /// Real value of one unit of the result, per output channel.
        steps: Vec<f64>,
        /// Kernel, strides, zero padding, dilation.
        window: Window,
        /// Groups of channels, as in [`Op::Conv`].
        groups: usize,
    },
    /// The integers of a quantised tensor under another step: `(round(x / from) + shift) * to`; keeps the shape.
    Restep {
        /// Step of the operand.
        from: f32,
        /// Added to each integer.
        shift: i32,
        /// Step of the result.
        to: f32,
    },
    /// The same elements in row-major order under the shape of the node.
    Reshape,
    /// Axis `i` of the result is axis `perm[i]` of the input.
    Transpose {
        /// A permutation of the axes, none of which is the batch axis.
        perm: Vec<usize>,
    },
    /// The result's index `i` on an axis is the input's index `indices[i]`, or `fill` where there is none.
    Take {
        /// The axis.
        axis: usize,
        /// For each index of the result the one of the input.
        indices: Vec<Option<usize>>,
        /// Value where there is no index.
        fill: f32,
    },
    /// One or more inputs, one after the other on an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
}

impl std::fmt::Debug for Op {
    /// The operation's name: weights may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Op {
    /// Name of the operation, for messages and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input => "Input",
            Op::Dense { .. } => "Dense",
            Op::Conv { .. } => "Conv",
            Op::ScaleShift { .. } => "ScaleShift",
            Op::AddConstant { .. } => "AddConstant",
            Op::MulConstant { .. } => "MulConstant",
            Op::Add => "Add",
            Op::Sub => "Sub",
            Op::Mul => "Mul",
            Op::Relu => "Relu",
            Op::Unary(formula) => formula.name(),
            Op::MaxPool(_) => "MaxPool",
            Op::SumPool { .. } => "SumPool",
            Op::BeforeMax => "BeforeMax",
            Op::DropMax => "DropMax",
            Op::Quantise { .. } => "Quantise",
            Op::IntegerConv { .. } => "IntegerConv",
            Op::Restep { .. } => "Restep",
            Op::Reshape => "Reshape",
            Op::Transpose { .. } => "Transpose",
            Op::Take { .. } => "Take",
            Op::Concat { .. } => "Concat",
        }
    }

    /// Number of constants the operation holds: weights, biases, factors and summands.
    pub fn parameter_count(&self) -> usize {
        match self {
            Op::Dense { weights, bias } => weights.len() + bias.len(),
            Op::Conv { weights, bias, .. } => weights.len() + bias.len(),
            Op::ScaleShift { scale, shift } => scale.len() + shift.len(),
            Op::AddConstant { values } | Op::MulConstant { values } => values.len(),
            Op::IntegerConv { weights, bias, .. } => weights.len() + bias.len(),
            Op::Take { indices, .. } => indices.len(),
            _ => 0,
        }
    }

    /// Number of inputs a node with this operation has; `None` for one or more.
    pub fn arity(&self) -> Option<usize> {
        match self {
            Op::Input => Some(0),
            Op::Add | Op::Sub | Op::Mul => Some(2),
            Op::Concat { .. } => None,
            _ => Some(1),
        }
    }
}

/// One operation and where its operands come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name from the model file, for messages; need not be unique.
    pub name: String,
    /// What the node computes.
    pub op: Op,
    /// Operands, all of them earlier in the graph.
    pub inputs: Vec<NodeId>,
    /// Shape of the result, without the batch axis.
    pub shape: Vec<usize>,
}

/// A network with one input and one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The nodes in topological order.
    pub nodes: Vec<Node>,
    /// The only node whose operation is [`Op::Input`].
    pub input: NodeId,
    /// The node whose value is the result.
    pub output: NodeId,
}

impl Graph {
    /// Shape of the network's input without the batch axis; empty if the graph is not well-formed.
    pub fn input_shape(&self) -> &[usize] {
        self.shape_of(self.input)
    }

    /// Shape of the network's output without the batch axis; empty if the graph is not well-formed.
    pub fn output_shape(&self) -> &[usize] {
        self.shape_of(self.output)
    }

    fn shape_of(&self, id: NodeId) -> &[usize] {
        self.nodes.get(id).map_or(&[], |node| node.shape.as_slice())
    }

    /// Checks that the graph is well-formed: operands come before their node, there is exactly one input, every
    /// shape is the one that its operation yields, the values together stay within [`MAX_ELEMENTS`], and what windows look at within [`MAX_WORK`].
    ///
    /// Does NOT check that weights and constants are finite: the importer refuses such weights, and evaluation refuses
    /// such values. Divisors, fill values and parameters of functions are checked.
    ///
    /// # Errors
    /// The [`GraphError`] of the first node at fault.
    pub fn check(&self) -> Result<(), GraphError> {
        if self.output >= self.nodes.len() {
            return Err(GraphError::NoSuchNode { id: self.output, nodes: self.nodes.len() });
        }
        let (mut elements, mut work) = (0usize, 0usize);
        for (id, node) in self.nodes.iter().enumerate() {
            if (node.op == Op::Input) != (id == self.input) {
                return Err(GraphError::InputNode { node: node.name.clone(), id, input: self.input });
            }
            self.check_node(id, node)?;
            elements = element_count(&node.shape)
                .and_then(|count| elements.checked_add(count))
                .filter(|&total| total <= MAX_ELEMENTS)
                .ok_or_else(|| GraphError::TooLarge { node: node.name.clone(), limit: MAX_ELEMENTS })?;
            work = work.saturating_add(node.op.work(&node.shape));
            if work > MAX_WORK {
                return Err(GraphError::TooMuchWork { node: node.name.clone(), limit: MAX_WORK });
            }
        }
        if self.input >= self.nodes.len() {
            return Err(GraphError::NoSuchNode { id: self.input, nodes: self.nodes.len() });
        }
        Ok(())
    }

    fn check_node(&self, id: NodeId, node: &Node) -> Result<(), GraphError> {
        let mut shapes = Vec::with_capacity(node.inputs.len());
        for &operand in &node.inputs {
            match self.nodes.get(operand) {
                Some(earlier) if operand < id => shapes.push(earlier.shape.as_slice()),
                _ => return Err(GraphError::Order { node: node.name.clone(), id, operand }),
            }
        }
        let fault = |fault: ShapeFault| GraphError::Shape {
            node: node.name.clone(),
            operator: node.op.name(),
            expected: fault.expected,
            got: fault.got,
        };
        let shape = node.op.result_shape(&shapes, &node.shape).map_err(fault)?;
        if shape == node.shape {
            return Ok(());
        }
        Err(fault(ShapeFault {
            expected: format!("a result of shape {shape:?}"),
            got: format!("the declared shape {:?}", node.shape),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: Op, inputs: &[NodeId], shape: &[usize]) -> Node {
        Node { name: "n".into(), op, inputs: inputs.to_vec(), shape: shape.to_vec() }
    }

    fn graph(nodes: Vec<Node>) -> Graph {
        let output = nodes.len() - 1;
        Graph { nodes, input: 0, output }
    }

    #[test]
    fn a_well_formed_graph_passes() {
        let graph = graph(vec![node(Op::Input, &[], &[3]), node(Op::Relu, &[0], &[3])]);
        graph.check().unwrap();
        assert_eq!(graph.input_shape(), &[3]);
        assert_eq!(graph.output_shape(), &[3]);
    }

    #[test]
    fn an_operand_that_comes_later_is_refused() {
        let graph = graph(vec![node(Op::Input, &[], &[3]), node(Op::Relu, &[1], &[3])]);
        assert!(matches!(graph.check(), Err(GraphError::Order { id: 1, operand: 1, .. })));
    }

    #[test]
    fn a_second_input_node_is_refused() {
        let graph = graph(vec![node(Op::Input, &[], &[3]), node(Op::Input, &[], &[3])]);
        assert!(matches!(graph.check(), Err(GraphError::InputNode { id: 1, .. })));
    }

    #[test]
    fn indices_outside_the_graph_are_refused() {
        let mut graph = graph(vec![node(Op::Input, &[], &[3])]);
        graph.output = 7;
        assert!(matches!(graph.check(), Err(GraphError::NoSuchNode { id: 7, nodes: 1 })));
    }

    #[test]
    fn a_wrong_declared_shape_is_refused() {
        let graph = graph(vec![node(Op::Input, &[], &[3]), node(Op::Relu, &[0], &[4])]);
        assert!(matches!(graph.check(), Err(GraphError::Shape { operator: "Relu", .. })));
    }

    #[test]
    fn values_that_are_too_large_together_are_refused() {
        let shape = [MAX_ELEMENTS / 2 + 1];
        let graph = graph(vec![node(Op::Input, &[], &shape), node(Op::Relu, &[0], &shape)]);
        assert!(matches!(graph.check(), Err(GraphError::TooLarge { .. })));
    }

    /// Guards: weights in a message or a log.
    #[test]
    fn printing_shows_no_weights() {
        let weights = Array2::from_elem((1, 1), 0.123_456_7);
        let dense = Op::Dense { weights, bias: Array1::from_elem(1, 0.765_432_1) };
        let graph = graph(vec![node(Op::Input, &[], &[1]), node(dense, &[0], &[1])]);
        let printed = format!("{graph:?}");
        assert!(printed.contains("Dense") && !printed.contains("1234") && !printed.contains("7654"), "{printed}");
    }

    #[test]
    fn windows_that_look_at_too_much_are_refused() {
        let pool = |side: usize| {
            let window = Window { kernel: [side; 2], strides: [1; 2], pads: [0; 4], dilations: [1; 2] };
            let input = [1, 4096, 4096];
            let result = [1, 4097 - side, 4097 - side];
            graph(vec![node(Op::Input, &[], &input), node(Op::MaxPool(window), &[0], &result)]).check()
        };
        pool(64).unwrap();
        assert!(matches!(pool(2048), Err(GraphError::TooMuchWork { limit: MAX_WORK, .. })));
    }
}
