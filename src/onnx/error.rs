//! Why a model file was not imported, or not run.

use std::fmt;
use std::path::PathBuf;

use crate::graph::{GraphError, ShapeFault};

/// Longest name or text from a file that a message repeats, in characters.
const LONGEST_NAME: usize = 100;

/// Longest message of the reference runtime that an error repeats, in characters.
const LONGEST_REASON: usize = 400;

/// A name from a file as it may appear in a message: control characters are escaped and the length is bounded, so a
/// hostile file can neither write to the terminal nor fill it.
pub(super) fn printable(name: &str) -> String {
    escaped(name, LONGEST_NAME)
}

/// A message of the reference runtime, which may repeat parts of the file, treated in the same way.
pub(super) fn printable_reason(reason: &str) -> String {
    escaped(reason, LONGEST_REASON)
}

fn escaped(text: &str, longest: usize) -> String {
    let mut shown: String = text.escape_debug().take(longest).collect();
    if text.chars().nth(longest).is_some() {
        shown.push_str("...");
    }
    shown
}

/// One thing about one node that the importer does not support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Name of the node, or of its first output if it has none.
    pub node: String,
    /// ONNX operator of the node, with its domain unless that is the standard one.
    pub operator: String,
    /// The attribute at fault, if it is one.
    pub attribute: Option<String>,
    /// What was found, what is supported, and what to do.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}` ({})", self.node, self.operator)?;
        if let Some(attribute) = &self.attribute {
            write!(f, ", attribute `{attribute}`")?;
        }
        write!(f, ": {}", self.reason)
    }
}

fn list(refused: &[Unsupported]) -> String {
    refused.iter().map(|one| format!("\n  - {one}")).collect()
}

/// What `--dim` may set.
fn open_sizes(known: &[String]) -> String {
    match known {
        [] => "the graph input leaves no size open".to_owned(),
        _ => format!("expected a size of at least 1 for one of {}", quoted(known)),
    }
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Why a model file could not be imported or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file could not be read.
    #[error("cannot read `{path}`: {source}; check the path and its permissions", path = path.display())]
    Io {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not an ONNX model, or the model breaks the rules of ONNX.
    #[error("not a valid ONNX model: {reason}")]
    Malformed {
        /// What is wrong, in a sentence.
        reason: String,
    },
    /// A tensor, or all of them together, or the file exceeds a limit.
    #[error("{what}, more than the limit of {limit}; use a smaller network")]
    TooLarge {
        /// What is too large and how large it is.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A tensor refers to a second file.
    #[error(
        "tensor `{tensor}` keeps its values in another file; export the model with all weights inside the ONNX file"
    )]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
    },
    /// A constant is infinite or not a number.
    #[error(
        "tensor `{tensor}` holds {value} at row-major index {index}; expected finite numbers: retrain or repair the model"
    )]
    NonFinite {
        /// Name of the tensor, or of the node in which folding constants produced it.
        tensor: String,
        /// Row-major position in the tensor.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// The file declares no version of the standard operators, or one whose meaning is not known here.
    #[error("the model declares {declared} of the standard ONNX operators; expected version {min} to {max}: export it again with one of these",
        declared = got.map_or("no version".to_owned(), |version| format!("version {version}")))]
    Opset {
        /// The declared version.
        got: Option<i64>,
        /// Oldest supported version.
        min: i64,
        /// Newest supported version.
        max: i64,
    },
    /// The graph does not have exactly one input that is not an initialiser.
    #[error("expected exactly one graph input, got {count} ({names}); split the network or turn the others into initialisers",
        count = names.len(), names = quoted(names))]
    InputCount {
        /// Names of the inputs.
        names: Vec<String>,
    },
    /// The graph does not have exactly one output.
    #[error("expected exactly one graph output, got {count} ({names}); export the model with the one that is to be proved",
        count = names.len(), names = quoted(names))]
    OutputCount {
        /// Names of the outputs.
        names: Vec<String>,
    },
    /// The graph input does not have a usable shape.
    #[error(
        "graph input `{input}` has the shape {got}; expected 1 to {max_rank} axes of fixed sizes, of which a batch axis in front may be open: export the model with a fixed input shape"
    )]
    InputShape {
        /// Name of the input.
        input: String,
        /// Its shape as declared.
        got: String,
        /// Most axes that a tensor may have.
        max_rank: usize,
    },
    /// A size of the graph input is a name that nothing gives a value.
    #[error(
        "graph input `{input}` leaves its size on axis {axis} open, as `{dimension}`; set it with --dim {dimension}=SIZE"
    )]
    OpenDimension {
        /// Name of the input.
        input: String,
        /// The axis.
        axis: usize,
        /// Name of the size.
        dimension: String,
    },
    /// A size was given for a name that the graph input does not have, or it is not a size.
    #[error("no dimension `{dimension}` can have the size {size}; {}: correct --dim", open_sizes(known))]
    Dimension {
        /// The name that was given.
        dimension: String,
        /// The size that was given.
        size: usize,
        /// Names of the sizes that the graph input leaves open.
        known: Vec<String>,
    },
    /// A tensor has an element type that is not supported where it is used.
    #[error("tensor `{tensor}` has elements of type {got}; expected {expected}: convert the model")]
    ElementType {
        /// Name of the tensor.
        tensor: String,
        /// Its element type in the words of ONNX.
        got: String,
        /// What is supported there.
        expected: &'static str,
    },
    /// Shapes do not fit together at a node.
    #[error("node `{node}` ({operator}): expected {expected}, got {got}; check the shapes in the model")]
    Shape {
        /// Name of the node.
        node: String,
        /// Its ONNX operator.
        operator: String,
        /// The shape that was required.
        expected: String,
        /// The shape that was found.
        got: String,
    },
    /// The model is valid and uses things that the importer does not support; all of them are listed.
    #[error("the model uses {count} thing(s) that are not supported:{list}", count = .0.len(), list = list(.0))]
    Unsupported(Vec<Unsupported>),
    /// The float graph was refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The reference runtime could not load or run the model.
    #[error("the reference runtime failed while {stage}: {reason}")]
    Reference {
        /// What it was doing.
        stage: &'static str,
        /// What it said.
        reason: String,
    },
}

impl OnnxError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        OnnxError::Malformed { reason: reason.into() }
    }

    pub(super) fn shape(node: &str, operator: &str, fault: ShapeFault) -> Self {
        let ShapeFault { expected, got } = fault;
        OnnxError::Shape { node: node.to_owned(), operator: operator.to_owned(), expected, got }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_bounded() {
        assert_eq!(printable("conv1/relu"), "conv1/relu");
        assert_eq!(printable("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
        assert!(printable(&"x".repeat(1000)).chars().count() <= LONGEST_NAME + 3);
    }

    #[test]
    fn every_unsupported_thing_is_listed() {
        let one = |node: &str, attribute: Option<&str>| Unsupported {
            node: node.into(),
            operator: "Sin".into(),
            attribute: attribute.map(str::to_owned),
            reason: "no".into(),
        };
        let text = OnnxError::Unsupported(vec![one("a", None), one("b", Some("axis"))]).to_string();
        assert!(text.contains("2 thing(s)"), "{text}");
        assert!(text.contains("- node `a` (Sin): no") && text.contains("- node `b` (Sin), attribute `axis`: no"));
    }
}
