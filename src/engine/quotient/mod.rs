//! The numerator of the quotient, row by row: the constraints of the machine, then those of the copy argument, as straight-line code on any number of lanes.
//!
//! The constraints are those of `circuits/src/machine/gates.rs`; a test compares them one by one.

mod paired;
mod single;

use super::COPY_COLUMNS;
use super::lanes::{Arithmetic, Kernel, powers};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::machine::{Challenges, Shape};

/// Constraints of the copy argument with one product.
const COPY_CONSTRAINTS: usize = 3;
/// Elements that a vector may have.
const MOST_LANES: usize = 16;

/// Constraints of the machine.
pub(super) const fn constraints(shape: Shape) -> usize {
    match shape {
        Shape::Paired => paired::CONSTRAINTS,
        Shape::Single => single::CONSTRAINTS,
    }
}

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
#[derive(Clone)]
pub(super) struct Constants {
    pub(super) machine: Challenges<Fr>,
    /// Weight of each constraint of the machine.
    pub(super) weights: Vec<Fr>,
    pub(super) beta: Fr,
    pub(super) gamma: Fr,
    /// `beta delta^j` for column `j`.
    pub(super) names: [Fr; COPY_COLUMNS],
    /// Weights of the constraints of the copy argument.
    pub(super) copies: [Fr; COPY_CONSTRAINTS],
}

impl Constants {
    /// All constraints folded with the powers of `y`, the first times the highest, as halo2's verifier has them, and times `scale`.
    pub(super) fn new(shape: Shape, challenges: &QuotientChallenges, scale: Fr) -> Self {
        let QuotientChallenges { machine, beta, gamma, y } = *challenges;
        let own = constraints(shape);
        let powers = powers(y, own + COPY_CONSTRAINTS);
        let weight = |index: usize| scale * powers[own + COPY_CONSTRAINTS - 1 - index];
        Self {
            machine,
            weights: (0..own).map(weight).collect(),
            beta,
            gamma,
            names: std::array::from_fn(|j| beta * Fr::DELTA.pow_vartime([j as u64])),
            copies: std::array::from_fn(|index| weight(own + index)),
        }
    }
}

/// Columns of values at consecutive points, cyclic.
pub(super) struct Columns<'a> {
    pub(super) shape: Shape,
    pub(super) advice: Vec<&'a [Fr]>,
    pub(super) instance: &'a [Fr],
    pub(super) fixed: Vec<&'a [Fr]>,
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

/// The cells that the copy argument reads at one point.
struct Copies<V> {
    x: V,
    columns: [V; COPY_COLUMNS],
    permutation: [V; COPY_COLUMNS],
    product: [V; 2],
    lagrange: [V; 2],
    usable: V,
}

/// The cells of the product thread.
struct Thread<V> {
    op_p: V,
    omega: V,
    h_w: [V; 2],
    z: [V; 2],
    p: [V; 2],
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
    weights: Vec<A::Factor>,
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
            weights: c.weights.iter().map(|w| a.factor(*w)).collect(),
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

    /// The first row's constraints, where `first` is not 0.
    #[inline(always)]
    fn starts(&self, [phi, z, p]: [A::Value; 3], [w_phi, w_r, w_u]: [&A::Factor; 3]) -> A::Value {
        let a = self.a;
        a.scale(phi, w_phi) + a.scale(z - self.channel, w_r) + a.scale(p - self.position, w_u)
    }

    /// The constraints of the product thread.
    #[inline(always)]
    fn products(&self, row: &Thread<A::Value>, [chain, product]: [&A::Factor; 2]) -> A::Value {
        let a = self.a;
        let (is_p, _) = self.indicators(row.op_p);
        let by_weights = row.z[0] * (row.h_w[0] + row.omega);
        let step = row.p[1] - row.p[0];
        is_p[0] * (a.scale(row.h_w[1] - by_weights, chain) + a.scale(step, product))
            + is_p[1] * (a.scale(row.h_w[1], chain) + a.scale(step - by_weights, product))
            + a.scale(is_p[2] * (row.p[1] - row.z[0] * row.p[0] - row.z[1]), product)
    }

    /// The constraints of the machine and those of the copy argument. Cost: those of the machine and about 15 products.
    #[inline(always)]
    fn evaluate(&self, machine: A::Value, row: &Copies<A::Value>) -> A::Value {
        let a = self.a;
        let [product, next] = row.product;
        let [first, last] = row.lagrange;
        let (mut left, mut right) = (next, product);
        for (j, value) in row.columns.into_iter().enumerate() {
            let value = value + self.gamma;
            left = left * (value + a.scale(row.permutation[j], &self.copy_beta));
            right = right * (value + a.scale(row.x, &self.names[j]));
        }
        a.reduce(machine)
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

// Macros, not closures or `map`: see `Kernel::run`.
macro_rules! here {
    ($a:expr, $columns:expr, $row:expr, $($index:literal)*) => { [$($a.load(&$columns[$index][$row..])),*] };
}
macro_rules! next {
    ($a:expr, $columns:expr, $row:expr, $($index:literal)*) => { [$(load_next($a, $columns[$index], $row)),*] };
}
use {here, next};

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self, a: A) {
        let Self { constants, columns: c, first, points, lagrange, out } = self;
        let folding = Folding::new(a, constants);
        let lanes = paired::LaneFactors::new(a, constants);
        assert!(out.len().is_multiple_of(A::LANES), "whole vectors");
        let copied = c.shape.copied();
        for start in (0..out.len()).step_by(A::LANES) {
            let row = first + start;
            let machine = match c.shape {
                Shape::Paired => paired::machine(&folding, &lanes, c, row),
                Shape::Single => single::machine(&folding, c, row),
            };
            let copies = Copies {
                x: a.load(&points[start..]),
                columns: [
                    a.load(&c.advice[copied[0]][row..]),
                    a.load(&c.advice[copied[1]][row..]),
                    a.load(&c.advice[copied[2]][row..]),
                ],
                permutation: here!(a, c.permutation, row, 0 1 2),
                product: [a.load(&c.product[row..]), load_next(a, c.product, row)],
                lagrange: [a.load(&lagrange[0][start..]), a.load(&lagrange[1][start..])],
                usable: a.load(&c.usable[row..]),
            };
            a.store(folding.evaluate(machine, &copies), &mut out[start..]);
        }
    }
}

#[cfg(test)]
mod tests;
