//! Columns that depend on the challenges: one pass over the rows.

use super::{ChallengeValues, LaneRows, PhaseZero};
use crate::integer::to_field;
use crate::machine::LINK_ROW;
use crate::program::{Cell, ChainOp, ConsumerRatio, Pin, ProducerRatio, ProductOp, Program, Row};
use crate::secret::Secret;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::Zeroizing;

/// Columns of phase 1 on rows `0..=U`.
#[derive(Clone)]
pub struct PhaseOne {
    /// Folded weights.
    pub omega: Vec<Fr>,
    /// Weight chain.
    pub h_w: Vec<Fr>,
    /// Consumer chain.
    pub h_x: Vec<Fr>,
    /// Producer chain.
    pub h_y: Vec<Fr>,
    /// Multipliers, operands, exposed consumer chains.
    pub z: Vec<Fr>,
    /// Products, scalars, exposed producer chains.
    pub p: Vec<Fr>,
    /// Of three of four lookups what they add to the running sum, where rows have two lanes.
    pub psi: Option<Vec<Fr>>,
    /// Running sum of the lookups.
    pub phi: Vec<Fr>,
}

impl std::fmt::Debug for PhaseOne {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhaseOne({} rows)", self.phi.len())
    }
}

/// A cell of phase 1 that an attack sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ForcedCell {
    /// Weight chain.
    Hw(usize),
    /// Consumer chain.
    Hx(usize),
    /// Producer chain.
    Hy(usize),
    /// Multiplier column.
    Z(usize),
    /// Product column.
    P(usize),
}

/// Cells that are set instead of computed; all that follows from them is computed from the new value.
pub(crate) type Forced<'a> = &'a dyn Fn(ForcedCell) -> Option<Fr>;

/// Fills phase 1. `None` if a challenge is 0 where its inverse is needed or a lookup factor vanishes
/// (probability about `2^-230`): prove again with fresh randomness.
#[must_use]
pub fn phase_one(
    program: &Program,
    phase0: &PhaseZero,
    lanes: &LaneRows,
    challenges: &ChallengeValues,
    instance: &[Fr],
) -> Option<PhaseOne> {
    phase_one_forced(program, phase0, lanes, challenges, instance, &|_| None)
}

/// As [`phase_one`], with some cells set by an attack: for tests.
#[must_use]
pub(crate) fn phase_one_forced(
    program: &Program,
    phase0: &PhaseZero,
    lanes: &LaneRows,
    challenges: &ChallengeValues,
    instance: &[Fr],
    forced: Forced<'_>,
) -> Option<PhaseOne> {
    let rows = program.active_rows() + 1;
    // With room for the whole column: one that grows leaves copies behind.
    let column = || {
        let mut cells = Vec::with_capacity(1 << program.k);
        cells.resize(rows, Fr::ZERO);
        cells
    };
    let mut w = PhaseOne {
        omega: column(),
        h_w: column(),
        h_x: column(),
        h_y: column(),
        z: column(),
        p: column(),
        psi: None,
        phi: vec![],
    };
    for (row, value) in lanes.fold(challenges.channel) {
        w.omega[row] = value;
    }
    if let Some(link) = &phase0.link {
        let place = challenges.channel.pow_vartime([program.layout.lanes as u64]);
        w.omega[LINK_ROW] = place * link.evaluate(challenges.channel, challenges.position)?;
    }
    w.z[0] = forced(ForcedCell::Z(0)).unwrap_or(challenges.channel);
    w.p[0] = forced(ForcedCell::P(0)).unwrap_or(challenges.position);
    (w.h_x[0], w.h_y[0]) = (w.z[0], w.p[0]);
    let default = Row::default();
    let mut public = Zeroizing::new(phase0.rims(challenges.channel).into_iter().map(Secret).collect::<Vec<_>>());
    public.iter_mut().zip(instance).for_each(|(cell, word)| cell.0 += word);
    for row in 0..rows - 1 {
        let this = program.rows.get(row).unwrap_or(&default);
        let next = program.rows.get(row + 1).unwrap_or(&default);
        w.advance(row, this, phase0, challenges.position, public[row].0);
        w.force_chains(row + 1, forced);
        w.pin(row + 1, this, next, phase0, forced)?;
    }
    (w.psi, w.phi) = running_sum(program, phase0, challenges)?;
    Some(w)
}

impl PhaseOne {
    /// The three chains from `row` to `row + 1`. `free` is what `F` has beside quotient and remainder.
    fn advance(&mut self, row: usize, this: &Row, phase0: &PhaseZero, u: Fr, free: Fr) {
        let kappa = Fr::from(this.kappa);
        let form = |q: u64, r: u64| kappa * Fr::from(q) + Fr::from(r);
        let (mut y, mut f) = (to_field(phase0.y[row]), form(phase0.q[row], phase0.r[row]) + free);
        let mut natives = [u; 2];
        if let (Some(earlier), Some(cells)) = (this.earlier, &phase0.earlier) {
            let square = u.square();
            let (x_weight, x_native) = match earlier.x {
                ConsumerRatio::U => (u, square),
                ConsumerRatio::One => (Fr::ONE, u),
            };
            let (y_weight, y_native) = match earlier.y {
                ProducerRatio::U => (u, square),
                ProducerRatio::USquared => (square, square.square()),
            };
            y += x_weight * to_field(cells.y[row]);
            f += y_weight * form(cells.q[row], cells.r[row]);
            natives = [x_native, y_native];
        }
        let z = self.z[row];
        let step = |op: ChainOp, chain: Fr, native: Fr| match op {
            ChainOp::Reset => Fr::ZERO,
            ChainOp::StepU => native * chain,
            ChainOp::StepZ => z * chain,
        };
        self.h_x[row + 1] = step(this.x, self.h_x[row], natives[0]) + y;
        self.h_y[row + 1] = step(this.y, self.h_y[row], natives[1]) + f;
        self.h_w[row + 1] = match this.product {
            ProductOp::Hold => z * (self.h_w[row] + self.omega[row]),
            ProductOp::Product | ProductOp::None | ProductOp::Fma => Fr::ZERO,
        };
    }

    fn force_chains(&mut self, row: usize, forced: Forced<'_>) {
        let cells = [
            (&mut self.h_w, ForcedCell::Hw(row)),
            (&mut self.h_x, ForcedCell::Hx(row)),
            (&mut self.h_y, ForcedCell::Hy(row)),
        ];
        for (column, cell) in cells {
            if let Some(value) = forced(cell) {
                column[row] = value;
            }
        }
    }

    /// The value of a cell under the copy argument.
    #[must_use]
    pub fn value(&self, cell: Cell, phase0: &PhaseZero) -> Fr {
        match cell {
            Cell::Y(row) => to_field(phase0.y[row]),
            Cell::Z(row) => self.z[row],
            Cell::P(row) => self.p[row],
        }
    }

    /// `z` and `P` on `row`, whose predecessor is `before`.
    fn pin(&mut self, row: usize, before: &Row, this: &Row, phase0: &PhaseZero, forced: Forced<'_>) -> Option<()> {
        self.z[row] = match (this.x, this.z_pin) {
            (ChainOp::Reset, _) => self.h_x[row],
            (_, Pin::Copy(cell)) => self.value(cell, phase0),
            (_, Pin::InverseOf(_) | Pin::Free) => Fr::ZERO,
        };
        if let Some(value) = forced(ForcedCell::Z(row)) {
            self.z[row] = value;
        }
        let (p, z, weights) = (self.p[row - 1], self.z[row - 1], self.h_w[row - 1] + self.omega[row - 1]);
        self.p[row] = match (before.product, this.p_pin) {
            (ProductOp::Hold, _) => p,
            (ProductOp::Product, _) => p + weights * z,
            (ProductOp::Fma, _) => z * p + self.z[row],
            (ProductOp::None, Pin::Copy(cell)) => self.value(cell, phase0),
            (ProductOp::None, Pin::InverseOf(cell)) => Option::from(self.value(cell, phase0).invert())?,
            (ProductOp::None, Pin::Free) if this.y == ChainOp::Reset => self.h_y[row],
            (ProductOp::None, Pin::Free) => Fr::ZERO,
        };
        if let Some(value) = forced(ForcedCell::P(row)) {
            self.p[row] = value;
        }
        Some(())
    }
}

/// `psi`, where rows have two lanes, and `phi` on rows `0..=U`: it starts at 0 and ends there.
fn running_sum(
    program: &Program,
    phase0: &PhaseZero,
    challenges: &ChallengeValues,
) -> Option<(Option<Vec<Fr>>, Vec<Fr>)> {
    let (alpha, beta) = (challenges.alpha, challenges.beta);
    let alpha2 = alpha.square();
    let default = Row::default();
    let active = program.active_rows();
    let lanes = [Some((&phase0.r, &phase0.q, &phase0.y)), phase0.earlier.as_ref().map(|l| (&l.r, &l.q, &l.y))];
    let lanes: Vec<_> = lanes.into_iter().flatten().collect();
    // Of a row: the table's, then those of its lookups.
    let of_row = 1 + 2 * lanes.len();
    let mut factors = Vec::with_capacity(of_row * active);
    for row in 0..active {
        let of = program.rows.get(row).unwrap_or(&default);
        let (kappa, tag) = (beta + alpha2 * Fr::from(of.kappa), beta + alpha2 * Fr::from(of.tag));
        let (t_tag, t_in, t_out) = program.table.rows().get(row).copied().unwrap_or_default();
        factors.push(beta + to_field(t_in) + alpha * to_field(t_out) + alpha2 * Fr::from(t_tag));
        for (r, q, y) in &lanes {
            factors.push(kappa + Fr::from(r[row]));
            factors.push(tag + Fr::from(q[row]) + alpha * to_field(y[row]));
        }
    }
    let product = ff::BatchInvert::batch_invert(factors.iter_mut());
    if product.is_zero_vartime() {
        return None;
    }
    let mut phi = Vec::with_capacity(1 << program.k);
    let mut psi = phase0.earlier.as_ref().map(|_| Vec::with_capacity(1 << program.k));
    let mut sum = Fr::ZERO;
    phi.push(sum);
    for (row, inverse) in factors.chunks_exact(of_row).enumerate() {
        // All lookups but that of `r`.
        let others = inverse[2..].iter().sum::<Fr>();
        if let Some(psi) = &mut psi {
            psi.push(others);
        }
        sum += inverse[1] + others - Fr::from(phase0.m[row]) * inverse[0];
        phi.push(sum);
    }
    if let Some(psi) = &mut psi {
        psi.push(Fr::ZERO);
    }
    Some((psi, phi))
}
