//! What can be wrong with a float graph or with the values fed to it.

use super::NodeId;

/// A fault of a [`Graph`](super::Graph) or of the values it is run on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The input or output of the graph is not one of its nodes.
    #[error("the graph refers to node {id} but has {nodes} nodes; rebuild it from the model file")]
    NoSuchNode {
        /// The position that was referred to.
        id: NodeId,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A node other than the declared input is an input, or the declared input is something else.
    #[error(
        "node `{node}` (position {id}) contradicts the declared input at position {input}; exactly one node is the input"
    )]
    InputNode {
        /// Name of the node.
        node: String,
        /// Position of the node.
        id: NodeId,
        /// Position of the declared input.
        input: NodeId,
    },
    /// A node uses a value that is not computed before it.
    #[error(
        "node `{node}` (position {id}) uses node {operand}, which does not come before it; sort the nodes topologically"
    )]
    Order {
        /// Name of the node.
        node: String,
        /// Position of the node.
        id: NodeId,
        /// Position of the operand.
        operand: NodeId,
    },
    /// Shapes of operands, parameters and result do not fit together.
    #[error("node `{node}` ({operator}): expected {expected}, got {got}; check the shapes in the model")]
    Shape {
        /// Name of the node.
        node: String,
        /// Name of its operation.
        operator: &'static str,
        /// The shape that was required.
        expected: String,
        /// The shape that was found.
        got: String,
    },
    /// An output form that the output does not have.
    #[error("output form `{form}`: expected {expected} for an output of {elements} elements")]
    Form {
        /// The form.
        form: String,
        /// What it may say.
        expected: String,
        /// Elements of the output.
        elements: usize,
    },
    /// The values of the graph are larger than the limit.
    #[error("with node `{node}` the values of the network exceed {limit} elements; use a smaller network")]
    TooLarge {
        /// Name of the node at which the limit was passed.
        node: String,
        /// The limit, in elements of all values together.
        limit: usize,
    },
    /// The windows of the graph look at more elements than the limit.
    #[error(
        "with node `{node}` the windows of the network look at more than {limit} elements for one input; use a smaller network"
    )]
    TooMuchWork {
        /// Name of the node at which the limit was passed.
        node: String,
        /// The limit, in elements of all windows together.
        limit: usize,
    },
    /// The value fed to the network does not have the shape of its input.
    #[error("the network takes an input of shape {expected:?} without a batch axis, got {got:?}; reshape the input")]
    InputShape {
        /// Shape of the network's input.
        expected: Vec<usize>,
        /// Shape of the value.
        got: Vec<usize>,
    },
    /// A value is infinite or not a number.
    #[error(
        "node `{node}` ({operator}) yields {value} at row-major index {index}; expected a finite number: rescale the input or the weights"
    )]
    NonFinite {
        /// Name of the node.
        node: String,
        /// Name of its operation.
        operator: &'static str,
        /// Row-major position in the node's value.
        index: usize,
        /// What stands there.
        value: f32,
    },
}
