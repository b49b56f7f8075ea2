//! Errors of the integer network and of its compiler.

use thiserror::Error;

/// An integer network that contradicts itself, or an input it does not accept.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// A node's operand is not an earlier node.
    #[error("node `{node}`: operand {operand} is not an earlier node")]
    Operand {
        /// Name of the node.
        node: String,
        /// Index it refers to.
        operand: usize,
    },
    /// A shape does not follow from the operands.
    #[error("node `{node}`: expected shape {expected}, got {got}")]
    Shape {
        /// Name of the node.
        node: String,
        /// What the operands imply.
        expected: String,
        /// What the node declares.
        got: String,
    },
    /// A parameter is outside what the semantics define.
    #[error("node `{node}`: {what}")]
    Parameter {
        /// Name of the node.
        node: String,
        /// Which parameter, and the values allowed.
        what: String,
    },
    /// A weight tensor has the wrong number of entries.
    #[error("node `{node}`: {tensor} has {got} entries, expected {expected}")]
    WeightCount {
        /// Name of the node.
        node: String,
        /// Which tensor.
        tensor: String,
        /// Entries the architecture implies.
        expected: usize,
        /// Entries found.
        got: usize,
    },
    /// The weights can leave the published quotient interval, so some inputs could not be proved.
    #[error(
        "node `{node}`: the weights allow quotients in [{lo}, {hi}], outside the published interval [{declared_lo}, {declared_hi}]"
    )]
    QuotientBound {
        /// Name of the node.
        node: String,
        /// Least quotient some input in the domain could reach.
        lo: i64,
        /// Greatest quotient.
        hi: i64,
        /// Published lower end.
        declared_lo: i64,
        /// Published upper end.
        declared_hi: i64,
    },
    /// An accumulator could leave 62 bits.
    #[error("node `{node}`: accumulators can exceed 62 bits; use fewer bits for the shift or the activations")]
    Overflow {
        /// Name of the node.
        node: String,
    },
    /// The input has the wrong number of elements.
    #[error("the input has {got} elements, the model takes {expected}")]
    InputLength {
        /// Elements the model takes.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// An input element is outside the declared domain. Which one it is, is not said: inputs may be secret.
    #[error("input element {index} is outside the declared range [{lo}, {hi}]")]
    InputRange {
        /// Position, row-major.
        index: usize,
        /// Least value allowed.
        lo: i64,
        /// Greatest value allowed.
        hi: i64,
    },
}

/// A network that the machine cannot hold.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileError {
    /// The network itself is at fault.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No `k` up to the limit is large enough.
    #[error("the circuit needs {rows} rows and a table of {table} entries; the limit is 2^{limit} rows")]
    TooLarge {
        /// Rows needed.
        rows: usize,
        /// Table entries needed.
        table: usize,
        /// Greatest `k` allowed.
        limit: u32,
    },
    /// The range proof of a model's weights needs more rows than the model has.
    #[error(
        "a range proof of these weights needs {rows} rows and a table of {table} entries, the model has 2^{k} rows; set it up with a layout of more weight lanes, or of greater k"
    )]
    RangeTooLarge {
        /// Rows needed.
        rows: usize,
        /// Table entries needed.
        table: usize,
        /// Logarithm of the model's rows.
        k: u32,
    },
    /// A construction the layouts do not cover.
    #[error("node `{node}`: {what}")]
    Unsupported {
        /// Name of the node.
        node: String,
        /// What is not covered, and the remedy.
        what: String,
    },
}
