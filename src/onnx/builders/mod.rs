//! One file per family of operators; [`Registry`](super::Registry) lists the functions.

pub(super) mod blocks;
pub(super) mod constants;
pub(super) mod convolution;
pub(super) mod elementwise;
pub(super) mod expand;
pub(super) mod extremum;
pub(super) mod integer;
pub(super) mod linear;
pub(super) mod movement;
pub(super) mod normalization;
pub(super) mod pad;
pub(super) mod passthrough;
pub(super) mod pool;
pub(super) mod quantise;
pub(super) mod reduce;
pub(super) mod resize;
mod rows;
mod sampling;
pub(super) mod select;
pub(super) mod shape;
pub(super) mod softmax;
pub(super) mod transposed;
pub(super) mod unary;
mod volume;
mod window;
