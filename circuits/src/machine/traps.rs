//! The traps of the construction, one test each: the attack is mounted and refused.

use super::{Machine, Parameters, Shape};
use crate::integer::Interval;
use crate::network::{LayerWeights, Term, Window};
use crate::program::{Lane, Layout, NULL_TAG, Pin, ProductOp, Program, SlotSource};
use crate::testing::{Case, Keys, NetworkBuilder, RELU8, SIGNED8, conv};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use std::panic::catch_unwind;

/// A convolution under a maximum, then a dense layer.
fn pooled() -> Case {
    network().build(2)
}

fn network() -> NetworkBuilder {
    let mut b = NetworkBuilder::new(&[1, 5, 5], Interval::new(0, 15), 31);
    let conv = conv(0, [3, 3], [1, 1], [1; 4]);
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

/// A weight that nobody reads, or a chain that reads what is no weight: a registrant could hide one there.
#[test]
fn weights_stand_where_products_read_them() {
    let program = pooled().program;
    let start = |r: &crate::program::Row| r.product == ProductOp::Hold && r.slot.is_none();
    let slot = program.rows.iter().find_map(|r| r.slot);
    let mut tried = [0; 5];
    for (row, r) in program.rows.iter().enumerate() {
        let mut check = |change: usize, apply: &dyn Fn(&mut Program)| {
            let mut program = program.clone();
            apply(&mut program);
            assert!(refused(&program), "row {row}, change {change}");
            tried[change] += 1;
        };
        if r.slot.is_some() {
            check(0, &|p| p.rows[row].slot = None);
            check(1, &|p| p.rows[row].product = ProductOp::None);
        } else if start(r) {
            check(2, &|p| p.rows[row].slot = slot);
            check(3, &|p| p.rows[row].product = ProductOp::None);
        } else if r.product != ProductOp::Fma {
            check(4, &|p| p.rows[row].slot = slot);
        }
    }
    assert!(tried.iter().all(|count| *count > 0), "{tried:?}");
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
    for shape in Shape::ALL {
        let mut cs = ConstraintSystem::default();
        let machine = Machine::configure(&mut cs, Parameters::of(shape));
        let [zero, between, one] = shape.phases();
        let last = if between == 0 { 1 } else { 2 };
        let expected = [vec![0; zero], vec![1; between], vec![last; one]].concat();
        assert_eq!(cs.advice_column_phase(), expected);
        assert_eq!(cs.challenge_phase()[0], 0, "R comes after phase 0");
        assert!(cs.challenge_phase()[1..].iter().all(|phase| *phase + 1 == last), "the others after the rims too");
        assert_eq!(cs.num_challenges(), 4);
        assert_eq!(machine.omega.index(), shape.omega());
        assert_eq!([machine.y, machine.z, machine.p].map(|column| column.index()), shape.copied());
        let columns: Vec<usize> = machine.advice_columns().concat().iter().map(|column| column.index()).collect();
        assert_eq!(columns, (0..shape.advice()).collect::<Vec<_>>());
        assert_eq!(cs.num_fixed_columns(), shape.fixed());
    }
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

/// A later one of equal maxima, and none: the bits that would say so, with honest multiplicities.
#[test]
fn the_first_of_equal_maxima() {
    let mut b = NetworkBuilder::new(&[2, 4], Interval::new(-9, 9), 32);
    b.before_max(0);
    let case = b.build_on(Layout::direct(2), vec![3, 7, 7, 7, -9, -9, -9, -9]);
    let keys = Keys::new(&case.circuit());
    assert!(keys.accepts(case.circuit(), &case.instance));
    let honest = [vec![1, 0, 0, 0], vec![0; 4]];
    for (row, honest) in honest.iter().enumerate() {
        for claimed in 0..=4 {
            let bits: Vec<i64> = (0..4).map(|i| i64::from(i < claimed)).collect();
            let forged = claim_bits(&case, row, &bits, claimed);
            assert_eq!(keys.accepts(forged.circuit(), &forged.instance), bits == *honest, "row {row}: {bits:?}");
        }
        // Bits that are no run from the start.
        let forged = claim_bits(&case, row, &[0, 1, 0, 0], 2);
        assert!(!keys.accepts(forged.circuit(), &forged.instance));
    }
}

/// A registrant's weight in a lane that its group of channels does not use, as if the groups were one.
#[test]
fn no_weight_reaches_another_group() {
    let mut b = NetworkBuilder::new(&[2, 1, 1], Interval::new(1, 9), 33);
    let window = Window { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1] };
    b.affine(&[2, 1, 1], SIGNED8, vec![Term::Conv { input: 0, window, groups: 2 }]);
    b.weights.layers.insert(1, LayerWeights { terms: vec![vec![5, 7]], bias: vec![1, 1] });
    let case = b.build_on(Layout::direct(2), vec![3, 4]);
    let keys = Keys::new(&case.circuit());
    assert!(keys.accepts(case.circuit(), &case.instance));
    let slot = |row: usize| case.program.rows[row].slot.filter(|s| s.first == 0 && s.source != SlotSource::Bias);
    for weight in [0, 64] {
        let mut forged = case.clone();
        let hidden = forged.lanes.rows.iter_mut().find(|(row, _)| slot(*row).is_some()).expect("group 0 has a weight");
        assert_eq!(hidden.1, [5, 0]);
        hidden.1[1] = weight;
        // Channel 1 gains `weight` times the input's channel 0: as many whole quotients.
        let gained = (weight * 3) >> case.program.shift;
        for (i, r) in case.program.rows.iter().enumerate() {
            match r.lane {
                Lane::Requantised { index: 1, .. } => {
                    forged.phase0.q[i] += gained as u64;
                    forged.phase0.y[i] += gained;
                }
                Lane::Value { node: 1, index: 1, .. } => {
                    forged.phase0.q[i] += gained as u64;
                    forged.phase0.y[i] += gained;
                }
                _ => {}
            }
        }
        forged.recount();
        let output = [case.trace.values[1][0], case.trace.values[1][1] + gained];
        forged.instance = crate::witness::instance(&case.program, &[3, 4], &output);
        assert_eq!(keys.accepts(forged.circuit(), &forged.instance), weight == 0);
    }
}

/// The witness that says row `row` has these bits before its maximum, at `first`.
fn claim_bits(case: &Case, row: usize, bits: &[i64], first: usize) -> Case {
    let mut case = case.clone();
    let output = case.architecture.output;
    let mut claimed = case.trace.values[output].clone();
    claimed[row * 4..][..4].copy_from_slice(bits);
    for (i, r) in case.program.rows.iter().enumerate() {
        match r.lane {
            Lane::Before { index, window, .. } if window == row => case.phase0.y[i] = bits[index % 4],
            // Node 0 is what is searched; the max-pool's own bits are of its operand, a reshape.
            Lane::BelowValue { node: 0, index, window, .. } if window == row => {
                case.phase0.y[i] = i64::from(index % 4 == first);
            }
            Lane::Value { node, index, lo } if node == output => {
                (case.phase0.q[i], case.phase0.y[i]) = ((claimed[index] - lo) as u64, claimed[index]);
            }
            _ => {}
        }
    }
    case.recount();
    case.instance = crate::witness::instance(&case.program, &case.trace.values[0].clone(), &claimed);
    case
}
