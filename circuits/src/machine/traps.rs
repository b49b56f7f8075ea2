//! The traps of the construction, one test each: the attack is mounted and refused.

use super::{Machine, PHASE0_COLUMNS, Shape};
use crate::integer::Interval;
use crate::network::Term;
use crate::program::{Lane, Layout, NULL_TAG, Pin, Program};
use crate::testing::{Case, Keys, NetworkBuilder, RELU8, SIGNED8};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use std::panic::catch_unwind;

/// A convolution under a maximum, then a dense layer.
fn pooled() -> Case {
    network().build(2)
}

fn network() -> NetworkBuilder {
    let mut b = NetworkBuilder::new(&[1, 5, 5], Interval::new(0, 15), 31);
    let conv = Term::Conv { input: 0, kernel: [3, 3], strides: [1, 1], pads: [1; 4] };
    let first = b.affine(&[2, 5, 5], RELU8, vec![conv]);
    let pool = b.max_pool(first, [2, 2]);
    let flat = b.reshape(pool, &[8]);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: flat }]);
    b
}

fn refused(program: &Program) -> bool {
    catch_unwind(|| program.check()).is_err()
}

/// A multiplier, operand or power cell without its copy would be free: the compiler's check says so for each.
#[test]
fn no_multiplier_is_free() {
    let case = pooled();
    let mut pins = 0;
    for row in 0..case.program.rows.len() {
        for column in 0..2 {
            let mut program = case.program.clone();
            let pin = if column == 0 { &mut program.rows[row].z_pin } else { &mut program.rows[row].p_pin };
            if matches!(pin, Pin::Copy(_)) {
                *pin = Pin::Free;
                assert!(refused(&program), "row {row} without its pin");
                pins += 1;
            }
        }
    }
    assert!(pins > 100, "{pins}");
}

/// An output row without its scale, or a rim with a table: a free coefficient on a valid exponent.
#[test]
fn no_rim_stands_on_an_output() {
    let case = pooled();
    for (row, r) in case.program.rows.iter().enumerate() {
        let mut program = case.program.clone();
        match r.lane {
            Lane::Below { .. } | Lane::Requantised { .. } => program.rows[row].kappa = 0,
            Lane::Rim { .. } => program.rows[row].tag = program.rows[case.program.rows.len() - 2].tag + (1 << 32),
            _ => continue,
        }
        assert!(refused(&program), "row {row}");
    }
}

/// The tags of idle lanes have the zero entry only.
#[test]
fn the_null_table_is_empty() {
    let program = pooled().program;
    let idle: Vec<_> = program.table.rows().iter().filter(|(tag, ..)| *tag == NULL_TAG).collect();
    assert_eq!(idle, [&(NULL_TAG, 0, 0)]);
    assert_eq!(program.table.rows().iter().filter(|(tag, ..)| *tag == 1).count(), 1);
}

/// No constraint may read what its challenge does not bind: all that is looked up is committed first.
#[test]
fn challenges_come_after_what_they_bind() {
    let mut cs = ConstraintSystem::default();
    let machine = Machine::configure(&mut cs, Shape::default());
    let phases = cs.advice_column_phase();
    assert!(phases[..PHASE0_COLUMNS].iter().all(|phase| *phase == 0));
    assert!(phases[PHASE0_COLUMNS..].iter().all(|phase| *phase == 1));
    assert!(cs.challenge_phase().iter().all(|phase| *phase == 0), "drawn after phase 0");
    assert_eq!(machine.omega.index(), super::OMEGA_INDEX);
    assert_eq!(cs.num_challenges(), 4);
}

/// Every public word is read.
#[test]
fn every_instance_word_counts() {
    let case = pooled();
    let keys = Keys::new(&case.circuit());
    assert!(keys.accepts(case.circuit(), &case.instance));
    for word in 0..case.instance.len() {
        let mut claimed = case.clone();
        claimed.instance[word] += Fr::one();
        assert!(!keys.accepts(claimed.circuit(), &claimed.instance), "word {word}");
    }
}

/// Two maxima in a window, or none.
#[test]
fn one_maximum_a_window() {
    // A black image: every output of a window ties but at the rim.
    let case = network().build_on(Layout::direct(2), vec![0; 25]);
    let keys = Keys::new(&case.circuit());
    let rows = |bit: i64, zero: bool| -> Vec<usize> {
        let below = |row: &usize| matches!(case.program.rows[*row].lane, Lane::Below { .. });
        let wanted = |row: &usize| case.phase0.y[*row] == bit && (case.phase0.q[*row] == 0) == zero;
        (0..case.program.rows.len()).filter(below).filter(wanted).collect()
    };
    let difference = |row: usize| case.program.table.find(case.program.rows[row].tag, 0, 0).unwrap();
    let one = |row: usize| case.program.table.find(case.program.rows[row].tag, 0, 1).unwrap();
    // None: clear the bit of one window, with honest multiplicities.
    let row = rows(1, true)[0];
    let mut none = case.clone();
    none.phase0.y[row] = 0;
    none.phase0.m[one(row)] -= 1;
    none.phase0.m[difference(row)] += 1;
    assert!(!keys.accepts(none.circuit(), &none.instance));
    // Two: set the bit of an output that attains the maximum as well.
    let row = rows(0, true)[0];
    let mut two = case.clone();
    two.phase0.y[row] = 1;
    two.phase0.m[one(row)] += 1;
    two.phase0.m[difference(row)] -= 1;
    assert!(!keys.accepts(two.circuit(), &two.instance));
}

/// An activation taken from another function's table, with honest multiplicities for that table.
#[test]
fn tables_do_not_mix() {
    let case = pooled();
    let keys = Keys::new(&case.circuit());
    let tags: Vec<u64> = case.program.table.kinds().map(|(tag, _)| tag).collect();
    let function = |lane: &Lane| matches!(lane, Lane::Requantised { .. } | Lane::Greatest { .. });
    let mut tried = 0;
    for (row, r) in case.program.rows.iter().enumerate().filter(|(_, r)| function(&r.lane)) {
        let (q, y) = (case.phase0.q[row] as i64, case.phase0.y[row]);
        for tag in tags.iter().filter(|tag| **tag != r.tag) {
            let entry = case.program.table.rows().iter().position(|e| (e.0, e.1) == (*tag, q) && e.2 != y);
            let Some(hit) = entry else { continue };
            let mut mixed = case.clone();
            mixed.phase0.m[case.program.table.find(r.tag, q, y).unwrap()] -= 1;
            mixed.phase0.y[row] = case.program.table.rows()[hit].2;
            mixed.phase0.m[hit] += 1;
            assert!(!keys.accepts(mixed.circuit(), &mixed.instance), "row {row}, tag {tag}");
            tried += 1;
        }
    }
    assert!(tried >= 1, "another table holds a quotient");
}
