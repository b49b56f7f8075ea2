//! The inferproof machine: exact integer networks, the constraint system they are proved in, and the
//! compiler that lays one out in the other.
//!
//! - [`formula`], [`integer`] and [`network`]: the semantics and the reference executor.
//! - [`machine`]: columns and gates; they depend on no model.
//! - [`program`]: what a model adds: fixed columns, copies, tables, weight slots.
//! - [`layers`]: how each family of layers is laid out; [`plan`] chooses between layouts.
//! - [`interface`]: what a verifier sees of input and output.
//! - [`packing`]: public tensors as bytes and words.
//! - [`ranges`]: a program that holds registered weights to a declared range.
//! - [`secret`]: field elements that are wiped.
//! - [`witness`]: values for the columns, from an execution trace.
//!
//! The specification is `docs/spec/` in the repository. This crate reads no file, knows no ONNX and no GPU.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod error;
pub mod formula;
pub mod integer;
pub mod interface;
pub mod layers;
pub mod machine;
pub mod network;
pub mod packing;
pub mod plan;
pub mod program;
pub mod ranges;
pub mod secret;
pub mod witness;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{CompileError, NetworkError};
