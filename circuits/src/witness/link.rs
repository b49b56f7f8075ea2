//! Committed tensors as polynomials.
//!
//! Spec: `docs/spec/commitment.md#tensor-commitments`.

use crate::integer::to_field;
use crate::secret::Secret;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::Zeroizing;

/// The polynomials behind a proof's mask and its committed tensors. None has a constant coefficient.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The mask, then the tensors in their order; coefficients from that of `X` on.
    polynomials: Vec<Zeroizing<Vec<Secret>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({} tensors, secrets not shown)", self.polynomials.len() - 1)
    }
}

impl Link {
    /// A mask of two uniform cells, nothing linked yet.
    #[must_use]
    pub fn new(mask: [Secret; 2]) -> Self {
        Self { polynomials: vec![Zeroizing::new(mask.to_vec())] }
    }

    /// Adds a tensor's polynomial, see [`tensor_polynomial`].
    pub fn push(&mut self, tensor: Zeroizing<Vec<Secret>>) {
        self.polynomials.push(tensor);
    }

    /// Coefficient of `X^power` of a polynomial: 0 is the mask's, `t` that of tensor `t`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn coefficient(&self, polynomial: usize, power: usize) -> Secret {
        self.polynomials[polynomial][power - 1]
    }

    /// Coefficients, from that of `X` on, of the mask plus the sum of `R^t` times tensor `t`.
    #[must_use]
    pub fn fold(&self, channel: Fr) -> Zeroizing<Vec<Secret>> {
        let length = self.polynomials.iter().map(|p| p.len()).max().unwrap_or(0);
        let mut folded = Zeroizing::new(vec![Secret::default(); length]);
        let mut factor = Fr::ONE;
        for polynomial in &self.polynomials {
            for (sum, coefficient) in folded.iter_mut().zip(polynomial.iter()) {
                sum.0 += factor * coefficient.0;
            }
            factor *= channel;
        }
        folded
    }

    /// The folded polynomial at `1/position`; `None` at 0.
    #[must_use]
    pub fn evaluate(&self, channel: Fr, position: Fr) -> Option<Fr> {
        let point = Option::<Fr>::from(position.invert())?;
        Some(self.fold(channel).iter().rev().fold(Fr::ZERO, |acc, c| (acc + c.0) * point))
    }
}

/// Coefficients, from that of `X` on: the blinding cell, then the elements, row-major.
#[must_use]
pub fn tensor_polynomial(blind: Secret, values: &[i64]) -> Zeroizing<Vec<Secret>> {
    let elements = values.iter().map(|value| Secret(to_field(*value)));
    Zeroizing::new(std::iter::once(blind).chain(elements).collect())
}

/// Powers of `X` of the mask's cells.
pub const MASK_POWERS: [usize; 2] = [1, 2];
/// Power of `X` of the blinding cell of a tensor.
pub const BLIND_POWER: usize = 1;
/// Power of `X` of the first element of a tensor.
pub const FIRST_POWER: usize = 2;
