//! What can go wrong between a float graph and its integer network.

use crate::graph::GraphError;
use crate::model::{ModelError, place};
use inferproof_circuits::NetworkError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// An array of an archive as messages name it; `-` stands for that of a `.npy` file.
fn member(array: &str) -> String {
    if array == "-" { String::new() } else { format!(", array `{array}`") }
}

/// Why a graph could not be quantised, or a quantised model not be compared with its graph.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantiseError {
    /// The float graph, or a sample run through it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The samples.
    #[error(transparent)]
    Samples(#[from] SampleError),
    /// The integer network that came out contradicts itself.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The quantised model, or an input of it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An option outside its range.
    #[error("option `{option}`: expected {expected}, got {got}")]
    Option {
        /// Name of the field of [`QuantiseOptions`](super::QuantiseOptions).
        option: &'static str,
        /// The values allowed.
        expected: &'static str,
        /// The value given.
        got: String,
    },
    /// An operation the integer network has no form for.
    #[error("node `{node}` ({operator}): expected {expected}, got {got}; {remedy}")]
    Unsupported {
        /// Name of the node.
        node: String,
        /// Name of its operation.
        operator: &'static str,
        /// What is supported.
        expected: String,
        /// What the node has.
        got: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A weight or bias that its integer form cannot hold. The message gives its size only: weights are secret.
    #[error(
        "node `{node}` (affine): expected every {what} within 2^{limit}, got one that needs 2^{bits}; use a smaller \
         shift, or samples on which the node's operands and result have comparable sizes"
    )]
    TooLarge {
        /// Name of the node.
        node: String,
        /// Whether it is a weight, a factor or a bias.
        what: &'static str,
        /// log2 of the greatest magnitude allowed.
        limit: u32,
        /// log2 of the magnitude found, rounded up.
        bits: u32,
    },
    /// A public factor so small that it rounds to nothing.
    #[error(
        "node `{node}` (affine): expected a factor of at least 1 after scaling by 2^{shift}, got {got:.3e}; use a \
         larger shift or a smaller pooling window"
    )]
    FactorVanishes {
        /// Name of the node.
        node: String,
        /// The model's shift.
        shift: u32,
        /// The factor before rounding.
        got: f64,
    },
    /// A layer of a model that comes quantised rounds in a way that no multiplication and shift gives.
    #[error(
        "node `{node}`: expected a shift at which it rounds exactly as the model says, got {shift}; {}",
        needed.map_or("halves are rounded to the even integer on both sides there, as scales are in a ratio of a power of \
        two; change one of the scales slightly".into(), |needed| format!("use a shift of {needed}"))
    )]
    Inexact {
        /// Name of the node.
        node: String,
        /// The model's shift.
        shift: u32,
        /// The least shift that will do, if there is one.
        needed: Option<u32>,
    },
    /// The static bound on a layer's quotients is too wide.
    #[error(
        "node `{node}` (affine): expected quotients in at most {limit} integers, got the interval [{lo}, {hi}] of \
         {entries}; use fewer activation bits, or more calibration samples if few exercise the node (a larger shift \
         does not help)"
    )]
    WideQuotients {
        /// Name of the node.
        node: String,
        /// Lower end of the published interval.
        lo: i64,
        /// Upper end of the published interval.
        hi: i64,
        /// Integers in it.
        entries: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A graph that is no version of an earlier model.
    #[error(
        "{} has another {what} than in the earlier model, so this is no version of it; quantise it by itself",
        place(node)
    )]
    OtherNetwork {
        /// Name of the node, `-` for the network as a whole.
        node: String,
        /// In what it differs.
        what: &'static str,
    },
    /// Weights that the earlier model's published intervals have no room for. The message says how much they need, rounded as what is published.
    #[error(
        "node `{node}`: the new weights need quotients in [{lo}, {hi}], the earlier model publishes {published:?}; quantise that one with more `headroom`, or this one by itself"
    )]
    Outgrown {
        /// Name of the node.
        node: String,
        /// Least quotient, rounded.
        lo: i64,
        /// Greatest quotient, rounded.
        hi: i64,
        /// What there is room for.
        published: (i64, i64),
    },
    /// No setting of bits and shift meets the targets of a search.
    #[error(
        "targets {targets}: met by none of {tried} settings; the nearest, activation_bits {activation_bits} and shift \
         {shift}, has {got}; {limits}; {remedy}"
    )]
    TargetsMissed {
        /// The targets.
        targets: String,
        /// Number of settings tried.
        tried: usize,
        /// Bits of the setting that came nearest.
        activation_bits: u32,
        /// Its shift.
        shift: u32,
        /// What it reaches, target by target.
        got: String,
        /// The layer that loses most there, and what is cut off.
        limits: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The model given is not one of the graph given.
    #[error("node `{node}`: expected {expected} from the graph, got {got} in the model; quantise the graph again")]
    OtherGraph {
        /// Name of the first node that differs.
        node: String,
        /// What the graph gives.
        expected: String,
        /// What the model has.
        got: String,
    },
}

impl QuantiseError {
    /// Whether other bits or another shift may do where these do not.
    pub(super) const fn is_about_settings(&self) -> bool {
        matches!(
            self,
            Self::Unsupported { .. }
                | Self::TooLarge { .. }
                | Self::FactorVanishes { .. }
                | Self::Inexact { .. }
                | Self::WideQuotients { .. }
                | Self::Network(_)
                | Self::Model(_)
        )
    }
}

/// Why samples, or one input, could not be read. Every variant that is about a file names it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The operating system refused.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Too many bytes for a file of samples.
    #[error("{}: expected at most {limit} bytes, unpacked and as 32-bit numbers, got more; use fewer samples", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// Not a NumPy file, or a damaged one.
    #[error("{}: expected a .npy or .npz file, got {got}; save it with numpy.save or numpy.savez", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with the bytes.
        got: String,
    },
    /// An array that cannot be read: of another element type, cut short, or damaged.
    #[error(
        "{}{}: expected floats or integers of at most 64 bits, got {got}; save it again, converted with \
         astype('float32') if it is of another type",
        path.display(), member(array)
    )]
    Array {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: String,
        /// What is wrong with it.
        got: String,
    },
    /// An array of another shape than samples of this network.
    #[error("{}{}: expected shape {expected}, got {got:?}; reshape it", path.display(), member(array))]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: String,
        /// The shapes accepted.
        expected: String,
        /// The shape found.
        got: Vec<usize>,
    },
    /// A number that is infinite or not a number.
    #[error("{}{}: expected finite numbers, got {got} at row-major index {index}", path.display(), member(array))]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: String,
        /// Row-major position.
        index: usize,
        /// What stands there.
        got: f32,
    },
    /// Labels that do not belong to the samples.
    #[error("labels: expected {expected}, got {got}")]
    Labels {
        /// What is needed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A sample given in memory that the network does not take.
    #[error("sample {index}: expected finite numbers of shape {expected:?}, got {got}")]
    Sample {
        /// Position of the sample.
        index: usize,
        /// Shape of the network's input.
        expected: Vec<usize>,
        /// Its shape, or the number that is not finite.
        got: String,
    },
    /// No sample at all.
    #[error("{origin}: expected at least one sample, got none")]
    Empty {
        /// The file, or a word for samples given in memory.
        origin: String,
    },
}
