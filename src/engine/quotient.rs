//! The numerator of the quotient at one point: the constraints of the machine, then those of the copy argument.

use super::{ADVICE, COPY_COLUMNS};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::{CONSTRAINTS, Challenges, FIXED_COLUMNS, Folding, PHASE0_COLUMNS, RowValues};
use inferproof_circuits::secret::SecretColumn;

/// Constraints of the copy argument with one product.
const COPY_CONSTRAINTS: usize = 3;
/// Positions of `y`, `z`, `P` among the advice columns.
pub(crate) const COPIED: [usize; COPY_COLUMNS] = [2, 9, 10];

/// The challenges that the quotient depends on.
#[derive(Clone, Copy, Debug)]
pub struct QuotientChallenges {
    /// The machine's.
    pub machine: Challenges<Fr>,
    /// Copy argument: factor of a cell's name.
    pub beta: Fr,
    /// Copy argument: offset.
    pub gamma: Fr,
    /// Folds all constraints.
    pub y: Fr,
}

/// What the copy argument reads at one point.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyValues {
    /// The point itself.
    pub x: Fr,
    /// Permutation polynomials.
    pub permutation: [Fr; COPY_COLUMNS],
    /// The running product, here and on the next row.
    pub product: [Fr; 2],
    /// `L_0`, the Lagrange polynomial of the last usable row, and 1 on the usable rows.
    pub lagrange: [Fr; 3],
}

/// All constraints folded with the powers of `y`, the first times the highest, as halo2's verifier has them.
pub(super) struct Numerator {
    folding: Folding,
    beta: Fr,
    gamma: Fr,
    /// `beta delta^j` for column `j`.
    names: [Fr; COPY_COLUMNS],
    /// `y^2, y` for the first two constraints of the copy argument.
    weights: [Fr; 2],
}

impl Numerator {
    pub(super) fn new(challenges: &QuotientChallenges) -> Self {
        let QuotientChallenges { machine, beta, gamma, y } = *challenges;
        let powers = super::domain::powers(y, CONSTRAINTS + COPY_CONSTRAINTS);
        let weights = std::array::from_fn(|i| powers[CONSTRAINTS + COPY_CONSTRAINTS - 1 - i]);
        let names = std::array::from_fn(|j| beta * Fr::DELTA.pow_vartime([j as u64]));
        Self { folding: Folding::new(machine, weights), beta, gamma, names, weights: [powers[2], y] }
    }

    /// Cost: about 90 multiplications.
    pub(super) fn evaluate(&self, row: &RowValues, copy: &CopyValues) -> Fr {
        let [product, next] = copy.product;
        let [first, last, usable] = copy.lagrange;
        let (mut left, mut right) = (next, product);
        for (j, column) in COPIED.into_iter().enumerate() {
            let value = row.advice[column] + self.gamma;
            left *= value + self.beta * copy.permutation[j];
            right *= value + self.names[j] * copy.x;
        }
        self.folding.evaluate(row)
            + self.weights[0] * first * (Fr::ONE - product)
            + self.weights[1] * last * (product.square() - product)
            + usable * (left - right)
    }
}

/// The cells at position `here` of columns of values, with `next` the position one row on.
pub(super) fn row_values(
    advice: &[SecretColumn],
    fixed: &[SecretColumn],
    instance: &[Fr],
    [here, next]: [usize; 2],
) -> RowValues {
    RowValues {
        inst: instance[here],
        advice: std::array::from_fn(|column| advice[column][here]),
        next: std::array::from_fn(|column| advice[ADVICE - 6 + column][next]),
        fixed: std::array::from_fn(|column| fixed[column][here]),
        op_y_next: fixed[FIXED_COLUMNS - 1][next],
    }
}

const _: () = assert!(ADVICE - 6 == PHASE0_COLUMNS + 1, "all columns of phase 1 but omega are read on the next row");
