//! The numerator of the quotient, row by row: the constraints of the machine, then those of the copy argument, as straight-line code on any number of lanes.
//!
//! The constraints are those of `circuits/src/machine/gates.rs`; a test compares them one by one.

use super::lanes::{Arithmetic, Kernel, powers};
use super::{ADVICE, COPY_COLUMNS};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::{Challenges, FIXED_COLUMNS, PHASE0_COLUMNS};

/// Constraints of the machine.
pub(super) const CONSTRAINTS: usize = 12;
/// Constraints of the copy argument with one product.
const COPY_CONSTRAINTS: usize = 3;
/// Positions of `y`, `z`, `P` among the advice columns.
pub(crate) const COPIED: [usize; COPY_COLUMNS] = [2, 9, 10];
/// Columns after this one are read on the next row too.
const OMEGA: usize = PHASE0_COLUMNS;
/// Elements that a vector may have.
const MOST_LANES: usize = 16;

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

/// Constants of the numerator.
#[derive(Clone, Copy)]
pub(super) struct Constants {
    pub(super) machine: Challenges<Fr>,
    /// Weight of each constraint of the machine.
    pub(super) weights: [Fr; CONSTRAINTS],
    pub(super) beta: Fr,
    pub(super) gamma: Fr,
    /// `beta delta^j` for column `j`.
    pub(super) names: [Fr; COPY_COLUMNS],
    /// Weights of the constraints of the copy argument.
    pub(super) copies: [Fr; COPY_CONSTRAINTS],
}

impl Constants {
    /// All constraints folded with the powers of `y`, the first times the highest, as halo2's verifier has them, and times `scale`.
    pub(super) fn new(challenges: &QuotientChallenges, scale: Fr) -> Self {
        let QuotientChallenges { machine, beta, gamma, y } = *challenges;
        let powers = powers(y, CONSTRAINTS + COPY_CONSTRAINTS);
        let weight = |index: usize| scale * powers[CONSTRAINTS + COPY_CONSTRAINTS - 1 - index];
        Self {
            machine,
            weights: std::array::from_fn(weight),
            beta,
            gamma,
            names: std::array::from_fn(|j| beta * Fr::DELTA.pow_vartime([j as u64])),
            copies: std::array::from_fn(|index| weight(CONSTRAINTS + index)),
        }
    }
}

/// Columns of values at consecutive points, cyclic.
pub(super) struct Columns<'a> {
    pub(super) advice: [&'a [Fr]; ADVICE],
    pub(super) instance: &'a [Fr],
    pub(super) fixed: [&'a [Fr]; FIXED_COLUMNS],
    pub(super) permutation: [&'a [Fr]; COPY_COLUMNS],
    pub(super) product: &'a [Fr],
    /// 1 on the usable rows.
    pub(super) usable: &'a [Fr],
}

/// Some rows of the numerator.
pub(super) struct Fold<'a> {
    pub(super) constants: &'a Constants,
    pub(super) columns: &'a Columns<'a>,
    /// The first row.
    pub(super) first: usize,
    /// The points of these rows, and the Lagrange polynomials of the first and the last usable row there.
    pub(super) points: &'a [Fr],
    pub(super) lagrange: [&'a [Fr]; 2],
    /// One cell a row, as many as are a multiple of the lanes.
    pub(super) out: &'a mut [Fr],
}

/// The cells that the constraints read at one point.
struct Row<V> {
    instance: V,
    advice: [V; ADVICE],
    /// `hW, hX, hY, z, P, phi` on the next row.
    next: [V; ADVICE - OMEGA - 1],
    fixed: [V; FIXED_COLUMNS],
    op_y_next: V,
    x: V,
    permutation: [V; COPY_COLUMNS],
    product: [V; 2],
    lagrange: [V; 2],
    usable: V,
}

/// [`Constants`] as an [`Arithmetic`] wants them.
struct Folding<A: Arithmetic> {
    a: A,
    small: [A::Value; 3],
    channel: A::Value,
    position: A::Value,
    beta: A::Value,
    gamma: A::Value,
    position_factor: A::Factor,
    alpha: A::Factor,
    alpha2: A::Factor,
    half: A::Factor,
    minus_half: A::Factor,
    sixth: A::Factor,
    weights: [A::Factor; CONSTRAINTS],
    copy_beta: A::Factor,
    names: [A::Factor; COPY_COLUMNS],
    copies: [A::Factor; COPY_CONSTRAINTS],
}

impl<A: Arithmetic> Folding<A> {
    #[inline(always)]
    fn new(a: A, c: &Constants) -> Self {
        let inverse = |value: u64| Fr::from(value).invert().expect("a small non-zero integer");
        let Challenges { channel, position, alpha, beta } = c.machine;
        Self {
            a,
            small: [a.splat(Fr::from(1)), a.splat(Fr::from(2)), a.splat(Fr::from(3))],
            channel: a.splat(channel),
            position: a.splat(position),
            beta: a.splat(beta),
            gamma: a.splat(c.gamma),
            position_factor: a.factor(position),
            alpha: a.factor(alpha),
            alpha2: a.factor(alpha.square()),
            half: a.factor(inverse(2)),
            minus_half: a.factor(-inverse(2)),
            sixth: a.factor(inverse(6)),
            weights: c.weights.map(|w| a.factor(w)),
            copy_beta: a.factor(c.beta),
            names: c.names.map(|w| a.factor(w)),
            copies: c.copies.map(|w| a.factor(w)),
        }
    }

    /// The indicators of an opcode at 1, 2, 3, and what is 0 there and not at 0.
    #[inline(always)]
    fn indicators(&self, op: A::Value) -> ([A::Value; 3], A::Value) {
        let s = self.a;
        let [a, b, c] = [op - self.small[0], op - self.small[1], op - self.small[2]];
        let (ab, op_c) = (a * b, op * c);
        let (i1, i2) = (s.scale(op_c * b, &self.half), s.scale(op_c * a, &self.minus_half));
        ([i1, i2, s.scale(op * ab, &self.sixth)], ab * c)
    }

    /// Cost: about 75 products, half of them with constants.
    #[inline(always)]
    fn machine(&self, row: &Row<A::Value>) -> A::Value {
        let a = self.a;
        let [r, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi] = row.advice;
        let [h_w_next, h_x_next, h_y_next, z_next, p_next, phi_next] = row.next;
        let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y] = row.fixed;
        let [sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
            &self.weights;
        let one = self.small[0];

        let f1 = self.beta + r + a.scale(kappa, &self.alpha2);
        let f2 = self.beta + q + a.scale(y, &self.alpha) + a.scale(tag, &self.alpha2);
        let t = self.beta + t_in + a.scale(t_out, &self.alpha) + a.scale(t_tag, &self.alpha2);
        let both = f1 * f2;
        let lookup = ((phi_next - phi) * both - f1 - f2) * t + m * both;

        let (is_y, first) = self.indicators(op_y);
        let (_, ends) = self.indicators(row.op_y_next);
        let (is_p, _) = self.indicators(op_p);
        let form = kappa * q + r + e + row.instance;
        let next_x = op_x - one;
        let multiplier = a.scale(op_x * (one - next_x), &self.position_factor) + a.scale(op_x * next_x, &self.half) * z;
        // On every active row.
        let active = a.scale(lookup, sum)
            + a.scale(ends * phi_next, end)
            + a.scale(kappa * e, rim)
            + a.scale(h_x_next - y - multiplier * h_x, chain_x)
            + a.scale(next_x * (next_x - one) * (z - h_x), expose_x);
        let starts = a.scale(phi_next, first_phi)
            + a.scale(z_next - self.channel, first_r)
            + a.scale(p_next - self.position, first_u);
        let base = h_y_next - form;
        let chain =
            (is_y[0] + is_y[1] + is_y[2]) * base - (a.scale(is_y[1], &self.position_factor) + is_y[2] * z) * h_y;
        let by_weights = z * (h_w + omega);
        let step = p_next - p;
        op_y * active
            + first * row.op_y_next * starts
            + a.scale(chain, chain_y)
            + a.scale(is_y[0] * (p - h_y), expose_y)
            + is_p[0] * (a.scale(h_w_next - by_weights, chain_w) + a.scale(step, product))
            + is_p[1] * (a.scale(h_w_next, chain_w) + a.scale(step - by_weights, product))
            + a.scale(is_p[2] * (p_next - z * p - z_next), product)
    }

    /// Cost: about 90 products.
    #[inline(always)]
    fn evaluate(&self, row: &Row<A::Value>) -> A::Value {
        let a = self.a;
        let [product, next] = row.product;
        let [first, last] = row.lagrange;
        let (mut left, mut right) = (next, product);
        for (j, column) in COPIED.into_iter().enumerate() {
            let value = row.advice[column] + self.gamma;
            left = left * (value + a.scale(row.permutation[j], &self.copy_beta));
            right = right * (value + a.scale(row.x, &self.names[j]));
        }
        a.reduce(self.machine(row))
            + a.scale(first * (self.small[0] - product), &self.copies[0])
            + a.scale(last * (product * product - product), &self.copies[1])
            + a.scale(row.usable * (left - right), &self.copies[2])
    }
}

/// The values one row on.
#[inline(always)]
fn load_next<A: Arithmetic>(a: A, column: &[Fr], row: usize) -> A::Value {
    if row + 1 + A::LANES <= column.len() {
        return a.load(&column[row + 1..]);
    }
    let mut values = [Fr::ZERO; MOST_LANES];
    for (lane, value) in values[..A::LANES].iter_mut().enumerate() {
        *value = column[(row + 1 + lane) % column.len()];
    }
    a.load(&values)
}

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self, a: A) {
        let Self { constants, columns: c, first, points, lagrange, out } = self;
        let folding = Folding::new(a, constants);
        assert!(out.len().is_multiple_of(A::LANES), "whole vectors");
        for start in (0..out.len()).step_by(A::LANES) {
            let row = first + start;
            // Macros, not closures or `map`: see `Kernel::run`.
            macro_rules! here {
                ($columns:expr, $($index:literal)*) => { [$(a.load(&$columns[$index][row..])),*] };
            }
            macro_rules! next {
                ($columns:expr, $($index:literal)*) => { [$(load_next(a, $columns[$index], row)),*] };
            }
            let [op_y_next] = next!(c.fixed, 7);
            let row = Row {
                instance: a.load(&c.instance[row..]),
                advice: here!(c.advice, 0 1 2 3 4 5 6 7 8 9 10 11),
                next: next!(c.advice, 6 7 8 9 10 11),
                fixed: here!(c.fixed, 0 1 2 3 4 5 6 7),
                op_y_next,
                x: a.load(&points[start..]),
                permutation: here!(c.permutation, 0 1 2),
                product: [a.load(&c.product[row..]), load_next(a, c.product, row)],
                lagrange: [a.load(&lagrange[0][start..]), a.load(&lagrange[1][start..])],
                usable: a.load(&c.usable[row..]),
            };
            a.store(folding.evaluate(&row), &mut out[start..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lanes::{Budget, One, run};
    use halo2_proofs::plonk::{ConstraintSystem, Expression};
    use inferproof_circuits::machine::{Machine, Shape};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Columns of any values, with opcodes as they are on rows in the first half.
    struct Case {
        columns: Vec<Vec<Fr>>,
        constants: Constants,
        points: Vec<Fr>,
        lagrange: [Vec<Fr>; 2],
    }

    impl Case {
        fn new(n: usize, rng: &mut StdRng) -> Self {
            let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), Fr::from(3)];
            let mut column = |i: usize| -> Vec<Fr> {
                let mut cell = || if i.is_multiple_of(2) { Fr::random(&mut *rng) } else { edges[rng.gen_range(0..5)] };
                (0..n).map(|_| cell()).collect()
            };
            let mut columns: Vec<Vec<Fr>> = (0..ADVICE + FIXED_COLUMNS + COPY_COLUMNS + 3).map(&mut column).collect();
            let (points, lagrange) = (column(0), [column(0), column(0)]);
            for op in &mut columns[ADVICE + FIXED_COLUMNS - 3..ADVICE + FIXED_COLUMNS] {
                op[..n / 2].iter_mut().for_each(|cell| *cell = Fr::from(rng.gen_range(0..4)));
            }
            let mut random = || Fr::random(&mut *rng);
            let [channel, position, alpha, beta] = [(); 4].map(|()| random());
            let machine = Challenges { channel, position, alpha, beta };
            let challenges = QuotientChallenges { machine, beta: random(), gamma: random(), y: random() };
            Self { columns, constants: Constants::new(&challenges, random()), points, lagrange }
        }

        fn fold(&self, fold: impl Fn(Fold<'_>)) -> Vec<Fr> {
            let mut out = vec![Fr::ZERO; self.points.len()];
            let column = |index: usize| &self.columns[index][..];
            let columns = Columns {
                advice: std::array::from_fn(column),
                fixed: std::array::from_fn(|i| column(ADVICE + i)),
                permutation: std::array::from_fn(|i| column(ADVICE + FIXED_COLUMNS + i)),
                instance: column(ADVICE + FIXED_COLUMNS + COPY_COLUMNS),
                product: column(ADVICE + FIXED_COLUMNS + COPY_COLUMNS + 1),
                usable: column(ADVICE + FIXED_COLUMNS + COPY_COLUMNS + 2),
            };
            let half = out.len() / 2;
            for (first, out) in [0, half].into_iter().zip(out.chunks_mut(half)) {
                let rows = first..first + half;
                fold(Fold {
                    constants: &self.constants,
                    columns: &columns,
                    first,
                    points: &self.points[rows.clone()],
                    lagrange: [&self.lagrange[0][rows.clone()], &self.lagrange[1][rows]],
                    out,
                });
            }
            out
        }

        fn by_expression(&self, constraint: &Expression<Fr>, row: usize) -> Fr {
            let n = self.points.len();
            let at = |column: usize, rotation: i32| self.columns[column][(row + rotation as usize) % n];
            let Challenges { channel, position, alpha, beta } = self.constants.machine;
            constraint.evaluate(
                &|constant| constant,
                &|_| panic!("no selectors"),
                &|query| at(ADVICE + query.column_index(), query.rotation().0),
                &|query| at(query.column_index(), query.rotation().0),
                &|query| at(ADVICE + FIXED_COLUMNS + COPY_COLUMNS, query.rotation().0),
                &|challenge| [channel, position, alpha, beta][challenge.index()],
                &|a| -a,
                &|a, b| a + b,
                &|a, b| a * b,
                &|a, scale| a * scale,
            )
        }
    }

    #[test]
    fn the_same_constraints_as_the_constraint_system() {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Shape::default());
        let constraints: Vec<_> = cs.gates().iter().flat_map(|gate| gate.polynomials()).collect();
        assert_eq!(constraints.len(), CONSTRAINTS);
        let mut rng = StdRng::seed_from_u64(8);
        for _ in 0..4 {
            let mut case = Case::new(32, &mut rng);
            case.constants.copies = [Fr::ZERO; COPY_CONSTRAINTS];
            for (index, constraint) in constraints.iter().enumerate() {
                let weight = Fr::random(&mut rng);
                case.constants.weights = [Fr::ZERO; CONSTRAINTS];
                case.constants.weights[index] = weight;
                for (row, value) in case.fold(|fold| fold.run(One)).into_iter().enumerate() {
                    assert_eq!(value, weight * case.by_expression(constraint, row), "constraint {index}, row {row}");
                }
            }
        }
    }

    /// All lanes compute the same, and no sum grows beyond what sixteen of them can hold.
    #[test]
    fn any_number_of_lanes() {
        let mut rng = StdRng::seed_from_u64(9);
        for n in [32, 64, 256] {
            let case = Case::new(n, &mut rng);
            let one = case.fold(|fold| fold.run(One));
            assert_eq!(one, case.fold(|fold| run(fold)));
            assert_eq!(one, case.fold(|fold| fold.run(Budget)));
        }
    }
}
