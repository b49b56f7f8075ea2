//! Field elements that are wiped.

use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::DefaultIsZeroes;

/// A field element that must not outlive its use; no `Debug`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret(pub Fr);

impl DefaultIsZeroes for Secret {}

/// A column that is wiped when dropped; no `Debug`. Make it with room for all that it is to hold: a vector that grows leaves copies behind.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretColumn(pub Vec<Fr>);

impl Drop for SecretColumn {
    fn drop(&mut self) {
        self.0.fill(Fr::default());
        // Or the compiler sees that nobody reads the zeros.
        std::hint::black_box(&self.0);
    }
}
