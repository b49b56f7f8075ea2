//! One file per family of operators; [`Registry`](super::Registry) lists the functions.

pub(super) mod convolution;
pub(super) mod elementwise;
pub(super) mod linear;
pub(super) mod normalization;
pub(super) mod passthrough;
pub(super) mod pool;
pub(super) mod shape;
