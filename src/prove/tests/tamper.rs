//! Cells of the witness: every one that is read is pinned.

use super::*;
use inferproof_circuits::program::{AdviceColumn, Lane, Pin, Program};
use inferproof_circuits::witness::{ChallengeValues, LaneColumns, PhaseOne, PhaseZero};
use std::collections::BTreeMap;

/// Flips per column in addition to the classes below.
const RANDOM_CELLS: usize = 20;
/// Those of a program that differs from another by few rows.
const FEW_CELLS: usize = 6;

fn flip_phase0(column: AdviceColumn, row: usize) -> impl Fn(&mut PhaseZero) {
    let earlier = |w: &mut PhaseZero, flip: &dyn Fn(&mut LaneColumns)| w.earlier.as_mut().into_iter().for_each(flip);
    move |w| match column {
        AdviceColumn::EarlierR => earlier(w, &|lane| lane.r[row] ^= 1),
        AdviceColumn::EarlierQ => earlier(w, &|lane| lane.q[row] ^= 1),
        AdviceColumn::EarlierY => earlier(w, &|lane| lane.y[row] += 1),
        AdviceColumn::R => w.r[row] ^= 1,
        AdviceColumn::Q => w.q[row] ^= 1,
        AdviceColumn::Y => w.y[row] += 1,
        AdviceColumn::E => w.e[row] += 1,
        AdviceColumn::M => w.m[row] += 1,
        _ => unreachable!("a column of phase 0"),
    }
}

fn flip_phase1(column: AdviceColumn, row: usize) -> impl Fn(&mut PhaseOne, &ChallengeValues) + Sync {
    move |w, _| {
        let column = match column {
            AdviceColumn::Omega => &mut w.omega,
            AdviceColumn::Hw => &mut w.h_w,
            AdviceColumn::Hx => &mut w.h_x,
            AdviceColumn::Hy => &mut w.h_y,
            AdviceColumn::Z => &mut w.z,
            AdviceColumn::P => &mut w.p,
            AdviceColumn::Psi => w.psi.as_mut().expect("the shape has it"),
            AdviceColumn::Phi => &mut w.phi,
            _ => unreachable!("a column of phase 1"),
        };
        column[row] += Fr::ONE;
    }
}

fn assert_pinned(fixture: &Fixture, column: AdviceColumn, row: usize) {
    let phase0 = flip_phase0(column, row);
    let phase1 = flip_phase1(column, row);
    let attack = if column.is_early() {
        Attack { phase0: Some(&phase0), ..Attack::default() }
    } else {
        Attack { phase1: Some(&phase1), ..Attack::default() }
    };
    assert!(!fixture.verifies(&fixture.forge(&attack)), "{column:?}[{row}] is free");
}

/// The rows of each kind of lane: a representative of each is changed.
fn lane_classes(program: &Program) -> BTreeMap<&'static str, usize> {
    let name = |lane: &Lane| match lane {
        Lane::Idle => "idle",
        Lane::Constant(_) => "constant",
        Lane::Value { .. } => "value",
        Lane::Requantised { .. } => "requantised",
        Lane::Inside { .. } => "inside",
        Lane::Block { .. } => "block",
        Lane::Limb { .. } => "limb",
        Lane::Below { .. } => "below",
        Lane::Greatest { .. } => "greatest",
        Lane::BelowValue { .. } => "below value",
        Lane::Before { .. } => "before",
        Lane::Rim { .. } => "rim",
        Lane::RimSum { .. } => "rim sum",
        Lane::Piece { .. } => "piece",
        Lane::Blind { .. } => "blind",
    };
    let rows = program.rows.iter().enumerate();
    // Of two elements on a row the later one says what both are, where there is a row of two.
    let mut classes: BTreeMap<_, _> = rows.clone().map(|(row, r)| (name(&r.lane), row)).collect();
    classes.extend(rows.filter(|(_, r)| r.earlier.is_some()).map(|(row, r)| (name(&r.lane), row)));
    classes
}

#[test]
fn every_class_of_cell_is_pinned() {
    let mut classes: Vec<&str> = fixtures().chain([linked()]).flat_map(|fixture| pin_classes(&fixture)).collect();
    classes.sort_unstable();
    classes.dedup();
    let all = [
        "before",
        "below",
        "below value",
        "blind",
        "block",
        "constant",
        "greatest",
        "idle",
        "inside",
        "limb",
        "requantised",
        "rim",
        "rim sum",
        "value",
    ];
    assert_eq!(classes, all);
}

/// Changes a cell of each class; returns the classes of lanes that the program has.
fn pin_classes(fixture: &Fixture) -> Vec<&'static str> {
    let program = &fixture.prover.backend.program;
    for (class, row) in lane_classes(program) {
        let early = AdviceColumn::all(program.layout.shape).filter(|column| column.is_early());
        for column in early.filter(|column| *column != AdviceColumn::M) {
            eprintln!("{class}: {column:?}[{row}]");
            assert_pinned(fixture, column, row);
        }
    }
    // Power cells, inverses, exposed chains, operands, the first row and the last.
    let pins = |found: &dyn Fn(&inferproof_circuits::program::Row) -> bool| {
        1 + program.rows.iter().skip(1).position(found).expect("the program has such a row")
    };
    let inverse = pins(&|r| matches!(r.p_pin, Pin::InverseOf(_)));
    let reset = pins(&|r| r.x == inferproof_circuits::program::ChainOp::Reset && r.slot.is_none());
    let weights = pins(&|r| r.slot.is_some());
    let end = program.active_rows();
    let cells = [
        (AdviceColumn::P, inverse),
        (AdviceColumn::P, inverse + 1),
        (AdviceColumn::Z, inverse),
        (AdviceColumn::Z, reset),
        (AdviceColumn::Omega, weights),
        (AdviceColumn::Hw, weights + 1),
        (AdviceColumn::Z, weights),
        (AdviceColumn::P, weights),
        (AdviceColumn::Z, 0),
        (AdviceColumn::P, 0),
        (AdviceColumn::Phi, 0),
        (AdviceColumn::Phi, end),
        (AdviceColumn::M, program.table.rows().len() - 1),
    ];
    for (column, row) in cells {
        assert_pinned(fixture, column, row);
    }
    lane_classes(program).into_keys().collect()
}

#[test]
fn random_read_cells_are_pinned() {
    for (seed, fixture) in fixtures().enumerate() {
        pin_random_cells(&fixture, seed as u64, RANDOM_CELLS);
    }
    pin_random_cells(&linked(), 3, FEW_CELLS);
}

fn pin_random_cells(fixture: &Fixture, seed: u64, cells: usize) {
    let mut by_column: BTreeMap<AdviceColumn, Vec<usize>> = BTreeMap::new();
    for (column, row) in fixture.prover.backend.program.read_cells() {
        by_column.entry(column).or_default().push(row);
    }
    let shape = fixture.prover.backend.program.layout.shape;
    assert_eq!(by_column.len(), AdviceColumn::all(shape).count());
    let mut rng = StdRng::seed_from_u64(17 + seed);
    for (column, rows) in by_column {
        for _ in 0..cells {
            assert_pinned(fixture, column, rows[rng.gen_range(0..rows.len())]);
        }
    }
}

/// A flip of a cell that nothing reads changes nothing: the list of read cells is not too long.
#[test]
fn unread_cells_are_free() {
    let fixture = secret();
    let read: std::collections::HashSet<_> = fixture.prover.backend.program.read_cells().into_iter().collect();
    let mut rng = StdRng::seed_from_u64(18);
    for column in [AdviceColumn::Hw, AdviceColumn::Z, AdviceColumn::P] {
        let free: Vec<usize> =
            (1..fixture.prover.backend.program.active_rows()).filter(|row| !read.contains(&(column, *row))).collect();
        let phase1 = flip_phase1(column, free[rng.gen_range(0..free.len())]);
        let attack = Attack { phase1: Some(&phase1), ..Attack::default() };
        assert!(fixture.verifies(&fixture.forge(&attack)), "{column:?}");
    }
}

/// `omega` on a row that no gate reads is still bound: it would open to other weights.
#[test]
fn unread_cells_of_omega_are_bound() {
    let fixture = secret();
    let row = fixture.prover.backend.program.rows.iter().position(|r| r.slot.is_none()).unwrap();
    let phase1 = flip_phase1(AdviceColumn::Omega, row);
    let forged = fixture.forge(&Attack { phase1: Some(&phase1), ..Attack::default() });
    let error = fixture.verify(&forged).unwrap_err();
    assert!(matches!(error, VerifyError::Invalid("the weights are not the registered ones")), "{error}");
}
