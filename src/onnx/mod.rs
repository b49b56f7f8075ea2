//! Import of ONNX files into the float graph.
//!
//! The file is decoded with the protobuf types of tract, and every node is then built by a function of our own, chosen
//! by a [`Registry`] of operators. A builder knows all attributes of its operator: one that it does not know, or a
//! value that it does not support, is refused by name instead of being passed over. All refusals of a model are
//! reported together, in [`OnnxError::Unsupported`].
//!
//! A model has one input and one output. Builders work with the shapes of ONNX; the float graph leaves out the first
//! axis of a shape if it is a batch axis of size 1, and has the same elements in the same order. An operator of ONNX may
//! become several nodes of the graph, and one whose inputs are constants becomes none.
//!
//! A model that comes quantised keeps its integers: a tensor of integers is a value `(q - zero point) * scale` that is
//! known to be one, and a layer between quantised operands becomes one of integers
//! ([`IntegerConv`](crate::graph::Op::IntegerConv)). Where the graph's output is a tensor of integers, it is `q` itself.
//!
//! Files come from outside and nothing here panics on them: sizes are checked before memory is taken, and the code of
//! tract runs behind a barrier that turns its panics into errors.
//!
//! [`Reference`] runs the same file in tract, as an oracle for the whole of this.

mod affine;
mod attributes;
mod broadcast;
mod builders;
mod constant;
mod context;
mod draft;
mod error;
mod exact;
mod fields;
mod fold;
mod import;
mod integers;
mod layer;
mod matrix;
mod model;
mod reference;
mod registry;
mod steps;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use crate::graph::Graph;

pub use error::{OnnxError, Unsupported};
pub use import::{Import, ImportOptions};
pub use model::{MAX_FIELDS, MAX_FILE_BYTES, MAX_OPSET, MIN_OPSET};
pub use reference::Reference;
pub use registry::Registry;

/// Imports the bytes of an ONNX file.
///
/// The graph has the nodes of the file that the output depends on, with shapes without a batch axis of 1; nodes that
/// compute nothing, such as `Identity`, are left out. Names are those of the file, with control characters escaped.
///
/// # Errors
/// [`OnnxError`]: malformed bytes, a limit that is exceeded, or everything in the model that is not supported.
pub fn import(bytes: &[u8]) -> Result<Graph, OnnxError> {
    import_with(bytes, &ImportOptions::default()).map(|import| import.graph)
}

/// Imports the bytes of an ONNX file with sizes that it leaves open, and also tells what it said about the network.
///
/// # Errors
/// As [`import`](fn@import).
pub fn import_with(bytes: &[u8], options: &ImportOptions) -> Result<Import, OnnxError> {
    let model = model::decode(bytes)?;
    let header = model::Header::read(&model, options)?;
    import::build(&model, &header, &Registry::standard())
}

/// Imports an ONNX file.
///
/// # Errors
/// [`OnnxError::Io`] if the file cannot be read, else as [`import`](fn@import).
pub fn import_file(path: impl AsRef<Path>) -> Result<Graph, OnnxError> {
    import(&read_file(path.as_ref())?)
}

/// The bytes of an ONNX file, no more than are ever imported.
///
/// # Errors
/// [`OnnxError::Io`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, OnnxError> {
    let error = |source| OnnxError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to refuse the file, whatever its length claims to be.
    let limit = MAX_FILE_BYTES as u64 + 1;
    std::fs::File::open(path).map_err(error)?.take(limit).read_to_end(&mut bytes).map_err(error)?;
    Ok(bytes)
}
