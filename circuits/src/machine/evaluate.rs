//! The constraints of `gates.rs` on the values of one row, as straight-line code: what a prover divides by.
//!
//! A test compares both on random rows, constraint by constraint.

use super::{Challenges, FIXED_COLUMNS, PHASE0_COLUMNS, PHASE1_COLUMNS};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Number of constraints.
pub const CONSTRAINTS: usize = 12;

/// The cells that constraints read at one point.
#[derive(Clone, Copy, Debug)]
pub struct RowValues {
    /// The instance column.
    pub inst: Fr,
    /// `r, q, y, e, m, omega, hW, hX, hY, z, P, phi`.
    pub advice: [Fr; PHASE0_COLUMNS + PHASE1_COLUMNS],
    /// `hW, hX, hY, z, P, phi` on the next row.
    pub next: [Fr; PHASE1_COLUMNS - 1],
    /// `t_tag, t_in, t_out, tag, kappa, opP, opX, opY`.
    pub fixed: [Fr; FIXED_COLUMNS],
    /// `opY` on the next row.
    pub op_y_next: Fr,
}

/// The sum of all constraints, each times a power of a challenge.
#[derive(Clone, Debug)]
pub struct Folding {
    challenges: Challenges<Fr>,
    alpha2: Fr,
    half: Fr,
    sixth: Fr,
    /// Weight of each constraint, in the order of `gates.rs`.
    weights: [Fr; CONSTRAINTS],
}

impl Folding {
    /// Constraint `i` has the weight `weights[i]`.
    #[must_use]
    pub fn new(challenges: Challenges<Fr>, weights: [Fr; CONSTRAINTS]) -> Self {
        let inverse = |value: u64| Fr::from(value).invert().expect("a small non-zero integer");
        Self { challenges, alpha2: challenges.alpha.square(), half: inverse(2), sixth: inverse(6), weights }
    }

    /// The indicators of an opcode at 1, 2, 3, and what is 0 there and not at 0.
    ///
    /// Cost: ten multiplications.
    fn indicators(&self, op: Fr) -> ([Fr; 3], Fr) {
        let [a, b, c] = [1, 2, 3].map(|value| op - Fr::from(value));
        let (ab, op_c) = (a * b, op * c);
        ([op_c * b * self.half, -(op_c * a * self.half), op * ab * self.sixth], ab * c)
    }

    /// The folded constraints at one point.
    ///
    /// Cost: about 75 multiplications.
    #[must_use]
    pub fn evaluate(&self, row: &RowValues) -> Fr {
        let [r, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi] = row.advice;
        let [h_w_next, h_x_next, h_y_next, z_next, p_next, phi_next] = row.next;
        let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y] = row.fixed;
        let Challenges { channel, position, alpha, beta } = self.challenges;
        let [sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
            self.weights;
        let one = Fr::ONE;

        let f1 = beta + r + self.alpha2 * kappa;
        let f2 = beta + q + alpha * y + self.alpha2 * tag;
        let t = beta + t_in + alpha * t_out + self.alpha2 * t_tag;
        let both = f1 * f2;
        let lookup = ((phi_next - phi) * both - f1 - f2) * t + m * both;

        let (is_y, first) = self.indicators(op_y);
        let (_, ends) = self.indicators(row.op_y_next);
        let (is_p, _) = self.indicators(op_p);
        let form = kappa * q + r + e + row.inst;
        let next_x = op_x - one;
        let multiplier = op_x * (one - next_x) * position + op_x * next_x * self.half * z;
        // On every active row.
        let active = sum * lookup
            + end * (ends * phi_next)
            + rim * (kappa * e)
            + chain_x * (h_x_next - y - multiplier * h_x)
            + expose_x * (next_x * (next_x - one) * (z - h_x));
        let starts = first_phi * phi_next + first_r * (z_next - channel) + first_u * (p_next - position);
        let base = h_y_next - form;
        let chain = (is_y[0] + is_y[1] + is_y[2]) * base - (is_y[1] * position + is_y[2] * z) * h_y;
        let weights = h_w + omega;
        let by_weights = z * weights;
        let step = p_next - p;
        op_y * active
            + first * row.op_y_next * starts
            + chain_y * chain
            + expose_y * is_y[0] * (p - h_y)
            + is_p[0] * (chain_w * (h_w_next - by_weights) + product * step)
            + is_p[1] * (chain_w * h_w_next + product * (step - by_weights))
            + is_p[2] * product * (p_next - z * p - z_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Machine, Shape};
    use halo2_proofs::plonk::{ConstraintSystem, Expression};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn random(rng: &mut StdRng) -> RowValues {
        // Opcodes as they are on rows, and any field element as it is off them.
        let mut fixed = [(); FIXED_COLUMNS].map(|()| Fr::random(&mut *rng));
        let mut op_y_next = Fr::random(&mut *rng);
        if rng.r#gen() {
            fixed[5..].iter_mut().for_each(|op| *op = Fr::from(rng.gen_range(0..4)));
            op_y_next = Fr::from(rng.gen_range(0..4));
        }
        RowValues {
            inst: Fr::random(&mut *rng),
            advice: [(); PHASE0_COLUMNS + PHASE1_COLUMNS].map(|()| Fr::random(&mut *rng)),
            next: [(); PHASE1_COLUMNS - 1].map(|()| Fr::random(&mut *rng)),
            fixed,
            op_y_next,
        }
    }

    fn by_expression(expression: &Expression<Fr>, row: &RowValues, challenges: &Challenges<Fr>) -> Fr {
        let Challenges { channel, position, alpha, beta } = *challenges;
        expression.evaluate(
            &|constant| constant,
            &|_| panic!("no selectors"),
            &|query| match query.rotation().0 {
                0 => row.fixed[query.column_index()],
                _ => row.op_y_next,
            },
            &|query| match query.rotation().0 {
                0 => row.advice[query.column_index()],
                _ => row.next[query.column_index() - PHASE0_COLUMNS - 1],
            },
            &|_| row.inst,
            &|challenge| [channel, position, alpha, beta][challenge.index()],
            &|a| -a,
            &|a, b| a + b,
            &|a, b| a * b,
            &|a, scale| a * scale,
        )
    }

    #[test]
    fn the_same_as_the_constraint_system() {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Shape::default());
        let constraints: Vec<_> = cs.gates().iter().flat_map(|gate| gate.polynomials()).collect();
        assert_eq!(constraints.len(), CONSTRAINTS);
        let mut rng = StdRng::seed_from_u64(8);
        for _ in 0..200 {
            let row = random(&mut rng);
            let [channel, position, alpha, beta] = [(); 4].map(|()| Fr::random(&mut rng));
            let challenges = Challenges { channel, position, alpha, beta };
            for (index, constraint) in constraints.iter().enumerate() {
                let mut weights = [Fr::ZERO; CONSTRAINTS];
                weights[index] = Fr::random(&mut rng);
                let expected = weights[index] * by_expression(constraint, &row, &challenges);
                assert_eq!(Folding::new(challenges, weights).evaluate(&row), expected, "constraint {index}");
            }
        }
    }
}
