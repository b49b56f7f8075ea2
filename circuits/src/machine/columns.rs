//! The columns of a program and its witness as field elements, for provers that take them without a synthesis.

use super::{COPY_COLUMNS, Challenges, Shape};
use crate::integer::to_field;
use crate::program::{Cell, ChainOp, ConsumerRatio, ProducerRatio, ProductOp, Program, Row};
use crate::secret::{Secret, SecretColumn};
use crate::witness::{PhaseOne, PhaseZero};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// The challenges of a proof as values.
pub(crate) type ChallengeValues = Challenges<Fr>;

const fn product_code(op: ProductOp) -> u64 {
    match op {
        ProductOp::None => 0,
        ProductOp::Hold => 1,
        ProductOp::Product => 2,
        ProductOp::Fma => 3,
    }
}

const fn chain_code(op: ChainOp) -> u64 {
    match op {
        ChainOp::Reset => 0,
        ChainOp::StepU => 1,
        ChainOp::StepZ => 2,
    }
}

/// What says how many elements are on a row and how the earlier one enters the two chains: 1 for one element.
const fn lane_codes(row: &Row) -> [u64; 2] {
    let Some(earlier) = row.earlier else { return [1; 2] };
    let x = match earlier.x {
        ConsumerRatio::U => 2,
        ConsumerRatio::One => 3,
    };
    let y = match earlier.y {
        ProducerRatio::U => 2,
        ProducerRatio::USquared => 3,
    };
    [x, y]
}

/// The fixed columns on the active rows, in the order of their commitments; every other row is 0.
#[must_use]
pub fn fixed_columns(program: &Program) -> Vec<Vec<Fr>> {
    let active = program.active_rows();
    let default = Row::default();
    let of_table = |cell: fn((u64, i64, i64)) -> Fr| -> Vec<Fr> {
        let rows = program.table.rows().iter().map(|entry| cell(*entry));
        padded(program.k, rows.chain(std::iter::repeat(cell((0, 0, 0)))).take(active))
    };
    let of_rows = |cell: fn(&Row) -> u64| -> Vec<Fr> {
        padded(program.k, (0..active).map(|row| Fr::from(cell(program.rows.get(row).unwrap_or(&default)))))
    };
    let common: [&(dyn Fn() -> Vec<Fr> + Sync); 6] = [
        &|| of_table(|(tag, _, _)| Fr::from(tag)),
        &|| of_table(|(_, input, _)| to_field(input)),
        &|| of_table(|(_, _, output)| to_field(output)),
        &|| of_rows(|row| row.tag),
        &|| of_rows(|row| row.kappa),
        &|| of_rows(|row| product_code(row.product)),
    ];
    let single: [&(dyn Fn() -> Vec<Fr> + Sync); 2] =
        [&|| of_rows(|row| chain_code(row.x)), &|| of_rows(|row| chain_code(row.y) + 1)];
    let paired: [&(dyn Fn() -> Vec<Fr> + Sync); 4] = [
        &|| of_rows(|row| chain_code(row.x)),
        &|| of_rows(|row| chain_code(row.y)),
        &|| of_rows(|row| lane_codes(row)[0]),
        &|| of_rows(|row| lane_codes(row)[1]),
    ];
    let own: &[_] = match program.layout.shape {
        Shape::Single => &single,
        Shape::Paired => &paired,
    };
    common.par_iter().chain(own).map(|column| column()).collect()
}

/// Cells with room for those of all `2^k` rows.
fn padded(k: u32, cells: impl Iterator<Item = Fr>) -> Vec<Fr> {
    let mut column = Vec::with_capacity(1 << k);
    column.extend(cells);
    column
}

/// Where a cell under the copy argument stands among `y`, `z`, `P`.
pub(super) const fn copy_position(cell: Cell) -> usize {
    match cell {
        Cell::Y(_) => 0,
        Cell::Z(_) => 1,
        Cell::P(_) => 2,
    }
}

/// The permutation behind the copies: cell `(column, row)` of `y`, `z`, `P` is at `column 2^k + row`, and maps to the next of its cycle.
///
/// The cycles are joined in the order of the copies, the shorter into the longer, as halo2's keys have it (The halo2 Book, "Permutation argument").
#[must_use]
pub fn copy_permutation(program: &Program) -> Vec<u32> {
    let rows = 1usize << program.k;
    let index = |cell: Cell| (copy_position(cell) * rows + cell.row()) as u32;
    let mut next: Vec<u32> = (0..(COPY_COLUMNS * rows) as u32).collect();
    let mut leader = next.clone();
    let mut length = vec![1u32; next.len()];
    for (a, b) in program.copies() {
        let [a, b] = [a, b].map(|cell| index(cell) as usize);
        let [mut long, mut short] = [leader[a] as usize, leader[b] as usize];
        if long == short {
            continue;
        }
        if length[long] < length[short] {
            std::mem::swap(&mut long, &mut short);
        }
        length[long] += length[short];
        let mut member = short;
        loop {
            leader[member] = long as u32;
            member = next[member] as usize;
            if member == short {
                break;
            }
        }
        next.swap(a, b);
    }
    next
}

/// A column of `2^k` cells, those given first and zeros after them. Made at its full size, so that nothing is copied when it is filled up.
fn column(k: u32, cells: impl Iterator<Item = Fr>) -> SecretColumn {
    let mut rows = padded(k, cells);
    rows.resize(1 << k, Fr::ZERO);
    SecretColumn(rows)
}

/// Phase 0, in the order of the commitments.
pub(super) fn phase_zero_columns(program: &Program, w: &PhaseZero) -> Vec<SecretColumn> {
    let k = program.k;
    let natural = |cells: &[u64]| column(k, cells.iter().map(|v| Fr::from(*v)));
    let integer = |cells: &[i64]| column(k, cells.iter().map(|v| to_field(*v)));
    match &w.earlier {
        None => {
            let e = Zeroizing::new(w.rims(Fr::ZERO).into_iter().map(Secret).collect::<Vec<_>>());
            let e = column(k, e.iter().map(|cell| cell.0));
            vec![natural(&w.r), natural(&w.q), integer(&w.y), e, natural(&w.m)]
        }
        Some(earlier) => vec![
            natural(&earlier.r),
            natural(&earlier.q),
            integer(&earlier.y),
            natural(&w.r),
            natural(&w.q),
            integer(&w.y),
            natural(&w.m),
        ],
    }
}

/// The phase between, for the challenge `R`; `None` if the shape has none.
pub(super) fn rim_column(program: &Program, w: &PhaseZero, channel: Fr) -> Option<SecretColumn> {
    w.earlier.as_ref()?;
    let e = Zeroizing::new(w.rims(channel).into_iter().map(Secret).collect::<Vec<_>>());
    Some(column(program.k, e.iter().map(|cell| cell.0)))
}

/// Phase 1, in the order of the commitments.
pub(super) fn phase_one_columns(k: u32, w: PhaseOne) -> Vec<SecretColumn> {
    let PhaseOne { omega, h_w, h_x, h_y, z, p, psi, phi } = w;
    let columns = [Some(omega), Some(h_w), Some(h_x), Some(h_y), Some(z), Some(p), psi, Some(phi)];
    let full = |mut rows: Vec<Fr>| {
        rows.resize(1 << k, Fr::ZERO);
        SecretColumn(rows)
    };
    columns.into_iter().flatten().map(full).collect()
}
