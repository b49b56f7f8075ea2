//! Field elements that are wiped.

use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::DefaultIsZeroes;

/// A field element that must not outlive its use; no `Debug`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret(pub Fr);

impl DefaultIsZeroes for Secret {}
