//! Zero-knowledge proofs that a committed neural network produced this output from this input.
//!
//! The statement of a proof: *there is one weight set behind `weightsId`, such that the published integer program
//! `programId` maps the input to the output; made for `context`.*
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod artefact;
pub mod commitment;
pub mod graph;
pub mod keys;
pub mod model;
pub mod onnx;
pub mod proof;
pub mod prove;
pub mod quantise;
pub mod srs;
pub mod statement;
pub mod transcript;
pub mod verify;
