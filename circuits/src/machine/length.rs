//! How long a proof is: the same for all models of a shape and an interface.

use super::{COPY_COLUMNS, DEGREE, Shape};
use crate::interface::Interface;

/// Points of a proof without the span proof: columns, copies, random polynomial, quotient; the last two are of the openings
/// and follow the scalars.
#[must_use]
pub const fn points(shape: Shape) -> usize {
    shape.advice() + 1 + 1 + (DEGREE - 1) + 2
}

/// Scalars of a proof without the span proof. Six advice columns and a fixed one are read on the next row too.
#[must_use]
pub const fn scalars(shape: Shape) -> usize {
    (shape.advice() + 6) + (shape.fixed() + 1) + 1 + COPY_COLUMNS + 2
}

/// Name of the verifier before the proof, span proof after it.
const TAG_BYTES: usize = 4;
const SPAN_BYTES: usize = 64 + 2 * 32;
/// Value and opening of committed tensors, and the mask if there is one.
const LINK_BYTES: usize = 32 + 64;
const MASK_BYTES: usize = 64;

/// Bytes of a proof, with secret or public weights.
#[must_use]
pub fn proof_bytes(shape: Shape, secret: bool, interface: Interface) -> usize {
    let span = if secret { SPAN_BYTES } else { 0 };
    let link = if interface.is_linked() { LINK_BYTES } else { 0 };
    let mask = if interface.is_masked() { MASK_BYTES } else { 0 };
    TAG_BYTES + 64 * points(shape) + 32 * scalars(shape) + span + link + mask
}
