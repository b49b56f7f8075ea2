//! Committed tensors as polynomials.
//!
//! Spec: `docs/spec/commitment.md#tensor-commitments`.

use crate::integer::to_field;
use crate::secret::Secret;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::Zeroizing;

/// The polynomials behind a proof's committed tensors. None has a constant coefficient.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Those of the mask, the input and the output, where a proof has them, in this order; coefficients from that of `X` on.
    polynomials: Vec<Zeroizing<Vec<Secret>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({} polynomials, secrets not shown)", self.polynomials.len())
    }
}

impl Link {
    /// A link of these polynomials, see [`tensor_polynomial`].
    ///
    /// The first has fresh uniform blinding cells in every proof: it hides the value that a proof shows of their sum.
    #[must_use]
    pub const fn new(polynomials: Vec<Zeroizing<Vec<Secret>>>) -> Self {
        Self { polynomials }
    }

    /// Coefficient of `X^power` of a polynomial.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn coefficient(&self, polynomial: usize, power: usize) -> Secret {
        self.polynomials[polynomial][power - 1]
    }

    /// Coefficients, from that of `X` on, of the sum of `R^t` times polynomial `t`.
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

/// Coefficients, from that of `X` on: the blinding cells, then the elements, row-major. A mask has no elements.
#[must_use]
pub fn tensor_polynomial(blinds: &[Secret; BLIND_POWERS.len()], values: &[i64]) -> Zeroizing<Vec<Secret>> {
    let elements = values.iter().map(|value| Secret(to_field(*value)));
    Zeroizing::new(blinds.iter().copied().chain(elements).collect())
}

/// Powers of `X` of the blinding cells of a polynomial.
pub const BLIND_POWERS: [usize; 2] = [1, 2];
/// Power of `X` of the first element of a tensor.
pub const FIRST_POWER: usize = 3;
