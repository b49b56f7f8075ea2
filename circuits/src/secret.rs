//! Field elements that are wiped.

use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::DefaultIsZeroes;

/// A field element that must not outlive its use; no `Debug`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret(pub Fr);

impl DefaultIsZeroes for Secret {}

/// A column that is wiped when dropped; `Debug` shows its length. Make it with room for all that it is to hold: a vector that grows leaves copies behind.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretColumn(pub Vec<Fr>);

impl std::ops::Deref for SecretColumn {
    type Target = [Fr];

    fn deref(&self) -> &[Fr] {
        &self.0
    }
}

impl From<Vec<Fr>> for SecretColumn {
    fn from(column: Vec<Fr>) -> Self {
        Self(column)
    }
}

impl std::fmt::Debug for SecretColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretColumn({} cells, not shown)", self.0.len())
    }
}

impl Drop for SecretColumn {
    fn drop(&mut self) {
        self.0.fill(Fr::default());
        // Or the compiler sees that nobody reads the zeros.
        std::hint::black_box(&self.0);
    }
}
